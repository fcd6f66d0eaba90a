//! The plan's predicate, resolved by the server itself.
//!
//! The plan says `ends = "active"`; a trigger needs `old.active` or `new.active`. Rewriting SQL by hand would guess at
//! names. Instead the server parses the predicate in a temporary view over the table under the alias that is wanted,
//! and gives it back through `pg_get_viewdef` under an empty `search_path`: with every column behind the alias, and
//! every function, operator and type behind its schema, exact whatever path a later session has.

use crate::ddl::last_where;
use crate::error::{Context, Failure, Result};
use crate::postgres::{Db, Name};

/// The predicate over `old` and over `new`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Predicate {
    /// Over the row before.
    pub old: String,
    /// Over the row after.
    pub new: String,
}

/// Resolves the plan's `predicate` over `table`. Works inside the caller's transaction or makes its own; leaves nothing
/// behind.
///
/// Found on 15.18: with one table in FROM `pg_get_viewdef` leaves columns bare, with two it puts the alias before every
/// one; hence the second, constant one.
pub async fn resolve_predicate(db: &Db, table: &Name, predicate: &str) -> Result<Predicate> {
    let old = deparse(db, table, predicate, "old").await?;
    let new = deparse(db, table, predicate, "new").await?;
    Ok(Predicate { old, new })
}

async fn deparse(db: &Db, table: &Name, predicate: &str, alias: &str) -> Result<String> {
    let resolving = || format!("the predicate {predicate:?} over {}", table.plain());
    // The newline ends a comment that the plan's text may end in.
    let view = format!(
        "BEGIN; CREATE TEMP VIEW teal_predicate AS SELECT 1 AS one FROM {table} AS {alias}, \
         (SELECT 1 AS two) AS teal_second WHERE ({predicate}\n) IS TRUE; SET LOCAL search_path = ''"
    );
    let text = async {
        db.run(&view).await?;
        let sql = "SELECT pg_catalog.pg_get_viewdef('pg_temp.teal_predicate'::pg_catalog.regclass, false)";
        db.row(sql, &[]).await.map(|row| row.get::<_, String>(0))
    }
    .await;
    db.run("ROLLBACK").await?;
    let text = text.with_context(resolving)?;
    let condition = last_where(&text).map_err(|e| Failure::failed(e.to_string())).with_context(resolving)?;
    condition.ok_or_else(|| Failure::failed("the server gave no condition back").context(resolving()))
}
