//! Several sessions at once, or as many as a server has room for.

use crate::error::{Failure, Result};
use crate::finding::Finding;
use crate::postgres::{Db, Error, Target};
use crate::step::Notices;

use super::export::{CopyPoint, enter};

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
