//! The cutover, read top to bottom: gates → the fence put up, open → prepare all → green healthy → approval → the fence
//! shut → drain → decide → open green → commit in order and groups → `committed` of each.
//!
//! Two halves, and no handler spans them: [`attempt`] ends with `decide` and undoes everything when anything before it
//! fails; [`go_forward`] (`forward.rs`) begins after it and never undoes.

use std::collections::BTreeMap;
use std::path::Path;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::decide::{Facts, objections};
use super::doubt::{UNWRITTEN, fall_in_doubt, in_doubt, unwritten};
use super::drain::{Drain, Drained};
use super::fence::{self, Decided, Fence, Order, put_up_fence};
use super::forward::go_forward;
use super::gate::check_gates;
use super::participant::{Participant, Switch, open_participant};
use super::timing::still_time;
use crate::capture;
use crate::catalog::{Baseline, Structure, Table, Timelines, Writes, read_tables, writes_since};
use crate::error::{Context, Failure, Result};
use crate::failpoint::failpoint;
use crate::finding::{Finding, blockers};
use crate::journal::{Identity, Record, Recorder, Run, State, StepStatus};
use crate::plan::{self, Plan};
use crate::postgres::{Access, Db, Lsn};
use crate::replay::{self, Applier, Copied, Tally};
use crate::step::{NoticeBody, Notices, Phase, StepId};
use crate::units::count;

/// What a cutover works from: the plan, and what the run learned when it made the copy.
#[derive(Debug)]
pub struct Given<'a> {
    /// The plan.
    pub plan: &'a Plan,
    /// The run's folder.
    pub folder: &'a Path,
    /// When each lever was turned.
    pub turned: BTreeMap<String, Timestamp>,
    /// What replay must know of the copy.
    pub copied: Copied,
    /// Blue's structure at the copy.
    pub structure: Structure,
    /// Blue's write counters at the copy.
    pub writes_before: Baseline,
}

impl Given<'_> {
    /// Where the plan's programs run.
    pub fn plan_folder(&self) -> &Path {
        self.plan.path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
    }
}

/// What the operator is asked to approve.
#[derive(Debug, Clone, Serialize)]
pub struct Approval {
    /// The events so far.
    pub tally: Tally,
    /// Blue's writes since the copy, the upper bound of what does not travel.
    pub writes: Writes,
    /// Participants in the order of their commit.
    pub participants: Vec<String>,
    /// From fence to decide.
    pub deadline_ms: u64,
    /// Why there will be no rollback; none: the plan does not forbid one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub one_way: Option<String>,
    /// Warnings and notes.
    pub findings: Vec<Finding>,
}

/// What a cutover did. Kept in the journal as the result of `cutover/decide`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Outcome {
    /// The position of blue's log that green has everything up to.
    pub fence_lsn: Lsn,
    /// From the request for the locks to the COMMIT of the fence, in milliseconds.
    pub fence_ms: u64,
    /// The events, under the fence.
    pub tally: Tally,
    /// Blue's writes since the copy, asked before the fence.
    pub writes: Writes,
}

/// How the caller asks.
pub enum Mode<A> {
    /// Only the gates; nothing is prepared.
    DryRun,
    /// All of it; the closure asks the operator.
    Switch(A),
}

/// What a cutover leaves to whoever called it.
#[derive(Debug, Default)]
pub struct Done {
    /// What it did; none after a dry run, or where the process that decided died right after.
    pub outcome: Option<Outcome>,
    /// A session whose snapshot is green as it was under the fence; none where another process held it.
    pub witness: Option<Db>,
    /// Levers that could not be turned back: it undoes nothing, and must be tried again.
    pub still_turned: Vec<Failure>,
}

/// Runs the cutover, or goes on with one that was interrupted.
pub async fn cut_over<A>(given: &Given<'_>, recorder: &mut Recorder, mode: Mode<A>) -> Result<Done>
where
    A: AsyncFnOnce(&Approval) -> bool,
{
    settle(given, recorder).await?;
    let mut witness = None;
    match (recorder.run().state, mode) {
        (State::Ready, Mode::DryRun) => {
            dry_run(given, recorder).await?;
            return Ok(Done::default());
        }
        (State::Ready, Mode::Switch(approve)) => witness = attempt(given, recorder, approve).await?,
        (State::Decided | State::Green, Mode::Switch(_)) => {}
        (state, _) => {
            return Err(Failure::blocked(format!("the run is {state}, not ready: there is nothing to cut over to"))
                .state("nothing was done")
                .hint(if state.is_decided() { "migrate status" } else { "migrate apply" }));
        }
    }
    let still_turned = go_forward(given, recorder).await?;
    let outcome = recorder.run().result(&step("decide")).cloned().unwrap_or(Value::Null);
    Ok(Done { outcome: serde_json::from_value(outcome).ok(), witness, still_turned })
}

pub(super) fn step(object: impl std::fmt::Display) -> StepId {
    StepId::new(Phase::Cutover, object)
}

/// Whether the COMMIT of the fence may have been sent: only blue knows what became of it.
pub fn has_begun_to_decide(run: &Run) -> bool {
    *run.status(&step("decide")) != StepStatus::Pending
}

/// Brings a cutover that was interrupted back to `ready` or on to `decided`, by asking blue.
pub async fn settle(given: &Given<'_>, recorder: &mut Recorder) -> Result<()> {
    let was = recorder.run().state;
    match was {
        State::Switching | State::InDoubt { decided: false } => {}
        State::InDoubt { decided: true } => return recorder.record(Record::DoubtCleared).await,
        _ => return Ok(()),
    }
    let run = recorder.run().id.clone();
    match fence::ask(&given.plan.blue, &run).await {
        Decided::Unknown(why) => Err(in_doubt(given.plan, &why)),
        answer => {
            if matches!(was, State::InDoubt { .. }) {
                recorder.record(Record::DoubtCleared).await?;
            }
            if answer == Decided::Yes {
                // The drain's figures died with the process; what it proved did not: it came before the COMMIT.
                recorder.record(Record::Decided { fence_lsn: None }).await
            } else {
                let undone = put_back(given, recorder).await;
                let why = "the process that tried it ended before it decided".to_owned();
                recorder.record(Record::CutoverUndone { why }).await?;
                undone
            }
        }
    }
}

async fn dry_run(given: &Given<'_>, recorder: &Recorder) -> Result<()> {
    let gates = step("gates");
    let blue = given.plan.blue.connect(Access::ReadOnly).await?;
    let green = given.plan.green.connect(Access::ReadOnly).await?;
    let findings = check_gates(given, &blue, &green).await?;
    report_gates(&findings, &recorder.notices(&gates))
}

fn report_gates(findings: &[Finding], notices: &Notices) -> Result<()> {
    for finding in findings {
        notices.found(finding.clone());
    }
    match blockers(findings).count() {
        0 => Ok(()),
        count => Err(Failure::blocked(if count == 1 {
            "a gate is closed".to_owned()
        } else {
            format!("{count} gates are closed")
        })
        .state("blue serves; nothing was done")
        .hint("open them as said above, then: migrate cutover")),
    }
}

/// Everything up to and including `decide`. Where it fails, everything is put back and blue serves, or it is said that
/// nobody knows.
async fn attempt<A>(given: &Given<'_>, recorder: &mut Recorder, approve: A) -> Result<Option<Db>>
where
    A: AsyncFnOnce(&Approval) -> bool,
{
    // Gates: nothing has been touched yet, so a closed one undoes nothing.
    let mut drain = open_drain(given, recorder).await?;
    let approval = ask_gates(given, recorder).await?;
    let settings = given.plan.settings();
    if settings != recorder.run().settings {
        // Begun as one that was interrupted, it has not taken them yet; the report tells what this attempt was held to.
        recorder.record(Record::SettingsChanged { settings }).await?;
    }
    let attempt = recorder.run().attempt + 1;
    recorder.record(Record::CutoverStarted { attempt }).await?;

    match try_to_decide(given, recorder, &mut drain, &approval, approve).await {
        Ok((outcome, witness)) => {
            // The fence is committed whatever the databases say now: the journal first.
            let written = recorder.append(Record::Decided { fence_lsn: Some(outcome.fence_lsn) });
            written.map(|()| witness).map_err(|e| unwritten(given, &e))
        }
        Err(NotDecided::InDoubt(why)) => Err(fall_in_doubt(given, recorder, why)),
        Err(NotDecided::Undo(failure)) => {
            let fence_stands = *recorder.run().status(&put_up_step()) != StepStatus::Pending;
            let open = if fence_stands {
                "blue is open for writes (the fence stays up, open, for the next try; an abort takes it down)"
            } else {
                "blue is open for writes"
            };
            let put_back = put_back(given, recorder).await;
            recorder.append(Record::CutoverUndone { why: failure.what.clone() })?;
            let mut undone = Failure::undone(failure.what.clone());
            undone.detail = failure.detail;
            Err(match put_back {
                Ok(()) => undone.state(format!("everything was put back; {open}")).hint("migrate cutover"),
                Err(e) => undone
                    .state(format!("{open}, but not everything could be put back: {e}"))
                    .hint("put that back by hand, then: migrate cutover"),
            })
        }
    }
}

/// Why there is no decision.
enum NotDecided {
    Undo(Failure),
    InDoubt(String),
}

impl From<Failure> for NotDecided {
    fn from(failure: Failure) -> Self {
        Self::Undo(failure)
    }
}

async fn try_to_decide<A>(
    given: &Given<'_>,
    recorder: &mut Recorder,
    drain: &mut Drain,
    approval: &Approval,
    approve: A,
) -> Result<(Outcome, Option<Db>), NotDecided>
where
    A: AsyncFnOnce(&Approval) -> bool,
{
    put_fence_up(given, recorder).await?;
    prepare_all(given, recorder).await?;
    green_is_healthy(given).await?;
    if !unless_stopped(recorder, async { Ok(approve(approval).await) }).await? {
        return Err(Failure::failed("not approved").into());
    }
    unless_stopped(recorder, drain.catch_up(&given.plan.events, &recorder.notices(&step("drain")))).await?;
    // Asked as late as possible, so that the figure is true; not under the fence, where clients wait.
    let writes = blue_writes(given).await?;

    let fence_step = step("fence");
    let since = recorder.begin(&fence_step, "hold all writers on blue").await?;
    let tables = tables_to_fence(given).await?;
    let run = recorder.run().id.clone();
    let identity = Identity::here(&given.plan.name, &run, recorder.folder());
    let deadline = given.plan.cutover.deadline;
    let order = Order { run: &run, token: recorder.token(), host: &identity.host, tables: &tables, deadline };
    let still = async |blue: &Db| still_time(given, blue).await;
    // Stopped while it waits for locks, it is dropped: its session closes, and blue lets go of what it had.
    let fence =
        unless_stopped(recorder, Fence::take(&given.plan.blue, &order, still, &recorder.notices(&fence_step))).await?;

    match drain_under(given, recorder, drain, &fence).await {
        Ok(drained) => {
            recorder.finish(&fence_step, since, Value::Null, &format!("{} held", count(tables.len(), "table"))).await?;
            decide(given, recorder, fence, drained, writes).await
        }
        Err(failure) => {
            fence.let_go().await;
            Err(NotDecided::Undo(failure))
        }
    }
}

/// The fence's triggers, open: the only thing on blue that outlives a cutover that is undone.
async fn put_fence_up(given: &Given<'_>, recorder: &mut Recorder) -> Result<()> {
    let id = put_up_step();
    let since = recorder.begin(&id, "put the fence up, open").await?;
    let tables = tables_to_fence(given).await?;
    let refusal = format!("It was replaced by {}.", given.plan.green.address());
    let notices = recorder.notices(&id);
    unless_stopped(recorder, put_up_fence(&given.plan.blue, &tables, &refusal, &notices)).await?;
    recorder.finish(&id, since, Value::Null, &format!("on {}", count(tables.len(), "table"))).await
}

async fn tables_to_fence(given: &Given<'_>) -> Result<Vec<Table>> {
    let blue = given.plan.blue.connect(Access::ReadOnly).await?;
    // The sizes that it asks for are behind everybody's ACCESS EXCLUSIVE lock.
    blue.run("SET lock_timeout = '5s'").await?;
    read_tables(&blue).await
}

/// What may take long before the decision, given up as soon as somebody wants to stop.
pub(super) async fn unless_stopped<T>(recorder: &Recorder, work: impl Future<Output = Result<T>>) -> Result<T> {
    tokio::select! {
        done = work => done,
        () = recorder.stop().cancelled() => Err(recorder.why_stopped()),
    }
}

/// The drain, within the deadline, and only as long as nobody wants to stop.
async fn drain_under(given: &Given<'_>, recorder: &Recorder, drain: &mut Drain, fence: &Fence) -> Result<Drained> {
    fence.arm().await?;
    let run = recorder.run().id.0.clone();
    let notices = recorder.notices(&step("drain"));
    let work = async {
        let drained = drain.run(&run, &given.plan.events, &notices).await?;
        Ok((drained, fence.read_structure().await?, fence.read_timeline().await?))
    };
    let too_late = |_| {
        let seconds = given.plan.cutover.deadline.as_secs_f64();
        Failure::failed(format!("the drain did not end within the deadline of {seconds} s"))
    };
    let in_time = async { tokio::time::timeout(fence.left(), work).await.map_err(too_late)? };
    let (drained, structure, blue_fenced) = unless_stopped(recorder, in_time).await?;
    let timelines = &given.copied.timelines;
    let mut failovers = timelines.failovers(&drained.timelines);
    // The fence's session came later than the drain's, and may have reached another server.
    failovers.extend(timelines.failovers(&Timelines { blue: blue_fenced, green: None }));
    let facts = Facts {
        tally: drained.tally,
        verified: drained.verified.clone(),
        green_open: drained.green_open.clone(),
        failovers,
        structure_changes: given.structure.differences(&structure),
        left: fence.left(),
    };
    let reasons = objections(&facts);
    if reasons.is_empty() { Ok(drained) } else { Err(Failure::failed(reasons.join("; "))) }
}

/// Record, COMMIT, record.
async fn decide(
    given: &Given<'_>,
    recorder: &mut Recorder,
    fence: Fence,
    drained: Drained,
    writes: Writes,
) -> Result<(Outcome, Option<Db>), NotDecided> {
    let decide = step("decide");
    let since = fence.since;
    let started = recorder.begin(&decide, "commit the fence").await;
    let started = match started {
        Ok(started) if !recorder.stop().is_cancelled() => started,
        Ok(_) => {
            fence.let_go().await;
            return Err(recorder.why_stopped().into());
        }
        Err(e) => {
            fence.let_go().await;
            return Err(e.into());
        }
    };
    match fence.decide(&given.plan.blue, &recorder.run().id).await {
        Decided::Yes => {}
        Decided::No => return Err(Failure::failed("blue gave the fence up before it was committed").into()),
        Decided::Unknown(why) => return Err(NotDecided::InDoubt(why)),
    }
    let fence_ms = u64::try_from(since.elapsed().as_millis()).unwrap_or(u64::MAX);
    let outcome = Outcome { fence_lsn: drained.lsn, fence_ms, tally: drained.tally, writes };
    let result = serde_json::to_value(&outcome).unwrap_or(Value::Null);
    let millis = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
    recorder
        .append(Record::StepDone { step: decide, result, millis })
        .map_err(|e| NotDecided::InDoubt(format!("{UNWRITTEN}: {e}")))?;
    let decided = format!("the fence is committed at {}; only forward from here", outcome.fence_lsn);
    recorder.notices(&step("decide")).send(NoticeBody::Finished { outcome: decided, millis });
    Ok((outcome, drained.witness))
}

/// Undoes what was prepared, in reverse. The fence is gone already: it ends with its session.
pub(super) async fn put_back(given: &Given<'_>, recorder: &mut Recorder) -> Result<()> {
    let mut failed = Vec::new();
    for spec in given.plan.participants.iter().rev() {
        if *recorder.run().status(&prepare_step(spec)) == StepStatus::Pending {
            continue;
        }
        if let Err(e) = open_participant(spec, given.plan_folder(), given.folder).abort().await {
            failed.push(format!("participant {}: {e}", spec.name));
        }
    }
    if failed.is_empty() { Ok(()) } else { Err(Failure::failed(failed.join("; "))) }
}

async fn open_drain(given: &Given<'_>, recorder: &Recorder) -> Result<Drain> {
    let Plan { blue, green, events, .. } = given.plan;
    let applier = Applier::open(blue, green, events, given.copied.clone(), recorder.token()).await?;
    Drain::open(blue, green, applier, events, &recorder.notices(&step("drain"))).await
}

async fn ask_gates(given: &Given<'_>, recorder: &mut Recorder) -> Result<Approval> {
    let gates = step("gates");
    let blue = given.plan.blue.connect(Access::ReadOnly).await?;
    let green = given.plan.green.connect(Access::ReadOnly).await?;
    let findings = check_gates(given, &blue, &green).await?;
    report_gates(&findings, &recorder.notices(&gates))?;
    recorder.accept(&findings).await?;
    Ok(Approval {
        tally: replay::read_tally(&blue, &green).await?,
        writes: blue_writes(given).await?,
        participants: given.plan.participants.iter().map(|spec| spec.name.clone()).collect(),
        deadline_ms: u64::try_from(given.plan.cutover.deadline.as_millis()).unwrap_or(u64::MAX),
        one_way: given.plan.cutover.one_way.clone(),
        findings,
    })
}

async fn blue_writes(given: &Given<'_>) -> Result<Writes> {
    let blue = given.plan.blue.connect(Access::ReadOnly).await?;
    let events = capture::events_since(&blue, &given.copied.snapshot).await?;
    Ok(writes_since(&blue, &given.writes_before).await?.with_events(events))
}

fn put_up_step() -> StepId {
    step("put-up")
}

fn prepare_step(spec: &plan::Participant) -> StepId {
    step(format_args!("prepare/{}", spec.name))
}

pub(super) async fn prepare_all(given: &Given<'_>, recorder: &mut Recorder) -> Result<()> {
    for spec in &given.plan.participants {
        if recorder.stop().is_cancelled() {
            return Err(recorder.why_stopped());
        }
        let id = prepare_step(spec);
        let since = recorder.begin(&id, &format!("prepare {}", spec.name)).await?;
        let participant = open_participant(spec, given.plan_folder(), given.folder);
        // A program that is dropped is killed; its abort is run as after one that failed.
        unless_stopped(recorder, participant.prepare()).await.with_context(|| format!("participant {}", spec.name))?;
        failpoint("participant.prepared");
        match participant.committed().await {
            Switch::NotYet => {}
            Switch::Switched => {
                let what = format!("participant {}: after its prepare it says that it has switched", spec.name);
                return Err(Failure::failed(what));
            }
            Switch::Unknown(why) => {
                let what = format!("participant {}: after its prepare it can't say whether it has switched", spec.name);
                return Err(Failure::failed(format!("{what}: {why}")));
            }
        }
        recorder.finish(&id, since, Value::Null, "prepared").await?;
    }
    Ok(())
}

/// Green must be there, writable for us, and not a standby, right before clients are made to wait.
async fn green_is_healthy(given: &Given<'_>) -> Result<()> {
    let green = replay::pass(&given.plan.green).await.map_err(Failure::from).context("green's health")?;
    let standby: bool = green.row("SELECT pg_catalog.pg_is_in_recovery()", &[]).await?.get(0);
    if standby {
        return Err(Failure::failed("green's health: it is a standby"));
    }
    // A write that must reach its disk: a full one is met here, not under the fence.
    let write = "BEGIN; SET LOCAL synchronous_commit = on; UPDATE teal.gate SET open = open; COMMIT";
    Ok(green.run(write).await.map_err(|e| e.doing("its health: writing"))?)
}
