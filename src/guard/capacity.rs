//! `guard/connections` and `guard/locks-per-transaction`: room for our sessions and for the locks of the fence.

use super::Both;
use super::provider::Provider;
use crate::catalog::Server;
use crate::error::Result;
use crate::finding::Finding;
use crate::postgres::{Ident, Target};

/// Sessions of a run on each server at most.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sessions {
    /// The copy's: the lease, the step's own, the keeper of the snapshot, the watch over who waits, and the workers. Two are
    /// left for `status`, `validate` and a cutover that reads beside its fence.
    pub blue: i32,
    /// The copy's: the lease, the markers of chunks, the workers, and as many builders of indexes beside them. Two are left
    /// as on blue.
    pub green: i32,
}

/// How many sessions a run with so many jobs opens (`tests/copy_faults.rs` counts them in the servers' logs). Foreign keys,
/// statistics and digests take as many as there are jobs, when those of the copy have ended.
pub fn sessions_at_most(jobs: usize) -> Sessions {
    let jobs = i32::try_from(jobs).unwrap_or(i32::MAX);
    Sessions { blue: jobs.saturating_add(6), green: jobs.saturating_mul(2).saturating_add(4) }
}

pub(super) async fn check(both: &Both<'_>) -> Result<Vec<Finding>> {
    let mut found = connections(both);
    found.extend(locks(both).await?);
    found.extend(locks_of_the_restore(both).await?);
    Ok(found)
}

fn connections(both: &Both<'_>) -> Vec<Finding> {
    let (blue, green) = (&both.blue_server, &both.green_server);
    let mut most = sessions_at_most(both.plan.jobs);
    if blue.system_identifier == green.system_identifier && blue.started_at == green.started_at {
        let together = most.blue.saturating_add(most.green);
        most = Sessions { blue: together, green: together };
    }
    [(&both.plan.blue, blue, both.blue_provider, most.blue), (&both.plan.green, green, both.green_provider, most.green)]
        .into_iter()
        .filter(|(_, server, _, needed)| server.free_connections() < *needed)
        .map(|(target, server, provider, needed)| {
            let what = format!("{} connections are left, up to {needed} are needed", server.free_connections());
            Finding::blocker("guard/connections", &target.name, what)
                .so_what(
                    "a run that can't open its sessions fails in its middle, or the applications can't open theirs",
                )
                .next(more_connections(target, server, provider, needed))
        })
        .collect()
}

fn more_connections(target: &Target, server: &Server, provider: Provider, needed: i32) -> String {
    if server.left_by_limit.is_some_and(|left| left < needed) {
        let (role, database) = (Ident::new(target.user()), Ident::new(target.dbname()));
        return format!("ALTER ROLE {role} CONNECTION LIMIT -1; ALTER DATABASE {database} CONNECTION LIMIT -1;");
    }
    let more = server.max_connections.saturating_add(needed - server.free_connections());
    provider.set("max_connections", more)
}

/// The fence locks every table in one transaction, and statements on them lock their indexes; the keeper of the copy
/// and `pg_dump` hold the same tables once more. One that finds the lock table full fails with 53200.
async fn locks(both: &Both<'_>) -> Result<Option<Finding>> {
    let sql = include_str!("../postgres/sql/count_indexes.sql");
    let indexes: i64 = both.blue.row(sql, &[]).await?.get(0);
    let needed = i64::try_from(both.tables.len()).unwrap_or(i64::MAX).saturating_add(indexes);
    let server = &both.blue_server;
    let slots = server.lock_slots();
    if needed <= slots / 2 {
        return Ok(None);
    }
    let wanted = enough_locks(server, needed);
    let what = format!("up to {needed} locks are needed at once, blue's lock table holds {slots}");
    let finding = if needed > slots {
        Finding::blocker("guard/locks-per-transaction", "blue", what)
            .so_what("the fence would fail with \"out of shared memory\"")
    } else {
        Finding::warning("guard/locks-per-transaction", "blue", what)
            .so_what("with the applications' own locks the fence may fail with \"out of shared memory\"")
    };
    Ok(Some(finding.next(both.blue_provider.set("max_locks_per_transaction", wanted))))
}

/// The schema goes into green in one transaction, which locks whatever it makes until its end.
async fn locks_of_the_restore(both: &Both<'_>) -> Result<Option<Finding>> {
    let sql = include_str!("../postgres/sql/select_restored_relations.sql");
    let needed: i64 = both.blue.row(sql, &[]).await?.get(0);
    let server = &both.green_server;
    let slots = server.lock_slots();
    if needed <= slots {
        return Ok(None);
    }
    let what =
        format!("restoring the schema takes about {needed} locks at once, green's lock table is made for {slots}");
    // A lock table grows into what memory the server has left over: twice its size, and some hundreds more on a small
    // server (270 locks fitted where 200 were promised).
    let finding = if needed > slots.saturating_mul(2).saturating_add(1500) {
        Finding::blocker("guard/locks-per-transaction", "green", what)
            .so_what("it would fail with \"out of shared memory\"")
    } else {
        Finding::warning("guard/locks-per-transaction", "green", what)
            .so_what("it may fail with \"out of shared memory\"")
    };
    Ok(Some(finding.next(both.green_provider.set("max_locks_per_transaction", enough_locks(server, needed)))))
}

/// A `max_locks_per_transaction` with room for twice what is needed, in steps of the default.
fn enough_locks(server: &Server, needed: i64) -> i64 {
    let sessions = i64::from(server.max_connections) + i64::from(server.max_prepared_transactions);
    (2 * needed / sessions.max(1) / 64 + 1) * 64
}
