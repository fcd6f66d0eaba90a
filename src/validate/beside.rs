//! Digests of what the copy brings beside tables' rows: large objects, and rows of extensions' own tables.
//!
//! Both in the form of [`TableDigest`]: a SHA-256 a part, cut into four numbers, each summed modulo 2^64, so that order
//! does not matter. A large object counts with its OID, length, owner, privileges, comment, and every piece of its content.

use std::sync::{Mutex, PoisonError};

use futures_util::TryStreamExt;
use sha2::{Digest, Sha256};

use super::TableDigest;
use crate::catalog::{ExtensionTable, LargeObject, groups, read_extension_tables, read_large_objects};
use crate::error::{Context, Failure, Result};
use crate::postgres::{Db, Name};

/// The name under which large objects are listed among the tables.
fn large_objects() -> Name {
    Name::new("pg_catalog", "pg_largeobject")
}

/// Digests large objects and extensions' rows, each session with a part of the work; the caller has put the sessions into
/// the transaction whose snapshot counts. Large objects give a digest only where there are any.
pub async fn digest_beside_tables(sessions: Vec<Db>) -> Result<Vec<TableDigest>> {
    let mut sessions = sessions;
    let first = sessions.pop().ok_or_else(|| Failure::failed("digests: no session to take them with"))?;
    let settings = include_str!("../postgres/sql/set_digest_settings.sql");
    first.row(settings, &[&"", &"C", &"off"]).await?;
    let mut digests = Vec::new();
    for table in read_extension_tables(&first).await? {
        let digest = digest_rows(&first, &table).await;
        digests.push(digest.with_context(|| format!("digest of {}", table.name.plain()))?);
    }
    if sessions.is_empty() {
        // One session lists and reads in turn: the list comes page by page, each a statement of its own.
        digests.extend(digest_large_objects(&first, &[&first]).await?);
    } else {
        let readers: Vec<&Db> = sessions.iter().collect();
        digests.extend(digest_large_objects(&first, &readers).await?);
    }
    Ok(digests)
}

async fn digest_rows(db: &Db, table: &ExtensionTable) -> Result<TableDigest> {
    let columns: Vec<String> = table.columns.iter().map(|column| format!("t.{}", column.name)).collect();
    let sql = format!(
        "SELECT pg_catalog.sha256(pg_catalog.convert_to(ROW({})::pg_catalog.text, 'UTF8')) FROM ONLY {} AS t {}",
        columns.join(", "),
        table.name,
        table.condition
    );
    let mut sum = Sum::default();
    let mut rows = std::pin::pin!(db.query_raw(&sql, std::iter::empty::<&str>()).await.map_err(|e| db.error(e))?);
    while let Some(row) = rows.try_next().await.map_err(|e| db.error(e))? {
        sum.add(row.get(0));
    }
    Ok(TableDigest { table: table.name.clone(), rows: sum.parts, digest: sum.hex() })
}

async fn digest_large_objects(lister: &Db, readers: &[&Db]) -> Result<Option<TableDigest>> {
    let idle = Mutex::new(readers.to_vec());
    let take = || idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
    let give_back = |reader| idle.lock().unwrap_or_else(PoisonError::into_inner).push(reader);
    let pages = read_large_objects(lister).map_ok(|page| async {
        let page = page;
        let mut sum = Sum::default();
        // As many pages are under way as there are readers: one is always idle.
        if let Some(reader) = take() {
            digest_page(reader, &page, &mut sum).await.context("digest of large objects")?;
            give_back(reader);
        }
        Ok((page.len() as u64, sum))
    });
    let fold = |(objects, mut whole): (u64, Sum), (more, sum): (u64, Sum)| async move {
        whole.merge(&sum);
        Ok((objects + more, whole))
    };
    let (objects, sum) = pages.try_buffer_unordered(readers.len()).try_fold((0, Sum::default()), fold).await?;
    Ok((objects > 0).then(|| TableDigest { table: large_objects(), rows: objects, digest: sum.hex() }))
}

async fn digest_page(db: &Db, page: &[LargeObject], sum: &mut Sum) -> Result<()> {
    for object in page {
        let mut definition: Vec<&str> = object.definition.iter().map(String::as_str).collect();
        // Grants are listed as they were given, which says nothing.
        definition.sort_unstable();
        let about = format!("{} {} {}", object.oid, object.bytes, definition.join("\n"));
        sum.add(Sha256::digest(about).as_slice());
    }
    for group in groups(page) {
        let oids: Vec<u32> = group.iter().map(|piece| piece.oid).collect();
        let starts: Vec<i64> = group.iter().map(|piece| i64::try_from(piece.at).unwrap_or(i64::MAX)).collect();
        let lengths: Vec<i32> = group.iter().map(|piece| i32::try_from(piece.length).unwrap_or(i32::MAX)).collect();
        let sql = include_str!("../postgres/sql/digest_large_objects.sql");
        for row in db.rows(sql, &[&oids, &starts, &lengths]).await? {
            sum.add(row.get(0));
        }
    }
    Ok(())
}

/// A sum of hashes.
#[derive(Debug, Default)]
struct Sum {
    parts: u64,
    lanes: [u64; 4],
}

impl Sum {
    fn add(&mut self, hash: &[u8]) {
        self.parts += 1;
        for (lane, part) in self.lanes.iter_mut().zip(hash.chunks_exact(8)) {
            *lane = part.iter().fold(0, |number, byte| number << 8 | u64::from(*byte)).wrapping_add(*lane);
        }
    }

    fn merge(&mut self, other: &Self) {
        self.parts += other.parts;
        for (lane, part) in self.lanes.iter_mut().zip(other.lanes) {
            *lane = lane.wrapping_add(part);
        }
    }

    fn hex(&self) -> String {
        self.lanes.iter().map(|lane| format!("{lane:016x}")).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::Sum;

    #[test]
    fn order_does_not_matter_and_a_part_twice_does_not_cancel() {
        let of = |parts: &[u8]| {
            let mut sum = Sum::default();
            for part in parts {
                sum.add(&[*part; 32]);
            }
            sum.hex()
        };
        assert_eq!(of(&[1, 255]), of(&[255, 1]));
        assert_ne!(of(&[7, 7]), of(&[]));
        assert_eq!(of(&[]).len(), 64);
    }
}
