//! Abort and finish: what a run left on the servers is taken down again. Both work from a machine that has no journal:
//! what is ours is known by its schema, its triggers' functions, and the run row.

use std::time::{Duration, Instant};

use serde::Serialize;

use crate::capture;
use crate::cutover::{self, Decided, Participant, Switch, open_participant};
use crate::error::{Context, Failure, Result};
use crate::journal::{Record, Recorder, Run, RunRow, State, read_run_row};
use crate::lever;
use crate::plan::Plan;
use crate::postgres::{Access, Db};
use crate::replay;
use crate::snapshot;

use super::begin::run_folder;
use super::take_down_in_place;

/// How long a running process may take to hear that an abort is wanted and to let go.
const LET_GO: Duration = Duration::from_secs(60);

/// What is left on the servers afterwards.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Left {
    /// On blue, for people.
    pub blue: String,
    /// On green, for people; nothing in place.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub green: String,
    /// Levers that are still turned, and why.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub levers: Vec<String>,
}

/// Asks whoever runs the plan to stop, and waits until it has let go. Nothing to do where nobody does.
pub async fn ask_to_stop(plan: &Plan) -> Result<()> {
    let blue = plan.blue.connect(Access::ReadWrite).await?;
    let until = Instant::now() + LET_GO;
    while let Some(row) = read_run_row(&blue).await?.filter(|row| row.held) {
        refuse_other_plan(plan, &row)?;
        if Instant::now() > until {
            return Err(Failure::blocked(format!("{} does not let go of the run", row.whose()))
                .hint("look with: migrate status; end that process, then run this again"));
        }
        blue.execute("UPDATE teal.run SET wanted = 'abort'", &[])
            .await
            .context("asking the running process to stop")?;
        tokio::time::sleep(Duration::from_millis(250)).await;
    }
    Ok(())
}

/// Puts everything back: participants, green, blue, levers. The caller holds the lease. Refuses where blue says that a fence
/// was committed. Safe to run again after a crash at any line: blue's run row goes last, and what it tells of a lever that could
/// not be turned back stays. `recorder` notes the levers, where there is a journal.
///
/// Without green (`green_gone`) the lease is blue's half alone. It is enough: until decide blue's row is the truth, whoever
/// decides must hold blue's lock, and no fence can be committed on a blue that we hold. A green that comes back later is no way
/// forward: blue has no run row any more, so its journal is refused, and to a new run it is not empty.
pub async fn abort(plan: &Plan, green_gone: bool, recorder: Option<&mut Recorder>) -> Result<Left> {
    if plan.is_in_place() {
        return take_down_in_place::abort(plan, recorder).await;
    }
    let blue = plan.blue.connect(Access::ReadWrite).await?;
    let green = match plan.green.connect(Access::ReadWrite).await {
        Ok(_) if green_gone => {
            return Err(Failure::blocked("green answers: it is not gone")
                .state("nothing was done")
                .hint("put it back with the rest: migrate abort"));
        }
        Ok(green) => Some(green),
        Err(_) if green_gone => None,
        Err(e) => return Err(e.into()),
    };
    refuse_decided(plan, &blue).await?;
    let row = read_run_row(&blue).await?;
    if let Some(row) = &row {
        refuse_other_plan(plan, row)?;
        refuse_undecided(plan, row).await?;
        if let "switching" | "in doubt" = row.state.as_str() {
            put_participants_back(plan).await?;
        }
    }
    let green = match green {
        Some(green) => empty_ours(&green).await?.to_owned(),
        None => format!(
            "not reached ({}); all that the run made is still there: should it come back, run this again before anybody uses it",
            plan.green.address()
        ),
    };
    cutover::take_fence_down(&blue).await?;
    capture::remove(&blue).await?;
    let levers = lever::turn_back(plan, recorder, Some(&blue), |_| true).await?;
    if levers.is_empty() {
        drop_schema(&blue).await?;
    } else {
        // What is still turned is known from here on by blue alone.
        blue.run("DROP TABLE IF EXISTS teal.run").await.map_err(|e| e.doing("dropping the run row"))?;
    }
    let left = if levers.is_empty() { "nothing; it serves" } else { "which levers are still turned; it serves" };
    Ok(Left { blue: left.to_owned(), green, levers: shown(&levers) })
}

async fn refuse_decided(plan: &Plan, blue: &Db) -> Result<()> {
    let Some(decision) = cutover::read_decision(blue).await? else { return Ok(()) };
    Err(Failure::blocked(format!("run {} has decided at {}: green serves", decision.run, decision.at))
        .state("nothing was done")
        .hint(format!("go on with: migrate cutover; {}", no_way_back(plan))))
}

/// What an abort would refuse, before anybody is asked to approve it, and whether there is anything to put back at all:
/// what a run leaves on blue lies in our schema until it is over, and goes last. `run`: of the journal, where it is open.
pub async fn may_abort(plan: &Plan, green_gone: bool, run: Option<&Run>) -> Result<bool> {
    if let Some(run) = run {
        refuse_decided_run(plan, run.state)?;
    }
    let blue = plan.blue.connect(Access::ReadOnly).await?;
    refuse_decided(plan, &blue).await?;
    if let Some(row) = read_run_row(&blue).await? {
        refuse_other_plan(plan, &row)?;
    }
    if run.is_some() || has_schema(&blue).await? {
        return Ok(true);
    }
    Ok(!green_gone && has_schema(&plan.green.connect(Access::ReadOnly).await?).await?)
}

async fn has_schema(db: &Db) -> Result<bool> {
    Ok(db.row("SELECT pg_catalog.to_regnamespace('teal') IS NOT NULL", &[]).await?.get(0))
}

/// Only a green that carries our run row was made by us; anything else stays as it is.
async fn empty_ours(green: &Db) -> Result<&'static str> {
    if read_run_row(green).await?.is_none() {
        return Ok("untouched");
    }
    snapshot::empty_green(green).await?;
    drop_schema(green).await?;
    Ok("empty; the settings of the database are as they were")
}

pub(super) fn shown(failures: &[Failure]) -> Vec<String> {
    failures.iter().map(|failure| failure.what.clone()).collect()
}

/// Why there is none after the decision.
fn no_way_back(plan: &Plan) -> String {
    match &plan.cutover.one_way {
        Some(why) => format!("the plan says that there is no way back: {why}"),
        None => "a way back after the decision (rollback) is not supported yet".to_owned(),
    }
}

/// The databases of this plan may carry the run of another one: that is not ours to take down.
pub(super) fn refuse_other_plan(plan: &Plan, row: &RunRow) -> Result<()> {
    if row.plan == plan.name {
        return Ok(());
    }
    Err(Failure::blocked(format!("run {} on these databases is of plan {}, not of {}", row.run, row.plan, plan.name))
        .state("nothing was done")
        .hint("run this with that plan"))
}

/// A coordinator that lost its lease, not its fence, could still commit it: its session is ended before green is thrown
/// away, and blue asked again.
async fn refuse_undecided(plan: &Plan, row: &RunRow) -> Result<()> {
    match cutover::ask(&plan.blue, &row.run).await {
        Decided::No => Ok(()),
        Decided::Yes => Err(Failure::blocked("blue says that the cutover was decided: green serves")
            .state("nothing was done")
            .hint("migrate cutover")),
        Decided::Unknown(why) => {
            Err(Failure::in_doubt(format!("nobody can tell whether the cutover was decided: {why}"))
                .state("nothing was done")
                .hint("migrate abort, once blue answers"))
        }
    }
}

fn refuse_decided_run(plan: &Plan, state: State) -> Result<()> {
    if !state.is_decided() {
        return Ok(());
    }
    let serves = if plan.is_in_place() { "its participants switch" } else { "green serves" };
    Err(Failure::blocked(format!("the run has decided (state {state}): {serves}")).state("nothing was done").hint(
        match state {
            State::Green | State::Finished => no_way_back(plan),
            _ => format!("go on with: migrate cutover; {}", no_way_back(plan)),
        },
    ))
}

/// Like [`abort`], for the run of this journal; says so there.
pub async fn abort_recorded(plan: &Plan, green_gone: bool, recorder: &mut Recorder) -> Result<Left> {
    refuse_decided_run(plan, recorder.run().state)?;
    if plan.is_in_place() {
        return take_down_in_place::abort_recorded(plan, recorder).await;
    }
    if matches!(recorder.run().state, State::Switching | State::InDoubt { .. }) {
        let folder = recorder.folder().to_owned();
        cutover::settle(&super::given(plan, recorder.run(), &folder)?, recorder).await?;
        if recorder.run().state.is_decided() {
            return Err(Failure::blocked("blue says that the cutover was decided: green serves")
                .state("nothing was done")
                .hint("migrate cutover"));
        }
    }
    // The heartbeat writes to a row that is about to go.
    recorder.fall_silent().await;
    let left = abort(plan, green_gone, Some(recorder)).await?;
    recorder.append(Record::RunAborted)?;
    Ok(left)
}

fn refuse_unswitched_run(state: State) -> Result<()> {
    if matches!(state, State::Green | State::Finished) {
        return Ok(());
    }
    Err(Failure::blocked(format!("the run is {state}, not green: there is nothing to finish yet"))
        .state("nothing was done")
        .hint(if state.is_decided() {
            "migrate cutover"
        } else {
            "migrate cutover, or put everything back: migrate abort"
        }))
}

/// What a finish would refuse, before anybody is asked to approve it. `run`: of the journal, where it is open; it may
/// finish without a blue that is gone. A journal that knows of no switch while blue does is stale: the lease says so, and where
/// the right one lies.
pub async fn may_finish(plan: &Plan, run: Option<&Run>) -> Result<()> {
    match run {
        Some(run) => match refuse_unswitched_run(run.state) {
            Err(_) if !plan.is_in_place() && is_decided(plan).await => Ok(()),
            looked => looked,
        },
        // Its row says whether it has switched.
        None if plan.is_in_place() => Ok(()),
        None => refuse_undecided_blue(&plan.blue.connect(Access::ReadOnly).await?).await,
    }
}

/// Whether blue answers, and has a decision.
async fn is_decided(plan: &Plan) -> bool {
    let Ok(blue) = plan.blue.connect(Access::ReadOnly).await else { return false };
    cutover::read_decision(&blue).await.is_ok_and(|decision| decision.is_some())
}

async fn refuse_undecided_blue(blue: &Db) -> Result<()> {
    // Without one the fence may stand, open: the next cutover uses it, an abort takes it down.
    if cutover::read_decision(blue).await?.is_some() {
        return Ok(());
    }
    Err(Failure::blocked("blue has no decision: nothing has been switched, there is nothing to finish")
        .state("nothing was done")
        .hint("switch with: migrate cutover; or put everything back: migrate abort"))
}

/// Like [`finish`], for the run of this journal; says so there.
pub async fn finish_recorded(plan: &Plan, unfence: bool, recorder: &mut Recorder) -> Result<Left> {
    refuse_unswitched_run(recorder.run().state)?;
    recorder.fall_silent().await;
    let left = finish(plan, unfence, Some(recorder)).await?;
    recorder.append(Record::RunFinished { unfenced: unfence })?;
    Ok(left)
}

/// A process that died in a cutover may have left participants prepared. Their `abort` must bear being run where there
/// was no prepare.
async fn put_participants_back(plan: &Plan) -> Result<()> {
    let folder = run_folder(plan);
    for spec in plan.participants.iter().rev() {
        let participant = open_participant(spec, plan.folder(), &folder);
        participant.abort().await.with_context(|| format!("participant {}", spec.name))?;
    }
    Ok(())
}

/// Takes down everything but the fence, and with `unfence` the fence too. The caller holds the lease. Refuses where
/// nothing was decided, a participant has not switched, or a lever can't be turned back. `recorder`: a journal knows that it
/// was decided, so that a retired blue that is gone does not keep green's gate standing.
pub async fn finish(plan: &Plan, unfence: bool, recorder: Option<&mut Recorder>) -> Result<Left> {
    if plan.is_in_place() {
        return take_down_in_place::finish(plan, recorder).await;
    }
    let decided = recorder.is_some();
    let green = plan.green.connect(Access::ReadWrite).await?;
    let blue = match plan.blue.connect(Access::ReadWrite).await {
        Ok(blue) => Ok(blue),
        Err(e) if decided && !unfence => Err(e.to_string()),
        Err(e) => return Err(e.into()),
    };
    if let Ok(blue) = &blue {
        refuse_undecided_blue(blue).await?;
    }
    let ours = read_run_row(&green).await?.is_some();
    if ours {
        refuse_half_switched(plan, &green).await?;
    }
    turn_levers_back(plan, blue.as_ref().ok(), recorder).await?;
    if ours {
        replay::drop_gate(&green).await?;
        drop_schema(&green).await?;
    }
    let left = match blue {
        Ok(blue) => finish_blue(&blue, unfence).await?,
        Err(gone) => format!("not reached, all of it is still there ({gone}); run this again when it is back"),
    };
    Ok(Left { blue: left, green: "nothing; it serves".to_owned(), levers: Vec::new() })
}

/// The end of a run is the end of every lever; while one is still turned, what knows of it stays.
pub(super) async fn turn_levers_back(plan: &Plan, blue: Option<&Db>, recorder: Option<&mut Recorder>) -> Result<()> {
    // A run that is finished had none left, and its journal takes no more steps.
    let recorder = recorder.filter(|recorder| recorder.run().state == State::Green);
    if recorder.is_none() && blue.is_none() {
        return Ok(());
    }
    let left = lever::turn_back(plan, recorder, blue, |_| true).await?;
    if left.is_empty() {
        return Ok(());
    }
    let hint = left.iter().find_map(|failure| failure.hint.clone());
    Err(Failure::failed(shown(&left).join("; "))
        .state("green serves; nothing was taken down, so that the lever is not forgotten")
        .hint(format!("{}, then: migrate finish", hint.unwrap_or_else(|| "mend its `after`".to_owned()))))
}

async fn finish_blue(blue: &Db, unfence: bool) -> Result<String> {
    capture::remove(blue).await?;
    if unfence {
        let tables = cutover::drop_fence(blue).await?;
        drop_schema(blue).await?;
        return Ok(format!("nothing; it takes writes again ({tables} tables)"));
    }
    lever::forget_levers(blue).await?;
    blue.run("DROP TABLE IF EXISTS teal.run").await.map_err(|e| e.doing("dropping the run row"))?;
    Ok("the fence: it refuses writes (take it down with: migrate finish --unfence)".to_owned())
}

async fn refuse_half_switched(plan: &Plan, green: &Db) -> Result<()> {
    let folder = run_folder(plan);
    let gate: bool = green.row("SELECT pg_catalog.to_regclass('teal.gate') IS NOT NULL", &[]).await?.get(0);
    // No gate: an earlier finish took it down, and it had asked.
    let open = !gate || green.row("SELECT open FROM teal.gate", &[]).await.context("green's gate")?.get(0);
    let mut not_yet = if open { Vec::new() } else { vec!["green's gate is shut".to_owned()] };
    for spec in &plan.participants {
        if open_participant(spec, plan.folder(), &folder).committed().await != Switch::Switched {
            not_yet.push(format!("participant {} has not switched", spec.name));
        }
    }
    if not_yet.is_empty() {
        return Ok(());
    }
    Err(Failure::blocked(not_yet.join("; ")).state("nothing was done").hint("go on with: migrate cutover"))
}

pub(super) async fn drop_schema(db: &Db) -> Result<()> {
    Ok(db.run("DROP SCHEMA IF EXISTS teal CASCADE").await.map_err(|e| e.doing("dropping our schema"))?)
}
