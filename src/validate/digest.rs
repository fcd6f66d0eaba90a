//! Row counts and digests of tables: the same rows, whatever their order, or not.
//!
//! A row becomes the text of a record of all its columns, generated ones included: `(1,"a b",,"")`. `record_out` quotes
//! what needs it, writes NULL as nothing and the empty string as `""`, so that with a fixed number of columns no two
//! rows share a text (manual 8.16.6). It uses each type's own output function, which keeps 1.0 and 1.00, 0 and -0, and
//! white space and duplicate keys of json apart; a cast to text may be somebody's own function, and `char(n)` loses its
//! blanks in it. `reg*` compare by name. The text's SHA-256 is cut into four 64-bit lanes, each summed as numeric, so
//! that order does not matter and duplicates do not cancel as they do under xor.
//!
//! The text depends on settings: `DateStyle`, `IntervalStyle`, `TimeZone`, `extra_float_digits` and `bytea_output`,
//! which every session of ours pins (`set_session.sql`), and `search_path`, `lc_monetary` and `quote_all_identifiers`,
//! which are pinned here for the time of the query.
//!
//! Measured on Postgres 15, two cores shared with others, 1,000,000 rows of ten columns, 223 MB; best of three, JIT off,
//! alone and with two parallel workers:
//!
//! | row as text | lanes by | one process | two workers |
//! | --- | --- | --- | --- |
//! | length-prefixed columns | `bit(64)` of hex, fenced subquery | 3.8 s | 2.0 s |
//! | record | `bit(64)` of hex, fenced subquery | 3.5 s | 3.5 s, planned serially |
//! | record | `get_byte`, fenced subquery | 3.0 s | 2.9 s, planned serially |
//! | record | `get_byte`, function in FROM | 3.5 s | 1.6 s |
//!
//! The last one is used: the function in FROM is computed once per row and lets workers sum as well. Two lanes instead
//! of four saved 0.2 s; counting alone takes 0.05 s.
//!
//! A row whose text is over 1 GB fails: no server function returns more.

use std::collections::BTreeMap;
use std::sync::Mutex;

use futures_util::future::try_join_all;
use serde::{Deserialize, Serialize};

use crate::catalog::Table;
use crate::error::{Failure, Result};
use crate::finding::Finding;
use crate::postgres::{Db, Error, Name};
use crate::step::{Notices, Unit};

/// 64-bit parts of a SHA-256.
const LANES: usize = 4;

/// The rows of one table at one moment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TableDigest {
    /// The table.
    pub table: Name,
    /// Its rows, without those of partitions and inheritance children.
    pub rows: u64,
    /// Four sums modulo 2^64, 64 hex digits; says nothing beyond `rows` for a table without columns.
    pub digest: String,
}

/// Counts and digests the rows of one table in the session's snapshot, with settings that the text depends on pinned
/// for that time.
pub async fn digest_table(db: &Db, table: &Table) -> Result<TableDigest, Error> {
    let doing = |e: Error| e.doing(format_args!("digest of {}", table.name.plain()));
    let before = db.row(include_str!("../postgres/sql/select_digest_settings.sql"), &[]).await.map_err(doing)?;
    pin(db, "", "C", "off").await.map_err(doing)?;
    let read = db.row(&digest_sql(table), &[]).await;
    // After a failure inside a transaction the server has put the settings back itself and refuses this.
    let restored = pin(db, before.get(0), before.get(1), before.get(2)).await;
    let row = read.map_err(doing)?;
    restored.map_err(doing)?;
    Ok(TableDigest {
        table: table.name.clone(),
        rows: u64::try_from(row.get::<_, i64>(0)).unwrap_or(0),
        digest: (1..=LANES).map(|lane| lane_hex(row.get(lane))).collect(),
    })
}

async fn pin(db: &Db, search_path: &str, lc_monetary: &str, quote_all: &str) -> Result<(), Error> {
    db.row(include_str!("../postgres/sql/set_digest_settings.sql"), &[&search_path, &lc_monetary, &quote_all]).await?;
    Ok(())
}

/// Digests all `tables` that hold rows, largest first, one at a time on each of `sessions`; the caller has put those
/// into the transaction whose snapshot counts. The digests come in the order of the tables' names.
pub async fn digest_all(sessions: Vec<Db>, tables: &[Table], notices: &Notices) -> Result<Vec<TableDigest>> {
    if sessions.is_empty() {
        return Err(Failure::failed("digests: no session to take them with"));
    }
    let mut queue: Vec<&Table> = tables.iter().filter(|table| table.holds_rows()).collect();
    queue.sort_by_key(|table| table.bytes);
    let total = queue.len() as u64;
    let queue = Mutex::new(queue);
    let done = Mutex::new(Vec::new());
    let (queue, done) = (&queue, &done);
    try_join_all(sessions.into_iter().map(|db| async move {
        while let Some(table) = next_of(queue) {
            let digest = digest_table(&db, table).await?;
            let mut done = unpoisoned(done);
            done.push(digest);
            notices.progress(done.len() as u64, total, Unit::Tables, table.name.plain());
        }
        Ok::<_, Error>(())
    }))
    .await?;
    let mut digests = std::mem::take(&mut *unpoisoned(done));
    digests.sort_by(|a: &TableDigest, b| a.table.cmp(&b.table));
    Ok(digests)
}

/// The largest table left; the lock is free again before anything is awaited.
fn next_of<'a>(queue: &Mutex<Vec<&'a Table>>) -> Option<&'a Table> {
    unpoisoned(queue).pop()
}

/// Nothing between lock and unlock can panic halfway through a change.
fn unpoisoned<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// What differs between two sets of digests; nothing where both hold the same tables with the same rows.
pub fn compare(blue: &[TableDigest], green: &[TableDigest]) -> Vec<Finding> {
    let by_name = |digests: &'_ [TableDigest]| -> BTreeMap<Name, (u64, String)> {
        digests.iter().map(|d| (d.table.clone(), (d.rows, d.digest.clone()))).collect()
    };
    let (blue, green) = (by_name(blue), by_name(green));
    let only_green = green.keys().filter(|name| !blue.contains_key(*name));
    let on_blue = blue.iter().filter_map(|(name, before)| match green.get(name) {
        None => Some(missing(name, "green", before.0)),
        Some(after) => difference(name, before, after),
    });
    on_blue.chain(only_green.map(|name| missing(name, "blue", green.get(name).map_or(0, |g| g.0)))).collect()
}

fn missing(name: &Name, side: &str, rows: u64) -> Finding {
    let other = if side == "blue" { "green" } else { "blue" };
    let what = format!("{} is not on {side}; {other} has it with {rows} rows", name.plain());
    Finding::blocker("validate/table-missing", format!("{side} {}", name.plain()), what)
        .so_what("the copy does not hold the same tables as blue")
}

fn difference(name: &Name, blue: &(u64, String), green: &(u64, String)) -> Option<Finding> {
    let plain = name.plain();
    let object = format!("green {plain}");
    if blue.0 != green.0 {
        let what = format!("{plain} has {} rows on blue and {} on green", blue.0, green.0);
        return Some(
            Finding::blocker("validate/rows-differ", object, what).so_what("the copy has lost or gained rows"),
        );
    }
    (blue.1 != green.1).then(|| {
        let what = format!("{plain} has {} rows on blue and {} on green, but their contents differ", blue.0, green.0);
        Finding::blocker("validate/digest-differs", object, what)
            .so_what("at least one value on green is not what it was on blue")
    })
}

/// `sum` of signed 64-bit numbers as text: fits 128 bits for any table that can exist.
fn lane_hex(sum: &str) -> String {
    // A remainder of 2^64 is never negative and always fits.
    let modulo = sum.parse::<i128>().unwrap_or(0).rem_euclid(1 << 64);
    format!("{modulo:016x}")
}

fn digest_sql(table: &Table) -> String {
    if table.columns.is_empty() {
        let zeros = ["'0'::pg_catalog.text"; LANES].join(", ");
        return format!("SELECT pg_catalog.count(*), {zeros} FROM ONLY {}", table.name);
    }
    let columns: Vec<String> = table.columns.iter().map(|column| format!("t.{}", column.name)).collect();
    let lanes: Vec<String> = (0..LANES).map(lane_sql).collect();
    format!(
        "SELECT pg_catalog.count(*), {} FROM ONLY {} AS t \
         CROSS JOIN LATERAL pg_catalog.sha256(pg_catalog.convert_to(ROW({})::pg_catalog.text, 'UTF8')) AS s(hash)",
        lanes.join(", "),
        table.name,
        columns.join(", ")
    )
}

/// Eight bytes of the hash, big end first, as a signed number, summed over all rows.
fn lane_sql(lane: usize) -> String {
    let byte = |n: usize| format!("(pg_catalog.get_byte(s.hash, {})::pg_catalog.int8 << {})", lane * 8 + n, 56 - 8 * n);
    let bytes: Vec<String> = (0..8).map(byte).collect();
    format!("coalesce(pg_catalog.sum({}), 0)::pg_catalog.text", bytes.join(" | "))
}
