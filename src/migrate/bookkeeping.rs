//! What is in, as the tool's own table or the plan's `applied` has it, and how a file is recorded.

use std::path::Path;
use std::time::Duration;

use tokio_postgres::error::SqlState;
use tokio_postgres::types::ToSql;

use crate::ddl::layout::{Bookkeeping, LAYOUTS};
use crate::ddl::{Folder, Layout, Listing, Mark, Migration, Recorded, ambiguous, bind, read_listing};
use crate::error::{Failure, Result};
use crate::plan::Migrations;
use crate::postgres::{Db, Ident, Text};

/// The folder, read in the layout that the plan names, that its files alone tell, or that a bookkeeping table on `db`
/// tells: blue, or its copy.
pub async fn read_migrations(dir: &Path, plan: &Migrations, db: &impl AsyncFn() -> Result<Db>) -> Result<Folder> {
    let listing = Listing::read(dir)?;
    if let Some(layout) = plan.layout.as_deref().and_then(Layout::named) {
        return read_listing(&listing, layout);
    }
    let candidates = listing.candidates()?;
    if let [only] = candidates.as_slice() {
        return read_listing(&listing, only);
    }
    let db = db().await?;
    let mut kept = Vec::new();
    for layout in tables_on(&db, plan.table.as_deref()).await? {
        if candidates.contains(&layout) {
            kept.push(layout);
        }
    }
    match kept.as_slice() {
        [only] => read_listing(&listing, only),
        // Nothing but a bookkeeping table makes files without a mark sqlx's.
        [] => match candidates.iter().find(|layout| layout.is_plain()) {
            Some(plain) => read_listing(&listing, plain),
            None => Err(ambiguous(dir, &candidates)),
        },
        several => Err(ambiguous(dir, several)),
    }
}

/// The layouts whose bookkeeping table is on this database, by its name and columns; `table`: under another name.
pub async fn tables_on(db: &Db, table: Option<&str>) -> Result<Vec<&'static Layout>> {
    let mut found = Vec::new();
    for layout in LAYOUTS {
        let Some(bookkeeping) = &layout.bookkeeping else { continue };
        let columns = columns_of(db, &table_sql(bookkeeping, table)).await?;
        let has = |name: &&str| columns.iter().any(|column| column == name);
        if bookkeeping.columns.iter().all(has) && !bookkeeping.foreign_columns.iter().any(has) {
            found.push(layout);
        }
    }
    Ok(found)
}

/// Empty where there is no such table.
async fn columns_of(db: &Db, table: &str) -> Result<Vec<String>> {
    let rows = db.rows(include_str!("../postgres/sql/select_column_names.sql"), &[&table]).await?;
    Ok(rows.iter().map(|row| row.get(0)).collect())
}

/// The table's name as people read it; none where the plan's own statements keep the books, or nobody does.
pub fn table_name(plan: &Migrations, layout: &Layout) -> Option<String> {
    let bookkeeping = layout.bookkeeping.as_ref()?;
    Some(plan.table.clone().unwrap_or_else(|| bookkeeping.table.to_owned()))
}

/// The table's name as SQL: exact as the catalog has it, a schema before the dot.
fn table_sql(bookkeeping: &Bookkeeping, table: Option<&str>) -> String {
    let parts = table.unwrap_or(bookkeeping.table).split('.');
    parts.map(|part| Ident::new(part).to_string()).collect::<Vec<_>>().join(".")
}

/// The statement with its variables for names put in.
fn named(sql: &str, bookkeeping: &Bookkeeping, table: Option<&str>) -> String {
    let bare = table.unwrap_or(bookkeeping.table).rsplit('.').next().unwrap_or_default();
    let with_objects = bookkeeping.objects.iter().fold(sql.to_owned(), |sql, (variable, ending)| {
        sql.replace(variable, &Ident::new(format!("{bare}{ending}")).to_string())
    });
    with_objects.replace(":table", &table_sql(bookkeeping, table))
}

/// What is in, oldest first; a missing table means nothing.
pub async fn read_recorded(db: &Db, plan: &Migrations, layout: &Layout) -> Result<Vec<Recorded>> {
    if let Some(applied) = &plan.applied {
        let sql = applied.trim().trim_end_matches(';');
        let wrapped = format!("SELECT version::pg_catalog.text FROM ({sql}\n) AS applied (version)");
        let rows = if_there(db, &wrapped, "the plan's `applied`").await?;
        return Ok(rows.iter().filter_map(|row| row.get::<_, Option<String>>(0)).map(Recorded::version).collect());
    }
    let Some(bookkeeping) = &layout.bookkeeping else { return Ok(Vec::new()) };
    let sql = named(bookkeeping.select, bookkeeping, plan.table.as_deref());
    let rows = if_there(db, &sql, &format!("the bookkeeping of {}", layout.tool)).await?;
    let recorded = |row: &tokio_postgres::Row| {
        let mark = match row.get::<_, String>(3).as_str() {
            "failed" => Mark::Failed,
            "undone" => Mark::Undone,
            "baseline" => Mark::Baseline,
            _ => Mark::In,
        };
        Recorded { version: row.get(0), description: row.get(1), checksum: row.get(2), mark }
    };
    Ok(rows.iter().map(recorded).collect())
}

/// The rows; none where a table of the query does not exist.
async fn if_there(db: &Db, sql: &str, doing: &str) -> Result<Vec<tokio_postgres::Row>> {
    match db.rows(sql, &[]).await {
        Ok(rows) => Ok(rows),
        Err(e) if e.code() == Some(&SqlState::UNDEFINED_TABLE) => Ok(Vec::new()),
        Err(e) => Err(e.doing(doing).into()),
    }
}

/// Makes the tool's table as the tool does, where blue had none. For the start of a file's transaction, before the file
/// can change the path that says into which schema it goes.
pub async fn make_table(db: &Db, plan: &Migrations, layout: &Layout) -> Result<()> {
    let (Some(bookkeeping), None) = (&layout.bookkeeping, &plan.record) else { return Ok(()) };
    if columns_of(db, &table_sql(bookkeeping, plan.table.as_deref())).await?.is_empty() {
        let create = named(bookkeeping.create, bookkeeping, plan.table.as_deref());
        db.run(&create).await.map_err(|e| e.doing(format!("making the bookkeeping table of {}", layout.tool)))?;
    }
    Ok(())
}

/// The statement that records a file, the plan's before the tool's; none: nothing is recorded.
pub fn record_sql(plan: &Migrations, layout: &Layout) -> Option<String> {
    let own =
        || layout.bookkeeping.as_ref().map(|bookkeeping| named(bookkeeping.record, bookkeeping, plan.table.as_deref()));
    plan.record.clone().or_else(own)
}

/// Records a file in the transaction of its last effect. `taken`: how long it ran.
pub async fn record(db: &Db, plan: &Migrations, migration: &Migration, taken: Duration) -> Result<()> {
    let Some(sql) = record_sql(plan, migration.layout) else { return Ok(()) };
    let whose = if plan.record.is_some() {
        "the plan's `record`".to_owned()
    } else {
        format!("recording it as {} does", migration.layout.tool)
    };
    let bound = bind(&sql).map_err(|e| Failure::usage(format!("{whose}: {e}")))?;
    let checksum = migration.own_checksum.as_ref().unwrap_or(&migration.checksum);
    let value = |name: &String| {
        Ok(Text(Some(match name.as_str() {
            "version" => migration.version.clone(),
            "name" => migration.name.clone(),
            "description" => migration.description.clone(),
            "checksum" => checksum.clone(),
            "script" => migration.file.clone(),
            "kind" => migration.when.word().to_owned(),
            "ms" => taken.as_millis().to_string(),
            "ns" => taken.as_nanos().to_string(),
            other => {
                return Err(Failure::usage(format!("the plan's `record` names :{other}"))
                    .hint("there are :version, :name, :checksum, :description, :script and :ms"));
            }
        })))
    };
    let values = bound.params.iter().map(value).collect::<Result<Vec<Text>>>()?;
    let params: Vec<&(dyn ToSql + Sync)> = values.iter().map(|v| v as &(dyn ToSql + Sync)).collect();
    db.execute(&bound.sql, &params).await.map_err(|e| e.doing(whose))?;
    Ok(())
}
