//! What `init` reads of a database: tables, keys, columns, and what statistics say of their values.
//!
//! Bounded work on a live server: catalogs and statistics alone. Rows are counted only where the table is small
//! ([`count_live`]), and never for long.

use std::collections::BTreeMap;

use tokio_postgres::Row;

use crate::catalog::{Table, read_tables};
use crate::ddl::lex::{Lexer, TokenKind};
use crate::error::{Context, Result};
use crate::postgres::{Db, Ident, Name};

/// A table is counted where it is no larger than this, in bytes; else statistics must do.
const COUNTED: u64 = 64 << 20;

/// What kind of value a column holds, domains looked through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// `boolean`.
    Boolean,
    /// `timestamptz`, `timestamp`, `date`.
    Time,
    /// An enum.
    Enum,
    /// `text`, `varchar`, `char`.
    Text,
    /// A whole number.
    Integer,
    /// Anything else.
    Other,
}

/// One column.
#[derive(Debug, Clone, PartialEq)]
pub struct Column {
    /// Its number in the catalog, which no rename changes.
    pub number: i32,
    /// Exact as the catalog has it.
    pub name: Ident,
    /// As SQL wants it: quoted only where it must be.
    pub written: String,
    /// `format_type`.
    pub type_name: String,
    /// What kind of value.
    pub kind: Kind,
    /// Declared NOT NULL.
    pub not_null: bool,
    /// Whether an INSERT may leave it out.
    pub has_default: bool,
    /// Computed: nothing may write it.
    pub generated: bool,
    /// The values that an enum or a check allows; empty where nothing says.
    pub allowed: Vec<String>,
    /// The most common values and how often they come, from 0 to 1; empty where never analysed.
    pub common: Vec<(String, f64)>,
    /// How much of it is NULL, from 0 to 1.
    pub null_fraction: Option<f64>,
}

/// One table that is no partition.
#[derive(Debug, Clone, PartialEq)]
pub struct TableFacts {
    /// Its OID on this server.
    pub oid: u32,
    /// Schema and name.
    pub name: Name,
    /// As SQL wants it, with the schema only where the path does not find it.
    pub written: String,
    /// Columns that identify a row; empty where nothing does.
    pub key: Vec<Ident>,
    /// Whether the key is the primary one.
    pub key_is_primary: bool,
    /// Columns that decide in which partition a row is.
    pub partition_columns: Vec<Ident>,
    /// Bytes, partitions included.
    pub bytes: u64,
    /// The planner's estimate of its rows; none where it was never analysed.
    pub estimated_rows: Option<u64>,
    /// Live columns in order.
    pub columns: Vec<Column>,
}

impl TableFacts {
    /// The column of that name.
    pub fn column(&self, name: &str) -> Option<&Column> {
        self.columns.iter().find(|column| column.name.0 == name)
    }

    /// The column of that catalog number.
    pub fn numbered(&self, number: i32) -> Option<&Column> {
        self.columns.iter().find(|column| column.number == number)
    }

    /// For people: the name without `public.`.
    pub fn plain(&self) -> String {
        if self.name.schema.0 == "public" { self.name.object.0.clone() } else { self.name.plain() }
    }
}

/// Reads all tables that are no partitions, by name.
pub async fn read_facts(db: &Db) -> Result<Vec<TableFacts>> {
    let tables = read_tables(db).await?;
    let rows = db.rows(include_str!("../postgres/sql/select_table_facts.sql"), &[]).await?;
    let roots: Vec<(&Row, &Table)> = rows
        .iter()
        .filter_map(|row| Some((row, tables.iter().find(|table| table.oid == row.get::<_, u32>("oid"))?)))
        .collect();
    let oids: Vec<u32> = roots.iter().map(|(_, table)| table.oid).collect();
    let columns = db
        .rows(include_str!("../postgres/sql/select_column_facts.sql"), &[&oids])
        .await
        .context("reading the columns and their statistics")?;
    let mut by_table: BTreeMap<u32, Vec<Column>> = BTreeMap::new();
    for row in &columns {
        by_table.entry(row.get("relation")).or_default().push(column(row));
    }
    Ok(roots
        .into_iter()
        .map(|(row, table)| {
            let unique: Vec<String> = row.get("unique_key");
            let primary = !table.primary_key.is_empty();
            let parts = tables.iter().filter(|part| part.partition_of.as_ref() == Some(&table.name));
            TableFacts {
                oid: table.oid,
                name: table.name.clone(),
                written: row.get("written"),
                key: if primary { table.primary_key.clone() } else { unique.into_iter().map(Ident::new).collect() },
                key_is_primary: primary,
                partition_columns: row.get::<_, Vec<String>>("partition_columns").into_iter().map(Ident::new).collect(),
                bytes: table.bytes + parts.map(|part| part.bytes).sum::<u64>(),
                estimated_rows: u64::try_from(table.estimated_rows).ok(),
                columns: by_table.remove(&table.oid).unwrap_or_default(),
            }
        })
        .collect())
}

fn column(row: &Row) -> Column {
    let labels: Vec<String> = row.get("labels");
    let checks: Vec<String> = row.get("checks");
    let values: Vec<String> = row.get("common");
    let frequencies: Vec<f64> = row.get("frequencies");
    Column {
        number: row.get("number"),
        name: Ident::new(row.get::<_, String>("name")),
        written: row.get("written"),
        type_name: row.get("type_name"),
        kind: match row.get("kind") {
            "boolean" => Kind::Boolean,
            "time" => Kind::Time,
            "enum" => Kind::Enum,
            "text" => Kind::Text,
            "integer" => Kind::Integer,
            _ => Kind::Other,
        },
        not_null: row.get("not_null"),
        has_default: row.get("has_default"),
        generated: row.get("generated"),
        allowed: if labels.is_empty() {
            checks.iter().find_map(|check| values_of(check)).unwrap_or_default()
        } else {
            labels
        },
        common: values.into_iter().zip(frequencies).collect(),
        null_fraction: row.get("null_fraction"),
    }
}

/// The values that a check on one column lists: the server writes `IN ('a', 'b')` back as `= ANY (ARRAY['a'::text, …])`.
/// Anything else says nothing.
fn values_of(check: &str) -> Option<Vec<String>> {
    if check.matches("= ANY").count() != 1 || !check.contains("ARRAY[") || check.contains(" AND ") {
        return None;
    }
    let tokens: Option<Vec<_>> = Lexer::new(check).map(Result::ok).collect();
    let strings = tokens?.into_iter().filter(|token| token.kind == TokenKind::Text);
    let values = strings.map(|token| {
        let inside = token.text(check).strip_prefix('\'')?.strip_suffix('\'')?;
        Some(inside.replace("''", "'"))
    });
    values.collect::<Option<Vec<String>>>().filter(|values| !values.is_empty())
}

/// How many rows a table has, and for how many of them a condition is true: counted where it is small, nothing where it
/// is not, or where counting took too long or was not allowed.
pub async fn count_live(db: &Db, table: &TableFacts, condition: &str) -> Option<(u64, u64)> {
    if table.bytes > COUNTED {
        return None;
    }
    let sql = format!("SELECT count(*), count(*) FILTER (WHERE {condition}) FROM {}", table.name);
    let row = db.row(&sql, &[]).await.ok()?;
    let count = |at: usize| u64::try_from(row.get::<_, i64>(at)).unwrap_or(0);
    Some((count(0), count(1)))
}

#[cfg(test)]
mod tests {
    use super::values_of;

    #[test]
    fn a_list_of_values_in_a_check_is_read_and_nothing_else() {
        let check = "CHECK ((status = ANY (ARRAY['open'::text, 'it''s'::text])))";
        assert_eq!(values_of(check).unwrap(), ["open", "it's"]);
        let check = "CHECK (((status)::text = ANY ((ARRAY['a'::character varying, 'b'::character varying])::text[])))";
        assert_eq!(values_of(check).unwrap(), ["a", "b"]);
        assert_eq!(values_of("CHECK ((status <> 'gone'::text))"), None);
        assert_eq!(values_of("CHECK (((a = ANY (ARRAY[1, 2])) AND (b = 'x'::text)))"), None);
        assert_eq!(values_of("CHECK ((n = ANY (ARRAY[1, 2])))"), None);
    }
}
