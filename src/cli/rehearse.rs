//! `migrate rehearse`: the whole run on throwaway servers, from a dump or a staging database, to one verdict.

use std::cell::{Cell, RefCell};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use clap::{Args, ValueEnum};
use jiff::Timestamp;
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};
use tokio_util::sync::CancellationToken;

use super::inputs::{Inputs, cancelled_for, look, stop_on_signals};
use super::progress::listen;
use super::upgrade::{Meanwhile, upgrade};
use super::{Output, PlanArg};
use crate::cutover::{Approval, LiveApproval, Mode};
use crate::engine::{self, Begin};
use crate::error::{Context, Failure, Result};
use crate::finding::{Finding, blockers};
use crate::journal::{Recorder, Store};
use crate::lever;
use crate::migrate;
use crate::plan::{MigrationSource, Plan, Rehearsal, StandIns, read_rehearsal};
use crate::postgres::Access;
use crate::rehearse::{
    self, Blue, Clients, ClientsSeen, EventMade, Green, Measured, Moment, Pause, Raise, RehearsalDoc, Source, Traffic,
    rehearsal_text, saved,
};
use crate::report::{RunReport, run_report, text};
use crate::sandbox::Server;
use crate::step::{Action, Notice, NoticeBody, Notices, Phase, Step, StepId};

#[derive(Debug, Args)]
pub struct RehearseArgs {
    #[command(flatten)]
    plan: PlanArg,
    /// A dump (pg_dump, custom, directory or tar), or the URL of a staging database, which is only read: postgres://…,
    /// or '${NAME}' from the environment
    #[arg(long, value_name = "SOURCE", required_unless_present = "from_env", conflicts_with = "from_env")]
    from: Option<String>,
    /// The variable that holds the staging database's URL: no secret in the list of processes
    #[arg(long, value_name = "NAME")]
    from_env: Option<String>,
    /// Write the verdict as JUnit XML
    #[arg(long, value_name = "FILE")]
    junit: Option<PathBuf>,
    /// Say failures as workflow commands on stderr; by itself where GITHUB_ACTIONS is true
    #[arg(long, value_enum)]
    annotations: Option<Annotations>,
    /// Let the servers' folders stay, and say how to start them
    #[arg(long)]
    keep: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Annotations {
    Github,
    None,
}

/// How long what runs may take to stop by itself.
const GRACE: Duration = Duration::from_secs(10);

pub async fn run(args: RehearseArgs, out: &Output) -> Result<()> {
    let stop = stop_on_signals();
    let rehearsed = rehearse(&args, out, &stop);
    tokio::select! {
        done = rehearsed => done,
        () = cancelled_for(&stop, GRACE) => Err(interrupted()),
    }
}

fn interrupted() -> Failure {
    Failure::failed("interrupted").state("the source was only read; the throwaway servers are gone")
}

fn env(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

async fn rehearse(args: &RehearseArgs, out: &Output, stop: &CancellationToken) -> Result<()> {
    let (begun, begun_at) = (Instant::now(), Timestamp::now());
    let path = args.plan.path()?;
    let source = match (&args.from_env, &args.from) {
        (Some(name), _) => Source::from_variable(name, &env)?,
        (None, from) => Source::parse(from.as_deref().unwrap_or_default(), &env)?,
    };
    // What is wrong with the plan or its files is said before anything is started.
    let nowhere = |side: &str| format!("postgres://rehearsal@127.0.0.1/{side}");
    let stand_ins = StandIns { blue: nowhere("blue"), green: nowhere("green") };
    let first = read_rehearsal(&path, &env, &stand_ins)?.plan;
    read_files(&first).await?;

    let (listener, shown) = listen(out);
    let notices = Notices::new(StepId::new(Phase::Prepare, "source"), Some(listener.clone()));
    let blue = rehearse::raise(&Raise { source: &source, jobs: first.jobs, notices: &notices, stop }).await?;
    let green = if first.is_in_place() { None } else { Some(rehearse::empty_green(&blue).await?) };
    drop(notices);

    let stand_ins = StandIns { blue: blue.url(), green: green.as_ref().map_or_else(|| blue.url(), Green::url) };
    let Rehearsal { mut plan, left_out } = read_rehearsal(&path, &env, &stand_ins)?;
    // Beside the server's data, so that its guard removes it too, whatever ends us.
    plan.journal_dir = blue.server.folder().join("rehearsal");
    let inputs = Inputs::of(plan).await?;
    let ran = Box::pin(Ran::of(&inputs, &blue, green.as_ref(), stop, listener)).await;
    let _ = shown.await;
    if stop.is_cancelled() {
        return Err(interrupted());
    }
    let servers = || std::iter::once(&blue.server).chain(green.as_ref().map(|green| &green.server));
    if let Some(failure) = ran.failure.as_ref().and_then(|failure| rehearse::no_room(failure, servers())) {
        return Err(failure);
    }

    let doc = document(
        &ran,
        (&first, &path, &args.again(&path)),
        blue.origin.clone(),
        blue.server.major(),
        left_out,
        (begun, begun_at),
    );
    saved::write(&first.journal_dir, &doc)?;
    if let Some(file) = &args.junit {
        std::fs::write(file, rehearse::junit(&doc)?).with_context(|| file.display().to_string())?;
    }
    annotate(args, &doc)?;
    out.result(&doc, || rehearsal_text(&doc));
    if args.keep {
        out.say(&keep(&blue, green.as_ref())?);
    }
    if doc.verdict == "passed" {
        return Ok(());
    }
    let what = doc.failure.as_ref().map_or_else(|| "see above".to_owned(), |failure| failure.what.clone());
    let state = if args.keep {
        "the throwaway servers are stopped; their folders stay"
    } else {
        "the throwaway servers are gone; nothing else was touched"
    };
    Err(Failure::blocked(format!("the verdict is: failed: {what}")).state(state).hint(doc.next))
}

impl RehearseArgs {
    /// The same command, no URL in it.
    fn again(&self, path: &Path) -> String {
        let from = match (&self.from_env, &self.from) {
            (Some(name), _) => format!("--from-env {name}"),
            (None, Some(from)) if Source::is_url(from) => "--from URL".to_owned(),
            (None, from) => format!("--from {}", from.as_deref().unwrap_or_default()),
        };
        format!("migrate rehearse {} {from}", path.display())
    }
}

/// The migrations, as far as they can be told without a database: whose files they are may stand in blue's bookkeeping.
async fn read_files(plan: &Plan) -> Result<()> {
    let MigrationSource::Folder(folder) = &plan.migrations.source else { return Ok(()) };
    let asked = Cell::new(false);
    let nobody = async || {
        asked.set(true);
        Err(Failure::failed("there is no database yet"))
    };
    match migrate::read_migrations(folder, &plan.migrations, &nobody).await {
        Err(e) if !asked.get() => Err(e),
        _ => Ok(()),
    }
}

/// What a run on the throwaway servers came to.
struct Ran {
    findings: Vec<Finding>,
    failure: Option<Failure>,
    events: Vec<EventMade>,
    pause: Option<Duration>,
    clients: Option<ClientsSeen>,
    report: Option<RunReport>,
}

impl Ran {
    async fn of(
        inputs: &Inputs,
        blue: &Blue,
        green: Option<&Green>,
        stop: &CancellationToken,
        listener: UnboundedSender<Notice>,
    ) -> Self {
        let mut ran = Self {
            findings: blue.findings.clone(),
            failure: None,
            events: Vec::new(),
            pause: None,
            clients: None,
            report: None,
        };
        let heard = Box::pin(ran.go(inputs, stop, listener, (blue, green))).await;
        if let Err(failure) = heard {
            ran.failure = Some(failure);
        }
        ran.report = Store::read(&engine::run_folder(&inputs.plan))
            .ok()
            .flatten()
            .and_then(|(run, entries)| run_report(&run, &entries).ok());
        ran
    }

    async fn go(
        &mut self,
        inputs: &Inputs,
        stop: &CancellationToken,
        listener: UnboundedSender<Notice>,
        (blue, green): (&Blue, Option<&Green>),
    ) -> Result<()> {
        let doc = look(inputs, false).await?;
        self.findings.extend(doc.findings.iter().cloned());
        if let Some(blocker) = blockers(&doc.findings).next() {
            let more = blockers(&doc.findings).count();
            return Err(Failure::blocked(format!(
                "{}: {}: {}",
                text::count(more, "blocker"),
                blocker.id,
                blocker.what
            )));
        }
        let traffic = Traffic::new(&blue.target, &inputs.plan.events).await?;
        let (tee, found) = overhear(listener);
        let begin = Begin {
            plan: &inputs.plan,
            migrations: &inputs.migrations,
            steps: Some(doc.steps),
            redo: None,
            stop: stop.clone(),
            listener: tee,
        };
        let mut recorder = engine::begin(begin).await?;
        recorder.accept(&doc.findings).await?;
        let done = match green {
            Some(green) => Box::pin(self.copied(inputs, &mut recorder, traffic, (blue, green), stop)).await,
            None => Box::pin(self.in_place(inputs, &mut recorder, blue)).await,
        };
        let done = match done {
            Ok(()) => engine::finish_recorded(&inputs.plan, false, &mut recorder).await.map(drop),
            Err(e) => Err(levers_back(&inputs.plan, &mut recorder, e).await),
        };
        recorder.close().await;
        for finding in found.await.unwrap_or_default() {
            if !self.findings.contains(&finding) {
                self.findings.push(finding);
            }
        }
        done
    }

    /// Under the events of the plan, and a client that notes how long it can't write at the fence.
    async fn copied(
        &mut self,
        inputs: &Inputs,
        recorder: &mut Recorder,
        traffic: Traffic,
        (blue, green): (&Blue, &Green),
        stop: &CancellationToken,
    ) -> Result<()> {
        let (traffic, pause) = (RefCell::new(Some(traffic)), RefCell::new(None));
        let meanwhile = Meanwhile {
            before: async |step: &Step| {
                let mut client = traffic.take();
                let done = match &mut client {
                    Some(client) => at(client, step).await,
                    None => Ok(()),
                };
                traffic.replace(client);
                done
            },
            approve: async |_: &Approval| {
                let mut client = traffic.take();
                if let Some(client) = &mut client {
                    // What blue refuses here is met by the cutover itself.
                    let _ = client.make(Moment::BeforeFence).await;
                    client.start(Moment::AcrossFence);
                }
                traffic.replace(client);
                pause.replace(Pause::start(&blue.target, &green.target, stop.clone()).await.ok());
                true
            },
            switched: || {},
        };
        let done = Box::pin(upgrade(inputs, recorder, meanwhile)).await;
        let pause = pause.take();
        if let (Ok(()), Some(pause)) = (&done, pause) {
            self.pause = pause.end().await;
        }
        let counted = match traffic.take() {
            Some(mut client) => client.count(&green.target).await,
            None => Ok(Vec::new()),
        };
        match (done, counted) {
            (Ok(()), counted) => self.events = counted?,
            (Err(e), counted) => {
                self.events = counted.unwrap_or_default();
                return Err(e);
            }
        }
        Ok(())
    }

    /// Under clients of every table.
    async fn in_place(&mut self, inputs: &Inputs, recorder: &mut Recorder, blue: &Blue) -> Result<()> {
        let plan = &inputs.plan;
        let clients = Clients::start(&blue.target).await?;
        let done = async {
            engine::apply(plan, &inputs.migrations, recorder).await?;
            let approve = async |_: &LiveApproval| true;
            engine::cut_over_in_place(plan, recorder, Mode::Switch(approve)).await.map(drop)
        };
        let done = Box::pin(done).await;
        // Why the run failed says more than why its clients did.
        let seen = match (clients.stop().await, &done) {
            (Err(_), Err(_)) => return done,
            (seen, _) => seen?,
        };
        self.findings.extend(seen.findings(plan.migrations.lock_timeout));
        self.clients = Some(seen);
        done
    }
}

/// However a rehearsal ends, what stands in for a lever is turned back; one that can't be is said.
async fn levers_back(plan: &Plan, recorder: &mut Recorder, e: Failure) -> Failure {
    let blue = plan.blue.connect(Access::ReadWrite).await.ok();
    match lever::turn_back(plan, Some(recorder), blue.as_ref(), |_| true).await {
        Ok(left) if left.is_empty() => e,
        Ok(left) => {
            let left: Vec<String> = left.iter().map(ToString::to_string).collect();
            e.state(format!("still turned: {}", left.join("; ")))
        }
        Err(unknown) => e.state(format!("whether a lever's stand-in is still turned is unknown: {unknown}")),
    }
}

/// What is written to blue before a step.
async fn at(client: &mut Traffic, step: &Step) -> Result<()> {
    match step.action {
        Action::Copy => client.make(Moment::BeforeCopy).await,
        Action::MigrateFile { .. } | Action::MigrateCommand => {
            if client.is_at_work() {
                return Ok(());
            }
            client.make(Moment::BeforeMigrations).await?;
            client.start(Moment::DuringMigrations);
            Ok(())
        }
        Action::CheckMigrated => client.settle().await,
        _ => Ok(()),
    }
}

/// Passes notices on and keeps what was found.
fn overhear(listener: UnboundedSender<Notice>) -> (UnboundedSender<Notice>, tokio::task::JoinHandle<Vec<Finding>>) {
    let (sender, mut heard) = unbounded_channel::<Notice>();
    let keep = async move {
        let mut found = Vec::new();
        while let Some(notice) = heard.recv().await {
            if let NoticeBody::Found { finding } = &notice.body {
                found.push(finding.clone());
            }
            let _ = listener.send(notice);
        }
        found
    };
    (sender, tokio::spawn(keep))
}

fn document(
    ran: &Ran,
    (first, path, again): (&Plan, &Path, &str),
    source: rehearse::Origin,
    server_major: u32,
    left_out: Vec<String>,
    (begun, begun_at): (Instant, Timestamp),
) -> RehearsalDoc {
    let lost: u64 = ran.events.iter().map(|event| event.lost).sum();
    let run_failed = ran.report.as_ref().is_none_or(|report| report.verdict != "passed");
    let failure = ran
        .failure
        .clone()
        .or_else(|| (lost > 0).then(|| Failure::blocked(format!("{lost} acknowledged events were not captured"))));
    let failed = failure.is_some() || run_failed;
    let pause_ms = ran.pause.map(|pause| u64::try_from(pause.as_millis()).unwrap_or(u64::MAX));
    let path = path.display();
    RehearsalDoc {
        format: "teal.rehearsal/1",
        plan: first.name.clone(),
        verdict: if failed { "failed" } else { "passed" },
        begun_at,
        seconds: (begun.elapsed().as_secs_f64() * 10.0).round() / 10.0,
        source,
        server_major,
        measured: ran.report.as_ref().map(|report| Measured::of(report, pause_ms)).unwrap_or_default(),
        events: ran.events.clone(),
        clients: ran.clients.clone(),
        left_out,
        findings: ran.findings.clone(),
        failure: failure.as_ref().map(Into::into),
        run: ran.report.clone(),
        next: if failed {
            format!("mend it, then: {again}")
        } else {
            format!("migrate report {path}; for the real databases: migrate plan {path}")
        },
    }
}

fn annotate(args: &RehearseArgs, doc: &RehearsalDoc) -> Result<()> {
    let wanted = match args.annotations {
        Some(wanted) => wanted == Annotations::Github,
        None => env("GITHUB_ACTIONS").is_some_and(|value| value == "true"),
    };
    if wanted {
        let root = env("GITHUB_WORKSPACE").map_or_else(std::env::current_dir, |root| Ok(PathBuf::from(root)))?;
        // The runner reads them off both streams; stdout may be JSON.
        eprint!("{}", rehearse::annotations(doc, &root));
    }
    Ok(())
}

/// Lets the servers' folders stay; says how to get at them.
fn keep(blue: &Blue, green: Option<&Green>) -> Result<String> {
    let kept: Vec<(&str, &Server, &str)> = std::iter::once(("blue", &blue.server, blue.target.dbname()))
        .chain(green.map(|green| ("green", &green.server, green.target.dbname())))
        .collect();
    let mut said = String::from("Kept, stopped; start and ask with:\n");
    for (name, server, database) in &kept {
        let file = server.keep()?;
        said.push_str(&format!(
            "  {name}: {}\n  PGPASSFILE={} psql -h 127.0.0.1 -p {} -U postgres {database}\n",
            server.start_command(),
            file.display(),
            server.port(),
        ));
    }
    let folders: Vec<String> = kept.iter().map(|(_, server, _)| server.folder().display().to_string()).collect();
    said.push_str(&format!("  away with it: stop each, then rm -r {}\n", folders.join(" ")));
    Ok(said)
}
