//! What one query asks of which table.
//!
//! A reader over our own tokens that knows scopes: aliases, joins, subqueries and what is correlated in them, CTEs that stand
//! before tables of their name, what a star passes on from a subquery to the query around it. What the catalog says of a
//! table's columns decides whose a bare name is; where it doesn't, the name counts for each table in reach, and is in doubt.

use std::collections::BTreeSet;

use super::scope::{Env, Output, Source};
use super::words::{RESERVED, is_operand};
use crate::ddl::known::{Known, Relation};
use crate::ddl::lex::{Token, TokenKind};
use crate::ddl::read::Cursor;

/// Deeper ones than people write: the stack is not theirs.
const DEEPEST: usize = 60;
/// Words that end the clause before them.
const CLAUSES: [&str; 11] =
    ["FROM", "WHERE", "GROUP", "HAVING", "WINDOW", "ORDER", "LIMIT", "OFFSET", "FETCH", "FOR", "INTO"];

/// What a query asks for.
#[derive(Debug, Default)]
pub(super) struct Asked {
    /// The tables that it names.
    pub(super) tables: BTreeSet<Relation>,
    /// The columns that it names, and whether it is certain whose they are.
    pub(super) columns: BTreeSet<(Relation, String, bool)>,
    /// The tables of which it gives all columns, by their names.
    pub(super) stars: BTreeSet<Relation>,
    /// The tables whose columns must be as many as before: for an INSERT, an IN, another arm of a UNION.
    pub(super) counted: BTreeSet<Relation>,
    /// The targets of its INSERTs, and the columns that each lists; none where it lists none.
    pub(super) inserts: Vec<(Relation, Option<Vec<String>>)>,
    /// Names that stand alone, with each table that would make them ambiguous, or catch them, by gaining such a column.
    pub(super) bare: BTreeSet<(Relation, String)>,
}

/// Reads a query. Fails with why it can't be judged.
pub(super) fn read(text: &str, known: &Known) -> Result<Asked, &'static str> {
    let cursor = Cursor::new(text).ok_or("a quote of it has no end, or it was cut off")?;
    let mut reader = Reader { known, asked: Asked::default(), depth: 0 };
    let output = reader.query(cursor, &Env::default())?;
    reader.asked.stars.extend(output.stars);
    Ok(reader.asked)
}

/// Reads one query.
pub(super) struct Reader<'k> {
    /// The catalog before the changes.
    pub(super) known: &'k Known,
    /// What it asks so far.
    pub(super) asked: Asked,
    depth: usize,
}

/// Or why it can't be judged.
pub(super) type Read<T> = Result<T, &'static str>;

impl Reader<'_> {
    pub(super) fn query(&mut self, mut cursor: Cursor<'_>, parent: &Env<'_>) -> Read<Output> {
        self.depth += 1;
        if self.depth > DEEPEST {
            return Err("it is nested too deep");
        }
        let mut env = Env::under(parent);
        if cursor.takes(&["WITH"]) {
            self.ctes(&mut cursor, &mut env)?;
        }
        let output = if cursor.takes(&["INSERT", "INTO"]) {
            self.insert(cursor, &env)
        } else if cursor.takes(&["UPDATE"]) {
            self.update(cursor, &env)
        } else if cursor.takes(&["DELETE", "FROM"]) {
            self.delete(cursor, &env)
        } else if cursor.takes(&["MERGE", "INTO"]) {
            self.merge(cursor, &env)
        } else {
            self.arms(cursor, &env)
        };
        self.depth -= 1;
        output
    }

    pub(super) fn ctes(&mut self, cursor: &mut Cursor<'_>, env: &mut Env<'_>) -> Read<()> {
        const STRANGE: &str = "its WITH is written in a way that is not known";
        let recursive = cursor.takes(&["RECURSIVE"]);
        loop {
            let name = cursor.ident().ok_or(STRANGE)?.0;
            let columns = cursor.columns();
            cursor.expect(&["AS"]).ok_or(STRANGE)?;
            cursor.takes(&["NOT"]);
            cursor.takes(&["MATERIALIZED"]);
            let inner = cursor.group().ok_or(STRANGE)?;
            let names = columns.into_iter().flatten().map(|column| column.0).collect::<BTreeSet<_>>();
            if recursive {
                // It names itself; what it gives is what its first arm gives.
                env.ctes.push((name.clone(), Output { names: names.clone(), opaque: true, ..Output::default() }));
            }
            let mut output = self.query(cursor.inside(&inner), env)?;
            if !names.is_empty() {
                // The names are given by position.
                self.counts(&output);
                output.names.extend(names);
            }
            env.ctes.push((name, output));
            // SEARCH and CYCLE.
            cursor.until(&["SELECT", "INSERT", "UPDATE", "DELETE", "MERGE", "VALUES", "TABLE"], &[",", "("]);
            if !cursor.takes_symbol(",") {
                return Ok(());
            }
        }
    }

    /// SELECT, VALUES, TABLE and queries in parentheses, with what joins them.
    pub(super) fn arms(&mut self, mut cursor: Cursor<'_>, env: &Env<'_>) -> Read<Output> {
        let mut outputs = Vec::new();
        loop {
            let arm = cursor.until(&["UNION", "INTERSECT", "EXCEPT"], &[]);
            outputs.push(self.arm(cursor.inside(&arm), env)?);
            if cursor.advance().is_none() {
                break;
            }
            let _ = cursor.takes(&["ALL"]) || cursor.takes(&["DISTINCT"]);
        }
        if outputs.len() > 1 {
            // They must have as many columns as each other.
            for output in &outputs {
                self.counts(output);
            }
        }
        Ok(outputs.swap_remove(0))
    }

    pub(super) fn arm(&mut self, mut cursor: Cursor<'_>, env: &Env<'_>) -> Read<Output> {
        if let Some(inner) = cursor.group() {
            let output = self.query(cursor.inside(&inner), env)?;
            self.expression(cursor, env)?;
            return Ok(output);
        }
        if cursor.takes(&["SELECT"]) {
            return self.select(cursor, env);
        }
        if cursor.takes(&["VALUES"]) {
            self.expression(cursor, env)?;
            return Ok(Output { opaque: true, ..Output::default() });
        }
        if cursor.takes(&["TABLE"]) {
            cursor.takes(&["ONLY"]);
            let name = cursor.name().ok_or("its TABLE names none")?;
            return Ok(self.source(&name, None, env).all());
        }
        Err("it runs what its text doesn't show")
    }

    pub(super) fn select(&mut self, mut cursor: Cursor<'_>, env: &Env<'_>) -> Read<Output> {
        let mut distinct = None;
        if !cursor.takes(&["ALL"]) && cursor.takes(&["DISTINCT"]) && cursor.takes(&["ON"]) {
            distinct = cursor.group();
        }
        let list = clause(&mut cursor, &CLAUSES);
        if cursor.takes(&["INTO"]) {
            return Err("it makes a table");
        }
        let mut frame = Env::under(env);
        if cursor.takes(&["FROM"]) {
            let from = cursor.until(CLAUSES.get(1..).unwrap_or_default(), &[]);
            self.from(cursor.inside(&from), &mut frame, env)?;
        }
        if let Some(distinct) = distinct {
            self.expression(cursor.inside(&distinct), &frame)?;
        }
        let (output, labels) = self.items(cursor.inside(&list), &frame)?;
        let filters = cursor.until(&["ORDER", "LIMIT", "OFFSET", "FETCH", "FOR"], &[]);
        self.expression(cursor.inside(&filters), &frame)?;
        if cursor.takes(&["ORDER", "BY"]) {
            let order = cursor.until(&["LIMIT", "OFFSET", "FETCH", "FOR"], &[]);
            self.order(cursor.inside(&order), &labels, &frame)?;
        }
        let rest = cursor.until(&["FOR"], &[]);
        self.expression(cursor.inside(&rest), &frame)?;
        Ok(output)
    }

    /// ORDER BY: a name alone is a label of the list before it is a column.
    pub(super) fn order(&mut self, mut cursor: Cursor<'_>, labels: &BTreeSet<String>, env: &Env<'_>) -> Read<()> {
        while !cursor.is_done() {
            let item = cursor.until(&[], &[","]);
            cursor.advance();
            let mut alone = cursor.inside(&item);
            let is_label = alone.ident().is_some_and(|name| labels.contains(&name.0))
                && (alone.is_done() || ["ASC", "DESC", "NULLS"].iter().any(|word| alone.sees(&[word])));
            if !is_label {
                self.expression(cursor.inside(&item), env)?;
            }
        }
        Ok(())
    }

    /// The list of a SELECT or RETURNING: what it gives, and the labels that it writes.
    pub(super) fn items(&mut self, mut cursor: Cursor<'_>, env: &Env<'_>) -> Read<(Output, BTreeSet<String>)> {
        let (mut output, mut labels) = (Output::default(), BTreeSet::new());
        while !cursor.is_done() {
            let item = cursor.until(&[], &[","]);
            cursor.advance();
            let mut one = cursor.inside(&item);
            if one.takes_symbol("*") && one.is_done() {
                env.sources.iter().filter(|source| !source.only_qualified).for_each(|source| output.add(source.all()));
                continue;
            }
            let mut one = cursor.inside(&item);
            if let Some(qualifier) = starred(&mut one) {
                let source = env.named(&qualifier);
                output.add(source.map_or_else(|| Output { opaque: true, ..Output::default() }, Source::all));
                continue;
            }
            let (expression, label) = labelled(&cursor, &item);
            let mut plain = cursor.inside(&expression);
            let name = plain.name().filter(|_| plain.is_done()).map(|name| name.object.0);
            if let Some(row) =
                name.as_ref().filter(|name| !env.has_column(name, self.known)).and_then(|name| env.called(name))
            {
                // The whole row as one value.
                let all = row.all();
                self.asked.stars.extend(all.stars);
            } else {
                self.expression(cursor.inside(&expression), env)?;
            }
            output.names.extend(label.clone().or(name));
            labels.extend(label);
        }
        Ok((output, labels))
    }

    /// The number of its columns matters.
    pub(super) fn counts(&mut self, output: &Output) {
        self.asked.counted.extend(output.stars.iter().cloned());
    }
}

/// Up to the next of these clauses; the FROM of IS DISTINCT FROM begins none.
pub(super) fn clause(cursor: &mut Cursor<'_>, words: &[&str]) -> std::ops::Range<usize> {
    let mut span = cursor.until(words, &[]);
    while cursor.sees(&["FROM"]) && ends_with_word(cursor, &span, "distinct") {
        cursor.advance();
        span.end = cursor.until(words, &[]).end.max(cursor.taken_to());
    }
    span
}

pub(super) fn ends_with_word(cursor: &Cursor<'_>, span: &std::ops::Range<usize>, word: &str) -> bool {
    cursor.text(span.clone()).to_lowercase().ends_with(word)
}

/// `t.*` and nothing else; gives what stands before the star.
pub(super) fn starred(cursor: &mut Cursor<'_>) -> Option<Vec<String>> {
    let mut parts = vec![cursor.ident()?.0];
    while cursor.takes_symbol(".") {
        if cursor.takes_symbol("*") {
            return cursor.is_done().then_some(parts);
        }
        parts.push(cursor.ident()?.0);
    }
    None
}

/// An item of a list without its label, and the label.
pub(super) fn labelled(cursor: &Cursor<'_>, item: &std::ops::Range<usize>) -> (std::ops::Range<usize>, Option<String>) {
    let mut tokens: Vec<Token> = Vec::new();
    let mut all = cursor.inside(item);
    while let Some(token) = all.advance() {
        tokens.push(token);
    }
    let word = |token: &Token| cursor.text(token.span()).to_lowercase();
    let [.., before, last] = tokens.as_slice() else { return (item.clone(), None) };
    let label = cursor.inside(&last.span()).ident().map(|label| label.0);
    if before.kind == TokenKind::Word && word(before) == "as" {
        return (item.start..before.start, label);
    }
    let reserved = last.kind == TokenKind::Word && RESERVED.contains(&word(last).as_str());
    if reserved || label.is_none() || !is_operand(before.kind, &word(before)) {
        return (item.clone(), None);
    }
    (item.start..before.end, label)
}
