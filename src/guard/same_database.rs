//! `guard/same-database`: blue and green must not be one database behind two names.

use super::Both;
use crate::error::Result;
use crate::finding::Finding;

/// Locks a random key on blue and tries it on green. Advisory locks are per database and per running server: names,
/// addresses and OIDs can be equal on two databases (physical clones share system identifiers), this can't.
pub(super) async fn check(both: &Both<'_>) -> Result<Option<Finding>> {
    let key = fastrand::i64(..);
    let taken: bool = both.blue.row("SELECT pg_catalog.pg_try_advisory_lock($1)", &[&key]).await?.get(0);
    let on_green = both.green.row("SELECT pg_catalog.pg_try_advisory_lock($1)", &[&key]).await;
    both.blue.row("SELECT pg_catalog.pg_advisory_unlock($1)", &[&key]).await?;
    let free: bool = on_green?.get(0);
    if free {
        both.green.row("SELECT pg_catalog.pg_advisory_unlock($1)", &[&key]).await?;
    }
    // `taken` is false only where somebody else drew the same 64 bits.
    Ok((taken && !free).then(|| {
        let server = &both.green_server;
        Finding::blocker("guard/same-database", "green", "blue and green are the same database")
            .so_what(format!(
                "the copy would go into its own source: an advisory lock taken on blue is held on green (system \
                 identifier {}, database OID {})",
                server.system_identifier, server.database_oid
            ))
            .next("point `green` in the plan's [databases] at an empty database of its own")
    }))
}
