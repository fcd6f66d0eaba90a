//! Large objects: no table's rows, each with an OID, an owner, privileges and a comment of its own.

use futures_util::Stream;
use futures_util::stream::try_unfold;

use crate::error::{Context, Result};
use crate::postgres::Db;

/// Objects of one page: as many are created or unlinked in one transaction, each with a lock of its own.
pub const PAGE: usize = 100;
/// The most bytes of a large object that are in memory at once, and the unit of its digest.
pub const PIECE: u64 = 256 * 1024;

/// What is known of a large object without its content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LargeObject {
    /// Its OID: what the application's tables refer to it by.
    pub oid: u32,
    /// Its length in bytes, holes included.
    pub bytes: u64,
    /// Owner, comment and privileges as statements, in an order in which they can be run.
    pub definition: Vec<String>,
}

/// A part of a large object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Piece {
    /// The object.
    pub oid: u32,
    /// Where the part begins.
    pub at: u64,
    /// Its length.
    pub length: u64,
}

impl LargeObject {
    /// Its parts; none for an empty one.
    pub fn pieces(&self) -> impl Iterator<Item = Piece> {
        let Self { oid, bytes, .. } = *self;
        let starts = (0..bytes.div_ceil(PIECE)).map(|n| n * PIECE);
        starts.map(move |at| Piece { oid, at, length: PIECE.min(bytes - at) })
    }
}

/// The pieces of `objects` in groups that hold no more than four pieces' bytes, so that many small ones share a trip.
pub fn groups(objects: &[LargeObject]) -> Vec<Vec<Piece>> {
    let mut groups: Vec<Vec<Piece>> = Vec::new();
    let mut room = 0;
    for piece in objects.iter().flat_map(LargeObject::pieces) {
        match groups.last_mut() {
            Some(group) if piece.length <= room => {
                room -= piece.length;
                group.push(piece);
            }
            _ => {
                room = 4 * PIECE - piece.length;
                groups.push(vec![piece]);
            }
        }
    }
    groups
}

/// All large objects that a session sees, page by page, by OID.
///
/// Fails at one that our role may not read (`guard/large-objects` names those beforehand).
pub fn read_large_objects(db: &Db) -> impl Stream<Item = Result<Vec<LargeObject>>> {
    try_unfold(0_u32, move |after| async move {
        let most = i64::try_from(PAGE).unwrap_or(i64::MAX);
        let sql = include_str!("../postgres/sql/select_large_objects.sql");
        let rows = db.rows(sql, &[&after, &most]).await.context("reading the large objects")?;
        let object = |row: &tokio_postgres::Row| LargeObject {
            oid: row.get("oid"),
            bytes: u64::try_from(row.get::<_, i64>("bytes")).unwrap_or(0),
            definition: row.get("definition"),
        };
        let page: Vec<LargeObject> = rows.iter().map(object).collect();
        let last = page.last().map(|object| object.oid);
        Ok(last.map(|last| (page, last)))
    })
}

/// How many large objects a session sees.
pub async fn count_large_objects(db: &Db) -> Result<u64> {
    let row = db.row("SELECT pg_catalog.count(*) FROM pg_catalog.pg_largeobject_metadata", &[]).await?;
    Ok(u64::try_from(row.get::<_, i64>(0)).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::{LargeObject, PIECE, groups};

    fn object(oid: u32, bytes: u64) -> LargeObject {
        LargeObject { oid, bytes, definition: Vec::new() }
    }

    #[test]
    fn groups_cover_every_byte_once_in_bounded_memory() {
        let objects = [object(1, 0), object(2, 3), object(3, 9 * PIECE + 1), object(4, PIECE), object(5, 1)];
        let groups = groups(&objects);
        for object in &objects {
            let pieces: Vec<_> = groups.iter().flatten().filter(|piece| piece.oid == object.oid).collect();
            let ends = pieces.iter().fold(0, |end, piece| {
                assert_eq!(piece.at, end);
                end + piece.length
            });
            assert_eq!(ends, object.bytes);
        }
        assert!(groups.iter().all(|group| group.iter().map(|piece| piece.length).sum::<u64>() <= 4 * PIECE));
        assert!(groups.len() <= 4, "small ones share a trip: {}", groups.len());
    }
}
