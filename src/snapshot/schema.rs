//! Schema through `pg_dump`'s custom format: what is ours is left out of its list of contents.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use crate::error::{Context, Result};
use crate::postgres::{Access, Db, Ident, SCHEMA, Target};

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

/// Restores types, functions, tables, views and sequences into green, in two transactions.
///
/// Schemas and their privileges go first: who is not a superuser can hand an object only to an owner that may CREATE in
/// its schema (manual, ALTER TABLE: OWNER), and the dump grants that last. Green must be empty but for the schema `teal`;
/// run [`super::empty_green`] before a second attempt.
pub async fn restore_pre_data(green: &Target, archive: &Path) -> Result<()> {
    let kept = foreign_extensions(green).await?;
    let list = tokio::fs::read_to_string(list_path(archive)).await.context("reading the list of the dump")?;
    let (schemas, objects) = in_two(&list, &kept);
    // A section begins with an object of its own: comments and privileges that come before any, as those of `public` may,
    // would be taken for none of it (`_tocEntryRequired` in `pg_backup_archiver.c`). All about schemas is pre-data.
    let sections: [&[&str]; 2] = [&[], &["--section=pre-data"]];
    for ((part, name), section) in [(schemas, "schemas"), (objects, "objects")].into_iter().zip(sections) {
        let mut part_path = list_path(archive).into_os_string();
        part_path.push(format!(".{name}"));
        tokio::fs::write(&part_path, part).await.context("writing the list of the dump")?;
        let mut restore = program("pg_restore", Some(green));
        restore
            .args(section)
            .args(["--single-transaction", "--exit-on-error"])
            .args(["--dbname", &green.program_conninfo(), "--use-list"])
            .arg(&part_path)
            .arg(archive);
        output(restore, Some(green)).await.context("restoring the schema before the data")?;
    }
    Ok(())
}

/// Extensions that green has already and our role may not comment on: somebody else made them, as managed services do.
async fn foreign_extensions(green: &Target) -> Result<Vec<String>> {
    let sql =
        "SELECT e.extname::text FROM pg_catalog.pg_extension e WHERE NOT pg_catalog.pg_has_role(e.extowner, 'USAGE')";
    let rows = green.connect(Access::ReadOnly).await?.rows(sql, &[]).await?;
    Ok(rows.iter().map(|row| row.get(0)).collect())
}

/// The list of contents in two: schemas with their privileges, and the rest without comments on `foreign` extensions.
fn in_two(list: &str, foreign: &[String]) -> (String, String) {
    let about_schemas = ["SCHEMA - ", "ACL - SCHEMA ", "COMMENT - SCHEMA ", "SECURITY LABEL - SCHEMA "];
    let is_schema = |line: &str| entry(line).is_some_and(|entry| about_schemas.iter().any(|a| entry.starts_with(a)));
    let is_foreign = |line: &str| {
        let comment = entry(line).and_then(|entry| entry.strip_prefix("COMMENT - EXTENSION "));
        let is = |name: &str, extension: &String| name == extension || name == Ident::new(extension).to_string();
        comment.is_some_and(|name| foreign.iter().any(|extension| is(name.trim_end(), extension)))
    };
    let lines = |wanted: &dyn Fn(&str) -> bool| -> String {
        list.lines().filter(|line| wanted(line)).flat_map(|line| [line, "\n"]).collect()
    };
    (lines(&is_schema), lines(&|line| !is_schema(line) && !is_foreign(line)))
}

/// What a line of the list is about: `what, schema, name, owner`, after the dump's number and two OIDs.
fn entry(line: &str) -> Option<&str> {
    line.split_once("; ")?.1.splitn(3, ' ').nth(2)
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

    #[test]
    fn schemas_and_their_privileges_come_first() {
        let schema =
            "7; 2615 2200 SCHEMA - public app\n8; 0 0 ACL - SCHEMA public app\n3; 0 0 COMMENT - SCHEMA x app\n";
        let rest = "9; 1259 16500 TABLE public SCHEMA - app\n1; 0 0 COMMENT - EXTENSION ltree me\n";
        let list = format!("; Archive\n{schema}{rest}2; 0 0 COMMENT - EXTENSION hstore \n");
        let (first, second) = in_two(&list, &["hstore".to_owned()]);
        assert_eq!((first.as_str(), second), (schema, format!("; Archive\n{rest}")));
    }
}
