//! ATTACH PARTITION with a check that says what the bounds say.

use std::ops::Range;

use super::{Apply, Bit, Case, How, Outcome, Rewrite};
use crate::ddl::name::{made_name, spelled, spelled_name};
use crate::ddl::read::{AlterCommand, Cursor, Written};
use crate::postgres::Ident;

/// A partitioned table with a partition, one that may become another, and rows.
pub(super) const YEARS: &str =
    "CREATE TABLE year (id int NOT NULL, at date NOT NULL, what text) PARTITION BY RANGE (at);
CREATE TABLE year_2024 PARTITION OF year FOR VALUES FROM ('2024-01-01') TO ('2025-01-01');
CREATE TABLE year_2025 (id int NOT NULL, at date NOT NULL, what text);
INSERT INTO year SELECT n, date '2024-01-01' + n, 'a' FROM generate_series(1, 300) n;
INSERT INTO year_2025 SELECT n, date '2025-01-01' + n, 'a' FROM generate_series(1, 300) n;";

pub(super) const REWRITES: &[Rewrite] = &[Rewrite {
    id: "attach",
    when: "ALTER TABLE … ATTACH PARTITION, by range or list of one column",
    why: "a validated CHECK says what the bounds say, so that no row is read under the lock; where there is a default partition, another one says that it has none of the rows",
    halfway: "the check is there, and refuses rows outside of the bounds",
    setup: YEARS,
    example: "ALTER TABLE year ATTACH PARTITION year_2025 FOR VALUES FROM ('2025-01-01') TO ('2026-01-01');",
    apply: Apply::Command(attach),
}];

fn attach(case: &Case<'_>, command: &AlterCommand, span: &Range<usize>) -> Option<Outcome> {
    let AlterCommand::Attach { partition, default } = command else { return None };
    let table = case.table()?;
    if case.is_new(table) || case.alter()?.what != "TABLE" {
        return None;
    }
    let known = case.known.table(table);
    let default_partition = known.and_then(|table| table.default_partition.clone());
    let new = case.is_new(partition);
    if new && default_partition.is_none() {
        return None;
    }
    let key = known.and_then(|table| table.partition_key.as_ref());
    let column = key.filter(|key| key.columns.len() == 1).and_then(|key| key.columns.first());
    let bound = column.filter(|_| !default).and_then(|column| bound(case.words(span), &spelled(column)));
    let Some(bound) = bound else {
        return Outcome::refused(
            "attach-scans",
            "a check that says its bounds can't be told here: that needs a table that is known, divided by range or list of one column",
            "add and validate a CHECK of the bounds by hand, or give a --schema in which the table is",
        );
    };
    let mut bits = Vec::new();
    let mut drops = Vec::new();
    if !new {
        prepare(partition, &bound, &mut bits, &mut drops);
    }
    if let Some((schema, object)) = default_partition {
        let schema = Some(Ident::new(schema)).filter(|_| table.schema.is_some());
        let other = Written { schema, object: Ident::new(object) };
        prepare(&other, &format!("NOT ({bound})"), &mut bits, &mut drops);
    }
    bits.push(Bit::Alone(case.words(span).to_owned(), How::Brief));
    bits.extend(drops);
    Outcome::of(bits)
}

fn prepare(table: &Written, check: &str, bits: &mut Vec<Bit>, drops: &mut Vec<Bit>) {
    let name = spelled(&Ident::new(made_name(&table.object.0, "", "teal_bounds")));
    let table = spelled_name(table);
    bits.push(Bit::brief(format!("ALTER TABLE {table} ADD CONSTRAINT {name} CHECK ({check}) NOT VALID")));
    bits.push(Bit::step(format!("ALTER TABLE {table} VALIDATE CONSTRAINT {name}"), How::Long));
    drops.push(Bit::brief(format!("ALTER TABLE {table} DROP CONSTRAINT {name}")));
}

/// What the bounds say of the column.
fn bound(text: &str, column: &str) -> Option<String> {
    let mut cursor = Cursor::new(text)?;
    cursor.expect(&["ATTACH", "PARTITION"])?;
    cursor.name()?;
    cursor.expect(&["FOR", "VALUES"])?;
    let mut says = Vec::new();
    if cursor.takes(&["IN"]) {
        let group = cursor.group()?;
        let values = cursor.text(group.clone());
        if cursor.inside(&group).has_word("NULL") {
            return None;
        }
        says.push(format!("{column} IS NOT NULL"));
        says.push(format!("{column} IN ({values})"));
    } else {
        cursor.expect(&["FROM"])?;
        let from = cursor.group()?;
        cursor.expect(&["TO"])?;
        let to = cursor.group()?;
        says.push(format!("{column} IS NOT NULL"));
        for (side, operator) in [(from, ">="), (to, "<")] {
            let inside = cursor.inside(&side);
            if !inside.sees(&["MINVALUE"]) && !inside.sees(&["MAXVALUE"]) {
                says.push(format!("{column} {operator} {}", cursor.text(side)));
            }
        }
    }
    cursor.is_done().then(|| says.join(" AND "))
}
