//! What tests share: a throwaway server with a blue and a green database.

#![allow(dead_code)] // every test binary uses a part of it
#![allow(clippy::unwrap_used)] // a stage that does not come about is a failed test

pub mod proxy;
pub mod running;
pub mod service;
pub mod shape;
pub mod site;
pub mod small_disk;
pub mod stage;
pub mod zoo;
pub mod standby;
pub mod tls;

use teal::postgres::{Access, Db, Target};
use teal::sandbox::Server;

/// The databases `blue` and `green` on one server: apart in all that matters to the tests that use it, and half the
/// start-up time. Or on a server each, where a test is about servers.
pub struct Pair {
    /// Blue's server.
    pub server: Server,
    /// Green's, where it has one of its own.
    pub green_server: Option<Server>,
    pub blue: Target,
    pub green: Target,
}

impl Pair {
    /// Starts the server and runs `schema` on blue.
    pub async fn start(schema: &str) -> Self {
        Self::start_with(&[], schema).await
    }

    /// Like `start`, with server settings.
    pub async fn start_with(settings: &[(&str, &str)], schema: &str) -> Self {
        Self::on(Server::start(settings).unwrap(), None, schema).await
    }

    /// Like `start`, with the servers to be on: blue's, and green's where it is another one.
    pub async fn on(server: Server, green_server: Option<Server>, schema: &str) -> Self {
        let green_on = green_server.as_ref().unwrap_or(&server);
        admin_of(&server).await.run("CREATE DATABASE blue").await.unwrap();
        admin_of(green_on).await.run("CREATE DATABASE green").await.unwrap();
        let blue = Target::parse("blue", &server.url("blue")).unwrap();
        let green = Target::parse("green", &green_on.url("green")).unwrap();
        blue.connect(Access::ReadWrite).await.unwrap().run(schema).await.unwrap();
        Self { server, green_server, blue, green }
    }

    /// The server that green is on.
    pub fn green_on(&self) -> &Server {
        self.green_server.as_ref().unwrap_or(&self.server)
    }

    pub async fn on_blue(&self) -> Db {
        self.blue.connect(Access::ReadWrite).await.unwrap()
    }

    pub async fn on_green(&self) -> Db {
        self.green.connect(Access::ReadWrite).await.unwrap()
    }
}

/// A superuser's session outside of both databases.
pub async fn admin_of(server: &Server) -> Db {
    Target::parse("admin", &server.url("postgres")).unwrap().connect(Access::ReadWrite).await.unwrap()
}

/// An event over a table of blue, as a plan would have it.
pub fn event(name: &str, table: &str, when: teal::plan::When) -> teal::plan::Event {
    teal::plan::Event {
        name: name.to_owned(),
        table: table.to_owned(),
        when,
        key: None,
        replay: vec!["SELECT 1".to_owned()],
        verify: "SELECT 1 WHERE false".to_owned(),
    }
}

/// Our schema, the outbox and the triggers of `events` on blue.
pub async fn start_capture(pair: &Pair, events: &[teal::plan::Event]) -> Vec<teal::capture::Captured> {
    start_capture_within(pair, events, teal::capture::OUTBOX_BUDGET).await
}

/// The same with another budget for the outbox, in bytes.
pub async fn start_capture_within(
    pair: &Pair,
    events: &[teal::plan::Event],
    budget: u64,
) -> Vec<teal::capture::Captured> {
    let blue = pair.on_blue().await;
    blue.run(include_str!("../../src/postgres/sql/create_run.sql")).await.unwrap();
    teal::capture::create_outbox(&blue).await.unwrap();
    let tables = teal::catalog::read_tables(&blue).await.unwrap();
    let mut all = Vec::new();
    for event in events {
        let captured = teal::capture::resolve(&blue, event, &tables).await.unwrap();
        teal::capture::capture(&blue, &captured, 1500, budget).await.unwrap();
        all.push(captured);
    }
    all
}

/// The outbox as `event key` lines, in order.
pub async fn outbox(blue: &Db) -> Vec<String> {
    let rows = blue.rows("SELECT event || ' ' || key::text FROM teal.event ORDER BY id", &[]).await.unwrap();
    rows.iter().map(|row| row.get(0)).collect()
}
