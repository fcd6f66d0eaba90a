//! `guard/in-recovery`: neither side may be a standby.

use super::Both;
use crate::finding::Finding;

pub(super) fn check(both: &Both<'_>) -> Vec<Finding> {
    [("blue", &both.blue_server), ("green", &both.green_server)]
        .into_iter()
        .filter(|(_, server)| server.in_recovery)
        .map(|(name, _)| {
            Finding::blocker("guard/in-recovery", name, format!("{name} is a standby"))
                .so_what("a standby takes neither the capture's triggers nor the fence, nor the copy")
                .next(format!("point `{name}` in the plan's [databases] at the primary"))
        })
        .collect()
}
