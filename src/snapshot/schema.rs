//! Schema through `pg_dump`'s custom format: what is ours is left out of its list of contents.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use crate::error::{Context, Result};
use crate::postgres::{Db, SCHEMA, Target};

use super::export::{CopyPoint, join};
use super::program::{output, program, text};

/// How long `pg_dump` may wait for a table's lock. The keeper holds ACCESS SHARE already, so only somebody in the queue
/// before us could make it wait.
const LOCK_WAIT: &str = "--lock-wait-timeout=1000";

/// Dumps blue's schema as the snapshot sees it into `archive`, and beside it the list of what to restore.
///
/// Sections instead of `--schema-only`: only so does the dump hold REFRESH of the materialized views that are populated.
/// Large objects and subscriptions stay behind: an enabled subscription on green would consume blue's slot.
/// Fails where `pg_dump` is older than blue's server. Both files are replaced when it is called again.
pub async fn dump_schema(blue: &Target, point: &CopyPoint, archive: &Path) -> Result<()> {
    let mut dump = program("pg_dump", Some(blue));
    dump.args(["--dbname", &blue.program_conninfo()]);
    dump.args(["--format=custom", "--section=pre-data", "--section=post-data", "--no-blobs", "--no-subscriptions"])
        .args([LOCK_WAIT, "--snapshot", &point.snapshot, "--exclude-schema", SCHEMA])
        .arg("--file")
        .arg(archive);
    output(dump, Some(blue)).await.context("dumping the schema")?;

    let ours = Ours::read(&join(blue, point).await?).await?;
    let mut list = program("pg_restore", None);
    list.arg("--list").arg(archive);
    let kept = ours.left_out_of(&text(list, None).await.context("listing the dump")?);
    tokio::fs::write(list_path(archive), kept).await.context("writing the list of the dump")?;
    Ok(())
}

/// Restores types, functions, tables, views and sequences into green, in one transaction: all or nothing.
///
/// Green must be empty but for the schema `teal`; run [`super::empty_green`] before a second attempt.
pub async fn restore_pre_data(green: &Target, archive: &Path) -> Result<()> {
    let mut restore = program("pg_restore", Some(green));
    restore
        .args(["--section=pre-data", "--single-transaction", "--exit-on-error"])
        .args(["--dbname", &green.program_conninfo(), "--use-list"])
        .arg(list_path(archive))
        .arg(archive);
    output(restore, Some(green)).await.context("restoring the schema before the data")?;
    Ok(())
}

/// The post-data section as one SQL text, ours left out.
pub(super) async fn post_data_text(archive: &Path) -> Result<String> {
    let mut restore = program("pg_restore", None);
    restore.args(["--section=post-data", "--file=-", "--use-list"]).arg(list_path(archive)).arg(archive);
    text(restore, None).await.context("reading the schema after the data")
}

fn list_path(archive: &Path) -> PathBuf {
    let mut path = archive.as_os_str().to_owned();
    path.push(".list");
    PathBuf::from(path)
}

/// Entries of the dump that are ours, by catalog and OID: names in the list of contents are not quoted.
#[derive(Debug)]
struct Ours(HashSet<(u32, u32)>);

impl Ours {
    async fn read(db: &Db) -> Result<Self> {
        let rows = db.rows(include_str!("../postgres/sql/select_own_triggers.sql"), &[]).await?;
        Ok(Self(rows.iter().map(|row| (row.get("catalog"), row.get("oid"))).collect()))
    }

    /// The list of contents without ours. A line reads `dump id; catalog's OID, OID, what, schema, name, owner`.
    fn left_out_of(&self, list: &str) -> String {
        let entry = |line: &str| {
            let (_, rest) = line.split_once(';')?;
            let mut numbers = rest.split_whitespace();
            Some((numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
        };
        let is_ours = |line: &str| entry(line).is_some_and(|entry| self.0.contains(&entry));
        list.lines().filter(|line| !is_ours(line)).flat_map(|line| [line, "\n"]).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_entries_of_ours_leave_the_list() {
        let ours = Ours(HashSet::from([(2620, 16500)]));
        let list = "; Archive created\n3380; 2620 16500 TRIGGER public token teal_ends app\n3381; 2620 165000 TRIGGER public token teal_x app\n";
        let kept = ours.left_out_of(list);
        assert_eq!(kept, "; Archive created\n3381; 2620 165000 TRIGGER public token teal_x app\n");
    }
}
