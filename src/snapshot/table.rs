//! One chunk of rows from blue to green, in one green transaction together with its marker.

use std::collections::HashSet;
use std::pin::pin;

use bytes::{Bytes, BytesMut};
use futures_util::{SinkExt, TryStreamExt};

use crate::catalog::{Chunk, Persistence, Table};
use crate::postgres::{Db, Error};

use super::meter::ChunkMeter;

/// Rows that travel together. Blue sends each row as a message of its own; sent on one by one, messages cost more than
/// rows do.
const BATCH: usize = 64 << 10;

/// Makes the markers' tables on green, empty.
pub async fn make_markers(green: &Db) -> Result<(), Error> {
    green.run(include_str!("../postgres/sql/create_chunk.sql")).await
}

/// Takes the markers away and gives none back, where every one of `chunks` has one; else gives those without, and leaves the
/// markers. One session from reading to COMMIT: green did not crash in between. That commits synchronously, after chunks
/// that did not: what a crash of green could still have taken back is on disk afterwards.
///
/// The markers of unlogged tables stay where there are any: empty ones tell of a later crash ([`lost_unlogged`]).
pub async fn drop_markers(green: &Db, chunks: &[Chunk]) -> Result<Vec<Chunk>, Error> {
    let read = "SELECT relation, part FROM teal.chunk UNION ALL SELECT relation, part FROM teal.unlogged_chunk";
    let there: HashSet<(String, i32)> =
        green.rows(read, &[]).await?.iter().map(|row| (row.get("relation"), row.get("part"))).collect();
    let without = |chunk: &&Chunk| !there.contains(&(chunk.table.name.to_string(), part_of(chunk)));
    let lost: Vec<Chunk> = chunks.iter().filter(without).cloned().collect();
    if lost.is_empty() {
        let unlogged = chunks.iter().any(|chunk| chunk.table.persistence == Persistence::Unlogged);
        let more = if unlogged { "" } else { ", teal.unlogged_chunk" };
        green.run(&format!("SET synchronous_commit = on; DROP TABLE teal.chunk{more}")).await?;
    }
    Ok(lost)
}

/// Green's unlogged tables, where green has crashed since they were copied: the crash emptied them, and the markers that
/// were left with them. Once green serves it is like any other database: what its clients keep in there is theirs.
pub async fn lost_unlogged(green: &Db) -> Result<Vec<String>, Error> {
    let there = "SELECT pg_catalog.to_regclass('teal.unlogged_chunk') IS NOT NULL";
    if !green.row(there, &[]).await?.get::<_, bool>(0)
        || green.row("SELECT EXISTS (SELECT FROM teal.unlogged_chunk)", &[]).await?.get(0)
    {
        return Ok(Vec::new());
    }
    let gate: bool = green.row("SELECT pg_catalog.to_regclass('teal.gate') IS NOT NULL", &[]).await?.get(0);
    if gate && green.row("SELECT EXISTS (SELECT FROM teal.gate WHERE open)", &[]).await?.get(0) {
        return Ok(Vec::new());
    }
    let rows = green.rows(include_str!("../postgres/sql/select_unlogged_tables.sql"), &[]).await?;
    Ok(rows.iter().map(|row| row.get("name")).collect())
}

fn part_of(chunk: &Chunk) -> i32 {
    i32::try_from(chunk.part).unwrap_or(i32::MAX)
}

/// A marker is lost with the rows that it stands for: where a crash empties these, the marker's table too.
fn markers_of(chunk: &Chunk) -> &'static str {
    match chunk.table.persistence {
        Persistence::Permanent => "teal.chunk",
        Persistence::Unlogged => "teal.unlogged_chunk",
    }
}

/// Brings the rows of `chunk` that blue's session sees to green, unless its marker says that they are there; gives their
/// number. Safe to run again after any failure.
///
/// The marker comes first: where an earlier attempt's session is gone for us and not yet for green, with a COMMIT on its
/// way, the insert waits for how that one ends. A chunk is there once, whatever became of the attempts before.
///
/// A whole table is truncated in the same transaction, so that COPY may write frozen rows, which need no later vacuum
/// (manual, COPY). Several sessions can't do that to one table: rows of a table in chunks are frozen by a later vacuum.
pub async fn copy_chunk(blue: &Db, green: &Db, chunk: &Chunk, meter: &mut ChunkMeter<'_>) -> Result<u64, Error> {
    let (relation, part, markers) = (chunk.table.name.to_string(), part_of(chunk), markers_of(chunk));
    green.run("BEGIN").await?;
    let mark = format!("INSERT INTO {markers} (relation, part) VALUES ($1, $2) ON CONFLICT DO NOTHING");
    if green.execute(&mark, &[&relation, &part]).await? == 0 {
        let there = format!("SELECT rows FROM {markers} WHERE relation = $1 AND part = $2");
        let rows: i64 = green.row(&there, &[&relation, &part]).await?.get(0);
        green.run("COMMIT").await?;
        return Ok(u64::try_from(rows).unwrap_or(0));
    }
    if chunk.is_whole() {
        green.run(&format!("TRUNCATE ONLY {}", chunk.table.name)).await?;
    }
    let rows = if chunk.table.copied_columns().next().is_none() {
        copy_count(blue, green, &chunk.table).await?
    } else {
        stream(blue, green, chunk, meter).await?
    };
    let count = format!("UPDATE {markers} SET rows = $3 WHERE relation = $1 AND part = $2");
    green.execute(&count, &[&relation, &part, &i64::try_from(rows).unwrap_or(i64::MAX)]).await?;
    green.run("COMMIT").await?;
    Ok(rows)
}

/// COPY can't name no columns. All that such rows have is their number.
async fn copy_count(blue: &Db, green: &Db, table: &Table) -> Result<u64, Error> {
    let count = blue.row(&format!("SELECT pg_catalog.count(*) FROM ONLY {}", table.name), &[]).await?;
    let rows: i64 = count.get(0);
    let insert = format!("INSERT INTO {} SELECT FROM pg_catalog.generate_series(1, $1::int8)", table.name);
    green.execute(&insert, &[&rows]).await
}

/// Passes rows on as they come. The sink takes a batch only when the one before is on its way, so never more than a few
/// are in memory, whichever side is slower; a row that is larger than a batch goes alone.
async fn stream(blue: &Db, green: &Db, chunk: &Chunk, meter: &mut ChunkMeter<'_>) -> Result<u64, Error> {
    let (from, to) = statements(chunk);
    let mut rows = pin!(blue.copy_out(&from).await.map_err(|e| blue.error(e))?);
    let mut sink = pin!(green.copy_in::<_, Bytes>(&to).await.map_err(|e| green.error(e))?);
    let mut batch = BytesMut::new();
    loop {
        let row = rows.try_next().await.map_err(|e| blue.error(e))?;
        let full = row.as_ref().is_none_or(|row| batch.len() + row.len() > BATCH);
        if full && !batch.is_empty() {
            meter.streamed(batch.len());
            sink.feed(batch.split().freeze()).await.map_err(|e| green.error(e))?;
        }
        match row {
            Some(row) if row.len() > BATCH => {
                meter.streamed(row.len());
                sink.feed(row).await.map_err(|e| green.error(e))?;
            }
            Some(row) => {
                batch.reserve(BATCH.saturating_sub(batch.len()));
                batch.extend_from_slice(&row);
            }
            None => return sink.as_mut().finish().await.map_err(|e| green.error(e)),
        }
    }
}

/// Both sides of one COPY. `COPY table` and `FROM ONLY` read that table alone, no children (manual, COPY: Notes).
fn statements(chunk: &Chunk) -> (String, String) {
    let table = &chunk.table;
    let columns: Vec<String> = table.copied_columns().map(|column| column.name.to_string()).collect();
    let columns = columns.join(", ");
    // The binary form of an OID alias is an OID of blue: silently wrong on green.
    let format = if table.copied_columns().all(|column| column.binary_safe) { "binary" } else { "text" };
    let (from, freeze) = if chunk.is_whole() {
        (format!("{} ({columns})", table.name), ", FREEZE")
    } else {
        (format!("(SELECT {columns} FROM ONLY {} WHERE {})", table.name, chunk.condition("ctid")), "")
    };
    (
        format!("COPY {from} TO STDOUT (FORMAT {format})"),
        format!("COPY {} ({columns}) FROM STDIN (FORMAT {format}{freeze})", table.name),
    )
}

/// Sets what COPY's text form and the functions in CHECK constraints depend on, as `pg_dump` does: names are written with
/// their schema, and row security is an error instead of rows that are missing. A range of ctid is read as one, whatever
/// the server's settings.
pub async fn prepare_session(db: &Db) -> Result<(), Error> {
    db.run(
        "SET search_path = ''; SET row_security = off; SET xmloption = content; SET lc_monetary = 'C'; \
         SET array_nulls = on; SET enable_tidscan = on; SET enable_seqscan = off",
    )
    .await
}
