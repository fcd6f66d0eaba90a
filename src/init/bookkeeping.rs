//! Where a database keeps which migrations are in: found by its table's name and columns.

use super::facts::{Column, Kind, TableFacts};
use crate::ddl::Migration;
use crate::error::Result;
use crate::postgres::Db;

/// Columns that may hold a version, the likeliest first.
const VERSION: [&str; 7] = ["version", "version_id", "migration_id", "id", "migration", "filename", "name"];
/// More rows than this are no list of migrations.
const MOST: i64 = 20_000;

/// A table of applied migrations.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bookkeeping {
    /// Its OID on blue.
    pub table: u32,
    /// The query for the plan's `applied`.
    pub applied: String,
    /// The statement for its `record`; else why there is none.
    pub record: Result<String, String>,
    /// What it was derived from.
    pub because: String,
}

/// Looks for it; of several the one that knows most of the folder's files.
pub async fn find(blue: &Db, tables: &[TableFacts], migrations: &[Migration]) -> Result<Option<Bookkeeping>> {
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
