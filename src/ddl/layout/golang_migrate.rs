//! golang-migrate: `VERSION_name.up.sql` beside `.down.sql`, and one row that says how far it got
//! (`source/parse.go`, `database/postgres/postgres.go`).

use super::{Bookkeeping, DOWN, Draft, Entry, Layout, Listing, Part, numbered, pop, version, without};
use crate::ddl::sql_file::SqlFile;
use crate::ddl::transaction::{Unfit, unfit};
use crate::error::Result;

pub(super) static LAYOUT: Layout = Layout {
    name: "golang-migrate",
    tool: "golang-migrate",
    shape: "VERSION_name.up.sql",
    claims,
    reads,
    apart,
    order: version::by_number,
    is_same: version::same_number,
    bookkeeping: Some(Bookkeeping {
        table: "schema_migrations",
        columns: &["version", "dirty"],
        foreign_columns: &[],
        create: include_str!("../../postgres/sql/create_golang_migrations.sql"),
        objects: &[],
        select: include_str!("../../postgres/sql/select_golang_migrations.sql"),
        record: include_str!("../../postgres/sql/set_golang_migration.sql"),
        one_row: true,
        refuses_older: None,
        repair: "put right what it left, then: migrate -path … -database … force VERSION",
    }),
};

fn claims(_: &Listing, entry: &Entry) -> Option<Part> {
    if !entry.is_sql() || entry.base() == "up.sql" {
        return None;
    }
    if entry.folder().is_some() {
        return Some(Part::Ignored("in a subfolder"));
    }
    numbered(entry.base())?;
    if pop::is_special(entry.base()) {
        return None;
    }
    if without(entry.base(), ".down.sql").is_some() {
        return Some(Part::Ignored(DOWN));
    }
    without(entry.base(), ".up.sql").map(|_| Part::Up)
}

#[allow(clippy::unnecessary_wraps)] // one shape for all layouts
fn reads(_: &Listing, entry: &Entry) -> Result<Draft> {
    let (version, rest) = numbered(entry.base()).unwrap_or_default();
    Ok(Draft::new(version, without(rest, ".up.sql").unwrap_or(rest), entry))
}

/// A file is sent as it is: the server makes one transaction of several statements, and none around a single one.
fn apart(sql: &SqlFile) -> Option<&'static str> {
    let [only] = sql.statements.as_slice() else { return None };
    let (why, _) = unfit(only, &sql.text)?;
    (why == Unfit::NotTransactional).then_some("golang-migrate runs a single statement without a transaction")
}
