//! The user tables of a database: kinds, columns, keys, sizes.

use serde::{Deserialize, Serialize};

use crate::error::{Failure, Result};
use crate::postgres::{Db, Ident, Name};

/// What a relation with rows or parts is (`pg_class.relkind`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Relkind {
    /// Holds rows itself: an ordinary table or a partition leaf.
    Table,
    /// Holds none itself, its partitions do.
    Partitioned,
}

/// How long a relation lives (`pg_class.relpersistence`); temporary ones are never listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Persistence {
    /// Written to the log.
    Permanent,
    /// Not written to the log, empty after a crash.
    Unlogged,
}

/// A live column, in the table's order.
#[allow(clippy::struct_excessive_bools)] // facts of their own each
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Column {
    /// Its name.
    pub name: Ident,
    /// Its type as `format_type` gives it, with modifiers.
    pub type_name: String,
    /// Declared NOT NULL.
    pub not_null: bool,
    /// `GENERATED ALWAYS AS (…) STORED`: never copied, always computed.
    pub generated: bool,
    /// Whether the binary form means the same on another server. False for `reg*` types, whose binary form is an OID
    /// of this server, for `aclitem`, which has none, and for arrays, domains and composites over them.
    pub binary_safe: bool,
    /// Whether equal values have one binary form, the same on every server, and different values different ones: a list of
    /// built-in types.
    #[serde(default)] // not read where tables are digested in another way
    pub exact_send: bool,
}

/// One user table or partitioned table; never one of ours, of an extension, or of the system.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Table {
    /// Its OID on this server, for this run only.
    pub oid: u32,
    /// Schema and name.
    pub name: Name,
    /// Whether it holds rows itself.
    pub kind: Relkind,
    /// Logged or not.
    pub persistence: Persistence,
    /// The topmost partitioned table it is a part of, if it is a partition.
    pub partition_of: Option<Name>,
    /// The tables it inherits from, partitions aside.
    pub inherits: Vec<Name>,
    /// Live columns in order; may be none.
    pub columns: Vec<Column>,
    /// The columns of the primary key, in key order; empty where there is none.
    pub primary_key: Vec<Ident>,
    /// Size of its main fork and TOAST in bytes.
    pub bytes: u64,
    /// The planner's estimate of its rows; -1 where never analysed.
    pub estimated_rows: i64,
}

impl Table {
    /// Whether it holds rows itself.
    pub fn holds_rows(&self) -> bool {
        self.kind == Relkind::Table
    }

    /// The columns that COPY moves: all but the generated ones.
    pub fn copied_columns(&self) -> impl Iterator<Item = &Column> {
        self.columns.iter().filter(|c| !c.generated)
    }
}

/// The names of all user tables, leaves and parents; waits for no lock, unlike [`read_tables`], which asks for sizes.
pub async fn read_table_names(db: &Db) -> Result<Vec<Name>> {
    let rows = db.rows(include_str!("../postgres/sql/select_table_names.sql"), &[]).await?;
    Ok(rows.iter().map(|row| Name::new(row.get::<_, String>("schema"), row.get::<_, String>("name"))).collect())
}

/// Reads all user tables, partitioned tables and leaves, by name.
pub async fn read_tables(db: &Db) -> Result<Vec<Table>> {
    let rows = db.rows(include_str!("../postgres/sql/select_tables.sql"), &[]).await?;
    rows.iter()
        .map(|row| {
            let columns: &str = row.get("columns");
            Ok(Table {
                oid: row.get("oid"),
                name: Name::new(row.get::<_, String>("schema"), row.get::<_, String>("name")),
                kind: if row.get::<_, bool>("partitioned") { Relkind::Partitioned } else { Relkind::Table },
                persistence: if row.get::<_, bool>("unlogged") {
                    Persistence::Unlogged
                } else {
                    Persistence::Permanent
                },
                partition_of: match (row.get::<_, Option<String>>("root_schema"), row.get("root_name")) {
                    (Some(schema), Some::<String>(name)) => Some(Name::new(schema, name)),
                    _ => None,
                },
                inherits: serde_json::from_str(row.get("inherits"))?,
                columns: serde_json::from_str(columns)?,
                primary_key: row.get::<_, Vec<String>>("primary_key").into_iter().map(Ident::new).collect(),
                bytes: u64::try_from(row.get::<_, i64>("bytes")).unwrap_or(0),
                estimated_rows: row.get("estimated_rows"),
            })
        })
        .collect::<Result<_, serde_json::Error>>()
        .map_err(|e| Failure::from(e).context(format!("{}: reading the tables", db.name)))
}
