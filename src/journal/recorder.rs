//! The one hand that writes: a journal and the lease that entitles to it, with a heartbeat that goes on meanwhile.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde_json::Value;
use tokio::sync::mpsc::{self, UnboundedReceiver, UnboundedSender};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::lease::{Beat, Identity, Lease, Purpose};
use super::record::Record;
use super::state::Run;
use super::store::{Store, StoreError};
use crate::error::{Failure, Kind, Result};
use crate::finding::{Finding, accepted};
use crate::postgres::Target;
use crate::step::{Notice, NoticeBody, Notices, StepId};

/// How often the heartbeat row is written; `status` calls a run silent after ten of these.
const HEARTBEAT: Duration = Duration::from_secs(1);
/// How long the last one may take: a network that stalls must not keep a run that has ended.
const LAST_BEAT: Duration = Duration::from_secs(5);

/// A journal open for writing under a lease. Whatever acts, acts through it: step begun, act, step done.
#[derive(Debug)]
pub struct Recorder {
    store: Store,
    shared: Arc<Shared>,
    notices: UnboundedSender<Notice>,
    heartbeat: Option<JoinHandle<()>>,
    listening: JoinHandle<()>,
}

#[derive(Debug)]
struct Shared {
    lease: Lease,
    beat: Mutex<Beat>,
    /// Cancelled when the run must stop: the operator asked, or the lease is lost.
    stop: CancellationToken,
    /// Why it was cancelled, where it was not the operator at this terminal.
    why: Mutex<Option<Failure>>,
}

impl Shared {
    fn with_beat<T>(&self, change: impl FnOnce(&mut Beat) -> T) -> T {
        change(&mut self.beat.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn stop_because(&self, why: Failure) {
        self.why.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(why);
        self.stop.cancel();
    }

    /// One heartbeat. An abort that somebody wants ends the run like Ctrl-C, except once it has decided.
    async fn beat(&self) -> Result<()> {
        let beat = self.with_beat(|beat| beat.clone());
        let abort_wanted = self.lease.beat(&beat).await?;
        if abort_wanted && !beat.state.is_decided() {
            self.stop_because(Failure::failed("another operator asked for an abort"));
        }
        Ok(())
    }
}

impl Recorder {
    /// Takes the lease for the run of `store` and begins the heartbeat. Notices go to `listener`.
    pub async fn open(
        store: Store,
        databases: (&Target, Option<&Target>),
        purpose: Purpose,
        stop: CancellationToken,
        listener: UnboundedSender<Notice>,
    ) -> Result<Self> {
        let me = Identity::here(&store.run().plan, &store.run().id, store.path());
        let (seq, state) = (store.run().seq, store.run().state);
        let lease = Lease::take(&me, databases, store.run(), purpose).await?;
        let beat = Mutex::new(Beat { seq, state, step: String::new(), progress: String::new() });
        let shared = Arc::new(Shared { lease, beat, stop, why: Mutex::new(None) });
        let (notices, heard) = mpsc::unbounded_channel();
        let heartbeat = Some(tokio::spawn(keep_beating(Arc::clone(&shared))));
        let listening = tokio::spawn(pass_on(heard, listener, Arc::clone(&shared)));
        let mut recorder = Self { store, shared, notices, heartbeat, listening };
        recorder.record(Record::LeaseTaken { who: me.who, host: me.host }).await?;
        Ok(recorder)
    }

    /// What the records add up to.
    pub fn run(&self) -> &Run {
        self.store.run()
    }

    /// The journal's folder.
    pub fn folder(&self) -> &Path {
        self.store.path().parent().unwrap_or(Path::new("."))
    }

    /// The fencing token.
    pub fn token(&self) -> i64 {
        self.shared.lease.token
    }

    /// Cancelled when the run must stop.
    pub fn stop(&self) -> &CancellationToken {
        &self.shared.stop
    }

    /// The failure that a stopped run ends with.
    pub fn why_stopped(&self) -> Failure {
        let why = self.shared.why.lock().unwrap_or_else(PoisonError::into_inner).clone();
        why.unwrap_or_else(|| Failure::failed("interrupted"))
    }

    /// Where a step's notices go.
    pub fn notices(&self, step: &StepId) -> Notices {
        Notices::new(step.clone(), Some(self.notices.clone()))
    }

    /// Puts a record on disk, then tells the heartbeat row. Fails where the lease is lost: what is on disk then is true,
    /// but nothing more may be done.
    pub async fn record(&mut self, record: Record) -> Result<()> {
        self.append(record)?;
        match self.shared.beat().await {
            Ok(()) => Ok(()),
            // Since the decision blue refuses writes: to stop because green did not answer for a moment would leave
            // nobody to write to. Whoever takes the run over goes the same way, and every step bears being done twice.
            Err(silent) if self.run().state.is_decided() && silent.kind == Kind::Failed => {
                tracing::warn!("{silent}; going forward all the same");
                Ok(())
            }
            Err(e) => {
                self.shared.stop_because(e.clone());
                Err(e)
            }
        }
    }

    /// Puts a record on disk whether or not the databases can be told: for what has happened already.
    pub fn append(&mut self, record: Record) -> Result<(), StoreError> {
        let step = match &record {
            Record::StepStarted { step } => Some(step.to_string()),
            Record::StepDone { .. } | Record::StepFailed { .. } => Some(String::new()),
            _ => None,
        };
        self.store.append(self.store.run().seq + 1, self.shared.lease.token, record)?;
        let run = self.store.run();
        tracing::info!(record = run.seq, state = run.state.word(), step = step.as_deref(), "journaled");
        self.shared.with_beat(|beat| {
            beat.seq = run.seq;
            beat.state = run.state;
            if let Some(step) = step {
                beat.step = step;
                beat.progress.clear();
            }
        });
        Ok(())
    }

    /// Records the blockers that the plan accepts, each the first time that it is met.
    pub async fn accept(&mut self, findings: &[Finding]) -> Result<()> {
        for finding in accepted(findings) {
            if !self.run().accepted.contains(finding) {
                self.record(Record::BlockerAccepted { finding: finding.clone() }).await?;
            }
        }
        Ok(())
    }

    /// Records that a step begins, and says so.
    pub async fn begin(&mut self, step: &StepId, title: &str) -> Result<Instant> {
        self.record(Record::StepStarted { step: step.clone() }).await?;
        self.notices(step).send(NoticeBody::Started { title: title.to_owned() });
        Ok(Instant::now())
    }

    /// Records that a step is done, and says so.
    pub async fn finish(&mut self, step: &StepId, since: Instant, result: Value, outcome: &str) -> Result<()> {
        let millis = u64::try_from(since.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.record(Record::StepDone { step: step.clone(), result, millis }).await?;
        self.notices(step).send(NoticeBody::Finished { outcome: outcome.to_owned(), millis });
        Ok(())
    }

    /// Stops the heartbeat, keeping the lease: before the run row itself is taken down.
    pub async fn fall_silent(&mut self) {
        if let Some(heartbeat) = self.heartbeat.take() {
            heartbeat.abort();
            let _ = heartbeat.await;
        }
    }

    /// Stops the heartbeat and lets go of the lease; the journal stays as it is.
    pub async fn close(mut self) {
        if self.heartbeat.is_some() {
            self.fall_silent().await;
            // What was appended last is still to be told: `status` reads the row. Whoever can't be told now is told by
            // the next process.
            match tokio::time::timeout(LAST_BEAT, self.shared.beat()).await {
                Ok(Ok(())) => {}
                Ok(Err(e)) => tracing::debug!("the last heartbeat: {e}"),
                Err(_) => tracing::debug!("the last heartbeat: no answer"),
            }
        }
        drop(self.notices);
        let _ = self.listening.await;
        if let Ok(shared) = Arc::try_unwrap(self.shared) {
            shared.lease.release().await;
        }
    }
}

async fn keep_beating(shared: Arc<Shared>) {
    loop {
        tokio::time::sleep(HEARTBEAT).await;
        if let Err(e) = shared.beat().await {
            shared.stop_because(e);
            return;
        }
    }
}

/// Passes notices on and keeps the last progress for the heartbeat row.
async fn pass_on(mut heard: UnboundedReceiver<Notice>, listener: UnboundedSender<Notice>, shared: Arc<Shared>) {
    while let Some(notice) = heard.recv().await {
        let progress = match &notice.body {
            NoticeBody::Progress { done, total, unit, object } => Some(if *total > 0 {
                format!("{} % {object}", (done * 100).checked_div(*total).unwrap_or(100)).trim_end().to_owned()
            } else {
                format!("{done} {}", unit.word())
            }),
            NoticeBody::Waiting { on } => Some(format!("waiting for {on}")),
            _ => None,
        };
        if let Some(progress) = progress {
            shared.with_beat(|beat| beat.progress = progress);
        }
        let _ = listener.send(notice);
    }
}
