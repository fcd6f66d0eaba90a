//! What capture costs the application: pgbench on blue without an event, with one that never happens, and with one that
//! happens in 5 % of all writes. benches/README.md says how they are kept comparable.

#![allow(clippy::print_stderr)] // a program of its own: progress goes to stderr

mod measure;

use clap::Args;
use measure::document::{Document, Target};
use measure::machine::program;
use measure::options::asked;
use measure::series::Series;
use measure::servers::{QUICK, admin};
use measure::table::{Sheet, spread, times};
use teal::capture;
use teal::catalog::read_tables;
use teal::error::{Context, Failure, Result};
use teal::plan::{Event, When};
use teal::postgres::{self, Access};
use teal::sandbox::Server;
use tokio::process::Command;

/// An account's balance counts as "low" for 8 of 29 values, so that a random new one ends that in 20 % of the updates:
/// one in twenty of the four writes of pgbench's own transaction.
const LOW: &str = "abs(abalance) % 29 < 8";
/// As dear to evaluate, and never true.
const NEVER: &str = "abs(abalance) % 29 > 28";
/// Balances as they are after many transactions: with the zeros of the start, three updates in four would end "low".
const SPREAD_BALANCES: &str = "UPDATE pgbench_accounts SET abalance = aid::int8 * 7919 % 10007 - 5003";
/// Writes in a transaction of pgbench: account, teller, branch, history.
const WRITES: f64 = 4.0;

/// pgbench on blue with and without captured events
#[derive(Args)]
struct Options {
    /// Rounds; in each, every kind runs once, in another order
    #[arg(long, default_value_t = 9)]
    rounds: usize,
    /// Seconds of one run
    #[arg(long, default_value_t = 5)]
    seconds: u32,
    /// Clients of pgbench
    #[arg(long, default_value_t = 4)]
    clients: u32,
    /// Scale of pgbench: 100,000 accounts each
    #[arg(long, default_value_t = 20)]
    scale: u32,
}

/// What is captured while pgbench runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Nothing,
    Never,
    OneInTwenty,
}

const KINDS: [Kind; 3] = [Kind::Nothing, Kind::Never, Kind::OneInTwenty];

impl Kind {
    fn title(self) -> &'static str {
        match self {
            Self::Nothing => "no event",
            Self::Never => "an event that never happens",
            Self::OneInTwenty => "5 % of the writes are events",
        }
    }

    fn predicate(self) -> Option<&'static str> {
        match self {
            Self::Nothing => None,
            Self::Never => Some(NEVER),
            Self::OneInTwenty => Some(LOW),
        }
    }
}

#[tokio::main]
async fn main() -> Result<()> {
    let Some(options) = asked::<Options>() else { return Ok(()) };
    let server = Server::start(&QUICK)?;
    admin(&server).await?.run("CREATE DATABASE blue").await?;
    let blue = postgres::Target::parse("blue", &server.url("blue"))?;
    let scale = options.scale.to_string();
    eprintln!("filling blue at scale {scale}");
    pgbench(&blue, &["--initialize", "--quiet", "--scale", &scale]).await?;
    let db = blue.connect(Access::ReadWrite).await?;
    db.run(SPREAD_BALANCES).await?;
    db.run("VACUUM FULL pgbench_accounts").await?;
    db.run("VACUUM (FREEZE, ANALYZE)").await?;
    // The first run reads all of it into memory, for nobody's figure.
    transactions_a_second(&blue, &options).await?;

    let mut tps: [Series; 3] = Default::default();
    let mut events = Series::default();
    for round in 0..options.rounds.max(1) {
        for turn in 0..KINDS.len() {
            let at = (round + turn) % KINDS.len();
            let (Some(kind), Some(series)) = (KINDS.get(at), tps.get_mut(at)) else { continue };
            eprintln!("round {} of {}: {}", round + 1, options.rounds, kind.title());
            start_capture(&blue, *kind).await?;
            // Nobody pays for the pages that the one before left dirty.
            db.run("CHECKPOINT").await?;
            series.push(transactions_a_second(&blue, &options).await?);
            let captured = capture::read_outbox(&db).await?.captured;
            if *kind == Kind::OneInTwenty {
                let transactions: i64 = db.row("SELECT count(*) FROM pgbench_history", &[]).await?.get(0);
                events.push(captured as f64 / (transactions as f64 * WRITES) * 100.0);
            } else if captured > 0 {
                return Err(Failure::failed(format!("{captured} events, where there should be none")));
            }
            capture::remove(&db).await?;
        }
    }

    let [nothing, never, some] = &tps;
    let mut document = Document::new("capture", &QUICK, &["postgres", "pgbench"]);
    for (name, value) in [("clients", options.clients), ("seconds", options.seconds), ("scale", options.scale)] {
        document.measured(name, value);
    }
    document.measured("rounds", options.rounds);
    document.measured("cores_for_pgbench_and_server", std::thread::available_parallelism().map_or(0, usize::from));
    document.figure("no_event_tps", nothing);
    document.figure("event_never_tps", never);
    document.figure("events_tps", some);
    document.figure("event_never_ratio", &never.over(nothing));
    document.figure("events_ratio", &some.over(nothing));
    document.figure("events_percent_of_writes", &events);
    let ratio = |series: &Series| series.over(nothing).median();
    document.target(Target::at_least("an event that never happens, of the tps without", ratio(never), 0.95));
    document.target(Target::at_least("5 % of the writes are events, of the tps without", ratio(some), 0.90));
    let title = format!(
        "pgbench on blue, {} clients, {} rounds of {} s each",
        options.clients, options.rounds, options.seconds
    );
    let mut sheet = Sheet::new(title, &["transactions a second", "median (least–most)", "ratio (least–most)"]);
    for (kind, series) in KINDS.iter().zip(&tps) {
        let over = series.over(nothing);
        let ratio = format!("{} ({}–{})", times(over.median()), times(over.least()), times(over.most()));
        sheet.row([kind.title().to_owned(), spread(series), ratio]);
    }
    sheet.note(format!(
        "Ratios are taken round by round. Events were {:.1} % of the writes. Nothing waits for a disk, so that all of \
         our cost shows.",
        events.median()
    ));
    sheet.finish(&document)
}

async fn start_capture(blue: &postgres::Target, kind: Kind) -> Result<()> {
    let Some(predicate) = kind.predicate() else { return Ok(()) };
    let db = blue.connect(Access::ReadWrite).await?;
    db.run(include_str!("../src/postgres/sql/create_run.sql")).await?;
    capture::create_outbox(&db).await?;
    let event = Event {
        name: "balance no longer low".to_owned(),
        table: "pgbench_accounts".to_owned(),
        when: When::Ends(predicate.to_owned()),
        key: None,
        replay: vec!["UPDATE pgbench_accounts SET abalance = :abalance WHERE aid = :aid".to_owned()],
        verify: "SELECT 1 WHERE false".to_owned(),
    };
    let captured = capture::resolve(&db, &event, &read_tables(&db).await?).await?;
    capture::capture(&db, &captured, 1500, capture::OUTBOX_BUDGET).await?;
    Ok(())
}

/// One run of pgbench's own transaction (TPC-B-like), prepared: the lightest way, so that our share is the largest.
async fn transactions_a_second(blue: &postgres::Target, options: &Options) -> Result<f64> {
    let (clients, seconds) = (options.clients.to_string(), options.seconds.to_string());
    let args = ["--client", &clients, "--jobs", "2", "--time", &seconds, "--protocol", "prepared"];
    let said = pgbench(blue, &args).await?;
    let tps = said.lines().find_map(|line| line.strip_prefix("tps = ")?.split(' ').next()?.parse().ok());
    tps.ok_or_else(|| Failure::failed("pgbench named no tps").detail(said))
}

async fn pgbench(blue: &postgres::Target, args: &[&str]) -> Result<String> {
    let mut command = Command::new(program("pgbench"));
    command.envs(blue.program_env()).env("LC_MESSAGES", "C").args(args).kill_on_drop(true);
    let done = command.output().await.context("pgbench")?;
    if done.status.success() {
        return Ok(String::from_utf8_lossy(&done.stdout).into_owned());
    }
    let said = String::from_utf8_lossy(&done.stderr).trim().to_owned();
    Err(Failure::failed(format!("pgbench: {}", done.status)).detail(said))
}
