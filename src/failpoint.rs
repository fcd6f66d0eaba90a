//! Named places to crash, for the tests that kill us there. Compiled to nothing in release builds.

/// Every place, in the order a run meets them. `journal:N` (after record N is on disk) comes on top.
pub const PLACES: &[&str] = &[
    "lease.locked",
    "lease.taken",
    "lever.turned",
    "capture.created",
    "snapshot.exported",
    "snapshot.copied",
    // Beside the copy, or in the step after it.
    "snapshot.index_before_constraint",
    "snapshot.foreign_key_added",
    "migrate.piece.before_commit",
    "migrate.piece.after_commit",
    "migrate.piece.announced",
    "migrate.piece.acted",
    "migrate.before_commit",
    "migrate.after_commit",
    "replay.before_commit",
    "replay.after_commit",
    "fence.trigger_made",
    "participant.prepared",
    "fence.locked",
    "fence.taken",
    "drain.applied",
    "decide.before_commit",
    "decide.after_commit",
    "green.opened",
    "participant.committed",
    "lever.back",
];

/// The places of a run in place, beside those that it shares.
pub const LIVE_PLACES: &[&str] = &[
    "live.before_commit",
    "live.after_commit",
    "live.announced",
    "live.acted",
    "live.batch.before_commit",
    "live.batch.after_commit",
    "live.recorded",
];

/// The places where a throwaway server is being made.
pub const SANDBOX_PLACES: &[&str] = &["sandbox.guarded", "sandbox.made", "sandbox.initdb", "sandbox.pg_ctl"];

/// Ends the process on the spot, no destructor run, when the variable `TEAL_CRASH_AT` names this place.
pub fn failpoint(place: &str) {
    if cfg!(debug_assertions) && std::env::var("TEAL_CRASH_AT").is_ok_and(|wanted| wanted == place) {
        debug_assert!(
            place.starts_with("journal:")
                || [PLACES, LIVE_PLACES, SANDBOX_PLACES].iter().any(|places| places.contains(&place)),
            "unlisted failpoint {place}"
        );
        // As SIGKILL would: nothing is flushed, closed or told.
        let _ = rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL);
    }
}
