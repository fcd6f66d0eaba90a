//! A folder of plain migrations: `VERSION_name.sql`, one file each, all of them "up".

use std::cmp::Ordering;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use super::layout;
use super::sql_file::SqlFile;
use crate::error::{Context, Failure, Result};

/// One migration of the folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Migration {
    /// The leading digits of the file's name as written, of any length; the whole stem where it begins with none.
    pub version: String,
    /// The rest of the stem without the separator (`_`, `-`, `.` or blank) before it: `init` of `001_init.sql`; may be
    /// empty. The whole stem where it begins with no digit.
    pub name: String,
    /// The file's name within the folder.
    pub file: String,
    /// Where it lies: the folder as given, and `file`.
    pub path: PathBuf,
    /// SHA-256 of the file's bytes, in hex.
    pub checksum: String,
    /// Its text and statements.
    pub sql: SqlFile,
}

/// The migrations of a folder in the order they run: numbered ones first, by number whatever its length or leading zeros
/// (so 2 before 10), then the others by their name's bytes.
///
/// Read are files that end in `.sql` and don't begin with a dot; subfolders and other files are passed over. A usage
/// failure: no such folder, none of these files in it, two files of one version, a layout other than plain, and all that
/// [`super::read_sql_file`] refuses.
pub fn read_folder(dir: &Path) -> Result<Vec<Migration>> {
    let mut migrations = Vec::new();
    let entries = fs::read_dir(dir).map_err(|e| Failure::usage(format!("migrations folder {}: {e}", dir.display())))?;
    for entry in entries {
        let path = entry.with_context(|| dir.display())?.path();
        migrations.extend(read_entry(path)?);
    }
    if migrations.is_empty() {
        return Err(Failure::usage(format!("migrations folder {}: no .sql file in it", dir.display())));
    }
    migrations.sort_by(|a, b| order(a, b).then_with(|| a.file.cmp(&b.file)));
    refuse_same_version(dir, &migrations)?;
    Ok(migrations)
}

/// A migration, or nothing where the entry is none.
fn read_entry(path: PathBuf) -> Result<Option<Migration>> {
    let lossy = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    if lossy.starts_with('.') {
        return Ok(None);
    }
    if path.is_dir() {
        return layout::by_subfolder(&path).map_or(Ok(None), |tool| Err(layout::refused(&path, tool)));
    }
    if let Some(tool) = layout::by_name(&lossy) {
        return Err(layout::refused(&path, tool));
    }
    if !path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("sql")) {
        return Ok(None);
    }
    let Some(file) = path.file_name().and_then(|name| name.to_str()).map(str::to_owned) else {
        return Err(Failure::usage(format!("{}: the file's name is not UTF-8", path.display())));
    };
    let bytes = fs::read(&path).with_context(|| path.display())?;
    if let Some(tool) = layout::by_text(&String::from_utf8_lossy(&bytes)) {
        return Err(layout::refused(&path, tool));
    }
    let (version, name) = version_and_name(&file);
    let (version, name) = (version.to_owned(), name.to_owned());
    let checksum = hex(&Sha256::digest(&bytes));
    let sql = SqlFile::from_bytes(&path, bytes)?;
    Ok(Some(Migration { version, name, file, path, checksum, sql }))
}

fn version_and_name(file: &str) -> (&str, &str) {
    let stem = file.rsplit_once('.').map_or(file, |(stem, _)| stem);
    let digits = stem.find(|c: char| !c.is_ascii_digit()).unwrap_or(stem.len());
    match stem.split_at_checked(digits) {
        Some((version, rest)) if !version.is_empty() => (version, rest.trim_start_matches(['_', '-', '.', ' '])),
        _ => (stem, stem),
    }
}

/// The number without its leading zeros, where the version is one; never parsed, so that no length is too long.
fn number(version: &str) -> Option<&str> {
    let numbered = version.starts_with(|c: char| c.is_ascii_digit());
    numbered.then(|| version.trim_start_matches('0'))
}

fn order(a: &Migration, b: &Migration) -> Ordering {
    match (number(&a.version), number(&b.version)) {
        (Some(a), Some(b)) => a.len().cmp(&b.len()).then_with(|| a.cmp(b)),
        (Some(_), None) => Ordering::Less,
        (None, Some(_)) => Ordering::Greater,
        (None, None) => a.version.cmp(&b.version),
    }
}

fn refuse_same_version(dir: &Path, sorted: &[Migration]) -> Result<()> {
    let same = sorted.iter().zip(sorted.iter().skip(1)).find(|(a, b)| order(a, b) == Ordering::Equal);
    match same {
        None => Ok(()),
        Some((a, b)) => Err(Failure::usage(format!(
            "migrations folder {}: {} and {} have the same version, {}",
            dir.display(),
            a.file,
            b.file,
            a.version,
        ))
        .hint("the digits that a file's name begins with are its version; give one of the two another number")),
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |mut hex, byte| {
        // Writing to a String can't fail.
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}
