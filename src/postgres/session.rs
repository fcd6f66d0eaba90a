//! A session: a connection whose errors say on which database they happened.

use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

use tokio_postgres::types::ToSql;
use tokio_postgres::{CancelToken, Client, NoTls, Row};

use super::Error;
use super::tls::{Protection, Tls, Witness};

/// A session. Its own methods say on which database an error happened; the client's are there as well.
pub struct Db {
    pub(super) client: Client,
    /// As the plan names the database.
    pub name: String,
    pub(super) way: Arc<Way>,
}

/// How a session came about.
pub(super) struct Way {
    pub(super) protection: Protection,
    pub(super) tls: Option<Arc<Tls>>,
}

/// Ends what a session runs, from beside it and over a connection as well protected as its own.
pub struct Canceller {
    token: CancelToken,
    way: Arc<Way>,
}

impl Canceller {
    /// Asks the server; whether it did shows in that statement's result. A session that is gone has nothing to cancel:
    /// errors don't matter.
    pub async fn cancel(&self) {
        let asked = match &self.way.tls {
            Some(tls) => self.token.cancel_query(tls.connector(&Witness::default())).await,
            None => self.token.cancel_query(NoTls).await,
        };
        if let Err(e) = asked {
            tracing::debug!(error = %e, "cancelling a statement");
        }
    }
}

impl Db {
    /// Runs one or more statements by the simple protocol, no parameters, results dropped.
    pub async fn run(&self, sql: &str) -> Result<(), Error> {
        self.client.batch_execute(sql).await.map_err(|e| self.error(e))
    }

    /// All rows of one statement.
    pub async fn rows(&self, sql: &str, params: &[&(dyn ToSql + Sync)]) -> Result<Vec<Row>, Error> {
        self.client.query(sql, params).await.map_err(|e| self.error(e))
    }

    /// The one row of a statement that always gives one.
    pub async fn row(&self, sql: &str, params: &[&(dyn ToSql + Sync)]) -> Result<Row, Error> {
        self.client.query_one(sql, params).await.map_err(|e| self.error(e))
    }

    /// The row of a statement that gives one or none.
    pub async fn maybe_row(&self, sql: &str, params: &[&(dyn ToSql + Sync)]) -> Result<Option<Row>, Error> {
        self.client.query_opt(sql, params).await.map_err(|e| self.error(e))
    }

    /// Runs one statement; gives the number of rows it touched.
    pub async fn execute(&self, sql: &str, params: &[&(dyn ToSql + Sync)]) -> Result<u64, Error> {
        self.client.execute(sql, params).await.map_err(|e| self.error(e))
    }

    /// What ends what this session runs, also while somebody else waits for it.
    pub fn canceller(&self) -> Canceller {
        Canceller { token: self.client.cancel_token(), way: Arc::clone(&self.way) }
    }

    /// Asks the server to cancel what this session is running; whether it did shows in that statement's result.
    pub async fn cancel(&self) {
        self.canceller().cancel().await;
    }

    /// How it is protected on its way to the server, or to the pooler in between.
    pub fn protection(&self) -> Protection {
        self.way.protection
    }

    /// The server process of this session, for `pg_terminate_backend` and `pg_locks`.
    pub async fn backend_pid(&self) -> Result<i32, Error> {
        Ok(self.row("SELECT pg_catalog.pg_backend_pid()", &[]).await?.get(0))
    }

    /// Wraps an error of the client's own methods.
    pub fn error(&self, e: tokio_postgres::Error) -> Error {
        Error::new(&self.name, e)
    }
}

impl Deref for Db {
    type Target = Client;

    fn deref(&self) -> &Client {
        &self.client
    }
}

impl fmt::Debug for Db {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Db({})", self.name)
    }
}
