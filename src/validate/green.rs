//! Whether green's own guards are in force: indexes, constraints, sequences, triggers.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use tokio_postgres::Row;

use crate::error::Result;
use crate::finding::Finding;
use crate::postgres::{Db, Error, Ident, Name};
use crate::snapshot::lost_unlogged;

/// What was looked at on green.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct GreenFacts {
    /// Constraints of user tables and domains.
    pub constraints: u64,
    /// Those of them that are validated.
    pub validated: u64,
    /// Indexes of user tables.
    pub indexes: u64,
    /// Those of them that are valid.
    pub valid: u64,
    /// Sequences that an integer column owns and that do not cycle; those that nobody owns can't be judged.
    pub sequences: u64,
}

/// (table or domain, object) → whether it is valid.
type States = BTreeMap<(String, String), bool>;

/// Looks for what is invalid, not validated, disabled or about to collide on green. What is the same on blue is a note:
/// the upgrade did not break it. Reads each owning column's maximum: quick where it is indexed, a scan where not.
pub async fn check_green(green: &Db, blue: &Db) -> Result<(GreenFacts, Vec<Finding>)> {
    let constraints = include_str!("../postgres/sql/select_constraint_states.sql");
    let indexes = include_str!("../postgres/sql/select_index_states.sql");
    let (constraints, blue_constraints) = (states(green, constraints).await?, states(blue, constraints).await?);
    let (indexes, blue_indexes) = (states(green, indexes).await?, states(blue, indexes).await?);
    let sequences = green.rows(include_str!("../postgres/sql/select_owned_sequences.sql"), &[]).await?;
    let facts = GreenFacts {
        constraints: constraints.len() as u64,
        validated: constraints.values().filter(|valid| **valid).count() as u64,
        indexes: indexes.len() as u64,
        valid: indexes.values().filter(|valid| **valid).count() as u64,
        sequences: sequences.len() as u64,
    };
    let mut findings: Vec<Finding> = invalid(&indexes, &blue_indexes).map(index_finding).collect();
    findings.extend(invalid(&constraints, &blue_constraints).map(constraint_finding));
    for sequence in &sequences {
        findings.extend(sequence_finding(green, sequence).await?);
    }
    let triggers = green.rows(include_str!("../postgres/sql/select_disabled_triggers.sql"), &[]).await?;
    findings.extend(triggers.iter().map(trigger_finding));
    findings.extend(unlogged_lost(&lost_unlogged(green).await?));
    Ok((facts, findings))
}

/// Green crashed since the copy, and what it does not log is empty.
pub fn unlogged_lost(tables: &[String]) -> Option<Finding> {
    let first = tables.first()?;
    let more = if tables.len() > 1 { format!(" and {} more", tables.len() - 1) } else { String::new() };
    let what = format!("green crashed since the copy, which empties unlogged tables: {first}{more}");
    Some(
        Finding::blocker("validate/unlogged-lost", "green", what)
            .so_what("the rows that blue has there are missing")
            .next("migrate apply --redo snapshot/copy"),
    )
}

async fn states(db: &Db, sql: &str) -> Result<States, Error> {
    let rows = db.rows(sql, &[]).await?;
    Ok(rows.iter().map(|row| ((row.get("object"), row.get("name")), row.get("valid"))).collect())
}

/// What is not valid on green, and whether it is the same on blue.
fn invalid<'a>(green: &'a States, blue: &'a States) -> impl Iterator<Item = (&'a str, &'a str, bool)> {
    green
        .iter()
        .filter(|(_, valid)| !**valid)
        .map(|(key, _)| (key.0.as_str(), key.1.as_str(), blue.get(key) == Some(&false)))
}

fn index_finding((table, name, on_blue): (&str, &str, bool)) -> Finding {
    let id = "validate/index-invalid";
    let object = format!("green {table}");
    let so_what = "queries do not use it, and a unique one proves nothing of older rows";
    if on_blue {
        Finding::note(id, object, format!("index {name} is invalid, on blue too")).so_what(so_what)
    } else {
        Finding::blocker(id, object, format!("index {name} is invalid")).so_what(so_what)
    }
}

fn constraint_finding((table, name, on_blue): (&str, &str, bool)) -> Finding {
    let id = "validate/constraint-not-valid";
    let object = format!("green {table}");
    let so_what = "rows that are there already may break it";
    if on_blue {
        Finding::note(id, object, format!("constraint {name} is NOT VALID, on blue too")).so_what(so_what)
    } else {
        Finding::warning(id, object, format!("constraint {name} is NOT VALID")).so_what(so_what)
    }
}

fn trigger_finding(row: &Row) -> Finding {
    let object = format!("green {}", row.get::<_, &str>("object"));
    let name: &str = row.get("name");
    if row.get("internal") {
        Finding::warning("validate/trigger-disabled", object, format!("constraint trigger {name} is disabled"))
            .so_what("a foreign key or deferred constraint is not checked for new rows")
    } else {
        Finding::note("validate/trigger-disabled", object, format!("trigger {name} is disabled"))
            .so_what("it does not fire")
    }
}

/// A blocker where the sequence's next value is, or is before, one that its column holds.
async fn sequence_finding(green: &Db, row: &Row) -> Result<Option<Finding>, Error> {
    let sequence = Name::new(row.get::<_, &str>("sequence_schema"), row.get::<_, &str>("sequence_name"));
    let table = Name::new(row.get::<_, &str>("table_schema"), row.get::<_, &str>("table_name"));
    let column = Ident::new(row.get::<_, &str>("column_name"));
    let increment: i64 = row.get("increment");
    let furthest = if increment > 0 { "max" } else { "min" };
    let sql = format!(
        "SELECT last_value, is_called, (SELECT pg_catalog.{furthest}({column})::pg_catalog.int8 FROM {table}) \
         FROM {sequence}"
    );
    let state = green.row(&sql, &[]).await?;
    let (last, called): (i64, bool) = (state.get(0), state.get(1));
    let Some(held) = state.get::<_, Option<i64>>(2) else { return Ok(None) };
    let next = i128::from(last) + if called { i128::from(increment) } else { 0 };
    let behind = if increment > 0 { next <= i128::from(held) } else { next >= i128::from(held) };
    if !behind {
        return Ok(None);
    }
    let what = format!("the next value is {next}, but {}.{} holds {held} already", table.plain(), column.0);
    let finding = Finding::blocker("validate/sequence-behind", format!("green {}", sequence.plain()), what)
        .so_what("inserts would fail on a duplicate key, or take a number twice");
    Ok(Some(finding.next(format!("SELECT pg_catalog.setval('{}', {held})", sequence.to_string().replace('\'', "''")))))
}
