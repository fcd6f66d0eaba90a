//! What done steps leave in the journal for later ones and for the report.

use std::collections::BTreeMap;
use std::path::Path;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::catalog::{Baseline, Structure, Timelines};
use crate::cutover::Given;
use crate::error::{Failure, Result};
use crate::finding::Finding;
use crate::journal::Run;
use crate::plan::Plan;
use crate::replay::{Copied, Tally, Verified};
use crate::snapshot::{CopyPoint, TableCopied};
use crate::step::{Action, Phase, StepId};
use crate::validate::{Answer, CheckOutcome, GreenFacts, TableDigest, Unsound};

/// What `snapshot/copy` leaves.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct CopyResult {
    /// The snapshot and its position in blue's log.
    pub point: CopyPoint,
    /// The timelines on which the snapshot and the copy hold.
    #[serde(default)]
    pub timelines: Timelines,
    /// Rows and bytes of each table.
    pub tables: Vec<TableCopied>,
    /// Blue's digests inside the snapshot.
    pub digests: Vec<TableDigest>,
    /// Blue's structure inside the snapshot.
    pub structure: Structure,
    /// Blue's write counters right before the snapshot.
    pub writes: Baseline,
    /// Events that blue reversed before the snapshot.
    pub reversed: Vec<i64>,
    /// Blue's answers to the checks, by the check's digest; the rows are kept in the run's folder.
    pub answers: BTreeMap<String, Answer>,
}

impl CopyResult {
    /// What replay must know of it.
    pub fn copied(&self) -> Copied {
        Copied { snapshot: self.point.visible.clone(), reversed: self.reversed.clone(), timelines: self.timelines }
    }
}

/// What `validate/copy` leaves.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ProofResult {
    /// Tables compared.
    pub tables: usize,
    /// Their rows.
    pub rows: u64,
}

/// What `validate/migrated` leaves.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct MigratedResult {
    /// Each check: blue at the copy, green migrated.
    pub checks: Vec<CheckOutcome>,
}

/// What `validate/green` leaves.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ValidatedResult {
    /// Constraints, indexes, sequences.
    pub green: GreenFacts,
    /// The events.
    pub tally: Tally,
    /// Each of them asked for.
    pub verified: Verified,
    /// Checks of green alone, and those that ask programs.
    pub checks: Vec<CheckOutcome>,
    /// Warnings and notes.
    pub findings: Vec<Finding>,
}

/// What `validate/before` leaves in place.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct BeforeResult {
    /// Blue's answers to the checks before the first statement, by the check's digest; the rows are in the run's folder.
    pub answers: BTreeMap<String, Answer>,
    /// What was unsound before.
    pub unsound: Unsound,
}

/// What `validate/after` leaves in place.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct LiveResult {
    /// Constraints and indexes.
    pub blue: GreenFacts,
    /// Every check, before against after.
    pub checks: Vec<CheckOutcome>,
    /// Blockers that the plan accepts, warnings and notes.
    pub findings: Vec<Finding>,
}

/// What is asked again after the decision, kept as the result of `cutover/proof`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Settled {
    /// The events, counted with blue behind the fence.
    pub tally: Tally,
    /// Each asked for on green.
    pub verified: Verified,
    /// The checks, blue and green as they were under the fence.
    pub checks: Vec<CheckDoc>,
}

/// A check at one moment.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CheckDoc {
    /// `copy`: blue at the copy, green migrated. `now`: asked when green was validated. `fence`: both under the fence.
    pub moment: String,
    /// Whether a difference fails the run; under the fence, where writes do not travel, it is shown only.
    pub binding: bool,
    /// Why the plan goes on although it fails.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accepted: Option<String>,
    /// What came of it.
    #[serde(flatten)]
    pub outcome: CheckOutcome,
}

/// The result of the one step with this action, typed; `None` where it is not done.
pub fn result_of<T: DeserializeOwned>(run: &Run, is: impl Fn(&Action) -> bool) -> Result<Option<T>> {
    let step = run.steps.iter().find(|step| is(&step.action));
    let value = step.and_then(|step| run.result(&step.id));
    value.map(|value| serde_json::from_value(value.clone())).transpose().map_err(|e| {
        Failure::failed(format!("the journal's result of a step does not read: {e}"))
            .hint("use the version of migrate that began this run")
    })
}

/// What the copy left; a failure where there is no copy yet.
pub fn copy_result(run: &Run) -> Result<CopyResult> {
    result_of(run, |action| *action == Action::Copy)?
        .ok_or_else(|| Failure::failed("there is no copy yet").hint("migrate apply"))
}

/// What a cutover works from.
pub fn given<'a>(plan: &'a Plan, run: &Run, folder: &'a Path) -> Result<Given<'a>> {
    let turned = crate::lever::turned_at(run);
    if plan.is_in_place() {
        let (copied, structure, writes_before) = (Copied::default(), Structure::default(), Baseline::default());
        return Ok(Given { plan, folder, turned, copied, structure, writes_before });
    }
    let copy = copy_result(run)?;
    Ok(Given { plan, folder, turned, copied: copy.copied(), structure: copy.structure, writes_before: copy.writes })
}

/// The step in which the copy is made: what `--redo` of anything after it goes back to.
pub fn copy_step() -> StepId {
    StepId::new(Phase::Snapshot, "copy")
}
