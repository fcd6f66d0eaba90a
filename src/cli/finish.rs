//! `migrate finish`: after the switch, what is left on the servers is taken down, but the fence.

use clap::Args;
use serde::Serialize;

use super::abort::{left_on_green, open_run};
use super::ask::confirm;
use super::inputs::{Inputs, stop_on_signals};
use super::progress::listen;
use super::{Output, PlanArg, YesArg};
use crate::engine::{self, Begin, Left};
use crate::error::{Failure, Result};
use crate::journal::{Lease, Purpose};
use crate::report::text;

#[derive(Debug, Args)]
pub struct FinishArgs {
    #[command(flatten)]
    plan: PlanArg,
    #[command(flatten)]
    yes: YesArg,
    /// Take the fence down too: blue takes writes again, which nobody replays
    #[arg(long)]
    unfence: bool,
}

#[derive(Serialize)]
struct FinishDoc {
    format: &'static str,
    plan: String,
    state: &'static str,
    left: Left,
    next: String,
}

pub async fn run(args: FinishArgs, out: &Output) -> Result<()> {
    let path = args.plan.path()?;
    out.about(&path);
    let inputs = Inputs::plan_alone(&path)?;
    if args.unfence && inputs.plan.is_in_place() {
        return Err(Failure::usage("--unfence: a plan in place has no fence"));
    }
    engine::may_finish(&inputs.plan, open_run(&inputs.plan)?.as_ref()).await?;
    let question = if inputs.plan.is_in_place() {
        "This drops the run's receipts from blue; the journal stays."
    } else if args.unfence {
        "This drops capture, outbox and receipts, and lets blue take writes again, which nobody will replay."
    } else {
        "This drops capture, outbox and receipts; the journal stays."
    };
    if !confirm(question, args.yes.yes).await? {
        return Err(Failure::failed("not approved").state("nothing was done"));
    }
    let mut left = finish(&inputs, args.unfence, out).await?;
    left.blue = out.named(&left.blue);
    let next = format!("migrate report {}", path.display());
    let doc = FinishDoc { format: "teal.finish/1", plan: inputs.plan.name, state: "finished", left, next };
    out.result(&doc, || {
        let blue = text::hanging("  left on blue   ", &doc.left.blue);
        format!("State: finished.\n{blue}{}Next: {}\n", left_on_green(&doc.left), doc.next)
    });
    Ok(())
}

async fn finish(inputs: &Inputs, unfence: bool, out: &Output) -> Result<Left> {
    let Inputs { plan, migrations, .. } = inputs;
    if open_run(plan)?.is_none() {
        let lease = Lease::take_over(&plan.blue, plan.sides().1).await?;
        let left = engine::finish(plan, unfence, None).await;
        lease.release().await;
        return left;
    }
    let (listener, shown) = listen(out);
    let begin = Begin { plan, migrations, steps: None, redo: None, stop: stop_on_signals(), listener };
    let mut recorder = engine::begin_as_is(begin, Purpose::TakeDown).await?;
    let left = engine::finish_recorded(plan, unfence, &mut recorder).await;
    recorder.close().await;
    let _ = shown.await;
    left
}
