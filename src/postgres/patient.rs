//! Changes that need a strong lock on a table that others use.

use std::time::Duration;

use backon::{ExponentialBuilder, Retryable};

use super::{Db, Error};

/// Per attempt: everybody behind us in the lock queue waits as long as we do.
const LOCK_TIMEOUT: &str = "500ms";
/// Attempts, with jitter between them; together about a minute.
const ATTEMPTS: usize = 30;

impl Db {
    /// Runs statements that must be safe to run again, in one transaction: lets go and tries again with jitter for as
    /// long as a lock is not to be had, up to about a minute.
    pub async fn run_patiently(&self, statements: &str) -> Result<(), Error> {
        let script = format!("BEGIN; SET LOCAL lock_timeout = '{LOCK_TIMEOUT}'; {statements}; COMMIT");
        let attempt = || async {
            let done = self.run(&script).await;
            if done.is_err() {
                // Where this fails the session is gone, and the transaction with it.
                let _ = self.run("ROLLBACK").await;
            }
            done
        };
        let wait = ExponentialBuilder::new()
            .with_min_delay(Duration::from_millis(200))
            .with_max_delay(Duration::from_secs(3))
            .with_max_times(ATTEMPTS)
            .with_jitter();
        attempt.retry(wait).when(Error::is_lock).await
    }
}
