//! The rules of `lint`: one record each, from which its findings, `explain` and its page in docs/rules are made.
//!
//! `tests/lint_rules.rs` runs every example on a real server, and lints it: the bad one is found, the good one is not.

use crate::finding::Severity;

/// What can go wrong, why it matters, and what to write instead.
#[derive(Debug, Clone, Copy)]
pub struct Rule {
    /// Its stable name; findings carry it as `lint/<id>`.
    pub id: &'static str,
    /// How much a finding weighs.
    pub severity: Severity,
    /// What follows from it, one sentence.
    pub so_what: &'static str,
    /// What to do instead, one or two sentences.
    pub instead: &'static str,
    /// SQL of an earlier release on which the examples run.
    pub setup: &'static str,
    /// A file that the rule finds something in.
    pub bad: &'static str,
    /// A file that does the same, as far as it can be done, and in which it finds nothing.
    pub good: &'static str,
}

use Severity::{Blocker, Note, Warning};

/// The table that most examples are about.
const TOKENS: &str = "CREATE TABLE client (id bigint PRIMARY KEY);
CREATE TABLE token (id bigint PRIMARY KEY, client_id bigint NOT NULL, subject text, note varchar(40));
CREATE INDEX token_client ON token (client_id);";

const PARTED: &str = "CREATE TABLE event (at date NOT NULL, what text) PARTITION BY RANGE (at);
CREATE TABLE event_rest PARTITION OF event DEFAULT;
CREATE TABLE event_2025 (at date NOT NULL, what text);";

/// Every rule, by id.
pub const RULES: &[Rule] = &[
    Rule {
        id: "add-column-rewrites",
        severity: Blocker,
        so_what: "every row is written anew, with its indexes, while nobody can read or write the table",
        instead: "add the column without the default, set the default in a second statement, and fill old rows in batches",
        setup: TOKENS,
        bad: "ALTER TABLE token ADD COLUMN handle uuid DEFAULT gen_random_uuid();",
        good: "ALTER TABLE token ADD COLUMN handle uuid;\nALTER TABLE token ALTER COLUMN handle SET DEFAULT gen_random_uuid();",
    },
    Rule {
        id: "attach-scans",
        severity: Warning,
        so_what: "the partition can't be read or written while all of its rows are compared with the bounds",
        instead: "first add a CHECK that says what the bounds say, NOT VALID, and validate it; ATTACH then looks at no row",
        setup: PARTED,
        bad: "ALTER TABLE event ATTACH PARTITION event_2025 FOR VALUES FROM ('2025-01-01') TO ('2026-01-01');",
        good: "ALTER TABLE event_2025 ADD CONSTRAINT bounds CHECK (at >= '2025-01-01' AND at < '2026-01-01') NOT VALID;",
    },
];
