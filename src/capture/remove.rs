//! Taking the capture down again.

use crate::error::{Failure, Result};
use crate::postgres::{Db, Ident, Name};

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

/// DROP TRIGGER takes ACCESS EXCLUSIVE.
async fn drop_triggers(blue: &Db, table: &Name, triggers: &[Ident]) -> Result<()> {
    let drops: Vec<String> = triggers.iter().map(|name| format!("DROP TRIGGER IF EXISTS {name} ON {table}")).collect();
    blue.run_patiently(&drops.join("; ")).await.map_err(|e| {
        Failure::from(e.doing(format!("dropping the capture triggers of {}", table.plain())))
            .state("the other tables' triggers are dropped or will be by the next try")
    })
}
