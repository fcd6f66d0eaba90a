//! `guard/compression`: columns of blue whose compression green's server was built without.

use super::{Both, first_of};
use crate::error::Result;
use crate::finding::Finding;

/// A server without lz4 refuses `SET COMPRESSION lz4` in the middle of restoring the schema (seen with 17.10).
pub(super) async fn check(both: &Both<'_>) -> Result<Option<Finding>> {
    let rows = both.blue.rows(include_str!("../postgres/sql/select_lz4_columns.sql"), &[]).await?;
    let columns: Vec<String> = rows.iter().map(|row| row.get("object")).collect();
    if columns.is_empty() {
        return Ok(None);
    }
    let sql = "SELECT 'lz4' = ANY (enumvals) FROM pg_catalog.pg_settings WHERE name = 'default_toast_compression'";
    let there = both.green.maybe_row(sql, &[]).await?.is_some_and(|row| row.get(0));
    let remedy: Vec<String> = rows.iter().map(|row| row.get("remedy")).collect();
    Ok((!there).then(|| {
        Finding::blocker(
            "guard/compression",
            "green",
            format!("green's server was built without lz4, which blue's columns name: {}", first_of(&columns, 3)),
        )
        .so_what("restoring the schema would fail on it")
        .next(remedy.join("\n"))
    }))
}
