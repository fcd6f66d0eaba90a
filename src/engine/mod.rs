//! Runs a plan: lease, record, act, record; resume; undo.
//!
//! - `begin.rs`: a new run or the one that the journal tells of, with today's inputs compared to it;
//! - `act.rs`: what each action does, and its probe for a step found started;
//! - `checks.rs`: the plan's checks at their moments;
//! - `copy.rs`: the copy, where several parts of the library work at once;
//! - `edits.rs`: the plan file edited meanwhile;
//! - `in_place.rs`: the actions of a run on blue itself;
//! - `prove.rs`: what is asked again behind the decision;
//! - `results.rs`: what done steps leave in the journal for later ones;
//! - `take_down.rs`: abort and finish, from any machine; `take_down_in_place.rs`: the same of a run in place.

mod act;
mod begin;
mod checks;
mod copy;
mod dead_letter;
mod levers;
mod edits;
mod in_place;
mod prove;
mod results;
mod take_down;
mod take_down_in_place;

use serde_json::Value;

use crate::error::{Context, Failure, Result};
use crate::journal::{Record, Recorder, State, StepStatus};
use crate::plan::Plan;
use crate::step::Step;

pub use act::{Act, validate_now};
pub use begin::{Begin, begin, begin_as_is, refuse_unknown_run, run_folder};
pub use checks::ask_now;
pub use in_place::{cut_over_in_place, validate_live};
pub use prove::prove_cutover;
pub use results::{
    BeforeResult, CheckDoc, CopyResult, LiveResult, MigratedResult, ProofResult, Settled, ValidatedResult, copy_step,
    given, result_of,
};
pub use take_down::{Left, abort, abort_recorded, ask_to_stop, finish, finish_recorded, may_abort, may_finish};

/// Does every step that is not done, in order, up to `ready`. Safe to run again after any failure.
pub async fn apply(plan: &Plan, migrations: &[crate::ddl::Migration], recorder: &mut Recorder) -> Result<()> {
    apply_with(plan, migrations, recorder, async |_| Ok(())).await
}

/// Like [`apply`]; `before` is awaited before each step that is run. A rehearsal writes to blue there, as an application
/// would.
pub async fn apply_with(
    plan: &Plan,
    migrations: &[crate::ddl::Migration],
    recorder: &mut Recorder,
    mut before: impl AsyncFnMut(&Step) -> Result<()>,
) -> Result<()> {
    match recorder.run().state {
        State::Applying | State::Ready => {}
        state => {
            return Err(Failure::blocked(format!("the run is {state}: there is nothing to apply")).hint(match state {
                State::Switching | State::Decided | State::InDoubt { .. } => "migrate cutover",
                State::Green => "migrate report, then: migrate finish",
                _ => "migrate status",
            }));
        }
    }
    let mut act = Act::new(plan, migrations);
    for step in recorder.run().steps.clone() {
        if recorder.run().is_done(&step.id) {
            continue;
        }
        if recorder.stop().is_cancelled() {
            return Err(interrupted(recorder));
        }
        before(&step).await?;
        run_step(&mut act, recorder, &step).await?;
    }
    if !plan.is_in_place() {
        act.settle(recorder).await?;
    }
    if recorder.run().state == State::Applying {
        recorder.record(Record::BecameReady).await?;
    }
    Ok(())
}

async fn run_step(act: &mut Act<'_>, recorder: &mut Recorder, step: &Step) -> Result<()> {
    let found_started = !matches!(recorder.run().status(&step.id), StepStatus::Pending);
    let since = recorder.begin(&step.id, &step.title).await?;
    let stop = recorder.stop().clone();
    let notices = recorder.notices(&step.id);
    let done = async {
        if found_started && let Some((result, outcome)) = act.probe(step).await? {
            return Ok((result, format!("{outcome} (found done)")));
        }
        tokio::select! {
            done = act.act(step, recorder, &notices) => done,
            () = stopped_hard(&stop) => Err(Failure::failed("interrupted")),
        }
    }
    .await;
    match done {
        Ok((result, outcome)) => recorder.finish(&step.id, since, result, &outcome).await,
        Err(failure) => {
            let failure = if recorder.stop().is_cancelled() { interrupted(recorder) } else { failure };
            let failure = failure.context(format!("step {}", step.id));
            recorder.append(Record::StepFailed { step: step.id.clone(), error: failure.what.clone() })?;
            let in_place = recorder.run().is_in_place();
            let state =
                if in_place { "blue serves; what is done stays done" } else { "blue serves; green is not in use" };
            Err(failure.state(state).hint(what_to_do(recorder.folder())))
        }
    }
}

/// A program that wrote its file on a full disk may not say so: `pg_dump` 15 ends with 0 where the end of its archive did
/// not fit (E), and only the reader of the archive fails.
fn what_to_do(folder: &std::path::Path) -> String {
    const FULL: u64 = 64 << 10;
    let free = rustix::fs::statvfs(folder).map(|disk| disk.f_bavail.saturating_mul(disk.f_frsize));
    if free.is_ok_and(|free| free < FULL) {
        return format!("make room on the disk of {}, then run the same command again", folder.display());
    }
    "run the same command again".to_owned()
}

/// Actions look at `stop` themselves where they can end well; one that has not ended some seconds later is dropped,
/// which closes its sessions.
async fn stopped_hard(stop: &tokio_util::sync::CancellationToken) {
    stop.cancelled().await;
    tokio::time::sleep(std::time::Duration::from_secs(5)).await;
}

fn interrupted(recorder: &Recorder) -> Failure {
    recorder.why_stopped().state("blue serves; the run stands at a safe point").hint("go on with: migrate apply")
}

/// Turns what a step leaves into its journal form.
fn kept(result: &impl serde::Serialize) -> Result<Value> {
    serde_json::to_value(result).map_err(Failure::from).context("a step's result")
}
