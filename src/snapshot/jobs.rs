//! How many sessions work at once: a number that may change while they do.

use tokio::sync::watch;

/// The number of jobs, as it is now; cheap to clone.
#[derive(Debug, Clone)]
pub struct Jobs(watch::Receiver<usize>);

impl Jobs {
    /// A number that stays.
    pub fn fixed(jobs: usize) -> Self {
        Self::settable(jobs).1
    }

    /// A number that whoever holds the sender may change.
    pub fn settable(jobs: usize) -> (watch::Sender<usize>, Self) {
        let (sender, receiver) = watch::channel(jobs);
        (sender, Self(receiver))
    }

    /// The number of now, at least one.
    pub fn now(&self) -> usize {
        (*self.0.borrow()).max(1)
    }

    /// Waits until it is another one; for ever, where nobody can change it any more.
    pub async fn changed(&mut self) {
        if self.0.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}
