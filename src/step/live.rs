//! A migration file in the form in which it runs on a live database. It stands in the step itself, so that a resume runs
//! what was approved: to rewrite a file again on a catalog that it has half changed would give something else.

use serde::{Deserialize, Serialize};

/// One statement of a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LivePart {
    /// Where it starts in the file, from 1.
    pub line: usize,
    /// The rewrite that applies; none: it runs as it is written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rewrite: Option<String>,
    /// Why it runs in this form, one sentence.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub why: String,
    /// What of the file's atomicity is lost by it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lost: Option<String>,
    /// What is run, in order.
    pub steps: Vec<LiveStep>,
}

/// One thing that is run, exactly once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LiveStep {
    /// The statement.
    pub sql: String,
    /// How it is run.
    #[serde(flatten)]
    pub how: LiveHow,
    /// What it locks that others use: `ACCESS EXCLUSIVE on public.token`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub locks: Vec<String>,
}

/// How a step is run beside live clients.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "how", rename_all = "snake_case")]
pub enum LiveHow {
    /// It sets something in the session: run again in every session.
    Session,
    /// In a short transaction, under a `lock_timeout` and a `statement_timeout`.
    Brief,
    /// In a transaction that may take long, on locks that let others read and write.
    Long,
    /// As it is written, whatever it blocks: the plan accepts that.
    AsWritten,
    /// By itself, outside a transaction; waits for others under a budget of its own.
    Concurrent {
        /// The index that it leaves invalid when it is interrupted, as SQL; none: it leaves none, or it is looked up.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        leaves: Option<String>,
    },
    /// Some rows at a time, in the order of the table's key; the position commits with its batch.
    Batches(LiveBatches),
}

/// A whole-table UPDATE or DELETE, some rows at a time along a key. A position is a value of the key: one text for each of its
/// columns, a `text[]` as a parameter; each query gives one row with one of them, or none.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LiveBatches {
    /// The table, as SQL.
    pub table: String,
    /// The greatest key there is at the start: where it ends. No row: there is nothing to do.
    pub stop: String,
    /// Where the first batch ends. `$1`: the stop, `$2`: rows. No row: all is done.
    pub first_end: String,
    /// Where a later one ends. `$1`: the position, `$2`: the stop, `$3`: rows. No row: all is done.
    pub next_end: String,
    /// The first batch. `$1`: its end.
    pub first: String,
    /// A later one. `$1`: the position, `$2`: its end.
    pub next: String,
}

impl LiveHow {
    /// The word in plans and journals.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Session => "session",
            Self::Brief => "brief",
            Self::Long => "long",
            Self::AsWritten => "as written",
            Self::Concurrent { .. } => "concurrent",
            Self::Batches(_) => "batches",
        }
    }
}
