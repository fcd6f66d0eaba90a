//! Abort and finish of a run in place. A schema change has no way back that would not lose what was written since: what is in
//! stays in, and is named.

use super::begin::run_folder;
use super::take_down::{Left, drop_schema, refuse_other_plan, shown, turn_levers_back};
use crate::cutover::{self, Participant, Switch, open_participant};
use crate::error::{Failure, Result};
use crate::journal::{Record, Recorder, RunRow, State, read_run_row};
use crate::lever;
use crate::migrate::{self, Done};
use crate::plan::Plan;
use crate::postgres::{Access, Db};
use crate::step::Action;
use crate::units::count;

/// Characters of a statement that are shown.
const SHOWN: usize = 60;

/// Ends the run: what an interrupted statement left half done goes, levers are turned back, our schema is dropped. The
/// caller holds the lease. Safe to run again after a crash at any line: the run row goes last.
pub(super) async fn abort(plan: &Plan, recorder: Option<&mut Recorder>) -> Result<Left> {
    let blue = plan.blue.connect(Access::ReadWrite).await?;
    if let Some(row) = read_run_row(&blue).await? {
        refuse_other_plan(plan, &row)?;
        if recorder.is_none() {
            refuse_unknown_decision(&row)?;
        }
    }
    let stays = match &recorder {
        Some(recorder) => what_stays(&blue, recorder).await?,
        None => receipts(&blue).await?,
    };
    let levers = lever::turn_back(plan, recorder, Some(&blue), |_| true).await?;
    let ours = if levers.is_empty() {
        drop_schema(&blue).await?;
        "nothing of ours"
    } else {
        blue.run("DROP TABLE IF EXISTS teal.run, teal.piece, teal.migrated, teal.position")
            .await
            .map_err(|e| e.doing("dropping the run row"))?;
        "which levers are still turned"
    };
    let blue = if stays.is_empty() {
        format!("{ours}; no statement had run; it serves")
    } else {
        format!("{ours}; what had run stays: {}; it serves", stays.join("; "))
    };
    Ok(Left { blue, green: String::new(), levers: shown(&levers) })
}

/// Like [`abort`], for the run of this journal; says so there.
pub(super) async fn abort_recorded(plan: &Plan, recorder: &mut Recorder) -> Result<Left> {
    if matches!(recorder.run().state, State::Switching) {
        let folder = recorder.folder().to_owned();
        cutover::settle_in_place(&super::given(plan, recorder.run(), &folder)?, recorder).await?;
    }
    recorder.fall_silent().await;
    let left = abort(plan, Some(recorder)).await?;
    recorder.append(Record::RunAborted)?;
    Ok(left)
}

/// A line for each file that is in, and for each statement of one that is not in as a whole.
async fn what_stays(blue: &Db, recorder: &Recorder) -> Result<Vec<String>> {
    let mut stays = Vec::new();
    for step in &recorder.run().steps {
        let Action::MigrateLive { file, parts } = &step.action else { continue };
        migrate::put_back(blue, &step.id, parts).await?;
        let done = migrate::done_so_far(blue, &step.id, parts).await?;
        let in_whole = migrate::already_in(blue, &step.id).await.ok().flatten().is_some();
        if in_whole {
            stays.push(format!("{file}, and it is recorded"));
        } else if recorder.run().is_done(&step.id) {
            // A server that took over for blue: what it has of the file, nobody can tell from receipts.
            stays
                .push(format!("{file}, which the journal calls done and blue lacks the receipt of: see what is there"));
        } else if !done.is_empty() {
            let statements = done.iter().map(statement).collect::<Vec<_>>().join(", ");
            stays.push(format!("of {file}, which is not recorded: {statements}"));
        }
    }
    Ok(stays)
}

fn statement(done: &Done) -> String {
    let words = done.sql.split_whitespace().collect::<Vec<_>>().join(" ");
    let cut = if words.chars().count() > SHOWN { "…" } else { "" };
    let words: String = words.chars().take(SHOWN).collect();
    let whole = if done.whole { "" } else { " (begun; look whether it is there)" };
    format!("line {} {words}{cut}{whole}", done.line)
}

/// Without a journal: which steps have receipts.
async fn receipts(blue: &Db) -> Result<Vec<String>> {
    let there: bool = blue.row("SELECT pg_catalog.to_regclass('teal.piece') IS NOT NULL", &[]).await?.get(0);
    if !there {
        return Ok(Vec::new());
    }
    let rows = blue.rows(include_str!("../postgres/sql/select_receipts.sql"), &[]).await?;
    let one = |row: &tokio_postgres::Row| {
        let (step, whole): (String, bool) = (row.get("step"), row.get("whole"));
        let (done, begun): (i64, i64) = (row.get("done"), row.get("begun"));
        let file = step.strip_prefix("migrate/").unwrap_or(&step);
        if whole {
            return format!("{file}, and it is recorded");
        }
        let done = count(u64::try_from(done).unwrap_or(0), "step");
        // Only the journal knows what the statement is, and so what it may have left.
        let begun = if begun > 0 {
            " and one that was begun (look for an INVALID index, or a partition whose detaching is pending)"
        } else {
            ""
        };
        format!("of {file}, which is not recorded: {done}{begun} (the run's journal has each)")
    };
    Ok(rows.iter().map(one).collect())
}

/// The decision stands in the journal alone: a row that says `switching` may be of a run that has decided.
fn refuse_unknown_decision(row: &RunRow) -> Result<()> {
    let at = format!("{}:{}", row.journal_host, row.journal_path);
    match row.state.as_str() {
        "applying" | "ready" => Ok(()),
        "green" => Err(Failure::blocked("the run has switched").state("nothing was done").hint("migrate finish")),
        state => {
            Err(Failure::in_doubt(format!("the run is {state}, and only its journal knows whether it has decided"))
                .state("nothing was done")
                .hint(format!("bring the journal here: {at}; then: migrate abort")))
        }
    }
}

/// Takes our schema down once everybody has switched.
pub(super) async fn finish(plan: &Plan, recorder: Option<&mut Recorder>) -> Result<Left> {
    let blue = plan.blue.connect(Access::ReadWrite).await?;
    let row = read_run_row(&blue).await?;
    if let Some(row) = &row {
        refuse_other_plan(plan, row)?;
        if recorder.is_none() && row.state != "green" {
            return Err(Failure::blocked(format!(
                "the run is {}, not green: there is nothing to finish yet",
                row.state
            ))
            .state("nothing was done")
            .hint("switch with: migrate cutover; or end the run: migrate abort"));
        }
        refuse_not_switched(plan).await?;
    }
    turn_levers_back(plan, Some(&blue), recorder).await?;
    drop_schema(&blue).await?;
    Ok(Left { blue: "nothing of ours; it serves, migrated".to_owned(), green: String::new(), levers: Vec::new() })
}

async fn refuse_not_switched(plan: &Plan) -> Result<()> {
    let folder = run_folder(plan);
    let mut not_yet = Vec::new();
    for spec in &plan.participants {
        if open_participant(spec, plan.folder(), &folder).committed().await != Switch::Switched {
            not_yet.push(format!("participant {} has not switched", spec.name));
        }
    }
    if not_yet.is_empty() {
        return Ok(());
    }
    Err(Failure::blocked(not_yet.join("; ")).state("nothing was done").hint("go on with: migrate cutover"))
}
