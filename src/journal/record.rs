//! The journal's whole vocabulary: one past-tense enum.

use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::finding::Finding;
use crate::postgres::Lsn;
use crate::step::{Step, StepId};

/// The format of the first record; a journal of another one is refused, never guessed at.
pub const FORMAT: &str = "teal.journal/1";

/// Names one run of a plan, and its journal: `20261123T205709-k3v9x2`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RunId(pub String);

impl RunId {
    /// A new one: the second it was made in and six random characters.
    pub fn fresh() -> Self {
        let random: String = (0..6).map(|_| fastrand::alphanumeric().to_ascii_lowercase()).collect();
        Self(format!("{}-{random}", Timestamp::now().strftime("%Y%m%dT%H%M%S")))
    }
}

impl fmt::Display for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// One line of the journal.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    /// Counts from 1, without gaps.
    pub seq: u64,
    /// When it was written.
    pub at: Timestamp,
    /// The fencing token of the lease under which it was written; 0 before the first lease.
    pub token: i64,
    /// What happened.
    #[serde(flatten)]
    pub record: Record,
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "record", rename_all = "snake_case")]
pub enum Record {
    /// The run began, with these steps; a resume reads them from here and never plans anew.
    RunBegun {
        /// [`FORMAT`].
        format: String,
        /// The version of the program.
        tool: String,
        /// The run.
        run: RunId,
        /// The plan's name.
        plan: String,
        /// Everything up to `ready`, in order.
        steps: Vec<Step>,
        /// Timeouts, jobs and gates when it began; in no digest.
        settings: Value,
    },
    /// A process took the lease.
    LeaseTaken {
        /// The user of the operating system.
        who: String,
        /// The machine.
        host: String,
    },
    /// A step that was not done yet, or may be repeated, took changed input.
    InputTaken {
        /// The step as it is now.
        step: Step,
    },
    /// Timeouts, jobs or gates changed.
    SettingsChanged {
        /// The new ones.
        settings: Value,
    },
    /// A blocker was found that the plan accepts, with its reason.
    BlockerAccepted {
        /// Which.
        finding: Finding,
    },
    /// A step is about to act.
    StepStarted {
        /// Which.
        step: StepId,
    },
    /// A step has acted.
    StepDone {
        /// Which.
        step: StepId,
        /// What later steps and the report need to know of it.
        result: Value,
        /// How long it took, in milliseconds.
        millis: u64,
    },
    /// A step failed; what it did was undone by the server, or is found by its probe.
    StepFailed {
        /// Which.
        step: StepId,
        /// Why, in one line.
        error: String,
    },
    /// A step counts as not done again.
    StepReset {
        /// Which.
        step: StepId,
        /// Why: `--redo`, or its copy's snapshot is gone.
        why: String,
    },
    /// All up to the cutover is done.
    BecameReady,
    /// A cutover was tried.
    CutoverStarted {
        /// Counts from 1.
        attempt: u32,
    },
    /// The fence was committed: from here on only forward.
    Decided {
        /// The position of blue's log that green has applied everything up to.
        fence_lsn: Option<Lsn>,
    },
    /// The cutover was undone; blue serves.
    CutoverUndone {
        /// Why.
        why: String,
    },
    /// Nobody can tell what happened.
    FellInDoubt {
        /// What must be looked at.
        what: String,
    },
    /// What was in doubt is clear again; the cutover goes on where it was.
    DoubtCleared,
    /// Every participant has switched; green serves.
    Switched,
    /// Everything was put back.
    RunAborted,
    /// What was left on the servers was taken down.
    RunFinished {
        /// Whether the fence was taken from blue as well.
        unfenced: bool,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn run_ids_differ() {
        assert_ne!(RunId::fresh(), RunId::fresh());
    }

    #[test]
    fn entries_read_back_as_written() {
        let entry = Entry {
            seq: 3,
            at: "2026-11-23T20:57:09Z".parse().unwrap(),
            token: 1,
            record: Record::StepStarted { step: StepId::from("snapshot/copy".to_owned()) },
        };
        let text = serde_json::to_string(&entry).unwrap();
        assert_eq!(
            text,
            r#"{"seq":3,"at":"2026-11-23T20:57:09Z","token":1,"record":"step_started","step":"snapshot/copy"}"#
        );
        assert_eq!(serde_json::from_str::<Entry>(&text).unwrap(), entry);
    }
}
