//! A digest of every structural object, to tell whether a database changed and where.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::error::Result;
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
pub async fn read_structure(db: &Db) -> Result<Structure> {
    let rows = db.rows(include_str!("../postgres/sql/select_structure.sql"), &[]).await?;
    Ok(Structure(rows.iter().map(|row| (row.get("object"), row.get("digest"))).collect()))
}
