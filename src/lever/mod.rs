//! Levers: what is turned before the copy and turned back after the switch, or when the run is put back.
//!
//! A process that is dead turns nothing back. So that whoever comes next knows, blue says that a lever is being turned before
//! its `before` runs (`row.rs`), and from then on it counts as turned: `after` is run at every end of the run, also where
//! `before` never got to act, and again where nobody knows whether it ran. Both programs must bear that.

mod back;
mod row;

use std::collections::BTreeMap;
use std::path::Path;

use jiff::Timestamp;

use crate::error::{Failure, Result};
use crate::failpoint::failpoint;
use crate::journal::Run;
use crate::plan::{Lever, Plan};
use crate::postgres::Db;
use crate::program::{Beyond, Program};
use crate::step::Action;

pub use back::turn_back;
pub use row::{LeverRow, forget_levers, read_levers};

/// Runs `before`; gives the time at which it had ended, by blue's clock.
pub async fn turn(plan: &Plan, lever: &Lever, blue: &Db) -> Result<Timestamp> {
    row::note_turning(blue, &lever.name).await?;
    run(&lever.before, lever, plan.folder()).await.map_err(|e| {
        e.hint(
            "mend it, then run the same command again; or turn back what it did: migrate abort, which runs its `after`",
        )
    })?;
    failpoint("lever.turned");
    row::note_turned(blue, &lever.name).await
}

/// When each lever of a run had been turned, as its journal knows.
pub fn turned_at(run: &Run) -> BTreeMap<String, Timestamp> {
    let turned = run.steps.iter().filter_map(|step| {
        let Action::TurnLever { lever } = &step.action else { return None };
        let at = run.result(&step.id)?.get("turned_at")?.as_str()?.parse().ok()?;
        Some((lever.clone(), at))
    });
    turned.collect()
}

async fn run(argv: &[String], lever: &Lever, folder: &Path) -> Result<()> {
    let env = BTreeMap::new();
    let program = Program { argv, folder, env: &env, timeout: Some(lever.timeout), keep: 0, beyond: Beyond::Drop };
    program.run().await.and_then(|ended| ended.success(program.name())).map(drop)
}

/// A lever that was turned and that the plan does not have any more.
fn unknown(lever: &str) -> Failure {
    Failure::failed(format!("lever {lever}: it was turned, and the plan has it no more"))
        .hint("bring it back into the plan; without `after`, if you have turned it back by hand")
}
