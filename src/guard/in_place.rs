//! The guards of a plan in place: one database, on which our role changes what the migrations change.

use super::{here, pooler, privileges, version};
use crate::catalog::read_server;
use crate::error::Result;
use crate::finding::{Finding, Severity};
use crate::plan::Plan;
use crate::postgres::Db;

/// Asks them; only reads. Behind a pooler, or on a server that is too old, the rest could not be trusted.
pub async fn check_in_place(plan: &Plan, blue: &Db) -> Result<Vec<Finding>> {
    let server = read_server(blue).await?;
    let mut found: Vec<Finding> = pooler::on_the_way(&plan.blue, blue).await?.into_iter().collect();
    found.extend(version::too_old("blue", &server));
    if !found.is_empty() {
        return Ok(found);
    }
    if server.in_recovery {
        found.push(
            Finding::blocker("guard/in-recovery", "blue", "blue is a standby")
                .so_what("nothing can be changed there")
                .next("point `blue` in the plan's [databases] at the primary"),
        );
    }
    found.extend(privileges::on_database(blue).await?);
    found.extend(on_objects(blue).await?);
    found.extend(here::check(plan));
    Ok(found)
}

/// Which of the tables are not ours.
pub(super) async fn on_objects(blue: &Db) -> Result<Vec<Finding>> {
    let lacks = privileges::on_objects(blue).await?;
    Ok(lacks.into_iter().filter(|lack| lack.what.contains("owner of")).map(not_owner).collect())
}

/// Most migrations touch few tables: whose owner's rights they need, the server says at the first statement.
fn not_owner(lack: Finding) -> Finding {
    Finding {
        severity: Severity::Warning,
        so_what: "a statement that alters one of them would fail".to_owned(),
        ..lack
    }
}
