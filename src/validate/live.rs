//! Whether a database that was migrated in place is sound: what is invalid now and was not before.

use serde::{Deserialize, Serialize};

use super::green::GreenFacts;
use crate::error::Result;
use crate::finding::Finding;
use crate::postgres::Db;

/// What of a database is invalid or not validated: table or domain, and object.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unsound {
    /// Indexes that queries don't use.
    pub indexes: Vec<(String, String)>,
    /// Constraints that rows from before them may break.
    pub constraints: Vec<(String, String)>,
}

/// What is unsound now, with how much there is in all.
pub async fn read_unsound(db: &Db) -> Result<(Unsound, GreenFacts)> {
    let constraints = states(db, include_str!("../postgres/sql/select_constraint_states.sql")).await?;
    let indexes = states(db, include_str!("../postgres/sql/select_index_states.sql")).await?;
    let not = |states: &[((String, String), bool)]| -> Vec<(String, String)> {
        states.iter().filter(|(_, valid)| !valid).map(|(key, _)| key.clone()).collect()
    };
    let unsound = Unsound { indexes: not(&indexes), constraints: not(&constraints) };
    let facts = GreenFacts {
        constraints: constraints.len() as u64,
        validated: (constraints.len() - unsound.constraints.len()) as u64,
        indexes: indexes.len() as u64,
        valid: (indexes.len() - unsound.indexes.len()) as u64,
        sequences: 0,
    };
    Ok((unsound, facts))
}

async fn states(db: &Db, sql: &str) -> Result<Vec<((String, String), bool)>> {
    let rows = db.rows(sql, &[]).await?;
    Ok(rows.iter().map(|row| ((row.get("object"), row.get("name")), row.get("valid"))).collect())
}

/// What became unsound: an invalid index is a blocker, a constraint that was never validated a warning; what was so before is
/// none of the run's doing.
pub async fn check_live(blue: &Db, before: &Unsound) -> Result<(GreenFacts, Vec<Finding>)> {
    let (now, facts) = read_unsound(blue).await?;
    let index = |(table, name): &(String, String)| {
        Finding::blocker("validate/index-invalid", format!("blue {table}"), format!("index {name} is invalid"))
            .so_what("queries do not use it, and a unique one proves nothing of older rows")
    };
    let constraint = |(table, name): &(String, String)| {
        let what = format!("constraint {name} is NOT VALID");
        Finding::warning("validate/constraint-not-valid", format!("blue {table}"), what)
            .so_what("rows that are there already may break it")
    };
    let mut findings: Vec<Finding> = now.indexes.iter().filter(|i| !before.indexes.contains(i)).map(index).collect();
    findings.extend(now.constraints.iter().filter(|c| !before.constraints.contains(c)).map(constraint));
    Ok((facts, findings))
}
