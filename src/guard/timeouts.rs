//! `guard/timeouts`: settings of the role or the database that end sessions which work as they should.

use super::{Both, first_of};
use crate::error::Result;
use crate::finding::Finding;

pub(super) async fn check(both: &Both<'_>) -> Result<Vec<Finding>> {
    let mut found = Vec::new();
    for db in [both.blue, both.green] {
        let rows = db.rows(include_str!("../postgres/sql/select_timeouts.sql"), &[]).await?;
        if rows.is_empty() {
            continue;
        }
        let settings: Vec<String> = rows.iter().map(|row| row.get("setting")).collect();
        found.push(
            Finding::note("guard/timeouts", &db.name, format!("{} sets {}", db.name, first_of(&settings, 4))).so_what(
                "no harm: every session of ours sets its own timeouts, and programs we start get them by PGOPTIONS; \
                 a migrator of the application's own does not",
            ),
        );
    }
    Ok(found)
}
