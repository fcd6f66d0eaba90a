//! The steps of a run in place.

use super::{Seen, await_lever, migration_digest, step, turn_lever};
use crate::plan::Plan;
use crate::step::{Action, LivePart, Phase, Step, StepId};
use crate::units::count;

/// The steps up to `ready`.
pub(super) fn steps(plan: &Plan, seen: &Seen<'_>) -> Vec<Step> {
    let mut steps = vec![step(plan, Phase::Prepare, "blue", Action::PrepareBlue, "our receipts on blue")];
    steps.extend(plan.levers.iter().map(|lever| turn_lever(plan, lever)));
    steps.extend(plan.levers.iter().filter(|lever| !lever.wait.is_zero()).map(|lever| await_lever(plan, lever)));
    steps.push(step(plan, Phase::Validate, "before", Action::AskBefore, "the checks, before the first statement"));
    for (migration, parts) in seen.pending.iter().zip(&seen.live) {
        let action = Action::MigrateLive { file: migration.file.clone(), parts: parts.clone() };
        steps.push(Step {
            id: StepId::new(Phase::Migrate, &migration.file),
            phase: Phase::Migrate,
            title: title(parts),
            digest: migration_digest(plan, migration),
            action,
        });
    }
    let after = "the checks against before, constraints and indexes of blue";
    steps.push(step(plan, Phase::Validate, "after", Action::ValidateBlue, after));
    steps
}

/// `3 statements in 7 steps: 4 brief, 2 concurrent, 1 long`.
fn title(parts: &[LivePart]) -> String {
    let all: Vec<&str> = parts.iter().flat_map(|part| &part.steps).map(|step| step.how.word()).collect();
    let mut words: Vec<&str> = Vec::new();
    for word in &all {
        if !words.contains(word) {
            words.push(word);
        }
    }
    let of = |word: &&str| format!("{} {word}", all.iter().filter(|other| *other == word).count());
    let kinds = words.iter().map(of).collect::<Vec<_>>().join(", ");
    let statements = count(parts.len(), "statement");
    if all.is_empty() { statements } else { format!("{statements} in {}: {kinds}", count(all.len(), "step")) }
}
