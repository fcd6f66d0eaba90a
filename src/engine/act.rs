//! What each action does, and the probe for a step that was found started.

use std::path::Path;
use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBuilder};
use serde_json::{Value, json};
use tokio::task::JoinHandle;

use super::checks;
use super::dead_letter::dead_letters;
use super::edits::Edits;
use super::kept;
use super::results::{CopyResult, MigratedResult, ProofResult, ValidatedResult, copy_result};
use crate::capture;
use crate::catalog::{read_tables, waiting_for};
use crate::ddl::{Migration, standings};
use crate::error::{Failure, Result};
use crate::finding::{Finding, blockers};
use crate::journal::{Recorder, Run};
use crate::migrate;
use crate::plan::{MigrationSource, Plan};
use crate::postgres::{Access, Db};
use crate::replay::{self, Applier};
use crate::snapshot;
use crate::step::{Action, Notices, Step, Unit};
use crate::units::{count, show_bytes, show_millis};
use crate::validate;

/// CREATE TRIGGER must outlast `deadlock_timeout` (1 s by default) to displace an autovacuum (mechanics.md).
const CAPTURE_LOCK_TIMEOUT_MS: u64 = 1500;
/// Attempts at the triggers of one event, with jitter between them.
const CAPTURE_ATTEMPTS: usize = 12;
/// Replay has caught up when a pass finds no more than this.
const CAUGHT_UP: u64 = 100;

/// Acts for one process of a run; holds what outlives a step in memory.
pub struct Act<'a> {
    pub(super) plan: &'a Plan,
    pub(super) migrations: &'a [Migration],
    /// Index builds that began while rows were still being copied; awaited by the step after.
    pub(super) indexes: Option<JoinHandle<Result<u64>>>,
    /// The plan file, which may change while the run goes on.
    pub(super) edits: Edits,
}

/// What helps where what is amiss lies on green or in the plan alone.
pub(super) const MENDED: &str = "migrate apply, once it is mended";

/// What an action leaves in the journal, and its outcome in one line.
pub(super) type Done = Result<(Value, String)>;

impl<'a> Act<'a> {
    /// Acts for `plan`.
    pub fn new(plan: &'a Plan, migrations: &'a [Migration]) -> Self {
        Self { plan, migrations, indexes: None, edits: Edits::watch(plan) }
    }

    /// Whether a step that was found started is done; `None`: act again, which every action bears.
    pub async fn probe(&self, step: &Step) -> Result<Option<(Value, String)>> {
        match &step.action {
            Action::CaptureEvent { event } => {
                let there = capture::is_captured(&self.blue().await?, event).await?;
                Ok(there.then(|| (Value::Null, "captured".to_owned())))
            }
            Action::MigrateFile { file } | Action::MigrateLive { file, .. } => {
                let db = if self.plan.is_in_place() { self.blue().await? } else { self.green().await? };
                let Some((digest, facts)) = migrate::already_in(&db, &step.id).await? else {
                    return Ok(None);
                };
                if digest != step.digest {
                    return Err(Failure::blocked(format!(
                        "{file} was committed on {}, and has been edited since",
                        db.name
                    ))
                    .hint("put it back as it was, or: migrate apply --redo snapshot/copy"));
                }
                Ok(Some((kept(&facts)?, "committed".to_owned())))
            }
            _ => Ok(None),
        }
    }

    /// Does it.
    pub async fn act(&mut self, step: &Step, recorder: &mut Recorder, notices: &Notices) -> Done {
        let run = recorder.run();
        match &step.action {
            Action::PrepareGreen => {
                let green = self.green().await?;
                replay::prepare_green(&green).await?;
                snapshot::keep_properties(&green).await?;
                done(Value::Null, "prepared")
            }
            Action::TurnLever { lever } => self.turn_lever(lever).await,
            Action::AwaitLever { lever } => self.await_lever(lever, recorder, notices).await,
            Action::CreateOutbox => {
                capture::create_outbox(&self.blue().await?).await?;
                done(Value::Null, "made")
            }
            Action::CaptureEvent { event } => self.capture(event, notices).await,
            Action::Copy => self.copy(recorder, notices).await,
            Action::BuildIndexes => self.build_indexes(recorder, notices).await,
            Action::AddForeignKeys => {
                let post = self.post_data(recorder.folder()).await?;
                let jobs = self.edits.jobs();
                snapshot::add_foreign_keys(&self.plan.green, &post, jobs, notices, recorder.stop()).await?;
                done(Value::Null, &count(post.foreign_keys.len(), "foreign key"))
            }
            Action::RestoreRest => {
                let post = self.post_data(recorder.folder()).await?;
                snapshot::restore_rest(&self.plan.green, &post, notices, recorder.stop()).await?;
                done(Value::Null, &count(post.rest.len(), "statement"))
            }
            Action::SetSequences => self.set_sequences().await,
            Action::Analyze => {
                snapshot::analyze(&self.plan.green, self.edits.jobs(), notices, recorder.stop()).await?;
                done(Value::Null, "analyzed")
            }
            Action::ProveCopy => self.prove_copy(run, notices).await,
            Action::MigrateFile { file } => self.migrate_file(step, file, recorder, notices).await,
            Action::MigrateCommand => self.migrate_command(recorder).await,
            Action::CheckMigrated => self.check_migrated(recorder, notices).await,
            Action::CloseGreen => {
                let tables = replay::close_green(&self.green().await?).await?;
                done(json!({ "tables": tables }), &format!("{} closed", count(tables, "table")))
            }
            Action::ReplayEvents => self.replay_events(recorder, notices).await,
            Action::ValidateGreen => self.validate_green(recorder, notices).await,
            Action::PrepareBlue => {
                migrate::prepare_blue(&self.blue().await?).await?;
                done(Value::Null, "prepared")
            }
            Action::AskBefore => self.ask_before(recorder).await,
            Action::MigrateLive { file, parts } => self.migrate_live(step, (file, parts), recorder, notices).await,
            Action::ValidateBlue => self.validate_blue(recorder, notices).await,
        }
    }

    pub(super) async fn blue(&self) -> Result<Db> {
        Ok(self.plan.blue.connect(Access::ReadWrite).await?)
    }

    pub(super) async fn green(&self) -> Result<Db> {
        Ok(self.plan.green.connect(Access::ReadWrite).await?)
    }

    pub(super) async fn applier(&self, recorder: &Recorder) -> Result<Applier> {
        let copy = copy_result(recorder.run())?;
        let Plan { blue, green, events, .. } = self.plan;
        Applier::open(blue, green, events, copy.copied(), recorder.token()).await
    }

    async fn capture(&self, name: &str, notices: &Notices) -> Done {
        let event = self.plan.events.iter().find(|event| event.name == name);
        let event = event.ok_or_else(|| Failure::failed(format!("the plan has no event {name:?}")))?;
        let (blue, watcher) = (self.blue().await?, self.plan.blue.connect(Access::ReadOnly).await?);
        let captured = capture::resolve(&blue, event, &read_tables(&blue).await?).await?;
        let pid = blue.backend_pid().await?;
        let mut waits = ExponentialBuilder::new()
            .with_min_delay(Duration::from_millis(300))
            .with_max_delay(Duration::from_secs(5))
            .with_max_times(CAPTURE_ATTEMPTS - 1)
            .with_jitter()
            .build();
        loop {
            let attempt = capture::capture(&blue, &captured, CAPTURE_LOCK_TIMEOUT_MS, capture::OUTBOX_BUDGET);
            let mut holders = Vec::new();
            let watch = async {
                loop {
                    tokio::time::sleep(Duration::from_millis(200)).await;
                    let now = waiting_for(&watcher, pid).await.unwrap_or_default();
                    if !now.is_empty() {
                        holders = now.iter().map(crate::catalog::Holder::describe).collect();
                        notices.waiting(holders.join("; "));
                    }
                }
            };
            let made = tokio::select! {
                made = attempt => made,
                () = watch => continue,
            };
            match made {
                Ok(()) => return done(Value::Null, "captured"),
                Err(e) if e.is_lock() => match waits.next() {
                    Some(wait) => tokio::time::sleep(wait).await,
                    None => {
                        return Err(Failure::from(e)
                            .detail(format!("in the way: {}", holders.join("; ")))
                            .hint("wait for it or end it, then run the same command again"));
                    }
                },
                Err(e) => return Err(e.into()),
            }
        }
    }

    pub(super) async fn post_data(&self, folder: &Path) -> Result<snapshot::PostData> {
        snapshot::read_post_data(&super::copy::archive(folder)).await
    }

    async fn build_indexes(&mut self, recorder: &mut Recorder, notices: &Notices) -> Done {
        let (folder, stop) = (recorder.folder().to_owned(), recorder.stop().clone());
        let (plan, mut edits) = (self.plan, self.edits.clone());
        let (jobs, under_way) = (edits.jobs(), self.indexes.take());
        let building = async {
            if let Some(under_way) = under_way {
                return under_way.await.map_err(|e| Failure::failed(e.to_string()))?;
            }
            let post = self.post_data(&folder).await?;
            super::copy::build_missing(&plan.green, post, jobs, notices.clone(), stop).await
        };
        let built = edits.while_at(building, plan, recorder, notices).await?;
        done(json!({ "indexes": built }), &format!("{built} indexes and constraints"))
    }

    async fn set_sequences(&self) -> Done {
        let (blue, green) = (self.blue().await?, self.green().await?);
        let set = snapshot::set_sequences(&blue, &green, 0).await?;
        snapshot::remember_sequences(&green).await?;
        snapshot::copy_settings(&blue, &green).await?;
        done(Value::Null, &count(set.len(), "sequence"))
    }

    async fn prove_copy(&self, run: &Run, notices: &Notices) -> Done {
        let CopyResult { digests, .. } = copy_result(run)?;
        let jobs = self.edits.jobs().now();
        let open = async || self.plan.green.connect(Access::ReadOnly).await;
        let sessions = snapshot::open_up_to(jobs, notices, open).await?;
        let tables = read_tables(&self.green().await?).await?;
        let tables: Vec<_> = tables.into_iter().filter(crate::catalog::Table::holds_rows).collect();
        let mut green = validate::digest_all(sessions, &tables, notices).await?;
        let sessions = snapshot::open_up_to(jobs, notices, open).await?;
        green.extend(validate::digest_beside_tables(sessions).await?);
        let findings = validate::compare_digests(&digests, &green);
        refuse(
            &findings,
            notices,
            "the copy is not what blue was",
            "make the copy again: migrate apply --redo snapshot/copy",
        )?;
        let rows = digests.iter().map(|digest| digest.rows).sum();
        let proof = ProofResult { tables: digests.len(), rows };
        done(
            kept(&proof)?,
            &format!("{}, {} equal, row by row", count(proof.tables as u64, "table"), count(rows, "row")),
        )
    }

    async fn migrate_file(&self, step: &Step, file: &str, recorder: &Recorder, notices: &Notices) -> Done {
        let migration = self.migrations.iter().find(|migration| migration.file == file);
        let migration = migration.ok_or_else(|| Failure::failed(format!("{file} is gone from the folder")))?;
        let plan = &self.plan.migrations;
        let recorded = migrate::read_recorded(&self.green().await?, plan, migration.layout).await?;
        if !standings(std::slice::from_ref(migration), &recorded).iter().all(|standing| standing.is_pending()) {
            return Err(Failure::blocked(format!(
                "{file}: green's bookkeeping has version {} already",
                migration.version
            ))
            .hint("somebody ran it on green; make the copy again: migrate apply --redo snapshot/copy"));
        }
        let order = migrate::Order { migration, plan, step: &step.id, digest: &step.digest };
        let facts = migrate::run_file(&self.plan.green, &order, notices, recorder.stop()).await?;
        let rows = facts.inserted + facts.updated + facts.deleted;
        done(kept(&facts)?, &format!("{} written, {} WAL", count(rows, "row"), show_bytes(facts.wal_bytes)))
    }

    async fn migrate_command(&self, recorder: &Recorder) -> Done {
        let MigrationSource::Command { argv, env } = &self.plan.migrations.source else {
            return Err(Failure::failed("the plan has no migrator any more"));
        };
        let log = recorder.folder().join("migrator.log");
        let stop = recorder.stop();
        let facts = migrate::run_command(&self.plan.green, argv, env, self.plan.folder(), &log, stop).await?;
        let outcome = format!("{} commits in {}", facts.commits, show_millis(facts.millis));
        done(kept(&facts)?, &outcome)
    }

    async fn check_migrated(&self, recorder: &mut Recorder, notices: &Notices) -> Done {
        let copy = copy_result(recorder.run())?;
        let green = self.plan.green.connect(Access::ReadOnly).await?;
        let checks = checks::compare_with_copy(self.plan, &green, &copy.answers, recorder.folder()).await?;
        let mut findings: Vec<Finding> = checks.iter().filter_map(validate::CheckOutcome::finding).collect();
        self.plan.accept(&mut findings);
        // The rows that a check sees come from the copy and the migrations: mended, these must run on a new copy.
        let hint = "mend what green is asked, then: migrate apply; a migration is run again on a new copy alone: \
                    mend it, then: migrate apply --redo snapshot/copy";
        refuse(&findings, notices, "the migrated copy fails the plan's checks", hint)?;
        recorder.accept(&findings).await?;
        let outcome = format!("{} passed", count(checks.len(), "check"));
        done(kept(&MigratedResult { checks })?, &outcome)
    }

    async fn replay_events(&self, recorder: &mut Recorder, notices: &Notices) -> Done {
        let mut applier = self.applier(recorder).await?;
        self.retry_dead_letters(&mut applier, recorder).await?;
        let mut taken = 0;
        loop {
            if recorder.stop().is_cancelled() {
                return Err(Failure::failed("interrupted"));
            }
            let caught = applier.pass().await?;
            taken += caught.taken;
            notices.progress(taken, 0, Unit::Events, "");
            if caught.taken <= CAUGHT_UP {
                break;
            }
        }
        let tally = replay::read_tally(&self.blue().await?, &self.green().await?).await?;
        done(kept(&tally)?, &tally.line())
    }

    async fn validate_green(&self, recorder: &mut Recorder, notices: &Notices) -> Done {
        // What made a dead letter may have been mended on green itself: no input changed, so no step is done again.
        self.catch_up(recorder).await?;
        let blue = self.plan.blue.connect(Access::ReadOnly).await?;
        let green = self.plan.green.connect(Access::ReadOnly).await?;
        let validated = validate_now(self.plan, &blue, &green, recorder.folder(), notices).await?;
        refuse(&validated.findings, notices, "green is not fit to serve", MENDED)?;
        recorder.accept(&validated.findings).await?;
        let outcome = format!(
            "{} of {} constraints validated, {} of {} indexes valid, {} events verified",
            validated.green.validated,
            validated.green.constraints,
            validated.green.valid,
            validated.green.indexes,
            validated.verified.holds + validated.verified.superseded,
        );
        done(kept(&validated)?, &outcome)
    }
}

/// All that can be asked of green at any time: its objects, every event, live checks, and the checks of green alone.
pub async fn validate_now(
    plan: &Plan,
    blue: &Db,
    green: &Db,
    run_folder: &Path,
    notices: &Notices,
) -> Result<ValidatedResult> {
    let (facts, mut findings) = validate::check_green(green, blue).await?;
    let tally = replay::read_tally(blue, green).await?;
    let verified = replay::verify_events(blue, green, &plan.events, notices).await?;
    if verified.failed > tally.dead {
        findings.push(
            Finding::blocker(
                "event/not-verified",
                "green",
                format!("{} events are not to be seen on green: {}", verified.failed, verified.examples.join(", ")),
            )
            .so_what("what was ended on blue lives on green")
            .next("look at the event's replay and verify in the plan, then: migrate apply"),
        );
    }
    let live =
        checks::ask_now(plan, blue, green, run_folder, "live", |check| check.is_live() || !check.compares()).await?;
    findings.extend(live.iter().filter_map(validate::CheckOutcome::finding));
    plan.accept(&mut findings);
    // One whose loss the plan accepts is none any more once `apply` has given it up.
    findings.extend(dead_letters(green).await?);
    Ok(ValidatedResult { green: facts, tally, verified, checks: live, findings })
}

/// Shows all findings; fails where one is a blocker, with its own next command, else with `hint`.
pub(super) fn refuse(findings: &[Finding], notices: &Notices, what: &str, hint: &str) -> Result<()> {
    for finding in findings {
        notices.found(finding.clone());
    }
    let first = blockers(findings).next();
    first.map_or(Ok(()), |finding| {
        let more = blockers(findings).count() - 1;
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        let next = if finding.next.is_empty() { hint } else { &finding.next };
        Err(Failure::blocked(format!("{what}: {} ({}){more}", finding.object, finding.id)).hint(next))
    })
}

#[allow(clippy::unnecessary_wraps)] // the end of most actions
pub(super) fn done(result: Value, outcome: &str) -> Done {
    Ok((result, outcome.to_owned()))
}
