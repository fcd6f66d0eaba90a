//! Edits of the plan file while the run goes on: of all that a plan says, the number of jobs is taken at once.

use std::future::Future;
use std::time::{Duration, SystemTime};

use tokio::sync::watch;

use crate::error::Result;
use crate::finding::Finding;
use crate::journal::{Record, Recorder};
use crate::plan::{Plan, read_plan};
use crate::snapshot::Jobs;
use crate::step::Notices;

/// How often the file is looked at.
const INTERVAL: Duration = Duration::from_secs(1);

/// What the file says by now.
#[derive(Debug, Clone)]
struct Edit {
    jobs: usize,
    /// Why what stands there now can't be taken.
    unreadable: Option<String>,
}

/// The plan file, looked at until this is dropped.
#[derive(Debug, Clone)]
pub(super) struct Edits {
    seen: watch::Receiver<Edit>,
    jobs: Jobs,
}

impl Edits {
    /// Begins to look at the file of `plan`.
    pub(super) fn watch(plan: &Plan) -> Self {
        let (set_jobs, jobs) = Jobs::settable(plan.jobs);
        let (sender, seen) = watch::channel(Edit { jobs: plan.jobs, unreadable: None });
        tokio::spawn(keep_looking(plan.clone(), sender, set_jobs));
        Self { seen, jobs }
    }

    /// The jobs of now.
    pub(super) fn jobs(&self) -> Jobs {
        self.jobs.clone()
    }

    /// Does `work`; says and journals every edit meanwhile, and those since the last time.
    pub(super) async fn while_at<T>(
        &mut self,
        work: impl Future<Output = Result<T>>,
        plan: &Plan,
        recorder: &mut Recorder,
        notices: &Notices,
    ) -> Result<T> {
        let mut work = std::pin::pin!(work);
        loop {
            tokio::select! {
                done = &mut work => return done,
                changed = self.seen.changed() => {
                    if changed.is_err() {
                        return work.await;
                    }
                    let edit = self.seen.borrow_and_update().clone();
                    take(&edit, plan, recorder, notices).await?;
                }
            }
        }
    }
}

async fn take(edit: &Edit, plan: &Plan, recorder: &mut Recorder, notices: &Notices) -> Result<()> {
    let object = plan.path.display().to_string();
    if let Some(why) = &edit.unreadable {
        notices.found(
            Finding::warning("plan/edit-not-taken", object, why.clone())
                .so_what(format!("the run goes on with {} jobs", edit.jobs))
                .next("mend the file; it is read again when it changes"),
        );
        return Ok(());
    }
    let settings = Plan { jobs: edit.jobs, ..plan.clone() }.settings();
    if settings != recorder.run().settings {
        recorder.record(Record::SettingsChanged { settings }).await?;
        notices.found(
            Finding::note("plan/jobs-changed", object, format!("[snapshot] jobs is {} now", edit.jobs)).so_what(
                "workers are added at once, or end after what they are at; other edits count at the next start",
            ),
        );
    }
    Ok(())
}

/// Ends when nobody listens any more.
async fn keep_looking(plan: Plan, sender: watch::Sender<Edit>, jobs: watch::Sender<usize>) {
    let mut last = stamp(&plan);
    loop {
        tokio::select! {
            () = sender.closed() => return,
            () = tokio::time::sleep(INTERVAL) => {}
        }
        let now = stamp(&plan);
        // Gone for a moment: editors replace files.
        if now.is_none() || now == last {
            continue;
        }
        last = now;
        match read_plan(&plan.path, &|name| std::env::var(name).ok()) {
            Ok(edited) => {
                sender.send_replace(Edit { jobs: edited.jobs, unreadable: None });
                jobs.send_if_modified(|jobs| std::mem::replace(jobs, edited.jobs) != edited.jobs);
            }
            Err(e) => sender.send_modify(|edit| edit.unreadable = Some(e.what)),
        }
    }
}

/// What changes when somebody saves the file.
fn stamp(plan: &Plan) -> Option<(SystemTime, u64)> {
    let facts = std::fs::metadata(&plan.path).ok()?;
    Some((facts.modified().ok()?, facts.len()))
}
