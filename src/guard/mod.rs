//! Whether a plan is possible on these two databases at all: read before anything is done, one file per topic.
//!
//! [`check`] is what `plan` and `apply` ask: what stops a run, or harms it. [`examine`] is `doctor`: the same, and what is
//! worth knowing before but too slow, too chatty or too much of the moment for a plan. [`CHECKS`] lists them all.
//!
//! Guards only read. Each gives findings whose `next` is a statement that can be run as it stands.

mod activity;
mod age;
mod capacity;
mod checks;
mod clients;
mod clock;
mod compression;
mod connect;
mod event_table;
mod event_triggers;
mod examine;
mod extensions;
mod green_empty;
mod here;
mod in_place;
mod locale;
mod look;
mod not_carried;
mod pooler;
mod privileges;
mod provider;
mod recovery;
mod replication;
mod retired;
mod roles;
mod same_database;
mod settings;
mod space;
mod throughput;
mod timeouts;
mod topic;
mod version;

use crate::catalog::{Server, Table, read_server, read_tables};
use crate::error::Result;
use crate::finding::{Finding, blockers};
use crate::plan::Plan;
use crate::postgres::Db;
use look::{Settings, read_settings};
use provider::{Provider, read_provider};

pub use capacity::{Sessions, sessions_at_most};
pub use checks::{CHECKS, Check, page};
pub use connect::{connect, connect_both};
pub use event_table::resolve_table;
pub use examine::{Examined, Wanted, examine};
pub use in_place::check_in_place;
pub use throughput::Throughput;
pub use topic::Topic;

/// What every guard may look at.
struct Both<'a> {
    plan: &'a Plan,
    blue: &'a Db,
    green: &'a Db,
    blue_server: Server,
    green_server: Server,
    blue_settings: Settings,
    green_settings: Settings,
    blue_provider: Provider,
    green_provider: Provider,
    /// Blue's user tables.
    tables: Vec<Table>,
}

/// Runs every guard. `resuming`: this run has been at work on green already, which is no longer empty.
///
/// `blue` and `green` must be outside a transaction; they may be read-only. Where a transaction pooler stands in
/// between, or a server is too old, the other guards could not trust what they see: then these are the only findings.
pub async fn check(plan: &Plan, blue: &Db, green: &Db, resuming: bool) -> Result<Vec<Finding>> {
    let pooled = pooler::check(plan, blue, green).await?;
    if !pooled.is_empty() {
        return Ok(pooled);
    }
    let (blue_server, green_server) = (read_server(blue).await?, read_server(green).await?);
    let mut found = version::check(&blue_server, &green_server).await;
    if blockers(&found).next().is_some() {
        return Ok(found);
    }
    let tables = read_tables(blue).await?;
    let (blue_settings, green_settings) = (read_settings(blue).await?, read_settings(green).await?);
    let (blue_provider, green_provider) = (read_provider(blue).await?, read_provider(green).await?);
    let both = Both {
        plan,
        blue,
        green,
        blue_server,
        green_server,
        blue_settings,
        green_settings,
        blue_provider,
        green_provider,
        tables,
    };
    found.extend(same_database::check(&both).await?);
    found.extend(recovery::check(&both));
    if !resuming {
        found.extend(retired::check(&both).await?);
        found.extend(green_empty::check(&both).await?);
    }
    found.extend(privileges::check(&both).await?);
    found.extend(roles::check(&both).await?);
    found.extend(clients::check(&both).await?);
    found.extend(event_table::check(plan, blue, &both.tables).await?);
    found.extend(capacity::check(&both).await?);
    found.extend(settings::answers(&both));
    found.extend(timeouts::check(&both).await?);
    found.extend(locale::check(&both).await?);
    found.extend(not_carried::check(&both).await?);
    found.extend(extensions::check(&both).await?);
    found.extend(compression::check(&both).await?);
    found.extend(here::check(plan));
    Ok(found)
}

/// The first few of many names: `a, b, c and 4 more`.
fn first_of<S: AsRef<str>>(names: &[S], shown: usize) -> String {
    let list = names.iter().take(shown).map(AsRef::as_ref).collect::<Vec<_>>().join(", ");
    match names.len().saturating_sub(shown) {
        0 => list,
        more => format!("{list} and {more} more"),
    }
}

#[cfg(test)]
mod tests {
    use super::first_of;

    #[test]
    fn a_long_list_says_how_much_is_left_out() {
        assert_eq!(first_of(&["a", "b"], 2), "a, b");
        assert_eq!(first_of(&["a", "b", "c"], 2), "a, b and 1 more");
    }
}
