//! The folder's layout, where blue keeps which of its files are in, and which are not.

use std::path::Path;
use std::time::Duration;

use super::facts::{Column, Kind, TableFacts};
use crate::ddl::{Migration, standings};
use crate::error::{Kind as Failed, Result};
use crate::migrate;
use crate::plan::{MigrationSource, Migrations};
use crate::postgres::Db;

/// Columns that may hold a version, the likeliest first.
const VERSION: [&str; 7] = ["version", "version_id", "migration_id", "id", "migration", "filename", "name"];
/// More rows than this are no list of migrations.
const MOST: i64 = 20_000;

/// What is to be run, and who keeps the books.
#[derive(Debug)]
pub struct Books {
    /// As the plan will have it.
    pub plan: Migrations,
    /// The folder's files, in order; empty for a program.
    pub migrations: Vec<Migration>,
    /// Which of them are not in, by their place.
    pub pending: Vec<usize>,
    /// The folder's tool; none for plain files.
    pub tool: Option<&'static str>,
    /// The bookkeeping table's OID on blue.
    pub table: Option<u32>,
    /// What it was derived from; none where none was found.
    pub because: Option<String>,
    /// Why there is no statement that records.
    pub unrecorded: Option<String>,
}

impl Books {
    /// Of a program, which keeps its own.
    pub fn of_program(source: MigrationSource) -> Self {
        Self {
            plan: said(source, None),
            migrations: Vec::new(),
            pending: Vec::new(),
            tool: None,
            table: None,
            because: None,
            unrecorded: None,
        }
    }

    /// The files that are not in.
    pub fn pending(&self) -> Vec<&Migration> {
        self.pending.iter().filter_map(|at| self.migrations.get(*at)).collect()
    }
}

fn said(source: MigrationSource, layout: Option<&str>) -> Migrations {
    let layout = layout.map(str::to_owned);
    Migrations { source, layout, table: None, applied: None, record: None, lock_timeout: Duration::from_secs(5) }
}

/// Reads a folder, and the bookkeeping that its tool, or whoever runs plain files, has on blue. `layout`: as the operator
/// names it; none: recognised.
pub async fn read(
    dir: &Path,
    layout: Option<&str>,
    tables: &[TableFacts],
    blue: &impl AsyncFn() -> Result<Db>,
) -> Result<Books> {
    let db = blue().await?;
    let mut plan = said(MigrationSource::Folder(dir.to_owned()), layout);
    let named: Vec<&TableFacts> = tables.iter().filter(|table| is_named_so(&table.name.object.0)).collect();
    let mut folder = migrate::read_migrations(dir, &plan, blue).await;
    if matches!(&folder, Err(e) if e.kind == Failed::Usage) && layout.is_none() {
        // Its tool's table may have another name or schema.
        for table in &named {
            let other = Migrations { table: Some(table.plain()), ..plan.clone() };
            if let Ok(read) = migrate::read_migrations(dir, &other, blue).await {
                (folder, plan) = (Ok(read), other);
                break;
            }
        }
    }
    let folder = folder.map_err(|mut e| {
        // What it says of a plan is here an argument.
        e.hint = e.hint.map(|hint| hint.replace("say it in the plan's [migrations]: layout = ", "name it: --layout "));
        e
    })?;
    let mut books = Books { migrations: folder.migrations, ..Books::of_program(plan.source.clone()) };
    if folder.layout.is_plain() {
        if let Some(found) = find(&db, tables, &books.migrations).await? {
            plan.applied = Some(found.applied);
            plan.record = found.record.as_ref().ok().cloned();
            books.unrecorded = found.record.err();
            (books.table, books.because) = (Some(found.table), Some(found.because));
        }
    } else {
        plan.layout = Some(folder.layout.name.to_owned());
        books.tool = Some(folder.layout.tool);
        for name in std::iter::once(plan.table.clone()).chain(named.iter().map(|table| Some(table.plain()))) {
            if migrate::tables_on(&db, name.as_deref()).await?.contains(&folder.layout) {
                plan.table = name;
                let table = migrate::table_name(&plan, folder.layout).unwrap_or_default();
                let there = tables.iter().find(|facts| [facts.plain(), facts.written.clone()].contains(&table));
                books.table = there.map(|table| table.oid);
                books.because = Some(format!("{}'s own {table}", folder.layout.tool));
                break;
            }
        }
    }
    let recorded = migrate::read_recorded(&db, &plan, folder.layout).await?;
    let standings = standings(&books.migrations, &recorded);
    books.pending = (0..).zip(&standings).filter(|(_, standing)| standing.is_pending()).map(|(at, _)| at).collect();
    books.plan = plan;
    Ok(books)
}

/// A table in which plain files are recorded.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Bookkeeping {
    table: u32,
    applied: String,
    /// Else why there is none.
    record: Result<String, String>,
    because: String,
}

/// Looks for it; of several the one that knows most of the folder's files.
async fn find(blue: &Db, tables: &[TableFacts], migrations: &[Migration]) -> Result<Option<Bookkeeping>> {
    let mut best: Option<(usize, Bookkeeping)> = None;
    for table in tables.iter().filter(|table| is_named_so(&table.name.object.0)) {
        for column in VERSION.iter().filter_map(|name| table.column(name)) {
            let sql = format!("SELECT {}::pg_catalog.text FROM {} LIMIT {MOST}", column.name, table.name);
            let values = blue.rows(&sql, &[]).await?;
            let values: Vec<String> = values.iter().filter_map(|row| row.get(0)).collect();
            let known = migrations.iter().filter(|migration| values.contains(&migration.version)).count();
            // Older files may have left the folder: a column of that very name is enough.
            let numbered = |value: &String| value.starts_with(|c: char| c.is_ascii_digit());
            let so_named = column.name.0 == "version" && !values.is_empty() && values.iter().all(numbered);
            let better = best.as_ref().is_none_or(|(most, _)| known > *most);
            if better && (known > 0 || so_named) {
                best = Some((known, of(table, column, values.len(), known)));
            }
        }
    }
    Ok(best.map(|(_, found)| found))
}

/// Brings the rows of such tables to a copy of the schema: migrations, and migrators above all, go by them.
pub async fn bring(blue: &Db, copy: &Db, tables: &[TableFacts]) -> Result<()> {
    for table in tables.iter().filter(|table| is_named_so(&table.name.object.0)) {
        let sql = format!("SELECT pg_catalog.row_to_json(t)::pg_catalog.text FROM {} t LIMIT {MOST}", table.name);
        for row in blue.rows(&sql, &[]).await? {
            let insert = format!(
                "INSERT INTO {0} OVERRIDING SYSTEM VALUE \
                 SELECT * FROM pg_catalog.json_populate_record(NULL::{0}, $1::pg_catalog.text::pg_catalog.json)",
                table.name
            );
            copy.execute(&insert, &[&row.get::<_, String>(0)]).await?;
        }
    }
    Ok(())
}

fn is_named_so(table: &str) -> bool {
    let table = table.to_lowercase();
    ["migration", "schema_version", "schemaversion", "changelog"].iter().any(|word| table.contains(word))
}

fn of(table: &TableFacts, version: &Column, rows: usize, known: usize) -> Bookkeeping {
    let column = &version.written;
    Bookkeeping {
        table: table.oid,
        applied: format!("SELECT {column} FROM {}", table.written),
        record: record(table, version),
        because: format!("{} holds {rows} versions, {known} of them of this folder's files", table.plain()),
    }
}

/// Every column that an INSERT may not leave out must be one that we can fill.
fn record(table: &TableFacts, version: &Column) -> Result<String, String> {
    let (mut columns, mut values) = (vec![version.written.clone()], vec![":version".to_owned()]);
    let needed = |c: &&Column| c.number != version.number && c.not_null && !c.has_default && !c.generated;
    for column in table.columns.iter().filter(needed) {
        let value = match column.name.0.to_lowercase().as_str() {
            "name" | "description" | "title" | "filename" | "script" => ":name",
            "checksum" | "hash" | "sha256" => ":checksum",
            "dirty" if column.kind == Kind::Boolean => "false",
            "success" | "applied" | "is_applied" if column.kind == Kind::Boolean => "true",
            _ if column.kind == Kind::Time => "now()",
            _ => return Err(format!("its column {} must be filled, with what is not known", column.name.0)),
        };
        columns.push(column.written.clone());
        values.push(value.to_owned());
    }
    Ok(format!("INSERT INTO {} ({}) VALUES ({})", table.written, columns.join(", "), values.join(", ")))
}
