//! `guard/event-trigger`: DDL of the run that somebody else's function gets to see, and may refuse.

use super::first_of;
use crate::error::Result;
use crate::finding::Finding;
use crate::postgres::Db;

/// The run makes a schema, tables and triggers on blue, and the fence's triggers under its locks.
pub(super) async fn check(blue: &Db) -> Result<Option<Finding>> {
    let rows = blue.rows(include_str!("../postgres/sql/select_event_triggers.sql"), &[]).await?;
    let described = |row: &tokio_postgres::Row| {
        let (name, function): (String, String) = (row.get("name"), row.get("function"));
        match row.get::<_, Option<String>>("extension") {
            Some(extension) => format!("{name} (of extension {extension})"),
            None => format!("{name} ({function})"),
        }
    };
    let triggers: Vec<String> = rows.iter().map(described).collect();
    Ok((!triggers.is_empty()).then(|| {
        Finding::warning(
            "guard/event-trigger",
            "blue",
            format!("event triggers fire for the run's own DDL: {}", first_of(&triggers, 4)),
        )
        .so_what("one that refuses or takes long stops the capture, or undoes a cutover under its fence")
        .next("SELECT evtname, evtevent, evttags, evtfoid::regproc FROM pg_event_trigger WHERE evtenabled <> 'D';")
    }))
}
