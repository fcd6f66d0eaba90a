//! `migrate validate`: all that can be asked now; the exit code is the verdict.

use clap::Args;
use serde::Serialize;

use super::inputs::Inputs;
use super::{Output, PlanArg};
use crate::catalog::Timelines;
use crate::engine::{self, CopyResult, LiveResult, ValidatedResult, validate_now};
use crate::error::{Failure, Result};
use crate::finding::blockers;
use crate::journal::{Run, State};
use crate::plan::Plan;
use crate::report::text;
use crate::step::{Action, Notices, Phase, StepId};
use crate::validate::CheckOutcome;

#[derive(Debug, Args)]
pub struct ValidateArgs {
    #[command(flatten)]
    plan: PlanArg,
}

#[derive(Serialize)]
struct ValidateDoc {
    format: &'static str,
    plan: String,
    state: &'static str,
    verdict: &'static str,
    #[serde(flatten)]
    result: ValidatedResult,
    next: String,
}

pub async fn run(args: ValidateArgs, out: &Output) -> Result<()> {
    let path = args.plan.path()?;
    out.about(&path);
    let Inputs { plan, .. } = Inputs::plan_alone(&path)?;
    let folder = engine::run_folder(&plan);
    let run = crate::journal::Store::read(&folder)?.map(|(run, _)| run);
    let state = run.as_ref().map_or(State::New, |run| run.state);
    if matches!(state, State::New | State::Applying | State::Aborted | State::Finished) {
        return Err(Failure::blocked(format!("the run is {state}: there is nothing to validate")).hint(match state {
            State::Finished => format!("what was proved stands in: migrate report {}", path.display()),
            _ => format!("migrate apply {}", path.display()),
        }));
    }
    if plan.is_in_place() {
        return in_place(&plan, &run.unwrap_or_default(), out).await;
    }
    let (blue, green) = crate::guard::connect_both(&plan).await?;
    // After the decision green is like any other database: it may fail over.
    if let Some(run) = run.filter(|_| !state.is_decided())
        && let Some(copy) = engine::result_of::<CopyResult>(&run, |action| *action == Action::Copy)?
    {
        copy.timelines.refuse_failover(&Timelines::read(&blue, &green).await?)?;
    }
    let notices = Notices::new(StepId::new(Phase::Validate, "now"), None);
    let mut result = validate_now(&plan, &blue, &green, &folder, &notices).await?;
    result.findings = result.findings.iter().map(|finding| out.finding(finding)).collect();
    let failed = blockers(&result.findings).count();
    let next = if failed > 0 {
        format!("clear what is said above, then: migrate validate {}", path.display())
    } else if state == State::Ready {
        format!("migrate cutover {}", path.display())
    } else {
        format!("migrate report {}", path.display())
    };
    let verdict = if failed > 0 { "failed" } else { "passed" };
    let doc = ValidateDoc { format: "teal.validate/1", plan: plan.name, state: state.word(), verdict, result, next };
    out.result(&doc, || validate_text(&doc));
    if failed > 0 {
        return Err(Failure::blocked(format!("green fails: {}", text::count(failed, "blocker"))).hint(doc.next));
    }
    Ok(())
}

#[derive(Serialize)]
struct ValidateLiveDoc {
    format: &'static str,
    plan: String,
    state: &'static str,
    verdict: &'static str,
    #[serde(flatten)]
    result: LiveResult,
    next: String,
}

/// Blue's objects and every check, before against now.
async fn in_place(plan: &Plan, run: &Run, out: &Output) -> Result<()> {
    let blue = crate::guard::connect(&plan.blue).await?;
    let result = engine::validate_live(plan, &blue, run, &engine::run_folder(plan)).await?;
    let failed = blockers(&result.findings).count();
    let next = match run.state {
        _ if failed > 0 => format!("clear what is said above, then: migrate validate {}", plan.path.display()),
        State::Ready => format!("migrate cutover {}", plan.path.display()),
        _ => format!("migrate report {}", plan.path.display()),
    };
    let (state, verdict) = (run.state.word(), if failed > 0 { "failed" } else { "passed" });
    let doc = ValidateLiveDoc { format: "teal.validate/1", plan: plan.name.clone(), state, verdict, result, next };
    out.result(&doc, || {
        let LiveResult { blue, checks, findings } = &doc.result;
        let mut rows = vec![
            vec!["constraints".to_owned(), format!("{} of {} validated", blue.validated, blue.constraints)],
            vec!["indexes".to_owned(), format!("{} of {} valid", blue.valid, blue.indexes)],
        ];
        rows.extend(checks.iter().map(check_row));
        let findings: String = findings.iter().map(text::finding).collect();
        format!("{}{findings}State: {state}. Verdict: {verdict}.\nNext: {}\n", text::table(&[], rows), doc.next)
    });
    if failed > 0 {
        return Err(Failure::blocked(format!("blue fails: {}", text::count(failed, "blocker"))).hint(doc.next));
    }
    Ok(())
}

fn check_row(check: &CheckOutcome) -> Vec<String> {
    let verdict = if check.passed { "passed" } else { "FAILED" };
    vec![format!("check {verdict}"), format!("{}: {}", check.name, check.summary)]
}

fn validate_text(doc: &ValidateDoc) -> String {
    let ValidatedResult { green, tally, verified, checks, findings } = &doc.result;
    let mut rows = vec![
        vec!["constraints".to_owned(), format!("{} of {} validated", green.validated, green.constraints)],
        vec!["indexes".to_owned(), format!("{} of {} valid", green.valid, green.indexes)],
        vec!["sequences".to_owned(), format!("{} looked at", green.sequences)],
        vec!["events".to_owned(), tally.line()],
        vec![String::new(), verified.line()],
    ];
    rows.extend(checks.iter().map(check_row));
    let findings: String = findings.iter().map(text::finding).collect();
    format!("{}{findings}State: {}. Verdict: {}.\nNext: {}\n", text::table(&[], rows), doc.state, doc.verdict, doc.next)
}
