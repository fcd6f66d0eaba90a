//! CREATE INDEX, and the commands that build or drop what is there: REINDEX, DROP, REFRESH, CLUSTER, VACUUM, TRUNCATE.

use std::ops::Range;

use super::cursor::{Cursor, Written};
use crate::postgres::Ident;

/// CREATE INDEX.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(clippy::struct_excessive_bools)] // words that stand there or do not
pub struct CreateIndex {
    /// Its name, where one is given.
    pub name: Option<Ident>,
    /// Its table.
    pub table: Written,
    /// Whether it refuses duplicates.
    pub unique: bool,
    /// Whether it gives way to writers.
    pub concurrently: bool,
    /// Whether it says nothing where there is one.
    pub if_not_exists: bool,
    /// Whether children stay without.
    pub only: bool,
    /// Its leading plain columns, up to the first expression.
    pub columns: Vec<Ident>,
    /// Whether these are all of its columns.
    pub plain: bool,
    /// Whether it holds a part of the rows.
    pub partial: bool,
    /// Where the word CONCURRENTLY would stand.
    pub after_index: usize,
    /// Where what follows the table's name begins.
    pub after_table: usize,
}

/// Reads what follows `CREATE [UNIQUE] INDEX`.
pub(super) fn read_create_index(cursor: &mut Cursor<'_>, unique: bool) -> Option<CreateIndex> {
    let after_index = cursor.taken_to();
    let concurrently = cursor.takes(&["CONCURRENTLY"]);
    let if_not_exists = cursor.takes(&["IF", "NOT", "EXISTS"]);
    let name = if cursor.sees(&["ON"]) { None } else { Some(cursor.name()?.object) };
    cursor.expect(&["ON"])?;
    let only = cursor.takes(&["ONLY"]);
    let table = cursor.name()?;
    let after_table = cursor.taken_to();
    if cursor.takes(&["USING"]) {
        cursor.ident()?;
    }
    let group = cursor.group()?;
    let columns = plain_columns(&mut cursor.inside(&group));
    let plain = columns.len() == 1 + cursor.text(group).matches(',').count();
    cursor.until(&["WHERE"], &[]);
    let partial = cursor.sees(&["WHERE"]);
    Some(CreateIndex {
        name,
        table,
        unique,
        concurrently,
        if_not_exists,
        only,
        columns,
        plain,
        partial,
        after_index,
        after_table,
    })
}

pub(super) fn plain_columns(cursor: &mut Cursor<'_>) -> Vec<Ident> {
    let mut columns = Vec::new();
    loop {
        let part = cursor.until(&[], &[","]);
        let mut inside = cursor.inside(&part);
        let Some(column) = inside.ident() else { return columns };
        // A call or an operator is an expression; a word after the column is its collation, class or order.
        if inside.peek().is_some_and(|token| token.kind == crate::ddl::lex::TokenKind::Symbol) && !inside.is_done() {
            return columns;
        }
        columns.push(column);
        if !cursor.takes_symbol(",") {
            return columns;
        }
    }
}

/// What a DROP is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)] // the words of SQL
pub enum DropWhat {
    Table,
    Index,
    View,
    MaterializedView,
    Sequence,
    Type,
    Domain,
    Schema,
    ForeignTable,
}

/// DROP of what holds or shows rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DropObjects {
    /// What kind.
    pub what: DropWhat,
    /// Their names.
    pub names: Vec<Written>,
    /// `DROP INDEX CONCURRENTLY`.
    pub concurrently: bool,
    /// Whether what depends on them goes as well.
    pub cascade: bool,
    /// Whether it says nothing where there is none.
    pub if_exists: bool,
}

/// Reads what follows `DROP`; `None` where it drops something else.
pub(super) fn read_drop(cursor: &mut Cursor<'_>) -> Option<DropObjects> {
    let kinds: [(&[&str], DropWhat); 9] = [
        (&["TABLE"], DropWhat::Table),
        (&["INDEX"], DropWhat::Index),
        (&["VIEW"], DropWhat::View),
        (&["MATERIALIZED", "VIEW"], DropWhat::MaterializedView),
        (&["SEQUENCE"], DropWhat::Sequence),
        (&["TYPE"], DropWhat::Type),
        (&["DOMAIN"], DropWhat::Domain),
        (&["SCHEMA"], DropWhat::Schema),
        (&["FOREIGN", "TABLE"], DropWhat::ForeignTable),
    ];
    let what = kinds.iter().find(|(words, _)| cursor.takes(words))?.1;
    let concurrently = what == DropWhat::Index && cursor.takes(&["CONCURRENTLY"]);
    let if_exists = cursor.takes(&["IF", "EXISTS"]);
    let names = cursor.names()?;
    let cascade = cursor.takes(&["CASCADE"]);
    if !cascade {
        cursor.takes(&["RESTRICT"]);
    }
    cursor.is_done().then_some(DropObjects { what, names, concurrently, cascade, if_exists })
}

/// What a REINDEX builds anew.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reindex {
    /// The index or table; none for a schema or a database.
    pub target: Option<Written>,
    /// Whether the target is an index.
    pub index: bool,
    /// Whether it gives way to writers.
    pub concurrently: bool,
}

/// Reads what follows `REINDEX`.
pub(super) fn read_reindex(cursor: &mut Cursor<'_>) -> Option<Reindex> {
    let options = cursor.group().map(|span| cursor.inside(&span));
    let kind = cursor.takes_one(&[&["INDEX"], &["TABLE"], &["SCHEMA"], &["DATABASE"], &["SYSTEM"]])?;
    let concurrently =
        cursor.takes(&["CONCURRENTLY"]) || options.is_some_and(|options| options.has_word("CONCURRENTLY"));
    let target = if kind < 2 { Some(cursor.name()?) } else { None };
    Some(Reindex { target, index: kind == 0, concurrently })
}

/// VACUUM: its tables (none: all), and whether it is FULL.
pub(super) fn read_vacuum(cursor: &mut Cursor<'_>) -> Option<(Vec<Written>, bool)> {
    let options = cursor.group().map(|span| cursor.inside(&span));
    let mut full = options.is_some_and(|options| options.has_word("FULL"));
    while let Some(word) = cursor.takes_one(&[&["FULL"], &["FREEZE"], &["VERBOSE"], &["ANALYZE"]]) {
        full |= word == 0;
    }
    if cursor.is_done() {
        return Some((Vec::new(), full));
    }
    let mut tables = Vec::new();
    loop {
        tables.push(cursor.name()?);
        cursor.group();
        if !cursor.takes_symbol(",") {
            return Some((tables, full));
        }
    }
}

/// The expression after the top-level WHERE of an UPDATE or DELETE, if there is one.
pub(super) fn read_where(cursor: &mut Cursor<'_>) -> Option<Range<usize>> {
    cursor.until(&["WHERE"], &[]);
    if !cursor.takes(&["WHERE"]) {
        return None;
    }
    Some(cursor.until(&["RETURNING"], &[]))
}
