//! UNIQUE and PRIMARY KEY through an index that is built concurrently.

use std::ops::Range;

use super::{Apply, Bit, Case, How, Left, Outcome, Rewrite};
use crate::ddl::known::Relation;
use crate::ddl::name::{columns_part, spelled, spelled_name};
use crate::ddl::read::{AlterCommand, ConstraintKind, Cursor, Written};
use crate::postgres::Ident;

pub(super) const REWRITES: &[Rewrite] = &[
    Rewrite {
        id: "unique",
        when: "ADD UNIQUE",
        why: "its index is built concurrently; the constraint then takes it over in a moment",
        halfway: "the unique index is there without the constraint",
        setup: super::index::TOKENS,
        example: "ALTER TABLE token ADD CONSTRAINT token_subject UNIQUE (subject) INCLUDE (note) WITH (fillfactor = 90) DEFERRABLE;",
        apply: Apply::Command(|case, command, span| add(case, command, span, false)),
    },
    Rewrite {
        id: "primary-key",
        when: "ADD PRIMARY KEY",
        why: "its columns are made NOT NULL by a validated CHECK and its index is built concurrently; the constraint then takes both over in a moment",
        halfway: "the columns refuse NULL, or the unique index is there, without the constraint",
        setup: "CREATE TABLE plain (a int, b text);\nINSERT INTO plain SELECT n, n::text FROM generate_series(1, 500) n;",
        example: "ALTER TABLE plain ADD PRIMARY KEY (a, b);",
        apply: Apply::Command(|case, command, span| add(case, command, span, true)),
    },
];

fn add(case: &Case<'_>, command: &AlterCommand, span: &Range<usize>, primary: bool) -> Option<Outcome> {
    let AlterCommand::AddConstraint(added) = command else { return None };
    let table = case.table()?;
    if case.is_new(table) {
        return None;
    }
    match &added.kind {
        ConstraintKind::UsingIndex { primary: true, index } if primary => using(case, table, index, span),
        ConstraintKind::Unique(columns) if !primary => whole(case, table, columns, added.name.as_ref(), span, false),
        ConstraintKind::PrimaryKey(columns) if primary => whole(case, table, columns, added.name.as_ref(), span, true),
        _ => None,
    }
}

/// PRIMARY KEY USING INDEX: only its columns' NULLs are looked for.
fn using(case: &Case<'_>, table: &Written, index: &Ident, span: &Range<usize>) -> Option<Outcome> {
    let index = Written { schema: table.schema.clone(), object: index.clone() };
    let Some(known) = case.known.index(&index) else {
        return Outcome::refused(
            "primary-key-sets-not-null",
            "the columns of the index are not known here, and NULLs are looked for in all rows under the lock",
            "SET NOT NULL on its columns first, or give a --schema in which the index is",
        );
    };
    let mut bits = nulls(case, table, known.columns.iter().map(|column| Ident::new(column.clone())));
    if bits.is_empty() {
        return None;
    }
    bits.push(Bit::Alone(case.words(span).to_owned(), How::Brief));
    Outcome::of(bits)
}

fn nulls(case: &Case<'_>, table: &Written, columns: impl Iterator<Item = Ident>) -> Vec<Bit> {
    let open = columns.filter(|column| !case.known.proves_not_null(table, &column.0));
    open.flat_map(|column| super::not_null::bits(case, table, &column, None)).collect()
}

fn whole(
    case: &Case<'_>,
    table: &Written,
    columns: &[Ident],
    name: Option<&Ident>,
    span: &Range<usize>,
    primary: bool,
) -> Option<Outcome> {
    let parts = KeyParts::read(case.words(span))?;
    let mut bits = if primary { nulls(case, table, columns.iter().cloned()) } else { Vec::new() };
    if case.is_partitioned(table) {
        if !parts.include.is_empty() || !parts.with.is_empty() || !parts.distinct.is_empty() {
            return Outcome::refused(
                "unique-builds-index",
                "it is of a partitioned table and has INCLUDE, WITH or NULLS NOT DISTINCT",
                "add it ON ONLY the table and with a concurrent index on each partition, and attach these",
            );
        }
        let mut outcome = super::partition_key::key(case, table, columns, name, &parts, primary)?;
        if outcome.refused.is_none() {
            bits.append(&mut outcome.bits);
            outcome.bits = bits;
        }
        return Some(outcome);
    }
    bits.extend(key_bits(case, table, columns, name, &parts, primary));
    Outcome::of(bits)
}

/// What may follow the columns of a key, in its words.
#[derive(Default)]
pub(super) struct KeyParts {
    distinct: String,
    columns: String,
    include: String,
    with: String,
    tablespace: String,
    rest: String,
}

impl KeyParts {
    /// What the constraint says of itself behind its index: DEFERRABLE and the like.
    pub(super) fn rest(&self) -> &str {
        &self.rest
    }

    /// Reads `ADD [CONSTRAINT n] UNIQUE …`, or a column's `UNIQUE …`.
    pub(super) fn read(text: &str) -> Option<Self> {
        let mut cursor = Cursor::new(text)?;
        cursor.takes(&["ADD"]);
        if cursor.takes(&["CONSTRAINT"]) {
            cursor.ident()?;
        }
        cursor.takes_one(&[&["UNIQUE"], &["PRIMARY", "KEY"]])?;
        let mut parts = Self::default();
        let start = cursor.offset();
        if cursor.takes_one(&[&["NULLS", "NOT", "DISTINCT"], &["NULLS", "DISTINCT"]]).is_some() {
            parts.distinct = format!(" {}", cursor.text(start..cursor.taken_to()));
        }
        if let Some(group) = cursor.group() {
            parts.columns = format!("({})", cursor.text(group));
        }
        if cursor.takes(&["INCLUDE"]) {
            let group = cursor.group()?;
            cursor.text(group).clone_into(&mut parts.include);
        }
        if cursor.takes(&["WITH"]) {
            let group = cursor.group()?;
            parts.with = format!(" WITH ({})", cursor.text(group));
        }
        if cursor.takes(&["USING", "INDEX", "TABLESPACE"]) {
            parts.tablespace = format!(" TABLESPACE {}", spelled(&cursor.ident()?));
        }
        if !cursor.is_done() {
            parts.rest = format!(" {}", cursor.text(cursor.offset()..text.len()).trim());
        }
        Some(parts)
    }
}

/// The name that the server gives to a key which has none; `columns` with those that it includes.
pub(super) fn chosen_key_name(case: &Case<'_>, relation: &Relation, columns: &[String], primary: bool) -> Ident {
    let (columns, label) = if primary { (String::new(), "pkey") } else { (columns_part(columns), "key") };
    Ident::new(case.known.chosen_name(relation, &columns, label))
}

/// The index, concurrently, and the constraint that takes it over.
pub(super) fn key_bits(
    case: &Case<'_>,
    table: &Written,
    columns: &[Ident],
    name: Option<&Ident>,
    parts: &KeyParts,
    primary: bool,
) -> Vec<Bit> {
    let relation = case.known.relation(table);
    let mut named: Vec<String> = columns.iter().map(|column| column.0.clone()).collect();
    let included = Cursor::new(&parts.include).and_then(|mut cursor| cursor.names()).unwrap_or_default();
    named.extend(included.into_iter().map(|column| column.object.0));
    let name = name.cloned().unwrap_or_else(|| chosen_key_name(case, &relation, &named, primary));
    let spelt = spelled(&name);
    let sql = index_sql(table, columns, &name, parts);
    let kind = if primary { "PRIMARY KEY" } else { "UNIQUE" };
    let leaves = Some(Left::Index(case.beside(table, &name.0)));
    vec![
        Bit::step(sql, How::Concurrent { leaves }),
        Bit::Alone(format!("ADD CONSTRAINT {spelt} {kind} USING INDEX {spelt}{}", parts.rest), How::Brief),
    ]
}

/// The unique index that a key is made of; `columns` where its words name none.
pub(super) fn index_sql(table: &Written, columns: &[Ident], name: &Ident, parts: &KeyParts) -> String {
    let key = if parts.columns.is_empty() {
        format!("({})", columns.iter().map(spelled).collect::<Vec<_>>().join(", "))
    } else {
        parts.columns.clone()
    };
    let include = if parts.include.is_empty() { String::new() } else { format!(" INCLUDE ({})", parts.include) };
    format!(
        "CREATE UNIQUE INDEX CONCURRENTLY {} ON {} {key}{include}{}{}{}",
        spelled(name),
        spelled_name(table),
        parts.distinct,
        parts.with,
        parts.tablespace
    )
}
