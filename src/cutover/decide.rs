//! Whether to decide: pure, so that every reason not to is tested without a server.

use std::time::Duration;

use crate::replay::{Tally, Verified};

/// What is known when the drain has ended, under the fence.
#[derive(Debug, Clone)]
pub struct Facts {
    /// What became of the events; nothing may be waiting.
    pub tally: Tally,
    /// Whether green shows the events taken under the fence.
    pub verified: Verified,
    /// What is wrong with green's gate, if anything.
    pub green_open: Option<String>,
    /// Which server has failed over since the copy, if any.
    pub failovers: Vec<String>,
    /// What changed in blue's structure since the copy, a line per object.
    pub structure_changes: Vec<String>,
    /// What is left of the deadline.
    pub left: Duration,
}

/// How much of the deadline must be left to commit the fence: a COMMIT that the server may end halfway is a doubt.
pub const COMMIT_MARGIN: Duration = Duration::from_millis(100);

/// The reasons not to decide; none: decide.
pub fn objections(facts: &Facts) -> Vec<String> {
    let Facts { tally, verified, green_open, failovers, structure_changes, left } = facts;
    let mut reasons = Vec::new();
    if tally.overflowed {
        reasons.push("capture stopped: the outbox passed its budget".to_owned());
    }
    if tally.dead > 0 {
        reasons.push(format!("{} events could not be replayed", tally.dead));
    }
    if tally.dead == 0 && !tally.overflowed && !tally.is_settled() {
        reasons.push(format!("the events do not add up: {}", tally.line()));
    }
    if verified.failed > 0 {
        let examples = verified.examples.join(", ");
        reasons.push(format!("green does not show {} replayed events: {examples}", verified.failed));
    }
    if let Some(open) = green_open {
        reasons.push(open.clone());
    }
    reasons.extend(failovers.first().cloned());
    if let Some(first) = structure_changes.first() {
        let more = structure_changes.len() - 1;
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        reasons.push(format!("blue's structure changed since the copy: {first}{more}"));
    }
    if *left < COMMIT_MARGIN {
        reasons.push("the deadline has passed".to_owned());
    }
    reasons
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settled() -> Facts {
        Facts {
            tally: Tally { captured: 3, applied: 1, nothing_to_do: 1, in_copy: 1, ..Tally::default() },
            verified: Verified::default(),
            green_open: None,
            failovers: Vec::new(),
            structure_changes: Vec::new(),
            left: Duration::from_secs(3),
        }
    }

    #[test]
    fn all_well_is_decided() {
        assert_eq!(objections(&settled()), Vec::<String>::new());
    }

    #[test]
    fn every_single_thing_amiss_is_a_reason_not_to() {
        type Break = fn(&mut Facts);
        let amiss: [(&str, Break); 9] = [
            ("capture stopped", |f| f.tally.overflowed = true),
            ("could not be replayed", |f| f.tally.dead = 1),
            ("do not add up", |f| f.tally.waiting = 1),
            ("do not add up", |f| f.tally.captured = 4),
            ("does not show 1 replayed", |f| f.verified.failed = 1),
            ("takes writes", |f| f.green_open = Some("public.t on green takes writes from anybody".to_owned())),
            ("blue has failed over", |f| {
                f.failovers = vec!["blue has failed over since the copy (timeline 1, now 2)".to_owned(); 2];
            }),
            ("structure changed since the copy: table public.t: changed and 1 more", |f| {
                f.structure_changes = vec!["table public.t: changed".to_owned(), "index public.i: added".to_owned()];
            }),
            ("deadline", |f| f.left = Duration::from_millis(99)),
        ];
        for (reason, break_it) in amiss {
            let mut facts = settled();
            break_it(&mut facts);
            let found = objections(&facts);
            assert!(found.len() == 1 && found[0].contains(reason), "{reason}: {found:?}");
        }
    }
}
