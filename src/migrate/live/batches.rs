//! A whole-table UPDATE or DELETE some rows at a time, in the order of the primary key; where it has come to commits with each
//! batch, so that no row is written twice: `n = n + 1` with a position kept elsewhere would be applied twice.

use std::time::{Duration, Instant};

use tokio_util::sync::CancellationToken;

use super::load::Throttle;
use super::patient::{Bounds, Inside, patiently};
use super::run::Work;
use crate::error::{Context, Failure, Result};
use crate::failpoint::failpoint;
use crate::postgres::{Db, literal};
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
    let (mut from, mut rows) = position(work).await?;
    let all = estimate(watcher, &batches.table).await?;
    let mut throttle = Throttle::new(watcher, notices);
    let mut written = Written::default();
    let mut size = FIRST;
    let bounds = Bounds { lock_timeout: work.live.order.plan.lock_timeout, brief: false };
    loop {
        if stop.is_cancelled() {
            return Err(
                Failure::failed("interrupted").state("the batches that are committed stay; it goes on behind them")
            );
        }
        throttle.wait().await?;
        let to = end_of_batch(db, batches, from.as_deref(), size).await.with_context(|| work.place())?;
        let begun = Instant::now();
        let counts = std::cell::Cell::new((0, 0));
        let statement = statement(batches, from.as_deref(), to.as_deref());
        let inside = async |db: &Db| {
            db.run(&statement).await.map_err(|e| {
                let shown = work.refused(&e);
                Inside::Server(e, shown)
            })?;
            let rest = async {
                let (_, updated, deleted, _) = super::super::file::transaction_facts(db).await?;
                counts.set((updated, deleted));
                db.run("SET LOCAL ROLE NONE").await?;
                match &to {
                    Some(key) => remember(work, db, key, updated + deleted).await,
                    None => work.write(db, true, &[]).await,
                }
            };
            rest.await.map_err(Inside::Other)?;
            failpoint("live.batch.before_commit");
            Ok(())
        };
        patiently(work.watch, bounds, &work.place(), inside).await?;
        failpoint("live.batch.after_commit");
        let (updated, deleted) = counts.get();
        written.updated += updated;
        written.deleted += deleted;
        written.commits += 1;
        rows += updated + deleted;
        notices.progress(rows, all.max(rows), Unit::Rows, batches.table.clone());
        if to.is_none() {
            return Ok(written);
        }
        from = to;
        size = next_size(size, begun.elapsed());
    }
}

/// The last key that is done, none at the start, and the rows written so far.
async fn position(work: &Work<'_>) -> Result<(Option<Vec<String>>, u64)> {
    let sql = "SELECT key, rows FROM teal.position WHERE step = $1 AND number = $2";
    let row = work.watch.db.maybe_row(sql, &[&work.live.order.step.as_str(), &work.number]).await;
    let row = row.context("looking for where the batches have come to")?;
    Ok(row.map_or((None, 0), |row| (Some(row.get("key")), u64::try_from(row.get::<_, i64>("rows")).unwrap_or(0))))
}

async fn remember(work: &Work<'_>, db: &Db, key: &[String], rows: u64) -> Result<()> {
    let sql = include_str!("../../postgres/sql/upsert_position.sql");
    let rows = i64::try_from(rows).unwrap_or(i64::MAX);
    db.execute(sql, &[&work.live.order.step.as_str(), &work.number, &key, &rows])
        .await
        .context("writing where the batches have come to")?;
    Ok(())
}

async fn estimate(db: &Db, table: &str) -> Result<u64> {
    let sql = "SELECT reltuples::bigint FROM pg_catalog.pg_class WHERE oid = pg_catalog.to_regclass($1)";
    let row = db.maybe_row(sql, &[&table]).await?;
    Ok(row.map_or(0, |row| u64::try_from(row.get::<_, i64>(0)).unwrap_or(0)))
}

/// The key of the last row of the next batch; none where fewer rows are left: then everything behind is written.
async fn end_of_batch(
    db: &Db,
    batches: &LiveBatches,
    from: Option<&[String]>,
    size: u64,
) -> Result<Option<Vec<String>>> {
    let key = batches.key.join(", ");
    let columns: Vec<String> = batches.key.iter().map(|column| format!("{column}::pg_catalog.text")).collect();
    let behind = from.map_or_else(String::new, |from| format!(" WHERE {}", bound(batches, ">", from)));
    let sql = format!(
        "SELECT ARRAY[{}] FROM ONLY {}{behind} ORDER BY {key} OFFSET {} LIMIT 1",
        columns.join(", "),
        batches.table,
        size.saturating_sub(1)
    );
    Ok(db.maybe_row(&sql, &[]).await?.map(|row| row.get(0)))
}

/// `(a, b) > ('1', 'x')`: constants without a type take that of the column beside them.
fn bound(batches: &LiveBatches, operator: &str, key: &[String]) -> String {
    let values: Vec<String> = key.iter().map(|value| literal(value)).collect();
    format!("({}) {operator} ({})", batches.key.join(", "), values.join(", "))
}

fn statement(batches: &LiveBatches, from: Option<&[String]>, to: Option<&[String]>) -> String {
    let mut conditions: Vec<String> = batches.condition.iter().map(|condition| format!("({condition}\n)")).collect();
    conditions.extend(from.map(|from| bound(batches, ">", from)));
    conditions.extend(to.map(|to| bound(batches, "<=", to)));
    // A condition may end in a comment, which a line's end ends.
    let conditions =
        if conditions.is_empty() { String::new() } else { format!("\nWHERE {}", conditions.join("\nAND ")) };
    format!("{}{conditions}", batches.head)
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

    #[test]
    fn a_batch_is_bounded_by_keys_beside_its_own_condition() {
        let batches = LiveBatches {
            table: "t".to_owned(),
            key: vec!["a".to_owned(), "b".to_owned()],
            head: "UPDATE t SET x = 1".to_owned(),
            condition: Some("x = 0 OR y -- why".to_owned()),
        };
        let key = |a: &str| vec![a.to_owned(), "it's".to_owned()];
        assert_eq!(
            statement(&batches, Some(&key("1")), Some(&key("9"))),
            "UPDATE t SET x = 1\nWHERE (x = 0 OR y -- why\n)\nAND (a, b) > ('1', 'it''s')\nAND (a, b) <= ('9', 'it''s')"
        );
        let all = LiveBatches { condition: None, ..batches };
        assert_eq!(statement(&all, None, None), "UPDATE t SET x = 1");
    }
}
