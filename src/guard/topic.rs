//! What `doctor` looked at under one heading: what it saw, what it could not see, what it found.

use crate::finding::{Finding, Severity};

/// One topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Topic {
    /// One word or two: `versions`.
    pub name: &'static str,
    /// What was seen, for people, a line each: `blue 15.18, green 15.18`.
    pub seen: Vec<String>,
    /// What could not be looked at, and what would let us.
    pub unseen: Vec<String>,
    /// What is wrong or worth knowing.
    pub findings: Vec<Finding>,
}

impl Topic {
    /// A topic of which nothing is known yet.
    pub(super) fn new(name: &'static str) -> Self {
        Self { name, seen: Vec::new(), unseen: Vec::new(), findings: Vec::new() }
    }

    pub(super) fn saw(&mut self, line: impl Into<String>) {
        self.seen.push(line.into());
    }

    pub(super) fn missed(&mut self, line: impl Into<String>) {
        self.unseen.push(line.into());
    }

    pub(super) fn found(&mut self, findings: impl IntoIterator<Item = Finding>) {
        self.findings.extend(findings);
    }

    /// The heaviest of its findings in a word; `ok` where there is none but notes, `?` where nothing could be seen.
    pub fn verdict(&self) -> &'static str {
        let worst = self.findings.iter().map(|finding| finding.severity).min();
        match worst {
            Some(worst @ (Severity::Blocker | Severity::Warning)) => worst.word(),
            _ if self.seen.is_empty() && !self.unseen.is_empty() => "?",
            _ => "ok",
        }
    }
}
