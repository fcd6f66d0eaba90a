//! Several sessions at once, or as many as a server has room for.

use std::time::Duration;

use backon::ExponentialBuilder;

use crate::error::{Failure, Result};
use crate::finding::Finding;
use crate::postgres::{Db, Error, Target};
use crate::step::Notices;

use super::export::{CopyPoint, enter};

/// How often one piece of work is tried where sessions are lost.
pub(super) const ATTEMPTS: usize = 5;
/// How often a server is asked for a new session in the place of a lost one; with the pauses over half a minute, in which a
/// server that crashed is back.
pub(super) const CONNECTS: usize = 12;
/// The longest pause between two of these.
pub(super) const PAUSE: Duration = Duration::from_secs(5);

/// Pauses between attempts, up to so many, each twice as long as the one before.
pub(super) fn pauses(times: usize) -> ExponentialBuilder {
    ExponentialBuilder::default()
        .with_min_delay(Duration::from_millis(100))
        .with_max_delay(PAUSE)
        .with_max_times(times)
        .with_jitter()
}

/// Opens `jobs` sessions; where the server has room for fewer, but for one, says so and goes on with those.
pub async fn open_up_to(jobs: usize, notices: &Notices, open: impl AsyncFn() -> Result<Db, Error>) -> Result<Vec<Db>> {
    let mut sessions = Vec::new();
    while sessions.len() < jobs.max(1) {
        match open().await {
            Ok(session) => sessions.push(session),
            Err(e) if e.is_full() && !sessions.is_empty() => {
                notices.found(fewer(&e, sessions.len(), jobs));
                break;
            }
            Err(e) => return Err(no_room(e)),
        }
    }
    Ok(sessions)
}

/// The same for sessions in the snapshot of the copy.
pub async fn join_up_to(jobs: usize, blue: &Target, point: &CopyPoint, notices: &Notices) -> Result<Vec<Db>> {
    open_up_to(jobs, notices, async || enter(blue, point).await).await
}

/// That a server took fewer sessions than the plan has jobs.
pub(super) fn fewer(e: &Error, room: usize, jobs: usize) -> Finding {
    Finding::warning("snapshot/fewer-jobs", e.database.clone(), format!("room for {room} of {jobs} jobs: {e}"))
        .so_what("the copy goes on with fewer, and takes longer")
        .next("free connections there, or lower [snapshot] jobs in the plan file; a change is taken at once")
}

/// The failure where there was no room for one.
pub(super) fn no_room(e: Error) -> Failure {
    let full = e.is_full();
    let failure = Failure::from(e);
    if full {
        failure.hint("free connections there or raise max_connections, then run the same command again")
    } else {
        failure
    }
}
