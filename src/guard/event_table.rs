//! `guard/event-table`: the tables, keys and predicates of the plan's events, tried on blue.

use tokio_postgres::error::SqlState;

use crate::catalog::{Persistence, Table};
use crate::ddl::{SplitError, bind};
use crate::error::Result;
use crate::finding::Finding;
use crate::plan::{Event, Plan};
use crate::postgres::{Db, Error, Ident, Name, Text};

const ID: &str = "guard/event-table";

/// The relation that `text`, written as in SQL (`token`, `auth.token`, `"Token"`), names under the session's
/// `search_path`; none where nothing is there or `text` is no name.
pub async fn resolve_table(db: &Db, text: &str) -> Result<Option<Name>> {
    let row = match db.maybe_row(include_str!("../postgres/sql/select_relation.sql"), &[&text]).await {
        Ok(row) => row,
        // Up to 15 text that is no name is an error, later NULL; so is a name with a database before it.
        Err(e) if is_no_name(&e) => None,
        Err(e) => return Err(e.into()),
    };
    Ok(row.map(|row| Name::new(row.get::<_, String>("schema"), row.get::<_, String>("name"))))
}

fn is_no_name(e: &Error) -> bool {
    let no_name = [SqlState::INVALID_NAME, SqlState::SYNTAX_ERROR, SqlState::FEATURE_NOT_SUPPORTED];
    e.code().is_some_and(|code| no_name.contains(code))
}

pub(super) async fn check(plan: &Plan, blue: &Db, tables: &[Table]) -> Result<Vec<Finding>> {
    let mut found = Vec::new();
    for event in &plan.events {
        let table = resolve_table(blue, &event.table).await?;
        let table = table.and_then(|name| tables.iter().find(|table| table.name == name));
        match table {
            None => found.push(
                blocker(event, format!("blue has no table {}", event.table))
                    .so_what("nothing of this event could be captured")
                    .next("SELECT schemaname, tablename FROM pg_tables;"),
            ),
            Some(table) => {
                found.extend(key(blue, event, table).await?);
                found.extend(predicate(blue, event, table).await?);
                found.extend(unknown_column(event, table));
                found.extend(unlogged(event, table));
                found.extend(partition_column(blue, event, table).await?);
            }
        }
    }
    Ok(found)
}

fn blocker(event: &Event, what: String) -> Finding {
    Finding::blocker(ID, format!("event \"{}\"", event.name), what)
}

async fn key(db: &Db, event: &Event, table: &Table) -> Result<Option<Finding>> {
    let name = table.name.plain();
    let Some(key) = &event.key else {
        return Ok(table.primary_key.is_empty().then(|| {
            blocker(event, format!("{name} has no primary key"))
                .so_what("the event's rows can't be told apart")
                .next("name the columns that identify a row: key = [\"…\"] in its [[event]]")
        }));
    };
    let exists = |column: &&String| !table.columns.iter().any(|c| c.name.0 == **column);
    if let Some(unknown) = key.iter().find(exists) {
        let columns: Vec<&str> = table.columns.iter().map(|c| c.name.0.as_str()).collect();
        return Ok(Some(
            blocker(event, format!("{name} has no column {unknown}, which its key names"))
                .so_what("the event's rows can't be told apart")
                .next(format!("the columns are {}", columns.join(", "))),
        ));
    }
    let unique: bool =
        db.row(include_str!("../postgres/sql/select_key_is_unique.sql"), &[&table.oid, key]).await?.get(0);
    let columns = key.iter().map(|column| Ident::new(column).to_string()).collect::<Vec<_>>().join(", ");
    Ok((!unique).then(|| {
        Finding::warning(
            ID,
            format!("event \"{}\"", event.name),
            format!("no unique index covers ({columns}) of {name}"),
        )
        .so_what("events of one key are replayed in order only where the key names one row")
        .next(format!("CREATE UNIQUE INDEX CONCURRENTLY ON {} ({columns});", table.name))
    }))
}

/// The columns that the event's statements name. A statement that does not bind says so itself, with its place.
fn named_columns(event: &Event) -> Result<Vec<String>, SplitError> {
    let mut named = Vec::new();
    for sql in event.replay.iter().chain([&event.verify]) {
        named.extend(bind(sql)?.params);
    }
    Ok(named)
}

/// After a crash of blue an unlogged table is empty, while no row of it was deleted.
fn unlogged(event: &Event, table: &Table) -> Option<Finding> {
    (table.persistence == Persistence::Unlogged).then(|| {
        let name = table.name.plain();
        Finding::warning("guard/event-unlogged", format!("event \"{}\"", event.name), format!("{name} is unlogged"))
            .so_what("a crash of blue empties it without an event: green would keep rows that blue has lost")
            .next(format!("ALTER TABLE {} SET LOGGED; -- rewrites it under an exclusive lock", table.name))
    })
}

fn unknown_column(event: &Event, table: &Table) -> Option<Finding> {
    let so_what = "no event could be replayed or verified";
    let named = match named_columns(event) {
        Ok(named) => named,
        Err(e) => return Some(blocker(event, format!("its replay or verify does not read: {e}")).so_what(so_what)),
    };
    let columns: Vec<&str> = table.columns.iter().map(|column| column.name.0.as_str()).collect();
    let unknown = named.into_iter().find(|name| !columns.contains(&name.as_str()))?;
    let what = format!("its statements name :{unknown}, and {} has no such column", table.name.plain());
    Some(blocker(event, what).so_what(so_what).next(format!("the columns are {}", columns.join(", "))))
}

/// A row that moves to another partition keeps its old value on green, where writes other than events don't travel:
/// statements that look for it by a partition column would not find it, and the event would end as nothing to do, which its
/// verify would not see either. Whether rows move only the operator knows: an accept says that they don't.
async fn partition_column(db: &Db, event: &Event, table: &Table) -> Result<Option<Finding>> {
    let family = db.rows(include_str!("../postgres/sql/select_family.sql"), &[&table.oid]).await?;
    let deciding: Vec<String> = family.iter().flat_map(|row| row.get::<_, Vec<String>>("partition_columns")).collect();
    let named = named_columns(event).unwrap_or_default();
    Ok(deciding.into_iter().find(|column| named.contains(column)).map(|column| {
        let object = format!("event \"{}\"", event.name);
        let name = table.name.plain();
        let what = format!("its statements name :{column}, which decides the partition of {name}");
        Finding::blocker("guard/event-partition", object, what)
            .so_what("the event of a row that moved to another partition since the copy would be lost: green has it elsewhere")
            .next(
                "identify the row without it, as in WHERE id = :id; where no row's ever changes:\n\
                 [[accept]]\nfinding = \"guard/event-partition\"\nwhy = \"…\"",
            )
    }))
}

/// How a plan writes what changes by itself (manual 9.9.5).
const CLOCK: [&str; 8] = [
    "now()",
    "CURRENT_TIMESTAMP",
    "CURRENT_DATE",
    "CURRENT_TIME",
    "LOCALTIME",
    "clock_timestamp()",
    "statement_timestamp()",
    "transaction_timestamp()",
];

/// Plans the predicate on blue without running it: in WHERE it must be boolean and free of aggregates, and as a result
/// column a subquery in it stays visible in the plan, where WHERE would turn it into a join. A trigger's WHEN takes no
/// subquery (manual, CREATE TRIGGER).
async fn predicate(db: &Db, event: &Event, table: &Table) -> Result<Option<Finding>> {
    let predicate = event.when.predicate();
    // The line break ends a comment at the predicate's end. The alias hides the table's own name, which a trigger's WHEN
    // does not know either.
    let sql =
        format!("EXPLAIN (FORMAT JSON) SELECT ({predicate}\n) FROM {} AS teal_row WHERE ({predicate}\n)", table.name);
    db.run("BEGIN READ ONLY; SET LOCAL lock_timeout = '2s'; SET LOCAL statement_timeout = '10s'").await?;
    let explained = db.rows(&sql, &[]).await;
    db.run("ROLLBACK").await?;
    match explained {
        Ok(rows) => {
            let plan = rows.first().and_then(|row| row.get::<_, Text>(0).0).unwrap_or_default();
            Ok(judge(event, &plan))
        }
        Err(e) if e.server().is_some() && !e.is_lost() && !e.is_lock() && !e.is_cancelled() => Ok(Some(
            blocker(event, format!("blue refuses its predicate: {}: {predicate}", e.message()))
                .so_what("it stands in a trigger's WHEN, as a condition over one row")
                .next(format!("SELECT count(*) FROM {} WHERE {predicate};", table.name)),
        )),
        Err(e) => Err(e.doing(format!("planning the predicate of event \"{}\"", event.name)).into()),
    }
}

fn judge(event: &Event, plan: &str) -> Option<Finding> {
    let predicate = event.when.predicate();
    // As a key; inside a string its quotes would be escaped.
    if plan.contains("\"Subplan Name\":") {
        let finding = blocker(event, format!("its predicate holds a subquery: {predicate}"))
            .so_what("a trigger's WHEN takes none")
            .next("say it over the columns of the row alone");
        return Some(finding);
    }
    CLOCK.iter().any(|word| plan.contains(word)).then(|| {
        let object = format!("event \"{}\"", event.name);
        Finding::warning(ID, object, format!("its predicate depends on the clock: {predicate}"))
            .so_what("what time alone makes true or false writes no row, and is not captured")
    })
}
