//! Events whose replay failed: tried again, given up where the plan accepts their loss, and said.

use super::act::{Act, MENDED, refuse};
use crate::error::Result;
use crate::finding::Finding;
use crate::journal::Recorder;
use crate::plan::Accept;
use crate::postgres::Db;
use crate::replay::{self, Applier, DeadLetter};
use crate::step::{Phase, StepId};

/// How many are named; a statement that is wrong fails for every event.
const NAMED: i64 = 10;

impl Act<'_> {
    /// After the last step, and on every later `apply`: what came in since, and the dead letters once more. Fails where
    /// one is left: a run that can't cut over is not ready.
    pub async fn settle(&self, recorder: &mut Recorder) -> Result<()> {
        self.catch_up(recorder).await?;
        let dead = dead_letters(&self.green().await?).await?;
        refuse(&dead, &recorder.notices(&StepId::new(Phase::Replay, "events")), "not every event is on green", MENDED)
    }

    pub(super) async fn catch_up(&self, recorder: &mut Recorder) -> Result<()> {
        let mut applier = self.applier(recorder).await?;
        self.retry_dead_letters(&mut applier, recorder).await?;
        applier.pass().await?;
        Ok(())
    }

    /// Tries the dead letters again, but for those whose loss the plan accepts: these come to an end first, so that later
    /// events of their keys can go on. The journal knows of it before green does.
    pub(super) async fn retry_dead_letters(&self, applier: &mut Applier, recorder: &mut Recorder) -> Result<()> {
        let accepts = &self.plan.accepts;
        let ids: Vec<i64> = accepts.iter().filter_map(Accept::event).collect();
        if !ids.is_empty() {
            let letters = replay::dead_letters_of(applier.green(), &ids).await?;
            let (mut findings, ids): (Vec<Finding>, Vec<i64>) =
                letters.iter().map(|letter| (finding(letter), letter.id)).unzip();
            self.plan.accept(&mut findings);
            let accepted = findings.iter().zip(ids).filter(|(finding, _)| finding.accepted.is_some());
            let (accepted, ids): (Vec<Finding>, Vec<i64>) = accepted.map(|(finding, id)| (finding.clone(), id)).unzip();
            recorder.accept(&accepted).await?;
            let notices = recorder.notices(&StepId::new(Phase::Replay, "events"));
            for finding in accepted {
                notices.found(finding);
            }
            applier.give_up(&ids).await?;
        }
        applier.retry_dead_letters().await?;
        Ok(())
    }
}

/// The first dead letters, a blocker each.
pub(super) async fn dead_letters(green: &Db) -> Result<Vec<Finding>> {
    Ok(replay::dead_letters(green, NAMED).await?.iter().map(finding).collect())
}

fn finding(letter: &DeadLetter) -> Finding {
    Finding::blocker("event/dead-letter", letter.object(), letter.error.clone())
        .so_what("this event is not on green")
        .next("mend its replay in the plan, or accept its loss there (migrate explain event/dead-letter); then: migrate apply")
}
