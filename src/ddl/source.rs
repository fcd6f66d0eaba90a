//! A migrations folder in one layout: what is to be run, in its order, and what is passed over and why.

use std::cmp::Ordering;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use super::layout::{Draft, Entry, Layout, Listing, Part, When};
use super::sql_file::SqlFile;
use super::transaction::{self, is_whole};
use crate::error::{Failure, Result};

/// One migration of the folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Migration {
    /// As the bookkeeping has it: `001` of `001_init.sql`, `1.1` of `V1_1__init.sql`; the whole stem where a plain file
    /// begins with no digit.
    pub version: String,
    /// The rest of the name: `init`; may be empty.
    pub name: String,
    /// The name as the tool records it.
    pub description: String,
    /// The file's name within the folder, parts joined by `/`.
    pub file: String,
    /// Where it lies: the folder as given, and `file`.
    pub path: PathBuf,
    /// SHA-256 of the file's bytes, in hex.
    pub checksum: String,
    /// The tool's own checksum, where it records one.
    pub own_checksum: Option<String>,
    /// When it runs.
    pub when: When,
    /// Why its statements run one by one, each in a transaction of its own or in none: the mark that says so. `None`: all
    /// in one transaction.
    pub apart: Option<String>,
    /// Whose file it is.
    pub layout: &'static Layout,
    /// Its text, and the statements of its up part.
    pub sql: SqlFile,
}

/// A file that is never run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ignored {
    /// Its name within the folder.
    pub file: String,
    /// Why.
    pub why: &'static str,
}

/// A folder, read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Folder {
    /// Whose it is.
    pub layout: &'static Layout,
    /// Its migrations in the order they run: versioned ones first, then the repeatable ones by name.
    pub migrations: Vec<Migration>,
    /// What is never run.
    pub ignored: Vec<Ignored>,
}

/// Reads a folder whose files alone say its layout; [`read_listing`] where they may not.
pub fn read_folder(dir: &Path) -> Result<Folder> {
    let listing = Listing::read(dir)?;
    match listing.candidates()?.as_slice() {
        [only] => read_listing(&listing, only),
        several => {
            // Plain files and sqlx's have the same names; without a bookkeeping table nothing makes them sqlx's.
            let plain = several.iter().find(|layout| layout.is_plain());
            read_listing(&listing, plain.ok_or_else(|| ambiguous(dir, several))?)
        }
    }
}

/// A refusal that names the values of `layout` that fit.
pub fn ambiguous(dir: &Path, candidates: &[&'static Layout]) -> Failure {
    let names: Vec<_> = candidates.iter().map(|layout| format!("\"{}\"", layout.name)).collect();
    Failure::usage(format!(
        "migrations folder {}: its files fit {}, and no bookkeeping table on blue tells which",
        dir.display(),
        names.join(" and "),
    ))
    .hint(format!("say it in the plan's [migrations]: layout = {}", names.join(" or ")))
}

/// Reads what lies in a folder as this layout.
///
/// A usage failure: no migration of this layout, a file that is none of its own, two files of one version, what the
/// tool itself refuses in a file, and all that [`super::read_sql_file`] refuses.
pub fn read_listing(listing: &Listing, layout: &'static Layout) -> Result<Folder> {
    let dir = listing.dir.display();
    if layout.is_plain() {
        super::layout::refuse_foreign(listing)?;
    }
    if let Some(stranger) = listing.strangers(layout).next() {
        return Err(Failure::usage(format!(
            "{}: no file of layout {}, which names its files {}",
            stranger.path.display(),
            layout.name,
            layout.shape
        ))
        .hint("take it out of the folder, or see docs/layouts.md for the layout it belongs to"));
    }
    let mut migrations =
        listing.own(layout).map(|entry| read_entry(listing, entry, layout)).collect::<Result<Vec<_>>>()?;
    if migrations.is_empty() {
        let what = format!("migrations folder {dir}: no file named {} in it", layout.shape);
        return Err(Failure::usage(what).at(&listing.dir, 1));
    }
    migrations.sort_by(|a, b| order(a, b).then_with(|| a.file.cmp(&b.file)));
    refuse_same_version(listing, &migrations)?;
    let ignored = listing.entries.iter().filter_map(|entry| match (layout.claims)(listing, entry)? {
        Part::Ignored(why) => Some(Ignored { file: entry.file.clone(), why }),
        Part::Up => None,
    });
    let ignored = ignored.collect();
    Ok(Folder { layout, migrations, ignored })
}

fn read_entry(listing: &Listing, entry: &Entry, layout: &'static Layout) -> Result<Migration> {
    let draft = (layout.reads)(listing, entry)?;
    let mut sql = SqlFile::from_part(&entry.path, entry.bytes.clone(), draft.up.clone())?;
    let Draft { version, name, description, checksum, when, apart, up: _ } = draft;
    let apart = apart.or_else(|| (layout.apart)(&sql).map(str::to_owned));
    if apart.is_none() && is_whole(&sql) {
        // BEGIN … COMMIT around the whole file: that is the transaction it runs in anyway.
        sql.statements.pop();
        sql.statements.remove(0);
    }
    Ok(Migration {
        version,
        name,
        description,
        file: entry.file.clone(),
        path: entry.path.clone(),
        checksum: hex(&Sha256::digest(&entry.bytes)),
        own_checksum: checksum,
        when,
        apart,
        layout,
        sql,
    })
}

impl Migration {
    /// A blocker for every statement that can't be run as this file's statements are.
    pub fn findings(&self) -> Vec<crate::finding::Finding> {
        transaction::findings(self)
    }
}

fn order(a: &Migration, b: &Migration) -> Ordering {
    let last = |migration: &Migration| migration.when == When::Repeatable;
    match (last(a), last(b)) {
        (false, false) => (a.layout.order)(&a.version, &b.version),
        (true, true) => a.description.cmp(&b.description),
        (a, b) => a.cmp(&b),
    }
}

fn refuse_same_version(listing: &Listing, sorted: &[Migration]) -> Result<()> {
    let is_same = |a: &Migration, b: &Migration| {
        let kinds = (a.when == When::Baseline) == (b.when == When::Baseline);
        kinds && order(a, b) == Ordering::Equal
    };
    let same = sorted.iter().zip(sorted.iter().skip(1)).find(|(a, b)| is_same(a, b));
    match same {
        None => Ok(()),
        Some((a, b)) => Err(Failure::usage(format!(
            "migrations folder {}: {} and {} have the same version, {}",
            listing.dir.display(),
            a.file,
            b.file,
            a.version,
        ))
        .at(&b.path, 1)
        .hint("the digits that a file's name begins with are its version; give one of the two another number")),
    }
}

/// Lower-case hex.
pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |mut hex, byte| {
        // Writing to a String can't fail.
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}
