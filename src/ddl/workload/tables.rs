//! FROM and USING: tables, functions, subqueries, and what they are joined by.

use super::asked::{Read, Reader};
use super::name::begins_query;
use super::scope::{Env, Has, Output, Source, What};
use super::words::is_alias;
use crate::ddl::read::{Cursor, Written};

const JOINS: [&str; 7] = ["JOIN", "CROSS", "INNER", "LEFT", "RIGHT", "FULL", "NATURAL"];

impl Reader<'_> {
    /// Tables and joins of a FROM or USING, into `frame`. `outer` is what a subquery of it sees that is not LATERAL.
    pub(super) fn from(&mut self, mut cursor: Cursor<'_>, frame: &mut Env<'_>, outer: &Env<'_>) -> Read<()> {
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
    pub(super) fn item(&mut self, cursor: &mut Cursor<'_>, frame: &mut Env<'_>, outer: &Env<'_>) -> Read<()> {
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
    pub(super) fn source(&mut self, name: &Written, alias: Option<String>, env: &Env<'_>) -> Source {
        let alias = alias.unwrap_or_else(|| name.object.0.clone());
        let cte = name.schema.is_none().then(|| env.cte(&name.object.0)).flatten();
        let what = if let Some(output) = cte {
            What::Derived(output.clone())
        } else {
            let relation = self.known.relation(name);
            self.asked.tables.insert(relation.clone());
            What::Table(relation)
        };
        Source { alias, what, only_qualified: false }
    }

    /// `AS t (a, b)`: the columns get names by their position.
    pub(super) fn renamed(&mut self, what: What, alias: String, columns: Option<Vec<String>>) -> Source {
        let source = Source { alias, what, only_qualified: false };
        let Some(columns) = columns else { return source };
        let mut output = source.all();
        self.counts(&output);
        output.names.extend(columns);
        Source { what: What::Derived(output), ..source }
    }
}

/// The condition of a JOIN; `left(…)` and `right(…)` are functions.
pub(super) fn condition(cursor: &mut Cursor<'_>) -> std::ops::Range<usize> {
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

/// `AS t (a, b)`; a list of definitions (`(a int)`) is passed over.
pub(super) fn alias(cursor: &mut Cursor<'_>) -> (Option<String>, Option<Vec<String>>) {
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
