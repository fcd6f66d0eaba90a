//! Which files are in: the folder against what the bookkeeping has. A set difference, never a suffix, for a newer release
//! may bring older versions than some that are in; but for tools that keep a single row.

use std::cmp::Ordering;

use super::layout::{Bookkeeping, Layout, When};
use super::source::Migration;
use crate::finding::Finding;

/// What a row of the bookkeeping says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mark {
    /// It is in.
    In,
    /// It was taken back.
    Undone,
    /// It, and all before it, count as in.
    Baseline,
    /// It failed in its middle, or is being run.
    Failed,
}

/// A row of the bookkeeping, oldest first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recorded {
    /// None for repeatable files.
    pub version: Option<String>,
    /// As the tool recorded it.
    pub description: Option<String>,
    /// As the tool recorded it.
    pub checksum: Option<String>,
    /// What it says.
    pub mark: Mark,
}

impl Recorded {
    /// A version that is in, and nothing else known of it.
    pub fn version(version: impl Into<String>) -> Self {
        Self { version: Some(version.into()), description: None, checksum: None, mark: Mark::In }
    }
}

/// Where a file stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// To be run.
    Pending,
    /// To be run, and older than the newest one that is in, which its own tool would refuse by default.
    OutOfOrder,
    /// In.
    Applied,
    /// In, but not as it is now.
    Edited,
    /// Covered by a baseline.
    BelowBaseline,
    /// A baseline for databases where nothing is in.
    NotNeeded,
}

impl Standing {
    /// Whether it is to be run.
    pub fn is_pending(self) -> bool {
        matches!(self, Self::Pending | Self::OutOfOrder)
    }

    /// The words in documents and on screen.
    pub fn word(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::OutOfOrder => "out of order",
            Self::Applied => "in",
            Self::Edited => "edited",
            Self::BelowBaseline => "below baseline",
            Self::NotNeeded => "baseline not needed",
        }
    }
}

/// Where each migration of the folder stands, in the folder's order.
pub fn standings(migrations: &[Migration], recorded: &[Recorded]) -> Vec<Standing> {
    let seen = Seen::of(migrations, recorded);
    migrations.iter().map(|migration| seen.standing(migration)).collect()
}

struct Seen<'a> {
    recorded: &'a [Recorded],
    bookkeeping: Option<&'static Bookkeeping>,
    /// The version up to which a baseline covers all: one that is recorded, or the folder's where nothing is in.
    baseline: Option<&'a str>,
    /// The folder's baseline that is to be run.
    fresh: Option<&'a Migration>,
    newest: Option<&'a str>,
}

impl<'a> Seen<'a> {
    fn of(migrations: &'a [Migration], recorded: &'a [Recorded]) -> Self {
        let layout = migrations.first().map(|migration| migration.layout);
        let order = layout.map(|layout| layout.order);
        let newest = |versions: &mut dyn Iterator<Item = &'a str>| {
            versions.max_by(|a, b| order.map_or(Ordering::Equal, |order| order(a, b)))
        };
        let fresh = migrations.iter().rev().find(|m| m.when == When::Baseline).filter(|_| recorded.is_empty());
        let mut baselines =
            recorded.iter().filter(|row| row.mark == Mark::Baseline).filter_map(|r| r.version.as_deref());
        let baseline = newest(&mut baselines).or(fresh.map(|migration| migration.version.as_str()));
        let mut versions = recorded.iter().filter(|row| row.mark != Mark::Undone).filter_map(|r| r.version.as_deref());
        let newest = newest(&mut versions);
        Self { recorded, bookkeeping: layout.and_then(|layout| layout.bookkeeping.as_ref()), baseline, fresh, newest }
    }

    fn standing(&self, migration: &Migration) -> Standing {
        let up_to = |limit: &str| (migration.layout.order)(&migration.version, limit) != Ordering::Greater;
        match migration.when {
            When::Repeatable => return self.repeatable(migration),
            When::Baseline if self.fresh == Some(migration) => return Standing::Pending,
            When::Baseline => return Standing::NotNeeded,
            When::Versioned | When::Unordered => {}
        }
        if self.bookkeeping.is_some_and(|bookkeeping| bookkeeping.one_row) && self.is_own() {
            let reached = self.newest.is_some_and(up_to);
            return if reached { Standing::Applied } else { Standing::Pending };
        }
        // The last word about a version counts.
        let is_same = |row: &&Recorded| {
            row.version.as_deref().is_some_and(|version| (migration.layout.is_same)(&migration.version, version))
        };
        match self.recorded.iter().rev().find(is_same) {
            Some(row) if row.mark != Mark::Undone => {
                let differs = row.checksum.is_some() && row.checksum != migration.own_checksum;
                // A row written by hand at the baseline has the checksum of no file.
                if differs && row.mark == Mark::In { Standing::Edited } else { Standing::Applied }
            }
            _ if self.baseline.is_some_and(up_to) => Standing::BelowBaseline,
            _ if migration.when == When::Versioned && self.refuses_older() && self.newest.is_some_and(up_to) => {
                Standing::OutOfOrder
            }
            _ => Standing::Pending,
        }
    }

    fn repeatable(&self, migration: &Migration) -> Standing {
        let is_same = |row: &&Recorded| {
            row.version.is_none() && row.description.as_deref() == Some(migration.description.as_str())
        };
        let last = self.recorded.iter().rev().find(is_same);
        let is_in = last.is_some_and(|row| row.mark == Mark::In && row.checksum == migration.own_checksum);
        if is_in { Standing::Applied } else { Standing::Pending }
    }

    fn refuses_older(&self) -> bool {
        self.bookkeeping.is_some_and(|bookkeeping| bookkeeping.refuses_older.is_some())
    }

    /// Whether the rows can be the tool's one row: a plan's own `applied` may list many.
    fn is_own(&self) -> bool {
        self.recorded.len() <= 1
    }
}

/// What the bookkeeping says that somebody should know before the files are run.
pub fn findings(layout: &Layout, migrations: &[Migration], recorded: &[Recorded], table: &str) -> Vec<Finding> {
    let Some(bookkeeping) = &layout.bookkeeping else { return Vec::new() };
    let tool = layout.tool;
    let mut findings: Vec<Finding> = failed(recorded).map(|row| failure(tool, bookkeeping, row, table)).collect();
    for (migration, standing) in migrations.iter().zip(standings(migrations, recorded)) {
        match standing {
            Standing::Edited => findings.push(
                Finding::warning(
                    "migration/edited",
                    &migration.file,
                    format!("it is in, and {table} has another checksum: it was edited afterwards"),
                )
                .so_what(format!(
                    "what is in is not what the file says, and {tool} will refuse it after the switch too"
                ))
                .next(format!("put the file back, or have {tool} take the new checksum before")),
            ),
            Standing::OutOfOrder => {
                let option = bookkeeping.refuses_older.unwrap_or_default();
                findings.push(
                    Finding::warning(
                        "migration/out-of-order",
                        &migration.file,
                        "it is not in, but newer ones are: it is run on green before what is newer and pending",
                    )
                    .so_what(format!("{tool} itself refuses such a file without {option}"))
                    .next("look whether it still means what it meant before the newer ones"),
                );
            }
            _ => {}
        }
    }
    findings.extend(unknown(migrations, recorded, table));
    findings
}

/// Rows that say failed, and no later row of the same version that says otherwise.
fn failed(recorded: &[Recorded]) -> impl Iterator<Item = &Recorded> {
    let later = |at: usize, row: &Recorded| {
        recorded.iter().skip(at + 1).any(|later| later.version == row.version && later.description == row.description)
    };
    recorded
        .iter()
        .enumerate()
        .filter(move |(at, row)| row.mark == Mark::Failed && !later(*at, row))
        .map(|(_, row)| row)
}

fn failure(tool: &str, bookkeeping: &Bookkeeping, row: &Recorded, table: &str) -> Finding {
    let which = row.version.as_deref().or(row.description.as_deref()).unwrap_or("?");
    Finding::blocker(
        "migration/failed-before",
        format!("blue {table}"),
        format!("{tool} has {which} as failed, or is running it now"),
    )
    .so_what("nobody knows which of its statements blue has; a copy would have the same half of it")
    .next(bookkeeping.repair)
}

/// Versions that are in and have no file.
fn unknown(migrations: &[Migration], recorded: &[Recorded], table: &str) -> Option<Finding> {
    let has_file = |row: &Recorded| {
        migrations.iter().any(|migration| match (&row.version, migration.when) {
            (None, When::Repeatable) => row.description.as_deref() == Some(migration.description.as_str()),
            (Some(version), When::Versioned | When::Unordered | When::Baseline) => {
                (migration.layout.is_same)(&migration.version, version)
            }
            _ => false,
        })
    };
    let without = recorded.iter().filter(|row| row.mark == Mark::In && !has_file(row));
    let names: Vec<&str> = without.filter_map(|row| row.version.as_deref().or(row.description.as_deref())).collect();
    let first = names.iter().take(5).copied().collect::<Vec<_>>().join(", ");
    let more = names.len().saturating_sub(5);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    (!names.is_empty()).then(|| {
        Finding::note(
            "migration/without-file",
            format!("blue {table}"),
            format!("in, with no file in the folder: {first}{more}"),
        )
        .so_what("a folder that holds the newer files alone is fine here; the tool itself may miss the older ones")
    })
}
