//! The half after `decide`. Nothing here is ever undone; whatever fails is tried again by the same command.

use std::time::{Duration, Instant};

use backon::{ExponentialBuilder, Retryable};
use futures_util::future::join_all;
use serde_json::Value;

use super::coordinator::{Given, step};
use super::doubt::fall_in_doubt;
use super::participant::{AnyParticipant, Participant, Switch, open_participant};
use crate::error::{Failure, Result};
use crate::failpoint::failpoint;
use crate::journal::{Record, Recorder, State};
use crate::lever;
use crate::plan::{self, Until};
use crate::postgres::Access;
use crate::replay;
use crate::step::{Notices, StepId};

/// Commits of one participant that says "not yet" afterwards, before the coordinator gives up for now.
const COMMIT_ATTEMPTS: u32 = 3;

/// After decide: green opens, everybody commits.
/// Gives the levers that could not be turned back.
pub(super) async fn go_forward(given: &Given<'_>, recorder: &mut Recorder) -> Result<Vec<Failure>> {
    if recorder.run().state == State::Green {
        return turn_levers_back(given, recorder).await;
    }
    forward_steps(given, recorder).await.map_err(|failure| {
        failure
            .state(if given.plan.is_in_place() {
                "decided: some participants have switched, others may not have; blue serves all of them"
            } else {
                "decided: blue refuses writes, green serves whoever has switched"
            })
            .hint("mend what failed, then go on with: migrate cutover")
    })
}

async fn forward_steps(given: &Given<'_>, recorder: &mut Recorder) -> Result<Vec<Failure>> {
    let open = step("open");
    if !given.plan.is_in_place() && !recorder.run().is_done(&open) {
        let since = recorder.begin(&open, "open green for writes").await?;
        open_green(given, &recorder.notices(&open)).await?;
        failpoint("green.opened");
        recorder.finish(&open, since, Value::Null, "green takes writes").await?;
    }
    for group in groups(&given.plan.participants) {
        commit_group(given, recorder, group).await?;
    }
    for spec in &given.plan.participants {
        let participant = open_participant(spec, given.plan_folder(), given.folder);
        if participant.committed().await != Switch::Switched {
            // It said so a moment ago: something is turning it back.
            let what = format!("participant {}: it has switched, and says now that it has not", spec.name);
            return Err(fall_in_doubt(given, recorder, what));
        }
    }
    // Before the last record, so that a process that dies here is gone on with.
    let still_turned = turn_levers_back(given, recorder).await?;
    recorder.record(Record::Switched).await?;
    Ok(still_turned)
}

/// Those that were to be turned back when green serves. One that fails keeps nobody from anything.
async fn turn_levers_back(given: &Given<'_>, recorder: &mut Recorder) -> Result<Vec<Failure>> {
    if given.plan.levers.is_empty() {
        return Ok(Vec::new());
    }
    // Blue is retired and may be gone: what the journal knows is enough.
    let blue = given.plan.blue.connect(Access::ReadWrite).await.ok();
    lever::turn_back(given.plan, Some(recorder), blue.as_ref(), |lever| lever.until == Until::Reopen).await
}

/// Until green is open nobody can write anywhere: a green that is gone for a moment is waited for, about a minute.
async fn open_green(given: &Given<'_>, notices: &Notices) -> Result<()> {
    let attempt = || async {
        let green = given.plan.green.connect(Access::ReadWrite).await?;
        replay::open_green(&green).await
    };
    let wait = ExponentialBuilder::new()
        .with_min_delay(Duration::from_millis(100))
        .with_max_delay(Duration::from_secs(3))
        .with_max_times(25)
        .with_jitter();
    attempt.retry(wait).notify(|e, _| notices.waiting(format!("green to open: {e}"))).await
}

fn commit_step(spec: &plan::Participant) -> StepId {
    step(format_args!("commit/{}", spec.name))
}

/// Members of a group stand next to each other and commit at once; the rest one by one, in the order written.
pub(super) fn groups(participants: &[plan::Participant]) -> impl Iterator<Item = &[plan::Participant]> {
    participants.chunk_by(|a, b| a.group.is_some() && a.group == b.group)
}

async fn commit_group(given: &Given<'_>, recorder: &mut Recorder, group: &[plan::Participant]) -> Result<()> {
    let mut since = Instant::now();
    for spec in group {
        if !recorder.run().is_done(&commit_step(spec)) {
            since = recorder.begin(&commit_step(spec), &format!("switch {}", spec.name)).await?;
        }
    }
    let open: Vec<&plan::Participant> =
        group.iter().filter(|spec| !recorder.run().is_done(&commit_step(spec))).collect();
    let all = open.iter().map(|spec| async {
        let participant = open_participant(spec, given.plan_folder(), given.folder);
        let committed = commit_one(&participant).await;
        failpoint("participant.committed");
        committed
    });
    let answers = join_all(all).await;
    let mut failed = None;
    for (spec, answer) in open.into_iter().zip(answers) {
        match answer {
            Ok(()) => recorder.finish(&commit_step(spec), since, Value::Null, "switched").await?,
            Err(NotCommitted::NotYet(e)) => {
                let failure = e.context(format!("participant {}", spec.name));
                let record = Record::StepFailed { step: commit_step(spec), error: failure.what.clone() };
                recorder.record(record).await?;
                failed.get_or_insert(failure);
            }
            Err(NotCommitted::Unknown(why)) => {
                let what = format!("participant {}: nobody can tell whether it has switched: {why}", spec.name);
                return Err(fall_in_doubt(given, recorder, what));
            }
        }
    }
    failed.map_or(Ok(()), Err)
}

enum NotCommitted {
    /// It says that it has not switched.
    NotYet(Failure),
    /// It can't say.
    Unknown(String),
}

/// Asks first: a commit that was interrupted may have worked. Only `committed` decides; a commit that fails may have
/// switched, one that succeeds may have not.
async fn commit_one(participant: &AnyParticipant) -> Result<(), NotCommitted> {
    let mut last = Failure::failed("its commit succeeds, and it says that it has not switched");
    for attempt in 0..=COMMIT_ATTEMPTS {
        match participant.committed().await {
            Switch::Switched => return Ok(()),
            Switch::Unknown(why) => return Err(NotCommitted::Unknown(why)),
            Switch::NotYet if attempt == COMMIT_ATTEMPTS => break,
            Switch::NotYet => {}
        }
        if attempt > 0 {
            tokio::time::sleep(Duration::from_millis(200 * u64::from(attempt))).await;
        }
        if let Err(e) = participant.commit().await {
            last = e;
        }
    }
    Err(NotCommitted::NotYet(last))
}
