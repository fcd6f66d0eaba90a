//! The run row, `teal.run`: what a database itself tells of the run that is under way on it, read from any machine.

use serde::Serialize;
use tokio_postgres::Row;
use tokio_postgres::error::SqlState;

use super::record::RunId;
use crate::error::{Failure, Result};
use crate::postgres::{Db, Error};

/// The key of the advisory lock, the same on every database: "teal" in ASCII, then 1.
pub(super) const LOCK_KEY: i64 = 0x7465_616C_0000_0001;

/// The run row as it stands on a database.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RunRow {
    /// The plan's name.
    pub plan: String,
    /// The run.
    pub run: RunId,
    /// Where its journal lies: machine.
    pub journal_host: String,
    /// Where its journal lies: file.
    pub journal_path: String,
    /// Who ran it last.
    pub who: String,
    /// From which machine.
    pub host: String,
    /// As which process.
    pub pid: i32,
    /// With which fencing token.
    pub token: i64,
    /// The last record that its journal had.
    pub seq: u64,
    /// The state's word.
    pub state: String,
    /// The step at work.
    pub step: String,
    /// How far it is, for people.
    pub progress: String,
    /// `run` or `abort`.
    pub wanted: String,
    /// Seconds since the last heartbeat, by the server's clock.
    pub age_seconds: f64,
    /// Whether a process holds the lease right now.
    pub held: bool,
}

impl RunRow {
    /// Who runs it, or ran it last: `ann@db1 (pid 4711)`.
    pub fn whose(&self) -> String {
        format!("{}@{} (pid {})", self.who, self.host, self.pid)
    }
}

/// Reads the run row and whether somebody holds the lease; `None` where no run is under way.
pub async fn read_run_row(db: &Db) -> Result<Option<RunRow>> {
    let row = match db.maybe_row(include_str!("../postgres/sql/select_run.sql"), &[]).await {
        Ok(row) => row,
        Err(e) if is_missing(&e) => return Ok(None),
        Err(e) => return Err(e.doing("reading the run row").into()),
    };
    let Some(row) = row else { return Ok(None) };
    let held = db.row(include_str!("../postgres/sql/select_lease_held.sql"), &[&LOCK_KEY]).await?.get(0);
    Ok(Some(run_row(&row, held)))
}

fn is_missing(e: &Error) -> bool {
    e.code().is_some_and(|c| *c == SqlState::UNDEFINED_TABLE || *c == SqlState::INVALID_SCHEMA_NAME)
}

fn run_row(row: &Row, held: bool) -> RunRow {
    RunRow {
        plan: row.get("plan"),
        run: RunId(row.get("run")),
        journal_host: row.get("journal_host"),
        journal_path: row.get("journal_path"),
        who: row.get("who"),
        host: row.get("host"),
        pid: row.get("pid"),
        token: row.get("token"),
        seq: u64::try_from(row.get::<_, i64>("seq")).unwrap_or(0),
        state: row.get("state"),
        step: row.get("step"),
        progress: row.get("progress"),
        wanted: row.get("wanted"),
        age_seconds: row.get("age_seconds"),
        held,
    }
}

/// The run under way on a database is not the one of our journal, or we have none: where its journal lies.
pub fn foreign_run(plan: &str, database: &str, row: &RunRow) -> Failure {
    let at = format!("{}:{}", row.journal_host, row.journal_path);
    let whose = if row.plan == plan { "another run of this plan".to_owned() } else { format!("plan {}", row.plan) };
    Failure::blocked(format!("{database}: run {} ({whose}) is under way; its journal is {at}", row.run))
        .state("nothing was done")
        .hint("bring that journal here, or take that run down with its own plan: migrate abort PLAN; once it has switched: migrate finish PLAN")
}
