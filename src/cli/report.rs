//! `migrate report`: what happened, from the journal alone.

use std::path::PathBuf;

use clap::Args;

use super::{Output, PlanArg};
use crate::engine::run_folder;
use crate::error::{Context, Failure, Result};
use crate::journal::Store;
use crate::report::{run_report, run_text};

#[derive(Debug, Args)]
pub struct ReportArgs {
    #[command(flatten)]
    plan: PlanArg,
    /// Write it to a file: JSON with --format json, text otherwise
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
}

pub fn run(args: &ReportArgs, out: &Output) -> Result<()> {
    let plan = args.plan.read()?;
    let folder = run_folder(&plan);
    let Some((run, entries)) = Store::read(&folder)? else {
        return Err(Failure::blocked(format!("plan {} has no journal here: {}", plan.name, folder.display()))
            .hint(format!("bring it here from where this says it lies: migrate status {}", plan.path.display())));
    };
    let report = run_report(&run, &entries)?;
    match &args.output {
        None => out.result(&report, || run_text(&report)),
        Some(file) => {
            let text =
                if out.is_json() { serde_json::to_string_pretty(&report)? + "\n" } else { plain(&run_text(&report)) };
            std::fs::write(file, text).with_context(|| file.display().to_string())?;
            out.say(&format!("Written to {}.\n", file.display()));
        }
    }
    if report.verdict == "failed" {
        return Err(Failure::blocked("the verdict is: failed")
            .hint(format!("see what failed above, and what comes next: migrate status {}", plan.path.display())));
    }
    Ok(())
}

fn plain(text: &str) -> String {
    console::strip_ansi_codes(text).into_owned()
}
