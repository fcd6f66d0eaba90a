//! The servers that are measured.

use teal::error::{Context, Result};
use teal::postgres::{Access, Db, Target};
use teal::sandbox::Server;

/// Settings of a server that one would run, on top of the sandbox's quick ones: everything durable again.
pub const PRODUCTION: [(&str, &str); 6] = [
    ("fsync", "on"),
    ("full_page_writes", "on"),
    ("synchronous_commit", "on"),
    ("shared_buffers", "512MB"),
    ("max_wal_size", "4GB"),
    ("max_connections", "200"),
];

/// Settings under which only our own cost is seen: nothing waits for the disk, nobody vacuums meanwhile.
pub const QUICK: [(&str, &str); 4] =
    [("shared_buffers", "512MB"), ("max_wal_size", "4GB"), ("max_connections", "200"), ("autovacuum", "off")];

/// A server for blue and one for green, with the same settings.
pub struct Servers {
    blue: Server,
    green: Server,
}

impl Servers {
    /// Starts both. `blue` is made, empty.
    pub async fn start(settings: &[(&str, &str)]) -> Result<Self> {
        let servers = Self { blue: Server::start(settings)?, green: Server::start(settings)? };
        admin(&servers.blue).await?.run("CREATE DATABASE blue").await?;
        Ok(servers)
    }

    pub fn blue(&self) -> Result<Target> {
        Target::parse("blue", &self.blue.url("blue"))
    }

    /// Another empty green, the old one gone; both servers have written out what they owe.
    pub async fn fresh_green(&self) -> Result<Target> {
        let admin_of_green = admin(&self.green).await?;
        admin_of_green.run("DROP DATABASE IF EXISTS green WITH (FORCE)").await.context("dropping green")?;
        admin_of_green.run("CREATE DATABASE green").await.context("making green")?;
        admin_of_green.run("CHECKPOINT").await?;
        admin(&self.blue).await?.run("CHECKPOINT").await?;
        Target::parse("green", &self.green.url("green"))
    }

    /// The URLs of both, with their passwords: for the environment of a program, never for its arguments.
    pub fn urls(&self) -> (String, String) {
        (self.blue.url("blue"), self.green.url("green"))
    }
}

/// A session of the superuser's, outside of the databases that are measured.
pub async fn admin(server: &Server) -> Result<Db> {
    Ok(Target::parse("admin", &server.url("postgres"))?.connect(Access::ReadWrite).await?)
}

/// The size of a whole database.
pub async fn database_bytes(db: &Db) -> Result<u64> {
    let bytes: i64 = db.row("SELECT pg_catalog.pg_database_size(pg_catalog.current_database())", &[]).await?.get(0);
    Ok(u64::try_from(bytes).unwrap_or(0))
}

/// Tables, indexes, foreign keys and rows of a database that was analysed.
pub async fn facts(db: &Db) -> Result<(i64, i64, i64, i64)> {
    let row = db
        .row(
            "SELECT count(*) FILTER (WHERE relkind IN ('r', 'p')), count(*) FILTER (WHERE relkind = 'i'), \
             (SELECT count(*) FROM pg_constraint WHERE contype = 'f' AND connamespace = 'public'::regnamespace), \
             coalesce(sum(reltuples) FILTER (WHERE relkind = 'r'), 0)::int8 \
             FROM pg_class WHERE relnamespace = 'public'::regnamespace",
            &[],
        )
        .await?;
    Ok((row.get(0), row.get(1), row.get(2), row.get(3)))
}
