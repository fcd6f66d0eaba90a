//! A digest of every structural object, to tell whether a database changed and where.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::error::{Context, Result};
use crate::postgres::Db;

/// Every structural object with a digest of its definition: `table public.token`, `index public.token_pkey`.
/// No sizes, statistics, OIDs, sequence values, nor objects of ours.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Structure(pub BTreeMap<String, String>);

impl Structure {
    /// What differs between two moments, a line per object: `table public.token: changed | added | dropped`.
    pub fn differences(&self, later: &Self) -> Vec<String> {
        let objects: std::collections::BTreeSet<_> = self.0.keys().chain(later.0.keys()).collect();
        let verdict = |object: &String| match (self.0.get(object), later.0.get(object)) {
            (Some(before), Some(after)) if before == after => None,
            (Some(_), Some(_)) => Some(format!("{object}: changed")),
            (Some(_), None) => Some(format!("{object}: dropped")),
            (None, _) => Some(format!("{object}: added")),
        };
        objects.into_iter().filter_map(verdict).collect()
    }
}

/// Reads the structure of the whole database.
///
/// Runs under an empty `search_path`, put back afterwards: the catalog functions leave out the schemas that a session's
/// path shows, and two sessions of different roles would see two structures.
pub async fn read_structure(db: &Db) -> Result<Structure> {
    const SET: &str = "SELECT pg_catalog.set_config('search_path', $1, false)";
    let path: String = db.row("SELECT pg_catalog.current_setting('search_path')", &[]).await?.get(0);
    db.row(SET, &[&""]).await?;
    let rows = db.rows(include_str!("../postgres/sql/select_structure.sql"), &[]).await;
    // Where the query failed inside a transaction, this fails as well, and the rollback puts the path back.
    let restored = db.row(SET, &[&path]).await;
    let rows = rows.context("reading the structure")?;
    restored?;
    Ok(Structure(rows.iter().map(|row| (row.get("object"), row.get("digest"))).collect()))
}
