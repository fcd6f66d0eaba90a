//! Ends what our sessions run on a server when we stop waiting for it.

use std::time::Duration;

use crate::error::Result;
use crate::postgres::{Canceller, Db};

/// How long the servers may take to hear of it.
const TIMEOUT: Duration = Duration::from_secs(5);

/// Sessions whose statements must not outlive our interest in them.
///
/// A server whose client went away notices only when it next writes to it: a CREATE INDEX would be built to its end, and a
/// COPY TO would hold its lock. So they are cancelled when the work failed or was interrupted, and also when its future
/// is dropped.
#[derive(Default)]
pub struct Ends(Vec<Canceller>);

impl Ends {
    /// Takes a session in.
    pub fn add(&mut self, session: &Db) {
        self.0.push(session.canceller());
    }

    /// Ends what one session runs that is not to go on.
    pub(super) async fn end(session: &Db) {
        cancel(vec![session.canceller()]).await;
    }

    /// Ends what runs, unless the work came to a good end by itself.
    pub async fn settle<T>(mut self, result: Result<T>) -> Result<T> {
        let sessions = std::mem::take(&mut self.0);
        if result.is_err() {
            cancel(sessions).await;
        }
        result
    }
}

impl Drop for Ends {
    fn drop(&mut self) {
        let sessions = std::mem::take(&mut self.0);
        if let (false, Ok(runtime)) = (sessions.is_empty(), tokio::runtime::Handle::try_current()) {
            runtime.spawn(cancel(sessions));
        }
    }
}

async fn cancel(sessions: Vec<Canceller>) {
    let cancels = sessions.iter().map(Canceller::cancel);
    let _ = tokio::time::timeout(TIMEOUT, futures_util::future::join_all(cancels)).await;
}
