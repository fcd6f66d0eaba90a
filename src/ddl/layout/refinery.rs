//! refinery: `V1__name.sql` in order, `U1__name.sql` wherever its version lies (`refinery_core`, `util.rs`,
//! `runner.rs`, 0.8).

use std::hash::{Hash, Hasher};

use siphasher::sip::SipHasher13;

use super::{Bookkeeping, Draft, Entry, Layout, Listing, Part, When, version, without};
use crate::error::{Failure, Result};

pub(super) static LAYOUT: Layout = Layout {
    name: "refinery",
    tool: "refinery",
    shape: "V1__name.sql",
    claims,
    reads,
    apart: super::in_one_transaction,
    order: version::by_number,
    is_same: version::same_number,
    bookkeeping: Some(Bookkeeping {
        table: "refinery_schema_history",
        columns: &["version", "name", "applied_on", "checksum"],
        foreign_columns: &[],
        create: include_str!("../../postgres/sql/create_refinery_history.sql"),
        objects: &[],
        select: include_str!("../../postgres/sql/select_refinery_history.sql"),
        record: include_str!("../../postgres/sql/insert_refinery_migration.sql"),
        one_row: false,
        refuses_older: Some("set_abort_missing(false)"),
        repair: "",
    }),
};

/// `V` or `U`, digits, `__`, word characters.
fn name(stem: &str) -> Option<(When, &str, &str)> {
    let (prefix, name) = stem.split_once("__")?;
    let (when, version) = match (prefix.strip_prefix('V'), prefix.strip_prefix('U')) {
        (Some(version), _) => (When::Versioned, version),
        (_, Some(version)) => (When::Unordered, version),
        _ => return None,
    };
    let is_number = !version.is_empty() && version.bytes().all(|b| b.is_ascii_digit());
    let is_word = !name.is_empty() && name.chars().all(|c| c.is_alphanumeric() || c == '_');
    (is_number && is_word).then_some((when, version, name))
}

fn claims(_: &Listing, entry: &Entry) -> Option<Part> {
    let stem = without(entry.base(), ".sql").or_else(|| without(entry.base(), ".rs"))?;
    name(stem).map(|_| Part::Up)
}

fn reads(_: &Listing, entry: &Entry) -> Result<Draft> {
    let Some(stem) = without(entry.base(), ".sql") else {
        return Err(Failure::usage(format!(
            "{}: a migration in Rust, which only refinery can run",
            entry.path.display()
        ))
        .hint("let your own program run them: command = [\"./migrator\"] in [migrations]"));
    };
    let (when, version, name) = name(stem).unwrap_or((When::Versioned, stem, ""));
    let Ok(number) = version.parse::<i32>() else {
        return Err(Failure::usage(format!("{}: refinery's versions are at most {}", entry.path.display(), i32::MAX))
            .hint("int8-versions of refinery are not read; record them with applied and record in the plan"));
    };
    Ok(Draft { when, checksum: Some(checksum(name, number, &entry.text())), ..Draft::new(version, name, entry) })
}

/// refinery's own: the order of what is hashed, and the types, are part of it.
fn checksum(name: &str, version: i32, sql: &str) -> String {
    let mut hasher = SipHasher13::new();
    name.hash(&mut hasher);
    version.hash(&mut hasher);
    sql.hash(&mut hasher);
    hasher.finish().to_string()
}
