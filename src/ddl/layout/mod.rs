//! Which tool a migrations folder was made for, and what that tool makes of its files and its bookkeeping.
//!
//! One file a tool, one record each in [`LAYOUTS`]. A folder is recognised by the names and first marks of its files
//! alone where that is enough; `001_init.up.sql` fits three tools, and there the bookkeeping table that blue has decides
//! ([`Bookkeeping::columns`]), else the plan must say it. Nothing is taken on a guess: a file that its layout would not
//! name so is refused, for a "down" part run as an "up" one destroys what it should build.

mod dbmate;
mod diesel;
mod flyway;
mod foreign;
mod golang_migrate;
mod goose;
mod listing;
mod plain;
mod pop;
mod refinery;
mod sqlx;
mod version;

use std::cmp::Ordering;
use std::fmt;
use std::ops::Range;
use std::path::Path;

pub(in crate::ddl) use foreign::refuse as refuse_foreign;
pub use listing::{Entry, Listing};

use super::sql_file::SqlFile;
use crate::error::{Failure, Result};

/// What a tool's folder and bookkeeping look like.
pub struct Layout {
    /// The plan's word for it: `golang-migrate`.
    pub name: &'static str,
    /// The tool as people write it.
    pub tool: &'static str,
    /// How it names its files, for messages.
    pub shape: &'static str,
    /// What a file is to this tool; `None`: it would never be named or marked so.
    pub claims: fn(&Listing, &Entry) -> Option<Part>,
    /// Reads a file that is [`Part::Up`].
    pub reads: fn(&Listing, &Entry) -> Result<Draft>,
    /// Statements for which the tool itself leaves its transaction, with no mark in the file.
    pub apart: fn(&SqlFile) -> Option<&'static str>,
    /// The order in which versions run.
    pub order: fn(&str, &str) -> Ordering,
    /// Whether the version of a file is the one that the bookkeeping has.
    pub is_same: fn(&str, &str) -> bool,
    /// Where it keeps what is in; none for plain files.
    pub bookkeeping: Option<Bookkeeping>,
}

/// A tool's own table of what is in. Its SQL has `:table` where the table's name belongs, as psql writes a variable.
pub struct Bookkeeping {
    /// The table's name where nobody configured another.
    pub table: &'static str,
    /// Columns that tell it from other tools' tables of the same name.
    pub columns: &'static [&'static str],
    /// Columns that another tool's table of this name has.
    pub foreign_columns: &'static [&'static str],
    /// Makes it as the tool does.
    pub create: &'static str,
    /// What `create` names after the table: the variable, and what follows the table's name.
    pub objects: &'static [(&'static str, &'static str)],
    /// What is in, oldest first: version, description, checksum, state, all text.
    pub select: &'static str,
    /// Writes one migration, with the parameters of the plan's `record`.
    pub record: &'static str,
    /// One row that says how far it got: no set of versions.
    pub one_row: bool,
    /// Whether the tool refuses a file that is older than the newest one in, unless told otherwise; what it is told by.
    pub refuses_older: Option<&'static str>,
    /// How a failed migration is cleared away with the tool.
    pub repair: &'static str,
}

/// What a file is to a tool.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// To be run.
    Up,
    /// Never run: why.
    Ignored(&'static str),
}

/// When a file runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum When {
    /// Once, in the order of versions.
    Versioned,
    /// Once, wherever its version lies (refinery's `U` files).
    Unordered,
    /// Whenever its checksum has changed, after the versioned ones (Flyway's `R` files).
    Repeatable,
    /// Instead of all versions up to its own, on a database where nothing is in (Flyway's `B` files).
    Baseline,
}

impl When {
    /// The word that the recorder gets as `:kind`.
    pub fn word(self) -> &'static str {
        match self {
            Self::Versioned => "versioned",
            Self::Unordered => "unordered",
            Self::Repeatable => "repeatable",
            Self::Baseline => "baseline",
        }
    }
}

/// A file as its layout reads it.
#[derive(Debug)]
pub struct Draft {
    /// As the bookkeeping has it.
    pub version: String,
    /// The rest of the name, as written.
    pub name: String,
    /// The name as the tool records it.
    pub description: String,
    /// The tool's own checksum, where it records one.
    pub checksum: Option<String>,
    /// When it runs.
    pub when: When,
    /// The mark that takes it out of one transaction.
    pub apart: Option<String>,
    /// The bytes of its up part.
    pub up: Range<usize>,
}

impl Draft {
    /// A versioned file that is run whole, in one transaction, and has no checksum.
    pub fn new(version: &str, name: &str, entry: &Entry) -> Self {
        Self {
            version: version.to_owned(),
            name: name.to_owned(),
            description: name.to_owned(),
            checksum: None,
            when: When::Versioned,
            apart: None,
            up: 0..entry.bytes.len(),
        }
    }
}

/// Every layout, in the order in which messages name them.
pub static LAYOUTS: [&Layout; 9] = [
    &plain::LAYOUT,
    &flyway::LAYOUT,
    &golang_migrate::LAYOUT,
    &pop::LAYOUT,
    &sqlx::LAYOUT,
    &goose::LAYOUT,
    &dbmate::LAYOUT,
    &diesel::LAYOUT,
    &refinery::LAYOUT,
];

impl Layout {
    /// The layout that the plan names so.
    pub fn named(name: &str) -> Option<&'static Self> {
        LAYOUTS.into_iter().find(|layout| layout.name == name)
    }

    /// Files that lie in one folder, no tool's bookkeeping.
    pub fn is_plain(&self) -> bool {
        self.bookkeeping.is_none()
    }
}

impl PartialEq for Layout {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Eq for Layout {}

impl fmt::Debug for Layout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

/// The layouts that a folder can be, by its files alone; never none.
///
/// A usage failure: no such folder, no migration in it, files of several layouts in one folder, files of a tool that is
/// not known here.
pub fn recognise(dir: &Path) -> Result<Vec<&'static Layout>> {
    Listing::read(dir)?.candidates()
}

impl Listing {
    /// The layouts to which every file of the folder belongs.
    pub fn candidates(&self) -> Result<Vec<&'static Layout>> {
        foreign::refuse(self)?;
        let fits =
            |layout: &&'static Layout| self.own(layout).next().is_some() && self.strangers(layout).next().is_none();
        let candidates: Vec<_> = LAYOUTS.into_iter().filter(fits).collect();
        if candidates.is_empty() { Err(self.refusal()) } else { Ok(candidates) }
    }

    /// Files that this layout would run.
    pub(super) fn own(&self, layout: &'static Layout) -> impl Iterator<Item = &Entry> {
        self.entries.iter().filter(|entry| (layout.claims)(self, entry) == Some(Part::Up))
    }

    /// Files that lie where this layout has its own and that it can't account for.
    pub(super) fn strangers(&self, layout: &'static Layout) -> impl Iterator<Item = &Entry> {
        self.entries.iter().filter(|entry| entry.is_migration() && (layout.claims)(self, entry).is_none())
    }

    /// Why the folder is no layout's: nothing in it, or files of several layouts, or names that nobody gives.
    fn refusal(&self) -> Failure {
        let mut lines = Vec::new();
        for entry in self.entries.iter().filter(|entry| entry.is_migration()) {
            let claimed = LAYOUTS.into_iter().filter(|layout| (layout.claims)(self, entry).is_some());
            let names = claimed.map(|layout| layout.name).collect::<Vec<_>>().join(" or ");
            lines.push((entry.file.clone(), if names.is_empty() { "no layout".to_owned() } else { names }));
        }
        let Some((file, names)) = lines.first() else {
            let what = format!("migrations folder {}: no .sql file in it", self.dir.display());
            return Failure::usage(what)
                .at(&self.dir, 1)
                .hint("name the folder of the files that are to be run; docs/layouts.md has the shapes");
        };
        let all = lines.iter().map(|(file, names)| format!("{file}: {names}")).collect::<Vec<_>>().join("\n");
        let other = lines.iter().find(|(_, other)| other != names);
        let what = match other {
            Some((other_file, other)) => {
                format!("files of several layouts in one folder: {file} is {names}, {other_file} is {other}")
            }
            None => format!("{file} is {names}"),
        };
        Failure::usage(format!("migrations folder {}: {what}", self.dir.display()))
            .detail(all)
            .hint("give each tool's files a folder of their own; docs/layouts.md has the shapes")
    }
}

/// What a line says after its `--`, as marks are written: at the line's start.
fn mark(line: &str) -> Option<&str> {
    line.trim_start_matches('\u{feff}').trim_start().strip_prefix("--").map(str::trim)
}

/// `001` and `init.sql` of `001_init.sql`; nothing where no digit stands first or no `_` follows them.
fn numbered(file: &str) -> Option<(&str, &str)> {
    let (version, rest) = file.split_once('_')?;
    (!version.is_empty() && version.bytes().all(|b| b.is_ascii_digit())).then_some((version, rest))
}

/// A file's name without this ending, in whatever case.
fn without<'f>(file: &'f str, ending: &str) -> Option<&'f str> {
    let at = file.len().checked_sub(ending.len())?;
    let (stem, end) = file.split_at_checked(at)?;
    end.eq_ignore_ascii_case(ending).then_some(stem)
}

fn in_one_transaction(_: &SqlFile) -> Option<&'static str> {
    None
}

const DOWN: &str = "a down part";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_layout_has_a_name_of_its_own() {
        let mut names: Vec<_> = LAYOUTS.iter().map(|layout| layout.name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), LAYOUTS.len());
    }

    #[test]
    fn names_are_cut_where_the_tools_cut_them() {
        assert_eq!(numbered("001_init.sql"), Some(("001", "init.sql")));
        assert_eq!(numbered("_init.sql"), None);
        assert_eq!(numbered("1a_init.sql"), None);
        assert_eq!(without("A.UP.SQL", ".up.sql"), Some("A"));
        assert_eq!(without("ä", ".sql"), None);
    }
}
