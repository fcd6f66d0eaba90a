//! What one query asks of which table.
//!
//! A reader over our own tokens that knows scopes: aliases, joins, subqueries and what is correlated in them, CTEs that stand
//! before tables of their name, what a star passes on from a subquery to the query around it. What the catalog says of a
//! table's columns decides whose a bare name is; where it doesn't, the name counts for each table in reach, and is in doubt.

use std::collections::BTreeSet;

use super::scope::{Env, Has, Output, Source, What};
use super::words::{RESERVED, is_alias, is_operand};
use crate::ddl::known::{Known, Relation};
use crate::ddl::lex::{Token, TokenKind};
use crate::ddl::read::{Cursor, Written};

/// Deeper ones than people write: the stack is not theirs.
const DEEPEST: usize = 60;
/// Words that begin a query, in parentheses too.
const QUERY: [&str; 4] = ["SELECT", "WITH", "VALUES", "TABLE"];
/// Words that end the clause before them.
const CLAUSES: [&str; 11] =
    ["FROM", "WHERE", "GROUP", "HAVING", "WINDOW", "ORDER", "LIMIT", "OFFSET", "FETCH", "FOR", "INTO"];
const JOINS: [&str; 7] = ["JOIN", "CROSS", "INNER", "LEFT", "RIGHT", "FULL", "NATURAL"];

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

struct Reader<'k> {
    known: &'k Known,
    asked: Asked,
    depth: usize,
}

type Read<T> = Result<T, &'static str>;

impl Reader<'_> {
    fn query(&mut self, mut cursor: Cursor<'_>, parent: &Env<'_>) -> Read<Output> {
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

    fn ctes(&mut self, cursor: &mut Cursor<'_>, env: &mut Env<'_>) -> Read<()> {
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
    fn arms(&mut self, mut cursor: Cursor<'_>, env: &Env<'_>) -> Read<Output> {
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
            outputs.iter().for_each(|output| self.counts(output));
        }
        Ok(outputs.swap_remove(0))
    }

    fn arm(&mut self, mut cursor: Cursor<'_>, env: &Env<'_>) -> Read<Output> {
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

    fn select(&mut self, mut cursor: Cursor<'_>, env: &Env<'_>) -> Read<Output> {
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
    fn order(&mut self, mut cursor: Cursor<'_>, labels: &BTreeSet<String>, env: &Env<'_>) -> Read<()> {
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
    fn items(&mut self, mut cursor: Cursor<'_>, env: &Env<'_>) -> Read<(Output, BTreeSet<String>)> {
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

    /// Tables and joins of a FROM or USING, into `frame`. `outer` is what a subquery of it sees that is not LATERAL.
    fn from(&mut self, mut cursor: Cursor<'_>, frame: &mut Env<'_>, outer: &Env<'_>) -> Read<()> {
        let (mut conditions, mut shared, mut natural) = (Vec::new(), Vec::new(), false);
        while !cursor.is_done() {
            let passes = cursor.takes_symbol(",") || JOINS.iter().take(6).any(|word| cursor.takes(&[word]));
            if passes || cursor.takes(&["OUTER"]) || cursor.takes(&["ONLY"]) {
                continue;
            }
            if cursor.takes(&["NATURAL"]) {
                natural = true;
            } else if cursor.takes(&["ON"]) {
                conditions.push(condition(&mut cursor));
            } else if cursor.takes(&["USING"]) {
                shared.extend(cursor.columns().unwrap_or_default());
                let _ = cursor.takes(&["AS"]) && cursor.ident().is_some();
            } else {
                self.item(&mut cursor, frame, outer)?;
            }
        }
        for span in conditions {
            self.expression(cursor.inside(&span), frame)?;
        }
        for column in shared {
            for source in &frame.sources {
                if let Has::Yes(tables) | Has::Maybe(tables) = source.has(&column.0, self.known) {
                    self.asked.columns.extend(tables.into_iter().map(|table| (table, column.0.clone(), true)));
                }
            }
        }
        if natural {
            // Which columns it joins by changes with any of them.
            let all: Vec<Output> = frame.sources.iter().map(Source::all).collect();
            self.asked.stars.extend(all.into_iter().flat_map(|output| output.stars));
        }
        Ok(())
    }

    /// One table, function or subquery.
    fn item(&mut self, cursor: &mut Cursor<'_>, frame: &mut Env<'_>, outer: &Env<'_>) -> Read<()> {
        let lateral = cursor.takes(&["LATERAL"]);
        cursor.takes(&["ONLY"]);
        if let Some(inner) = cursor.group() {
            if !begins_query(&cursor.inside(&inner)) {
                return self.from(cursor.inside(&inner), frame, outer);
            }
            let output = self.query(cursor.inside(&inner), if lateral { frame } else { outer })?;
            let (alias, columns) = alias(cursor);
            frame.sources.push(self.renamed(What::Derived(output), alias.unwrap_or_default(), columns));
            return Ok(());
        }
        let Some(name) = cursor.name() else {
            cursor.advance();
            return Ok(());
        };
        if cursor.sees_symbol("(") || (name.plain() == "rows" && cursor.takes(&["FROM"])) {
            let arguments = cursor.group().unwrap_or_default();
            self.expression(cursor.inside(&arguments), frame)?;
            cursor.takes(&["WITH", "ORDINALITY"]);
            let (alias, _) = alias(cursor);
            let alias = alias.unwrap_or(name.object.0);
            frame.sources.push(Source { alias, what: What::Opaque, only_qualified: false });
            return Ok(());
        }
        cursor.takes_symbol("*");
        let (alias, columns) = alias(cursor);
        if cursor.takes(&["TABLESAMPLE"]) {
            cursor.name();
            cursor.group();
            let _ = cursor.takes(&["REPEATABLE"]) && cursor.group().is_some();
        }
        let source = self.source(&name, alias, outer);
        let source = self.renamed(source.what, source.alias, columns);
        frame.sources.push(source);
        Ok(())
    }

    /// A CTE, or a table that is noted.
    fn source(&mut self, name: &Written, alias: Option<String>, env: &Env<'_>) -> Source {
        let alias = alias.unwrap_or_else(|| name.object.0.clone());
        let cte = name.schema.is_none().then(|| env.cte(&name.object.0)).flatten();
        let what = match cte {
            Some(output) => What::Derived(output.clone()),
            None => {
                let relation = self.known.relation(name);
                self.asked.tables.insert(relation.clone());
                What::Table(relation)
            }
        };
        Source { alias, what, only_qualified: false }
    }

    /// `AS t (a, b)`: the columns get names by their position.
    fn renamed(&mut self, what: What, alias: String, columns: Option<Vec<String>>) -> Source {
        let source = Source { alias, what, only_qualified: false };
        let Some(columns) = columns else { return source };
        let mut output = source.all();
        self.counts(&output);
        output.names.extend(columns);
        Source { what: What::Derived(output), ..source }
    }

    fn insert(&mut self, mut cursor: Cursor<'_>, env: &Env<'_>) -> Read<Output> {
        let name = cursor.name().ok_or("its INSERT names no table")?;
        let alias = if cursor.takes(&["AS"]) { cursor.ident().map(|alias| alias.0) } else { None };
        let target = self.target(&name, alias);
        let columns = targets(&mut cursor);
        self.inserted(&target, columns, cursor.sees(&["DEFAULT", "VALUES"]));
        cursor.until(&["SELECT", "WITH", "VALUES", "TABLE"], &["("]);
        if cursor.taken_to() > 0 && !cursor.is_done() {
            let source = until_conflict(&mut cursor);
            if !cursor.inside(&source).is_done() {
                let mut values = cursor.inside(&source);
                // After DEFAULT nothing is left but the word VALUES.
                if !(values.takes(&["VALUES"]) && values.is_done()) {
                    let output = self.query(cursor.inside(&source), env)?;
                    self.counts(&output);
                }
            }
        }
        let mut frame = Env::under(env);
        frame.sources.push(target.clone());
        if cursor.takes(&["ON", "CONFLICT"]) {
            let arbiter = cursor.until(&["DO"], &[]);
            self.expression(cursor.inside(&arbiter), &frame)?;
            let excluded = Source { alias: "excluded".to_owned(), only_qualified: true, ..target.clone() };
            frame.sources.push(excluded);
            if cursor.takes(&["DO", "UPDATE", "SET"]) {
                self.set(&mut cursor, &target, &frame)?;
            }
            let rest = cursor.until(&["RETURNING"], &[]);
            self.expression(cursor.inside(&rest), &frame)?;
        }
        self.returning(cursor, &frame)
    }

    fn target(&mut self, name: &Written, alias: Option<String>) -> Source {
        // What is written to is no CTE.
        self.source(name, alias, &Env::default())
    }

    fn inserted(&mut self, target: &Source, columns: Option<Vec<String>>, defaults: bool) {
        let What::Table(relation) = &target.what else { return };
        let columns = columns.or(defaults.then(Vec::new));
        let named = columns.iter().flatten().map(|column| (relation.clone(), column.clone(), true));
        self.asked.columns.extend(named);
        self.asked.inserts.push((relation.clone(), columns));
    }

    fn update(&mut self, mut cursor: Cursor<'_>, env: &Env<'_>) -> Read<Output> {
        cursor.takes(&["ONLY"]);
        let name = cursor.name().ok_or("its UPDATE names no table")?;
        cursor.takes_symbol("*");
        let (alias, _) = alias(&mut cursor);
        let target = self.target(&name, alias);
        cursor.takes(&["SET"]);
        let set = clause(&mut cursor, &["FROM", "WHERE", "RETURNING"]);
        let mut frame = Env::under(env);
        frame.sources.push(target.clone());
        if cursor.takes(&["FROM"]) {
            let from = cursor.until(&["WHERE", "RETURNING"], &[]);
            self.from(cursor.inside(&from), &mut frame, env)?;
        }
        self.set(&mut cursor.inside(&set), &target, &frame)?;
        let filter = cursor.until(&["RETURNING"], &[]);
        self.expression(cursor.inside(&filter), &frame)?;
        self.returning(cursor, &frame)
    }

    fn delete(&mut self, mut cursor: Cursor<'_>, env: &Env<'_>) -> Read<Output> {
        cursor.takes(&["ONLY"]);
        let name = cursor.name().ok_or("its DELETE names no table")?;
        cursor.takes_symbol("*");
        let (alias, _) = alias(&mut cursor);
        let mut frame = Env::under(env);
        let target = self.target(&name, alias);
        frame.sources.push(target);
        if cursor.takes(&["USING"]) {
            let from = cursor.until(&["WHERE", "RETURNING"], &[]);
            self.from(cursor.inside(&from), &mut frame, env)?;
        }
        let filter = cursor.until(&["RETURNING"], &[]);
        self.expression(cursor.inside(&filter), &frame)?;
        self.returning(cursor, &frame)
    }

    fn merge(&mut self, mut cursor: Cursor<'_>, env: &Env<'_>) -> Read<Output> {
        cursor.takes(&["ONLY"]);
        let name = cursor.name().ok_or("its MERGE names no table")?;
        let (alias, _) = alias(&mut cursor);
        let target = self.target(&name, alias);
        let mut frame = Env::under(env);
        frame.sources.push(target.clone());
        cursor.takes(&["USING"]);
        let from = cursor.until(&["WHEN"], &[]);
        self.from(cursor.inside(&from), &mut frame, env)?;
        while cursor.takes(&["WHEN"]) {
            let condition = cursor.until(&["THEN"], &[]);
            self.expression(cursor.inside(&condition), &frame)?;
            cursor.takes(&["THEN"]);
            if cursor.takes(&["UPDATE", "SET"]) {
                self.set(&mut cursor, &target, &frame)?;
            } else if cursor.takes(&["INSERT"]) {
                let columns = targets(&mut cursor);
                self.inserted(&target, columns, cursor.sees(&["DEFAULT", "VALUES"]));
            }
            let rest = cursor.until(&["WHEN", "RETURNING"], &[]);
            self.expression(cursor.inside(&rest), &frame)?;
        }
        self.returning(cursor, &frame)
    }

    /// `a = …, (b, c) = …`, up to the next clause.
    fn set(&mut self, cursor: &mut Cursor<'_>, target: &Source, env: &Env<'_>) -> Read<()> {
        let all = clause(cursor, &["WHERE", "FROM", "RETURNING", "WHEN"]);
        let mut items = cursor.inside(&all);
        while !items.is_done() {
            let item = items.until(&[], &[","]);
            items.advance();
            let mut one = items.inside(&item);
            let columns = targets(&mut one).unwrap_or_else(|| one.ident().map(|column| column.0).into_iter().collect());
            if let What::Table(relation) = &target.what {
                self.asked.columns.extend(columns.into_iter().map(|column| (relation.clone(), column, true)));
            }
            one.until(&[], &["="]);
            self.expression(one, env)?;
        }
        Ok(())
    }

    fn returning(&mut self, mut cursor: Cursor<'_>, env: &Env<'_>) -> Read<Output> {
        if !cursor.takes(&["RETURNING"]) {
            return Ok(Output::default());
        }
        Ok(self.items(cursor, env)?.0)
    }

    /// Every name and subquery of an expression, or of several.
    fn expression(&mut self, mut cursor: Cursor<'_>, env: &Env<'_>) -> Read<()> {
        let (mut before, mut call) = (String::new(), String::new());
        while let Some(token) = cursor.peek() {
            if begins_query(&cursor) && cursor.sees_symbol("(") {
                let inner = cursor.group().ok_or("its parentheses do not match")?;
                let output = self.query(cursor.inside(&inner), env)?;
                if before != "exists" {
                    self.counts(&output);
                }
                ")".clone_into(&mut before);
                continue;
            }
            let word = cursor.text(token.span()).to_lowercase();
            let Some(first) = cursor.ident() else {
                cursor.advance();
                before = word;
                continue;
            };
            let (mut parts, mut star) = (vec![first.0], false);
            while !star && cursor.takes_symbol(".") {
                star = cursor.takes_symbol("*");
                if !star && let Some(part) = cursor.ident() {
                    parts.push(part.0);
                }
            }
            let alone = parts.len() == 1 && !star;
            let keyword = alone && token.kind == TokenKind::Word && RESERVED.contains(&word.as_str());
            if keyword {
                before = word;
                continue;
            }
            if matches!(before.as_str(), "::" | "as" | "collate" | "over" | "constraint") {
                while ["PRECISION", "VARYING", "WITH", "WITHOUT", "TIME", "ZONE"]
                    .iter()
                    .any(|word| cursor.takes(&[word]))
                {}
            } else if cursor.sees_symbol("(") {
                if word == "extract" {
                    cursor.advance();
                    cursor.advance();
                }
                call = word.clone();
            } else if star {
                if !(call == "count" && before == "(") {
                    let all = env.named(&parts).map(Source::all).unwrap_or_default();
                    self.counts(&all);
                }
            } else if !(alone && is_literal_or_argument(&cursor)) {
                self.column(&parts, env);
            }
            before = word;
        }
        Ok(())
    }

    /// A column, with what stands before it.
    fn column(&mut self, parts: &[String], env: &Env<'_>) {
        match parts {
            [name] => self.bare(name, env),
            [qualifier @ .., name] => {
                let Some(source) = env.named(qualifier) else { return };
                if let Has::Yes(tables) | Has::Maybe(tables) = source.has(name, self.known) {
                    let certain = tables.len() == 1;
                    self.asked.columns.extend(tables.into_iter().map(|table| (table, name.clone(), certain)));
                }
            }
            [] => {}
        }
    }

    /// A name that stands alone is looked for from the inside out; the first scope that has it decides.
    fn bare(&mut self, name: &str, env: &Env<'_>) {
        let (mut passed, mut doubtful, mut elsewhere) = (BTreeSet::new(), Vec::new(), 0);
        let mut found = None;
        for scope in env.outwards() {
            for source in scope.sources.iter().filter(|source| !source.only_qualified) {
                let has = source.has(name, self.known);
                if let (What::Table(relation), Has::No | Has::Maybe(_)) = (&source.what, &has) {
                    passed.insert(relation.clone());
                }
                match has {
                    Has::Yes(tables) => found = Some(tables),
                    Has::Maybe(tables) => {
                        elsewhere += 1;
                        doubtful.extend(tables);
                    }
                    Has::No => {}
                }
            }
            if found.is_some() {
                break;
            }
        }
        let certain = found.is_none() && elsewhere == 1;
        // A table that gains the name takes it from whoever has it now.
        let has_it_now = usize::from(found.is_some()) + elsewhere;
        for table in passed {
            if has_it_now > usize::from(doubtful.contains(&table)) {
                self.asked.bare.insert((table, name.to_owned()));
            }
        }
        self.asked.columns.extend(found.into_iter().flatten().map(|table| (table, name.to_owned(), true)));
        self.asked.columns.extend(doubtful.into_iter().map(|table| (table, name.to_owned(), certain)));
    }

    /// The number of its columns matters.
    fn counts(&mut self, output: &Output) {
        self.asked.counted.extend(output.stars.iter().cloned());
    }
}

/// Up to the next of these clauses; the FROM of IS DISTINCT FROM begins none.
fn clause(cursor: &mut Cursor<'_>, words: &[&str]) -> std::ops::Range<usize> {
    let mut span = cursor.until(words, &[]);
    while cursor.sees(&["FROM"]) && ends_with_word(cursor, &span, "distinct") {
        cursor.advance();
        span.end = cursor.until(words, &[]).end.max(cursor.taken_to());
    }
    span
}

fn ends_with_word(cursor: &Cursor<'_>, span: &std::ops::Range<usize>, word: &str) -> bool {
    cursor.text(span.clone()).to_lowercase().ends_with(word)
}

/// The condition of a JOIN; `left(…)` and `right(…)` are functions.
fn condition(cursor: &mut Cursor<'_>) -> std::ops::Range<usize> {
    let mut span = cursor.until(&JOINS, &[","]);
    loop {
        let mut ahead = cursor.clone();
        let function = (ahead.takes(&["LEFT"]) || ahead.takes(&["RIGHT"])) && ahead.sees_symbol("(");
        if !function {
            return span;
        }
        cursor.advance();
        span.end = cursor.until(&JOINS, &[","]).end;
    }
}

/// Up to ON CONFLICT or RETURNING; the ON of a JOIN ends nothing.
fn until_conflict(cursor: &mut Cursor<'_>) -> std::ops::Range<usize> {
    let mut span = cursor.until(&["ON", "RETURNING"], &[]);
    while cursor.sees(&["ON"]) && !cursor.sees(&["ON", "CONFLICT"]) {
        cursor.advance();
        span.end = cursor.until(&["ON", "RETURNING"], &[]).end;
    }
    span
}

/// Whether a query begins here, perhaps in parentheses.
fn begins_query(cursor: &Cursor<'_>) -> bool {
    let mut ahead = cursor.clone();
    while ahead.takes_symbol("(") {}
    QUERY.iter().any(|word| ahead.sees(&[word]))
}

/// `AS t (a, b)`; a list of definitions (`(a int)`) is passed over.
fn alias(cursor: &mut Cursor<'_>) -> (Option<String>, Option<Vec<String>>) {
    let marked = cursor.takes(&["AS"]);
    let next = cursor.peek().map(|token| cursor.text(token.span()).to_lowercase()).unwrap_or_default();
    let alias = if marked || is_alias(&next) { cursor.ident() } else { None };
    if alias.is_none() && !marked {
        return (None, None);
    }
    let columns = cursor.columns();
    if columns.is_none() {
        cursor.group();
    }
    (alias.map(|alias| alias.0), columns.map(|columns| columns.into_iter().map(|column| column.0).collect()))
}

/// The columns in the parentheses after an INSERT's table or before the `=` of a SET; none where a query is in them.
fn targets(cursor: &mut Cursor<'_>) -> Option<Vec<String>> {
    if !cursor.sees_symbol("(") || begins_query(cursor) {
        return None;
    }
    let inner = cursor.group()?;
    let mut items = cursor.inside(&inner);
    let mut columns = Vec::new();
    while let Some(column) = items.ident() {
        columns.push(column.0);
        // A field or element of it.
        items.until(&[], &[","]);
        items.advance();
    }
    Some(columns)
}

/// `t.*` and nothing else; gives what stands before the star.
fn starred(cursor: &mut Cursor<'_>) -> Option<Vec<String>> {
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
fn labelled(cursor: &Cursor<'_>, item: &std::ops::Range<usize>) -> (std::ops::Range<usize>, Option<String>) {
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

/// After a word: `date '…'`, and `name => …` in a call.
fn is_literal_or_argument(cursor: &Cursor<'_>) -> bool {
    let mut ahead = cursor.clone();
    ahead.peek().is_some_and(|next| matches!(next.kind, TokenKind::Text | TokenKind::Parameter))
        || ahead.sees_symbol(":=")
        || (ahead.takes_symbol("=") && ahead.sees_symbol(">"))
}
