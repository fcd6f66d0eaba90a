//! The safe form of what migration files say: the same schema and rows at the end, without keeping anybody waiting.
//!
//! Each rewrite is a record of [`all`], one file per topic: what it is about, why, an example, and what it makes of a
//! statement or of one command of an ALTER TABLE. `tests/ddl_rewrite.rs` runs every example both ways on a real server
//! and compares schema and rows. What has no safe form is [`Refused`], never passed on in silence.

mod add_column;
mod alter;
mod attach;
mod batches;
mod case;
mod check;
mod contract;
mod domain;
mod drop_index;
mod foreign_key;
mod index;
mod not_null;
mod partition_index;
mod partition_key;
mod refused;
mod shadow;
mod shadow_parts;
mod splice;
mod transaction;
mod unique;
mod view;

use std::ops::Range;

use serde::Serialize;

use super::known::Known;
use super::lint::{accepts, read_checked, runs_in_transaction};
use super::read::AlterCommand;
use super::split::Statement;
use super::sql_file::SqlFile;
use crate::error::Result;
use crate::postgres::{Ident, Name};
pub(crate) use case::{Bit, Case, Outcome};

/// A file in its safe form.
#[derive(Debug, Clone)]
pub struct Rewritten {
    /// One for each statement of the file, in its order.
    pub parts: Vec<Part>,
    /// Whether the file can't run in one transaction any more.
    pub apart: bool,
}

/// What has become of one statement.
#[derive(Debug, Clone)]
pub struct Part {
    /// Its bytes in the file.
    pub span: Range<usize>,
    /// The rewrite; none where it is as written.
    pub rewrite: Option<&'static Rewrite>,
    /// What runs instead of it, in this order; none for a BEGIN or COMMIT that went away.
    pub steps: Vec<SafeStep>,
    /// Why, or what has to be known of a statement that is as written; may be empty.
    pub why: String,
    /// What atomicity is lost.
    pub lost: Option<String>,
    /// Why it has no safe form; the steps are as written.
    pub refused: Option<Refused>,
    /// What of its safe form has to be accepted.
    pub condition: Option<Refused>,
}

/// One statement of the safe form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SafeStep {
    /// A statement without `;` at its end; or several, `;` and a line's end between them, that are one transaction.
    pub sql: String,
    /// How it is to be run.
    pub how: How,
    /// Comments that stood beside what it comes from, inside of the statement.
    pub comments: Vec<String>,
    /// Where its own words would mislead a reader, what lint is to judge instead of them; empty: nothing.
    pub judged: Option<String>,
}

impl SafeStep {
    fn new(sql: impl Into<String>, how: How) -> Self {
        Self { sql: sql.into(), how, comments: Vec::new(), judged: None }
    }

    /// Its statements.
    pub fn statements(&self) -> Vec<String> {
        match SqlFile::from_bytes(std::path::Path::new("step"), self.sql.clone().into_bytes()) {
            Ok(file) => file.statements.iter().map(|statement| statement.text(&file.text).to_owned()).collect(),
            Err(_) => vec![self.sql.clone()],
        }
    }
}

/// How a step is to be run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum How {
    /// Its lock may be a strong one, but for a moment: under `lock_timeout`, with retries. May share a transaction with
    /// steps of this kind beside it.
    Brief,
    /// In no transaction block; waits for others.
    Concurrent {
        /// What an interrupted try may leave behind, to be put away before the next one.
        leaves: Option<Left>,
    },
    /// Reads or writes many rows, under locks that stop neither readers nor writers of the table: in a transaction of its
    /// own, for as long as it takes.
    Long,
    /// Row by row along a key, a transaction for each batch. The step's `sql` does the same in a DO block.
    Batches(Batches),
}

/// What an interrupted concurrent statement leaves behind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Left {
    /// An INVALID index of this name: DROP INDEX, then again.
    Index(Name),
    /// INVALID copies of this index or of this table's, `…_ccnew` or `…_ccold`: DROP INDEX, then again.
    Copies(Name),
    /// A DROP INDEX CONCURRENTLY that got halfway: the index is INVALID; run again as it is.
    Dropping(Name),
    /// A partition whose detaching is pending: `DETACH PARTITION … FINALIZE`.
    Detaching {
        /// The partitioned table.
        parent: Name,
        /// The partition.
        partition: Name,
    },
}

/// An UPDATE or DELETE of a whole table, in batches along a key of it.
///
/// A position is a value of the key: one text for each of its columns, `text[]` as a parameter. The batch and the
/// position after it commit together, or a statement like `n = n + 1` runs twice for some rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Batches {
    /// The table.
    pub table: Name,
    /// The key's columns.
    pub key: Vec<Ident>,
    /// Where it all ends: the greatest key there is now, as one row with one `text[]`; no row: there is nothing to do.
    /// Asked once, before the first batch.
    pub stop: String,
    /// Where the first batch ends. `$1`: `stop`; `$2`: rows (bigint). One `text[]`; no row: all is done.
    pub first_end: String,
    /// Where a later one ends. `$1`: the position; `$2`: `stop`; `$3`: rows (bigint). The same answer.
    pub next_end: String,
    /// The first batch. `$1`: its end.
    pub first: String,
    /// A later one. `$1`: the position; `$2`: its end.
    pub next: String,
}

/// What has no safe form, or one that has to be accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// The rule of `lint` by which it is accepted.
    pub rule: &'static str,
    /// Why, one sentence without its end.
    pub why: String,
    /// What to do, without its end.
    pub instead: String,
    /// Why it was accepted, where a comment says so.
    pub accepted: Option<String>,
}

impl Refused {
    /// What follows where it is accepted.
    pub fn so_what(&self) -> &'static str {
        if self.rule == shadow::ORDER {
            "it has a safe form, which ends in another order of columns; accepted, it runs in that form"
        } else {
            "it has no safe form; accepted, it runs as it is written"
        }
    }
}

/// One kind of rewriting.
#[derive(Debug, Serialize)]
pub struct Rewrite {
    /// Its stable name; `explain rewrite/<id>`.
    pub id: &'static str,
    /// What it is about, as in a table of contents.
    pub when: &'static str,
    /// Why, one sentence without its end.
    pub why: &'static str,
    /// What is there when it stops halfway, without its end; empty where nothing is.
    pub halfway: &'static str,
    /// SQL of an earlier release, with rows, on which the example runs.
    pub setup: &'static str,
    /// A file that it rewrites.
    pub example: &'static str,
    /// What it makes of something; `None`: not its business.
    #[serde(skip)]
    pub(crate) apply: Apply,
}

/// What a rewrite looks at.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Apply {
    /// A whole statement.
    Statement(fn(&Case<'_>) -> Option<Outcome>),
    /// A command of an ALTER TABLE.
    Command(fn(&Case<'_>, &AlterCommand, &Range<usize>) -> Option<Outcome>),
}

/// Every rewrite, in the order of the docs; the first that has something to say is the one.
pub fn all() -> impl Iterator<Item = &'static Rewrite> {
    let topics: [&'static [Rewrite]; 15] = [
        partition_index::REWRITES,
        index::REWRITES,
        drop_index::REWRITES,
        foreign_key::REWRITES,
        check::REWRITES,
        unique::REWRITES,
        not_null::REWRITES,
        add_column::REWRITES,
        view::REWRITES,
        attach::REWRITES,
        batches::REWRITES,
        domain::REWRITES,
        shadow::REWRITES,
        refused::REWRITES,
        contract::REWRITES,
    ];
    topics.into_iter().flatten()
}

/// Rewrites a file for a server of `version` (14 to 18). `in_transaction`: its tool runs it as one transaction. `known` is
/// what is known before it; what the file makes is taken in.
pub fn rewrite(file: &SqlFile, in_transaction: bool, known: &mut Known, version: u32) -> Rewritten {
    rewrite_but(file, in_transaction, known, version, |_| false)
}

/// The same where whoever asks has accepted, of some statements, that a type is set as it is written.
pub fn rewrite_but(
    file: &SqlFile,
    in_transaction: bool,
    known: &mut Known,
    version: u32,
    keeps_type: impl Fn(&Statement) -> bool,
) -> Rewritten {
    let accepted: Vec<usize> = accepts(&file.text)
        .into_iter()
        .filter(|accept| accept.rule == shadow::TYPE && !accept.reason.is_empty())
        .filter_map(|accept| file.statements.iter().position(|statement| statement.span.end > accept.at))
        .collect();
    let mut parts = Vec::new();
    let mut readings = Vec::new();
    for (number, statement) in file.statements.iter().enumerate() {
        let text = statement.text(&file.text);
        let reading = read_checked(text, statement);
        let keeps_type = accepted.contains(&number) || keeps_type(statement);
        let mut part = Case { text, reading: &reading, known, before: known, version, keeps_type }.part();
        part.span = statement.span.clone();
        known.take(&reading, text);
        parts.push(part);
        readings.push(reading);
    }
    known.next_unit();
    let in_transaction = runs_in_transaction(file, in_transaction);
    let apart = transaction::take_apart(file, in_transaction, &readings, &mut parts);
    accept(file, &mut parts);
    Rewritten { parts, apart }
}

/// As [`Linter::learn`](super::lint::Linter::learn): takes in what is there before the first file.
pub fn learn(file: &SqlFile, known: &mut Known) {
    for statement in &file.statements {
        let text = statement.text(&file.text);
        known.take(&read_checked(text, statement), text);
    }
    known.next_unit();
}

/// Marks what comments accept, by the same words as for `lint`.
fn accept(file: &SqlFile, parts: &mut [Part]) {
    for accept in accepts(&file.text).into_iter().filter(|accept| !accept.reason.is_empty()) {
        let Some(covered) = parts.iter_mut().find(|part| part.span.end > accept.at) else { continue };
        let demands = covered.refused.iter_mut().chain(&mut covered.condition);
        for one in demands.filter(|one| one.rule == accept.rule) {
            one.accepted = Some(accept.reason.clone());
        }
    }
}

impl Rewritten {
    /// Whether anything is not as written.
    pub fn is_changed(&self) -> bool {
        self.parts.iter().any(|part| part.rewrite.is_some())
    }

    /// What has no safe form, or one with a condition, and is not accepted.
    pub fn open(&self) -> impl Iterator<Item = (&Part, &Refused)> {
        let refused = self
            .parts
            .iter()
            .flat_map(|part| part.refused.iter().chain(&part.condition).map(move |refused| (part, refused)));
        refused.filter(|(_, refused)| refused.accepted.is_none())
    }

    /// The file's text with the steps in the place of its statements; comments and layout elsewhere stay as they are.
    /// `mark`: the line that tells the file's tool that it runs in no transaction.
    ///
    /// Fails where the text is not what was meant, which is a fault of this program: bytes outside of the statements are
    /// others than in the file, or it does not read as the statements that it was made of.
    pub fn text(&self, file: &SqlFile, mark: Option<&str>) -> Result<String> {
        splice::splice(self, file, mark)
    }
}

/// Functions that the grammar knows by name and names otherwise.
fn case_keyword(name: &str) -> bool {
    [
        "coalesce",
        "greatest",
        "least",
        "nullif",
        "cast",
        "extract",
        "overlay",
        "position",
        "substring",
        "trim",
        "normalize",
        "treat",
        "row",
        "grouping",
    ]
    .contains(&name)
}
