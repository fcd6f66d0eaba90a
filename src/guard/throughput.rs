//! How fast rows come from blue over one connection: measured for two seconds at most, on its largest tables.

use std::time::{Duration, Instant};

use futures_util::TryStreamExt;

use crate::catalog::Table;
use crate::error::Result;
use crate::postgres::{Access, Db, Target};

/// How long it reads in all.
const BUDGET: Duration = Duration::from_secs(2);
/// Blocks read at a time.
const BLOCKS: u32 = 512;
/// Less than this says nothing about a rate.
const LEAST: u64 = 4 << 20;

/// What was measured.
#[derive(Debug, Clone, PartialEq)]
pub struct Throughput {
    /// Bytes of tables as they lie on blue's disk, TOAST included, a second and connection.
    pub bytes_per_second: u64,
    /// How long it was read.
    pub millis: u64,
    /// How much, in bytes.
    pub bytes: u64,
}

/// Reads the largest tables block by block as the copy would, until the time is up; none where blue holds too little.
///
/// Only whole ranges of blocks count, so that a rate never rests on rows that were cut off.
pub async fn measure(blue: &Target, tables: &[Table]) -> Result<Option<Throughput>> {
    let db = blue.connect(Access::ReadOnly).await?;
    // Never in anybody's way: a lock that is not to be had at once, and a range that takes too long, end it.
    db.run("SET lock_timeout = '200ms'; SET statement_timeout = '3s'").await?;
    let mut largest: Vec<&Table> = tables.iter().filter(|table| table.holds_rows()).collect();
    largest.sort_by_key(|table| std::cmp::Reverse(table.bytes));
    let began = Instant::now();
    let (mut bytes, mut spent) = (0_u64, Duration::ZERO);
    for table in largest {
        let blocks: i64 = match db
            .row(
                "SELECT pg_catalog.pg_relation_size($1::oid) / pg_catalog.current_setting('block_size')::int",
                &[&table.oid],
            )
            .await
        {
            Ok(row) => row.get(0),
            Err(e) if e.is_lock() => continue,
            Err(e) => return Err(e.into()),
        };
        let per_block = table.bytes / u64::try_from(blocks.max(1)).unwrap_or(1);
        for first in (0..blocks).step_by(BLOCKS as usize) {
            let left = BUDGET.saturating_sub(began.elapsed());
            let read = tokio::time::timeout(left, read_blocks(&db, table, first)).await;
            match read {
                Ok(Ok(())) => {
                    let whole = i64::from(BLOCKS).min(blocks - first);
                    bytes = bytes.saturating_add(per_block.saturating_mul(u64::try_from(whole).unwrap_or(0)));
                    spent = began.elapsed();
                }
                Ok(Err(e)) if e.is_lock() => break,
                Ok(Err(e)) if !e.is_cancelled() => return Err(e.into()),
                Ok(Err(_)) | Err(_) => {
                    db.cancel().await;
                    return Ok(rate(bytes, spent));
                }
            }
        }
    }
    Ok(rate(bytes, spent))
}

fn rate(bytes: u64, spent: Duration) -> Option<Throughput> {
    let millis = u64::try_from(spent.as_millis()).unwrap_or(u64::MAX);
    let bytes_per_second = bytes.saturating_mul(1000) / millis.max(1);
    (bytes >= LEAST).then_some(Throughput { bytes_per_second, millis, bytes })
}

async fn read_blocks(db: &Db, table: &Table, first: i64) -> Result<(), crate::postgres::Error> {
    let columns: Vec<String> = table.copied_columns().map(|column| column.name.to_string()).collect();
    let format = if table.copied_columns().all(|column| column.binary_safe) { "binary" } else { "text" };
    let sql = format!(
        "COPY (SELECT {} FROM ONLY {} WHERE ctid >= '({first},0)'::tid AND ctid < '({},0)'::tid) TO STDOUT (FORMAT {format})",
        columns.join(", "),
        table.name,
        first + i64::from(BLOCKS)
    );
    let stream = db.copy_out(&sql).await.map_err(|e| db.error(e))?;
    let mut stream = std::pin::pin!(stream);
    while stream.try_next().await.map_err(|e| db.error(e))?.is_some() {}
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::rate;
    use std::time::Duration;

    #[test]
    fn a_rate_rests_on_enough_bytes_or_is_none() {
        assert_eq!(rate(1 << 20, Duration::from_secs(1)), None);
        let measured = rate(100 << 20, Duration::from_millis(500)).unwrap();
        assert_eq!(measured.bytes_per_second, 200 << 20);
    }
}
