//! diesel: a folder per migration, with `up.sql` and perhaps `metadata.toml` (`diesel_migrations`,
//! `file_based_migrations.rs`).

use super::{Bookkeeping, DOWN, Draft, Entry, Layout, Listing, Part, version};
use crate::error::{Failure, Result};

pub(super) static LAYOUT: Layout = Layout {
    name: "diesel",
    tool: "diesel",
    shape: "VERSION_name/up.sql",
    claims,
    reads,
    apart: super::in_one_transaction,
    order: version::by_text,
    is_same: version::same_text,
    bookkeeping: Some(Bookkeeping {
        table: "__diesel_schema_migrations",
        columns: &["version", "run_on"],
        foreign_columns: &[],
        create: include_str!("../../postgres/sql/create_diesel_migrations.sql"),
        objects: &[],
        select: include_str!("../../postgres/sql/select_diesel_migrations.sql"),
        record: include_str!("../../postgres/sql/insert_diesel_migration.sql"),
        one_row: false,
        refuses_older: None,
        repair: "",
    }),
};

fn claims(_: &Listing, entry: &Entry) -> Option<Part> {
    let folder = entry.folder().filter(|folder| !folder.contains('/'))?;
    folder.starts_with(|c: char| c.is_ascii_digit()).then_some(())?;
    match entry.base() {
        "up.sql" => Some(Part::Up),
        "down.sql" => Some(Part::Ignored(DOWN)),
        _ if entry.is_sql() => Some(Part::Ignored("neither up.sql nor down.sql")),
        _ => None,
    }
}

/// The version is what stands before the first `_`, without dashes.
fn reads(listing: &Listing, entry: &Entry) -> Result<Draft> {
    let folder = entry.folder().unwrap_or_default();
    let (version, name) = folder.split_once('_').unwrap_or((folder, ""));
    let refuse = |what: String| Err(Failure::usage(format!("{}: {what}", entry.path.display())));
    if entry.bytes.is_empty() {
        return refuse("an empty file, which diesel refuses".to_owned());
    }
    let mut apart = None;
    let metadata = format!("{folder}/metadata.toml");
    if let Some(metadata) = listing.entry(&metadata) {
        let table: toml::Table = match metadata.text().parse() {
            Ok(table) => table,
            Err(e) => return refuse(format!("its metadata.toml: {}", e.message())),
        };
        match table.get("run_in_transaction") {
            None | Some(toml::Value::Boolean(true)) => {}
            Some(toml::Value::Boolean(false)) => apart = Some("run_in_transaction = false".to_owned()),
            Some(_) => return refuse("its metadata.toml: run_in_transaction is neither true nor false".to_owned()),
        }
    }
    Ok(Draft { apart, ..Draft::new(&version.replace('-', ""), name, entry) })
}
