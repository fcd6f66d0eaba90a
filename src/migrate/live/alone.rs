//! Statements that run outside a transaction: CREATE, DROP and REINDEX INDEX CONCURRENTLY, DETACH PARTITION CONCURRENTLY, and
//! those that may be run twice. Announced in `teal.piece`, run, marked done; what became of one that was interrupted is asked
//! of the catalog, and what it left half done is dropped.
//!
//! They wait for every transaction that is older than they are, by nature: for that they have a budget. In the queue for a
//! table's own lock, where others would queue behind them, they stand no longer than `lock_timeout`.

use std::time::{Duration, Instant};

use super::duplicates;
use super::patient::{gave_up, waits};
use super::run::{Known, Work, done_so_far};
use crate::ddl::read::{AlterCommand, DropWhat, Reading, Written, read};
use crate::error::{Context, Failure, Result};
use crate::failpoint::failpoint;
use crate::postgres::Db;
use crate::step::{LivePart, StepId};

/// How long it may wait for others' transactions.
const BUDGET: Duration = Duration::from_secs(600);
/// How often it is looked whether what an earlier process began has ended.
const EVERY: Duration = Duration::from_millis(500);

/// What a statement is, as far as its traces in the catalog go.
enum Kind {
    /// The index that it makes, as SQL; none: the server names it. The table, as SQL.
    CreateIndex {
        name: Option<String>,
        table: String,
    },
    /// The index, as SQL.
    DropIndex(String),
    Reindex,
    Detach {
        parent: String,
        partition: String,
    },
    /// May be run twice.
    Repeatable,
}

/// Whether a statement can be told, when it was interrupted, to be done or not.
pub fn is_told(sql: &str) -> bool {
    kind(sql, None).is_some()
}

fn kind(sql: &str, leaves: Option<&str>) -> Option<Kind> {
    match read(sql) {
        Reading::CreateIndex(create) if create.concurrently => {
            let named = create.name.as_ref().map(|name| {
                // An index is made in its table's schema; by a bare name it is found where the table is.
                let schema = create.table.schema.clone();
                shown(&Written { schema, object: name.clone() })
            });
            Some(Kind::CreateIndex { name: leaves.map(str::to_owned).or(named), table: shown(&create.table) })
        }
        Reading::Drop(drop) if drop.concurrently && drop.what == DropWhat::Index => {
            drop.names.first().map(|index| Kind::DropIndex(shown(index)))
        }
        Reading::Reindex(reindex) if reindex.concurrently => Some(Kind::Reindex),
        Reading::Alter(alter) => alter.commands.iter().find_map(|(command, _)| match command {
            AlterCommand::Detach { partition, concurrently: true } => {
                Some(Kind::Detach { parent: shown(&alter.name), partition: shown(partition) })
            }
            _ => None,
        }),
        Reading::Vacuum { full: false, .. } | Reading::Refresh { concurrently: true, .. } => Some(Kind::Repeatable),
        _ => None,
    }
}

fn shown(name: &Written) -> String {
    let schema = name.schema.as_ref().map(|schema| format!("{schema}.")).unwrap_or_default();
    format!("{schema}{}", name.object)
}

/// What an announced statement has come to.
enum Fate {
    Done,
    /// Nothing is there, or no longer.
    NotDone,
}

/// Runs it until it is done.
pub(super) async fn run(work: &Work<'_>, leaves: Option<&str>, known: Option<Known>) -> Result<()> {
    let db = work.watch.db;
    let kind = kind(&work.step.sql, leaves).ok_or_else(|| {
        Failure::blocked(format!("{}: this can't be run exactly once outside a transaction", work.place()))
    })?;
    let before = if let Some(known) = known {
        wait_for_earlier(work).await?;
        if let Fate::Done = fate(work, &kind, &known.before).await? {
            return note(work, true, &known.before).await;
        }
        known.before
    } else {
        let before = traces(db, &kind).await?;
        note(work, false, &before).await?;
        failpoint("live.announced");
        before
    };
    let ran = attempts(work, &kind, &before).await;
    if let Err(failure) = ran {
        // The server said no: forget it, so that it may be mended. Where it can't be asked, the next process does.
        if let Ok(Fate::NotDone) = fate(work, &kind, &before).await {
            work.forget(db).await?;
        }
        return Err(failure);
    }
    failpoint("live.acted");
    note(work, true, &before).await
}

async fn attempts(work: &Work<'_>, kind: &Kind, before: &[u32]) -> Result<()> {
    let lock_timeout = work.live.order.plan.lock_timeout;
    let (mut waits, begun) = (waits(), Instant::now());
    if let Kind::CreateIndex { .. } = kind {
        // An invalid index of this name, left by whomever, would make the statement fail, or IF NOT EXISTS pass in silence.
        clear_invalid(work, kind, before).await?;
        duplicates::refuse(work).await?;
    }
    loop {
        work.watch.db.run(&format!("SET lock_timeout = {}", BUDGET.as_millis())).await?;
        let watched = work.watch.over(work.run_here(work.watch.db), Some(lock_timeout)).await;
        work.watch.db.run("RESET lock_timeout").await.map_err(|e| work.refused(&e))?;
        let Err(e) = watched.result else { return Ok(()) };
        if !(watched.gave_way || e.is_lock()) {
            return Err(work.refused(&e));
        }
        if let Fate::Done = fate(work, kind, before).await? {
            return Ok(());
        }
        // One that had to wait for others' transactions has used its budget up; one that gave way has cost nobody anything.
        let left = begun.elapsed() < BUDGET;
        match waits.next().filter(|_| left) {
            Some(wait) => tokio::time::sleep(wait).await,
            None => return Err(gave_up(&work.place(), &e.message(), &watched.holders)),
        }
    }
}

/// A killed process's session goes on with the statement that it was at.
async fn wait_for_earlier(work: &Work<'_>) -> Result<()> {
    let sql = include_str!("../../postgres/sql/select_same_statement.sql");
    let since = Instant::now();
    loop {
        let row = work.watch.watcher.maybe_row(&format!("{sql}\nLIMIT 1"), &[&work.step.sql]).await;
        let Some(row) = row.context("looking for what an earlier process began")? else { return Ok(()) };
        let pid: i32 = row.get("pid");
        if since.elapsed() > BUDGET {
            return Err(Failure::blocked(format!(
                "{}: an earlier process's session still runs it: pid {pid}",
                work.place()
            ))
            .hint(format!("wait for it, or end it: SELECT pg_cancel_backend({pid}); then: migrate apply")));
        }
        work.watch.notices.waiting(format!("pid {pid}, which an earlier process left running this statement"));
        tokio::time::sleep(EVERY).await;
    }
}

/// The object ids by which it is told afterwards what was there before.
async fn traces(db: &Db, kind: &Kind) -> Result<Vec<u32>> {
    let (sql, name) = match kind {
        Kind::CreateIndex { name: Some(name), .. } | Kind::DropIndex(name) => {
            (include_str!("../../postgres/sql/select_index_oid.sql"), name)
        }
        Kind::CreateIndex { name: None, table } => (include_str!("../../postgres/sql/select_index_oids.sql"), table),
        Kind::Reindex => return Ok(half_reindexed(db, &[]).await?.into_iter().map(|(oid, _)| oid).collect()),
        Kind::Detach { .. } | Kind::Repeatable => return Ok(Vec::new()),
    };
    let rows = db.rows(sql, &[name]).await.context("reading a table's indexes")?;
    Ok(rows.iter().map(|row| row.get(0)).collect())
}

/// What became of it; what it left half done is dropped or finished.
async fn fate(work: &Work<'_>, kind: &Kind, before: &[u32]) -> Result<Fate> {
    let db = work.watch.db;
    match kind {
        Kind::CreateIndex { name: Some(_), .. } => {
            let valid = clear_invalid(work, kind, before).await?;
            Ok(if valid.is_some_and(|oid| !before.contains(&oid)) { Fate::Done } else { Fate::NotDone })
        }
        Kind::CreateIndex { name: None, table } => {
            let sql = include_str!("../../postgres/sql/select_new_indexes.sql");
            let rows = db.rows(sql, &[table, &before]).await.context("looking for a half-built index")?;
            for row in rows.iter().filter(|row| !row.get::<_, bool>("valid")) {
                drop_index(work, &row.get::<_, String>("name")).await?;
            }
            // Others may make indexes here too: which one is this statement's, if any, only its definition could tell.
            let valid = rows.iter().filter(|row| row.get::<_, bool>("valid")).count();
            match valid {
                0 => Ok(Fate::NotDone),
                _ => Err(Failure::in_doubt(format!(
                    "{}: an index without a name was being built, and {table} has new ones since",
                    work.place()
                ))
                .state("nobody can tell whether one of them is this statement's; nothing is tried again")
                .hint("if one is, run the rest of the file by hand; else drop it; then end this run: migrate abort")),
            }
        }
        Kind::DropIndex(_) => match before.first() {
            // None had this name: IF EXISTS, or it failed.
            None => Ok(Fate::NotDone),
            Some(oid) => {
                let there = "SELECT EXISTS (SELECT FROM pg_catalog.pg_class WHERE oid = $1)";
                let there: bool = db.row(there, &[oid]).await?.get(0);
                Ok(if there { Fate::NotDone } else { Fate::Done })
            }
        },
        Kind::Reindex => {
            for (_, name) in half_reindexed(db, before).await? {
                drop_index(work, &name).await?;
            }
            Ok(Fate::NotDone)
        }
        Kind::Detach { parent, partition } => {
            let sql = include_str!("../../postgres/sql/select_partition.sql");
            let row = db.maybe_row(sql, &[parent, partition]).await.context("looking for a pending detachment")?;
            match row.map(|row| row.get::<_, bool>("pending")) {
                None => Ok(Fate::Done),
                Some(false) => Ok(Fate::NotDone),
                Some(true) => {
                    // Until it is finished the parent gives none of the partition's rows, and takes no other detachment.
                    short(work, &format!("ALTER TABLE {parent} DETACH PARTITION {partition} FINALIZE")).await?;
                    Ok(Fate::Done)
                }
            }
        }
        Kind::Repeatable => Ok(Fate::NotDone),
    }
}

/// Drops an index of that name if it is invalid; gives the OID of a valid one.
async fn clear_invalid(work: &Work<'_>, kind: &Kind, before: &[u32]) -> Result<Option<u32>> {
    let Kind::CreateIndex { name: Some(name), .. } = kind else { return Ok(None) };
    let sql = include_str!("../../postgres/sql/select_named_index.sql");
    let row = work.watch.db.maybe_row(sql, &[name]).await.context("looking for a half-built index")?;
    let Some(row) = row else { return Ok(None) };
    let oid: u32 = row.get("oid");
    if row.get("valid") {
        return Ok(Some(oid));
    }
    let building = "SELECT pid FROM pg_catalog.pg_stat_progress_create_index WHERE index_relid = $1";
    if let Some(row) = work.watch.db.maybe_row(building, &[&oid]).await? {
        let pid: i32 = row.get(0);
        return Err(Failure::blocked(format!("{}: somebody else is building {name}: pid {pid}", work.place()))
            .state("this statement is not done, those before it are; blue serves")
            .hint("wait for it, then: migrate apply"));
    }
    tracing::info!(index = name, ours = !before.contains(&oid), "dropping an invalid index");
    drop_index(work, name).await?;
    Ok(None)
}

/// What an interrupted REINDEX CONCURRENTLY left: invalid indexes with its endings, that were not invalid before.
async fn half_reindexed(db: &Db, before: &[u32]) -> Result<Vec<(u32, String)>> {
    let sql = include_str!("../../postgres/sql/select_half_reindexed.sql");
    let rows = db.rows(sql, &[&before]).await.context("looking for half-built indexes")?;
    Ok(rows.iter().map(|row| (row.get("oid"), row.get("name"))).collect())
}

/// `name` is SQL. In a transaction under `lock_timeout`: what others wait is bounded, and nothing is left invalid again, as
/// DROP INDEX CONCURRENTLY may leave it.
async fn drop_index(work: &Work<'_>, name: &str) -> Result<()> {
    short(work, &format!("DROP INDEX IF EXISTS {name}")).await
}

async fn short(work: &Work<'_>, sql: &str) -> Result<()> {
    use super::patient::{Bounds, Inside, patiently};
    let bounds = Bounds { lock_timeout: work.live.order.plan.lock_timeout, brief: true };
    let what = format!("{}: {sql}", work.place());
    let inside = async |db: &Db| {
        db.run(sql).await.map_err(|e| {
            let shown = Failure::failed(format!("{what}: blue: {}", e.message()));
            Inside::Server(e, shown)
        })
    };
    patiently(work.watch, bounds, &what, inside).await
}

/// Takes away, or finishes, what an interrupted statement of a file left half done: for a run that is ended.
pub async fn put_back(blue: &Db, step: &StepId, parts: &[LivePart]) -> Result<()> {
    for done in done_so_far(blue, step, parts).await?.into_iter().filter(|done| !done.whole) {
        let mend = match kind(&done.sql, None) {
            // Of a build, or of a drop that got halfway: an invalid index serves no query, and costs every write.
            Some(Kind::CreateIndex { name: Some(name), .. } | Kind::DropIndex(name)) => {
                let sql = include_str!("../../postgres/sql/select_named_index.sql");
                let row = blue.maybe_row(sql, &[&name]).await.context("looking for a half-built index")?;
                row.filter(|row| !row.get::<_, bool>("valid"))
                    .map(|_| format!("DROP INDEX {name}"))
                    .into_iter()
                    .collect()
            }
            Some(Kind::Reindex) => {
                let left = half_reindexed(blue, &done.before).await?;
                left.into_iter().map(|(_, name)| format!("DROP INDEX {name}")).collect()
            }
            Some(Kind::Detach { parent, partition }) => {
                let sql = include_str!("../../postgres/sql/select_partition.sql");
                let row = blue.maybe_row(sql, &[&parent, &partition]).await.context("looking for a detachment")?;
                let pending = row.filter(|row| row.get::<_, bool>("pending"));
                pending
                    .map(|_| format!("ALTER TABLE {parent} DETACH PARTITION {partition} FINALIZE"))
                    .into_iter()
                    .collect()
            }
            _ => Vec::new(),
        };
        for mend in mend {
            blue.run_patiently(&mend).await.map_err(|e| e.doing(&mend))?;
        }
    }
    Ok(())
}

/// Writes the receipt as ourselves, whatever role the file has set.
async fn note(work: &Work<'_>, done: bool, before: &[u32]) -> Result<()> {
    let db = work.watch.db;
    db.run("BEGIN; SET LOCAL ROLE NONE").await?;
    work.write(db, done, before).await?;
    Ok(db.run("COMMIT").await?)
}
