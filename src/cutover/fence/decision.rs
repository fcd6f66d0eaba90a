//! What blue says became of a fence.

use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::APPLICATION;
use crate::error::{Failure, Result};
use crate::journal::RunId;
use crate::postgres::{Access, Db, Target};

/// How long to ask after a decision whose COMMIT got no answer, before it counts as in doubt.
const ASK_FOR: Duration = Duration::from_secs(20);

/// The row that says that the fence was committed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decision {
    /// Of which run.
    pub run: RunId,
    /// Under which fencing token.
    pub token: i64,
    /// By which machine.
    pub host: String,
    /// When, as the server writes it.
    pub at: String,
}

/// What became of a COMMIT that got no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decided {
    /// The fence is committed.
    Yes,
    /// It is not, and never will be.
    No,
    /// Blue can't be asked.
    Unknown(String),
}

/// Whether the fence of `run` was committed, asked of blue itself: ends a fence session that may still be at it, waits
/// until it is gone, then looks for the decision row.
pub async fn ask(blue: &Target, run: &RunId) -> Decided {
    let until = Instant::now() + ASK_FOR;
    loop {
        // A server that takes the connection and says nothing more must not hold us for ever.
        let left = until.saturating_duration_since(Instant::now());
        let Ok(answer) = tokio::time::timeout(left, try_ask(blue, run)).await else {
            return Decided::Unknown("blue does not answer".to_owned());
        };
        match answer {
            Ok(Some(decided)) => return decided,
            Err(e) if Instant::now() > until => return Decided::Unknown(e.what),
            Ok(None) if Instant::now() > until => {
                return Decided::Unknown("the fence's session on blue does not end".to_owned());
            }
            _ => tokio::time::sleep(Duration::from_millis(250)).await,
        }
    }
}

/// `None`: a fence session is still there.
async fn try_ask(blue: &Target, run: &RunId) -> Result<Option<Decided>> {
    let db = blue.connect(Access::ReadOnly).await?;
    let standby: bool = db.row("SELECT pg_catalog.pg_is_in_recovery()", &[]).await?.get(0);
    if standby {
        // It may lag behind the server that has the decision.
        return Err(Failure::failed("blue is a standby: its primary must be asked"));
    }
    let still: i64 = db.row(include_str!("../../postgres/sql/end_fence_sessions.sql"), &[&APPLICATION]).await?.get(0);
    if still > 0 {
        return Ok(None);
    }
    let decision = read_decision(&db).await?;
    Ok(Some(if decision.is_some_and(|decision| decision.run == *run) { Decided::Yes } else { Decided::No }))
}

/// The decision row on blue, if a fence was ever committed there.
pub async fn read_decision(blue: &Db) -> Result<Option<Decision>> {
    let exists: bool = blue.row("SELECT pg_catalog.to_regclass('teal.decision') IS NOT NULL", &[]).await?.get(0);
    if !exists {
        return Ok(None);
    }
    let row = blue.maybe_row("SELECT run, token, host, at::text FROM teal.decision", &[]).await?;
    Ok(row.map(|row| Decision { run: RunId(row.get(0)), token: row.get(1), host: row.get(2), at: row.get(3) }))
}
