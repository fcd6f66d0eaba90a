//! One moment of blue, exported so that every session of the copy sees the same rows.

use std::time::Duration;

use backon::{ExponentialBuilder, Retryable};
use serde::{Deserialize, Serialize};

use crate::catalog::{Table, read_tables};
use crate::error::{Context, Failure, Result};
use crate::postgres::{Access, Db, Error, Lsn, Target, literal};

/// How long one table may keep us waiting: whoever comes behind us in the queue waits as long.
const LOCK_TIMEOUT: &str = "500ms";
/// What bounds the locks of all tables together: `lock_timeout` counts for each.
const LOCK_ALL_TIMEOUT: &str = "10s";
/// Attempts at the locks before somebody else's lock is reported.
const LOCK_ATTEMPTS: usize = 20;
/// The longest pause between two attempts.
const LOCK_PAUSE: Duration = Duration::from_secs(2);

/// How often the keeper's session is looked at.
const KEEPER_INTERVAL: Duration = Duration::from_millis(200);

/// A moment of blue: all that a session needs to see the same rows. Who exports it is not its business.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CopyPoint {
    /// The exported snapshot's id for `SET TRANSACTION SNAPSHOT`; dead as soon as the keeper's session is.
    pub snapshot: String,
    /// The same snapshot as `pg_visible_in_snapshot` reads it (`pg_current_snapshot()`); valid for ever.
    pub visible: String,
    /// Blue's log position right after the snapshot was taken: nothing it sees was written later.
    pub lsn: Lsn,
}

/// The keeper: a session that holds the exported snapshot and ACCESS SHARE on every copied table until it is dropped.
///
/// Without the locks a TRUNCATE or a rewriting ALTER between two transactions of one snapshot would give 0 rows.
#[derive(Debug)]
pub struct Export {
    /// The keeper's session, inside its transaction.
    pub db: Db,
    /// What it exports.
    pub point: CopyPoint,
}

/// Locks `tables` (all that are copied, partitioned parents too) and exports a snapshot taken after that.
///
/// Tries again with jitter where a lock is not to be had. Fails where the tables of the snapshot are not `tables`:
/// somebody changed the schema meanwhile.
pub async fn export(blue: &Target, tables: &[Table]) -> Result<Export> {
    let db = blue.connect(Access::ReadOnly).await?;
    let pauses = ExponentialBuilder::default()
        .with_min_delay(Duration::from_millis(100))
        .with_max_delay(LOCK_PAUSE)
        .with_max_times(LOCK_ATTEMPTS)
        .with_jitter();
    (|| lock(&db, tables)).retry(pauses).when(|e: &Error| e.is_lock() || e.is_cancelled()).await.map_err(|e| {
        let locked_out = e.is_lock() || e.is_cancelled();
        let failure = Failure::from(e.doing("locking the tables of the copy"));
        if locked_out {
            failure.hint("wait for the schema change or maintenance that holds the table")
        } else {
            failure
        }
    })?;

    let row = db.row(include_str!("../postgres/sql/export_snapshot.sql"), &[]).await?;
    let lsn: &str = row.get("lsn");
    let point = CopyPoint {
        snapshot: row.get("snapshot"),
        visible: row.get("visible"),
        lsn: lsn.parse().map_err(Failure::failed)?,
    };
    refuse_other_tables(&read_tables(&db).await?, tables).context(&blue.name)?;
    Ok(Export { db, point })
}

/// LOCK TABLE takes no snapshot, so the transaction's own, taken by its first query, comes after the locks
/// (manual, LOCK: "Notes on REPEATABLE READ").
async fn lock(db: &Db, tables: &[Table]) -> Result<(), Error> {
    // ROLLBACK is for the attempt before; outside a transaction it is a mere warning.
    db.run("ROLLBACK; BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY").await?;
    if !tables.is_empty() {
        let names: Vec<String> = tables.iter().map(|table| format!("ONLY {}", table.name)).collect();
        db.run(&format!(
            "SET LOCAL lock_timeout = '{LOCK_TIMEOUT}'; SET LOCAL statement_timeout = '{LOCK_ALL_TIMEOUT}'"
        ))
        .await?;
        db.run(&format!("LOCK TABLE {} IN ACCESS SHARE MODE", names.join(", "))).await?;
        db.run("SET LOCAL lock_timeout = 0; SET LOCAL statement_timeout = 0").await?;
    }
    db.run("SET LOCAL row_security = off").await
}

/// A table that came after `tables` was read would be in the dump and get no rows.
fn refuse_other_tables(seen: &[Table], asked: &[Table]) -> Result<()> {
    let same = |a: &Table, b: &Table| a.name == b.name && a.oid == b.oid && a.columns == b.columns && a.kind == b.kind;
    let not_in = |some: &[Table], other: &[Table]| {
        some.iter().find(|a| !other.iter().any(|b| same(a, b))).map(|table| table.name.plain())
    };
    match not_in(seen, asked).or_else(|| not_in(asked, seen)) {
        None => Ok(()),
        Some(name) => Err(Failure::failed(format!("{name}: created, changed or dropped while the copy began"))
            .hint("run the same command again")),
    }
}

impl Export {
    /// Waits until the keeper's session is gone, and gives the failure that says so. Never returns otherwise; meant for
    /// `select!`.
    pub async fn lost(&self) -> Failure {
        while !self.db.is_closed() {
            tokio::time::sleep(KEEPER_INTERVAL).await;
        }
        keeper_lost(&self.db.name)
    }

    /// Asks the keeper whether it still holds its locks: what was read under the snapshot is whole only then. A table that
    /// nobody was reading may have been truncated in the moment between the keeper's end and our noticing.
    pub async fn confirm(&self) -> Result<()> {
        self.db.row("SELECT 1", &[]).await.map_err(|e| {
            tracing::info!(error = %e, "the keeper does not answer");
            keeper_lost(&self.db.name)
        })?;
        Ok(())
    }
}

fn keeper_lost(database: &str) -> Failure {
    Failure::failed(format!("{database}: the session that holds the snapshot of the copy was lost"))
        .state("blue serves and was not changed; the copy is undone at its next start")
        .hint("run the same command again: the copy starts over")
}

/// Another read-only session in the same snapshot, row security off: a policy would hide rows from the copy, and an
/// error is better.
///
/// Fails where the keeper is gone.
pub async fn join(blue: &Target, point: &CopyPoint) -> Result<Db> {
    enter(blue, point).await.map_err(|e| Failure::from(e).hint("the copy must start over"))
}

/// The same, for whoever decides on the error.
pub(super) async fn enter(blue: &Target, point: &CopyPoint) -> Result<Db, Error> {
    let db = blue.connect(Access::ReadOnly).await?;
    let snapshot = literal(&point.snapshot);
    db.run(&format!("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SET TRANSACTION SNAPSHOT {snapshot}"))
        .await
        .map_err(|e| e.doing("joining the snapshot of the copy"))?;
    db.run("SET LOCAL row_security = off").await?;
    Ok(db)
}
