//! Every check of the guards, as `docs/doctor.md` lists them: that page is written from this table.

/// One check.
#[derive(Debug, Clone, Copy)]
pub struct Check {
    /// The finding's id.
    pub id: &'static str,
    /// The topic under which `doctor` shows it.
    pub topic: &'static str,
    /// What is asked, as a question whose answer is yes where all is well, or the reverse said plainly.
    pub asks: &'static str,
    /// The rights that it takes beside a login, and which databases; empty: a login on both.
    pub needs: &'static str,
    /// Whether `plan` and `apply` ask it too.
    pub in_plan: bool,
}

const fn both(id: &'static str, topic: &'static str, asks: &'static str, needs: &'static str) -> Check {
    Check { id, topic, asks, needs, in_plan: true }
}

const fn doctor(id: &'static str, topic: &'static str, asks: &'static str, needs: &'static str) -> Check {
    Check { id, topic, asks, needs, in_plan: false }
}

/// All of them, in the order in which `doctor` asks.
#[rustfmt::skip]
pub const CHECKS: &[Check] = &[
    doctor("guard/unreachable", "connection", "Does a database answer, and let our role in?", ""),
    both("guard/pooler", "connection", "Is a session one server process from beginning to end, no transaction pooler in between?", ""),
    doctor("guard/no-tls", "connection", "Is the way to another machine encrypted?", ""),
    both("guard/same-database", "connection", "Are blue and green two databases?", ""),
    both("guard/blue-retired", "connection", "Has no earlier run switched away from blue? (not asked during a run)", ""),
    both("guard/in-recovery", "connection", "Are both primaries?", ""),
    both("guard/version", "versions", "Blue 14 or later, green no older than blue, pg_dump no older than blue, pg_restore no older than pg_dump?", ""),
    both("guard/privileges", "privileges", "A schema on both; owners' rights on blue's tables, reading without row security; membership (since 16 with SET) in owners on green; other roles' sessions seen?", ""),
    both("guard/roles-missing", "privileges", "Does green's server have the roles that own blue's objects or may use them?", ""),
    both("guard/client-roles", "clients", "Can roles that are logged in to blue now log in to green, with the same memberships?", "green's passwords and pg_hba.conf can't be read"),
    both("guard/role-settings", "clients", "Does green's server have what blue's sets by ALTER ROLE?", ""),
    both("guard/green-not-empty", "green", "Is green empty? (not asked during a run)", ""),
    both("guard/connections", "capacity", "Are enough connections left for copy workers and index builders, reserved ones and CONNECTION LIMIT counted?", ""),
    both("guard/locks-per-transaction", "capacity", "Is the lock table large enough for the fence on blue, for the schema's restore on green?", ""),
    both("guard/answers-differ", "settings", "Are settings that change what statements do the same?", ""),
    both("guard/two-phase", "settings", "Does green take prepared transactions where blue does?", ""),
    doctor("guard/settings-differ", "settings", "What else is set differently: memory, planner, vacuum?", "pg_read_all_settings for all of them"),
    both("guard/timeouts", "settings", "Do role or database set timeouts? (no harm to us)", ""),
    both("guard/encoding", "locale", "Are both encoded alike?", ""),
    both("guard/locale", "locale", "Do both sort alike?", ""),
    both("guard/collation-version", "locale", "Is each collation's library the one with which its indexes were made?", ""),
    doctor("guard/event-trigger", "objects", "Do event triggers on blue fire for the run's own DDL?", "blue"),
    both("guard/not-carried", "objects", "Does blue have anything that the copy does not bring, or green can't take?", ""),
    both("guard/compression", "objects", "Was green's server built with lz4, where blue's columns name it?", ""),
    both("guard/extension-version", "objects", "Would green get extensions no older than blue's?", ""),
    both("guard/extension-rights", "objects", "May our role make blue's extensions on green?", ""),
    both("guard/preload-library", "objects", "Does green's server load the libraries that blue's extensions need?", "pg_read_all_settings on green"),
    both("guard/extension-acts", "objects", "Do extensions act by themselves: pg_cron, pg_partman, timescaledb, citus, pglogical, pgaudit?", ""),
    both("guard/event-table", "events", "Do the events' tables, keys, predicates and statements work on blue?", "blue"),
    both("guard/event-partition", "events", "Do the events' statements find rows that moved to another partition?", "blue"),
    both("guard/event-unlogged", "events", "Is no event's table unlogged?", "blue"),
    doctor("guard/long-transaction", "activity", "Is no transaction older than 30 s?", "blue; pg_read_all_stats for other roles'"),
    doctor("guard/prepared-transaction", "activity", "Is no transaction prepared?", "blue"),
    doctor("guard/vacuum-by-force", "activity", "Is no event's table vacuumed by force, now or soon?", "blue; pg_read_all_stats"),
    doctor("guard/wraparound", "age", "Are transaction numbers left for as long as the copy holds them?", "blue"),
    doctor("guard/horizon-held", "replication", "Does no slot hold vacuum back already?", "blue"),
    doctor("guard/synchronous-commit", "replication", "Does the standby follow for which commits wait?", "pg_read_all_stats to see its state"),
    doctor("guard/replication-slot", "replication", "Does somebody read blue's log who will not follow green?", "blue"),
    doctor("guard/standby", "replication", "Has blue standbys?", "blue"),
    doctor("guard/disk-green", "space", "Is there room on green's disk?", "a server on this machine and pg_read_all_settings; else it says where to look"),
    doctor("guard/clock", "clocks", "Do the three clocks agree within 2 s?", ""),
    both("guard/journal-folder", "this machine", "Can the journal be written?", "no database"),
    both("guard/disk-here", "this machine", "Is there room for journal, schema dump and answers of checks?", "no database"),
    both("guard/program-missing", "this machine", "Are the migrator and the checks' programs there?", "no database"),
    doctor("guard/file-missing", "this machine", "Can participants' files be read and replaced?", "no database"),
    doctor("guard/unanswered", "this machine", "Do the databases that checks ask answer?", "a login there"),
];

/// The table of `docs/doctor.md`.
pub fn page() -> String {
    let mut page = "| topic | check | asks | takes | `plan` too |\n| --- | --- | --- | --- | --- |\n".to_owned();
    for Check { id, topic, asks, needs, in_plan } in CHECKS {
        let needs = if needs.is_empty() { "a login on both" } else { needs };
        let in_plan = if *in_plan { "yes" } else { "" };
        page.push_str(&format!("| {topic} | `{id}` | {asks} | {needs} | {in_plan} |\n"));
    }
    page
}
