//! Tables of extensions that hold their user's data (`pg_extension_config_dump`).

use super::table::Column;
use crate::error::{Context, Failure, Result};
use crate::postgres::{Db, Name};

/// A configuration table of an extension, and which of its rows are the user's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExtensionTable {
    /// Schema and name.
    pub name: Name,
    /// The extension that made it.
    pub extension: String,
    /// `WHERE …` as the extension gave it, or nothing: all rows.
    pub condition: String,
    /// Live columns in order.
    pub columns: Vec<Column>,
}

/// What orders the tables.
struct Reference {
    oid: u32,
    /// The tables that its foreign keys point to, itself aside.
    references: Vec<u32>,
}

impl ExtensionTable {
    /// The columns that COPY moves, as SQL names them.
    pub fn column_list(&self) -> String {
        let columns = self.columns.iter().filter(|column| !column.generated).map(|column| column.name.to_string());
        columns.collect::<Vec<_>>().join(", ")
    }

    /// The user's rows.
    pub fn selection(&self) -> String {
        format!("SELECT {} FROM ONLY {} {}", self.column_list(), self.name, self.condition)
    }
}

/// Reads them, what is referred to before what refers to it.
pub async fn read_extension_tables(db: &Db) -> Result<Vec<ExtensionTable>> {
    let rows = db.rows(include_str!("../postgres/sql/select_extension_tables.sql"), &[]).await?;
    let mut tables = Vec::new();
    for row in &rows {
        let columns: &str = row.get("columns");
        let reference = Reference { oid: row.get("oid"), references: row.get("references") };
        let table = ExtensionTable {
            name: Name::new(row.get::<_, String>("schema"), row.get::<_, String>("name")),
            extension: row.get("extension"),
            condition: row.get("condition"),
            columns: serde_json::from_str(columns).map_err(Failure::from).context("reading extensions' tables")?,
        };
        tables.push((reference, table));
    }
    Ok(in_order(tables))
}

/// Tables in a circle of foreign keys stay in the order of their names.
fn in_order(mut left: Vec<(Reference, ExtensionTable)>) -> Vec<ExtensionTable> {
    let mut ordered = Vec::new();
    while !left.is_empty() {
        let waits = |(table, _): &(Reference, ExtensionTable)| {
            left.iter().any(|(other, _)| table.references.contains(&other.oid))
        };
        let next = left.iter().position(|table| !waits(table)).unwrap_or(0);
        ordered.push(left.remove(next).1);
    }
    ordered
}

#[cfg(test)]
mod tests {
    use super::{ExtensionTable, Reference, in_order};
    use crate::postgres::Name;

    #[test]
    fn what_is_referred_to_comes_first_and_a_circle_ends() {
        let table = |oid: u32, references: &[u32]| {
            let name = Name::new("x", oid.to_string());
            let table = ExtensionTable { name, extension: String::new(), condition: String::new(), columns: vec![] };
            (Reference { oid, references: references.to_vec() }, table)
        };
        let order = |tables| in_order(tables).into_iter().map(|table| table.name.object.0).collect::<Vec<_>>();
        assert_eq!(order(vec![table(1, &[2]), table(2, &[3]), table(3, &[])]), ["3", "2", "1"]);
        assert_eq!(order(vec![table(1, &[2]), table(2, &[1])]), ["1", "2"]);
    }
}
