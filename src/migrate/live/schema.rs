//! Blue's schema as text, for judging what migrations do to it.

use std::path::Path;

use crate::ddl::SqlFile;
use crate::error::{Context, Result};
use crate::postgres::{SCHEMA, Target};
use crate::snapshot::{program, text};

/// How long `pg_dump` may wait for a table's lock.
const LOCK_WAIT: &str = "--lock-wait-timeout=1000";

/// Reads it, without ours.
pub async fn read_schema(blue: &Target) -> Result<SqlFile> {
    let mut dump = program("pg_dump", Some(blue));
    dump.args([
        "--dbname",
        &blue.program_conninfo(),
        "--schema-only",
        "--no-owner",
        "--no-privileges",
        "--no-comments",
    ]);
    dump.args([LOCK_WAIT, "--exclude-schema", SCHEMA]);
    let dumped = text(dump, Some(blue)).await.context("reading the schema")?;
    // Newer ones write commands of psql, with a random word.
    let sql: String = dumped.lines().filter(|line| !line.starts_with('\\')).flat_map(|line| [line, "\n"]).collect();
    SqlFile::from_bytes(Path::new("blue's schema"), sql.into_bytes())
}
