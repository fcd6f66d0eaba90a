//! `migrate abort`: before the decision, everything back as it was. Works from a machine that has no journal.

use clap::Args;

use super::ask::confirm;
use super::inputs::{Inputs, stop_on_signals};
use super::progress::listen;
use super::{Output, PlanArg, YesArg};
use crate::engine::{self, Begin, Left};
use crate::error::{Failure, Result};
use crate::journal::{Lease, State, Store};
use crate::plan::Plan;
use crate::report::text;
use serde::Serialize;

#[derive(Debug, Args)]
pub struct AbortArgs {
    #[command(flatten)]
    plan: PlanArg,
    #[command(flatten)]
    yes: YesArg,
}

#[derive(Serialize)]
struct AbortDoc {
    format: &'static str,
    plan: String,
    state: &'static str,
    left: Left,
    next: String,
}

pub async fn run(args: AbortArgs, out: &Output) -> Result<()> {
    let path = args.plan.path()?;
    let inputs = Inputs::plan_alone(&path)?;
    if !confirm("This throws green away and takes the capture off blue.", args.yes.yes).await? {
        return Err(Failure::failed("not approved").state("nothing was done"));
    }
    engine::ask_to_stop(&inputs.plan).await?;
    let left = abort(&inputs, out).await?;
    let next = format!("migrate plan {}", path.display());
    let doc = AbortDoc { format: "teal.abort/1", plan: inputs.plan.name, state: "aborted", left, next };
    out.result(&doc, || {
        let blue = text::hanging("  left on blue   ", &doc.left.blue);
        let green = text::hanging("  left on green  ", &doc.left.green);
        format!("State: aborted.\n{blue}{green}Next: {}\n", doc.next)
    });
    Ok(())
}

async fn abort(inputs: &Inputs, out: &Output) -> Result<Left> {
    let Inputs { plan, migrations, .. } = inputs;
    if !has_open_journal(plan)? {
        let lease = Lease::take_over(&plan.blue, &plan.green).await?;
        let left = engine::abort(plan).await;
        lease.release().await;
        return left;
    }
    let (listener, shown) = listen(*out);
    let begin = Begin { plan, migrations, steps: None, redo: None, stop: stop_on_signals(), listener };
    let mut recorder = engine::begin_as_is(begin).await?;
    let left = engine::abort_recorded(plan, &mut recorder).await;
    recorder.close().await;
    let _ = shown.await;
    left
}

/// Whether this machine has the journal of a run that is not over.
pub fn has_open_journal(plan: &Plan) -> Result<bool> {
    let read = Store::read(&engine::run_folder(plan))?;
    Ok(read.is_some_and(|(run, _)| run.state != State::New && run.state != State::Aborted))
}
