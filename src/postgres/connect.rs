//! Sessions: from a URL to a connection with every timeout set.

use std::fmt;
use std::ops::Deref;
use std::time::Duration;

use tokio_postgres::config::{Host, SslMode};
use tokio_postgres::types::ToSql;
use tokio_postgres::{Client, Config, NoTls, Row};

use super::Error;
use crate::error::{Failure, Result};

/// How long a connection may take to come about.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// The same for the whole of it: login and our settings included.
const OPEN_TIMEOUT: Duration = Duration::from_secs(20);
/// How long sent data may stay unacknowledged before the connection counts as lost (Linux `TCP_USER_TIMEOUT`).
const TCP_USER_TIMEOUT: Duration = Duration::from_secs(20);

/// A peer that is silent for this long is asked whether it is still there, and again as often: a host that vanished without
/// a word is noticed in well under a minute, not after the system's two hours. The servers are told the same
/// (`set_session.sql`): the lease and the fence of a machine that lost its power must end.
const KEEPALIVE: Duration = Duration::from_secs(10);

/// One database of the plan: its name there and how to reach it. Never shows its password.
#[derive(Clone, PartialEq, Eq)]
pub struct Target {
    /// As the plan names it: `blue`, `green`, `authz`.
    pub name: String,
    config: Config,
}

/// What a session may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// The server itself refuses writes (`default_transaction_read_only`).
    ReadOnly,
    /// May write.
    ReadWrite,
}

impl Target {
    /// Reads a connection URL or a libpq key=value string.
    ///
    /// Fails with a usage failure that never repeats the URL. TLS comes with a later version: an sslmode that demands
    /// it is refused, so that nobody believes a plain connection to be an encrypted one.
    pub fn parse(name: &str, url: &str) -> Result<Self> {
        let mut config: Config = url
            .parse()
            .map_err(|e: tokio_postgres::Error| Failure::usage(format!("{name}: not a connection URL: {e}")))?;
        if config.get_ssl_mode() == SslMode::Require {
            return Err(Failure::usage(format!("{name}: sslmode=require is not supported yet"))
                .hint("use sslmode=prefer or disable over a trusted network or a tunnel"));
        }
        if config.get_hosts().len() != 1 {
            return Err(Failure::usage(format!(
                "{name}: the URL must name exactly one host, this one names {}",
                config.get_hosts().len()
            )));
        }
        if config.get_user().is_none() || config.get_dbname().is_none() {
            return Err(Failure::usage(format!("{name}: the URL must name a user and a database")));
        }
        config.connect_timeout(CONNECT_TIMEOUT).tcp_user_timeout(TCP_USER_TIMEOUT);
        config.keepalives_idle(KEEPALIVE).keepalives_interval(KEEPALIVE).keepalives_retries(3);
        Ok(Self { name: name.to_owned(), config })
    }

    /// For people: `user@host:port/database`, no password.
    pub fn address(&self) -> String {
        format!("{}@{}:{}/{}", self.user(), self.host(), self.port(), self.dbname())
    }

    /// The role that logs in.
    pub fn user(&self) -> &str {
        self.config.get_user().unwrap_or_default()
    }

    /// The database's own name on its server.
    pub fn dbname(&self) -> &str {
        self.config.get_dbname().unwrap_or_default()
    }

    /// The host name, address or socket folder.
    pub fn host(&self) -> String {
        match self.config.get_hosts().first() {
            Some(Host::Tcp(host)) => host.clone(),
            Some(Host::Unix(path)) => path.display().to_string(),
            None => String::new(),
        }
    }

    /// The port, 5432 where the URL names none.
    pub fn port(&self) -> u16 {
        self.config.get_ports().first().copied().unwrap_or(5432)
    }

    /// The environment with which libpq programs (`pg_dump`, `psql`) reach this database: no secret in `ps`.
    pub fn program_env(&self) -> Vec<(&'static str, String)> {
        let mut env = vec![
            ("PGHOST", self.host()),
            ("PGPORT", self.port().to_string()),
            ("PGUSER", self.user().to_owned()),
            ("PGDATABASE", self.dbname().to_owned()),
            ("PGCONNECT_TIMEOUT", CONNECT_TIMEOUT.as_secs().to_string()),
        ];
        if let Some(password) = self.config.get_password() {
            env.push(("PGPASSWORD", String::from_utf8_lossy(password).into_owned()));
        }
        env
    }

    /// Opens a session with every timeout set explicitly, so that no role or database default ends it
    /// (an exporting session died of `idle_in_transaction_session_timeout`, mechanics.md), and with the text forms of
    /// all types pinned. Identifies itself as `teal` in `pg_stat_activity`.
    ///
    /// Has an end of its own: `connect_timeout` covers the TCP connection alone, and a stopped server accepts without
    /// ever answering.
    pub async fn connect(&self, access: Access) -> Result<Db, Error> {
        let opened = tokio::time::timeout(OPEN_TIMEOUT, self.open(access)).await;
        opened.unwrap_or_else(|_| Err(Error::no_answer(&self.name).doing("can't connect")))
    }

    async fn open(&self, access: Access) -> Result<Db, Error> {
        let mut config = self.config.clone();
        config.application_name("teal");
        let (client, connection) = config.connect(NoTls).await.map_err(|e| self.error(e).doing("can't connect"))?;
        let name = self.name.clone();
        tokio::spawn(async move {
            if let Err(e) = connection.await {
                tracing::debug!(database = name, error = %e, "connection ended");
            }
        });
        tracing::info!(database = self.name, address = self.address(), ?access, "connected");
        let db = Db { client, name: self.name.clone() };
        db.run(include_str!("sql/set_session.sql")).await?;
        if access == Access::ReadOnly {
            db.run("SET default_transaction_read_only = on").await?;
        }
        Ok(db)
    }

    fn error(&self, e: tokio_postgres::Error) -> Error {
        Error::new(&self.name, e)
    }
}

impl fmt::Debug for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.name, self.address())
    }
}

/// A session. Its own methods say on which database an error happened; the client's are there as well.
pub struct Db {
    client: Client,
    /// As the plan names the database.
    pub name: String,
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

    /// Asks the server to cancel what this session is running; whether it did shows in that statement's result.
    pub async fn cancel(&self) {
        if let Err(e) = self.client.cancel_token().cancel_query(NoTls).await {
            tracing::debug!(database = self.name, error = %e, "cancelling a statement");
        }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_never_shown() {
        let target = Target::parse("blue", "postgres://app:s3cret@db.example/oauth").unwrap();
        assert_eq!(format!("{target:?}"), "blue (app@db.example:5432/oauth)");
        let bad = Target::parse("blue", "postgres://app:s3cret@db.example:notaport/oauth").unwrap_err();
        assert!(!format!("{bad:?}").contains("s3cret"));
    }

    #[test]
    fn demanded_tls_is_refused_not_ignored() {
        let refused = Target::parse("blue", "postgres://app@db/oauth?sslmode=require").unwrap_err();
        assert_eq!(refused.what, "blue: sslmode=require is not supported yet");
    }
}
