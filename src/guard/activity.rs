//! `guard/long-transaction`, `guard/prepared-transaction`, `guard/vacuum-by-force`: what is at work right now and would be
//! waited for.

use std::time::Duration;

use super::look::Side;
use super::{event_table, first_of};
use crate::catalog::Table;
use crate::error::Result;
use crate::finding::Finding;
use crate::plan::Plan;
use crate::postgres::literal;
use crate::units::show_millis;

/// From this age on a transaction is more than a long report.
const VERY_OLD_SECONDS: f64 = 3600.0;

/// A transaction that has been open for long.
struct Old {
    pid: Option<i32>,
    gid: Option<String>,
    who: String,
    state: String,
    age_seconds: f64,
    here: bool,
}

/// `old_after`: from which age on a transaction is shown.
pub(super) async fn check(plan: &Plan, blue: &Side<'_>, tables: &[Table], old_after: Duration) -> Result<Vec<Finding>> {
    let rows =
        blue.db.rows(include_str!("../postgres/sql/select_old_transactions.sql"), &[&old_after.as_secs_f64()]).await?;
    let old: Vec<Old> = rows
        .iter()
        .map(|row| Old {
            pid: row.get("pid"),
            gid: row.get("gid"),
            who: row.get("who"),
            state: row.get("state"),
            age_seconds: row.get("age_seconds"),
            here: row.get("here"),
        })
        .collect();
    let mut found: Vec<Finding> = old.iter().map(finding).collect();
    found.extend(vacuums(plan, blue, tables).await?);
    Ok(found)
}

fn finding(old: &Old) -> Finding {
    let age = Duration::try_from_secs_f64(old.age_seconds).unwrap_or_default();
    let age = show_millis(u64::try_from(age.as_millis()).unwrap_or(u64::MAX));
    let place = if old.here { "" } else { ", in another database" };
    match (old.pid, &old.gid) {
        (Some(pid), _) => {
            let what = format!("pid {pid} ({}) has been {} for {age}{place}", old.who, worded(&old.state));
            let finding = if old.here && old.age_seconds > VERY_OLD_SECONDS {
                Finding::warning("guard/long-transaction", "blue", what)
            } else {
                Finding::note("guard/long-transaction", "blue", what)
            };
            finding
                .so_what("where it holds an event's table the capture waits for it, and the cutover's gate is closed")
                .next(format!("SELECT pg_terminate_backend({pid}); -- or wait"))
        }
        (None, gid) => {
            let gid = gid.clone().unwrap_or_default();
            Finding::warning(
                "guard/prepared-transaction",
                "blue",
                format!("{} has been prepared for {age} by {}{place}", literal(&gid), old.who),
            )
            .so_what("it holds its locks until somebody ends it: the fence can't pass it, nor vacuum what it may see")
            .next(format!("ROLLBACK PREPARED {}; -- or COMMIT PREPARED", literal(&gid)))
        }
    }
}

fn worded(state: &str) -> &str {
    match state {
        "active" => "in a transaction",
        "" => "at work",
        state => state,
    }
}

/// Autovacuum gives way to CREATE TRIGGER, but for one that prevents wraparound.
async fn vacuums(plan: &Plan, blue: &Side<'_>, tables: &[Table]) -> Result<Option<Finding>> {
    let mut oids = Vec::new();
    for event in &plan.events {
        let name = event_table::resolve_table(&blue.db, &event.table).await?;
        oids.extend(tables.iter().filter(|table| {
            name.as_ref().is_some_and(|name| table.name == *name || table.partition_of.as_ref() == Some(name))
        }));
    }
    let oids: Vec<u32> = oids.iter().map(|table| table.oid).collect();
    let rows = blue.db.rows(include_str!("../postgres/sql/select_vacuums.sql"), &[&oids]).await?;
    let forced: Vec<String> =
        rows.iter().filter(|row| row.get::<_, bool>("forced")).map(|row| row.get("relation")).collect();
    let Some(first) = forced.first() else { return Ok(None) };
    Ok(Some(
        Finding::warning(
            "guard/vacuum-by-force",
            "blue",
            format!("autovacuum vacuums {} by force, now or soon, to prevent wraparound", first_of(&forced, 3)),
        )
        .so_what("it does not give way to the capture's triggers nor to the fence")
        .next(format!("VACUUM (FREEZE) {first}; -- before the run")),
    ))
}
