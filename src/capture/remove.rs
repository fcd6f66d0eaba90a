//! Taking the capture down again.

use std::time::Duration;

use backon::{ExponentialBuilder, Retryable};

use crate::error::{Failure, Result};
use crate::postgres::{Db, Error, Ident, Name};

/// Per attempt: DROP TRIGGER takes ACCESS EXCLUSIVE, and everybody behind us in the queue waits as long as we do.
const LOCK_TIMEOUT: &str = "500ms";
/// Attempts per table, with jitter between them; together about a minute.
const ATTEMPTS: usize = 30;

/// Drops every capture trigger of ours on blue, table by table, and what they write to. The fence, the decision and the
/// run row stay. Safe to run again after a crash at any line.
pub async fn remove(blue: &Db) -> Result<()> {
    for (table, triggers) in capture_triggers(blue).await? {
        drop_triggers(blue, &table, &triggers).await?;
    }
    Ok(blue.run(include_str!("../postgres/sql/drop_outbox.sql")).await.map_err(|e| e.doing("dropping the outbox"))?)
}

/// The relations that carry capture triggers of their own, not clones of a partitioned parent's.
async fn capture_triggers(blue: &Db) -> Result<Vec<(Name, Vec<Ident>)>> {
    let rows = blue.rows(include_str!("../postgres/sql/select_capture_triggers.sql"), &[]).await?;
    let one = |row: &tokio_postgres::Row| {
        let table = Name::new(row.get::<_, String>("schema"), row.get::<_, String>("name"));
        (table, row.get::<_, Vec<String>>("triggers").into_iter().map(Ident::new).collect())
    };
    Ok(rows.iter().map(one).collect())
}

async fn drop_triggers(blue: &Db, table: &Name, triggers: &[Ident]) -> Result<()> {
    let drops: String = triggers.iter().map(|name| format!("DROP TRIGGER IF EXISTS {name} ON {table}; ")).collect();
    let script = format!("BEGIN; SET LOCAL lock_timeout = '{LOCK_TIMEOUT}'; {drops} COMMIT");
    let attempt = || async {
        let done = blue.run(&script).await;
        if done.is_err() {
            let _ = blue.run("ROLLBACK").await;
        }
        done
    };
    let wait = ExponentialBuilder::new()
        .with_min_delay(Duration::from_millis(200))
        .with_max_delay(Duration::from_secs(3))
        .with_max_times(ATTEMPTS)
        .with_jitter();
    attempt.retry(wait).when(Error::is_lock).await.map_err(|e| {
        Failure::from(e.doing(format!("dropping the capture triggers of {}", table.plain())))
            .state("the other tables' triggers are dropped or will be by the next try")
    })
}
