//! What a run in place does: receipts on blue, the checks before, the files, the checks after.

use super::act::{Act, Done, done, refuse};
use super::results::{BeforeResult, LiveResult, result_of};
use super::{checks, kept};
use crate::cutover::{self, LiveApproval, Mode};
use crate::ddl::standings;
use crate::error::{Failure, Result};
use crate::finding::{Finding, blockers};
use crate::journal::{Recorder, Run};
use crate::migrate::{self, LiveOrder, Order};
use crate::plan::Plan;
use crate::postgres::{Access, Db};
use crate::step::{Action, LivePart, Notices, Phase, Step, StepId};
use crate::units::{count, show_bytes};
use crate::validate;

impl Act<'_> {
    /// Blue's side of every check, before the first statement: programs as well, which nobody can ask about the past.
    pub(super) async fn ask_before(&self, recorder: &Recorder) -> Done {
        let blue = self.plan.blue.connect(Access::ReadOnly).await?;
        let answers = checks::ask_all_of_blue(self.plan, &blue, recorder.folder()).await?;
        let (unsound, _) = validate::read_unsound(&blue).await?;
        let asked = answers.len();
        done(kept(&BeforeResult { answers, unsound })?, &count(asked, "answer"))
    }

    pub(super) async fn migrate_live(
        &self,
        step: &Step,
        (file, parts): (&str, &[LivePart]),
        recorder: &Recorder,
        notices: &Notices,
    ) -> Done {
        let migration = self.migrations.iter().find(|migration| migration.file == file);
        let migration = migration.ok_or_else(|| Failure::failed(format!("{file} is gone from the folder")))?;
        let plan = &self.plan.migrations;
        let recorded = migrate::read_recorded(&self.blue().await?, plan, migration.layout).await?;
        if !standings(std::slice::from_ref(migration), &recorded).iter().all(|standing| standing.is_pending()) {
            return Err(Failure::blocked(format!(
                "{file}: blue's bookkeeping has version {} already",
                migration.version
            ))
            .hint("somebody ran it meanwhile; end this run, then plan anew: migrate abort"));
        }
        let order = Order { migration, plan, step: &step.id, digest: &step.digest };
        let facts = migrate::run_live(&self.plan.blue, &LiveOrder { order, parts }, notices, recorder.stop()).await?;
        let rows = facts.inserted + facts.updated + facts.deleted;
        done(kept(&facts)?, &format!("{} written, {} WAL", count(rows, "row"), show_bytes(facts.wal_bytes)))
    }

    pub(super) async fn validate_blue(&self, recorder: &mut Recorder, notices: &Notices) -> Done {
        let blue = self.plan.blue.connect(Access::ReadOnly).await?;
        let result = validate_live(self.plan, &blue, recorder.run(), recorder.folder()).await?;
        let hint = "mend it on blue, or accept it in the plan; then: migrate apply";
        refuse(&result.findings, notices, "blue is not what the plan says it must be", hint)?;
        recorder.accept(&result.findings).await?;
        let green = result.blue;
        let outcome = format!(
            "{} of {} constraints validated, {} of {} indexes valid, {} passed",
            green.validated,
            green.constraints,
            green.valid,
            green.indexes,
            count(result.checks.iter().filter(|check| check.passed).count(), "check")
        );
        done(kept(&result)?, &outcome)
    }
}

/// All that can be asked of blue after its migrations: objects, and every check, before against after.
pub async fn validate_live(plan: &Plan, blue: &Db, run: &Run, run_folder: &std::path::Path) -> Result<LiveResult> {
    let before: Option<BeforeResult> = result_of(run, |action| *action == Action::AskBefore)?;
    let before = before.unwrap_or_default();
    let (facts, mut findings) = validate::check_live(blue, &before.unsound).await?;
    let outcomes = checks::compare_with_before(plan, blue, &before.answers, run_folder).await?;
    findings.extend(outcomes.iter().filter_map(validate::CheckOutcome::finding));
    plan.accept(&mut findings);
    Ok(LiveResult { blue: facts, checks: outcomes, findings })
}

/// The switch: the checks before it are a gate, the checks after it the proof.
pub async fn cut_over_in_place<A>(plan: &Plan, recorder: &mut Recorder, mode: Mode<A>) -> Result<Vec<Failure>>
where
    A: AsyncFnOnce(&LiveApproval) -> bool,
{
    let folder = recorder.folder().to_owned();
    let given = super::given(plan, recorder.run(), &folder)?;
    let run = recorder.run().clone();
    let dry_run = matches!(mode, Mode::DryRun);
    let found = async || {
        let blue = plan.blue.connect(Access::ReadOnly).await?;
        let found = validate_live(plan, &blue, &run, &folder).await?.findings;
        Ok(found.into_iter().map(|finding| unless_past(plan, finding)).collect())
    };
    let still_turned = cutover::switch_in_place(&given, recorder, found, mode).await?;
    if !dry_run {
        prove_in_place(plan, recorder).await?;
    }
    Ok(still_turned)
}

/// What is compared with before the migrations was held to it when they were done: clients have written since, so that a
/// difference is shown, and stops nobody.
fn unless_past(plan: &Plan, finding: Finding) -> Finding {
    let asks_before = |check: &&crate::plan::Check| validate::sides_of(check).iter().any(|(side, _)| side == "blue");
    let past = finding.id == "check/failed"
        && plan.checks.iter().filter(asks_before).any(|check| finding.object == format!("check {}", check.name));
    if !past {
        return finding;
    }
    Finding::note("check/differs", finding.object, finding.what)
        .so_what("it held after the migrations; see whether the difference is what clients wrote since")
}

/// Every check once more, when everybody has switched.
async fn prove_in_place(plan: &Plan, recorder: &mut Recorder) -> Result<()> {
    let step = StepId::new(Phase::Cutover, "proof");
    if recorder.run().is_done(&step) {
        return Ok(());
    }
    let since = recorder.begin(&step, "every check, after the switch").await?;
    let (run, folder) = (recorder.run().clone(), recorder.folder().to_owned());
    let asked = async {
        let blue = plan.blue.connect(Access::ReadOnly).await?;
        let mut result = validate_live(plan, &blue, &run, &folder).await?;
        result.findings = result.findings.into_iter().map(|finding| unless_past(plan, finding)).collect();
        Ok::<_, Failure>(result)
    };
    let serves = "everybody has switched; blue serves";
    let result =
        asked.await.map_err(|e| e.context("the proof after the switch").state(serves).hint("migrate cutover"))?;
    let notices = recorder.notices(&step);
    for finding in &result.findings {
        notices.found(finding.clone());
    }
    recorder.accept(&result.findings).await?;
    let passed = result.checks.iter().filter(|check| check.passed).count();
    recorder.finish(&step, since, kept(&result)?, &format!("{} passed", count(passed, "check"))).await?;
    let failed: Vec<String> = blockers(&result.findings).map(|f| format!("{}: {}", f.object, f.what)).collect();
    if failed.is_empty() {
        return Ok(());
    }
    Err(Failure::blocked(failed.join("; ")).state(serves).hint("migrate report names each; mend them by hand"))
}

/// A server that took over for blue may lack what the journal calls done: a file's receipt commits with its last statement.
pub(super) async fn refuse_lost_files(plan: &Plan, run: &Run) -> Result<()> {
    let done =
        run.steps.iter().filter(|step| matches!(step.action, Action::MigrateLive { .. }) && run.is_done(&step.id));
    let blue = plan.blue.connect(Access::ReadOnly).await?;
    for step in done {
        if migrate::already_in(&blue, &step.id).await?.is_none() {
            let what = format!("blue has no receipt of {}, which the journal calls done", step.id);
            return Err(Failure::blocked(what)
                .state(
                    "nothing was done; blue was replaced by a server that lacks it, or somebody took our schema down",
                )
                .hint("see what of the file is there; then end this run and plan anew: migrate abort"));
        }
    }
    Ok(())
}
