//! One side's answer to a check: a sorted file, one row per line, never held in memory.

use std::path::{Path, PathBuf};

use futures_util::{StreamExt, pin_mut};
use serde::{Deserialize, Serialize};
use tokio::fs::File;
use tokio::io::{AsyncWriteExt, BufWriter};

use super::program;
use crate::error::{Context, Failure, Result};
use crate::plan::Source;
use crate::postgres::Db;

/// The rows that one side gave, sorted by their bytes, NULLs first, in COPY's text form (manual, COPY, "Text Format"):
/// `\N` is NULL, a backslash is doubled, a line feed within a value is `\n`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    /// The file.
    pub path: PathBuf,
    /// Its lines.
    pub rows: u64,
}

/// Asks `source` and spools what it answers to `into`.
///
/// A query runs on `db`, whose transaction must be read-only, and answers in its snapshot; it is one statement. The row
/// of a query with a single column is that value's text; with several, the record's text: `(1,abc)`. A program runs in
/// `folder`, and its lines are its rows.
pub async fn answer(source: &Source, db: Option<&Db>, folder: &Path, into: &Path) -> Result<Answer> {
    match (source, db) {
        (Source::Sql(sql), Some(db)) => answer_of_query(sql, db, into).await,
        (Source::Sql(_), None) => Err(Failure::failed("no session to run the query on")),
        (Source::Program(argv), _) => {
            let output = program::run(argv, folder).await?;
            spool_lines(&output.sorted_lines(), into).await.with_context(|| format!("writing {}", into.display()))
        }
    }
}

async fn answer_of_query(sql: &str, db: &Db, into: &Path) -> Result<Answer> {
    let read_only: bool = db.row("SELECT pg_catalog.current_setting('transaction_read_only')::bool", &[]).await?.get(0);
    if !read_only {
        return Err(Failure::failed(format!("{}: checks run in read-only sessions only", db.name)));
    }
    let columns = db.prepare(one_statement(sql)).await.map_err(|e| db.error(e))?.columns().len();
    let rows = db.copy_out(&sorted_copy(sql, columns)).await.map_err(|e| db.error(e))?;
    let writing = || format!("writing {}", into.display());
    let mut file = BufWriter::new(File::create(into).await.with_context(writing)?);
    let mut count = 0;
    pin_mut!(rows);
    while let Some(chunk) = rows.next().await {
        let chunk = chunk.map_err(|e| db.error(e))?;
        // A line feed within a value is escaped: each one ends a row.
        count += chunk.split(|byte| *byte == b'\n').count() as u64 - 1;
        file.write_all(&chunk).await.with_context(writing)?;
    }
    file.flush().await.with_context(writing)?;
    Ok(Answer { path: into.to_owned(), rows: count })
}

/// Line breaks around the operator's text: a comment at its end must not swallow the parenthesis.
fn sorted_copy(sql: &str, columns: usize) -> String {
    let sql = one_statement(sql);
    let (row, alias) = if columns == 1 { ("q.v", "q(v)") } else { ("q", "q") };
    format!(
        "COPY (SELECT {row}::pg_catalog.text FROM (\n{sql}\n) AS {alias} \
         ORDER BY {row}::pg_catalog.text COLLATE \"C\" NULLS FIRST) TO STDOUT"
    )
}

/// Without the one `;` that may end it.
fn one_statement(sql: &str) -> &str {
    let sql = sql.trim();
    sql.strip_suffix(';').unwrap_or(sql)
}

async fn spool_lines(lines: &[&[u8]], into: &Path) -> Result<Answer, std::io::Error> {
    let mut file = BufWriter::new(File::create(into).await?);
    for line in lines {
        for (n, part) in line.split(|byte| *byte == b'\\').enumerate() {
            if n > 0 {
                file.write_all(b"\\\\").await?;
            }
            file.write_all(part).await?;
        }
        file.write_all(b"\n").await?;
    }
    file.flush().await?;
    Ok(Answer { path: into.to_owned(), rows: lines.len() as u64 })
}
