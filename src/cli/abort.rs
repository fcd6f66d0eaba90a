//! `migrate abort`: before the decision, everything back as it was. Works from a machine that has no journal.

use clap::Args;

use super::ask::confirm;
use super::inputs::{Inputs, stop_on_signals};
use super::progress::listen;
use super::{Output, PlanArg, YesArg};
use crate::engine::{self, Begin, Left};
use crate::error::{Failure, Kind, Result};
use crate::journal::{Lease, Purpose, Run, State, Store};
use crate::plan::Plan;
use crate::report::text;
use serde::Serialize;

#[derive(Debug, Args)]
pub struct AbortArgs {
    #[command(flatten)]
    plan: PlanArg,
    #[command(flatten)]
    yes: YesArg,
    /// Green is gone for good: put back blue without it. Refused while green answers
    #[arg(long)]
    green_gone: bool,
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
    out.about(&path);
    let inputs = Inputs::plan_alone(&path)?;
    let run = open_run(&inputs.plan)?;
    let anything = engine::may_abort(&inputs.plan, args.green_gone, run.as_ref()).await?;
    let question = if args.green_gone {
        "This takes the capture off blue and leaves green as it is, wherever that is."
    } else {
        "This throws green away and takes the capture off blue."
    };
    // Where there is nothing to put back there is nothing to approve either.
    if !confirm(question, args.yes.yes || !anything).await? {
        return Err(Failure::failed("not approved").state("nothing was done"));
    }
    engine::ask_to_stop(&inputs.plan).await?;
    let mut left = abort(&inputs, args.green_gone, out).await.map_err(|e| gone_hint(e, &path, args.green_gone))?;
    left.blue = out.named(&left.blue);
    let still_turned = left.levers.clone();
    let next = format!("migrate plan {}", path.display());
    let doc = AbortDoc { format: "teal.abort/1", plan: inputs.plan.name, state: "aborted", left, next };
    out.result(&doc, || {
        let blue = text::hanging("  left on blue   ", &doc.left.blue);
        let green = text::hanging("  left on green  ", &doc.left.green);
        format!("State: aborted.\n{blue}{green}Next: {}\n", doc.next)
    });
    if still_turned.is_empty() {
        return Ok(());
    }
    Err(Failure::failed(still_turned.join("; ")).state("everything else was put back; blue serves").hint(format!(
        "mend that, or turn it back by hand and take its `after` out of the plan; then: migrate abort {}",
        path.display()
    )))
}

/// Where green is all that is missing, there is a way without it.
fn gone_hint(e: Failure, path: &std::path::Path, green_gone: bool) -> Failure {
    if green_gone || e.kind != Kind::Failed || !e.what.starts_with("green: ") {
        return e;
    }
    let mend = e.hint.clone().unwrap_or_else(|| format!("once green answers: migrate abort {}", path.display()));
    Failure {
        hint: Some(format!("{mend}; if it is gone for good: migrate abort --green-gone {}", path.display())),
        ..e
    }
}

async fn abort(inputs: &Inputs, green_gone: bool, out: &Output) -> Result<Left> {
    let Inputs { plan, migrations, .. } = inputs;
    if open_run(plan)?.is_none() {
        let lease = Lease::take_over(&plan.blue, Some(&plan.green).filter(|_| !green_gone)).await?;
        let left = engine::abort(plan, green_gone, None).await;
        lease.release().await;
        return left;
    }
    let (listener, shown) = listen(out);
    let begin = Begin { plan, migrations, steps: None, redo: None, stop: stop_on_signals(), listener };
    let purpose = if green_gone { Purpose::PutBackWithoutGreen } else { Purpose::TakeDown };
    let mut recorder = engine::begin_as_is(begin, purpose).await?;
    let left = engine::abort_recorded(plan, green_gone, &mut recorder).await;
    recorder.close().await;
    let _ = shown.await;
    left
}

/// The run whose journal this machine has, unless that was put back or never begun.
pub fn open_run(plan: &Plan) -> Result<Option<Run>> {
    let read = Store::read(&engine::run_folder(plan))?;
    Ok(read.map(|(run, _)| run).filter(|run| run.state != State::New && run.state != State::Aborted))
}
