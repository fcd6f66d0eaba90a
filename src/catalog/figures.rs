//! Sizes and rates of a live database, for estimates.

use std::collections::BTreeMap;
use std::time::Duration;

use super::writes::{Writes, read_write_counters, writes_since};
use crate::error::{Context, Result};
use crate::postgres::Db;

/// How long writes are counted: a session hands its counters over at most once a second.
const SAMPLE: Duration = Duration::from_secs(2);

/// What one table holds and takes.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct TableFigures {
    /// Its rows with TOAST, in bytes.
    pub bytes: u64,
    /// Its indexes, in bytes.
    pub index_bytes: u64,
    /// The planner's estimate of its rows; 0 where it was never analysed.
    pub rows: u64,
    /// Rows written a second while it was looked at.
    pub writes_per_second: f64,
}

/// What the tables of a database hold and take.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Figures {
    /// By schema and name.
    pub tables: BTreeMap<(String, String), TableFigures>,
    /// Bytes a second that the server itself has measured when it read from its disk; none where it does not measure.
    pub bytes_per_second: Option<u64>,
}

/// Reads them; takes [`SAMPLE`] and a moment.
pub async fn read_figures(db: &Db) -> Result<Figures> {
    let before = read_write_counters(db).await?;
    tokio::time::sleep(SAMPLE).await;
    let writes = writes_since(db, &before).await?;
    let rows = db
        .rows(include_str!("../postgres/sql/select_table_figures.sql"), &[])
        .await
        .context("reading the sizes of the tables")?;
    let number = |row: &tokio_postgres::Row, column: &str| u64::try_from(row.get::<_, i64>(column)).unwrap_or(0);
    let mut figures = Figures::default();
    for row in &rows {
        figures.bytes_per_second =
            row.get::<_, Option<i64>>("bytes_per_second").and_then(|rate| u64::try_from(rate).ok());
        let table = TableFigures {
            bytes: number(row, "bytes"),
            index_bytes: number(row, "index_bytes"),
            rows: number(row, "rows"),
            writes_per_second: 0.0,
        };
        figures.tables.insert((row.get("schema"), row.get("name")), table);
    }
    if let Writes::AtMost(written) = writes {
        for one in written {
            if let Some(table) = figures.tables.get_mut(&(one.table.schema.0.clone(), one.table.object.0.clone())) {
                table.writes_per_second = (one.inserted + one.updated + one.deleted) as f64 / SAMPLE.as_secs_f64();
            }
        }
    }
    Ok(figures)
}
