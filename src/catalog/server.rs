//! Facts about one server and one database on it, as guards, planner and gates need them.

use tokio_postgres::error::SqlState;

use crate::error::{Context, Result};
use crate::postgres::Db;

/// One server, and the database that the session is in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Server {
    /// `server_version_num`: 150018 is 15.18.
    pub version_num: i32,
    /// `server_version`, for people.
    pub version: String,
    /// Set by initdb; physical clones share it (`pg_control_system`). 0 where a managed server does not tell our role.
    pub system_identifier: i64,
    /// When the server started, in seconds since 1970.
    pub started_at: i64,
    /// Whether it is a standby.
    pub in_recovery: bool,
    /// `max_connections`.
    pub max_connections: i32,
    /// Of these, how many are kept for superusers and, since 16, for `pg_use_reserved_connections`.
    pub reserved_connections: i32,
    /// Sessions in databases right now, ours among them.
    pub used_connections: i32,
    /// How many more the CONNECTION LIMIT of the database or of our role allows; none where neither binds us.
    pub left_by_limit: Option<i32>,
    /// `max_locks_per_transaction`.
    pub max_locks_per_transaction: i32,
    /// `max_prepared_transactions`.
    pub max_prepared_transactions: i32,
    /// Size of the database in bytes.
    pub database_bytes: i64,
    /// The database's OID, for this server only.
    pub database_oid: u32,
    /// The database's encoding: `UTF8`.
    pub encoding: String,
    /// `LC_COLLATE`.
    pub collate: String,
    /// `LC_CTYPE`.
    pub ctype: String,
    /// `c` (libc), `i:en-US` (ICU and its locale), `b:C.UTF-8` (built in, 17).
    pub locale_provider: String,
    /// Whether our role is a superuser.
    pub superuser: bool,
    /// Whether our role sees every row whatever policies say: superuser or BYPASSRLS.
    pub bypasses_row_security: bool,
}

impl Server {
    /// The major version: 15.
    pub fn major(&self) -> i32 {
        self.version_num / 10_000
    }

    /// How many locks the shared table holds at least (manual 20.12, `max_locks_per_transaction`).
    pub fn lock_slots(&self) -> i64 {
        i64::from(self.max_locks_per_transaction)
            * (i64::from(self.max_connections) + i64::from(self.max_prepared_transactions))
    }

    /// How many more sessions our role may open right now, others' included in the count.
    pub fn free_connections(&self) -> i32 {
        let reserved = if self.superuser { 0 } else { self.reserved_connections };
        let left = self.max_connections - reserved - self.used_connections;
        left.min(self.left_by_limit.unwrap_or(left)).max(0)
    }
}

/// Reads the facts about the server and the session's database.
pub async fn read_server(db: &Db) -> Result<Server> {
    let row = db
        .row(include_str!("../postgres/sql/select_server.sql"), &[])
        .await
        .context("reading the facts about the server")?;
    Ok(Server {
        system_identifier: system_identifier(db).await?,
        version_num: row.get("version_num"),
        version: row.get("version"),
        started_at: row.get("started_at"),
        in_recovery: row.get("in_recovery"),
        max_connections: row.get("max_connections"),
        reserved_connections: row.get("reserved_connections"),
        used_connections: row.get("used_connections"),
        left_by_limit: row.get("left_by_limit"),
        max_locks_per_transaction: row.get("max_locks_per_transaction"),
        max_prepared_transactions: row.get("max_prepared_transactions"),
        database_bytes: row.get("database_bytes"),
        database_oid: row.get("database_oid"),
        encoding: row.get("encoding"),
        collate: row.get("collate"),
        ctype: row.get("ctype"),
        locale_provider: row.get("locale_provider"),
        superuser: row.get("superuser"),
        bypasses_row_security: row.get("bypasses_row_security"),
    })
}

async fn system_identifier(db: &Db) -> Result<i64> {
    match db.row("SELECT system_identifier FROM pg_catalog.pg_control_system()", &[]).await {
        Ok(row) => Ok(row.get(0)),
        Err(e) if e.code() == Some(&SqlState::INSUFFICIENT_PRIVILEGE) => Ok(0),
        Err(e) => Err(e.doing("reading the server's identity").into()),
    }
}
