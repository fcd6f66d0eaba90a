//! Who holds what we want to lock: for the gate before the fence, and for notices of what we wait on.

use std::time::Duration;

use tokio_postgres::Row;

use crate::error::{Context, Result};
use crate::postgres::{Db, Name, literal};

/// A transaction in the way of a lock.
#[derive(Debug, Clone, PartialEq)]
pub struct Holder {
    /// Its server process; none for a prepared transaction.
    pub pid: Option<i32>,
    /// Its global identifier, for a prepared transaction.
    pub gid: Option<String>,
    /// Its role; none for a background worker.
    pub user: Option<String>,
    /// Its `application_name`, or what kind of process it is where it gave none: `autovacuum worker`.
    pub application: String,
    /// As `pg_stat_activity` has it; empty for a prepared transaction, and for other roles' sessions where ours lacks
    /// `pg_read_all_stats`.
    pub state: String,
    /// The first 80 characters of its last query. May hold secrets: never journaled.
    pub query: String,
    /// Seconds since its transaction began, or was prepared; none where our role may not see it.
    pub age_seconds: Option<f64>,
    /// The relation it holds; none where we wait for the transaction as such.
    pub relation: Option<Name>,
    /// The strongest lock it has there, as `pg_locks` names it: `RowExclusiveLock`; may be empty.
    pub mode: String,
    /// Whether it has that lock; else it stands before us in the queue.
    pub granted: bool,
}

impl Holder {
    /// For people: `pid 4711 (app, psql, idle in transaction for 12 s) holding public.token`.
    pub fn describe(&self) -> String {
        let age = self.age_seconds.map(|age| format!("for {age:.0} s"));
        let state = [Some(self.state.clone()).filter(|s| !s.is_empty()), age];
        let state = state.into_iter().flatten().collect::<Vec<_>>().join(" ");
        let facts = [self.user.clone().unwrap_or_default(), self.application.clone(), state];
        let facts = facts.into_iter().filter(|fact| !fact.is_empty()).collect::<Vec<_>>().join(", ");
        let who = match (self.pid, &self.gid) {
            (Some(pid), _) => format!("pid {pid}"),
            (None, Some(gid)) => format!("prepared transaction {}", literal(gid)),
            (None, None) => "a prepared transaction".to_owned(),
        };
        let verb = if self.granted { "holding" } else { "queued for" };
        let what = self.relation.as_ref().map(|relation| format!(" {verb} {}", relation.plain())).unwrap_or_default();
        format!("{who} ({facts}){what}")
    }

    /// The statement that ends it, for a hint: never run by us.
    pub fn remedy(&self) -> String {
        match (self.pid, &self.gid) {
            (Some(pid), _) => format!("SELECT pg_terminate_backend({pid})"),
            (None, Some(gid)) => format!("ROLLBACK PREPARED {}", literal(gid)),
            (None, None) => "SELECT * FROM pg_prepared_xacts".to_owned(),
        }
    }
}

/// Whoever holds a lock on `tables` that a `LOCK TABLE … IN SHARE ROW EXCLUSIVE MODE` would wait for: transactions at
/// least `older_than` old, and prepared transactions and vacuums of any age. The longest first.
///
/// Without `pg_read_all_stats` the age of other roles' transactions is hidden; they are left out then, and the lock's
/// own timeout has to do.
pub async fn blockers_of(db: &Db, tables: &[Name], older_than: Duration) -> Result<Vec<Holder>> {
    let schemas: Vec<&str> = tables.iter().map(|table| table.schema.0.as_str()).collect();
    let names: Vec<&str> = tables.iter().map(|table| table.object.0.as_str()).collect();
    let sql = include_str!("../postgres/sql/select_holders.sql");
    let rows = db
        .rows(sql, &[&schemas, &names, &older_than.as_secs_f64()])
        .await
        .context("looking for transactions on the tables")?;
    Ok(rows.iter().map(holder).collect())
}

/// Whoever the session `pid` of ours waits for right now; nobody where it waits for no lock.
pub async fn waiting_for(db: &Db, pid: i32) -> Result<Vec<Holder>> {
    let rows = db
        .rows(include_str!("../postgres/sql/select_blocking.sql"), &[&pid])
        .await
        .with_context(|| format!("looking for what pid {pid} waits for"))?;
    Ok(rows.iter().map(holder).collect())
}

fn holder(row: &Row) -> Holder {
    let relation = match (row.get::<_, Option<String>>("schema"), row.get::<_, Option<String>>("relation")) {
        (Some(schema), Some(relation)) => Some(Name::new(schema, relation)),
        _ => None,
    };
    Holder {
        pid: row.get("pid"),
        gid: row.get("gid"),
        user: row.get("user"),
        application: row.get("application"),
        state: row.get("state"),
        query: row.get("query"),
        age_seconds: row.get("age_seconds"),
        relation,
        mode: row.get("mode"),
        granted: row.get("granted"),
    }
}
