//! The switch of a plan in place, read top to bottom: gates → prepare all → approval → decide → commit in order and groups →
//! `committed` of each. There is no fence and no drain: blue goes on serving, and what switches are the participants.
//!
//! The decision is a record of the journal, and nowhere else: before it everything prepared is put back, after it only
//! forward, as in [`super::coordinator`].

use serde::Serialize;

use super::coordinator::{Given, Mode, prepare_all, put_back, step, unless_stopped};
use super::forward::go_forward;
use super::gate::participant_gates;
use super::timing::{still_time, time_gates};
use crate::error::{Failure, Result};
use crate::failpoint::failpoint;
use crate::finding::{Finding, blockers};
use crate::journal::{Record, Recorder, State};
use crate::postgres::Access;

/// What the operator is asked to approve.
#[derive(Debug, Clone, Serialize)]
pub struct LiveApproval {
    /// Participants in the order of their commit.
    pub participants: Vec<String>,
    /// Why there will be no way back; none: the plan does not forbid one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub one_way: Option<String>,
    /// Accepted blockers, warnings and notes.
    pub findings: Vec<Finding>,
}

/// Runs the switch, or goes on with one that was interrupted. `found`: what the plan's checks say now. Gives the levers that
/// could not be turned back.
pub async fn switch_in_place<A>(
    given: &Given<'_>,
    recorder: &mut Recorder,
    found: impl AsyncFnOnce() -> Result<Vec<Finding>>,
    mode: Mode<A>,
) -> Result<Vec<Failure>>
where
    A: AsyncFnOnce(&LiveApproval) -> bool,
{
    settle_in_place(given, recorder).await?;
    match (recorder.run().state, mode) {
        (State::Ready, mode) => {
            let findings = gates(given, recorder, found).await?;
            let Mode::Switch(approve) = mode else { return Ok(Vec::new()) };
            attempt(given, recorder, findings, approve).await?;
        }
        (State::Decided | State::Green, Mode::Switch(_)) => {}
        (state, _) => {
            return Err(Failure::blocked(format!("the run is {state}, not ready: there is nothing to switch"))
                .state("nothing was done")
                .hint(if state.is_decided() { "migrate status" } else { "migrate apply" }));
        }
    }
    go_forward(given, recorder).await
}

/// One that was interrupted is put back, unless the journal has decided: nothing but the journal knows.
pub async fn settle_in_place(given: &Given<'_>, recorder: &mut Recorder) -> Result<()> {
    match recorder.run().state {
        State::InDoubt { .. } => recorder.record(Record::DoubtCleared).await,
        State::Switching => {
            let undone = put_back(given, recorder).await;
            let why = "the process that tried it ended before it decided".to_owned();
            recorder.record(Record::CutoverUndone { why }).await?;
            undone
        }
        _ => Ok(()),
    }
}

async fn gates(
    given: &Given<'_>,
    recorder: &mut Recorder,
    found: impl AsyncFnOnce() -> Result<Vec<Finding>>,
) -> Result<Vec<Finding>> {
    let blue = given.plan.blue.connect(Access::ReadOnly).await?;
    let mut findings = time_gates(given, &blue).await?;
    findings.extend(participant_gates(given).await);
    findings.extend(found().await?);
    given.plan.accept(&mut findings);
    let notices = recorder.notices(&step("gates"));
    for finding in &findings {
        notices.found(finding.clone());
    }
    match blockers(&findings).count() {
        0 => {
            recorder.accept(&findings).await?;
            Ok(findings)
        }
        count => Err(Failure::blocked(format!("{} closed", crate::units::count(count, "gate")))
            .state("blue serves; nothing was done")
            .hint("open them as said above, then: migrate cutover")),
    }
}

/// Everything up to and including the decision. Where it fails, everything is put back.
async fn attempt<A>(given: &Given<'_>, recorder: &mut Recorder, findings: Vec<Finding>, approve: A) -> Result<()>
where
    A: AsyncFnOnce(&LiveApproval) -> bool,
{
    let settings = given.plan.settings();
    if settings != recorder.run().settings {
        recorder.record(Record::SettingsChanged { settings }).await?;
    }
    let attempt = recorder.run().attempt + 1;
    recorder.record(Record::CutoverStarted { attempt }).await?;
    let approval = LiveApproval {
        participants: given.plan.participants.iter().map(|spec| spec.name.clone()).collect(),
        one_way: given.plan.cutover.one_way.clone(),
        findings,
    };
    let prepared = async {
        prepare_all(given, recorder).await?;
        if !unless_stopped(recorder, async { Ok(approve(&approval).await) }).await? {
            return Err(Failure::failed("not approved"));
        }
        let blue = given.plan.blue.connect(Access::ReadOnly).await?;
        still_time(given, &blue).await?;
        failpoint("decide.before_commit");
        // Recorded only with the lease: whoever has it may be about to put back what was prepared.
        recorder.record(Record::Decided { fence_lsn: None }).await
    }
    .await;
    let Err(failure) = prepared else {
        failpoint("decide.after_commit");
        return Ok(());
    };
    if recorder.run().state.is_decided() {
        // It is on disk, and the heartbeat failed: the next process goes forward.
        return Err(failure.state("decided; nobody has switched yet; blue serves").hint("migrate cutover"));
    }
    let put_back = put_back(given, recorder).await;
    recorder.append(Record::CutoverUndone { why: failure.what.clone() })?;
    let mut undone = Failure::undone(failure.what.clone());
    undone.detail = failure.detail;
    Err(match put_back {
        Ok(()) => undone.state("everything that was prepared was put back; blue serves").hint("migrate cutover"),
        Err(e) => undone
            .state(format!("blue serves, but not everything could be put back: {e}"))
            .hint("put that back by hand, then: migrate cutover"),
    })
}
