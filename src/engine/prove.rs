//! What is asked again behind the decision, in peace: blue stands still behind its fence, and a session opened under it
//! still sees green as it was then.

use serde_json::Value;

use super::results::{CheckDoc, Settled};
use super::{checks, kept};
use crate::cutover;
use crate::error::{Failure, Result};
use crate::finding::Finding;
use crate::journal::Recorder;
use crate::plan::Plan;
use crate::postgres::{Access, Db};
use crate::replay;
use crate::step::{Phase, StepId};

/// Counts and verifies every event, and compares blue and green as they were under the fence. `witness` sees green as it
/// was then; without it (another process decided) green is asked as it is now, and what compares two sides is left out.
///
/// Fails when an event is not to be seen on green: green serves then, and a person must mend it at once.
pub async fn prove_cutover(plan: &Plan, recorder: &mut Recorder, witness: Option<Db>) -> Result<()> {
    let step = StepId::new(Phase::Cutover, "proof");
    if recorder.run().is_done(&step) {
        return Ok(());
    }
    let since = recorder.begin(&step, "events and checks, behind the fence").await?;
    let notices = recorder.notices(&step);
    let serves = "green serves; the decision stands";
    let run = recorder.run().id.clone();
    let asked = async {
        let blue = plan.blue.connect(Access::ReadOnly).await?;
        if cutover::read_decision(&blue).await?.is_none_or(|decision| decision.run != run) {
            // A failover to a standby that lacks the fence: it may take writes that nobody will replay.
            return Err(Failure::blocked(
                "blue carries no fence of this run: it was replaced by a server that lacks it",
            )
            .hint("stop that server from taking writes, at once"));
        }
        let at_fence = witness.is_some();
        let green = match witness {
            Some(witness) => witness,
            None => plan.green.connect(Access::ReadOnly).await?,
        };
        let tally = replay::read_tally(&blue, &green).await?;
        let verified = replay::verify_events(&blue, &green, &plan.events, &notices).await?;
        let wanted = |check: &crate::plan::Check| !check.is_live() && (at_fence || !check.compares());
        let outcomes = checks::ask_now(plan, &blue, &green, recorder.folder(), "fence", wanted).await?;
        let doc = |outcome: crate::validate::CheckOutcome| {
            let binding = plan.checks.iter().any(|check| check.name == outcome.name && !check.compares());
            let accepted = accepted_why(plan, &outcome);
            CheckDoc { moment: "fence".to_owned(), binding: binding && accepted.is_none(), accepted, outcome }
        };
        Ok::<_, Failure>(Settled { tally, verified, checks: outcomes.into_iter().map(doc).collect() })
    }
    .await;
    let settled = asked.map_err(|e| e.context("the proof after the decision").state(serves).hint("migrate cutover"))?;

    let mut failed: Vec<String> = Vec::new();
    if settled.verified.failed > 0 {
        let examples = settled.verified.examples.join(", ");
        failed.push(format!("{} events are not to be seen on green: {examples}", settled.verified.failed));
    }
    for check in &settled.checks {
        if check.accepted.is_some() {
            continue;
        }
        if !check.binding && !check.outcome.passed {
            let what = format!("under the fence: {}", check.outcome.summary);
            notices.found(
                Finding::note("check/differs", format!("check {}", check.outcome.name), what)
                    .so_what("writes after the copy do not travel; see whether the difference is theirs"),
            );
        } else if !check.outcome.passed {
            failed.push(format!("check {}: {}", check.outcome.name, check.outcome.summary));
        }
    }
    let mut found: Vec<Finding> = settled.checks.iter().filter_map(|check| check.outcome.finding()).collect();
    plan.accept(&mut found);
    recorder.accept(&found).await?;
    let outcome = settled.tally.line();
    recorder.finish(&step, since, kept(&settled).unwrap_or(Value::Null), &outcome).await?;
    if failed.is_empty() {
        return Ok(());
    }
    Err(Failure::blocked(failed.join("; ")).state(serves).hint("migrate report names each; mend them on green by hand"))
}

/// Why the plan goes on with a check that fails; none: it does not, or the check passed.
fn accepted_why(plan: &Plan, outcome: &crate::validate::CheckOutcome) -> Option<String> {
    let mut found: Vec<Finding> = outcome.finding().into_iter().collect();
    plan.accept(&mut found);
    found.pop().and_then(|finding| finding.accepted)
}
