//! Live traffic: clients that serve their users at a steady pace, whatever happens to the database under them.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::task::JoinHandle;
use tokio::time::MissedTickBehavior;
use tokio_util::sync::{CancellationToken, DropGuard};

use super::client::{Client, Trouble};
use super::ledger::{Ledger, LedgerSnapshot};
use super::login::Users;
use super::operation::{Operation, Receipt};

/// Requests that all clients together make in a second.
const REQUESTS_PER_SECOND: u32 = 300;
/// How long a client waits before it tries again what was refused: short, it is part of the pause that its user sees.
const RETRY_AFTER: Duration = Duration::from_millis(20);

/// Running clients. Dropping it tells them to stop; [`Traffic::stop`] also waits for their last answers.
#[derive(Debug)]
pub struct Traffic {
    stop: DropGuard,
    clients: Vec<JoinHandle<()>>,
    ledger: Arc<Mutex<Ledger>>,
}

impl Traffic {
    /// Starts `clients` clients (at least one) that read the configuration file at `conf`; `seed` decides what their
    /// users do. Must be called inside a tokio runtime. A database that can't be reached yet is waited for.
    pub fn start(conf: impl Into<PathBuf>, clients: usize, seed: u64) -> Self {
        let conf = conf.into();
        let clients = clients.max(1);
        let stop = CancellationToken::new();
        let ledger = Arc::new(Mutex::new(Ledger::new()));
        let worker = |index: usize| Worker {
            index,
            clients,
            seed: seed.wrapping_add(index as u64),
            client: Client::new(conf.clone()),
            ledger: Arc::clone(&ledger),
            stop: stop.clone(),
        };
        let handles = (0..clients).map(|index| tokio::spawn(worker(index).run())).collect();
        Self { clients: handles, ledger, stop: stop.drop_guard() }
    }

    /// The counts so far.
    pub fn ledger(&self) -> LedgerSnapshot {
        lock(&self.ledger).counts().clone()
    }

    /// Names this moment in the ledger: the snapshot was taken, the cutover began.
    pub fn mark(&self, name: &str) {
        lock(&self.ledger).mark(name);
    }

    /// Stops the clients, each after the answer it is waiting for, and hands over the ledger.
    pub async fn stop(self) -> Ledger {
        drop(self.stop);
        for client in self.clients {
            if let Err(e) = client.await {
                tracing::warn!(error = %e, "a client of the demo ended early");
            }
        }
        std::mem::replace(&mut *lock(&self.ledger), Ledger::new())
    }
}

/// One client's task.
struct Worker {
    index: usize,
    clients: usize,
    seed: u64,
    client: Client,
    ledger: Arc<Mutex<Ledger>>,
    stop: CancellationToken,
}

impl Worker {
    async fn run(mut self) {
        let Some(mut users) = self.find_users().await else { return };
        let share = Duration::from_secs(1) * u32::try_from(self.clients).unwrap_or(u32::MAX) / REQUESTS_PER_SECOND;
        let mut pace = tokio::time::interval(share);
        pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = self.stop.cancelled() => return,
                _ = pace.tick() => {}
            }
            self.serve(&mut users).await;
        }
    }

    /// The users to serve; none: told to stop before the database answered.
    async fn find_users(&mut self) -> Option<Users> {
        while !self.stop.is_cancelled() {
            match self.client.users(self.index, self.clients, self.seed).await {
                Ok(users) => return Some(users),
                Err(trouble) => self.wait_after(&trouble, false).await,
            }
        }
        None
    }

    /// One request of some user.
    async fn serve(&mut self, users: &mut Users) {
        if lock(&self.ledger).is_full() {
            if let Some(operation) = users.next_read() {
                self.until_acknowledged(&operation, |_| ()).await;
            }
            return;
        }
        let (operation, about) = users.next();
        self.until_acknowledged(&operation, |receipts| users.take_in(about, &operation, receipts)).await;
    }

    /// Tries until it passes, the traffic stops, or trying again can't help.
    async fn until_acknowledged(&mut self, operation: &Operation, take_in: impl FnOnce(&[Receipt])) {
        let began = Instant::now();
        let mut attempts = 0;
        while !self.stop.is_cancelled() {
            attempts += 1;
            match self.client.ask(operation).await {
                Ok(answer) => {
                    let mut ledger = lock(&self.ledger);
                    ledger.acknowledge(answer.dialect.side(), operation, &answer.receipts);
                    if operation.is_write() {
                        ledger.time_write(self.index, began, attempts);
                    }
                    drop(ledger);
                    take_in(&answer.receipts);
                    return;
                }
                Err(trouble) => {
                    self.wait_after(&trouble, operation.is_write()).await;
                    if trouble.hopeless {
                        break;
                    }
                }
            }
        }
        if operation.is_write() && attempts > 0 {
            lock(&self.ledger).give_up();
        }
    }

    async fn wait_after(&self, trouble: &Trouble, write: bool) {
        lock(&self.ledger).fail(&trouble.kind, write && trouble.in_doubt);
        tokio::select! {
            () = self.stop.cancelled() => {}
            () = tokio::time::sleep(RETRY_AFTER) => {}
        }
    }
}

/// The ledger is only ever added to, one whole receipt at a time: another client's panic leaves it usable.
fn lock(ledger: &Mutex<Ledger>) -> MutexGuard<'_, Ledger> {
    ledger.lock().unwrap_or_else(PoisonError::into_inner)
}
