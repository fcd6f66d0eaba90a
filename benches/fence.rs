//! The fence on many tables with many busy clients: how long until it stands, how long until blue is open again, and the
//! longest that any client waited.

#![allow(clippy::print_stderr)] // a program of its own: progress goes to stderr

mod clients;
mod measure;

use std::time::{Duration, Instant};

use clap::Args;
use clients::{Clients, Writes};
use measure::document::{Document, Target};
use measure::options::asked;
use measure::series::Series;
use measure::servers::{QUICK, admin};
use measure::table::Sheet;
use teal::catalog::{Table, read_tables};
use teal::cutover::{Fence, Order, put_up_fence, take_fence_down};
use teal::error::Result;
use teal::journal::RunId;
use teal::postgres::{self, Access, Db};
use teal::sandbox::Server;
use teal::step::{NoticeBody, Notices, Phase, StepId};
use tokio::sync::mpsc::unbounded_channel;

/// How long the fence is held: in a cutover the drain comes here. Long enough that every client that writes stands behind
/// it.
const HELD: Duration = Duration::from_millis(100);
/// From one try to the next: the queues of the one before are gone.
const BETWEEN: Duration = Duration::from_millis(400);
/// How long transactions are counted without and with the open fence.
const OPEN: Duration = Duration::from_secs(4);
/// A cutover's own deadline, by default.
const DEADLINE: Duration = Duration::from_secs(5);

/// After so many fences that came to nothing, no more are tried.
const GIVEN_UP: u32 = 2;

/// The fence on many tables with many busy clients
#[derive(Args)]
struct Options {
    /// Tables
    #[arg(long, default_value_t = 500)]
    tables: usize,
    /// Clients, each with a session of its own, none of which ever pauses
    #[arg(long, default_value_t = 64)]
    clients: usize,
    /// Fences of each kind of clients
    #[arg(long, default_value_t = 20)]
    tries: usize,
}

/// What the fences of one kind of clients took, in milliseconds.
#[derive(Default)]
struct Taken {
    /// From the request that writers wait behind, in the attempt that got the fence, to the standing fence.
    ready: Series,
    /// From the beginning of the first attempt, in which nobody waits yet.
    with_attempts: Series,
    attempts: Series,
    /// From ROLLBACK until the last of the waiting clients has gone on.
    reopened: Series,
    /// The longest a client waited for an answer, the time it was held included.
    pause: Series,
    /// The longest wait of a client while there was no fence.
    usual: Series,
    /// To put the fence up, open.
    put_up: Series,
    /// The longest that a client waited meanwhile.
    put_up_pause: Series,
    /// Transactions a second while it stands open, of those before.
    open: Series,
    /// Fences that were given up.
    failed: u32,
}

#[tokio::main]
async fn main() -> Result<()> {
    let Some(options) = asked::<Options>() else { return Ok(()) };
    let server = Server::start(&QUICK)?;
    admin(&server).await?.run("CREATE DATABASE blue").await?;
    let blue = postgres::Target::parse("blue", &server.url("blue"))?;
    let db = blue.connect(Access::ReadWrite).await?;
    let tables = prepare(&db, options.tables).await?;

    let mut document = Document::new("fence", &QUICK, &["postgres"]);
    document.measured("tables", options.tables);
    document.measured("clients", options.clients);
    document.measured("tries", options.tries);
    document.measured("held_ms", u64::try_from(HELD.as_millis()).unwrap_or(0));
    let title = format!(
        "Fence on {} tables, {} busy clients, {} tries each, held for {} ms",
        options.tables,
        options.clients,
        options.tries,
        HELD.as_millis()
    );
    let mut sheet = Sheet::new(title, &["milliseconds", "p50", "p95", "most"]);
    for (writes, name, key) in [
        (Writes::One, "one table a transaction", "one"),
        (Writes::TwoInOrder, "two tables, by name", "two"),
        (Writes::Two, "two tables, in any order", "two_any"),
        (Writes::LockedTwo, "a row locked first, then two tables", "locked_two"),
    ] {
        eprintln!("{} clients, {name}", options.clients);
        let clients = Clients::start(&server.url("blue"), options.clients, options.tables, writes).await?;
        let taken = fences(&blue, &tables, &clients, options.tries).await?;
        let per_second = clients.stop().await?;
        take_fence_down(&db).await?;
        sheet.row([format!("{name}: {per_second:.0} a second, {} given up", taken.failed)]);
        for (what, series) in [
            ("to put it up, open", &taken.put_up),
            ("… longest pause of a client meanwhile", &taken.put_up_pause),
            ("from the request to ready", &taken.ready),
            ("… earlier attempts included", &taken.with_attempts),
            ("from ROLLBACK to all going on", &taken.reopened),
            ("longest pause of a client", &taken.pause),
            ("… while there was no fence", &taken.usual),
        ] {
            let show = |value: f64| if series.is_empty() { "—".to_owned() } else { format!("{value:.1}") };
            let (p50, p95) = (series.quantile(0.5), series.quantile(0.95));
            sheet.row([format!("· {what}"), show(p50), show(p95), show(series.most())]);
        }
        let open = taken.open.median();
        sheet.row([format!("· transactions a second while it stands open: {open:.2} of before")]);
        document.figure(&format!("{key}_open_of_before"), &taken.open);
        for (what, series) in [
            ("put_up_ms", &taken.put_up),
            ("put_up_longest_pause_ms", &taken.put_up_pause),
            ("ready_ms", &taken.ready),
            ("ready_with_attempts_ms", &taken.with_attempts),
            ("attempts", &taken.attempts),
            ("reopened_ms", &taken.reopened),
            ("longest_pause_ms", &taken.pause),
            ("longest_wait_without_fence_ms", &taken.usual),
        ] {
            document.figure(&format!("{key}_{what}"), series);
        }
        document.measured(&format!("{key}_given_up"), taken.failed);
        let deadline = millis(DEADLINE);
        document.target(Target::at_most(format!("{name}: longest pause in ms"), taken.pause.most(), deadline));
        document.target(Target::at_most(format!("{name}: fences given up"), f64::from(taken.failed), 0.0));
    }
    sheet.finish(&document)
}

/// The tables, and the row of a run whose token the fence asks for.
async fn prepare(db: &Db, tables: usize) -> Result<Vec<Table>> {
    for n in 0..tables {
        db.run(&format!(
            "CREATE TABLE {0} (id int4 PRIMARY KEY, n int8 NOT NULL DEFAULT 0) WITH (fillfactor = 50); \
             INSERT INTO {0} SELECT generate_series(1, {1})",
            clients::name(n),
            clients::ROWS
        ))
        .await?;
    }
    db.run("VACUUM (FREEZE, ANALYZE)").await?;
    db.run(include_str!("../src/postgres/sql/create_run.sql")).await?;
    db.run(
        "INSERT INTO teal.run (plan, run, journal_host, journal_path, who, host, pid, token, seq, state) \
         VALUES ('bench', 'bench-1', '', '', '', '', 0, 1, 1, 'ready')",
    )
    .await?;
    read_tables(db).await
}

/// Puts the fence up among the clients, and counts what they do before and while it stands open.
async fn put_up(blue: &postgres::Target, tables: &[Table], clients: &Clients, taken: &mut Taken) -> Result<()> {
    let before = clients.rate_for(OPEN).await;
    clients.forget();
    let asked = Instant::now();
    put_up_fence(blue, tables, "bench", &Notices::new(StepId::new(Phase::Cutover, "put-up"), None)).await?;
    let stands = Instant::now();
    taken.put_up.push(millis(stands - asked));
    taken.put_up_pause.push(millis(clients.longest_between(asked, stands)));
    taken.open.push(clients.rate_for(OPEN).await / before);
    eprintln!("  up in {:.0} ms", millis(stands - asked));
    Ok(())
}

async fn fences(blue: &postgres::Target, tables: &[Table], clients: &Clients, tries: usize) -> Result<Taken> {
    let run = RunId("bench-1".to_owned());
    let order = Order { run: &run, token: 1, host: "bench", tables, deadline: DEADLINE };
    let mut taken = Taken::default();
    put_up(blue, tables, clients, &mut taken).await?;
    for _ in 0..tries {
        // Each of them takes half a minute to give up; the next would tell nothing new.
        if taken.failed >= GIVEN_UP {
            break;
        }
        clients.forget();
        let quiet = Instant::now();
        tokio::time::sleep(BETWEEN).await;
        taken.usual.push(millis(clients.longest_between(quiet, Instant::now())));
        let (to, mut heard) = unbounded_channel();
        let notices = Notices::new(StepId::new(Phase::Cutover, "fence"), Some(to));
        let asked = Instant::now();
        let fence = Fence::take(blue, &order, async |_| Ok(()), &notices).await;
        let ready = Instant::now();
        drop(notices);
        let mut attempts = 1.0;
        while let Some(notice) = heard.recv().await {
            attempts += f64::from(u8::from(matches!(notice.body, NoticeBody::Waiting { .. })));
        }
        taken.attempts.push(attempts);
        let Ok(fence) = fence else {
            taken.failed += 1;
            taken.pause.push(millis(clients.longest_between(asked, ready)));
            continue;
        };
        taken.ready.push(millis(ready - fence.since));
        taken.with_attempts.push(millis(ready - asked));
        tokio::time::sleep(HELD).await;
        let opened = Instant::now();
        fence.let_go().await;
        let answered = Instant::now();
        // Whoever stood behind the fence has an answer by then, or its pause shows as longer than this.
        tokio::time::sleep(BETWEEN).await;
        let last = clients.last_of_those_waiting_at(opened).unwrap_or(answered).max(answered);
        taken.reopened.push(millis(last - opened));
        taken.pause.push(millis(clients.longest_between(asked, Instant::now())));
    }
    Ok(taken)
}

fn millis(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1000.0
}
