//! What was written to a database between two moments, by the server's own counters.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::error::{Context, Result};
use crate::postgres::{Db, Name};
use crate::units::{count, thousands};

/// The counters at one moment.
///
/// An upper bound when compared: aborted writes count. Two things it can't see: a TRUNCATE, and what other sessions
/// wrote within the last second or so (a session hands its counters over between transactions, at most once a second:
/// `PGSTAT_MIN_INTERVAL`, `pgstat.c`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Baseline {
    /// When the database's statistics were last reset, as the server writes it.
    pub stats_reset: Option<String>,
    /// Transactions committed in the database so far: fewer later on means that the statistics were lost.
    pub commits: i64,
    /// The counters of each table.
    pub tables: Vec<TableCounters>,
}

/// The counters of one table, since its statistics began.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TableCounters {
    /// Its OID: a table dropped and made anew counts from zero.
    pub oid: u32,
    /// The table.
    pub table: Name,
    /// Rows inserted.
    pub inserted: i64,
    /// Rows updated.
    pub updated: i64,
    /// Rows deleted.
    pub deleted: i64,
}

/// What was written to one table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TableWrites {
    /// The table.
    pub table: Name,
    /// Rows inserted.
    pub inserted: u64,
    /// Rows updated.
    pub updated: u64,
    /// Rows deleted.
    pub deleted: u64,
    /// Events captured on it meanwhile, which travel: most are one of these rows each, those of a TRUNCATE are none.
    #[serde(default)]
    pub events: u64,
}

impl TableWrites {
    /// Rows written.
    pub fn rows(&self) -> u64 {
        self.inserted + self.updated + self.deleted
    }

    /// For people: `1 inserted, 2 updated, 0 deleted; 1 event`.
    pub fn line(&self) -> String {
        let Self { table, inserted, updated, deleted, events } = self;
        let [inserted, updated, deleted] = [inserted, updated, deleted].map(|n| thousands(*n));
        let events = if *events > 0 { format!("; {}", count(*events, "event")) } else { String::new() };
        format!("{}: {inserted} inserted, {updated} updated, {deleted} deleted{events}", table.plain())
    }
}

/// What was written between two moments.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Writes {
    /// At most so much; only the tables that were written to.
    AtMost(Vec<TableWrites>),
    /// Nobody can tell.
    Unknown {
        /// Why.
        why: String,
    },
}

impl Writes {
    /// The same with the events of each relation: a partitioned table's stand in a line of its own, since the server counts
    /// the rows of its partitions.
    #[must_use]
    pub fn with_events(self, events: impl IntoIterator<Item = (Name, u64)>) -> Self {
        let Self::AtMost(mut tables) = self else { return self };
        for (table, events) in events {
            match tables.iter_mut().find(|writes| writes.table == table) {
                Some(writes) => writes.events = events,
                None => tables.push(TableWrites { table, inserted: 0, updated: 0, deleted: 0, events }),
            }
        }
        Self::AtMost(tables)
    }

    /// For people: how much of it travels.
    pub fn line(&self) -> String {
        let tables = match self {
            Self::AtMost(tables) => tables,
            Self::Unknown { why } => return format!("unknown: {why}"),
        };
        let rows: u64 = tables.iter().map(TableWrites::rows).sum();
        let events: u64 = tables.iter().map(|table| table.events).sum();
        match (rows, events) {
            (0, 0) => "none since the copy".to_owned(),
            (_, 0) => format!("{} since the copy, none of them an event: they stay", count(rows, "row write")),
            _ => format!(
                "{} since the copy; what {} carried travels, the rest stays",
                count(rows, "row write"),
                count(events, "event")
            ),
        }
    }
}

/// Reads the counters as they are now, not as this session's transaction first saw them; writes of this very session
/// are handed over first where the server can do that (15).
pub async fn read_write_counters(db: &Db) -> Result<Baseline> {
    let version: i32 = db.row("SELECT pg_catalog.current_setting('server_version_num')::int", &[]).await?.get(0);
    if version >= 150_000 {
        db.rows("SELECT pg_catalog.pg_stat_force_next_flush()", &[]).await?;
    }
    db.rows("SELECT pg_catalog.pg_stat_clear_snapshot()", &[]).await?;
    let database = db.row(include_str!("../postgres/sql/select_database_counters.sql"), &[]).await?;
    let rows = db
        .rows(include_str!("../postgres/sql/select_write_counters.sql"), &[])
        .await
        .context("reading the write counters")?;
    let tables = rows.iter().map(|row| TableCounters {
        oid: row.get("oid"),
        table: Name::new(row.get::<_, String>("schema"), row.get::<_, String>("name")),
        inserted: row.get("inserted"),
        updated: row.get("updated"),
        deleted: row.get("deleted"),
    });
    Ok(Baseline {
        stats_reset: database.get("stats_reset"),
        commits: database.get("commits"),
        tables: tables.collect(),
    })
}

/// What was written between two moments.
pub fn difference(before: &Baseline, after: &Baseline) -> Writes {
    let unknown = |why: &str| Writes::Unknown { why: why.to_owned() };
    if before.stats_reset != after.stats_reset {
        return unknown("the statistics were reset in between");
    }
    if after.commits < before.commits {
        return unknown("the statistics were lost in between, as a crash does");
    }
    let known: BTreeMap<u32, &TableCounters> = before.tables.iter().map(|t| (t.oid, t)).collect();
    let mut writes = Vec::new();
    for after in &after.tables {
        let base = known.get(&after.oid);
        let since = |count: i64, base: Option<i64>| u64::try_from(count - base.unwrap_or(0)).ok();
        let inserted = since(after.inserted, base.map(|t| t.inserted));
        let updated = since(after.updated, base.map(|t| t.updated));
        let deleted = since(after.deleted, base.map(|t| t.deleted));
        let (Some(inserted), Some(updated), Some(deleted)) = (inserted, updated, deleted) else {
            return unknown(&format!("the statistics of {} went back in between", after.table.plain()));
        };
        if inserted + updated + deleted > 0 {
            writes.push(TableWrites { table: after.table.clone(), inserted, updated, deleted, events: 0 });
        }
    }
    Writes::AtMost(writes)
}

/// What was written since `baseline`.
pub async fn writes_since(db: &Db, baseline: &Baseline) -> Result<Writes> {
    Ok(difference(baseline, &read_write_counters(db).await?))
}
