//! What a check, lint or guard reports.

use serde::{Deserialize, Serialize};

/// How much a finding weighs. An unaccepted blocker stops `apply` and `cutover`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Stops `apply` and `cutover`.
    Blocker,
    /// Goes on; a person should know.
    Warning,
    /// For the record.
    Note,
}

impl Severity {
    /// The word shown to the operator.
    pub fn word(self) -> &'static str {
        match self {
            Self::Blocker => "blocker",
            Self::Warning => "warning",
            Self::Note => "note",
        }
    }
}

/// One thing found: what it is, why it matters, and what to run next.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// `area/slug`, stable over versions: `guard/green-not-empty`.
    pub id: String,
    /// Blocker, warning or note.
    pub severity: Severity,
    /// The object with its schema and database: `blue public.token`, `migrations/001.sql:3`.
    pub object: String,
    /// What is wrong, one sentence.
    pub what: String,
    /// What follows from it, one sentence.
    pub so_what: String,
    /// The next command or statement, runnable as it stands; empty where there is none.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub next: String,
    /// Why the plan goes on with it all the same.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accepted: Option<String>,
}

impl Finding {
    /// A finding whose weight or id is known only when it is made: of a rule.
    pub fn new(severity: Severity, id: &str, object: String, what: String) -> Self {
        Self { id: id.to_owned(), severity, object, what, so_what: String::new(), next: String::new(), accepted: None }
    }

    /// A finding that stops `apply` and `cutover`.
    pub fn blocker(id: &str, object: impl Into<String>, what: impl Into<String>) -> Self {
        Self::new(Severity::Blocker, id, object.into(), what.into())
    }

    /// A finding that a person should know of.
    pub fn warning(id: &str, object: impl Into<String>, what: impl Into<String>) -> Self {
        Self::new(Severity::Warning, id, object.into(), what.into())
    }

    /// A finding for the record.
    pub fn note(id: &str, object: impl Into<String>, what: impl Into<String>) -> Self {
        Self::new(Severity::Note, id, object.into(), what.into())
    }

    /// Says what follows from it.
    #[must_use]
    pub fn so_what(mut self, so_what: impl Into<String>) -> Self {
        self.so_what = so_what.into();
        self
    }

    /// Says what to run next.
    #[must_use]
    pub fn next(mut self, next: impl Into<String>) -> Self {
        self.next = next.into();
        self
    }
}

/// The findings that stop `apply` and `cutover`: blockers that nobody has accepted.
pub fn blockers(findings: &[Finding]) -> impl Iterator<Item = &Finding> {
    findings.iter().filter(|f| f.severity == Severity::Blocker && f.accepted.is_none())
}

/// The blockers that are gone on with.
pub fn accepted(findings: &[Finding]) -> impl Iterator<Item = &Finding> {
    findings.iter().filter(|f| f.severity == Severity::Blocker && f.accepted.is_some())
}
