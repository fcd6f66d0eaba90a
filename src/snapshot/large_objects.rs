//! Large objects, with their OIDs, owners, privileges and comments. `pg_dump` brings them with a dump of the data, or not
//! at all; here they come out of the copy's own snapshot, in parallel, with a few pieces in memory.
//!
//! No superuser is needed: `lo_get`, `lo_create` and `lo_put` ask for the object's own privileges, not for those of the
//! catalog behind it.

use std::sync::{Mutex, PoisonError};

use futures_util::{StreamExt, TryStreamExt};
use tokio_util::sync::CancellationToken;

use crate::catalog::{LargeObject, Piece, count_large_objects, groups, read_large_objects};
use crate::error::{Context, Result};
use crate::postgres::{Access, Db, Name, Target};
use crate::step::{Notices, Unit};

use super::ends::Ends;
use super::export::{CopyPoint, join};
use super::rows::TableCopied;
use super::{interrupted, watch};

/// The catalog behind large objects; the name under which the copy and its proof list them.
pub fn large_objects_name() -> Name {
    Name::new("pg_catalog", "pg_largeobject")
}

/// Copies blue's large objects as the snapshot sees them, on up to `jobs` sessions a side; `None` where there are none.
///
/// A page of them is one transaction on green, which first unlinks what an attempt before it left. Fails like
/// [`super::copy_rows`]: when a session is lost, when somebody on blue waits behind the copy, and when `cancel` says so.
pub async fn copy_large_objects(
    (blue, green): (&Target, &Target),
    point: &CopyPoint,
    jobs: usize,
    notices: &Notices,
    cancel: &CancellationToken,
) -> Result<Option<TableCopied>> {
    let lister = join(blue, point).await?;
    let total = count_large_objects(&lister).await?;
    if total == 0 {
        return Ok(None);
    }
    let jobs = jobs.clamp(1, usize::try_from(total.div_ceil(crate::catalog::PAGE as u64)).unwrap_or(usize::MAX));
    let mut ends = Ends::default();
    ends.add(&lister);
    let mut idle = Vec::new();
    for _ in 0..jobs {
        let (from, to) = (join(blue, point).await?, green.connect(Access::ReadWrite).await?);
        ends.add(&from);
        ends.add(&to);
        idle.push((from, to));
    }
    let copied = tokio::select! {
        copied = copy_all(&lister, idle, total, notices) => copied,
        () = cancel.cancelled() => Err(interrupted("copying large objects")),
        failure = watch(blue) => Err(failure),
    };
    let (rows, bytes) = ends.settle(copied).await?;
    Ok(Some(TableCopied { name: large_objects_name(), rows, bytes }))
}

async fn copy_all(lister: &Db, idle: Vec<(Db, Db)>, total: u64, notices: &Notices) -> Result<(u64, u64)> {
    let jobs = idle.len();
    let idle = Mutex::new(idle);
    let take = || idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
    let give_back = |sessions| idle.lock().unwrap_or_else(PoisonError::into_inner).push(sessions);
    let copies = read_large_objects(lister).map_ok(|page| async {
        let page = page;
        // As many pages are under way as there are sessions: one is always idle.
        if let Some((blue, green)) = take() {
            copy_page(&blue, &green, &page).await.context("copying large objects")?;
            give_back((blue, green));
        }
        Ok((page.len() as u64, page.iter().map(|object| object.bytes).sum::<u64>()))
    });
    let copies = copies.try_buffer_unordered(jobs);
    let mut copies = std::pin::pin!(copies);
    let (mut rows, mut bytes) = (0, 0);
    while let Some(copied) = copies.next().await {
        let (objects, size) = copied?;
        rows += objects;
        bytes += size;
        notices.progress(rows, total, Unit::Rows, "large objects");
    }
    Ok((rows, bytes))
}

async fn copy_page(blue: &Db, green: &Db, page: &[LargeObject]) -> Result<()> {
    let oids: Vec<u32> = page.iter().map(|object| object.oid).collect();
    green.run("BEGIN").await?;
    let unlink = "SELECT pg_catalog.lo_unlink(m.oid) FROM pg_catalog.pg_largeobject_metadata m WHERE m.oid = ANY ($1)";
    green.rows(unlink, &[&oids]).await?;
    green.rows("SELECT pg_catalog.lo_create(o.oid) FROM unnest($1::oid[]) o (oid)", &[&oids]).await?;
    for group in groups(page) {
        copy_pieces(blue, green, &group).await?;
    }
    // Last: it may give the object to somebody whose objects we can't write.
    let definitions: Vec<&str> = page.iter().flat_map(|object| &object.definition).map(String::as_str).collect();
    green.run(&definitions.join(";\n")).await?;
    Ok(green.run("COMMIT").await?)
}

async fn copy_pieces(blue: &Db, green: &Db, group: &[Piece]) -> Result<()> {
    let oids: Vec<u32> = group.iter().map(|piece| piece.oid).collect();
    // A large object ends at 4 TB, a piece is small: neither conversion can fail.
    let starts: Vec<i64> = group.iter().map(|piece| i64::try_from(piece.at).unwrap_or(i64::MAX)).collect();
    let lengths: Vec<i32> = group.iter().map(|piece| i32::try_from(piece.length).unwrap_or(i32::MAX)).collect();
    let rows = blue.rows(include_str!("../postgres/sql/read_large_objects.sql"), &[&oids, &starts, &lengths]).await?;
    let contents: Vec<&[u8]> = rows.iter().map(|row| row.get(0)).collect();
    green.rows(include_str!("../postgres/sql/write_large_objects.sql"), &[&oids, &starts, &contents]).await?;
    Ok(())
}
