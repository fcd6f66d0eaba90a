//! One transaction on a live database: under `lock_timeout`, let go and tried again with jitter.

use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBackoff, ExponentialBuilder};

use super::watch::Watch;
use crate::error::{Failure, Result};
use crate::postgres::{Db, Error};

/// How long a brief statement may take once it has begun, the waits for all of its locks included: `lock_timeout` is per lock.
const BRIEF: Duration = Duration::from_secs(5);
/// Attempts: with the waits between them about ten minutes.
const ATTEMPTS: usize = 130;
/// Attempts that may end in the `statement_timeout`: what is not brief now will not be brief at the fourth time.
const TOO_LONG: usize = 3;

/// What bounds a transaction.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bounds {
    /// Per lock.
    pub(super) lock_timeout: Duration,
    /// Whether it must be over in a moment, because others wait behind what it locks.
    pub(super) brief: bool,
}

impl Bounds {
    fn begin(self) -> String {
        let statement = if self.brief { (BRIEF + self.lock_timeout).as_millis() } else { 0 };
        format!(
            "BEGIN; SET LOCAL lock_timeout = {}; SET LOCAL statement_timeout = {statement}",
            self.lock_timeout.as_millis()
        )
    }
}

/// The waits between attempts at a lock.
pub(super) fn waits() -> ExponentialBackoff {
    ExponentialBuilder::new()
        .with_min_delay(Duration::from_millis(200))
        .with_max_delay(Duration::from_secs(5))
        .with_max_times(ATTEMPTS)
        .with_jitter()
        .build()
}

/// A failure inside the transaction: of a statement as the server said it, or of something else.
pub(super) enum Inside {
    Server(Error, Failure),
    Other(Failure),
}

/// Runs `inside` between BEGIN and COMMIT until it commits. `what`: for messages, the statement with its place.
pub(super) async fn patiently(
    watch: &Watch<'_>,
    bounds: Bounds,
    what: &str,
    inside: impl AsyncFn(&Db) -> Result<(), Inside>,
) -> Result<()> {
    let (mut waits, mut too_long) = (waits(), 0);
    loop {
        let mut failure = None;
        let attempt = async {
            watch.db.run(&bounds.begin()).await?;
            match inside(watch.db).await {
                Ok(()) => Ok(()),
                Err(Inside::Server(e, shown)) => {
                    failure = Some(shown);
                    Err(e)
                }
                Err(Inside::Other(shown)) => {
                    failure = Some(shown);
                    Ok(())
                }
            }
        };
        let watched = watch.over(attempt, None).await;
        let (said, shown) = match (watched.result, failure) {
            (Ok(()), None) => match watch.db.run("COMMIT").await {
                Ok(()) => return Ok(()),
                // Deferred constraints are checked here.
                Err(e) => (Said::of(&e), Failure::from(e.doing(format!("{what}: COMMIT")))),
            },
            (Ok(()), Some(other)) => {
                rollback(watch.db).await;
                return Err(other);
            }
            (Err(e), Some(shown)) => (Said::of(&e), shown),
            (Err(e), None) => (Said::of(&e), Failure::from(e.doing(what))),
        };
        rollback(watch.db).await;
        too_long += usize::from(said.cancelled);
        let bounded = said.lock || (bounds.brief && said.cancelled);
        if !bounded {
            return Err(shown);
        }
        match waits.next().filter(|_| too_long < TOO_LONG) {
            Some(wait) => tokio::time::sleep(wait).await,
            None => return Err(gave_up(what, &said.message, &watched.holders)),
        }
    }
}

/// What the server said, as far as it decides whether to try again.
struct Said {
    lock: bool,
    cancelled: bool,
    message: String,
}

impl Said {
    fn of(e: &Error) -> Self {
        Self { lock: e.is_lock(), cancelled: e.is_cancelled(), message: e.message() }
    }
}

/// Where this fails the session is gone, and the transaction with it.
async fn rollback(db: &Db) {
    let _ = db.run("ROLLBACK").await;
}

/// Nobody let us in: who it was.
pub(super) fn gave_up(what: &str, said: &str, holders: &[String]) -> Failure {
    let failure = Failure::failed(format!("{what}: blue: {said}")).state(
        "this statement is not done, those before it are; blue serves, and nothing of ours waits in its lock queues",
    );
    if holders.is_empty() {
        return failure.hint("run it again when blue has less to do: migrate apply");
    }
    failure
        .detail(format!("in the way: {}", holders.join("\n            ")))
        .hint("wait for it or end it (SELECT pg_terminate_backend(pid)), then go on with: migrate apply")
}
