//! An empty green again, for a copy that starts over and for `abort`.

use crate::error::{Context, Result};
use crate::postgres::Db;

use super::properties::put_properties_back;

/// How long a lock may take: nobody but the copy should be there.
const LOCK_TIMEOUT: &str = "SET lock_timeout = '10s'";

/// Drops everything that a copy, whole or half-made, left on green: schemas but `public` and `teal`, the objects in `public`,
/// extensions, event triggers, publications, foreign-data wrappers, languages, casts, transforms, access methods, default
/// privileges and large objects. The schema `public`, and settings and privileges of the database, are put back as
/// [`super::keep_properties`] found them.
///
/// What came with the server stays, as does what this role does not own; so do privileges on objects of `pg_catalog`, which
/// the next copy sets again. Repeatable.
pub async fn empty_green(green: &Db) -> Result<()> {
    green.run(LOCK_TIMEOUT).await?;
    for row in green.rows(include_str!("../postgres/sql/select_drops.sql"), &[]).await? {
        let sql: &str = row.get("sql");
        // An earlier CASCADE may have taken it: IF EXISTS.
        green.run(sql).await.with_context(|| format!("emptying green: {sql}"))?;
    }
    // Each takes a lock: not all in one transaction.
    while green
        .execute(include_str!("../postgres/sql/unlink_large_objects.sql"), &[])
        .await
        .context("emptying green")?
        > 0
    {}
    put_properties_back(green).await
}
