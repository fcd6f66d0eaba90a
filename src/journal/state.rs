//! What the records of a journal add up to; the only transition table.

use std::collections::BTreeMap;
use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::record::{Entry, Record, RunId};
use crate::finding::Finding;
use crate::postgres::Lsn;
use crate::step::{Action, Phase, Step, StepId};

/// The state of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// No record yet.
    New,
    /// Between the first record and `ready`. Blue serves.
    Applying,
    /// A cutover is possible. Blue serves.
    Ready,
    /// A cutover is being tried and has not decided. Blue serves.
    Switching,
    /// The fence is committed, not every participant has switched. Only forward.
    Decided,
    /// Green serves.
    Green,
    /// Taken down. Green serves.
    Finished,
    /// Everything was put back. Blue serves.
    Aborted,
    /// A person must look; whether it had decided is part of it.
    InDoubt {
        /// Whether the fence is known to be committed.
        decided: bool,
    },
}

impl State {
    /// The word shown to the operator.
    pub fn word(self) -> &'static str {
        match self {
            Self::New => "new",
            Self::Applying => "applying",
            Self::Ready => "ready",
            Self::Switching | Self::Decided => "switching",
            Self::Green => "green",
            Self::Finished => "finished",
            Self::Aborted => "aborted",
            Self::InDoubt { .. } => "in doubt",
        }
    }

    /// Whether the point past which a run only goes forward is known to be behind us.
    pub fn is_decided(self) -> bool {
        matches!(self, Self::Decided | Self::Green | Self::Finished | Self::InDoubt { decided: true })
    }

    /// Whether nothing more can happen to the run.
    pub fn is_over(self) -> bool {
        matches!(self, Self::Finished | Self::Aborted)
    }

    /// The transition table: the state after `record`, or the error that it can't happen now.
    fn after(self, record: &Record) -> Result<Self, IllegalTransition> {
        use Record as R;
        use State as S;
        match (self, record) {
            (S::New, R::RunBegun { .. }) => Ok(S::Applying),
            (S::Applying, R::InputTaken { .. } | R::StepReset { .. } | R::SettingsChanged { .. }) => Ok(S::Applying),
            // A repeated `apply` may take changed checks or replay statements back to work.
            (S::Ready, R::InputTaken { .. } | R::StepReset { .. }) => Ok(S::Applying),
            (S::Ready, R::SettingsChanged { .. }) => Ok(S::Ready),
            (S::Applying, R::BecameReady) => Ok(S::Ready),
            (S::Ready, R::CutoverStarted { .. }) => Ok(S::Switching),
            (S::Switching, R::CutoverUndone { .. }) => Ok(S::Ready),
            (S::Switching, R::Decided { .. }) => Ok(S::Decided),
            (S::Switching, R::FellInDoubt { .. }) => Ok(S::InDoubt { decided: false }),
            (S::Decided, R::FellInDoubt { .. }) => Ok(S::InDoubt { decided: true }),
            (S::InDoubt { decided: false }, R::DoubtCleared) => Ok(S::Switching),
            (S::InDoubt { decided: true }, R::DoubtCleared) => Ok(S::Decided),
            (S::Decided, R::Switched) => Ok(S::Green),
            (S::Applying | S::Ready, R::RunAborted) => Ok(S::Aborted),
            (S::Green, R::RunFinished { .. }) => Ok(S::Finished),
            (S::Finished, R::RunFinished { .. }) => Ok(S::Finished),
            (
                S::Applying | S::Ready | S::Switching | S::Decided | S::Green,
                R::StepStarted { .. } | R::StepDone { .. } | R::StepFailed { .. },
            ) => Ok(self),
            (state, R::LeaseTaken { .. } | R::BlockerAccepted { .. }) if state != S::New => Ok(state),
            (state, record) => Err(IllegalTransition { state, record: format!("{record:?}") }),
        }
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// A record that can't follow on the ones before it: a bug of ours, or a journal that somebody edited.
#[derive(Debug, thiserror::Error)]
#[error("in state {state:?} there can be no record {record}")]
pub struct IllegalTransition {
    state: State,
    record: String,
}

/// How far one step got.
#[derive(Debug, Clone, PartialEq, Default)]
pub enum StepStatus {
    /// Not begun.
    #[default]
    Pending,
    /// Begun; whether it acted is the probe's to find out.
    Started,
    /// Failed; may be tried again.
    Failed {
        /// Why.
        error: String,
    },
    /// Done.
    Done {
        /// What it left for later steps.
        result: Value,
        /// How long it took, in milliseconds.
        millis: u64,
    },
}

/// A run as its journal tells it.
#[derive(Debug, Clone, PartialEq)]
pub struct Run {
    /// Where it stands.
    pub state: State,
    /// Its id.
    pub id: RunId,
    /// Its plan's name.
    pub plan: String,
    /// The version of the program that began it.
    pub tool: String,
    /// When it began.
    pub begun_at: Timestamp,
    /// The steps up to `ready`, with the input that they took.
    pub steps: Vec<Step>,
    /// Timeouts, jobs and gates.
    pub settings: Value,
    status: BTreeMap<StepId, StepStatus>,
    /// How often a cutover was tried.
    pub attempt: u32,
    /// When the fence was committed, and where.
    pub decided: Option<(Timestamp, Option<Lsn>)>,
    /// Why the last cutover was undone, or what is in doubt.
    pub trouble: Option<String>,
    /// The blockers that were gone on with, each once.
    pub accepted: Vec<Finding>,
    /// The last record's number.
    pub seq: u64,
    /// The highest fencing token seen.
    pub token: i64,
    /// When the last record was written.
    pub at: Timestamp,
}

impl Run {
    /// A run without records.
    pub fn new() -> Self {
        Self {
            state: State::New,
            id: RunId(String::new()),
            plan: String::new(),
            tool: String::new(),
            begun_at: Timestamp::UNIX_EPOCH,
            steps: Vec::new(),
            settings: Value::Null,
            status: BTreeMap::new(),
            attempt: 0,
            decided: None,
            trouble: None,
            accepted: Vec::new(),
            seq: 0,
            token: 0,
            at: Timestamp::UNIX_EPOCH,
        }
    }

    /// How far a step got.
    pub fn status(&self, step: &StepId) -> &StepStatus {
        self.status.get(step).unwrap_or(&StepStatus::Pending)
    }

    /// What a done step left, `None` where it is not done.
    pub fn result(&self, step: &StepId) -> Option<&Value> {
        match self.status(step) {
            StepStatus::Done { result, .. } => Some(result),
            _ => None,
        }
    }

    /// Whether a step is done.
    pub fn is_done(&self, step: &StepId) -> bool {
        self.result(step).is_some()
    }

    /// The steps of this and all former attempts of phase `cutover` that the journal knows, with how far they got.
    pub fn cutover_steps(&self) -> impl Iterator<Item = (&StepId, &StepStatus)> {
        self.status.iter().filter(|(id, _)| id.as_str().starts_with(Phase::Cutover.word()))
    }

    /// The steps of phase `finish` that the journal knows, with how far they got.
    pub fn finish_steps(&self) -> impl Iterator<Item = (&StepId, &StepStatus)> {
        self.status.iter().filter(|(id, _)| id.as_str().starts_with(Phase::Finish.word()))
    }

    /// Whether it migrates blue itself.
    pub fn is_in_place(&self) -> bool {
        self.steps.iter().any(|step| step.action == Action::PrepareBlue)
    }

    /// The first step that is not done.
    pub fn next_step(&self) -> Option<&Step> {
        self.steps.iter().find(|step| !self.is_done(&step.id))
    }

    /// Takes one record in.
    pub fn take(&mut self, entry: &Entry) -> Result<(), IllegalTransition> {
        self.state = self.state.after(&entry.record)?;
        self.seq = entry.seq;
        self.token = self.token.max(entry.token);
        self.at = entry.at;
        match &entry.record {
            Record::RunBegun { run, plan, steps, settings, tool, .. } => {
                self.id = run.clone();
                self.plan.clone_from(plan);
                self.tool.clone_from(tool);
                self.begun_at = entry.at;
                self.steps.clone_from(steps);
                self.settings = settings.clone();
            }
            Record::InputTaken { step } => {
                if let Some(old) = self.steps.iter_mut().find(|old| old.id == step.id) {
                    *old = step.clone();
                }
                self.status.remove(&step.id);
            }
            Record::SettingsChanged { settings } => self.settings = settings.clone(),
            Record::BlockerAccepted { finding } => self.accepted.push(finding.clone()),
            Record::StepStarted { step } => self.set(step, StepStatus::Started),
            Record::StepDone { step, result, millis } => {
                self.set(step, StepStatus::Done { result: result.clone(), millis: *millis });
            }
            Record::StepFailed { step, error } => self.set(step, StepStatus::Failed { error: error.clone() }),
            Record::StepReset { step, .. } => self.set(step, StepStatus::Pending),
            Record::CutoverStarted { attempt } => {
                self.attempt = *attempt;
                self.trouble = None;
            }
            Record::Decided { fence_lsn } => self.decided = Some((entry.at, *fence_lsn)),
            Record::CutoverUndone { why } => {
                // The next attempt starts from nothing.
                self.status.retain(|id, _| !id.as_str().starts_with(Phase::Cutover.word()));
                self.trouble = Some(why.clone());
            }
            Record::FellInDoubt { what } => self.trouble = Some(what.clone()),
            Record::DoubtCleared => self.trouble = None,
            Record::LeaseTaken { .. }
            | Record::BecameReady
            | Record::Switched
            | Record::RunAborted
            | Record::RunFinished { .. } => {}
        }
        Ok(())
    }

    fn set(&mut self, step: &StepId, status: StepStatus) {
        self.status.insert(step.clone(), status);
    }
}

impl Default for Run {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn begun() -> Record {
        Record::RunBegun {
            format: super::super::record::FORMAT.to_owned(),
            tool: "0.1.0".to_owned(),
            run: RunId("r".to_owned()),
            plan: "p".to_owned(),
            steps: Vec::new(),
            settings: Value::Null,
        }
    }

    fn fold(records: &[Record]) -> Result<Run, IllegalTransition> {
        let mut run = Run::new();
        for (i, record) in records.iter().enumerate() {
            let entry = Entry { seq: i as u64 + 1, at: Timestamp::UNIX_EPOCH, token: 1, record: record.clone() };
            run.take(&entry)?;
        }
        Ok(run)
    }

    #[test]
    fn a_cutover_is_never_undone_after_decide() {
        let to_decide =
            [begun(), Record::BecameReady, Record::CutoverStarted { attempt: 1 }, Record::Decided { fence_lsn: None }];
        assert_eq!(fold(&to_decide).unwrap().state, State::Decided);
        for undo in [Record::CutoverUndone { why: String::new() }, Record::RunAborted] {
            let mut records = to_decide.to_vec();
            records.push(undo);
            assert!(fold(&records).is_err());
        }
    }

    #[test]
    fn an_undone_cutover_forgets_its_steps_and_is_ready_again() {
        let prepared = StepId::new(Phase::Cutover, "prepare/hydra");
        let run = fold(&[
            begun(),
            Record::BecameReady,
            Record::CutoverStarted { attempt: 1 },
            Record::StepDone { step: prepared.clone(), result: Value::Null, millis: 1 },
            Record::CutoverUndone { why: "no lock".to_owned() },
        ])
        .unwrap();
        assert_eq!(run.state, State::Ready);
        assert_eq!(run.status(&prepared), &StepStatus::Pending);
        assert_eq!(run.attempt, 1);
    }

    #[test]
    fn nothing_comes_before_the_first_record() {
        assert!(fold(&[Record::BecameReady]).is_err());
        assert!(fold(&[Record::LeaseTaken { who: String::new(), host: String::new() }]).is_err());
        assert!(fold(&[begun(), begun()]).is_err());
    }
}
