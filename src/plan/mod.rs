//! The plan: what the operator asked for, read from one TOML file and checked.
//!
//! `file.rs` reads the file's sections with spans, `check.rs` resolves references and units, `excerpt.rs` shows what is
//! wrong, `fingerprint.rs` says whether a saved plan still holds. Everything after this module works with the types below and never sees TOML.

mod accept;
mod check;
mod excerpt;
mod file;
mod fingerprint;
mod later;
mod rehearsal;
mod request;
mod secret;
mod settings;
mod suggest;
mod units;
mod window;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use crate::postgres::Target;

pub use accept::Accept;
pub use check::{LAYOUT_NAMES, read_outline, read_plan, read_rehearsal};
pub use fingerprint::digest;
pub use rehearsal::{Rehearsal, Rehearse, StandIns};
pub use request::{Answer, Body, Request, Requests};
pub use window::{Opening, Window};

/// One upgrade, as the plan file asks for it.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    /// The plan file.
    pub path: PathBuf,
    /// Names the run; lowercase letters, digits, `-` and `_`, at most 40 characters: it becomes a folder name and part
    /// of object names.
    pub name: String,
    /// How.
    pub strategy: Strategy,
    /// The database that serves today.
    pub blue: Target,
    /// The one that will; in place the same: what blue is after the migrations.
    pub green: Target,
    /// Further databases by name, read-only, for checks.
    pub others: BTreeMap<String, Target>,
    /// The folder that holds the journals, absolute.
    pub journal_dir: PathBuf,
    /// What is run on green, or in place on blue.
    pub migrations: Migrations,
    /// What is captured, replayed and proved.
    pub events: Vec<Event>,
    /// Parallel connections of copy and index builds, at least 1.
    pub jobs: usize,
    /// Gates and deadlines of the cutover.
    pub cutover: Cutover,
    /// What must switch together, in the order written.
    pub participants: Vec<Participant>,
    /// What is turned before the copy and turned back afterwards, in the order written.
    pub levers: Vec<Lever>,
    /// What must hold.
    pub checks: Vec<Check>,
    /// Findings that are gone on with.
    pub accepts: Vec<Accept>,
}

/// How an upgrade is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Strategy {
    /// On a migrated copy, then a cutover.
    BlueGreen,
    /// By rewritten migrations on blue itself.
    InPlace,
}

impl Strategy {
    /// As the plan has it.
    pub fn word(self) -> &'static str {
        match self {
            Self::BlueGreen => "blue-green",
            Self::InPlace => "in-place",
        }
    }
}

impl Plan {
    /// Whether blue itself is migrated: there is no green then.
    pub fn is_in_place(&self) -> bool {
        self.strategy == Strategy::InPlace
    }

    /// The databases that the run acts on: green is none of its own in place.
    pub fn sides(&self) -> (&Target, Option<&Target>) {
        (&self.blue, Some(&self.green).filter(|_| !self.is_in_place()))
    }
}

/// The little of a plan that finds what a run left beside it: needs none of the plan's variables.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outline {
    /// The plan file.
    pub path: PathBuf,
    /// Names the run.
    pub name: String,
    /// The folder that holds the journals, absolute.
    pub journal_dir: PathBuf,
}

/// Where the migrations come from and how their bookkeeping works.
#[derive(Debug, Clone, PartialEq)]
pub struct Migrations {
    /// A folder or a program.
    pub source: MigrationSource,
    /// The folder's layout by its name in [`crate::plan::LAYOUT_NAMES`]; none: it is recognised.
    pub layout: Option<String>,
    /// The tool's bookkeeping table, where it is not the usual one: exact as the catalog has it, `schema.table` or `table`.
    pub table: Option<String>,
    /// A query that lists the versions that are in already, instead of the tool's bookkeeping; none, and the layout has
    /// none either: all are pending.
    pub applied: Option<String>,
    /// A statement that records a version, instead of the tool's own, in the file's transaction; with `:version`, `:name`,
    /// `:checksum`, `:description`, `:script`, `:ms`.
    pub record: Option<String>,
    /// How long a statement may wait for a lock.
    pub lock_timeout: Duration,
}

/// Where the migrations come from.
#[derive(Debug, Clone, PartialEq)]
pub enum MigrationSource {
    /// A folder of SQL files, absolute.
    Folder(PathBuf),
    /// The application's own migrator, run in the plan file's folder.
    Command {
        /// Program and arguments.
        argv: Vec<String>,
        /// Its own variables, beside those that it inherits. May hold secrets: never shown.
        env: BTreeMap<String, String>,
    },
}

/// A business fact captured in blue's own transaction and replayed on green.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    /// Its name.
    pub name: String,
    /// The table on blue, as written: `token`, `auth.token`, `"Token"`.
    pub table: String,
    /// When it happens.
    pub when: When,
    /// The columns that identify it; none: the primary key.
    pub key: Option<Vec<String>>,
    /// Statements run on green in one transaction; `:column` is a column of the row's old image.
    pub replay: Vec<String>,
    /// A query on green that must return no row afterwards.
    pub verify: String,
}

/// The predicate over a row whose change is the event.
#[derive(Debug, Clone, PartialEq)]
pub enum When {
    /// A row for which it was true is deleted, or it stops being true.
    Ends(String),
    /// A row for which it is true is inserted, or it becomes true.
    Begins(String),
}

impl When {
    /// The predicate, SQL over the table's columns.
    pub fn predicate(&self) -> &str {
        match self {
            Self::Ends(sql) | Self::Begins(sql) => sql,
        }
    }
}

/// Gates and deadlines of the cutover.
#[derive(Debug, Clone, PartialEq)]
pub struct Cutover {
    /// The most that green may lag behind before the fence, in bytes of captured events not yet replayed.
    pub max_lag: u64,
    /// From fence to decide; beyond it everything is undone.
    pub deadline: Duration,
    /// When it may happen; none: at any time.
    pub window: Option<Window>,
    /// Why there must be no rollback after it.
    pub one_way: Option<String>,
}

/// Something that is turned before the copy and turned back afterwards. Programs are argv lists, run in the plan file's
/// folder; both must bear being run twice, and `after` where `before` did nothing.
#[derive(Debug, Clone, PartialEq)]
pub struct Lever {
    /// Its name.
    pub name: String,
    /// Turns it.
    pub before: Vec<String>,
    /// Turns it back; none: it stays.
    pub after: Option<Vec<String>>,
    /// From when it was turned until it has taken effect; may be zero.
    pub wait: Duration,
    /// From when it was turned until it has no effect any more.
    pub lasts: Option<Duration>,
    /// When `after` is run.
    pub until: Until,
    /// How long each of its programs may take.
    pub timeout: Duration,
}

/// When a lever is turned back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Until {
    /// Right after the switch.
    Reopen,
    /// In `finish`.
    Finish,
}

impl Until {
    /// As the plan has it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Reopen => "reopen",
            Self::Finish => "finish",
        }
    }
}

/// Something that must switch together with the database.
#[derive(Debug, Clone, PartialEq)]
pub struct Participant {
    /// Its name.
    pub name: String,
    /// How it switches.
    pub kind: ParticipantKind,
    /// How long each of its programs or requests may take.
    pub timeout: Duration,
    /// Members of a group commit at once.
    pub group: Option<String>,
}

/// How a participant switches. Programs are argv lists, run in the plan file's folder.
#[derive(Debug, Clone, PartialEq)]
pub enum ParticipantKind {
    /// Programs of its own.
    Command {
        /// The harmless half, before the fence.
        prepare: Option<Vec<String>>,
        /// The switch.
        commit: Vec<String>,
        /// Exit code 0: switched, 1: not yet, anything else: in doubt.
        committed: Vec<String>,
        /// Undoes prepare, before decide.
        abort: Option<Vec<String>>,
    },
    /// HTTP requests, to a service that switches itself or others.
    Http(Box<Requests>),
    /// A file, atomically replaced.
    File {
        /// The file that is replaced, absolute.
        path: PathBuf,
        /// The file that holds the new content, absolute.
        content: PathBuf,
    },
}

/// Something that must hold, and over what.
#[derive(Debug, Clone, PartialEq)]
pub struct Check {
    /// Its name.
    pub name: String,
    /// What gives the answers.
    pub sides: Sides,
    /// What must be true of them.
    pub expect: Expect,
}

/// What gives the answers of a check.
#[derive(Debug, Clone, PartialEq)]
pub enum Sides {
    /// One query, the same on blue and green.
    Both(String),
    /// A source per named database, in the order of their names.
    Each(BTreeMap<String, Source>),
}

impl Check {
    /// Whether any side is a program: an application's answer is asked live, there is no snapshot of it.
    pub fn is_live(&self) -> bool {
        matches!(&self.sides, Sides::Each(sides) if sides.values().any(|side| matches!(side, Source::Program(_))))
    }

    /// Whether it compares two sides: with `writes = "events"` the rows that came after the copy don't travel, so under
    /// the fence a difference is to be read, not to be acted on. A check of green alone binds always.
    pub fn compares(&self) -> bool {
        match &self.sides {
            // One query that must give no row is asked of green alone.
            Sides::Both(_) => self.expect != Expect::Empty,
            Sides::Each(sides) => sides.len() > 1,
        }
    }
}

impl Sides {
    /// The databases asked, in the order of their names.
    pub fn names(&self) -> Vec<&str> {
        match self {
            Self::Both(_) => vec!["blue", "green"],
            Self::Each(sides) => sides.keys().map(String::as_str).collect(),
        }
    }
}

/// One side of a check.
#[derive(Debug, Clone, PartialEq)]
pub enum Source {
    /// A query.
    Sql(String),
    /// A program whose lines of output are the rows.
    Program(Vec<String>),
}

/// What must be true of a check's answers. Rows are compared as sets with multiplicity, never by order.
#[derive(Debug, Clone, PartialEq)]
pub enum Expect {
    /// The same rows on both sides.
    Equal,
    /// One number on each side, green's within this fraction of blue's (0.01 for `1%`).
    Within(f64),
    /// No row: on the side named; on green where one query serves both.
    Empty,
    /// Every row of the one side is also on the other.
    In {
        /// The side whose rows must all be found.
        rows_of: String,
        /// The side where they must be.
        found_in: String,
    },
}
