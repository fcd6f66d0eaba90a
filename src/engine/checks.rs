//! The plan's checks at the moments at which they mean something.
//!
//! | moment | blue's side | green's side |
//! | --- | --- | --- |
//! | copy | inside the copy's snapshot, the answer kept | after the migrations, before the first replay |
//! | programs | asked live, once green is validated | the same |
//! | fence | blue behind the fence | green under the fence, every event replayed |
//! | in place | blue before the first statement, the answer kept, programs too | blue after the last one |

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::error::{Failure, Result};
use crate::plan::{Check, Plan};
use crate::postgres::{Access, Db};
use crate::validate::{Answer, CheckOutcome, ask, compare, run_check, sides_of};

/// When the copy was made.
const COPY: &str = "copy";
/// In place, before the first statement.
const BEFORE: &str = "before";

/// Where the answers of one moment are kept.
pub fn answers_folder(run_folder: &Path, moment: &str) -> Result<PathBuf> {
    let folder = run_folder.join("answers").join(moment);
    std::fs::create_dir_all(&folder)?;
    Ok(folder)
}

/// Asks blue's side of every check inside the copy's snapshot; by the digest of what blue is asked, so that an answer is
/// never taken for that of another question, and an edit of green's side needs no new copy.
pub async fn ask_blue(plan: &Plan, blue: &Db, run_folder: &Path) -> Result<BTreeMap<String, Answer>> {
    let dir = answers_folder(run_folder, COPY)?;
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

/// In place: blue's side of every check, programs too.
pub async fn ask_all_of_blue(plan: &Plan, blue: &Db, run_folder: &Path) -> Result<BTreeMap<String, Answer>> {
    let dir = answers_folder(run_folder, BEFORE)?;
    let sessions = BTreeMap::from([("blue".to_owned(), blue)]);
    let mut answers = BTreeMap::new();
    for check in &plan.checks {
        if let Some(question) = check.blue_digest()
            && sides_of(check).iter().any(|(side, _)| side == "blue")
        {
            answers.insert(question, ask(check, "blue", &sessions, plan.folder(), &dir).await?);
        }
    }
    Ok(answers)
}

/// In place: every check, blue's side as it was kept before the first statement, green's as blue is now.
pub async fn compare_with_before(
    plan: &Plan,
    blue: &Db,
    kept: &BTreeMap<String, Answer>,
    run_folder: &Path,
) -> Result<Vec<CheckOutcome>> {
    let dir = answers_folder(run_folder, "after")?;
    let others = connect_others(plan).await?;
    let mut sessions: BTreeMap<String, &Db> = others.iter().map(|(name, db)| (name.clone(), db)).collect();
    sessions.insert("green".to_owned(), blue);
    let mut outcomes = Vec::new();
    for check in &plan.checks {
        let kept = Kept { answers: kept, moment: BEFORE, run_folder };
        let outcome = one_with_kept(check, &sessions, &kept, plan.folder(), &dir).await;
        outcomes.push(outcome.unwrap_or_else(|e| CheckOutcome::unanswered(check, &e)));
    }
    Ok(outcomes)
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
        let kept = Kept { answers: kept, moment: COPY, run_folder };
        let outcome = one_with_kept(check, &sessions, &kept, plan.folder(), &dir).await;
        outcomes.push(outcome.unwrap_or_else(|e| CheckOutcome::unanswered(check, &e)));
    }
    Ok(outcomes)
}

/// Blue's answers of a moment that is gone.
struct Kept<'a> {
    answers: &'a BTreeMap<String, Answer>,
    moment: &'static str,
    run_folder: &'a Path,
}

async fn one_with_kept(
    check: &Check,
    sessions: &BTreeMap<String, &Db>,
    kept: &Kept<'_>,
    plan_folder: &Path,
    dir: &Path,
) -> Result<CheckOutcome> {
    let mut answers = BTreeMap::new();
    for (side, _) in sides_of(check) {
        let answer = if side == "blue" {
            let answer = check.blue_digest().and_then(|question| kept.answers.get(&question));
            let answer = answer.ok_or_else(|| never_asked(kept.moment))?;
            // The run's folder may lie elsewhere by now.
            let name = answer.path.file_name().unwrap_or_default();
            Answer { path: answers_folder(kept.run_folder, kept.moment)?.join(name), rows: answer.rows }
        } else {
            ask(check, &side, sessions, plan_folder, dir).await?
        };
        answers.insert(side, answer);
    }
    compare(check, &answers)
}

fn never_asked(moment: &str) -> Failure {
    let put_back = "put what blue is asked back as it was";
    if moment == COPY {
        return Failure::blocked("blue was not asked this when the copy was made")
            .detail(format!("{put_back}, or make the copy again: migrate apply --redo snapshot/copy"));
    }
    Failure::blocked("blue was not asked this before the migrations, and can't be any more")
        .detail(format!("{put_back}, or ask `green` alone"))
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
