//! The plan's checks at the moments at which they mean something.
//!
//! | moment | blue's side | green's side |
//! | --- | --- | --- |
//! | copy | inside the copy's snapshot, the answer kept | after the migrations, before the first replay |
//! | programs | asked live, once green is validated | the same |
//! | fence | blue behind the fence | green under the fence, every event replayed |

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::error::{Failure, Result};
use crate::plan::{Check, Plan};
use crate::postgres::{Access, Db};
use crate::validate::{Answer, CheckOutcome, ask, compare, run_check, sides_of};

/// Where the answers of one moment are kept.
pub fn answers_folder(run_folder: &Path, moment: &str) -> Result<PathBuf> {
    let folder = run_folder.join("answers").join(moment);
    std::fs::create_dir_all(&folder)?;
    Ok(folder)
}

/// Asks blue's side of every check inside the copy's snapshot; by the digest of what blue is asked, so that an answer is
/// never taken for that of another question, and an edit of green's side needs no new copy.
pub async fn ask_blue(plan: &Plan, blue: &Db, run_folder: &Path) -> Result<BTreeMap<String, Answer>> {
    let dir = answers_folder(run_folder, "copy")?;
    let sessions = BTreeMap::from([("blue".to_owned(), blue)]);
    let mut answers = BTreeMap::new();
    for check in plan.checks.iter().filter(|check| !check.is_live()) {
        if let Some(question) = check.blue_digest()
            && sides_of(check).iter().any(|(side, _)| side == "blue")
        {
            answers.insert(question, ask(check, "blue", &sessions, plan.folder(), &dir).await?);
        }
    }
    Ok(answers)
}

/// Compares green now with blue's answers from the copy; every check that is not live.
pub async fn compare_with_copy(
    plan: &Plan,
    green: &Db,
    kept: &BTreeMap<String, Answer>,
    run_folder: &Path,
) -> Result<Vec<CheckOutcome>> {
    let dir = answers_folder(run_folder, "migrated")?;
    let others = connect_others(plan).await?;
    let mut sessions: BTreeMap<String, &Db> = others.iter().map(|(name, db)| (name.clone(), db)).collect();
    sessions.insert("green".to_owned(), green);
    let mut outcomes = Vec::new();
    for check in plan.checks.iter().filter(|check| !check.is_live()) {
        let outcome = one_with_copy(check, &sessions, kept, run_folder, plan.folder(), &dir).await;
        outcomes.push(outcome.unwrap_or_else(|e| CheckOutcome::unanswered(check, &e)));
    }
    Ok(outcomes)
}

async fn one_with_copy(
    check: &Check,
    sessions: &BTreeMap<String, &Db>,
    kept: &BTreeMap<String, Answer>,
    run_folder: &Path,
    plan_folder: &Path,
    dir: &Path,
) -> Result<CheckOutcome> {
    let mut answers = BTreeMap::new();
    for (side, _) in sides_of(check) {
        let answer = if side == "blue" {
            let answer = check.blue_digest().and_then(|question| kept.get(&question)).ok_or_else(|| {
                Failure::blocked("blue was not asked this when the copy was made").detail(
                    "put what blue is asked back as it was, or make the copy again: migrate apply --redo snapshot/copy",
                )
            })?;
            // The run's folder may lie elsewhere by now.
            let name = answer.path.file_name().unwrap_or_default();
            Answer { path: answers_folder(run_folder, "copy")?.join(name), rows: answer.rows }
        } else {
            ask(check, &side, sessions, plan_folder, dir).await?
        };
        answers.insert(side, answer);
    }
    compare(check, &answers)
}

/// Asks and compares every check that `wanted` picks, on these sessions, now.
pub async fn ask_now(
    plan: &Plan,
    blue: &Db,
    green: &Db,
    run_folder: &Path,
    moment: &str,
    wanted: impl Fn(&Check) -> bool,
) -> Result<Vec<CheckOutcome>> {
    let dir = answers_folder(run_folder, moment)?;
    let others = connect_others(plan).await?;
    let mut sessions: BTreeMap<String, &Db> = others.iter().map(|(name, db)| (name.clone(), db)).collect();
    sessions.insert("blue".to_owned(), blue);
    sessions.insert("green".to_owned(), green);
    let mut outcomes = Vec::new();
    for check in plan.checks.iter().filter(|check| wanted(check)) {
        let outcome = run_check(check, &sessions, plan.folder(), &dir).await;
        outcomes.push(outcome.unwrap_or_else(|e| CheckOutcome::unanswered(check, &e)));
    }
    Ok(outcomes)
}

async fn connect_others(plan: &Plan) -> Result<BTreeMap<String, Db>> {
    let mut others = BTreeMap::new();
    for (name, target) in &plan.others {
        others.insert(name.clone(), target.connect(Access::ReadOnly).await?);
    }
    Ok(others)
}
