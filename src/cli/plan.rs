//! `migrate plan`: everything that will happen, before anything does.

use std::path::PathBuf;

use clap::Args;

use super::inputs::{Inputs, look};
use super::trace_plan::look_closer;
use super::{Output, PlanArg};
use crate::engine::run_folder;
use crate::error::{Context, Failure, Result};
use crate::finding::blockers;
use crate::journal::{State, Store};
use crate::report::{plan_text, text};

#[derive(Debug, Args)]
pub struct PlanArgs {
    #[command(flatten)]
    plan: PlanArg,
    /// Save it: `apply FILE` then runs exactly this, or refuses where something changed
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Don't run the pending files on a throwaway server, and don't look for queries that they break
    #[arg(long, env = "MIGRATE_NO_TRACE", value_parser = clap::builder::FalseyValueParser::new())]
    no_trace: bool,
}

pub async fn run(args: PlanArgs, out: &Output) -> Result<()> {
    let path = args.plan.path()?;
    out.about(&path);
    let inputs = Inputs::read(&path).await?;
    let resuming = is_under_way(&inputs)?;
    let mut doc = look(&inputs, resuming).await?;
    if !args.no_trace && !resuming {
        look_closer(&inputs, &mut doc, out).await?;
    }
    doc.findings = doc.findings.iter().map(|finding| out.finding(finding)).collect();
    let blocked = blockers(&doc.findings).count();
    if let Some(file) = &args.output {
        if blocked == 0 {
            doc.next = format!("migrate apply {}", file.display());
        }
        let text = serde_json::to_string_pretty(&doc)?;
        std::fs::write(file, text + "\n").with_context(|| file.display().to_string())?;
    }
    out.result(&doc, || plan_text(&doc));
    if blocked > 0 {
        return Err(Failure::blocked(text::count(blocked, "blocker"))
            .state("nothing was done")
            .hint(format!("clear them as said above, then: migrate plan {}", inputs.plan.path.display())));
    }
    Ok(())
}

/// Whether this plan's run has begun, from this machine's journal: green then holds what the run put there.
pub fn is_under_way(inputs: &Inputs) -> Result<bool> {
    let read = Store::read(&run_folder(&inputs.plan))?;
    Ok(read.is_some_and(|(run, _)| run.state != State::New && !run.state.is_over()))
}
