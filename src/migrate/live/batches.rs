//! A whole-table UPDATE or DELETE some rows at a time, in the order of the primary key; where it has come to commits with each
//! batch, so that no row is written twice: `n = n + 1` with a position kept elsewhere would be applied twice.

use std::time::{Duration, Instant};

use tokio_util::sync::CancellationToken;

use super::super::file::{facts_since, transaction_facts};
use super::load::Throttle;
use super::patient::{Bounds, Inside, patiently};
use super::run::Work;
use crate::error::{Context, Failure, Result};
use crate::failpoint::failpoint;
use crate::postgres::Db;
use crate::step::{LiveBatches, Unit};

/// How long a batch should take: row locks are held as long, and a standby replays it as long.
const AIM: Duration = Duration::from_millis(300);
const FIRST: u64 = 1000;
const FEWEST: u64 = 50;
const MOST: u64 = 100_000;

/// What all batches together wrote.
#[derive(Debug, Default)]
pub(super) struct Written {
    pub(super) updated: u64,
    pub(super) deleted: u64,
    pub(super) commits: u64,
}

/// Writes what is left, behind the last key that is done.
pub(super) async fn run(work: &Work<'_>, batches: &LiveBatches, stop: &CancellationToken) -> Result<Written> {
    let (db, watcher, notices) = (work.watch.db, work.watch.watcher, work.watch.notices);
    let mut written = Written::default();
    let Some(Position { mut done, end, mut rows }) = position(work, batches).await? else {
        finish(work).await?;
        return Ok(written);
    };
    let all = estimate(watcher, &batches.table).await?;
    let mut throttle = Throttle::new(watcher, notices);
    let mut size = FIRST;
    let bounds = Bounds { lock_timeout: work.live.order.plan.lock_timeout, brief: false };
    loop {
        if stop.is_cancelled() {
            return Err(
                Failure::failed("interrupted").state("the batches that are committed stay; it goes on behind them")
            );
        }
        throttle.wait().await?;
        let Some(to) = end_of_batch(db, batches, done.as_ref(), &end, size).await.with_context(|| work.place())? else {
            finish(work).await?;
            return Ok(written);
        };
        let begun = Instant::now();
        let wrote = std::cell::Cell::new((0, 0));
        let inside = async |db: &Db| {
            let before = transaction_facts(db).await.map_err(|e| Inside::Other(e.into()))?;
            let ran = match &done {
                None => db.execute(&batches.first, &[&to]).await,
                Some(from) => db.execute(&batches.next, &[from, &to]).await,
            };
            ran.map_err(|e| {
                let shown = work.refused(&e);
                Inside::Server(e, shown)
            })?;
            let rest = async {
                let (_, updated, deleted, _) = facts_since(db, before).await?;
                wrote.set((updated, deleted));
                db.run("SET LOCAL ROLE NONE").await?;
                remember(work, db, (&to, &end), updated + deleted).await
            };
            rest.await.map_err(Inside::Other)?;
            failpoint("live.batch.before_commit");
            Ok(())
        };
        patiently(work.watch, bounds, &work.place(), inside).await?;
        failpoint("live.batch.after_commit");
        let (updated, deleted) = wrote.get();
        written.updated += updated;
        written.deleted += deleted;
        written.commits += 1;
        rows += updated + deleted;
        notices.progress(rows, all.max(rows), Unit::Rows, batches.table.clone());
        done = Some(to);
        size = next_size(size, begun.elapsed());
    }
}

/// Where a statement has come to.
struct Position {
    /// The last key of the last batch; none at the start.
    done: Option<Vec<String>>,
    /// The greatest key when it began.
    end: Vec<String>,
    /// Rows written so far.
    rows: u64,
}

/// As the last batch left it; from the start where there was none. None: the table was empty when it began.
async fn position(work: &Work<'_>, batches: &LiveBatches) -> Result<Option<Position>> {
    let sql = "SELECT key, stop, rows FROM teal.position WHERE step = $1 AND number = $2";
    let row = work.watch.db.maybe_row(sql, &[&work.live.order.step.as_str(), &work.number]).await;
    if let Some(row) = row.context("looking for where the batches have come to")? {
        let rows = u64::try_from(row.get::<_, i64>("rows")).unwrap_or(0);
        return Ok(Some(Position { done: Some(row.get("key")), end: row.get("stop"), rows }));
    }
    let end = work.watch.db.maybe_row(&batches.stop, &[]).await.map_err(|e| work.refused(&e))?;
    Ok(end.map(|row| Position { done: None, end: row.get(0), rows: 0 }))
}

async fn end_of_batch(
    db: &Db,
    batches: &LiveBatches,
    done: Option<&Vec<String>>,
    end: &Vec<String>,
    size: u64,
) -> Result<Option<Vec<String>>> {
    let size = i64::try_from(size).unwrap_or(i64::MAX);
    let row = match done {
        None => db.maybe_row(&batches.first_end, &[end, &size]).await?,
        Some(from) => db.maybe_row(&batches.next_end, &[from, end, &size]).await?,
    };
    Ok(row.map(|row| row.get(0)))
}

async fn remember(work: &Work<'_>, db: &Db, (key, stop): (&[String], &[String]), rows: u64) -> Result<()> {
    let sql = include_str!("../../postgres/sql/upsert_position.sql");
    let rows = i64::try_from(rows).unwrap_or(i64::MAX);
    db.execute(sql, &[&work.live.order.step.as_str(), &work.number, &key, &stop, &rows])
        .await
        .context("writing where the batches have come to")?;
    Ok(())
}

/// All is written: the statement's receipt, as ourselves.
async fn finish(work: &Work<'_>) -> Result<()> {
    let db = work.watch.db;
    db.run("BEGIN; SET LOCAL ROLE NONE").await?;
    work.write(db, true, &[]).await?;
    Ok(db.run("COMMIT").await?)
}

async fn estimate(db: &Db, table: &str) -> Result<u64> {
    let sql = "SELECT reltuples::bigint FROM pg_catalog.pg_class WHERE oid = pg_catalog.to_regclass($1)";
    let row = db.maybe_row(sql, &[&table]).await?;
    Ok(row.map_or(0, |row| u64::try_from(row.get::<_, i64>(0)).unwrap_or(0)))
}

/// Towards the aim, at most twice as many or half as many at once.
fn next_size(size: u64, took: Duration) -> u64 {
    let took = took.as_millis().max(1);
    let wanted = u128::from(size) * AIM.as_millis() / took;
    let wanted = u64::try_from(wanted).unwrap_or(MOST);
    wanted.clamp(size / 2, size * 2).clamp(FEWEST, MOST)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn batches_grow_and_shrink_towards_their_time() {
        assert_eq!(next_size(1000, Duration::from_millis(300)), 1000);
        assert_eq!(next_size(1000, Duration::from_millis(10)), 2000);
        assert_eq!(next_size(1000, Duration::from_secs(60)), 500);
        assert_eq!(next_size(60, Duration::from_secs(60)), FEWEST);
        assert_eq!(next_size(MOST, Duration::from_millis(1)), MOST);
    }
}
