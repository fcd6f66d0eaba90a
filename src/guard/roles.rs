//! `guard/roles-missing` and the memberships on green: roles belong to the server, the copy does not carry them.

use super::{Both, first_of};
use crate::error::Result;
use crate::finding::Finding;
use crate::postgres::Ident;

pub(super) async fn check(both: &Both<'_>) -> Result<Vec<Finding>> {
    let named = both.blue.rows(include_str!("../postgres/sql/select_named_roles.sql"), &[]).await?;
    let roles: Vec<String> = named.iter().map(|row| row.get("role")).collect();
    let owns: Vec<bool> = named.iter().map(|row| row.get("owns")).collect();
    let unfit = both.green.rows(include_str!("../postgres/sql/select_unfit_roles.sql"), &[&roles, &owns]).await?;
    let (missing, foreign): (Vec<_>, Vec<_>) = unfit.iter().partition(|row| row.get::<_, bool>("missing"));
    let missing: Vec<String> = missing.iter().map(|row| row.get("role")).collect();
    let foreign: Vec<String> = foreign.iter().map(|row| row.get("role")).collect();
    let me = Ident::new(both.plan.green.user());
    let mut found = Vec::new();
    if !missing.is_empty() {
        let lines = missing.iter().map(|role| format!("CREATE ROLE {} NOLOGIN;", Ident::new(role)));
        found.push(
            Finding::blocker("guard/roles-missing", "green", format!("green has no role {}", first_of(&missing, 5)))
                .so_what("blue's objects are owned by it or granted to it, and roles are not part of the copy")
                .next(lines.collect::<Vec<_>>().join("\n")),
        );
    }
    if !foreign.is_empty() {
        let lines = foreign.iter().map(|role| format!("GRANT {} TO {me};", Ident::new(role)));
        found.push(
            Finding::blocker(
                "guard/privileges",
                "green",
                format!("{me} is no member of {} on green", first_of(&foreign, 5)),
            )
            .so_what("the copy can't hand objects over to an owner whose member we are not")
            .next(lines.collect::<Vec<_>>().join("\n")),
        );
    }
    Ok(found)
}
