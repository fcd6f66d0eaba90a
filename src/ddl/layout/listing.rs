//! What lies in a migrations folder.

use std::borrow::Cow;
use std::fs;
use std::path::{Path, PathBuf};

use crate::error::{Context, Failure, Result};

/// How deep folders are looked into: deeper than anybody nests, and an end where a link points to its own folder.
const MOST_LEVELS: usize = 8;

/// A file that may be a migration, or that says something about one.
#[derive(Debug)]
pub struct Entry {
    /// Its name within the folder, parts joined by `/`.
    pub file: String,
    /// Where it lies.
    pub path: PathBuf,
    /// What is in it, for SQL files and settings of single files; empty for others.
    pub bytes: Vec<u8>,
}

impl Entry {
    /// The last part of its name.
    pub fn base(&self) -> &str {
        self.file.rsplit('/').next().unwrap_or(&self.file)
    }

    /// The folder that it lies in, where it is not the migrations folder itself.
    pub fn folder(&self) -> Option<&str> {
        self.file.rsplit_once('/').map(|(folder, _)| folder)
    }

    /// Its text; what is not UTF-8 is refused when it is read as a migration.
    pub fn text(&self) -> Cow<'_, str> {
        String::from_utf8_lossy(&self.bytes)
    }

    /// Whether it ends in `.sql`, in whatever case.
    pub fn is_sql(&self) -> bool {
        super::without(self.base(), ".sql").is_some()
    }

    /// Whether a layout must account for it: SQL in the folder itself, a migration in a language of its own, and diesel's
    /// `up.sql`. Other subfolders are nobody's unless a layout reads them.
    pub(super) fn is_migration(&self) -> bool {
        let depth = self.file.matches('/').count();
        let is_fizz = super::without(self.base(), ".fizz").is_some();
        (depth == 0 && (self.is_sql() || is_fizz)) || (depth == 1 && self.base() == "up.sql")
    }
}

/// The files of a folder and the folders in it, by name; what begins with a dot is passed over.
#[derive(Debug)]
pub struct Listing {
    /// The folder, as given.
    pub dir: PathBuf,
    /// Its files.
    pub entries: Vec<Entry>,
}

impl Listing {
    /// Reads a folder. A usage failure where there is none.
    pub fn read(dir: &Path) -> Result<Self> {
        let mut entries = Vec::new();
        read(dir, "", 0, &mut entries)?;
        entries.sort_by(|a: &Entry, b| a.file.cmp(&b.file));
        Ok(Self { dir: dir.to_owned(), entries })
    }

    /// The file of this name within the folder.
    pub fn entry(&self, file: &str) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.file == file)
    }
}

fn read(dir: &Path, prefix: &str, level: usize, entries: &mut Vec<Entry>) -> Result<()> {
    let failed = |e| {
        Failure::usage(format!("migrations folder {}: {e}", dir.display()))
            .hint("name the folder of the files that are to be run")
    };
    for entry in fs::read_dir(dir).map_err(failed)? {
        let path = entry.with_context(|| dir.display())?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if name.starts_with('.') {
            continue;
        }
        let file = format!("{prefix}{name}");
        if path.is_dir() {
            if level < MOST_LEVELS {
                read(&path, &format!("{file}/"), level + 1, entries)?;
            }
            continue;
        }
        if path.file_name().is_some_and(|name| name.to_str().is_none()) {
            if super::without(&name, ".sql").is_some() {
                return Err(Failure::usage(format!("{}: the file's name is not UTF-8", path.display())));
            }
            continue;
        }
        let is_read = [".sql", ".conf", ".toml"].iter().any(|ending| super::without(&name, ending).is_some());
        let bytes = if is_read { fs::read(&path).with_context(|| path.display())? } else { Vec::new() };
        entries.push(Entry { file, path, bytes });
    }
    Ok(())
}
