//! `guard/blue-retired`: an earlier run switched away from this blue, and it takes no more writes.

use super::Both;
use crate::error::Result;
use crate::finding::Finding;
use crate::postgres::Ident;

pub(super) async fn check(both: &Both<'_>) -> Result<Option<Finding>> {
    let seen = both.blue.row(include_str!("../postgres/sql/select_decision_access.sql"), &[]).await?;
    let (schema, enters, reads): (bool, bool, Option<bool>) =
        (seen.get("schema"), seen.get("enters"), seen.get("reads"));
    let Some(reads) = reads else {
        // Whoever made the schema, the run could not make its tables in it.
        return Ok((schema && !enters).then(|| hidden(both, "schema teal", None)));
    };
    if !enters || !reads {
        return Ok(Some(hidden(both, "teal.decision, where such a run wrote it down", Some("teal.decision"))));
    }
    let Some(row) = both.blue.maybe_row("SELECT run, at::text FROM teal.decision", &[]).await? else { return Ok(None) };
    let (run, at): (String, String) = (row.get(0), row.get(1));
    let what = format!("blue was retired by run {run} at {at}: it refuses writes");
    Ok(Some(
        Finding::blocker("guard/blue-retired", "blue", what)
            .so_what("another database serves since; a copy of this one would be of what nobody writes to any more")
            .next("name the database that serves as blue; or let this one take writes again: migrate finish --unfence"),
    ))
}

/// Another role made what is there, and ours may not look at it.
fn hidden(both: &Both<'_>, what: &str, table: Option<&str>) -> Finding {
    let role = Ident::new(both.plan.blue.user());
    let read = table.map(|table| format!("; GRANT SELECT ON {table} TO {role}")).unwrap_or_default();
    Finding::blocker(
        "guard/blue-retired",
        "blue",
        format!("whether an earlier run switched away from blue can't be told: role {role} may not read {what}"),
    )
    .so_what("were it so, a copy would be of what nobody writes to any more; and the run writes its own state into schema teal")
    .next(format!(
        "GRANT USAGE ON SCHEMA teal TO {role}{read} -- then ask again; if no run needs it any more: DROP SCHEMA teal CASCADE"
    ))
}
