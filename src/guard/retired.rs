//! `guard/blue-retired`: an earlier run switched away from this blue, and it takes no more writes.

use super::Both;
use crate::error::Result;
use crate::finding::Finding;

pub(super) async fn check(both: &Both<'_>) -> Result<Option<Finding>> {
    let there: bool = both.blue.row("SELECT pg_catalog.to_regclass('teal.decision') IS NOT NULL", &[]).await?.get(0);
    if !there {
        return Ok(None);
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
