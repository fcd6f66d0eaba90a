//! The outbox on blue.

use serde::{Deserialize, Serialize};
use tokio_postgres::error::SqlState;

use super::trigger::Captured;
use crate::error::{Context, Result};
use crate::postgres::{Db, Name};

/// How large the outbox may grow, in bytes: past it capture stops rather than fill blue's disk, and the run can't cut
/// over. At a few hundred bytes an event this holds some millions of them.
pub const OUTBOX_BUDGET: u64 = 1 << 30;

/// Makes the outbox in our schema on blue; safe to run again.
pub async fn create_outbox(blue: &Db) -> Result<()> {
    Ok(blue.run(include_str!("../postgres/sql/create_outbox.sql")).await.map_err(|e| e.doing("making the outbox"))?)
}

/// Whether the outbox is there.
pub async fn outbox_exists(db: &Db) -> Result<bool> {
    let row = db.row("SELECT pg_catalog.to_regclass('teal.event') IS NOT NULL", &[]).await?;
    Ok(row.get(0))
}

/// What is known about the outbox.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outbox {
    /// Events captured since the run began.
    pub captured: u64,
    /// Of them, not yet taken by the reader.
    pub waiting: u64,
    /// Size of the waiting ones in bytes.
    pub waiting_bytes: u64,
    /// The budget was passed: capture has stopped.
    pub overflowed: bool,
}

/// Reads what is known about the outbox: one pass over the captured events, which are few beside blue's rows.
pub async fn read_outbox(blue: &Db) -> Result<Outbox> {
    let row = match blue.row(include_str!("../postgres/sql/select_outbox.sql"), &[]).await {
        Ok(row) => row,
        Err(e) if e.code() == Some(&SqlState::UNDEFINED_TABLE) => return Ok(Outbox::default()),
        Err(e) => return Err(e.doing("reading the outbox").into()),
    };
    let count = |column: &str| u64::try_from(row.get::<_, i64>(column)).unwrap_or(0);
    Ok(Outbox {
        captured: count("captured"),
        waiting: count("waiting"),
        waiting_bytes: count("waiting_bytes"),
        overflowed: row.get("overflowed"),
    })
}

/// How many events came after the copy's snapshot, by relation: an event's own table, never one of its partitions.
pub async fn events_since(blue: &Db, snapshot: &str) -> Result<Vec<(Name, u64)>> {
    let rows = blue
        .rows(include_str!("../postgres/sql/count_events_since.sql"), &[&snapshot])
        .await
        .context("counting the events since the copy")?;
    let one = |row: &tokio_postgres::Row| {
        let relation: String = row.get("relation");
        let (schema, table) = relation.split_once('.').unwrap_or_default();
        (Name::new(schema, table), u64::try_from(row.get::<_, i64>("events")).unwrap_or(0))
    };
    Ok(rows.iter().map(one).collect())
}

/// The events of `captured` that blue itself reversed before the copy's snapshot, in which `in_snapshot` reads: the
/// row is there and the predicate is back to what it was. They are in the copy like the others, but nothing is left
/// of them to verify.
pub async fn reversed_in_snapshot(in_snapshot: &Db, captured: &Captured) -> Result<Vec<i64>> {
    let sql = format!(
        "SELECT e.id FROM teal.event e WHERE e.event = $1 AND EXISTS (SELECT FROM {table} AS {alias} \
         WHERE {key} AND {unchanged})",
        table = captured.table,
        alias = captured.alias(),
        key = captured.key_matches(),
        unchanged = captured.not_happened(),
    );
    let rows =
        in_snapshot.rows(&sql, &[&captured.event]).await.context("looking for events reversed before the copy")?;
    Ok(rows.iter().map(|row| row.get(0)).collect())
}
