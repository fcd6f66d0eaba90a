//! From the plan and what was seen of blue and the migrations to the steps of a run. Pure and synchronous: it asks
//! nobody, and leaves no meaningful choice to execution.

mod in_place;

use std::time::Duration;

use crate::ddl::Migration;
use crate::error::{Failure, Result};
use crate::plan::{Lever, MigrationSource, Plan, digest};
use crate::step::{Action, LivePart, Phase, Step, StepId};
use crate::units::{count, show_millis};

/// What was seen that the steps depend on.
#[derive(Debug)]
pub struct Seen<'a> {
    /// The folder's files that blue, and so its copy, has not in yet, in the order they run; empty for a command.
    pub pending: Vec<&'a Migration>,
    /// In place, what is run of each of them on blue; empty otherwise.
    pub live: Vec<Vec<LivePart>>,
    /// User tables that hold rows.
    pub tables: usize,
    /// Their bytes.
    pub bytes: u64,
}

/// The steps of a run up to `ready`, in the order in which they act.
pub fn steps(plan: &Plan, seen: &Seen<'_>) -> Vec<Step> {
    if plan.is_in_place() {
        return in_place::steps(plan, seen);
    }
    let mut steps = vec![step(plan, Phase::Prepare, "green", Action::PrepareGreen, "our schema and run row on green")];
    steps.extend(plan.levers.iter().map(|lever| turn_lever(plan, lever)));
    // After all of them are turned: what several take to have an effect passes at once.
    steps.extend(plan.levers.iter().filter(|lever| !lever.wait.is_zero()).map(|lever| await_lever(plan, lever)));
    steps.push(step(plan, Phase::Capture, "outbox", Action::CreateOutbox, "outbox for events on blue"));
    for event in &plan.events {
        let action = Action::CaptureEvent { event: event.name.clone() };
        let title = format!("capture {:?} on {}", event.name, event.table);
        steps.push(step(plan, Phase::Capture, &event.name, action, &title));
    }
    let copy = format!("copy {} tables, {}, in one snapshot", seen.tables, crate::units::show_bytes(seen.bytes));
    steps.extend([
        step(plan, Phase::Snapshot, "copy", Action::Copy, &copy),
        step(plan, Phase::Snapshot, "indexes", Action::BuildIndexes, "indexes, primary keys, unique constraints"),
        step(plan, Phase::Snapshot, "foreign-keys", Action::AddForeignKeys, "foreign keys"),
        step(plan, Phase::Snapshot, "rest", Action::RestoreRest, "triggers, rules, policies, comments"),
        step(plan, Phase::Snapshot, "sequences", Action::SetSequences, "sequences and database settings"),
        step(plan, Phase::Snapshot, "analyze", Action::Analyze, "statistics for the planner"),
        step(plan, Phase::Validate, "copy", Action::ProveCopy, "row counts and digests of the copy"),
    ]);
    match &plan.migrations.source {
        MigrationSource::Command { argv, .. } => {
            let title = format!("run {}", argv.first().map(String::as_str).unwrap_or_default());
            steps.push(step(plan, Phase::Migrate, "command", Action::MigrateCommand, &title));
        }
        MigrationSource::Folder(_) => {
            for migration in &seen.pending {
                let action = Action::MigrateFile { file: migration.file.clone() };
                let statements = migration.sql.statements.len();
                let title = count(statements, "statement");
                let id = StepId::new(Phase::Migrate, &migration.file);
                let digest = migration_digest(plan, migration);
                steps.push(Step { id, phase: Phase::Migrate, title, action, digest });
            }
        }
    }
    steps.extend([
        step(plan, Phase::Validate, "migrated", Action::CheckMigrated, "checks: blue at the copy, green migrated"),
        step(plan, Phase::Replay, "gate", Action::CloseGreen, "green refuses writes of others"),
        step(plan, Phase::Replay, "events", Action::ReplayEvents, "replay events until green has caught up"),
        step(plan, Phase::Validate, "green", Action::ValidateGreen, "constraints, indexes, sequences, every event"),
    ]);
    steps
}

fn step(plan: &Plan, phase: Phase, object: &str, action: Action, title: &str) -> Step {
    let digest = action_digest(plan, &action);
    Step { id: StepId::new(phase, object), phase, title: title.to_owned(), action, digest }
}

fn turn_lever(plan: &Plan, lever: &Lever) -> Step {
    let action = Action::TurnLever { lever: lever.name.clone() };
    let digest = action_digest(plan, &action);
    let title = format!("turn it: run {}", lever.before.first().map(String::as_str).unwrap_or_default());
    Step { id: StepId::turn_lever(&lever.name), phase: Phase::Prepare, title, action, digest }
}

fn await_lever(plan: &Plan, lever: &Lever) -> Step {
    let action = Action::AwaitLever { lever: lever.name.clone() };
    let digest = action_digest(plan, &action);
    let wait = u64::try_from(lever.wait.as_millis()).unwrap_or(u64::MAX);
    let title = format!("wait until it has taken effect: {} from when it was turned", show_millis(wait));
    Step { id: StepId::await_lever(&lever.name), phase: Phase::Prepare, title, action, digest }
}

/// A step as it would be planned now: its digest from today's plan and files. Fails where its input is gone.
pub fn refresh(step: &Step, plan: &Plan, migrations: &[Migration]) -> Result<Step> {
    let gone = |what: String| {
        Failure::blocked(format!("step {}: {what} is gone", step.id))
            .state("nothing was done")
            .hint("bring it back, or begin anew: migrate abort")
    };
    let mut now = step.clone();
    now.digest = match &step.action {
        Action::MigrateFile { file } | Action::MigrateLive { file, .. } => {
            let migration = migrations.iter().find(|migration| migration.file == *file);
            migration_digest(plan, migration.ok_or_else(|| gone(format!("migration {file}")))?)
        }
        Action::CaptureEvent { event } if !plan.events.iter().any(|e| e.name == *event) => {
            return Err(gone(format!("event {event:?}")));
        }
        Action::TurnLever { lever } | Action::AwaitLever { lever } if !plan.levers.iter().any(|l| l.name == *lever) => {
            return Err(gone(format!("lever {lever:?}")));
        }
        action => action_digest(plan, action),
    };
    Ok(now)
}

/// What decides a migration file's effect: its bytes, how its statements run, and the bookkeeping done with it.
fn migration_digest(plan: &Plan, migration: &Migration) -> String {
    let crate::plan::Migrations { record, table, .. } = &plan.migrations;
    let apart = if migration.apart.is_some() { "apart" } else { "together" };
    let own = [&migration.file, &migration.checksum, &migration.version, &migration.description];
    let books =
        [migration.layout.name, apart, record.as_deref().unwrap_or_default(), table.as_deref().unwrap_or_default()];
    digest(own.into_iter().map(String::as_bytes).chain(books.into_iter().map(str::as_bytes)))
}

/// What decides an action's effect. Timeouts, jobs and gates are in none.
fn action_digest(plan: &Plan, action: &Action) -> String {
    let mut parts: Vec<String> = Vec::new();
    match action {
        Action::PrepareGreen => parts.push(plan.green.address()),
        Action::PrepareBlue => parts.push(plan.blue.address()),
        Action::ValidateBlue => parts.extend(plan.checks.iter().map(crate::plan::Check::digest)),
        Action::CreateOutbox | Action::Copy => parts.extend([plan.blue.address(), plan.green.address()]),
        Action::CaptureEvent { event } => {
            parts.extend(plan.events.iter().filter(|e| e.name == *event).map(crate::plan::Event::capture_digest));
        }
        Action::TurnLever { lever } => {
            parts.extend(plan.levers.iter().filter(|l| l.name == *lever).map(Lever::turn_digest));
        }
        // How long it takes is a setting.
        Action::AwaitLever { lever } => parts.push(lever.clone()),
        Action::MigrateCommand => parts.push(plan.migrations_digest()),
        Action::CheckMigrated => {
            let kept = plan.checks.iter().filter(|check| check.compares() && !check.is_live());
            parts.extend(kept.map(crate::plan::Check::digest));
        }
        // What is asked live, or of green alone, is asked again with every validation.
        Action::ValidateGreen => {
            let asked = plan.checks.iter().filter(|check| !check.compares() || check.is_live());
            parts.extend(asked.map(crate::plan::Check::digest));
        }
        Action::ReplayEvents => parts.extend(plan.events.iter().map(crate::plan::Event::replay_digest)),
        // What is asked is looked for by its own digest.
        Action::AskBefore
        | Action::MigrateFile { .. }
        | Action::MigrateLive { .. }
        | Action::BuildIndexes
        | Action::AddForeignKeys
        | Action::RestoreRest
        | Action::SetSequences
        | Action::Analyze
        | Action::ProveCopy
        | Action::CloseGreen => {}
    }
    digest(parts.iter().map(String::as_bytes))
}

/// How long it takes to become ready, from rates measured on two cores (field-notes.md): an order of magnitude, with
/// its basis said.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Estimate {
    /// Copy, indexes and digests, in seconds.
    pub copy_seconds: u64,
    /// Until every lever has taken effect, in seconds.
    #[serde(default)]
    pub wait_seconds: u64,
    /// The migrations, in seconds; 0 where an own migrator runs.
    pub migrate_seconds: u64,
    /// Where the figures come from.
    pub basis: String,
}

impl Estimate {
    /// From now to `ready`.
    pub fn ready_in(&self) -> Duration {
        Duration::from_secs(self.wait_seconds + self.copy_seconds + self.migrate_seconds)
    }
}

/// Bytes a second of copy, indexes and digests together, per core or job, whichever are fewer (2.4 GB in 28 s with two
/// jobs, digests on top: field-notes.md).
const COPY_RATE: u64 = 20 << 20;
/// Rows a second of whole-table writes in migrations (15 k to 23 k, field-notes.md).
const WRITE_RATE: u64 = 15_000;

/// Estimates from sizes: `rewritten_rows` are the rows of the tables that pending statements write whole.
pub fn estimate(bytes: u64, jobs: usize, rewritten_rows: u64, files: usize) -> Estimate {
    let lanes = std::thread::available_parallelism().map_or(1, std::num::NonZero::get).min(jobs).max(1) as u64;
    Estimate {
        wait_seconds: 0,
        copy_seconds: bytes / (COPY_RATE * lanes) + 2,
        migrate_seconds: rewritten_rows / WRITE_RATE + files as u64 / 10 + 1,
        basis: "rates measured on two cores; rehearse for a true figure".to_owned(),
    }
}
