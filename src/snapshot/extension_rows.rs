//! Rows of extensions' own tables that are their user's data: `pg_dump` brings them with the data, as extensions mark them
//! (`pg_extension_config_dump`). CREATE EXTENSION has put its own rows there; blue's take their place.

use std::pin::pin;

use bytes::Bytes;
use futures_util::{SinkExt, TryStreamExt};

use crate::catalog::{ExtensionTable, read_extension_tables};
use crate::error::{Context, Failure, Result};
use crate::postgres::{Access, Db, Target};

use super::export::{CopyPoint, join};
use super::rows::TableCopied;
use super::table::prepare_session;

/// Replaces green's rows in extensions' tables by those that blue's snapshot has, where they differ; one green
/// transaction, what is referred to first. Runs after [`super::restore_pre_data`].
///
/// Triggers and foreign keys of the extension act, as they do under `pg_restore`. A role that may not write there fails
/// only where the rows differ (`guard/not-carried` says so beforehand).
pub async fn copy_extension_rows(blue: &Target, green: &Target, point: &CopyPoint) -> Result<Vec<TableCopied>> {
    let blue = join(blue, point).await?;
    prepare_session(&blue).await?;
    let tables = read_extension_tables(&blue).await?;
    if tables.is_empty() {
        return Ok(Vec::new());
    }
    let green = green.connect(Access::ReadWrite).await?;
    prepare_session(&green).await?;
    let mut differing = Vec::new();
    for table in &tables {
        if fingerprint(&blue, table).await? != fingerprint(&green, table).await? {
            differing.push(table);
        }
    }
    green.run("BEGIN").await?;
    for table in differing.iter().rev() {
        let delete = format!("DELETE FROM ONLY {} {}", table.name, table.condition);
        green.run(&delete).await.with_context(|| doing(table))?;
    }
    let mut copied = Vec::new();
    for table in differing {
        copied.push(stream(&blue, &green, table).await.with_context(|| doing(table))?);
    }
    green.run("COMMIT").await.context("copying extensions' rows")?;
    Ok(copied)
}

fn doing(table: &ExtensionTable) -> String {
    format!("copying {} of extension {}", table.name.plain(), table.extension)
}

/// Enough to tell that nothing has to be done; the proof of the copy looks closer.
async fn fingerprint(db: &Db, table: &ExtensionTable) -> Result<(i64, String)> {
    let sql = format!(
        "SELECT pg_catalog.count(*), coalesce(pg_catalog.md5(pg_catalog.string_agg(r::text, E'\\n' ORDER BY r::text \
         COLLATE \"C\")), '') FROM ({}) r",
        table.selection()
    );
    let row = db.row(&sql, &[]).await.with_context(|| format!("reading {}", table.name.plain()))?;
    Ok((row.get(0), row.get(1)))
}

async fn stream(blue: &Db, green: &Db, table: &ExtensionTable) -> Result<TableCopied> {
    let copied = table.columns.iter().filter(|column| !column.generated);
    let format = if copied.into_iter().all(|column| column.binary_safe) { "binary" } else { "text" };
    let from = format!("COPY ({}) TO STDOUT (FORMAT {format})", table.selection());
    let to = format!("COPY {} ({}) FROM STDIN (FORMAT {format})", table.name, table.column_list());
    let mut chunks = pin!(blue.copy_out(&from).await.map_err(|e| blue.error(e))?);
    let mut sink = pin!(green.copy_in::<_, Bytes>(&to).await.map_err(|e| green.error(e))?);
    let mut bytes = 0;
    while let Some(chunk) = chunks.try_next().await.map_err(|e| blue.error(e))? {
        bytes += chunk.len() as u64;
        sink.feed(chunk).await.map_err(|e| green.error(e))?;
    }
    let rows = sink.as_mut().finish().await.map_err(|e| Failure::from(green.error(e)))?;
    Ok(TableCopied { name: table.name.clone(), rows, bytes })
}
