//! Busy clients of many tables, each of which remembers how long its answers took.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use fastrand::Rng;
use teal::error::{Failure, Result};
use tokio::task::JoinSet;
use tokio_postgres::error::SqlState;
use tokio_postgres::{Client, NoTls};

/// Rows of each table.
pub const ROWS: i32 = 100;
/// Rows that those lock who lock one first.
const HOT_ROWS: i32 = 50;
/// Of ten transactions, so many only read.
const READS: u32 = 3;

/// The name of a table, in the order of numbers.
pub fn name(table: usize) -> String {
    format!("t{table:05}")
}

/// What a writing transaction does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Writes {
    /// Updates a row of one table.
    One,
    /// Updates a row in each of two tables, in the order of their names.
    TwoInOrder,
    /// Updates a row in each of two tables, whichever comes first.
    Two,
    /// Locks a row first, one of few (`FOR UPDATE`), then does the same: it may wait at the fence with a row that another wants.
    LockedTwo,
}

/// One answer that a client waited for.
#[derive(Debug, Clone, Copy)]
struct Wait {
    since: Instant,
    until: Instant,
}

/// The clients, until they are stopped.
pub struct Clients {
    tasks: JoinSet<Result<()>>,
    stop: Arc<AtomicBool>,
    done: Arc<AtomicU64>,
    waits: Arc<Vec<Mutex<Vec<Wait>>>>,
    since: Instant,
}

impl Clients {
    pub async fn start(url: &str, clients: usize, tables: usize, writes: Writes) -> Result<Self> {
        let (stop, done) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let waits: Arc<Vec<Mutex<Vec<Wait>>>> = Arc::new((0..clients).map(|_| Mutex::default()).collect());
        let mut tasks = JoinSet::new();
        for client in 0..clients {
            let (session, connection) = tokio_postgres::connect(url, NoTls).await.map_err(failed)?;
            tokio::spawn(connection);
            let (stop, done, waits) = (Arc::clone(&stop), Arc::clone(&done), Arc::clone(&waits));
            let mut rng = Rng::with_seed(client as u64);
            tasks.spawn(async move {
                while !stop.load(Ordering::Relaxed) {
                    let since = Instant::now();
                    transaction(&session, tables, writes, &mut rng).await?;
                    done.fetch_add(1, Ordering::Relaxed);
                    if let Some(waits) = waits.get(client) {
                        let wait = Wait { since, until: Instant::now() };
                        waits.lock().unwrap_or_else(PoisonError::into_inner).push(wait);
                    }
                }
                Ok(())
            });
        }
        Ok(Self { tasks, stop, done, waits, since: Instant::now() })
    }

    /// Forgets what they waited for so far.
    pub fn forget(&self) {
        for waits in self.waits.iter() {
            waits.lock().unwrap_or_else(PoisonError::into_inner).clear();
        }
    }

    /// The longest wait that touches this time.
    pub fn longest_between(&self, from: Instant, to: Instant) -> Duration {
        let touching = self.all().into_iter().filter(|wait| wait.since <= to && wait.until >= from);
        touching.map(|wait| wait.until - wait.since).max().unwrap_or_default()
    }

    /// When the last of those had its answer that waited at this moment.
    pub fn last_of_those_waiting_at(&self, at: Instant) -> Option<Instant> {
        self.all().into_iter().filter(|wait| wait.since <= at && wait.until >= at).map(|wait| wait.until).max()
    }

    /// How many transactions a second they do in the time to come.
    pub async fn rate_for(&self, time: Duration) -> f64 {
        let (since, done) = (Instant::now(), self.done.load(Ordering::Relaxed));
        tokio::time::sleep(time).await;
        (self.done.load(Ordering::Relaxed) - done) as f64 / since.elapsed().as_secs_f64()
    }

    /// Ends them; gives how many transactions a second they did.
    pub async fn stop(mut self) -> Result<f64> {
        self.stop.store(true, Ordering::Relaxed);
        while let Some(ended) = self.tasks.join_next().await {
            ended.map_err(|e| Failure::failed(format!("a client ended: {e}")))??;
        }
        Ok(self.done.load(Ordering::Relaxed) as f64 / self.since.elapsed().as_secs_f64())
    }

    fn all(&self) -> Vec<Wait> {
        self.waits.iter().flat_map(|waits| waits.lock().unwrap_or_else(PoisonError::into_inner).clone()).collect()
    }
}

/// One transaction. A deadlock among the clients is their own business: it is answered, and they go on.
async fn transaction(session: &Client, tables: usize, writes: Writes, rng: &mut Rng) -> Result<()> {
    let (mut first, mut second, row) = (rng.usize(0..tables), rng.usize(0..tables), rng.i32(1..=ROWS));
    let update = |table: usize| format!("UPDATE {} SET n = n + 1 WHERE id = {row}", name(table));
    let read = rng.u32(0..10) < READS;
    let ran = if read {
        session.batch_execute(&format!("SELECT n FROM {} WHERE id = {row}", name(first))).await
    } else if writes == Writes::One {
        session.batch_execute(&update(first)).await
    } else {
        if writes == Writes::TwoInOrder && first > second {
            std::mem::swap(&mut first, &mut second);
        }
        let lock = format!("SELECT FROM {} WHERE id = {} FOR UPDATE", name(0), 1 + row % HOT_ROWS);
        let lock = (writes == Writes::LockedTwo).then_some(lock);
        two(session, lock.as_deref(), &update(first), &update(second)).await
    };
    match ran {
        Err(e) if e.code() != Some(&SqlState::T_R_DEADLOCK_DETECTED) => Err(failed(e)),
        _ => Ok(()),
    }
}

/// With a round trip between them, as an application has.
async fn two(session: &Client, lock: Option<&str>, first: &str, second: &str) -> Result<(), tokio_postgres::Error> {
    let ran = async {
        session.batch_execute("BEGIN").await?;
        if let Some(lock) = lock {
            session.batch_execute(lock).await?;
        }
        session.batch_execute(first).await?;
        session.batch_execute(second).await?;
        session.batch_execute("COMMIT").await
    };
    let ran = ran.await;
    if ran.is_err() {
        session.batch_execute("ROLLBACK").await?;
    }
    ran
}

#[allow(clippy::needless_pass_by_value)] // for map_err
fn failed(e: tokio_postgres::Error) -> Failure {
    Failure::failed(format!("a client: {e}"))
}
