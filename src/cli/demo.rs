//! `migrate demo`: all of it on two throwaway servers under live traffic, with an independent ledger.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use clap::Args;
use serde::Serialize;
use tokio_util::sync::CancellationToken;

use super::Output;
use super::inputs::{Inputs, cancelled_for, look, stop_on_signals};
use super::progress::listen;
use super::upgrade::{Meanwhile, upgrade as upgrade_to_the_end};
use crate::cutover::Approval;
use crate::demo::schema::{PlanPaths, prepare_blue, write_files};
use crate::demo::{Audit, Side, Traffic};
use crate::engine::{self, Begin};
use crate::error::{Context, Failure, Result};
use crate::finding::blockers;
use crate::journal::Store;
use crate::plan::read_plan;
use crate::postgres::{Access, Target};
use crate::report::{PlanDoc, RunReport, plan_text, run_report, run_text, text};
use crate::sandbox::{Folder, Server};
use crate::step::{Step, StepId};
use crate::units::{show_bytes, show_millis};

/// Clients that log in, refresh, introspect, revoke and log out all the while.
const CLIENTS: usize = 8;
/// Acknowledged writes on blue before the upgrade begins, and on green before the demo ends.
const WARM: u64 = 200;
/// How long to wait for them.
const PATIENCE: Duration = Duration::from_secs(30);

#[derive(Debug, Args)]
pub struct DemoArgs {
    /// Access tokens on blue; the other tables are in proportion
    #[arg(long, default_value_t = 100_000)]
    rows: u64,
    /// Where plan, journal and report are written; by default a new folder below the temporary one, which stays where
    /// the upgrade was tried
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
    /// PostgreSQL's major version for green; this machine must have its server programs
    #[arg(long, value_name = "MAJOR")]
    green_version: Option<u32>,
}

#[derive(Serialize)]
struct DemoDoc {
    format: &'static str,
    outcome: &'static str,
    seconds: f64,
    write_pause_ms: u64,
    writes: WritesDoc,
    events: EventsDoc,
    checks: ChecksDoc,
    report: PathBuf,
}

#[derive(Serialize)]
struct WritesDoc {
    blue: u64,
    lost: u64,
}

#[derive(Serialize)]
struct EventsDoc {
    captured: u64,
    replayed: u64,
    verified: u64,
    lost: u64,
}

#[derive(Serialize)]
struct ChecksDoc {
    passed: usize,
    failed: usize,
}

/// Two servers, the demo's folder, and live clients.
struct Stage {
    green: Target,
    paths: PlanPaths,
    dir: PathBuf,
    /// The same where it is ours: gone with us unless there is something to read in it.
    own: Option<Folder>,
    urls: [(&'static str, String); 3],
    // Dropped last: the servers end with it.
    _servers: [Server; 2],
}

pub async fn run(args: DemoArgs, out: &Output) -> Result<()> {
    let begun = Instant::now();
    let stop = stop_on_signals();
    let demo = play(&args, out, &stop, begun);
    tokio::select! {
        done = demo => done,
        () = cancelled_for(&stop, Duration::from_secs(10)) => Err(Failure::failed("interrupted").state("both servers are gone")),
    }
}

async fn play(args: &DemoArgs, out: &Output, stop: &CancellationToken, begun: Instant) -> Result<()> {
    let mut stage = set_the_stage(args, out).await?;
    let traffic = Traffic::start(&stage.paths.conf, CLIENTS, fastrand::u64(..));
    wait_for_writes(&traffic, Side::Blue, WARM, stop).await?;
    out.say(&format!(
        "{CLIENTS} clients log in, refresh, introspect, revoke and log out; they find their database in {}.\n\n",
        stage.paths.conf.display()
    ));

    let inputs = read_inputs(&stage).await?;
    let doc = look(&inputs, false).await?;
    show_plan(&doc, &stage, out)?;
    traffic.mark("apply");
    let upgraded = Box::pin(upgrade(&inputs, doc, stop, &traffic, out)).await;
    if upgraded.is_ok() {
        wait_for_writes(&traffic, Side::Green, WARM, stop).await?;
    }
    let ledger = traffic.stop().await;
    if let (false, Some(own)) = (stop.is_cancelled(), stage.own.take()) {
        own.keep()?;
    }
    upgraded.map_err(|e| e.state(format!("both servers are gone; plan and journal lie in {}", stage.dir.display())))?;

    let green = stage.green.connect(Access::ReadOnly).await?;
    let audit = ledger.audit(&green).await?;
    let report = write_report(&inputs, &stage.dir)?;
    let doc = demo_doc(&audit, &report, begun, &stage.dir);
    out.result(&doc, || demo_text(&doc, &audit, &report));
    if doc.outcome == "passed" {
        Ok(())
    } else {
        Err(Failure::blocked("the demo's own ledger and the report do not both say that all is well")
            .hint(format!("read {}", doc.report.display())))
    }
}

async fn set_the_stage(args: &DemoArgs, out: &Output) -> Result<Stage> {
    let own = match &args.dir {
        Some(_) => None,
        None => Some(Folder::new(&std::env::temp_dir(), "teal-demo-")?),
    };
    let dir = match (&args.dir, &own) {
        (Some(dir), _) => std::path::absolute(dir)?,
        (None, own) => own.as_ref().map(|own| own.path().to_owned()).unwrap_or_default(),
    };
    let green = match args.green_version {
        Some(major) => Server::start_major(major, &[]),
        None => Server::start(&[]),
    };
    let servers = [Server::start(&[]).context("blue")?, green.context("green")?];
    let [blue, green] = &servers;
    out.say(&format!(
        "Two throwaway servers, blue of PostgreSQL {}, green of {}; blue gets {} access tokens.\n",
        blue.major(),
        green.major(),
        text::thousands(args.rows)
    ));
    for server in &servers {
        let admin = Target::parse("server", &server.url("postgres"))?.connect(Access::ReadWrite).await?;
        admin.run("CREATE DATABASE oauth").await?;
    }
    let urls =
        [("BLUE_URL", blue.url("oauth")), ("GREEN_URL", green.url("oauth")), ("DEMO_DIR", dir.display().to_string())];
    let (blue, green) = (blue.url("oauth"), green.url("oauth"));
    let paths = write_files(&dir, &blue, &green)?;
    let (blue, green) = (Target::parse("blue", &blue)?, Target::parse("green", &green)?);
    prepare_blue(&blue, args.rows).await?;
    Ok(Stage { green, paths, dir, own, urls, _servers: servers })
}

async fn read_inputs(stage: &Stage) -> Result<Inputs> {
    let env = |name: &str| stage.urls.iter().find(|(known, _)| *known == name).map(|(_, value)| value.clone());
    Inputs::of(read_plan(&stage.paths.plan, &env)?).await
}

fn show_plan(doc: &PlanDoc, stage: &Stage, out: &Output) -> Result<()> {
    let file = stage.dir.join("plan.txt");
    let whole = plan_text(doc);
    std::fs::write(&file, console::strip_ansi_codes(&whole).as_ref()).with_context(|| file.display().to_string())?;
    let bytes: u64 = doc.tables.iter().map(|table| table.bytes).sum();
    let pending = doc.migrations.iter().filter(|migration| migration.pending).count();
    out.say(&format!(
        "Plan {}: {}, {}, {}, {}, {} (whole: {})\n",
        doc.plan,
        text::count(pending, "migration"),
        show_bytes(bytes),
        text::count(doc.events.len(), "event"),
        text::count(doc.participants.len(), "participant"),
        text::count(doc.checks.len(), "check"),
        file.display(),
    ));
    out.say(&doc.findings.iter().map(text::finding).collect::<String>());
    match blockers(&doc.findings).next() {
        None => Ok(()),
        Some(blocker) => Err(Failure::blocked(format!("{}: {}", blocker.id, blocker.what))),
    }
}

/// apply and cutover, as the commands of their names do them.
async fn upgrade(
    inputs: &Inputs,
    doc: PlanDoc,
    stop: &CancellationToken,
    traffic: &Traffic,
    out: &Output,
) -> Result<()> {
    let (listener, shown) = listen(out);
    let begin = Begin {
        plan: &inputs.plan,
        migrations: &inputs.migrations,
        steps: Some(doc.steps),
        redo: None::<StepId>,
        stop: stop.clone(),
        listener,
    };
    let mut recorder = engine::begin(begin).await?;
    let meanwhile = Meanwhile {
        before: async |_: &Step| Ok(()),
        approve: async |_: &Approval| {
            traffic.mark("cutover");
            true
        },
        switched: || traffic.mark("switched"),
    };
    let done = upgrade_to_the_end(inputs, &mut recorder, meanwhile).await;
    recorder.close().await;
    let _ = shown.await;
    done
}

async fn wait_for_writes(traffic: &Traffic, side: Side, wanted: u64, stop: &CancellationToken) -> Result<()> {
    let until = Instant::now() + PATIENCE;
    loop {
        let seen = traffic.ledger().sides.get(&side).map_or(0, |counts| counts.writes);
        if seen >= wanted {
            return Ok(());
        }
        if stop.is_cancelled() {
            return Err(Failure::failed("interrupted"));
        }
        if Instant::now() > until {
            return Err(Failure::failed(format!(
                "the clients got only {seen} writes through in {} s",
                PATIENCE.as_secs()
            )));
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

fn write_report(inputs: &Inputs, dir: &Path) -> Result<RunReport> {
    let folder = engine::run_folder(&inputs.plan);
    let (run, entries) = Store::read(&folder)?.ok_or_else(|| Failure::failed("the journal is gone"))?;
    let report = run_report(&run, &entries)?;
    std::fs::write(dir.join("report.txt"), console::strip_ansi_codes(&run_text(&report)).as_ref())?;
    std::fs::write(dir.join("report.json"), serde_json::to_string_pretty(&report)? + "\n")?;
    Ok(report)
}

fn demo_doc(audit: &Audit, report: &RunReport, begun: Instant, dir: &Path) -> DemoDoc {
    let checks = report.checks.iter().filter(|check| check.binding);
    let (passed, failed): (Vec<_>, Vec<_>) = checks.partition(|check| check.outcome.passed);
    let tally = report.events.as_ref().map(|events| events.tally).unwrap_or_default();
    let verified = report.events.as_ref().map(|events| events.verified.clone()).unwrap_or_default();
    let lost = verified.failed + audit.revocations_lost.len() as u64;
    let well = lost == 0 && audit.green_writes_lost == 0 && report.verdict == "passed";
    DemoDoc {
        format: "teal.demo/1",
        outcome: if well { "passed" } else { "failed" },
        seconds: (begun.elapsed().as_secs_f64() * 10.0).round() / 10.0,
        write_pause_ms: audit.longest_pause_ms.max(audit.longest_write_ms),
        writes: WritesDoc { blue: audit.blue_writes, lost: audit.writes_not_travelled },
        events: EventsDoc {
            captured: tally.captured,
            replayed: tally.applied,
            verified: verified.holds + verified.superseded,
            lost,
        },
        checks: ChecksDoc { passed: passed.len(), failed: failed.len() },
        report: dir.join("report.txt"),
    }
}

fn demo_text(doc: &DemoDoc, audit: &Audit, report: &RunReport) -> String {
    let n = text::thousands;
    let tally = report.events.as_ref().map(|events| events.tally).unwrap_or_default();
    let fence = report.cutover.as_ref().and_then(|cutover| cutover.fence_millis);
    let not_travelled: Vec<String> =
        audit.not_travelled_by_kind.iter().map(|(kind, rows)| format!("{} {}", n(*rows), kind.word())).collect();
    let row = |name: &str, value: String| vec![name.to_owned(), value];
    let rows = vec![
        row(
            "revocations",
            format!(
                "{} captured on blue: {} applied on green, {} in the copy already, {} of rows that green never had",
                n(tally.captured),
                n(tally.applied),
                n(tally.in_copy + tally.reversed),
                n(tally.nothing_to_do)
            ),
        ),
        row("", format!("{} verified one by one, {} lost", n(doc.events.verified), n(doc.events.lost))),
        row(
            "own ledger",
            format!(
                "{} revocations acknowledged to clients from start to end, {} of them still alive on green",
                n(audit.revocations_acknowledged),
                audit.revocations_lost.len()
            ),
        ),
        row(
            "did not travel",
            format!(
                "{} of {} rows written to blue: they came after the copy, and writes = \"events\" carries events only",
                n(doc.writes.lost),
                n(doc.writes.blue)
            ),
        ),
        row("", not_travelled.join(", ")),
        row(
            "longest pause",
            format!(
                "{} for any client; blue's writers were held for {}",
                show_millis(doc.write_pause_ms),
                fence.map_or_else(|| "an unknown time".to_owned(), show_millis)
            ),
        ),
        row("after it", format!("{} rows written to green", n(audit.writes_on_green))),
        row("checks", format!("{} passed, {} failed", doc.checks.passed, doc.checks.failed)),
        row("report", doc.report.display().to_string()),
    ];
    let rows: Vec<Vec<String>> = rows.into_iter().filter(|row| row.iter().any(|cell| !cell.is_empty())).collect();
    format!(
        "{}{}\nDemo {} in {} s. Next: read the report, then try your own: migrate plan PLAN\n",
        text::heading("What happened"),
        text::table(&[], rows),
        doc.outcome,
        doc.seconds
    )
}
