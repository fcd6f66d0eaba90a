//! Nobody on blue may wait long behind the copy: who queues behind our ACCESS SHARE holds up everybody after them.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use crate::error::{Failure, Result};
use crate::postgres::{Access, Db, Target};

/// How often blue is asked.
const INTERVAL: Duration = Duration::from_millis(500);
/// How long somebody may wait behind us.
const PATIENCE: Duration = Duration::from_secs(1);

/// Watches blue until somebody has waited for a lock of ours for over a second; gives the failure that names them.
///
/// Ours are this role's sessions that call themselves `teal`: keeper, workers and `pg_dump`. Losing its own session is a
/// failure as well: a copy that nobody watches could block blue. Never returns otherwise; meant for `select!`.
pub async fn watch(blue: &Target) -> Failure {
    match watch_until(blue).await {
        Ok(failure) | Err(failure) => failure,
    }
}

async fn watch_until(blue: &Target) -> Result<Failure> {
    let db = blue.connect(Access::ReadOnly).await?;
    let mut since: HashMap<i32, Instant> = HashMap::new();
    loop {
        let waiting = read_waiting(&db).await?;
        since.retain(|pid, _| waiting.iter().any(|(waiting, _)| waiting == pid));
        for (pid, who) in waiting {
            if since.entry(pid).or_insert_with(Instant::now).elapsed() >= PATIENCE {
                return Ok(given_up(&blue.name, &who));
            }
        }
        tokio::time::sleep(INTERVAL).await;
    }
}

fn given_up(database: &str, who: &str) -> Failure {
    Failure::failed(format!("{database}: {who} waits for a lock that the copy holds; the copy gave way"))
        .state("blue serves and was not changed; the copy is undone at its next start")
        .hint("let the schema change or maintenance finish, then run the same command again")
}

async fn read_waiting(db: &Db) -> Result<Vec<(i32, String)>> {
    let rows = db.rows(include_str!("../postgres/sql/select_waiting_behind_us.sql"), &[]).await?;
    Ok(rows
        .iter()
        .map(|row| {
            let (pid, role, program): (i32, &str, &str) = (row.get("pid"), row.get("role"), row.get("program"));
            let (mode, object): (&str, &str) = (row.get("mode"), row.get("object"));
            (pid, format!("pid {pid} ({role}, {program}) wanting {mode} on {object}"))
        })
        .collect())
}
