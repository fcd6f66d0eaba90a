//! All rows, in parallel: each worker has one session in the snapshot on blue and one session on green.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use serde::{Deserialize, Serialize};
use tokio::sync::mpsc::UnboundedSender;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::catalog::Table;
use crate::error::{Failure, Result};
use crate::postgres::{Access, Db, Name, Target};
use crate::step::Notices;

use super::ends::Ends;
use super::export::{CopyPoint, join};
use super::meter::Meter;
use super::table::{copy_table, prepare_session};
use super::{interrupted, watch};

/// How long a lock on green may take: nobody else should be there.
const LOCK_TIMEOUT: &str = "SET lock_timeout = '10s'";

/// What was copied of one table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TableCopied {
    /// Which.
    pub name: Name,
    /// Its rows.
    pub rows: u64,
    /// Bytes that went through, in COPY's format.
    pub bytes: u64,
}

/// Copies the rows of `tables` (those that hold rows), the largest first, with `jobs` workers. Each table is announced on
/// `ready` as soon as its rows are committed; a listener that is gone doesn't matter.
///
/// Fails at the first table that fails, when a session is lost, when somebody on blue waits behind us for over a second,
/// and when `cancel` says so; the COPYs on both servers are ended then. The snapshot can't be joined again by a later
/// process: start over with a new export.
pub async fn copy_rows(
    (blue, green): (&Target, &Target),
    point: &CopyPoint,
    tables: &[Table],
    jobs: usize,
    ready: &UnboundedSender<Name>,
    notices: &Notices,
    cancel: &CancellationToken,
) -> Result<Vec<TableCopied>> {
    let mut queue: Vec<&Table> = tables.iter().filter(|table| table.holds_rows()).collect();
    queue.sort_by_key(|table| std::cmp::Reverse(table.bytes));
    let meter = Meter::new(&queue, notices);
    let jobs = jobs.clamp(1, queue.len().max(1));
    let work = Arc::new(Work { queue: Mutex::new(queue.into_iter().cloned().collect()), meter, ready: ready.clone() });

    let mut workers = JoinSet::new();
    let mut ends = Ends::default();
    for _ in 0..jobs {
        let blue = join(blue, point).await?;
        let green = green.connect(Access::ReadWrite).await?;
        prepare_session(&blue).await?;
        prepare_session(&green).await?;
        green.run(LOCK_TIMEOUT).await?;
        ends.add(&blue);
        ends.add(&green);
        workers.spawn(work_through(Arc::clone(&work), blue, green));
    }
    let copied = tokio::select! {
        copied = all_of(&mut workers) => copied,
        () = cancel.cancelled() => Err(interrupted("copying rows")),
        failure = watch(blue) => Err(failure),
    };
    ends.settle(copied).await
}

/// What the workers share.
struct Work {
    queue: Mutex<VecDeque<Table>>,
    meter: Meter,
    ready: UnboundedSender<Name>,
}

impl Work {
    fn next(&self) -> Option<Table> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner).pop_front()
    }
}

async fn work_through(work: Arc<Work>, blue: Db, green: Db) -> Result<Vec<TableCopied>> {
    let mut copied = Vec::new();
    while let Some(table) = work.next() {
        let mut meter = work.meter.table(&table);
        let rows = copy_table(&blue, &green, &table, &mut meter).await?;
        let bytes = meter.finish();
        // Nobody may be listening: indexes can be built later as well.
        let _ = work.ready.send(table.name.clone());
        copied.push(TableCopied { name: table.name, rows, bytes });
    }
    Ok(copied)
}

async fn all_of(workers: &mut JoinSet<Result<Vec<TableCopied>>>) -> Result<Vec<TableCopied>> {
    let mut copied = Vec::new();
    while let Some(worker) = workers.join_next().await {
        copied.extend(worker.map_err(|e| Failure::failed(format!("a copy worker ended: {e}")))??);
    }
    copied.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(copied)
}
