//! What a run is made of: phases, steps with ids that never change, the closed list of actions, and the notices that
//! running steps send.

mod action;
mod live;
mod notice;

use std::fmt;

use serde::{Deserialize, Serialize};

pub use action::Action;
pub use live::{LiveBatches, LiveHow, LivePart, LiveStep};
pub use notice::{Notice, NoticeBody, Notices, Unit};

/// The phases of a run, in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[allow(missing_docs)] // the words of design.md
pub enum Phase {
    Prepare,
    Capture,
    Snapshot,
    Migrate,
    Replay,
    Validate,
    Cutover,
    Finish,
}

impl Phase {
    /// The word in step ids and on screen.
    pub fn word(self) -> &'static str {
        match self {
            Self::Prepare => "prepare",
            Self::Capture => "capture",
            Self::Snapshot => "snapshot",
            Self::Migrate => "migrate",
            Self::Replay => "replay",
            Self::Validate => "validate",
            Self::Cutover => "cutover",
            Self::Finish => "finish",
        }
    }
}

/// `phase/object[/part]`: names a step in journal, plan and on screen; never changes for the same plan.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct StepId(String);

impl StepId {
    /// Joins phase and object.
    pub fn new(phase: Phase, object: impl fmt::Display) -> Self {
        Self(format!("{}/{object}", phase.word()))
    }

    /// The step that turns a lever.
    pub fn turn_lever(lever: &str) -> Self {
        Self::new(Phase::Prepare, format_args!("lever/{lever}"))
    }

    /// The step that waits until it has taken effect.
    pub fn await_lever(lever: &str) -> Self {
        Self::new(Phase::Prepare, format_args!("wait/{lever}"))
    }

    /// The step that turns it back, whenever that is.
    pub fn turn_lever_back(lever: &str) -> Self {
        Self::new(Phase::Finish, format_args!("lever/{lever}"))
    }

    /// As written.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<String> for StepId {
    fn from(text: String) -> Self {
        Self(text)
    }
}

impl fmt::Display for StepId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// One unit that the journal knows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    /// Its id.
    pub id: StepId,
    /// The phase it belongs to.
    pub phase: Phase,
    /// What it does, for people, one line: `copy 14 tables, 2.1 GB`.
    pub title: String,
    /// What it does.
    pub action: Action,
    /// SHA-256 in hex of the inputs that decide its effect; timeouts, jobs and gates are in none.
    pub digest: String,
}
