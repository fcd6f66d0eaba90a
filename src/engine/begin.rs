//! A new run, or the one that the journal tells of, with today's inputs compared to it.

use std::path::{Path, PathBuf};

use tokio::sync::mpsc::UnboundedSender;
use tokio_util::sync::CancellationToken;

use super::results::{CopyResult, copy_step, result_of};
use crate::catalog::Timelines;
use crate::ddl::{Migration, standings};
use crate::error::{Failure, Result};
use crate::journal::{
    FORMAT, Purpose, Record, Recorder, RunId, State, StepStatus, Store, StoreError, foreign_run, read_run_row,
};
use crate::migrate;
use crate::plan::Plan;
use crate::planner;
use crate::postgres::Access;
use crate::step::{Action, Notice, Step, StepId};

/// How a run is begun or gone on with.
pub struct Begin<'a> {
    /// The plan.
    pub plan: &'a Plan,
    /// The folder's files.
    pub migrations: &'a [Migration],
    /// The steps of a new run; `None`: there must be one already.
    pub steps: Option<Vec<Step>>,
    /// The step to count as not done again, and all after it.
    pub redo: Option<StepId>,
    /// Cancelled by Ctrl-C.
    pub stop: CancellationToken,
    /// Where notices go.
    pub listener: UnboundedSender<Notice>,
}

/// The folder of a plan's run: journal, archive, answers of checks, what participants replaced.
pub fn run_folder(plan: &Plan) -> PathBuf {
    plan.journal_dir.join(&plan.name)
}

/// Like [`begin`], for a run that is to be taken down: what changed in the plan doesn't matter any more.
pub async fn begin_as_is(order: Begin<'_>, purpose: Purpose) -> Result<Recorder> {
    let store = open_store(order.plan).await?;
    let databases = (&order.plan.blue, &order.plan.green);
    Recorder::open(store, databases, purpose, order.stop, order.listener).await
}

/// Opens the journal, takes the lease, and compares today's inputs with those that the steps took.
pub async fn begin(order: Begin<'_>) -> Result<Recorder> {
    let folder = run_folder(order.plan);
    let mut store = open_store(order.plan).await?;
    if store.run().state.is_over() && order.steps.is_some() {
        drop(store);
        put_aside(&folder)?;
        store = Store::open(&folder)?;
    }
    let is_new = store.run().state == State::New;
    if is_new {
        let Some(steps) = order.steps else {
            drop(store);
            remove_empty(&folder);
            refuse_unknown_run(order.plan).await?;
            return Err(Failure::blocked(format!("plan {} has no run here: {}", order.plan.name, folder.display()))
                .state("nothing was done")
                .hint(format!(
                    "begin with: migrate apply {}; or bring the journal here from where `migrate status` says it lies",
                    order.plan.path.display()
                )));
        };
        let begun = Record::RunBegun {
            format: FORMAT.to_owned(),
            tool: env!("CARGO_PKG_VERSION").to_owned(),
            run: RunId::fresh(),
            plan: order.plan.name.clone(),
            steps,
            settings: order.plan.settings(),
        };
        store.append(1, 0, begun)?;
    }
    let Plan { blue, green, .. } = order.plan;
    let mut recorder = match Recorder::open(store, (blue, green), Purpose::GoOn, order.stop, order.listener).await {
        Ok(recorder) => recorder,
        Err(e) => {
            if is_new {
                // Nobody but us has ever seen this run.
                remove_empty(&folder);
            }
            return Err(e);
        }
    };
    if !is_new && let Err(e) = take_inputs(order.plan, order.migrations, order.redo.as_ref(), &mut recorder).await {
        recorder.close().await;
        return Err(e);
    }
    Ok(recorder)
}

/// Refuses where a database says that a run is under way which no journal here knows, naming where its journal lies.
/// Only to say so early and well: what keeps a second run out is the lease. A database that can't be read is met again
/// by whoever uses it next.
pub async fn refuse_unknown_run(plan: &Plan) -> Result<()> {
    for target in [&plan.blue, &plan.green] {
        let Ok(db) = target.connect(Access::ReadOnly).await else { continue };
        if let Ok(Some(row)) = read_run_row(&db).await {
            return Err(foreign_run(&plan.name, &db.name, &row));
        }
    }
    Ok(())
}

/// Opens the run's journal; where another process of this machine has it, names that process.
async fn open_store(plan: &Plan) -> Result<Store> {
    let busy = match Store::open(&run_folder(plan)) {
        Err(busy @ StoreError::Busy { .. }) => Failure::from(busy),
        opened => return Ok(opened?),
    };
    // Before decide blue has the heartbeat, after it green.
    for target in [&plan.blue, &plan.green] {
        if let Ok(db) = target.connect(Access::ReadOnly).await
            && let Ok(Some(row)) = read_run_row(&db).await
            && row.held
        {
            return Err(Failure { what: format!("{}: {}", busy.what, row.whose()), ..busy }.state("nothing was done"));
        }
    }
    Err(busy)
}

/// A finished or aborted run's folder makes room for the next one; nothing of it is deleted.
fn put_aside(folder: &Path) -> Result<()> {
    let name = folder.file_name().unwrap_or_default().to_string_lossy();
    let free = (1..=u32::MAX).map(|n| folder.with_file_name(format!("{name}.{n}"))).find(|aside| !aside.exists());
    if let Some(aside) = free {
        std::fs::rename(folder, aside)?;
    }
    Ok(())
}

fn remove_empty(folder: &Path) {
    let _ = std::fs::remove_file(folder.join("journal.jsonl"));
    let _ = std::fs::remove_dir(folder);
}

/// Done and unchanged: skipped. Done and changed: refused. Pending: takes the new input.
async fn take_inputs(
    plan: &Plan,
    migrations: &[Migration],
    redo: Option<&StepId>,
    recorder: &mut Recorder,
) -> Result<()> {
    if !matches!(recorder.run().state, State::Applying | State::Ready) {
        return Ok(());
    }
    if let Some(redo) = redo {
        reset_from(plan, recorder, redo).await?;
    }
    refuse_failover(plan, recorder).await?;
    refuse_new_files(plan, migrations, recorder).await?;
    refuse_new_events(plan, recorder)?;
    refuse_new_levers(plan, recorder)?;
    for step in recorder.run().steps.clone() {
        let now = planner::refresh(&step, plan, migrations)?;
        if now.digest == step.digest {
            continue;
        }
        if recorder.run().is_done(&step.id) && !may_repeat(&step, plan).await? {
            let redo = redo_point(&step);
            return Err(Failure::blocked(format!("step {} is done, and its input has changed since", step.id))
                .state("nothing was done")
                .hint(format!("put the old input back, or do it again: migrate apply --redo {redo}")));
        }
        recorder.record(Record::InputTaken { step: now }).await?;
        // What repeats a step repeats those after it that look at the same.
        if let Some(last) = recorder.run().steps.iter().find(|s| s.action == Action::ValidateGreen).cloned()
            && recorder.run().is_done(&last.id)
        {
            let why = format!("{} took changed input", step.id);
            recorder.record(Record::StepReset { step: last.id, why }).await?;
        }
    }
    let settings = plan.settings();
    if settings != recorder.run().settings {
        recorder.record(Record::SettingsChanged { settings }).await?;
    }
    Ok(())
}

/// What was done since the copy may be lost where a server has failed over: a migration that the journal calls done, say.
async fn refuse_failover(plan: &Plan, recorder: &Recorder) -> Result<()> {
    let Some(copy) = result_of::<CopyResult>(recorder.run(), |action| *action == Action::Copy)? else { return Ok(()) };
    let blue = plan.blue.connect(Access::ReadOnly).await?;
    let green = plan.green.connect(Access::ReadOnly).await?;
    copy.timelines.refuse_failover(&Timelines::read(&blue, &green).await?)
}

/// Checks that compare green with blue at the copy can be asked again until the first event is replayed on green: from
/// then on the two differ by what was replayed.
async fn may_repeat(step: &Step, plan: &Plan) -> Result<bool> {
    if step.action != Action::CheckMigrated {
        return Ok(step.action.is_repeatable());
    }
    let green = plan.green.connect(Access::ReadOnly).await?;
    let made: bool = green.row("SELECT pg_catalog.to_regclass('teal.applied') IS NOT NULL", &[]).await?.get(0);
    Ok(!made || !green.row("SELECT EXISTS (SELECT FROM teal.applied)", &[]).await?.get::<_, bool>(0))
}

/// A file that came into the folder after the run began would silently stay out.
///
/// One behind the run's last is new. One before it is where blue's books don't have it: what was not in when the run began
/// became a step of it. A newer release may well bring a version older than those that are in.
async fn refuse_new_files(plan: &Plan, migrations: &[Migration], recorder: &Recorder) -> Result<()> {
    let known = |file: &str| {
        recorder.run().steps.iter().any(|s| matches!(&s.action, Action::MigrateFile { file: f } if f == file))
    };
    let last = recorder.run().steps.iter().rev().find_map(|s| match &s.action {
        Action::MigrateFile { file } => migrations.iter().position(|m| m.file == *file),
        _ => None,
    });
    let unknown: Vec<(usize, &Migration)> =
        migrations.iter().enumerate().filter(|(_, migration)| !known(&migration.file)).collect();
    let (Some(layout), false) = (migrations.first().map(|m| m.layout), unknown.is_empty()) else { return Ok(()) };
    let blue = plan.blue.connect(Access::ReadOnly).await?;
    let standings = standings(migrations, &migrate::read_recorded(&blue, &plan.migrations, layout).await?);
    let pending = |at: usize| standings.get(at).is_some_and(|standing| standing.is_pending());
    match unknown.into_iter().find(|(at, _)| last.is_some_and(|last| *at > last) || pending(*at)) {
        Some((_, migration)) => Err(Failure::blocked(format!(
            "migration {} of plan {} came after the run began; the run does not know it",
            migration.file, plan.name
        ))
        .state("nothing was done")
        .hint("take it out of the folder until this run is over, or begin anew: migrate abort")),
        None => Ok(()),
    }
}

/// An event that came into the plan after the run began has no triggers on blue: it would silently stay out.
fn refuse_new_events(plan: &Plan, recorder: &Recorder) -> Result<()> {
    let captured = |name: &str| {
        recorder.run().steps.iter().any(|s| matches!(&s.action, Action::CaptureEvent { event } if event == name))
    };
    plan.events.iter().find(|event| !captured(&event.name)).map_or(Ok(()), |event| {
        Err(Failure::blocked(format!(
            "event {:?} came into the plan after the run began; nothing captures it",
            event.name
        ))
        .state("nothing was done")
        .hint("take it out of the plan until this run is over, or begin anew: migrate abort"))
    })
}

/// A lever that came into the plan after the run began would silently not be turned.
fn refuse_new_levers(plan: &Plan, recorder: &Recorder) -> Result<()> {
    let known = |name: &str| recorder.run().steps.iter().any(|step| step.id == StepId::turn_lever(name));
    plan.levers.iter().find(|lever| !known(&lever.name)).map_or(Ok(()), |lever| {
        Err(Failure::blocked(format!(
            "lever {:?} came into the plan after the run began; nothing turned it",
            lever.name
        ))
        .state("nothing was done")
        .hint("take it out of the plan until this run is over, or begin anew: migrate abort"))
    })
}

/// What must be done again for a step to be done again: its effect is mixed into green from the copy on.
fn redo_point(step: &Step) -> StepId {
    match step.action {
        Action::PrepareGreen
        | Action::CreateOutbox
        | Action::CaptureEvent { .. }
        | Action::TurnLever { .. }
        | Action::AwaitLever { .. } => step.id.clone(),
        _ => copy_step(),
    }
}

async fn reset_from(plan: &Plan, recorder: &mut Recorder, redo: &StepId) -> Result<()> {
    let steps = recorder.run().steps.clone();
    let Some(step) = steps.iter().find(|step| step.id == *redo) else {
        let ids: Vec<&str> = steps.iter().map(|step| step.id.as_str()).collect();
        return Err(Failure::usage(format!("there is no step {redo}")).detail(format!("steps: {}", ids.join(", "))));
    };
    if matches!(step.action, Action::CaptureEvent { .. } | Action::CreateOutbox | Action::PrepareGreen) {
        return Err(Failure::blocked(format!("step {redo} can't be done again in the same run"))
            .hint("begin anew: migrate abort"));
    }
    let from = if may_repeat(step, plan).await? { step.id.clone() } else { copy_step() };
    let why = format!("--redo {redo}");
    // A lever that is turned again has its effect on a new copy alone; the capture stays.
    let lever = match &step.action {
        Action::TurnLever { lever } => vec![StepId::turn_lever(lever), StepId::await_lever(lever)],
        Action::AwaitLever { lever } => vec![StepId::await_lever(lever)],
        _ => Vec::new(),
    };
    let again = steps.iter().filter(|step| lever.contains(&step.id));
    for step in again.chain(steps.iter().skip_while(|step| step.id != from)) {
        if !matches!(recorder.run().status(&step.id), StepStatus::Pending) {
            recorder.record(Record::StepReset { step: step.id.clone(), why: why.clone() }).await?;
        }
    }
    Ok(())
}
