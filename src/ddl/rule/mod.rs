//! The rules of `lint`: one record each, from which its findings, `explain` and its page in docs/rules are made.
//!
//! `tests/lint_rules.rs` runs every example on a real server and lints it: something is found in the bad one, nothing of
//! that rule in the good one.

mod beyond;
mod blocking;
mod breaking;
mod chain;

use serde::Serialize;

use crate::finding::Severity;

/// What can go wrong, why it matters, and what to write instead.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Rule {
    /// Its stable name; findings carry it as `lint/<id>`.
    pub id: &'static str,
    /// How much a finding weighs.
    pub severity: Severity,
    /// What follows from it, one sentence without its end.
    pub so_what: &'static str,
    /// What to do instead, without its end.
    pub instead: &'static str,
    /// SQL of an earlier release, on which the examples run.
    pub setup: &'static str,
    /// A file in which the rule finds something.
    pub bad: &'static str,
    /// A file that does the same, as far as it can be done, in which the rule finds nothing.
    pub good: &'static str,
}

/// The tables that most examples are about.
const TOKENS: &str = "CREATE TABLE client (id bigint PRIMARY KEY, name text);
CREATE TABLE token (id bigint PRIMARY KEY, client_id bigint NOT NULL, subject text, note varchar(40), used int);
CREATE INDEX token_client ON token (client_id);";

/// A partitioned table with a default partition, and a table that is to become a partition.
const EVENTS: &str = "CREATE TABLE event (at date NOT NULL, what text) PARTITION BY RANGE (at);
CREATE TABLE event_rest PARTITION OF event DEFAULT;
CREATE TABLE year (at date NOT NULL, what text) PARTITION BY RANGE (at);
CREATE TABLE year_2024 PARTITION OF year FOR VALUES FROM ('2024-01-01') TO ('2025-01-01');
CREATE TABLE year_2025 (at date NOT NULL, what text);";

/// Every rule, by topic.
pub fn all() -> impl Iterator<Item = &'static Rule> {
    of_text().chain(beyond::RULES)
}

/// The rules that find something in the text of files that can be read.
pub fn of_text() -> impl Iterator<Item = &'static Rule> {
    blocking::RULES.iter().chain(breaking::RULES).chain(chain::RULES)
}

/// Whether a finding comes from a trace or from clients' queries alone, and so from nothing that reads files.
pub fn is_traced(finding: &str) -> bool {
    finding.starts_with("lint/trace") || finding.starts_with("lint/workload")
}

/// The rule of an id.
pub fn rule(id: &str) -> Option<&'static Rule> {
    all().find(|rule| rule.id == id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_unique_and_every_rule_says_everything() {
        let mut ids = std::collections::BTreeSet::new();
        for rule in all() {
            assert!(ids.insert(rule.id), "{} stands twice", rule.id);
            for text in [rule.so_what, rule.instead, rule.bad, rule.good] {
                assert!(!text.is_empty() && !text.ends_with('.'), "{}: {text}", rule.id);
            }
        }
    }
}
