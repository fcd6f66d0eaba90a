//! One table's rows from blue to green, in one green transaction.

use std::pin::pin;

use bytes::Bytes;
use futures_util::{SinkExt, TryStreamExt};

use crate::catalog::Table;
use crate::error::{Context, Failure, Result};
use crate::postgres::{Db, Error};

use super::meter::TableMeter;

/// Replaces green's rows of `table` by those that blue's session sees; gives their number.
///
/// TRUNCATE makes it safe to run twice, and lets COPY write frozen rows: what was made in the same transaction needs no
/// later vacuum against wraparound (manual, COPY).
pub async fn copy_table(blue: &Db, green: &Db, table: &Table, meter: &mut TableMeter<'_>) -> Result<u64> {
    green.run("BEGIN").await?;
    green.run(&format!("TRUNCATE ONLY {}", table.name)).await?;
    let rows = if table.copied_columns().next().is_none() {
        copy_count(blue, green, table).await
    } else {
        stream(blue, green, table, meter).await
    };
    let rows = rows.context(format!("copying {}", table.name.plain()))?;
    green.run("COMMIT").await?;
    Ok(rows)
}

/// COPY can't name no columns. All that such rows have is their number.
async fn copy_count(blue: &Db, green: &Db, table: &Table) -> Result<u64> {
    let count = blue.row(&format!("SELECT pg_catalog.count(*) FROM ONLY {}", table.name), &[]).await?;
    let rows: i64 = count.get(0);
    let insert = format!("INSERT INTO {} SELECT FROM pg_catalog.generate_series(1, $1::int8)", table.name);
    Ok(green.execute(&insert, &[&rows]).await?)
}

/// Passes chunks on as they come. The sink takes one only when the one before is on its way, so never more than a few
/// are in memory, whichever side is slower.
async fn stream(blue: &Db, green: &Db, table: &Table, meter: &mut TableMeter<'_>) -> Result<u64> {
    let (from, to) = statements(table);
    let mut chunks = pin!(blue.copy_out(&from).await.map_err(|e| blue.error(e))?);
    let mut sink = pin!(green.copy_in::<_, Bytes>(&to).await.map_err(|e| green.error(e))?);
    loop {
        match chunks.try_next().await.map_err(|e| blue.error(e))? {
            Some(chunk) => {
                meter.streamed(chunk.len());
                sink.feed(chunk).await.map_err(|e| green.error(e))?;
            }
            None => return sink.as_mut().finish().await.map_err(|e| Failure::from(green.error(e))),
        }
    }
}

/// Both sides of one COPY. `COPY table` reads that table alone, no children (manual, COPY: Notes).
fn statements(table: &Table) -> (String, String) {
    let columns: Vec<String> = table.copied_columns().map(|column| column.name.to_string()).collect();
    let columns = columns.join(", ");
    // The binary form of an OID alias is an OID of blue: silently wrong on green.
    let format = if table.copied_columns().all(|column| column.binary_safe) { "binary" } else { "text" };
    (
        format!("COPY {} ({columns}) TO STDOUT (FORMAT {format})", table.name),
        format!("COPY {} ({columns}) FROM STDIN (FORMAT {format}, FREEZE)", table.name),
    )
}

/// Sets what COPY's text form and the functions in CHECK constraints depend on, as `pg_dump` does: names are written with
/// their schema, and row security is an error instead of rows that are missing.
pub async fn prepare_session(db: &Db) -> Result<(), Error> {
    db.run("SET search_path = ''; SET row_security = off; SET xmloption = content; SET lc_monetary = 'C'; SET array_nulls = on").await
}
