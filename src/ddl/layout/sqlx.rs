//! sqlx: `VERSION_name.sql`, or `.up.sql` beside `.down.sql`; a first line `-- no-transaction` (sqlx-core's
//! `migrate/source.rs`, 0.8).

use sha2::{Digest, Sha384};

use super::{Bookkeeping, DOWN, Draft, Entry, Layout, Listing, Part, dbmate, goose, numbered, pop, version, without};
use crate::ddl::source::hex;
use crate::error::Result;

pub(super) static LAYOUT: Layout = Layout {
    name: "sqlx",
    tool: "sqlx",
    shape: "VERSION_name.sql or VERSION_name.up.sql",
    claims,
    reads,
    apart: super::in_one_transaction,
    order: version::by_number,
    is_same: version::same_number,
    bookkeeping: Some(Bookkeeping {
        table: "_sqlx_migrations",
        columns: &["version", "checksum", "execution_time"],
        foreign_columns: &[],
        create: include_str!("../../postgres/sql/create_sqlx_migrations.sql"),
        objects: &[],
        select: include_str!("../../postgres/sql/select_sqlx_migrations.sql"),
        record: include_str!("../../postgres/sql/insert_sqlx_migration.sql"),
        one_row: false,
        refuses_older: None,
        repair: "delete the row once what it left is put right",
    }),
};

/// The mark, which must be the file's first bytes.
pub(super) const NO_TRANSACTION: &str = "-- no-transaction";

pub(super) fn no_transaction(text: &str) -> bool {
    text.starts_with(NO_TRANSACTION)
}

fn claims(_: &Listing, entry: &Entry) -> Option<Part> {
    if !entry.is_sql() || entry.base() == "up.sql" {
        return None;
    }
    if entry.folder().is_some() {
        return Some(Part::Ignored("in a subfolder"));
    }
    numbered(entry.base())?;
    let text = entry.text();
    if goose::is_marked(&text) || dbmate::is_marked(&text) || pop::is_special(entry.base()) {
        return None;
    }
    Some(if without(entry.base(), ".down.sql").is_some() { Part::Ignored(DOWN) } else { Part::Up })
}

#[allow(clippy::unnecessary_wraps)] // one shape for all layouts
fn reads(_: &Listing, entry: &Entry) -> Result<Draft> {
    let (version, rest) = numbered(entry.base()).unwrap_or_default();
    let name = without(rest, ".up.sql").or_else(|| without(rest, ".sql")).unwrap_or(rest);
    Ok(Draft {
        description: name.replace('_', " "),
        checksum: Some(hex(&Sha384::digest(&entry.bytes))),
        apart: no_transaction(&entry.text()).then(|| NO_TRANSACTION.to_owned()),
        ..Draft::new(version, name, entry)
    })
}
