//! Green's gate: until decide it refuses writes from every role but the run's own sessions, so that participants may
//! start early, and nothing that they or anybody write there can be lost or mixed in.
//!
//! Statement triggers that always fire stand on every table and leaf. They ask one row, `teal.gate`: opening is one
//! UPDATE, without a lock on any of the application's tables; the triggers themselves are dropped at leisure.

use crate::error::{Context, Failure, Result};
use crate::postgres::{Access, Db, Error, Ident, Name, Target, literal};

const TRIGGER: &str = "teal_gate";

/// Our tables on green and a fresh pass; safe to run again.
pub async fn prepare_green(green: &Db) -> Result<()> {
    let pass: String = (0..32).map(|_| fastrand::alphanumeric()).collect();
    for sql in [include_str!("../postgres/sql/prepare_green.sql"), include_str!("../postgres/sql/create_migrated.sql")]
    {
        green.run(sql).await.map_err(|e| e.doing("preparing green"))?;
    }
    green
        .execute("INSERT INTO teal.gate (pass) VALUES ($1) ON CONFLICT DO NOTHING", &[&pass])
        .await
        .context("preparing green")?;
    Ok(())
}

/// A session on green that passes its gate.
pub async fn pass(green: &Target) -> Result<Db, Error> {
    let db = green.connect(Access::ReadWrite).await?;
    let pass: String = db.row("SELECT pass FROM teal.gate", &[]).await?.get(0);
    db.run(&format!("SET teal.pass = {}", literal(&pass))).await?;
    Ok(db)
}

/// Puts the gate on every table of green that has none, in one transaction.
pub async fn close_green(green: &Db) -> Result<u64> {
    green.run(include_str!("../postgres/sql/create_gate.sql")).await.map_err(|e| e.doing("closing green"))?;
    let open: Vec<Name> = tables(green).await?.into_iter().filter(|(_, gated)| !gated).map(|(name, _)| name).collect();
    let trigger = Ident::new(TRIGGER);
    let one = |table: &Name| {
        format!(
            "DROP TRIGGER IF EXISTS {trigger} ON {table};
             CREATE TRIGGER {trigger} BEFORE INSERT OR UPDATE OR DELETE OR TRUNCATE ON {table}
             FOR EACH STATEMENT EXECUTE FUNCTION teal.refuse_until_open();
             ALTER TABLE ONLY {table} ENABLE ALWAYS TRIGGER {trigger};\n"
        )
    };
    let script: String = open.iter().map(one).collect();
    let script = format!("BEGIN; SET LOCAL lock_timeout = '5s'; {script} COMMIT");
    if let Err(e) = green.run(&script).await {
        let _ = green.run("ROLLBACK").await;
        return Err(e.doing("closing green").into());
    }
    Ok(open.len() as u64)
}

/// Whether every table of green still has its gate and the gate is shut; names the first that has not.
pub async fn is_closed(green: &Db) -> Result<Result<(), String>> {
    let open: bool = green.row("SELECT open FROM teal.gate", &[]).await?.get(0);
    if open {
        return Ok(Err("green's gate is open".to_owned()));
    }
    let ungated = tables(green).await?.into_iter().find(|(_, gated)| !gated);
    Ok(ungated.map_or(Ok(()), |(name, _)| Err(format!("{} on green takes writes from anybody", name.plain()))))
}

/// Opens green to everybody; safe to run again.
pub async fn open_green(green: &Db) -> Result<()> {
    green.execute("UPDATE teal.gate SET open = true", &[]).await.context("opening green")?;
    Ok(())
}

/// Drops the gate's triggers, table by table, each under a short lock timeout with retries; safe to run again.
pub async fn drop_gate(green: &Db) -> Result<()> {
    for row in green.rows(include_str!("../postgres/sql/select_gates.sql"), &[]).await? {
        let table = Name::new(row.get::<_, String>("schema"), row.get::<_, String>("name"));
        let drop = format!("DROP TRIGGER IF EXISTS {} ON {table}", Ident::new(TRIGGER));
        green.run_patiently(&drop).await.map_err(|e| {
            Failure::from(e.doing(format!("dropping the gate of {}", table.plain()))).hint("try again: migrate finish")
        })?;
    }
    Ok(())
}

async fn tables(green: &Db) -> Result<Vec<(Name, bool)>> {
    let rows = green.rows(include_str!("../postgres/sql/select_ungated.sql"), &[]).await?;
    let one = |row: &tokio_postgres::Row| {
        (Name::new(row.get::<_, String>("schema"), row.get::<_, String>("name")), row.get("gated"))
    };
    Ok(rows.iter().map(one).collect())
}
