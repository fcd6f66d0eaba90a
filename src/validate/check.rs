//! The plan's `[[check]]`s: which sides are asked, and what came of it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::answer::{Answer, answer};
use super::compare::compare;
use crate::error::{Context, Failure, Result};
use crate::finding::Finding;
use crate::plan::{Check, Expect, Sides, Source, digest};
use crate::postgres::Db;

/// What came of one check.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckOutcome {
    /// The check's name.
    pub name: String,
    /// Whether what it expects is true.
    pub passed: bool,
    /// The answers or their difference in a line: `1204 = 1204`, `3 rows only on green`.
    pub summary: String,
    /// Up to five rows that should not be there or are missing, each with its side.
    pub examples: Vec<String>,
    /// Rows that each side gave.
    pub rows: BTreeMap<String, u64>,
}

impl CheckOutcome {
    /// The outcome of a check whose answer could not be had: failed, with the reason.
    pub fn unanswered(check: &Check, why: &Failure) -> Self {
        let detail = why.detail.iter().flat_map(|text| text.lines()).map(str::to_owned);
        let summary = why.what.clone();
        Self { name: check.name.clone(), passed: false, summary, examples: detail.collect(), rows: BTreeMap::new() }
    }

    /// The blocker that a failed check is.
    pub fn finding(&self) -> Option<Finding> {
        (!self.passed).then(|| {
            let examples = self.examples.join("; ");
            let what = if examples.is_empty() { self.summary.clone() } else { format!("{}: {examples}", self.summary) };
            Finding::blocker("check/failed", format!("check {}", self.name), what)
                .so_what("what the plan says must hold does not")
        })
    }
}

/// The sides that a check asks, by name, with what each is asked. One query that must be empty is asked of green alone.
pub fn sides_of(check: &Check) -> Vec<(String, Source)> {
    match (&check.sides, &check.expect) {
        (Sides::Both(sql), Expect::Empty) => vec![("green".to_owned(), Source::Sql(sql.clone()))],
        (Sides::Both(sql), _) => ["blue", "green"].map(|side| (side.to_owned(), Source::Sql(sql.clone()))).into(),
        (Sides::Each(sources), _) => sources.iter().map(|(side, source)| (side.clone(), source.clone())).collect(),
    }
}

/// Asks one side of a check and keeps the answer in `dir`, in a file that is always the same for this check and side.
/// `folder` is where programs run: the plan file's.
pub async fn ask(
    check: &Check,
    side: &str,
    sessions: &BTreeMap<String, &Db>,
    folder: &Path,
    dir: &Path,
) -> Result<Answer> {
    let context = || format!("check {} on {side}", check.name);
    let source = sides_of(check).into_iter().find_map(|(name, source)| (name == side).then_some(source));
    let Some(source) = source else {
        return Err(Failure::failed("this side is not asked").context(context()));
    };
    answer(&source, sessions.get(side).copied(), folder, &answer_path(check, side, dir)).await.with_context(context)
}

/// Asks every side, one after another, and compares.
pub async fn run_check(
    check: &Check,
    sessions: &BTreeMap<String, &Db>,
    folder: &Path,
    dir: &Path,
) -> Result<CheckOutcome> {
    let mut answers = BTreeMap::new();
    for (side, _) in sides_of(check) {
        let answer = ask(check, &side, sessions, folder, dir).await?;
        answers.insert(side, answer);
    }
    compare(check, &answers)
}

/// A check's name may hold anything: its digest makes a file name.
fn answer_path(check: &Check, side: &str, dir: &Path) -> PathBuf {
    let mut name = digest([check.name.as_bytes(), side.as_bytes()]);
    name.truncate(16);
    dir.join(format!("{name}.rows"))
}
