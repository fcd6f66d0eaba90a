//! `[[accept]]`: the only way past a blocker. What is accepted stays a finding, shown with the reason.

use crate::finding::Finding;

use super::Plan;

/// A finding that the operator has seen and goes on with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Accept {
    /// The finding's id: `guard/timeouts`.
    pub id: String,
    /// The one object it is about, as the finding shows it, or a file whatever the line; none: every object.
    pub object: Option<String>,
    /// Why.
    pub why: String,
    /// Its line in the plan file.
    pub line: usize,
}

/// What nothing makes safe: past it rows or events would be lost for certain, or the run could not work at all.
const NEVER: &[(&str, &str)] = &[
    ("guard/unreachable", "nothing works without the database"),
    ("guard/pooler", "locks, leases and snapshots would be another session's"),
    ("guard/version", "the copy would fail, or differ in silence"),
    ("guard/in-recovery", "nothing can be written there"),
    ("guard/same-database", "the copy would overwrite what it reads"),
    ("guard/green-not-empty", "what is there would be mixed with the copy"),
    ("guard/blue-retired", "the copy would be of what nobody writes to any more"),
    ("guard/journal-folder", "without a journal nothing may act"),
    ("lint/not-readable", "none of the file is judged"),
    ("in-place/not-once", "it can't be run exactly once"),
    ("migration/not-transactional", "it can't be run exactly once"),
    ("migration/own-transaction", "it can't be run exactly once"),
    ("validate/digest-differs", "rows of the copy are not what blue had"),
    ("validate/rows-differ", "rows of the copy are missing"),
    ("validate/table-missing", "a table of the copy is missing"),
    ("validate/unlogged-lost", "rows of the copy are missing"),
    ("validate/sequence-behind", "ids would be handed out twice"),
    ("event/not-verified", "the event would be lost"),
    ("cutover/dead-letter", "accept the event's loss as event/dead-letter; apply gives it up"),
    ("cutover/capture-gap", "events may have been lost already"),
    ("cutover/outbox-overflow", "events have been lost already"),
    ("cutover/structure-changed", "green lacks the change"),
    ("cutover/window", "the plan itself says when; change the window"),
    ("cutover/lever-run-out", "what it was turned for does not hold any more"),
    ("cutover/subscription", "its writes would pass the fence and be lost"),
    ("cutover/green-open", "what others wrote there can't be told from the copy"),
    ("cutover/committed-too-early", "nobody could tell whether it has switched"),
    ("cutover/participant-unknown", "nobody could tell whether it has switched"),
];

/// Why a finding can't be accepted; none: it can.
pub(super) fn never(id: &str) -> Option<&'static str> {
    NEVER.iter().find(|(never, _)| *never == id).map(|(_, why)| *why)
}

impl Accept {
    /// As the plan has it: `id`, or `id:object`.
    pub fn shown(&self) -> String {
        self.object.as_ref().map_or_else(|| self.id.clone(), |object| format!("{}:{object}", self.id))
    }

    /// The number of the event whose loss this accepts.
    pub fn event(&self) -> Option<i64> {
        let object = self.object.as_ref().filter(|_| self.id == DEAD_LETTER)?;
        object.strip_prefix("event ")?.split_once(' ')?.0.parse().ok()
    }

    /// Whether this is the finding that is meant.
    pub fn matches(&self, finding: &Finding) -> bool {
        self.covers(&finding.id, &finding.object)
    }

    /// What is said of it where it matches no finding.
    pub fn unmatched(&self) -> Finding {
        Finding::warning("plan/accept-unmatched", format!("accept {}", self.shown()), "it matches no finding")
            .so_what("what it was written for is gone, or is spelled another way and still stops the run")
            .next("take it out of the plan, or write the finding's id and object as they are shown")
    }

    /// The same as [`Accept::matches`] of a finding's id and object.
    pub fn covers(&self, id: &str, object: &str) -> bool {
        let is_it = |mine: &String| {
            // `file.sql` is `file.sql:3` as well: lines move with every edit.
            object == mine || object.strip_prefix(mine.as_str()).is_some_and(|rest| rest.starts_with(':'))
        };
        id == self.id && self.object.as_ref().is_none_or(is_it)
    }
}

/// An event that could not be replayed. It is accepted by itself, never all of them: the next one would be lost unseen.
pub(super) const DEAD_LETTER: &str = "event/dead-letter";

impl Plan {
    /// Marks the findings that the plan accepts.
    pub fn accept(&self, findings: &mut [Finding]) {
        for finding in findings.iter_mut().filter(|finding| never(&finding.id).is_none()) {
            if let Some(accept) = self.accepts.iter().find(|accept| accept.matches(finding)) {
                finding.accepted = Some(accept.why.clone());
            }
        }
    }

    /// The accepts that match none of `findings`, of those that `is_asked` says could have.
    pub fn idle_accepts(&self, findings: &[Finding], is_asked: impl Fn(&str) -> bool) -> Vec<Finding> {
        let is_idle = |accept: &&Accept| is_asked(&accept.id) && !findings.iter().any(|f| accept.matches(f));
        self.accepts.iter().filter(is_idle).map(Accept::unmatched).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn accept(object: Option<&str>) -> Accept {
        let (id, object) = ("lint/drop-table".to_owned(), object.map(str::to_owned));
        Accept { id, object, why: "unused".to_owned(), line: 1 }
    }

    #[test]
    fn an_accept_is_for_one_object_for_a_file_or_for_all() {
        let finding = Finding::blocker("lint/drop-table", "002_drop.sql:3", "it drops a table");
        for object in [None, Some("002_drop.sql:3"), Some("002_drop.sql")] {
            assert!(accept(object).matches(&finding), "{object:?}");
        }
        for object in ["002_drop.sql:4", "002_drop", "2_drop.sql"] {
            assert!(!accept(Some(object)).matches(&finding), "{object:?}");
        }
        assert!(!accept(None).matches(&Finding::blocker("lint/drop-column", "002_drop.sql:3", "")));
    }
}
