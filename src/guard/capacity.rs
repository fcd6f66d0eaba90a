//! `guard/connections` and `guard/locks-per-transaction`: room for our sessions and for the locks of the fence.

use super::Both;
use crate::catalog::Server;
use crate::error::Result;
use crate::finding::Finding;
use crate::postgres::{Ident, Target};

/// Sessions besides the copy's workers: lease, journal heartbeat, exporter and keeper, capture, replay, watchdog.
const BESIDE_WORKERS: i32 = 6;

pub(super) async fn check(both: &Both<'_>) -> Result<Vec<Finding>> {
    let mut found = connections(both);
    found.extend(locks(both).await?);
    Ok(found)
}

fn connections(both: &Both<'_>) -> Vec<Finding> {
    let (blue, green) = (&both.blue_server, &both.green_server);
    let workers = i32::try_from(both.plan.jobs).unwrap_or(i32::MAX);
    let one_server = blue.system_identifier == green.system_identifier && blue.started_at == green.started_at;
    let needed = workers.saturating_add(BESIDE_WORKERS).saturating_mul(if one_server { 2 } else { 1 });
    [(&both.plan.blue, blue), (&both.plan.green, green)]
        .into_iter()
        .filter(|(_, server)| server.free_connections() < needed)
        .map(|(target, server)| {
            let what = format!("{} connections are left, up to {needed} are needed", server.free_connections());
            Finding::blocker("guard/connections", &target.name, what)
                .so_what(
                    "a run that can't open its sessions fails in its middle, or the applications can't open theirs",
                )
                .next(more_connections(target, server, needed))
        })
        .collect()
}

fn more_connections(target: &Target, server: &Server, needed: i32) -> String {
    if server.left_by_limit.is_some_and(|left| left < needed) {
        let (role, database) = (Ident::new(target.user()), Ident::new(target.dbname()));
        return format!("ALTER ROLE {role} CONNECTION LIMIT -1; ALTER DATABASE {database} CONNECTION LIMIT -1;");
    }
    let more = server.max_connections.saturating_add(needed - server.free_connections());
    format!("ALTER SYSTEM SET max_connections = {more}; -- needs a restart; or lower [snapshot] jobs")
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
    let sessions = i64::from(server.max_connections) + i64::from(server.max_prepared_transactions);
    // Twice what is needed, in steps of the default.
    let wanted = (2 * needed / sessions.max(1) / 64 + 1) * 64;
    let what = format!("up to {needed} locks are needed at once, blue's lock table holds {slots}");
    let finding = if needed > slots {
        Finding::blocker("guard/locks-per-transaction", "blue", what)
            .so_what("the fence would fail with \"out of shared memory\"")
    } else {
        Finding::warning("guard/locks-per-transaction", "blue", what)
            .so_what("with the applications' own locks the fence may fail with \"out of shared memory\"")
    };
    Ok(Some(finding.next(format!("ALTER SYSTEM SET max_locks_per_transaction = {wanted}; -- needs a restart"))))
}
