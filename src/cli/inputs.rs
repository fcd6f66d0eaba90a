//! What a command works from: the plan file, the migrations, and what is seen of both databases.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::Timestamp;
use tokio_util::sync::CancellationToken;

use super::{PlanArg, explain, look_in_place};
use crate::catalog::{Structure, Table, read_structure, read_tables};
use crate::ddl::{self, Folder, Ignored, Migration, Standing};
use crate::engine::{copy_step, run_folder};
use crate::error::{Failure, Result};
use crate::finding::Finding;
use crate::journal::Store;
use crate::lever;
use crate::plan::{Lever, MigrationSource, Outline, ParticipantKind, Plan, read_outline, read_plan};
use crate::planner::{Seen, steps};
use crate::postgres::{Access, Db};
use crate::program::{Beyond, Program};
use crate::report::{FolderSeen, PlanDoc, Subject, plan_doc};
use crate::{guard, migrate};

/// The plan and its migrations.
pub struct Inputs {
    pub plan: Plan,
    /// What the folder has to run; empty for a command.
    pub migrations: Vec<Migration>,
    /// What lies there and is never run.
    pub ignored: Vec<Ignored>,
}

impl PlanArg {
    /// The plan file: as named, else the one plan of this folder.
    pub fn path(&self) -> Result<PathBuf> {
        match &self.plan {
            Some(path) => Ok(path.clone()),
            None => the_only_plan(),
        }
    }

    /// Reads no more of the plan than finds what a run left beside it: its variables need not be set.
    pub fn outline(&self) -> Result<Outline> {
        read_outline(&self.path()?, &|name| std::env::var(name).ok())
    }
}

/// Reads the plan, with `${NAME}` from the environment.
pub fn read(path: &Path) -> Result<Plan> {
    read_plan(path, &|name| std::env::var(name).ok())
}

impl Inputs {
    /// Reads the plan file and the folder that it names.
    pub async fn read(path: &Path) -> Result<Self> {
        Self::of(read(path)?).await
    }

    /// Reads the folder that the plan names. A database is asked only where the files alone don't say whose they are.
    pub async fn of(plan: Plan) -> Result<Self> {
        let MigrationSource::Folder(dir) = &plan.migrations.source else { return Ok(Self::alone(plan)) };
        let Folder { migrations, ignored, .. } =
            migrate::read_migrations(dir, &plan.migrations, &async || any_side(&plan).await).await?;
        Ok(Self { plan, migrations, ignored })
    }

    /// The plan alone, for commands that run no migration: the folder may be gone by then.
    pub fn plan_alone(path: &Path) -> Result<Self> {
        read(path).map(Self::alone)
    }

    fn alone(plan: Plan) -> Self {
        Self { plan, migrations: Vec::new(), ignored: Vec::new() }
    }
}

/// Blue, or green where blue is gone: green is its copy and keeps the same books.
async fn any_side(plan: &Plan) -> Result<Db> {
    match plan.blue.connect(Access::ReadOnly).await {
        Ok(blue) => Ok(blue),
        Err(gone) => plan.green.connect(Access::ReadOnly).await.map_err(|_| gone.into()),
    }
}

/// A folder's one `*.toml` that is a plan: it names databases.
fn the_only_plan() -> Result<PathBuf> {
    let here = std::fs::read_dir(".")?.filter_map(Result::ok).map(|entry| entry.path());
    let is_plan = |path: &PathBuf| {
        path.extension().is_some_and(|e| e == "toml")
            && std::fs::read_to_string(path).is_ok_and(|text| text.contains("[databases]"))
    };
    let mut plans: Vec<PathBuf> = here.filter(is_plan).collect();
    plans.sort();
    match plans.as_slice() {
        [one] => Ok(one.strip_prefix(".").unwrap_or(one).to_owned()),
        [] => Err(Failure::usage("no plan named, and this folder holds none")
            .hint("name it: migrate <command> path/to/plan.toml, or set MIGRATE_PLAN; a first one is made by: migrate init --help")),
        several => {
            let names: Vec<String> = several.iter().map(|path| path.display().to_string()).collect();
            Err(Failure::usage(format!("no plan named, and this folder holds {}: {}", several.len(), names.join(", ")))
                .hint("name one: migrate <command> PLAN"))
        }
    }
}

/// What is seen of blue, green and the migrations, as the document that `plan` shows and `apply` begins from.
/// `resuming`: green holds what this run put there.
pub async fn look(inputs: &Inputs, resuming: bool) -> Result<PlanDoc> {
    if inputs.plan.is_in_place() {
        return look_in_place::look(inputs, resuming).await;
    }
    let Inputs { plan, migrations, .. } = inputs;
    let (blue, green) = guard::connect_both(plan).await?;
    let mut findings = guard::check(plan, &blue, &green, resuming).await?;
    let tables = read_tables(&blue).await?;
    // The copy will have what blue has.
    let books = read_books(inputs, &blue).await?;
    let standings = &books.standings;
    let pending: Vec<&Migration> =
        migrations.iter().zip(standings).filter(|(_, standing)| standing.is_pending()).map(|(m, _)| m).collect();
    findings.extend(books.findings);
    findings.extend(pending.iter().flat_map(|migration| migration.findings()));
    let seen = seen(&tables, pending);
    findings.extend(unproved(plan));
    findings.extend(plan.idle_accepts(&[], |id| !explain::is_known(id)));
    findings.sort_by_key(|finding| finding.severity);
    let steps = steps(plan, &seen);
    let structure = read_structure(&blue).await?;
    let folder = FolderSeen { migrations, standings, ignored: &inputs.ignored, table: books.table };
    let run = if resuming { Store::read(&run_folder(plan))?.map(|(run, _)| run) } else { None };
    let turned = run.as_ref().map(lever::turned_at).unwrap_or_default();
    let copied = run.is_some_and(|run| run.is_done(&copy_step()));
    Ok(plan_doc(Subject {
        plan,
        protections: [blue.protection(), green.protection()],
        seen: &seen,
        folder,
        tables: &tables,
        structure,
        steps,
        findings,
        now: Timestamp::now(),
        turned,
        copied,
    }))
}

fn seen<'a>(tables: &[Table], pending: Vec<&'a Migration>) -> Seen<'a> {
    let holding: Vec<&Table> = tables.iter().filter(|table| table.holds_rows()).collect();
    Seen { pending, live: Vec::new(), tables: holding.len(), bytes: holding.iter().map(|table| table.bytes).sum() }
}

/// The folder against blue's bookkeeping.
pub struct Books {
    /// Where each migration stands, in the folder's order.
    pub standings: Vec<Standing>,
    /// Whose table keeps the books, as people read it.
    pub table: Option<String>,
    /// What is wrong in them.
    pub findings: Vec<Finding>,
}

pub async fn read_books(inputs: &Inputs, blue: &Db) -> Result<Books> {
    let Inputs { plan, migrations, .. } = inputs;
    let Some(layout) = migrations.first().map(|migration| migration.layout) else {
        return Ok(Books { standings: Vec::new(), table: None, findings: Vec::new() });
    };
    let recorded = migrate::read_recorded(blue, &plan.migrations, layout).await?;
    let table = migrate::table_name(&plan.migrations, layout);
    let named = table.as_deref().unwrap_or("the plan's applied");
    let findings = ddl::pending::findings(layout, migrations, &recorded, named);
    Ok(Books { standings: ddl::standings(migrations, &recorded), table, findings })
}

/// What the plan leaves without proof.
pub fn unproved(plan: &Plan) -> Vec<Finding> {
    let mut findings = Vec::new();
    if plan.events.is_empty() && !plan.is_in_place() {
        findings.push(
            Finding::warning("plan/no-events", "plan", "it captures no events")
                .so_what("with writes = \"events\", nothing that blue writes after the copy reaches green"),
        );
    }
    if plan.checks.is_empty() {
        findings.push(
            Finding::warning("plan/no-checks", "plan", "it has no checks")
                .so_what("a migration that marks valid rows invalid would pass: counts and constraints don't see it")
                .next("add a [[check]] for what must hold on both sides"),
        );
    }
    for spec in &plan.participants {
        let half_undone = match &spec.kind {
            ParticipantKind::Command { prepare, abort, .. } => prepare.is_some() && abort.is_none(),
            ParticipantKind::Http(requests) => requests.prepare.is_some() && requests.abort.is_none(),
            ParticipantKind::File { .. } => false,
        };
        if half_undone {
            findings.push(
                Finding::warning(
                    "plan/no-abort",
                    format!("participant {}", spec.name),
                    "it has a prepare and no abort",
                )
                .so_what("a cutover that is undone leaves it prepared")
                .next("add an abort, which undoes its prepare"),
            );
        }
        if let ParticipantKind::Http(requests) = &spec.kind {
            findings.extend(requests.all().find(|request| request.is_open()).map(|request| {
                Finding::warning(
                    "plan/not-encrypted",
                    format!("participant {}", spec.name),
                    format!("{request} is plain HTTP"),
                )
                .so_what("whoever is on the way reads what it sends, secrets too, and can change what it answers")
                .next("use https, with ca = \"…\" where its authority is your own")
            }));
        }
    }
    let of_levers = |lever: &Lever| {
        let programs = [Some(&lever.before), lever.after.as_ref()].into_iter().flatten();
        missing_programs(plan, &format!("lever {}", lever.name), programs, "the step that runs it would fail")
    };
    findings.extend(plan.levers.iter().flat_map(of_levers));
    findings.extend(plan.participants.iter().flat_map(|spec| {
        let ParticipantKind::Command { prepare, commit, committed, abort } = &spec.kind else { return Vec::new() };
        let programs = prepare.iter().chain([commit, committed]).chain(abort);
        let so_what = "a cutover from this machine would be undone, unless its prepare brings it";
        missing_programs(plan, &format!("participant {}", spec.name), programs, so_what)
    }));
    findings
}

/// Programs that this machine has not.
fn missing_programs<'p>(
    plan: &Plan,
    whose: &str,
    programs: impl Iterator<Item = &'p Vec<String>>,
    so_what: &str,
) -> Vec<Finding> {
    let env = BTreeMap::new();
    let there = |argv: &&Vec<String>| {
        Program { argv, folder: plan.folder(), env: &env, timeout: None, keep: 0, beyond: Beyond::Drop }.is_there()
    };
    let finding = |argv: &Vec<String>| {
        let name = argv.first().map(String::as_str).unwrap_or_default();
        Finding::warning("plan/program-missing", whose, format!("{name} is not there"))
            .so_what(so_what)
            .next("a name with a / is relative to the plan's folder, any other is looked up on PATH")
    };
    programs.filter(|argv| !there(argv)).map(finding).collect()
}

/// Blue's structure, for the drift of a saved plan.
pub async fn structure(plan: &Plan) -> Result<Structure> {
    read_structure(&guard::connect(&plan.blue).await?).await
}

/// Cancelled by the first Ctrl-C or SIGTERM; a second one ends the program on the spot, which blue survives: whatever
/// holds it ends with our sessions.
pub fn stop_on_signals() -> CancellationToken {
    let stop = CancellationToken::new();
    let cancelled = stop.clone();
    tokio::spawn(async move {
        let Ok(mut term) = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()) else { return };
        for first in [true, false] {
            tokio::select! {
                _ = tokio::signal::ctrl_c() => {}
                _ = term.recv() => {}
            }
            if first {
                eprintln!("stopping at the next safe point (again: at once)");
                cancelled.cancel();
            }
        }
        std::process::exit(1);
    });
    stop
}

/// The steps end by themselves when they are asked to stop; what has not ended some time later is dropped.
pub async fn cancelled_for(stop: &CancellationToken, grace: Duration) {
    stop.cancelled().await;
    tokio::time::sleep(grace).await;
}
