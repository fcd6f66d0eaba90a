//! `migrate status`: where a run stands, from any machine.

use std::time::Duration;

use clap::Args;
use jiff::Timestamp;
use serde::Serialize;

use super::inputs::read;
use super::{Output, PlanArg};
use crate::cutover;
use crate::engine::run_folder;
use crate::error::{Failure, Result};
use crate::journal::{Run, RunRow, State, StepStatus, Store, read_run_row};
use crate::lever;
use crate::plan::{Plan, Until};
use crate::postgres::{Access, Db, Target};
use crate::replay;
use crate::report::{StatusDoc, TurnedLever, status_text};
use crate::step::StepId;

/// How often `--watch` and `--until` look.
const INTERVAL: Duration = Duration::from_secs(1);

#[derive(Debug, Args)]
pub struct StatusArgs {
    #[command(flatten)]
    plan: PlanArg,
    /// Look again every second until interrupted
    #[arg(long)]
    watch: bool,
    /// Look again every second until the run is in this state
    #[arg(long, value_name = "STATE", value_parser = ["ready", "green", "finished", "aborted"])]
    until: Option<String>,
}

/// How a command ended: the run's state and one next command.
#[derive(Debug, Serialize)]
pub struct EndDoc {
    format: &'static str,
    plan: String,
    state: &'static str,
    next: String,
}

impl EndDoc {
    pub fn new(format: &'static str, plan: &str, state: State, next: &str) -> Self {
        Self { format, plan: plan.to_owned(), state: state.word(), next: next.to_owned() }
    }
}

pub async fn run(args: StatusArgs, out: &Output) -> Result<()> {
    let path = args.plan.path()?;
    out.about(&path);
    let plan = read(&path)?;
    let mut last = None;
    loop {
        let doc = look(&plan).await?;
        let reached = args.until.as_ref().is_some_and(|state| *state == doc.state);
        let watching = args.watch || args.until.is_some();
        if last.as_ref() != Some(&doc) || !watching {
            out.result(&doc, || status_text(&doc));
        }
        if reached || !watching {
            return Ok(());
        }
        last = Some(doc);
        tokio::time::sleep(INTERVAL).await;
    }
}

async fn look(plan: &Plan) -> Result<StatusDoc> {
    let mut unreachable = Vec::new();
    let blue = side(&plan.blue, &mut unreachable).await;
    let green = side(&plan.green, &mut unreachable).await;
    let journal = Store::read(&run_folder(plan))?.map(|(run, _)| run);
    let on_blue = row_of(blue.as_ref()).await?;
    let on_green = row_of(green.as_ref()).await?;
    let decided = match &blue {
        Some(blue) => cutover::read_decision(blue).await?.is_some(),
        None => on_green.as_ref().is_some_and(|row| row.state == "green"),
    };
    // Until the decision blue's row is the truth, after it green's.
    let (run, source) = if decided { (on_green, "green") } else { (on_blue, "blue") };
    if blue.is_none() && green.is_none() && journal.is_none() {
        return Err(Failure::failed(unreachable.join("; ")));
    }
    let events = match (&blue, &green, &run) {
        (Some(blue), Some(green), Some(_)) => replay::read_tally(blue, green).await.ok(),
        _ => None,
    };
    let state = match (&run, &journal) {
        // The row lags behind where its database was away when the last record was written.
        (Some(run), Some(journal)) if journal.id == run.run && journal.seq > run.seq => journal.state.word().to_owned(),
        (Some(run), _) => run.state.clone(),
        // Blue was asked, and has no row: the run was put back or finished without this journal.
        (None, Some(journal)) if blue.is_some() && journal.token > 0 && !journal.state.is_decided() => {
            if decided { "finished" } else { "aborted" }.to_owned()
        }
        (None, Some(journal)) => journal.state.word().to_owned(),
        (None, None) if decided => "finished".to_owned(),
        // A blue that can't be asked may well have a run.
        (None, None) if blue.is_none() => "unknown".to_owned(),
        (None, None) => "new".to_owned(),
    };
    let trouble = journal.as_ref().and_then(trouble);
    let levers = levers(plan, blue.as_ref(), journal.as_ref(), &state).await;
    let source = if run.is_some() { source } else { "journal" };
    let running = run.as_ref().is_some_and(|row| row.held);
    let next = next(plan, &state, running);
    Ok(StatusDoc {
        format: "teal.status/1",
        plan: plan.name.clone(),
        state,
        running,
        run,
        trouble,
        levers,
        events,
        source,
        unreachable,
        next,
    })
}

/// The levers that may be turned: blue knows, also where no process and no journal is left; where it can't be asked, the
/// journal does.
async fn levers(plan: &Plan, blue: Option<&Db>, journal: Option<&Run>, state: &str) -> Vec<TurnedLever> {
    let rows = match blue {
        Some(blue) => lever::read_levers(blue).await.unwrap_or_default(),
        None => Vec::new(),
    };
    let mut turned: Vec<(String, Timestamp)> = rows
        .into_iter()
        .filter(|row| row.back_at.is_none())
        .map(|row| (row.name, row.turned_at.unwrap_or(row.turning_at)))
        .collect();
    if let (None, Some(run)) = (blue, journal) {
        let not_back = |(name, _): &(String, Timestamp)| !run.is_done(&StepId::turn_lever_back(name));
        turned.extend(lever::turned_at(run).into_iter().filter(not_back));
    }
    let path = plan.path.display();
    let one = |(name, since): (String, Timestamp)| {
        let planned = plan.levers.iter().find(|lever| lever.name == name);
        let lasts_until = planned.and_then(|lever| since.checked_add(lever.lasts?).ok());
        let back = match planned {
            None => format!("you, by hand: the plan has it no more; or bring it back, then: migrate abort {path}"),
            Some(lever) if lever.after.is_none() => "nothing: it has no `after`".to_owned(),
            Some(lever) => match (state, lever.until) {
                ("green" | "finished", _) => format!("migrate finish {path}"),
                ("aborted" | "new", _) => format!("migrate abort {path}"),
                (_, Until::Reopen) => format!("migrate cutover {path}, or migrate abort {path}"),
                (_, Until::Finish) => format!("migrate finish {path} after the cutover, or migrate abort {path}"),
            },
        };
        TurnedLever { run_out: lasts_until.is_some_and(|at| at < Timestamp::now()), name, since, lasts_until, back }
    };
    turned.into_iter().map(one).collect()
}

/// Why the step at work failed the last time, or what the last cutover ended with.
fn trouble(run: &Run) -> Option<String> {
    let failed = run.next_step().and_then(|step| match run.status(&step.id) {
        StepStatus::Failed { error } => Some(error.clone()),
        _ => None,
    });
    let not_switched = (run.state == State::Decided).then(|| {
        let open = run.cutover_steps().filter(|(_, status)| !matches!(status, StepStatus::Done { .. }));
        let open: Vec<String> = open.map(|(id, _)| id.to_string()).collect();
        format!("decided, blue refuses writes; only forward, not done yet: {}", open.join(", "))
    });
    failed.or(not_switched).or_else(|| run.trouble.clone())
}

async fn side(target: &Target, unreachable: &mut Vec<String>) -> Option<Db> {
    match target.connect(Access::ReadOnly).await {
        Ok(db) => Some(db),
        Err(e) => {
            unreachable.push(e.to_string());
            None
        }
    }
}

async fn row_of(db: Option<&Db>) -> Result<Option<RunRow>> {
    match db {
        Some(db) => read_run_row(db).await,
        None => Ok(None),
    }
}

fn next(plan: &Plan, state: &str, running: bool) -> String {
    let path = plan.path.display();
    match state {
        _ if running => format!("migrate status {path} --watch"),
        "unknown" => format!("migrate status {path}, once blue answers"),
        "new" | "aborted" => format!("migrate plan {path}"),
        "applying" => format!("migrate apply {path}"),
        "ready" | "switching" | "in doubt" => format!("migrate cutover {path}"),
        "green" => format!("migrate report {path}, then: migrate finish {path}"),
        _ => format!("migrate report {path}"),
    }
}
