//! INSERT, UPDATE, DELETE and MERGE.

use super::asked::{Read, Reader, clause};
use super::name::begins_query;
use super::scope::{Env, Output, Source, What};
use super::tables::alias;
use crate::ddl::read::{Cursor, Written};

impl Reader<'_> {
    pub(super) fn insert(&mut self, mut cursor: Cursor<'_>, env: &Env<'_>) -> Read<Output> {
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

    pub(super) fn target(&mut self, name: &Written, alias: Option<String>) -> Source {
        // What is written to is no CTE.
        self.source(name, alias, &Env::default())
    }

    pub(super) fn inserted(&mut self, target: &Source, columns: Option<Vec<String>>, defaults: bool) {
        let What::Table(relation) = &target.what else { return };
        let columns = columns.or(defaults.then(Vec::new));
        let named = columns.iter().flatten().map(|column| (relation.clone(), column.clone(), true));
        self.asked.columns.extend(named);
        self.asked.inserts.push((relation.clone(), columns));
    }

    pub(super) fn update(&mut self, mut cursor: Cursor<'_>, env: &Env<'_>) -> Read<Output> {
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

    pub(super) fn delete(&mut self, mut cursor: Cursor<'_>, env: &Env<'_>) -> Read<Output> {
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

    pub(super) fn merge(&mut self, mut cursor: Cursor<'_>, env: &Env<'_>) -> Read<Output> {
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
    pub(super) fn set(&mut self, cursor: &mut Cursor<'_>, target: &Source, env: &Env<'_>) -> Read<()> {
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

    pub(super) fn returning(&mut self, mut cursor: Cursor<'_>, env: &Env<'_>) -> Read<Output> {
        if !cursor.takes(&["RETURNING"]) {
            return Ok(Output::default());
        }
        Ok(self.items(cursor, env)?.0)
    }
}

/// Up to ON CONFLICT or RETURNING; the ON of a JOIN ends nothing.
pub(super) fn until_conflict(cursor: &mut Cursor<'_>) -> std::ops::Range<usize> {
    let mut span = cursor.until(&["ON", "RETURNING"], &[]);
    while cursor.sees(&["ON"]) && !cursor.sees(&["ON", "CONFLICT"]) {
        cursor.advance();
        span.end = cursor.until(&["ON", "RETURNING"], &[]).end;
    }
    span
}

/// The columns in the parentheses after an INSERT's table or before the `=` of a SET; none where a query is in them.
pub(super) fn targets(cursor: &mut Cursor<'_>) -> Option<Vec<String>> {
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
