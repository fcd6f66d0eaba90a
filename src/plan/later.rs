//! What `design.md` has and this version has not: refused with a reason, never taken in silence, never called unknown.

/// A key that is designed but not supported yet.
pub(super) struct Later {
    /// The section as messages name it; empty at the top.
    section: &'static str,
    key: &'static str,
    /// What it means that it is missing, one sentence.
    pub(super) why: &'static str,
}

const LATER: [Later; 7] = [
    Later { section: "", key: "cleanup", why: "rows that violate a constraint must be cleaned by hand before" },
    Later { section: "", key: "table", why: "only events travel to green, so no table needs a route" },
    Later { section: "", key: "monitor", why: "watch the application's metrics yourself after the cutover" },
    Later { section: "", key: "metric", why: "watch the application's metrics yourself after the cutover" },
    Later { section: "[[participant]]", key: "revert", why: "there is no rollback after decide yet" },
    Later { section: "[[participant]]", key: "admin", why: "only kind = \"pgbouncer\" will have it" },
    Later { section: "[[participant]]", key: "database", why: "only kind = \"pgbouncer\" will have it" },
];

/// The record of `key` in `section`, if it belongs to later work.
pub(super) fn later(section: &str, key: &str) -> Option<&'static Later> {
    LATER.iter().find(|later| later.section == section && later.key == key)
}

/// The keys of `section` that belong to later work: right spellings, for suggestions.
pub(super) fn later_keys(section: &str) -> impl Iterator<Item = &str> {
    LATER.iter().filter(move |later| later.section == section).map(|later| later.key)
}
