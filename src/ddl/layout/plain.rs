//! Plain files: `VERSION_name.sql`, all of them "up"; their bookkeeping is the plan's `applied` and `record`.

use super::{Draft, Entry, Layout, Listing, Part, dbmate, flyway, goose, pop, sqlx, version, without};
use crate::error::Result;

pub(super) static LAYOUT: Layout = Layout {
    name: "plain",
    tool: "plain files",
    shape: "VERSION_name.sql",
    claims,
    reads,
    apart: super::in_one_transaction,
    order: version::by_number,
    is_same: version::same_text,
    bookkeeping: None,
};

/// Names and marks with which another tool says what it wants done are none of a plain file.
fn claims(_: &Listing, entry: &Entry) -> Option<Part> {
    if !entry.is_sql() {
        return None;
    }
    if entry.folder().is_some() {
        return (entry.base() != "up.sql").then_some(Part::Ignored("in a subfolder"));
    }
    let text = entry.text();
    let of_a_tool = pop::name(entry.base()).is_some()
        || flyway::looks_like(entry.base())
        || goose::is_marked(&text)
        || dbmate::is_marked(&text);
    (!of_a_tool).then_some(Part::Up)
}

/// The leading digits of a name are its version, of any length; the whole stem where it begins with none. The name is
/// the rest without the separator before it.
#[allow(clippy::unnecessary_wraps)] // one shape for all layouts
fn reads(_: &Listing, entry: &Entry) -> Result<Draft> {
    let stem = without(entry.base(), ".sql").unwrap_or(entry.base());
    let digits = stem.find(|c: char| !c.is_ascii_digit()).unwrap_or(stem.len());
    let (version, name) = match stem.split_at_checked(digits) {
        Some((version, rest)) if !version.is_empty() => (version, rest.trim_start_matches(['_', '-', '.', ' '])),
        _ => (stem, stem),
    };
    let apart = sqlx::no_transaction(&entry.text()).then(|| sqlx::NO_TRANSACTION.to_owned());
    Ok(Draft { apart, ..Draft::new(version, name, entry) })
}
