//! The closed list of what steps do. `engine/act.rs` holds act, probe and undo of each.

use serde::{Deserialize, Serialize};

use super::LivePart;

/// What a step does. Adding one makes the compiler name every place that must know it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "action", rename_all = "snake_case")]
pub enum Action {
    /// Our schema on green, and the run row that names the run there.
    PrepareGreen,
    /// The program that turns a lever.
    TurnLever {
        /// The lever's name in the plan.
        lever: String,
    },
    /// Waits until a lever has taken effect.
    AwaitLever {
        /// The lever's name in the plan.
        lever: String,
    },
    /// The outbox for captured events on blue.
    CreateOutbox,
    /// The triggers of one event on blue.
    CaptureEvent {
        /// The event's name in the plan.
        event: String,
    },
    /// Schema and rows from one exported snapshot into green; blue's side of the checks.
    Copy,
    /// Indexes, primary keys, unique and exclusion constraints on green.
    BuildIndexes,
    /// Foreign keys on green.
    AddForeignKeys,
    /// Triggers, rules, policies, materialized views, comments: the rest of the post-data section.
    RestoreRest,
    /// Sequence values and database settings.
    SetSequences,
    /// Statistics for the planner.
    Analyze,
    /// Row counts and digests of the copy against blue's in the snapshot.
    ProveCopy,
    /// One migration file on green.
    MigrateFile {
        /// The file's name inside the migrations folder.
        file: String,
    },
    /// The application's own migrator on green.
    MigrateCommand,
    /// The plan's checks: blue in the snapshot against green migrated.
    CheckMigrated,
    /// Green refuses writes of everybody else.
    CloseGreen,
    /// Captured events onto green until it has caught up.
    ReplayEvents,
    /// Constraints, indexes and sequences of green; every event verified.
    ValidateGreen,
    /// In place: our receipts on blue.
    PrepareBlue,
    /// In place: the checks' answers before the first migration.
    AskBefore,
    /// In place: one migration file on blue, in the form that live clients bear.
    MigrateLive {
        /// The file's name inside the migrations folder.
        file: String,
        /// What is run.
        parts: Vec<LivePart>,
    },
    /// In place: blue's constraints and indexes, and the checks, before against after.
    ValidateBlue,
}

impl Action {
    /// The migration file that it runs.
    pub fn file(&self) -> Option<&str> {
        match self {
            Self::MigrateFile { file } | Self::MigrateLive { file, .. } => Some(file),
            _ => None,
        }
    }

    /// Whether it is the last look at what serves next.
    pub fn is_last_look(&self) -> bool {
        matches!(self, Self::ValidateGreen | Self::ValidateBlue)
    }

    /// Whether a done step may take changed input and be done again without the copy: it only looks, or, like replay,
    /// it goes on until the cutover anyway.
    pub fn is_repeatable(&self) -> bool {
        matches!(
            self,
            Self::CheckMigrated | Self::CloseGreen | Self::ReplayEvents | Self::ValidateGreen | Self::ValidateBlue
        )
    }
}
