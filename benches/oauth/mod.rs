//! The database that is copied: the demo's OAuth schema and rows, with what it has not beside it.

use teal::demo::schema;
use teal::error::{Context, Result};
use teal::postgres::{Access, Target};

/// Bytes of database that a token of the demo brings with what belongs to it, indexes included: measured at 2 million.
const BYTES_PER_TOKEN: u64 = 720;
/// Share of the database that is neither tokens nor what belongs to them, in percent: wide rows, the partitioned log.
const BESIDE: u64 = 20;
/// Bytes of a login request: its payload does not compress and lies in TOAST, in three pieces.
const BYTES_PER_REQUEST: u64 = 6_400;
/// Bytes of an entry of the partitioned log, indexes included.
const BYTES_PER_ENTRY: u64 = 200;

/// Fills `blue` with a database of about `bytes`, the same rows every time but for the day they begin at.
pub async fn fill(blue: &Target, bytes: u64) -> Result<()> {
    let beside = bytes * BESIDE / 100;
    let rows = |bytes: u64, each: u64| i64::try_from(bytes / each).unwrap_or(i64::MAX).max(10);
    let log = async {
        let db = blue.connect(Access::ReadWrite).await?;
        db.run(include_str!("log.sql")).await.context("the log")?;
        let entries = rows(beside / 2, BYTES_PER_ENTRY);
        db.execute(include_str!("log_entries.sql"), &[&entries]).await.context("log entries")
    };
    tokio::try_join!(log, async { schema::prepare_blue(blue, (bytes - beside) / BYTES_PER_TOKEN).await })?;
    let db = blue.connect(Access::ReadWrite).await?;
    db.run(include_str!("login_request.sql")).await.context("login requests")?;
    let requests = rows(beside / 2, BYTES_PER_REQUEST);
    db.execute(include_str!("login_requests.sql"), &[&requests]).await.context("login requests")?;
    // As a database in service has it behind it; and nothing is left for a later vacuum, which would disturb.
    Ok(db.run("VACUUM (FREEZE, ANALYZE)").await?)
}
