//! All rows, in parallel: each worker has one session in the snapshot on blue and one session on green.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};
use tokio::sync::mpsc::UnboundedSender;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::catalog::{Chunk, Table, cut};
use crate::error::{Failure, Result};
use crate::postgres::{Access, Db, Error, Name, Target};
use crate::step::Notices;
use crate::units::count;

use super::ends::Ends;
use super::export::{CopyPoint, join};
use super::jobs::Jobs;
use super::meter::Meter;
use super::sessions::{fewer, no_room};
use super::table::{drop_markers, make_markers};
use super::worker::{open_sessions, reconnect, work_through};
use super::{interrupted, watch};

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

/// How often green may crash in one copy.
const CRASHES: usize = 5;

/// What is copied, and how.
#[derive(Debug)]
pub struct Rows<'a> {
    /// The moment.
    pub point: &'a CopyPoint,
    /// Blue's tables; those that hold rows are copied.
    pub tables: &'a [Table],
    /// Workers. When the number falls, a worker ends after the chunk it is at; when it rises, workers are added.
    pub jobs: Jobs,
    /// Bytes of a chunk, where not the usual ([`crate::catalog::cut`]).
    pub chunk: Option<u64>,
}

/// Copies rows into green's new, empty tables, the largest first. Each table is announced on `ready` as soon as all its rows are committed; a
/// listener that is gone doesn't matter.
///
/// A lost session is replaced, and what it was at copied again; so is what a green that crashed had acknowledged and lost: the
/// last chunks, whose commits don't wait for its disk, and all of its unlogged tables. Fails when that can't be, when anything else fails, when
/// somebody on blue waits behind us for over a second, and when `cancel` says so; the COPYs on both servers are ended
/// then. The snapshot can't be joined again by a later process: start over with a new export.
pub async fn copy_rows(
    (blue, green): (&Target, &Target),
    rows: Rows<'_>,
    ready: &UnboundedSender<Name>,
    notices: &Notices,
    cancel: &CancellationToken,
) -> Result<Vec<TableCopied>> {
    let sizes = join(blue, rows.point).await?;
    let chunks = cut(&sizes, rows.tables, rows.jobs.now(), rows.chunk).await?;
    drop(sizes);
    let mut first = green.connect(Access::ReadWrite).await.map_err(no_room)?;
    make_markers(&first).await?;

    let work = Arc::new(Work {
        blue: blue.clone(),
        green: green.clone(),
        point: rows.point.clone(),
        jobs: rows.jobs.clone(),
        meter: Meter::new(&chunks, notices),
        left: Mutex::new(Left::of(&chunks)),
        ends: Mutex::new(Ends::default()),
        ready: ready.clone(),
        notices: notices.clone(),
    });
    for _ in 0..CRASHES {
        let copied = tokio::select! {
            copied = supervise(&work) => copied,
            () = cancel.cancelled() => Err(interrupted("copying rows")),
            failure = watch(blue) => Err(failure),
        };
        let ends = std::mem::take(&mut *unpoisoned(&work.ends));
        ends.settle(copied).await?;
        let lost = match drop_markers(&first, &chunks).await {
            Err(e) if e.is_lost() => {
                first = reconnect(green).await?;
                drop_markers(&first, &chunks).await?
            }
            asked => asked?,
        };
        if lost.is_empty() {
            return Ok(unpoisoned(&work.left).copied());
        }
        work.again(lost);
    }
    Err(Failure::failed(format!("green: it crashed {CRASHES} times while rows were copied")))
}

/// Keeps as many workers as there are jobs, until all is copied.
async fn supervise(work: &Arc<Work>) -> Result<()> {
    let mut jobs = work.jobs.clone();
    let mut workers = JoinSet::new();
    // As many as the servers had room for, where that was fewer.
    let mut room = usize::MAX;
    loop {
        while workers.len() < jobs.now().min(room) && work.has_more() {
            match open_sessions(work, Error::is_lost).await {
                Ok(sessions) => {
                    unpoisoned(&work.left).workers += 1;
                    workers.spawn(work_through(Arc::clone(work), sessions));
                }
                Err(e) if e.is_full() && !workers.is_empty() => {
                    room = workers.len();
                    work.notices.found(fewer(&e, room, jobs.now()));
                }
                Err(e) => return Err(no_room(e)),
            }
        }
        tokio::select! {
            worker = workers.join_next() => match worker {
                None => return Ok(()),
                Some(ended) => ended.map_err(|e| Failure::failed(format!("a copy worker ended: {e}")))??,
            },
            () = jobs.changed() => room = usize::MAX,
        }
    }
}

/// What the workers share.
pub(super) struct Work {
    pub(super) blue: Target,
    pub(super) green: Target,
    pub(super) point: CopyPoint,
    pub(super) meter: Meter,
    jobs: Jobs,
    left: Mutex<Left>,
    ends: Mutex<Ends>,
    ready: UnboundedSender<Name>,
    notices: Notices,
}

/// What is left to do, what is done, and how many are at it.
struct Left {
    queue: VecDeque<Chunk>,
    tables: BTreeMap<Name, Progress>,
    workers: usize,
}

struct Progress {
    parts: u32,
    /// Rows and bytes of those that are on green.
    done: BTreeMap<u32, (u64, u64)>,
}

impl Left {
    fn of(chunks: &[Chunk]) -> Self {
        let progress = |chunk: &Chunk| Progress { parts: chunk.parts, done: BTreeMap::new() };
        Self {
            queue: chunks.iter().cloned().collect(),
            tables: chunks.iter().map(|chunk| (chunk.table.name.clone(), progress(chunk))).collect(),
            workers: 0,
        }
    }

    fn copied(&self) -> Vec<TableCopied> {
        let copied = |(name, table): (&Name, &Progress)| TableCopied {
            name: name.clone(),
            rows: table.done.values().map(|(rows, _)| rows).sum(),
            bytes: table.done.values().map(|(_, bytes)| bytes).sum(),
        };
        self.tables.iter().map(copied).collect()
    }
}

impl Work {
    fn has_more(&self) -> bool {
        !unpoisoned(&self.left).queue.is_empty()
    }

    /// The next chunk; none where there is none, or where the asking worker is one too many: it ends then.
    pub(super) fn next(&self) -> Option<Chunk> {
        let mut left = unpoisoned(&self.left);
        let next = if left.workers > self.jobs.now() { None } else { left.queue.pop_front() };
        if next.is_none() {
            left.workers -= 1;
        }
        next
    }

    /// A chunk is on green. The last one of a table announces it.
    pub(super) fn done(&self, chunk: &Chunk, rows: u64, bytes: u64) {
        let mut left = unpoisoned(&self.left);
        if let Some(table) = left.tables.get_mut(&chunk.table.name) {
            table.done.insert(chunk.part, (rows, bytes));
            if table.done.len() == table.parts as usize {
                // Nobody may be listening: indexes can be built later as well.
                let _ = self.ready.send(chunk.table.name.clone());
            }
        }
    }

    /// Chunks that were on green and are there no more.
    fn again(&self, lost: Vec<Chunk>) {
        let mut left = unpoisoned(&self.left);
        let of: BTreeSet<String> = lost.iter().map(|chunk| chunk.table.name.plain()).collect();
        let of: Vec<&str> = of.iter().map(String::as_str).collect();
        self.say(format!("green, which crashed: {} of {} are copied again", count(lost.len(), "part"), of.join(", ")));
        for chunk in lost {
            if let Some(table) = left.tables.get_mut(&chunk.table.name) {
                table.done.remove(&chunk.part);
            }
            self.meter.lost(&chunk);
            left.queue.push_back(chunk);
        }
    }

    /// Sessions whose statements end with the copy.
    pub(super) fn ends_with(&self, blue: &Db, green: &Db) {
        let mut ends = unpoisoned(&self.ends);
        ends.add(blue);
        ends.add(green);
    }

    pub(super) fn say(&self, waiting_on: String) {
        self.notices.waiting(waiting_on);
    }
}

/// Nothing between lock and unlock can panic halfway through a change.
fn unpoisoned<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
