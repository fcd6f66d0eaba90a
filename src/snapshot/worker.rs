//! One worker of the copy: a session in the snapshot on blue, a session on green, and new ones where these are lost.

use std::sync::Arc;

use backon::{BackoffBuilder, Retryable};

use crate::catalog::Chunk;
use crate::error::{Context, Failure, Result};
use crate::postgres::{Access, Db, Error, Target};

use super::export::enter;
use super::rows::Work;
use super::sessions::{ATTEMPTS, CONNECTS, PAUSE, pauses};
use super::table::{copy_chunk, prepare_session};

/// How long a lock on green may take: nobody else should be there but a session of ours that green has not yet missed.
const LOCK_TIMEOUT: &str = "SET lock_timeout = '10s'";
/// A commit of one chunk needn't wait for the disk: rows and marker are lost together or not at all.
const NO_WAIT: &str = "SET synchronous_commit = off";
/// Both sessions of a worker.
pub struct Sessions {
    blue: Db,
    green: Db,
}

impl Sessions {
    async fn open(work: &Work) -> Result<Self, Error> {
        let blue = enter(&work.blue, &work.point).await?;
        let green = work.green.connect(Access::ReadWrite).await?;
        prepare_session(&blue).await?;
        prepare_session(&green).await?;
        green.run(LOCK_TIMEOUT).await?;
        green.run(NO_WAIT).await?;
        work.ends_with(&blue, &green);
        Ok(Self { blue, green })
    }
}

/// Opens both; tries again with jitter for what `passes`.
pub async fn open_sessions(work: &Work, passes: impl FnMut(&Error) -> bool) -> Result<Sessions, Error> {
    (|| Sessions::open(work)).retry(pauses(CONNECTS)).when(passes).await
}

/// A session on green in the place of one that was lost with it.
pub async fn reconnect(green: &Target) -> Result<Db, Error> {
    (|| green.connect(Access::ReadWrite)).retry(pauses(CONNECTS)).when(Error::is_lost).await
}

/// Copies chunks until none is left, or this worker is one too many.
pub async fn work_through(work: Arc<Work>, mut sessions: Sessions) -> Result<()> {
    while let Some(chunk) = work.next() {
        let (rows, bytes) = copy_surely(&work, &mut sessions, &chunk)
            .await
            .with_context(|| format!("copying {}", chunk.table.name.plain()))?;
        work.done(&chunk, rows, bytes);
    }
    Ok(())
}

/// Copies one chunk; where a session is lost, with new ones in the same snapshot, as long as its keeper lives.
async fn copy_surely(work: &Work, sessions: &mut Sessions, chunk: &Chunk) -> Result<(u64, u64)> {
    let mut pauses = pauses(ATTEMPTS).build();
    for attempt in 1.. {
        let mut meter = work.meter.chunk(chunk);
        let e = match copy_chunk(&sessions.blue, &sessions.green, chunk, &mut meter).await {
            Ok(rows) => return Ok((rows, meter.finish())),
            Err(e) => e,
        };
        meter.forget();
        if attempt >= ATTEMPTS || !(e.is_lost() || e.is_lock()) {
            return Err(e.into());
        }
        work.say(format!("a new session: {e}; part {} of {} is copied again", chunk.part + 1, chunk.parts));
        // The one that is left must not go on with what nobody reads.
        sessions.blue.cancel().await;
        sessions.green.cancel().await;
        tokio::time::sleep(pauses.next().unwrap_or(PAUSE)).await;
        *sessions = open_sessions(work, |e| e.is_lost() || e.is_full()).await?;
    }
    Err(Failure::failed("too many attempts"))
}
