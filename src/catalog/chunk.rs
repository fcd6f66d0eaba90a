//! Tables cut into ranges of their blocks, so that several sessions can read one table, and a lost one costs a range.

use std::collections::HashMap;
use std::sync::Arc;

use super::table::Table;
use crate::error::{Context, Result};
use crate::postgres::Db;

/// A chunk is not made smaller than this: what is copied whole is frozen on green at once and needs no later vacuum.
///
/// Smaller ones win no time: an OAuth database of 194 MB, two jobs, four rounds in turns on a busy machine, took 4.1 s for its
/// rows whole, 4.0 s in chunks of 24 MB, 4.2 s in chunks of 8 MB, and 9.7, 9.0, 9.3 s with everything, each ±10 % and more
/// (`make bench ARGS="clone --chunk-mb 8,24"`).
const LEAST_CHUNK: u64 = 256 << 20;
/// Nor larger than this: it is what a lost connection costs.
const LARGEST_CHUNK: u64 = 2 << 30;
/// Chunks per job, so that no job ends long before the others.
const CHUNKS_PER_JOB: u64 = 4;

/// A part of one table's rows, or all of them.
#[derive(Debug, Clone)]
pub struct Chunk {
    /// Of which table.
    pub table: Arc<Table>,
    /// Which of its `parts`, from 0.
    pub part: u32,
    /// Into how many the table is cut.
    pub parts: u32,
    /// Its share of the table's bytes, TOAST included.
    pub bytes: u64,
    /// The first block, and the one after the last; without one: to the table's end, wherever that is by now.
    blocks: (u64, Option<u64>),
}

impl Chunk {
    /// Whether it is the whole table.
    pub fn is_whole(&self) -> bool {
        self.parts == 1
    }

    /// For a WHERE: `ctid >= '(0,0)' AND ctid < '(4096,0)'`. Read by a TID range scan, which reads these blocks alone.
    pub fn condition(&self, column: &str) -> String {
        let (from, to) = self.blocks;
        let mut condition = format!("{column} OPERATOR(pg_catalog.>=) '({from},0)'::pg_catalog.tid");
        if let Some(to) = to {
            condition += &format!(" AND {column} OPERATOR(pg_catalog.<) '({to},0)'::pg_catalog.tid");
        }
        condition
    }
}

/// Cuts the tables that hold rows for `jobs` sessions, the largest table first, its chunks in order: chunks of `size` bytes,
/// where none is given of a size that suits tables and jobs.
///
/// Sizes are those of now. Where `db` is in the snapshot that the chunks are read in, every row it sees lies in a block
/// that was there when it was taken, and the last range of a table has no end: nothing is missed. Bytes count, not blocks:
/// a row's TOAST may weigh more than its block. Tables without columns, of other access methods than heap, and those of
/// servers before 14, which read the whole table for any range of ctid, stay whole.
pub async fn cut(db: &Db, tables: &[Table], jobs: usize, size: Option<u64>) -> Result<Vec<Chunk>> {
    let holding: Vec<&Table> = tables.iter().filter(|table| table.holds_rows()).collect();
    let oids: Vec<u32> = holding.iter().map(|table| table.oid).collect();
    let rows =
        db.rows(include_str!("../postgres/sql/select_extents.sql"), &[&oids]).await.context("sizes of tables")?;
    let extents: HashMap<u32, Extent> = rows
        .iter()
        .map(|row| {
            // NULL where the table was dropped meanwhile.
            let number = |column| row.get::<_, Option<i64>>(column).and_then(|n| u64::try_from(n).ok()).unwrap_or(0);
            let ranged = row.get("ranged");
            (row.get("oid"), Extent { blocks: number("blocks"), bytes: number("bytes"), ranged })
        })
        .collect();
    let mut sized: Vec<(Arc<Table>, Extent)> = holding
        .into_iter()
        .map(|table| {
            let unseen = Extent { blocks: 0, bytes: table.bytes, ranged: false };
            let mut extent = extents.get(&table.oid).copied().unwrap_or(unseen);
            extent.ranged &= table.copied_columns().next().is_some();
            (Arc::new(table.clone()), extent)
        })
        .collect();
    sized.sort_by_key(|(_, extent)| std::cmp::Reverse(extent.bytes));
    let total: u64 = sized.iter().map(|(_, extent)| extent.bytes).sum();
    let wanted = total / (jobs.max(1) as u64 * CHUNKS_PER_JOB);
    let size = size.unwrap_or_else(|| wanted.clamp(LEAST_CHUNK, LARGEST_CHUNK)).max(1);
    Ok(sized.into_iter().flat_map(|(table, extent)| cut_table(&table, extent, size)).collect())
}

#[derive(Debug, Clone, Copy)]
struct Extent {
    blocks: u64,
    bytes: u64,
    ranged: bool,
}

/// As many even ranges of blocks as the table has chunks of `size` bytes in it.
fn cut_table(table: &Arc<Table>, extent: Extent, size: u64) -> Vec<Chunk> {
    let parts = if extent.ranged { (extent.bytes / size).clamp(1, extent.blocks.max(1)) } else { 1 };
    let parts = u32::try_from(parts).unwrap_or(u32::MAX);
    // 128 bits: blocks times parts may pass 64.
    let share = |of: u64, part: u32| {
        let share = u128::from(of) * u128::from(part) / u128::from(parts);
        u64::try_from(share).unwrap_or(u64::MAX)
    };
    let chunk = |part| Chunk {
        table: Arc::clone(table),
        part,
        parts,
        bytes: share(extent.bytes, part + 1) - share(extent.bytes, part),
        blocks: (share(extent.blocks, part), (part + 1 < parts).then(|| share(extent.blocks, part + 1))),
    };
    (0..parts).map(chunk).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::{Persistence, Relkind};
    use crate::postgres::Name;

    fn cut_one(extent: Extent, size: u64) -> Vec<Chunk> {
        let table = Table {
            oid: 1,
            name: Name::new("public", "t"),
            kind: Relkind::Table,
            persistence: Persistence::Permanent,
            partition_of: None,
            inherits: Vec::new(),
            columns: Vec::new(),
            primary_key: Vec::new(),
            bytes: extent.bytes,
            estimated_rows: -1,
        };
        cut_table(&Arc::new(table), extent, size)
    }

    #[test]
    fn ranges_tile_the_blocks_and_the_last_one_is_open() {
        let chunks = cut_one(Extent { blocks: 1001, bytes: 9_000_001, ranged: true }, 1_000_000);
        assert_eq!(chunks.len(), 9);
        assert_eq!(chunks.first().map(|chunk| chunk.blocks.0), Some(0));
        for pair in chunks.windows(2) {
            assert_eq!(pair[0].blocks.1, Some(pair[1].blocks.0));
        }
        assert_eq!(chunks.last().and_then(|chunk| chunk.blocks.1), None);
        assert_eq!(chunks.iter().map(|chunk| chunk.bytes).sum::<u64>(), 9_000_001);
    }

    #[test]
    fn a_table_of_few_heavy_blocks_has_at_most_a_chunk_a_block() {
        assert_eq!(cut_one(Extent { blocks: 3, bytes: 1 << 40, ranged: true }, 1 << 20).len(), 3);
        assert_eq!(cut_one(Extent { blocks: 0, bytes: 0, ranged: true }, 1 << 20).len(), 1);
        assert!(cut_one(Extent { blocks: 1 << 30, bytes: 1 << 40, ranged: false }, 1 << 20)[0].is_whole());
    }
}
