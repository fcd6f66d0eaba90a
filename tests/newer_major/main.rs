//! Upgrades to a newer major version, on servers that `.ci/servers` fetches.
//!
//! Where it can't, `make test` leaves this binary out and says so; run by hand without them, these tests fail.

#![allow(clippy::unwrap_used)] // helpers of tests are tests

#[path = "../support/mod.rs"]
mod support;
#[path = "../ddl_rewrite/bench.rs"]
mod bench;
mod rewrite;
mod upgrade;
mod zoo;

use support::Pair;
use teal::sandbox::Server;

/// Blue on a server of one major version, green on one of another.
async fn across(blue: u32, green: u32, schema: &str) -> Pair {
    across_with(&[], blue, green, schema).await
}

async fn across_with(settings: &[(&str, &str)], blue: u32, green: u32, schema: &str) -> Pair {
    let (on_blue, on_green) =
        (Server::start_major(blue, settings).unwrap(), Server::start_major(green, settings).unwrap());
    assert_eq!((on_blue.major(), on_green.major()), (blue, green));
    Pair::on(on_blue, Some(on_green), schema).await
}
