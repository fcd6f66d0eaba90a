//! A plan as a rehearsal runs it: throwaway databases, and nothing that reaches further.

use std::collections::BTreeMap;

use super::{Check, Lever, MigrationSource, ParticipantKind, Plan, Sides, Source};
use crate::error::{Failure, Result};
use crate::postgres::Target;

/// The throwaway databases, by URL. Hold passwords: never shown.
pub struct StandIns {
    /// For the plan's `blue`.
    pub blue: String,
    /// For the plan's `green`.
    pub green: String,
}

/// What `[rehearse]` says.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Rehearse {
    /// Further databases that checks may ask.
    pub databases: BTreeMap<String, Target>,
    /// What stands in for a participant, by its name; the others are skipped.
    pub participants: BTreeMap<String, ParticipantKind>,
    /// What stands in for a lever, by its name; the others are not turned.
    pub levers: BTreeMap<String, Lever>,
}

/// A plan to rehearse, and what of the original it leaves out.
#[derive(Debug, Clone, PartialEq)]
pub struct Rehearsal {
    /// The plan, reduced.
    pub plan: Plan,
    /// What is not rehearsed, for people: `participant pooler`.
    pub left_out: Vec<String>,
}

impl Rehearsal {
    /// Reduces a plan that was read with `stand_ins`. `variables` are the names that the plan takes blue's and green's
    /// URLs from, with the throwaway ones: a migrator may inherit the real ones otherwise.
    pub(super) fn of(
        mut plan: Plan,
        rehearse: Rehearse,
        variables: Vec<(String, String)>,
        green: &str,
    ) -> Result<Self> {
        let mut left_out = Vec::new();
        for participant in std::mem::take(&mut plan.participants) {
            match rehearse.participants.get(&participant.name) {
                Some(kind) => plan.participants.push(super::Participant { kind: kind.clone(), ..participant }),
                None => left_out.push(format!("participant {:?}: skipped", participant.name)),
            }
        }
        for lever in std::mem::take(&mut plan.levers) {
            match rehearse.levers.get(&lever.name) {
                // What it is for ends when that of the lever itself would.
                Some(stand_in) => plan.levers.push(Lever { until: lever.until, ..stand_in.clone() }),
                None => left_out.push(format!("lever {:?}: not turned", lever.name)),
            }
        }
        plan.others = rehearse.databases;
        for check in std::mem::take(&mut plan.checks) {
            match not_askable(&check, &plan.others) {
                None => plan.checks.push(check),
                Some(why) => left_out.push(format!("check {:?}: {why}", check.name)),
            }
        }
        // A window is a time of day of production.
        plan.cutover.window = None;
        if let MigrationSource::Command { env, .. } = &mut plan.migrations.source {
            if !env.values().any(|value| value.contains(green)) {
                return Err(Failure::usage("nothing leads the plan's migrator to the throwaway green")
                    .state("nothing was started: it could have migrated another database")
                    .hint("let both take one variable: green = \"${GREEN_URL}\", and env = { DSN = \"${GREEN_URL}\" } beside the command"));
            }
            for (name, url) in variables {
                env.entry(name).or_insert(url);
            }
        }
        Ok(Self { plan, left_out })
    }
}

fn not_askable(check: &Check, given: &BTreeMap<String, Target>) -> Option<String> {
    let Sides::Each(sides) = &check.sides else { return None };
    if sides.values().any(|side| matches!(side, Source::Program(_))) {
        return Some("it asks programs, and the applications behind them are not here".to_owned());
    }
    let missing = sides.keys().find(|name| !matches!(name.as_str(), "blue" | "green") && !given.contains_key(*name))?;
    Some(format!("it asks {missing}; give it one: [rehearse.databases] {missing} = \"${{…}}\""))
}
