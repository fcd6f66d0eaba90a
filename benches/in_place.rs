//! What clients wait while tables of a million rows are migrated in place: the files as they are written, each in its one
//! transaction, against the same files through `migrate apply`. benches/README.md says how they are kept comparable.

#![allow(clippy::print_stderr)] // a program of its own: progress goes to stderr

mod measure;

use std::path::Path;
use std::process::Stdio;
use std::time::Instant;

use clap::Args;
use measure::document::{Document, Target};
use measure::machine::program;
use measure::options::asked;
use measure::series::Series;
use measure::servers::{QUICK, admin};
use measure::table::{Sheet, spread, times};
use teal::error::{Context, Failure, Result};
use teal::postgres::{self, Access};
use teal::sandbox::Server;
use tokio::process::{Child, Command};

/// As a project has them: nothing in them knows of live clients.
const FILES: [(&str, &str); 3] = [
    (
        "001_state.sql",
        "ALTER TABLE pgbench_accounts ADD COLUMN state text;\nUPDATE pgbench_accounts SET state = 'open';\n\
         ALTER TABLE pgbench_accounts ALTER COLUMN state SET NOT NULL;\n",
    ),
    ("002_index.sql", "CREATE INDEX pgbench_accounts_balance ON pgbench_accounts (abalance);\n"),
    (
        "003_constraints.sql",
        "ALTER TABLE pgbench_accounts ADD CONSTRAINT pgbench_accounts_branch FOREIGN KEY (bid) REFERENCES pgbench_branches;\n\
         ALTER TABLE pgbench_accounts ADD CONSTRAINT pgbench_accounts_sane CHECK (abalance > -100000000);\n",
    ),
];
const PLAN: &str = r#"name = "bench"
strategy = "in-place"
[databases]
blue = "${BLUE_URL}"
[migrations]
source = "migrations"
applied = "SELECT version FROM schema_migration"
record = "INSERT INTO schema_migration (version) VALUES (:version)"
lock_timeout = "500ms"
"#;
/// The plan's.
const LOCK_TIMEOUT_MS: f64 = 500.0;

/// The longest wait of pgbench's clients while tables are migrated in place
#[derive(Args)]
struct Options {
    /// Rounds; in each, both forms run once
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// Seconds that pgbench runs, longer than either form of the migrations takes
    #[arg(long, default_value_t = 60)]
    seconds: u32,
    /// Clients of pgbench
    #[arg(long, default_value_t = 4)]
    clients: u32,
    /// Scale of pgbench: 100,000 accounts each
    #[arg(long, default_value_t = 10)]
    scale: u32,
}

/// What one form took, in milliseconds.
#[derive(Default)]
struct Taken {
    longest_wait: Series,
    p99: Series,
    whole: Series,
}

#[tokio::main]
async fn main() -> Result<()> {
    let Some(options) = asked::<Options>() else { return Ok(()) };
    let server = Server::start(&QUICK)?;
    admin(&server).await?.run("CREATE DATABASE blue").await?;
    let url = server.url("blue");
    let blue = postgres::Target::parse("blue", &url)?;
    let (mut written, mut rewritten) = (Taken::default(), Taken::default());
    for round in 0..options.rounds.max(1) {
        for (name, taken) in [("as written", &mut written), ("through apply", &mut rewritten)] {
            eprintln!("round {} of {}: {name}", round + 1, options.rounds);
            let folder = tempfile::tempdir()?;
            prepare(&blue, folder.path(), options.scale).await?;
            let clients = clients(&blue, folder.path(), &options)?;
            let since = Instant::now();
            if name == "as written" {
                run_as_written(&blue).await?;
            } else {
                run_through_apply(&url, folder.path()).await?;
            }
            let whole = since.elapsed();
            if whole.as_secs() >= u64::from(options.seconds) {
                return Err(Failure::failed("pgbench ended before the migrations").hint("give it more --seconds"));
            }
            taken.whole.push(whole.as_secs_f64() * 1000.0);
            ended(clients).await?;
            let waits = waits(folder.path())?;
            taken.longest_wait.push(waits.most());
            taken.p99.push(waits.quantile(0.99));
        }
    }

    let mut document = Document::new("in_place", &QUICK, &["postgres", "pgbench"]);
    for (name, value) in [("clients", options.clients), ("seconds", options.seconds), ("scale", options.scale)] {
        document.measured(name, value);
    }
    document.measured("rounds", options.rounds);
    document.measured("lock_timeout_ms", LOCK_TIMEOUT_MS);
    for (name, taken) in [("as_written", &written), ("through_apply", &rewritten)] {
        document.figure(&format!("{name}_longest_wait_ms"), &taken.longest_wait);
        document.figure(&format!("{name}_p99_ms"), &taken.p99);
        document.figure(&format!("{name}_migrations_ms"), &taken.whole);
    }
    let ratio = rewritten.longest_wait.over(&written.longest_wait);
    document.figure("longest_wait_ratio", &ratio);
    let most = rewritten.longest_wait.most();
    document.target(Target::at_most("longest wait through apply, of two lock_timeouts", most / LOCK_TIMEOUT_MS, 2.0));
    let title = format!(
        "In place under pgbench, {} clients, {} accounts, {} rounds",
        options.clients,
        options.scale * 100_000,
        options.rounds
    );
    let mut sheet = Sheet::new(title, &["milliseconds", "as written", "through apply", "ratio"]);
    for (what, part) in [
        ("longest wait of a client", (|taken: &Taken| taken.longest_wait.clone()) as fn(&Taken) -> Series),
        ("99 of 100 waited less than", |taken: &Taken| taken.p99.clone()),
        ("the migrations", |taken: &Taken| taken.whole.clone()),
    ] {
        let (before, after) = (part(&written), part(&rewritten));
        sheet.row([what.to_owned(), spread(&before), spread(&after), times(after.over(&before).median())]);
    }
    sheet.note("A wait is a whole transaction of pgbench, from its first statement to the answer to its COMMIT.");
    sheet.finish(&document)
}

/// pgbench's tables anew, the plan and its files.
async fn prepare(blue: &postgres::Target, folder: &Path, scale: u32) -> Result<()> {
    let db = blue.connect(Access::ReadWrite).await?;
    db.run(
        "DROP SCHEMA public CASCADE; CREATE SCHEMA public; CREATE TABLE schema_migration (version text PRIMARY KEY)",
    )
    .await?;
    let scale = scale.to_string();
    let mut made = pgbench(blue, folder);
    made.args(["--initialize", "--quiet", "--scale", &scale]).stderr(Stdio::null());
    ended(made.spawn().context("pgbench")?).await?;
    db.run("VACUUM (FREEZE, ANALYZE)").await?;
    db.run("CHECKPOINT").await?;
    std::fs::create_dir(folder.join("migrations"))?;
    for (file, sql) in FILES {
        std::fs::write(folder.join("migrations").join(file), sql)?;
    }
    Ok(std::fs::write(folder.join("plan.toml"), PLAN)?)
}

fn pgbench(blue: &postgres::Target, folder: &Path) -> Command {
    let mut command = Command::new(program("pgbench"));
    command.envs(blue.program_env()).env("LC_MESSAGES", "C").current_dir(folder).kill_on_drop(true);
    command.stdin(Stdio::null()).stdout(Stdio::null());
    command
}

/// pgbench's own transaction, each with its time in a log. Its vacuum would stand in the way of the migrations.
fn clients(blue: &postgres::Target, folder: &Path, options: &Options) -> Result<Child> {
    let (clients, seconds) = (options.clients.to_string(), options.seconds.to_string());
    let mut command = pgbench(blue, folder);
    command.args(["--client", &clients, "--time", &seconds, "--no-vacuum", "--log", "--log-prefix", "waits"]);
    command.stderr(Stdio::null()).spawn().context("pgbench")
}

async fn ended(mut child: Child) -> Result<()> {
    let status = child.wait().await?;
    if status.success() { Ok(()) } else { Err(Failure::failed(format!("a program ended with {status}"))) }
}

/// As most tools do it: a transaction for each file.
async fn run_as_written(blue: &postgres::Target) -> Result<()> {
    let db = blue.connect(Access::ReadWrite).await?;
    db.run("SET statement_timeout = 0; SET lock_timeout = 0").await?;
    for (file, sql) in FILES {
        db.run(&format!("BEGIN; {sql} COMMIT")).await.context(file)?;
    }
    Ok(())
}

async fn run_through_apply(url: &str, folder: &Path) -> Result<()> {
    let mut command = Command::new(env!("CARGO_BIN_EXE_migrate"));
    command.args(["apply", "--yes"]).current_dir(folder).env("BLUE_URL", url).env_remove("MIGRATE_PLAN");
    let done = command.stdin(Stdio::null()).kill_on_drop(true).output().await.context("migrate apply")?;
    if done.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&done.stderr).into_owned();
    Err(Failure::failed(format!("migrate apply: {}", done.status)).detail(said))
}

/// The time of every transaction in milliseconds: the third word of a line of the log, in microseconds (manual, pgbench).
fn waits(folder: &Path) -> Result<Series> {
    let mut waits = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_name().to_string_lossy().starts_with("waits.") {
            let text = std::fs::read_to_string(entry.path())?;
            waits.extend(text.lines().filter_map(|line| line.split(' ').nth(2)?.parse::<f64>().ok()));
        }
    }
    if waits.is_empty() {
        Err(Failure::failed("pgbench kept no log"))
    } else {
        Ok(waits.into_iter().map(|us| us / 1000.0).collect())
    }
}
