//! The fence's triggers: put up before the cutover while it is open, taken down by an abort or by `finish --unfence`.
//!
//! A statement trigger stands on every table and leaf and always fires. It takes ROW EXCLUSIVE on `teal.fence`, a table that
//! holds nothing, and keeps it until its transaction ends: whoever has written to any table holds that one lock. Then it
//! refuses where `teal.decision` exists.
//!
//! - That is asked of the catalog (`to_regclass`), not of a row: a REPEATABLE READ transaction that waited here keeps the
//!   snapshot of before and would not see the row. A lock on a relation reads the invalidations that came before it, so
//!   that the name is looked up anew (E, 15.18); an advisory lock does not (lmgr.c, `LockRelationOid`).
//! - Who holds that lock gets it again without waiting, whoever queues for it, in a subtransaction too; rolled back to a
//!   savepoint, the lock goes with the writes that it stood for. A prepared transaction keeps it (E).
//! - It is a lock of the kind that Postgres keeps in the backend itself (fast path), so that many writers do not meet at it.
//! - It runs as its owner, so that a writer needs no right on our schema. Everything in it is named with its schema and it
//!   uses no operator: a `search_path` of its own would add nothing but 2 of 5 microseconds a statement (measured, 15.18).

use std::time::{Duration, Instant};

use backon::{BackoffBuilder, ExponentialBuilder};

use super::describe;
use crate::catalog::{Table, blockers_of};
use crate::error::{Context, Failure, Result};
use crate::failpoint::failpoint;
use crate::postgres::{Access, Db, Error, Ident, Name, Target, literal};
use crate::step::Notices;

/// The trigger on every fenced table.
const TRIGGER: &str = "teal_fence";
/// How long to try again after the first lock that was not to be had, before the cutover is given up.
const PATIENCE: Duration = Duration::from_secs(60);
/// Per table: while we wait in its queue, everybody behind us waits as long.
const LOCK_TIMEOUT: &str = "500ms";
/// The same from the third round on: an autovacuum gives way after `deadlock_timeout`, 1 s by default (E).
const LONG_LOCK_TIMEOUT: &str = "1500ms";

/// Puts the fence up, open: everybody passes. Each table's trigger is made in a transaction of its own, which holds no
/// other table and so can be part of no deadlock; CREATE TRIGGER waits for whoever is writing to its table, so that every
/// writer from then on comes by. Safe to run again: what stands is left standing.
///
/// `refusal` is what a writer reads once it is decided: where the data lives now.
pub async fn put_up_fence(blue: &Target, tables: &[Table], refusal: &str, notices: &Notices) -> Result<()> {
    let db = blue.connect(Access::ReadWrite).await?;
    db.run(&function(refusal)).await.map_err(|e| e.doing("putting the fence up"))?;
    let mut waits = ExponentialBuilder::new()
        .with_min_delay(Duration::from_millis(300))
        .with_max_delay(Duration::from_secs(3))
        .without_max_times()
        .with_jitter()
        .build();
    let mut until = None;
    for round in 0.. {
        let lock_timeout = if round < 2 { LOCK_TIMEOUT } else { LONG_LOCK_TIMEOUT };
        let mut locked = Vec::new();
        let mut refused = None;
        for table in unfenced(&db, tables).await? {
            match make_trigger(&db, &table, lock_timeout).await {
                Ok(()) => failpoint("fence.trigger_made"),
                Err(e) if e.is_lock() => {
                    locked.push(table);
                    refused = Some(e);
                }
                Err(e) => return Err(e.doing(format!("putting the fence up on {}", table.plain())).into()),
            }
        }
        let Some(refused) = refused else { return Ok(()) };
        let holders = describe(&blockers_of(&db, &locked, Duration::ZERO).await.unwrap_or_default());
        if Instant::now() > *until.get_or_insert_with(|| Instant::now() + PATIENCE) {
            let doing = format!("putting the fence up, {} times", round + 1);
            return Err(Failure::from(refused.doing(doing)).detail(format!("in the way: {holders}")));
        }
        notices.waiting(format!("locks on blue, held by {holders}"));
        tokio::time::sleep(waits.next().unwrap_or(PATIENCE)).await;
    }
    Ok(())
}

fn function(refusal: &str) -> String {
    let body = format!(
        "BEGIN
             LOCK TABLE ONLY teal.fence IN ROW EXCLUSIVE MODE;
             IF pg_catalog.to_regclass('teal.decision') IS NOT NULL THEN
                 RAISE EXCEPTION {} USING ERRCODE = 'read_only_sql_transaction', HINT = {};
             END IF;
             RETURN NULL;
         END",
        literal("this database was retired by an upgrade and takes no more writes"),
        literal(refusal)
    );
    format!(
        "CREATE TABLE IF NOT EXISTS teal.fence ();
         CREATE OR REPLACE FUNCTION teal.pass_fence() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS {}",
        literal(&body)
    )
}

/// Where the server crashes, the last triggers may be gone again: whoever shuts the fence looks first.
async fn make_trigger(db: &Db, table: &Name, lock_timeout: &str) -> Result<(), Error> {
    let trigger = Ident::new(TRIGGER);
    let script = format!(
        "BEGIN; SET LOCAL lock_timeout = '{lock_timeout}'; SET LOCAL synchronous_commit = off;
         CREATE OR REPLACE TRIGGER {trigger} BEFORE INSERT OR UPDATE OR DELETE OR TRUNCATE ON {table} \
         FOR EACH STATEMENT EXECUTE FUNCTION teal.pass_fence();
         ALTER TABLE ONLY {table} ENABLE ALWAYS TRIGGER {trigger}; COMMIT"
    );
    let made = db.run(&script).await;
    if made.is_err() {
        // Where this fails the session is gone, and the transaction with it.
        let _ = db.run("ROLLBACK").await;
    }
    made
}

/// The tables that writers could write to without coming by.
pub(super) async fn unfenced(db: &Db, tables: &[Table]) -> Result<Vec<Name>> {
    let schemas: Vec<&str> = tables.iter().map(|table| table.name.schema.0.as_str()).collect();
    let names: Vec<&str> = tables.iter().map(|table| table.name.object.0.as_str()).collect();
    let sql = include_str!("../../postgres/sql/select_unfenced.sql");
    let rows = db.rows(sql, &[&schemas, &names, &TRIGGER]).await.context("looking for the fence's triggers")?;
    Ok(rows.iter().map(name).collect())
}

fn name(row: &tokio_postgres::Row) -> Name {
    Name::new(row.get::<_, String>("schema"), row.get::<_, String>("name"))
}

async fn fenced(db: &Db) -> Result<Vec<Name>> {
    let rows = db.rows(include_str!("../../postgres/sql/select_fences.sql"), &[&TRIGGER]).await?;
    Ok(rows.iter().map(name).collect())
}

/// Takes a fence down that was never decided, table by table and patiently: blue serves. Safe to run again.
pub async fn take_fence_down(blue: &Db) -> Result<()> {
    let trigger = Ident::new(TRIGGER);
    for table in fenced(blue).await? {
        blue.run_patiently(&format!("DROP TRIGGER IF EXISTS {trigger} ON {table}")).await.map_err(|e| {
            Failure::from(e.doing(format!("taking the open fence off {}", table.plain())))
                .state("writers pass it; it comes off the other tables by the next try")
        })?;
    }
    let rest = "DROP FUNCTION IF EXISTS teal.pass_fence(); DROP TABLE IF EXISTS teal.fence";
    Ok(blue.run_patiently(rest).await.map_err(|e| e.doing("taking the open fence down"))?)
}

/// Takes a committed fence down: blue takes writes again. Only for `finish --unfence`, in one transaction.
pub async fn drop_fence(blue: &Db) -> Result<u64> {
    let (tables, trigger) = (fenced(blue).await?, Ident::new(TRIGGER));
    let drops: String = tables.iter().map(|table| format!("DROP TRIGGER {trigger} ON {table};\n")).collect();
    // teal.refuse() is that of a fence which an earlier version made.
    let script = format!(
        "BEGIN; SET LOCAL lock_timeout = '5s'; {drops} \
         DROP FUNCTION IF EXISTS teal.pass_fence(); DROP FUNCTION IF EXISTS teal.refuse(); \
         DROP TABLE IF EXISTS teal.decision; DROP TABLE IF EXISTS teal.fence; COMMIT"
    );
    if let Err(e) = blue.run(&script).await {
        let _ = blue.run("ROLLBACK").await;
        return Err(e).context("taking the fence down");
    }
    Ok(tables.len() as u64)
}
