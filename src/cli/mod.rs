//! The command line: one file per command. Results go to stdout, everything else to stderr.

#![allow(clippy::print_stdout, clippy::print_stderr)] // the one place that prints
#![allow(clippy::doc_markdown)] // doc comments of arguments are what --help shows

mod abort;
mod apply;
mod ask;
mod cutover;
mod demo;
mod doctor;
mod explain;
mod files;
mod finish;
mod init;
mod inputs;
mod lint;
mod look_in_place;
mod next;
mod output;
mod plan;
mod progress;
mod rehearse;
mod report;
mod rewrite;
mod status;
mod trace_plan;
mod upgrade;
mod validate;
mod workload;

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::error::{Failure, Result};
use output::Output;

/// Upgrades a Postgres database without taking its users down.
#[derive(Debug, Parser)]
#[command(name = "migrate", version, max_term_width = 80, after_help = EXIT_CODES)]
struct Cli {
    #[command(subcommand)]
    command: Command,
    /// How results are written: text, or JSON (one document, or one object per line for apply, cutover, rehearse and demo)
    #[arg(long, global = true, value_enum, default_value_t = Format::Text)]
    format: Format,
    /// Say more on stderr; twice for everything (RUST_LOG is honoured too)
    #[arg(long, short, global = true, action = clap::ArgAction::Count)]
    verbose: u8,
}

const EXIT_CODES: &str = "\
Exit codes:
  0  done
  1  failed or interrupted at a safe point: run it again
  2  bad plan or usage
  3  an unaccepted blocker or a closed gate
  4  in doubt: a person must look
  5  undone: the cutover was tried and everything was put back";

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    Text,
    Json,
}

/// Which plan a command is about.
#[derive(Debug, Args)]
struct PlanArg {
    /// The plan file; may be left out where the folder holds one plan or MIGRATE_PLAN names it
    #[arg(value_name = "PLAN", env = "MIGRATE_PLAN")]
    plan: Option<PathBuf>,
}

/// Whether to ask.
#[derive(Debug, Args)]
struct YesArg {
    /// Don't ask
    #[arg(long, short)]
    yes: bool,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Write a first plan, from a live blue or a dump, and the migrations
    Init(init::InitArgs),
    /// Is this possible here? Settings, privileges, sizes, disk, versions; only reads
    Doctor(doctor::DoctorArgs),
    /// Show every step, size, estimate and finding before anything runs
    Plan(plan::PlanArgs),
    /// The whole run on throwaway servers, from a dump or a staging database: for CI
    Rehearse(rehearse::RehearseArgs),
    /// Do all that can be done before the switch, up to `ready`; run again, it resumes
    Apply(apply::ApplyArgs),
    /// Where a run stands, from any machine
    Status(status::StatusArgs),
    /// Switch: gates, prepare, approval, fence, drain, decide, commit
    Cutover(cutover::CutoverArgs),
    /// Ask everything that can be asked now; the exit code is the verdict
    Validate(validate::ValidateArgs),
    /// Tell what happened
    Report(report::ReportArgs),
    /// Before the decision: put everything back
    Abort(abort::AbortArgs),
    /// After the switch: take down what is left, but the fence
    Finish(finish::FinishArgs),
    /// What migration files would do to a live database: from their text, or traced on a throwaway server
    Lint(lint::LintArgs),
    /// Migration files in a form that keeps nobody waiting and ends the same
    Rewrite(rewrite::RewriteArgs),
    /// Explain a finding or the exit codes
    Explain(explain::ExplainArgs),
    /// All of it on two throwaway servers under live traffic
    Demo(demo::DemoArgs),
}

/// Runs the program.
pub fn main(args: impl IntoIterator<Item = OsString>) -> ExitCode {
    let args: Vec<OsString> = args.into_iter().collect();
    let cli = match Cli::try_parse_from(&args) {
        Ok(cli) => cli,
        Err(e) if e.use_stderr() => return misused(&e, &args),
        Err(asked) => {
            let _ = asked.print();
            return ExitCode::SUCCESS;
        }
    };
    logs(cli.verbose);
    let out = Output::new(cli.format);
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(e) => return out.fail(&Failure::failed(format!("starting: {e}"))),
    };
    match runtime.block_on(run(cli.command, cli.verbose, &out)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => out.fail(&failure),
    }
}

/// A wrong command line: as every failure it ends with a hint, and is an object where results are JSON.
fn misused(e: &clap::Error, args: &[OsString]) -> ExitCode {
    let known = <Cli as clap::CommandFactory>::command();
    let named =
        args.iter().skip(1).find_map(|arg| known.find_subcommand(arg)).map(|sub| format!("{} ", sub.get_name()));
    let hint = format!("see what it takes: migrate {}--help", named.unwrap_or_default());
    let wants_json = args.iter().any(|arg| arg == "--format=json")
        || args.windows(2).any(|pair| matches!(pair, [flag, value] if flag == "--format" && value == "json"));
    if wants_json {
        let text = e.to_string();
        let what = text.lines().next().unwrap_or_default().trim_start_matches("error: ");
        return Output::new(Format::Json).fail(&Failure::usage(what).hint(hint));
    }
    let _ = e.print();
    eprintln!("Hint: {hint}");
    ExitCode::from(2)
}

async fn run(command: Command, verbose: u8, out: &Output) -> Result<()> {
    match command {
        Command::Init(args) => Box::pin(init::run(args, out)).await,
        Command::Doctor(args) => doctor::run(args, verbose > 0, out).await,
        Command::Plan(args) => plan::run(args, out).await,
        Command::Rehearse(args) => Box::pin(rehearse::run(args, out)).await,
        Command::Apply(args) => apply::run(args, out).await,
        Command::Status(args) => status::run(args, out).await,
        Command::Cutover(args) => Box::pin(cutover::run(args, out)).await,
        Command::Validate(args) => validate::run(args, out).await,
        Command::Report(args) => report::run(&args, out),
        Command::Abort(args) => abort::run(args, out).await,
        Command::Finish(args) => finish::run(args, out).await,
        Command::Lint(args) => Box::pin(lint::run(args, out)).await,
        Command::Rewrite(args) => Box::pin(rewrite::run(args, out)).await,
        Command::Explain(args) => explain::run(&args, out),
        Command::Demo(args) => Box::pin(demo::run(args, out)).await,
    }
}

fn logs(verbose: u8) {
    let level = match verbose {
        0 => "warn",
        1 => "teal=info,warn",
        2 => "teal=debug,info",
        _ => "trace",
    };
    let filter = tracing_subscriber::EnvFilter::try_from_default_env()
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new(level));
    let colour = console::colors_enabled_stderr();
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_ansi(colour).init();
}
