//! Whether every trigger of an event still stands and always fires.
//!
//! `DISABLE TRIGGER ALL` around a bulk load (`pg_restore --disable-triggers`) loses events, and the `ENABLE TRIGGER ALL`
//! after it leaves triggers that replica-role sessions pass. A partition or child that came later has clones in that
//! same mode and no TRUNCATE trigger, or none at all.

use std::collections::BTreeSet;

use tokio_postgres::error::SqlState;

use super::trigger::{part_names, read_family};
use crate::catalog::Table;
use crate::error::{Context, Failure, Result};
use crate::plan::{Event, When};
use crate::postgres::{Db, Error, Name};

/// The relations on which a trigger of `event` is missing or does not always fire; none: nothing escapes it.
///
/// A gap that was closed again by making a trigger anew is not seen.
pub async fn gaps(blue: &Db, event: &Event, tables: &[Table]) -> Result<Vec<Name>> {
    let context = || format!("event {:?}", event.name);
    let number = "SELECT number FROM teal.capture WHERE event = $1";
    // A failover may have lost the outbox with its tables.
    let lost = |e: &Error| e.code() == Some(&SqlState::UNDEFINED_TABLE);
    let number: i32 = match blue.maybe_row(number, &[&event.name]).await {
        Ok(Some(row)) => row.get(0),
        Err(e) if !lost(&e) => return Err(e).with_context(context),
        Ok(None) | Err(_) => {
            return Err(Failure::blocked(format!("{}: nothing captures it", context())).hint("migrate abort"));
        }
    };
    let oid: Option<u32> =
        blue.row("SELECT pg_catalog.to_regclass($1)::oid", &[&event.table]).await.with_context(context)?.get(0);
    let Some(table) = tables.iter().find(|table| Some(table.oid) == oid) else { return Ok(Vec::new()) };
    let rows = blue.rows(include_str!("../postgres/sql/select_watching.sql"), &[]).await.with_context(context)?;
    let stands: BTreeSet<(Name, String)> = rows
        .iter()
        .map(|row| (Name::new(row.get::<_, String>("schema"), row.get::<_, String>("name")), row.get("trigger")))
        .collect();
    let begins = matches!(event.when, When::Begins(_));
    let family = read_family(blue, table.oid).await.with_context(context)?;
    let parts = part_names(begins, &family);
    let lacks = |relation: &&super::trigger::Relation| {
        let truncate = (relation.holds_rows && !begins).then_some("truncate");
        parts
            .iter()
            .copied()
            .chain(truncate)
            .any(|part| !stands.contains(&(relation.name.clone(), format!("teal_{number}_{part}"))))
    };
    Ok(family.iter().filter(lacks).map(|relation| relation.name.clone()).collect())
}
