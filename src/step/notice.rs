//! What running steps tell the outside: the one enum behind bars, JSON lines, heartbeat and report.

use jiff::Timestamp;
use serde::Serialize;
use tokio::sync::mpsc::UnboundedSender;

use super::StepId;
use crate::finding::Finding;

/// What progress is counted in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
#[allow(missing_docs)]
pub enum Unit {
    Bytes,
    Rows,
    Files,
    Events,
    Tables,
    Statements,
    Indexes,
    Seconds,
}

impl Unit {
    /// The word on screen.
    pub fn word(self) -> &'static str {
        match self {
            Self::Bytes => "bytes",
            Self::Rows => "rows",
            Self::Files => "files",
            Self::Events => "events",
            Self::Tables => "tables",
            Self::Statements => "statements",
            Self::Indexes => "indexes",
            Self::Seconds => "seconds",
        }
    }
}

/// One notice of one step.
#[derive(Debug, Clone, Serialize)]
pub struct Notice {
    /// When.
    pub at: Timestamp,
    /// Which step.
    pub step: StepId,
    /// What happened.
    #[serde(flatten)]
    pub body: NoticeBody,
}

/// What happened to a step.
#[derive(Debug, Clone, Serialize)]
#[serde(tag = "notice", rename_all = "lowercase")]
pub enum NoticeBody {
    /// It begins to act.
    Started {
        /// What it does, for people.
        title: String,
    },
    /// So much of it is done.
    Progress {
        /// Units done.
        done: u64,
        /// Units in all, 0 where nobody can know.
        total: u64,
        /// What is counted.
        unit: Unit,
        /// The object at work, for people; may be empty.
        object: String,
    },
    /// It waits for somebody else.
    Waiting {
        /// For whom or what: `pid 4711 (app, psql) holding public.token for 12 s`.
        on: String,
    },
    /// A check, lint or guard found something.
    Found {
        /// What.
        finding: Finding,
    },
    /// It is done.
    Finished {
        /// What came of it, for people, one line.
        outcome: String,
        /// How long it took, in milliseconds.
        millis: u64,
    },
}

/// The sending end for one step; cheap to clone. Sending never blocks and never fails: where nobody listens, notices
/// are dropped.
#[derive(Debug, Clone)]
pub struct Notices {
    step: StepId,
    to: Option<UnboundedSender<Notice>>,
}

impl Notices {
    /// Notices of `step`, sent to `to`.
    pub fn new(step: StepId, to: Option<UnboundedSender<Notice>>) -> Self {
        Self { step, to }
    }

    /// The same listener, another step.
    #[must_use]
    pub fn of(&self, step: &StepId) -> Self {
        Self { step: step.clone(), to: self.to.clone() }
    }

    /// Sends a notice.
    pub fn send(&self, body: NoticeBody) {
        if let Some(to) = &self.to {
            // The listener may be gone already when a run is torn down; nothing depends on it.
            let _ = to.send(Notice { at: Timestamp::now(), step: self.step.clone(), body });
        }
    }

    /// So much is done.
    pub fn progress(&self, done: u64, total: u64, unit: Unit, object: impl Into<String>) {
        self.send(NoticeBody::Progress { done, total, unit, object: object.into() });
    }

    /// It waits for somebody else.
    pub fn waiting(&self, on: impl Into<String>) {
        self.send(NoticeBody::Waiting { on: on.into() });
    }

    /// Something was found.
    pub fn found(&self, finding: Finding) {
        self.send(NoticeBody::Found { finding });
    }
}
