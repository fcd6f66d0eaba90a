//! What tests share: a throwaway server with a blue and a green database.

#![allow(dead_code)] // every test binary uses a part of it

use teal::postgres::{Access, Db, Target};
use teal::sandbox::Server;

/// One server with the databases `blue` and `green`: apart in all that matters to the tests that use it, and half the
/// start-up time.
pub struct Pair {
    pub server: Server,
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
        let server = Server::start(settings).unwrap();
        let admin = Target::parse("admin", &server.url("postgres")).unwrap().connect(Access::ReadWrite).await.unwrap();
        admin.run("CREATE DATABASE blue").await.unwrap();
        admin.run("CREATE DATABASE green").await.unwrap();
        let blue = Target::parse("blue", &server.url("blue")).unwrap();
        let green = Target::parse("green", &server.url("green")).unwrap();
        blue.connect(Access::ReadWrite).await.unwrap().run(schema).await.unwrap();
        Self { server, blue, green }
    }

    pub async fn on_blue(&self) -> Db {
        self.blue.connect(Access::ReadWrite).await.unwrap()
    }

    pub async fn on_green(&self) -> Db {
        self.green.connect(Access::ReadWrite).await.unwrap()
    }
}
