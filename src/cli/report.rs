//! `migrate report`: what happened, from the journal alone; before a run, what the last rehearsal showed.

use std::path::PathBuf;

use clap::Args;
use serde::Serialize;

use super::{Output, PlanArg};
use crate::error::{Context, Failure, Result};
use crate::journal::Store;
use crate::plan::Outline;
use crate::rehearse::saved::{self, Saved};
use crate::report::{run_report, run_text};

#[derive(Debug, Args)]
pub struct ReportArgs {
    #[command(flatten)]
    plan: PlanArg,
    /// Write it to a file: JSON with --format json, text otherwise
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
    /// The last rehearsal's verdict, also where the plan has a run
    #[arg(long)]
    rehearsal: bool,
}

pub fn run(args: &ReportArgs, out: &Output) -> Result<()> {
    let plan = args.plan.outline()?;
    let folder = plan.journal_dir.join(&plan.name);
    let rehearsed = saved::read(&plan.journal_dir, &plan.name)?;
    let begun = if args.rehearsal { None } else { Store::read(&folder)? };
    let Some((run, entries)) = begun else {
        if let Some(rehearsed) = rehearsed {
            return of_rehearsal(args, &plan, &rehearsed, out);
        }
        if args.rehearsal {
            return Err(Failure::blocked(format!("plan {} was never rehearsed here", plan.name))
                .hint(format!("migrate rehearse {} --from DUMP", plan.path.display())));
        }
        return Err(Failure::blocked(format!("plan {} has no journal here: {}", plan.name, folder.display()))
            .hint(format!("bring it here from where this says it lies: migrate status {}", plan.path.display())));
    };
    let report = run_report(&run, &entries)?;
    show(args, &report, || run_text(&report), out)?;
    if report.verdict == "failed" {
        return Err(Failure::blocked("the verdict is: failed")
            .hint(format!("see what failed above, and what comes next: migrate status {}", plan.path.display())));
    }
    Ok(())
}

/// The last rehearsal's verdict, marked as one: a plan that has no run yet may have been tried.
fn of_rehearsal(args: &ReportArgs, plan: &Outline, rehearsed: &Saved, out: &Output) -> Result<()> {
    let text = |key: &str| rehearsed.document.get(key).and_then(|value| value.as_str()).unwrap_or("unknown").to_owned();
    out.say(&format!(
        "A rehearsal on throwaway servers, of {}; no run of plan {} has begun here or is shown.\n",
        day(&text("begun_at")),
        plan.name
    ));
    show(args, &rehearsed.document, || without_this(&rehearsed.text), out)?;
    if text("verdict") == "passed" {
        return Ok(());
    }
    Err(Failure::blocked("the rehearsal's verdict is: failed")
        .hint(format!("mend what failed above, then: migrate rehearse {} --from DUMP", plan.path.display())))
}

/// It was written to be read right after the rehearsal: what came next then is what the reader is doing now.
fn without_this(text: &str) -> String {
    let next = text.split_once("Next: migrate report ").and_then(|(told, next)| Some((told, next.split_once("; ")?.1)));
    next.map_or_else(|| text.to_owned(), |(told, next)| format!("{told}Next: {next}"))
}

/// A moment as people read it.
fn day(at: &str) -> String {
    let read = at.parse::<jiff::Timestamp>();
    read.map_or_else(|_| at.to_owned(), |at| at.strftime("%Y-%m-%d %H:%M:%S UTC").to_string())
}

/// To stdout, or to the file asked for.
fn show(args: &ReportArgs, document: &impl Serialize, text: impl Fn() -> String, out: &Output) -> Result<()> {
    let Some(file) = &args.output else {
        out.result(document, text);
        return Ok(());
    };
    let content = if out.is_json() { serde_json::to_string_pretty(document)? + "\n" } else { plain(&text()) };
    std::fs::write(file, content).with_context(|| file.display().to_string())?;
    out.say(&format!("Written to {}.\n", file.display()));
    Ok(())
}

fn plain(text: &str) -> String {
    console::strip_ansi_codes(text).into_owned()
}
