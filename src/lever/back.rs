//! Turning levers back: at the switch, at the end, at an abort, from any machine.

use std::time::Instant;

use serde_json::Value;

use super::row::{note_back, read_levers};
use super::{run, unknown};
use crate::error::{Failure, Result};
use crate::failpoint::failpoint;
use crate::journal::{Record, Recorder, StepStatus};
use crate::plan::{Lever, Plan};
use crate::postgres::Db;
use crate::step::{NoticeBody, StepId};

/// Runs `after` of every lever that may be turned, that is `due`, and is not known to be back: the last one turned first. One
/// that fails keeps no other from its own; what is still turned is given back.
///
/// What is turned, the journal knows, and blue, where it can be asked: a machine may have only one of the two.
pub async fn turn_back(
    plan: &Plan,
    mut recorder: Option<&mut Recorder>,
    blue: Option<&Db>,
    due: impl Fn(&Lever) -> bool,
) -> Result<Vec<Failure>> {
    let mut turned: Vec<String> = Vec::new();
    if let Some(recorder) = &recorder {
        let journaled = |lever: &&Lever| {
            let run = recorder.run();
            *run.status(&StepId::turn_lever(&lever.name)) != StepStatus::Pending
                && !run.is_done(&StepId::turn_lever_back(&lever.name))
        };
        turned.extend(plan.levers.iter().filter(journaled).map(|lever| lever.name.clone()));
    }
    if let Some(blue) = blue {
        let rows = read_levers(blue).await?.into_iter().filter(|row| row.back_at.is_none());
        let new: Vec<String> = rows.map(|row| row.name).filter(|name| !turned.contains(name)).collect();
        turned.extend(new);
    }
    let mut left: Vec<Failure> = turned
        .iter()
        .filter(|name| !plan.levers.iter().any(|lever| lever.name == **name))
        .map(|name| unknown(name))
        .collect();
    for lever in plan.levers.iter().rev().filter(|lever| turned.contains(&lever.name) && due(lever)) {
        let Some(after) = &lever.after else { continue };
        if let Err(e) = back_one(plan, lever, after, recorder.as_deref_mut()).await? {
            left.push(e.context(format!("lever {}: after", lever.name)));
            continue;
        }
        failpoint("lever.back");
        if let Some(blue) = blue
            && let Err(e) = note_back(blue, &lever.name).await
        {
            // Whoever reads that it is turned runs `after` once more.
            tracing::warn!("{e}");
        }
    }
    Ok(left)
}

/// Appended, not told to the heartbeat: it is run where the run row may be gone, and twice does no harm.
async fn back_one(
    plan: &Plan,
    lever: &Lever,
    after: &[String],
    recorder: Option<&mut Recorder>,
) -> Result<Result<(), Failure>> {
    let Some(recorder) = recorder else { return Ok(run(after, lever, plan.folder()).await) };
    let (step, since) = (StepId::turn_lever_back(&lever.name), Instant::now());
    recorder.append(Record::StepStarted { step: step.clone() })?;
    let notices = recorder.notices(&step);
    notices.send(NoticeBody::Started { title: format!("turn {} back", lever.name) });
    match run(after, lever, plan.folder()).await {
        Ok(()) => {
            let millis = u64::try_from(since.elapsed().as_millis()).unwrap_or(u64::MAX);
            recorder.append(Record::StepDone { step, result: Value::Null, millis })?;
            notices.send(NoticeBody::Finished { outcome: "turned back".to_owned(), millis });
            Ok(Ok(()))
        }
        Err(e) => {
            recorder.append(Record::StepFailed { step, error: e.what.clone() })?;
            Ok(Err(e))
        }
    }
}
