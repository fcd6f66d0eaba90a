//! Row counts and digests of tables: the same rows, whatever their order, or not.
//!
//! A row becomes the binary form of a record (`record_send`): each column's length, or that it is NULL, and its bytes, so
//! that no two rows share a form. Types whose binary form is one for a value on every server ([`Column::exact_send`]) give
//! it as it is: it keeps 1.0 and 1.00 apart, and white space and duplicate keys of json. All other columns come as one
//! text of a record of theirs, `(1,"a b",,"")`, by each type's own output function: a NaN has several binary forms, `reg*`
//! compare by name, and what an extension sends may change with its version. `record_out` quotes what needs it, writes NULL
//! as nothing and the empty string as `""` (manual 8.16.6); a cast of one column to text may be somebody's own function, and
//! `char(n)` loses its blanks in it. The row's SHA-256 is cut into four 64-bit lanes, each summed as numeric, so
//! that order does not matter and duplicates do not cancel as they do under xor.
//!
//! The text depends on settings: `DateStyle`, `IntervalStyle`, `TimeZone`, `extra_float_digits` and `bytea_output`,
//! which every session of ours pins (`set_session.sql`), and `search_path`, `lc_monetary` and `quote_all_identifiers`,
//! which are pinned here. Both forms come in the session's encoding, UTF-8, whatever the server's.
//!
//! Sums of parts add up, so a large table is read in ranges of its blocks ([`cut`]), each by whichever session is free;
//! blue's ranges needn't be green's.
//!
//! CPU seconds of the server's process, Postgres 15, 500,000 rows of ten columns (text, jsonb, numeric, uuid, timestamps),
//! 109 MB, best of three on a machine so busy that the same row of this table came out up to 40 % higher in another run:
//!
//! | row as | hash | lanes by | CPU |
//! | --- | --- | --- | --- |
//! | text of a record | | | 1.8 s |
//! | text of a record | SHA-256 | `get_byte` | 2.8 s |
//! | text of a record | two `hashtextextended` | | 1.5 s |
//! | binary form | | | 0.7 s |
//! | binary form | SHA-256 | `get_byte` | 1.6 s |
//! | binary form | SHA-256 | `hashtextextended` of its hex | 1.3 s |
//! | COPY (text) to us, nothing hashed | | | 0.9 s |
//!
//! The fifth is used. Lanes by `hashtextextended` would differ between machines of other byte order (`hashfn.c`), and a
//! hash that is no cryptographic one may be met by chance of structure. MD5 was no quicker than SHA-256. Hashing here what
//! COPY gives would take a third of the server's time away and send every table over the network twice more.
//!
//! A row whose form is over 1 GB fails: no server function returns more.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use futures_util::future::try_join_all;
use serde::{Deserialize, Serialize};

use crate::catalog::{Chunk, Column, Table, cut};
use crate::error::{Failure, Result};
use crate::finding::Finding;
use crate::postgres::{Db, Error, Name};
use crate::snapshot::Ends;
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

/// Digests all `tables` that hold rows, the largest first, a part at a time on each of `sessions`; the caller has put those
/// into the transaction whose snapshot counts. The digests come in the order of the tables' names.
///
/// What a lost session was at, the others do. What runs on the servers ends with the future.
pub async fn digest_all(sessions: Vec<Db>, tables: &[Table], notices: &Notices) -> Result<Vec<TableDigest>> {
    digest_in_parts(sessions, tables, None, notices).await
}

/// [`digest_all`] in parts of about `part` bytes, where not the usual.
pub async fn digest_in_parts(
    sessions: Vec<Db>,
    tables: &[Table],
    part: Option<u64>,
    notices: &Notices,
) -> Result<Vec<TableDigest>> {
    let Some(first) = sessions.first() else {
        return Err(Failure::failed("digests: no session to take them with"));
    };
    let chunks = cut(first, tables, sessions.len(), part).await?;
    let mut ends = Ends::default();
    for session in &sessions {
        ends.add(session);
    }
    let digests = digest_chunks(sessions, chunks, notices).await;
    ends.settle(digests).await
}

async fn digest_chunks(sessions: Vec<Db>, chunks: Vec<Chunk>, notices: &Notices) -> Result<Vec<TableDigest>> {
    for session in &sessions {
        session.row(include_str!("../postgres/sql/set_digest_settings.sql"), &[&"", &"C", &"off"]).await?;
    }
    let work = &Work::of(chunks, notices);
    let mut sessions = sessions;
    loop {
        let workers = sessions.into_iter().map(|session| work_through(session, work));
        sessions = try_join_all(workers).await?.into_iter().flatten().collect();
        let mut left = work.left();
        if left.queue.is_empty() {
            return Ok(left.sums.iter().map(|(table, sum)| sum.of_table(table)).collect());
        }
        // What the lost ones were at came back after the others had found nothing more to do.
        if sessions.is_empty() {
            return Err(left.lost.take().map_or_else(|| Failure::failed("digests: no session is left"), Failure::from));
        }
    }
}

/// Digests parts until none is left; gives the session back, unless it was lost.
async fn work_through(session: Db, work: &Work<'_>) -> Result<Option<Db>, Error> {
    while let Some(chunk) = work.next() {
        match digest_chunk(&session, &chunk).await {
            Ok(sum) => work.done(&chunk, &sum),
            Err(e) if e.is_lost() => {
                work.lost(chunk, e);
                return Ok(None);
            }
            Err(e) => return Err(e.doing(format_args!("digest of {}", chunk.table.name.plain()))),
        }
    }
    Ok(Some(session))
}

/// What is left to do, and the sums of what is done.
struct Work<'a> {
    notices: &'a Notices,
    total: u64,
    left: Mutex<Left>,
}

struct Left {
    /// The next one is the last.
    queue: Vec<Chunk>,
    sums: BTreeMap<Name, Sum>,
    bytes: u64,
    lost: Option<Error>,
}

impl<'a> Work<'a> {
    fn of(mut chunks: Vec<Chunk>, notices: &'a Notices) -> Self {
        let sums = chunks.iter().map(|chunk| (chunk.table.name.clone(), Sum::default())).collect();
        let total = chunks.iter().map(|chunk| chunk.bytes).sum();
        chunks.reverse();
        Self { notices, total, left: Mutex::new(Left { queue: chunks, sums, bytes: 0, lost: None }) }
    }

    /// Nothing between lock and unlock can panic halfway through a change.
    fn left(&self) -> MutexGuard<'_, Left> {
        self.left.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn next(&self) -> Option<Chunk> {
        self.left().queue.pop()
    }

    fn done(&self, chunk: &Chunk, sum: &Sum) {
        let mut left = self.left();
        left.sums.entry(chunk.table.name.clone()).or_default().add(sum);
        left.bytes += chunk.bytes;
        self.notices.progress(left.bytes, self.total, Unit::Bytes, format!("digest of {}", chunk.table.name.plain()));
    }

    fn lost(&self, chunk: Chunk, e: Error) {
        self.notices.waiting(format!("{e}: the other sessions digest {} again", chunk.table.name.plain()));
        let mut left = self.left();
        left.queue.push(chunk);
        left.lost = Some(e);
    }
}

/// Rows, and the sum of their hashes lane by lane.
#[derive(Debug, Clone, Copy, Default)]
struct Sum {
    rows: u64,
    lanes: [u64; LANES],
}

impl Sum {
    fn add(&mut self, other: &Self) {
        self.rows += other.rows;
        for (lane, more) in self.lanes.iter_mut().zip(other.lanes) {
            *lane = lane.wrapping_add(more);
        }
    }

    fn of_table(&self, table: &Name) -> TableDigest {
        let digest = self.lanes.iter().map(|lane| format!("{lane:016x}")).collect();
        TableDigest { table: table.clone(), rows: self.rows, digest }
    }
}

/// Counts and digests the rows of one part in the session's snapshot.
async fn digest_chunk(db: &Db, chunk: &Chunk) -> Result<Sum, Error> {
    // A range of ctid is read as one, whatever the server's settings; parallel workers would read the whole table for it.
    db.run(if chunk.is_whole() {
        "RESET enable_seqscan; RESET max_parallel_workers_per_gather"
    } else {
        "SET enable_tidscan = on; SET enable_seqscan = off; SET max_parallel_workers_per_gather = 0"
    })
    .await?;
    let row = db.row(&digest_sql(chunk), &[]).await?;
    let mut sum = Sum { rows: u64::try_from(row.get::<_, i64>(0)).unwrap_or(0), lanes: [0; LANES] };
    for (n, lane) in sum.lanes.iter_mut().enumerate() {
        *lane = lane_of(row.get(n + 1));
    }
    Ok(sum)
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

/// `sum` of signed 64-bit numbers as text, modulo 2^64: fits 128 bits for any table that can exist.
fn lane_of(sum: &str) -> u64 {
    // A remainder of 2^64 is never negative and always fits.
    u64::try_from(sum.parse::<i128>().unwrap_or(0).rem_euclid(1 << 64)).unwrap_or(0)
}

fn digest_sql(chunk: &Chunk) -> String {
    let table = &chunk.table;
    if table.columns.is_empty() {
        let zeros = ["'0'::pg_catalog.text"; LANES].join(", ");
        return format!("SELECT pg_catalog.count(*), {zeros} FROM ONLY {}", table.name);
    }
    let lanes: Vec<String> = (0..LANES).map(lane_sql).collect();
    // The function in FROM is computed once per row.
    format!(
        "SELECT pg_catalog.count(*), {} FROM ONLY {} AS t \
         CROSS JOIN LATERAL pg_catalog.sha256(pg_catalog.record_send(ROW({}))) AS s(hash) WHERE {}",
        lanes.join(", "),
        table.name,
        row_sql(&table.columns),
        if chunk.is_whole() { "true".to_owned() } else { chunk.condition("t.ctid") },
    )
}

/// The columns that are sent as they are, and one text of all others.
fn row_sql(columns: &[Column]) -> String {
    let names = |exact| columns.iter().filter(move |c| c.exact_send == exact).map(|c| format!("t.{}", c.name));
    let texts: Vec<String> = names(false).collect();
    let text = (!texts.is_empty()).then(|| format!("ROW({})::pg_catalog.text", texts.join(", ")));
    names(true).chain(text).collect::<Vec<_>>().join(", ")
}

/// Eight bytes of the hash, big end first, as a signed number, summed over all rows.
fn lane_sql(lane: usize) -> String {
    let byte = |n: usize| format!("(pg_catalog.get_byte(s.hash, {})::pg_catalog.int8 << {})", lane * 8 + n, 56 - 8 * n);
    let bytes: Vec<String> = (0..8).map(byte).collect();
    format!("coalesce(pg_catalog.sum({}), 0)::pg_catalog.text", bytes.join(" | "))
}
