//! An empty green again, for a copy that starts over and for `abort`.

use crate::error::{Context, Result};
use crate::postgres::Db;

/// How long a lock may take: nobody but the copy should be there.
const LOCK_TIMEOUT: &str = "SET lock_timeout = '10s'";

/// Drops everything that a copy, whole or half-made, left on green: schemas but `public` and `teal`, the objects in `public`,
/// extensions, event triggers, publications, foreign-data wrappers, languages and casts.
///
/// The schema `public` stays with its owner and privileges, as do what came with the server, what this role does not own,
/// and settings and default privileges of the database: setting them again changes nothing. Repeatable.
pub async fn empty_green(green: &Db) -> Result<()> {
    green.run(LOCK_TIMEOUT).await?;
    for row in green.rows(include_str!("../postgres/sql/select_drops.sql"), &[]).await? {
        let sql: &str = row.get("sql");
        // An earlier CASCADE may have taken it: IF EXISTS.
        green.run(sql).await.with_context(|| format!("emptying green: {sql}"))?;
    }
    Ok(())
}
