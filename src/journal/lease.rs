//! The lease: who runs a plan, from where, with which fencing token.
//!
//! It is a session-level advisory lock on both databases plus one row, `teal.run`, on each. The lock ends with the
//! session that holds it; the row stays and names the run even while nobody runs it, so that every machine finds the
//! run and a journal that is not the run's, or lags behind, is refused. The lock is only ever *tried*: a blocked
//! `pg_advisory_lock` holds a snapshot, for which CREATE INDEX CONCURRENTLY would wait (mechanics.md).
//!
//! Until decide blue's row is the truth and both databases must be there; after it green's is, and blue, retired,
//! may be gone. Green's lock is taken on both sides of decide, so that two operators exclude each other whichever
//! side of it each believes to be on.

use std::time::Duration;

use serde::Serialize;
use tokio_postgres::Row;
use tokio_postgres::error::SqlState;

use super::record::RunId;
use super::state::State;
use crate::error::{Context, Failure, Result};
use crate::failpoint::failpoint;
use crate::postgres::{Access, Db, Error, Target};

/// The key of the advisory lock, the same on every database: "teal" in ASCII, then 1.
const LOCK_KEY: i64 = 0x7465_616C_0000_0001;

/// How long a heartbeat may stay without an answer before the lease counts as lost.
const ANSWER: Duration = Duration::from_secs(15);
/// The same for the row that is not the truth: it only serves `status`, and clients may be waiting behind the fence.
const OTHER_ANSWER: Duration = Duration::from_millis(500);

/// Who we are and what we run.
#[derive(Debug, Clone)]
pub struct Identity {
    /// The plan's name.
    pub plan: String,
    /// The run.
    pub run: RunId,
    /// The journal's file, absolute.
    pub journal: String,
    /// The user of the operating system.
    pub who: String,
    /// The machine.
    pub host: String,
}

impl Identity {
    /// This process.
    pub fn here(plan: &str, run: &RunId, journal: &std::path::Path) -> Self {
        let user = std::env::var("SUDO_USER").or_else(|_| std::env::var("USER"));
        Self {
            plan: plan.to_owned(),
            run: run.clone(),
            journal: journal.display().to_string(),
            who: user.unwrap_or_else(|_| format!("uid {}", rustix::process::getuid().as_raw())),
            host: rustix::system::uname().nodename().to_string_lossy().into_owned(),
        }
    }
}

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

/// What the heartbeat says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Beat {
    /// The last record on disk.
    pub seq: u64,
    /// The run's state.
    pub state: State,
    /// The step at work.
    pub step: String,
    /// How far it is, for people.
    pub progress: String,
}

/// The lease, held. It ends when this is dropped: the sessions close and their locks with them.
#[derive(Debug)]
pub struct Lease {
    blue: Option<Db>,
    green: Option<Db>,
    /// The fencing token.
    pub token: i64,
}

impl Lease {
    /// Takes the lease on both databases, or says who has it. `seq` is the last record of our journal, `token` the highest
    /// that it knows: after `finish` the rows are gone, the journal is not.
    ///
    /// After decide (`state.is_decided()`) an unreachable blue is no obstacle.
    pub async fn take(
        me: &Identity,
        (blue, green): (&Target, &Target),
        seq: u64,
        token: i64,
        state: State,
    ) -> Result<Self> {
        let green = lock(green).await?;
        let blue = match lock(blue).await {
            Ok(blue) => Some(blue),
            Err(e) if state.is_decided() && e.kind == crate::error::Kind::Failed => {
                tracing::warn!("{e}; blue is retired, going on without it");
                None
            }
            Err(e) => return Err(e),
        };
        failpoint("lease.locked");
        let sessions: Vec<&Db> = blue.iter().chain([&green]).collect();
        let mut newest = token;
        for db in &sessions {
            if let Some(row) = read_run_row(db).await? {
                newest = newest.max(row.token);
                refuse_foreign(me, &db.name, &row, seq)?;
            }
        }
        let token = newest + 1;
        for db in &sessions {
            write_row(me, db, token, seq, state).await.context("taking the lease")?;
        }
        failpoint("lease.taken");
        Ok(Self { blue, green: Some(green), token })
    }

    /// Takes the lease without a journal, to put back or take down what a run left: only where nobody runs it.
    pub async fn take_over(blue: &Target, green: &Target) -> Result<Self> {
        let token = i64::MAX;
        Ok(Self { blue: Some(lock(blue).await?), green: Some(lock(green).await?), token })
    }

    /// Writes the heartbeat; says whether an abort is wanted. Fails when the lease is lost: its session is gone, or
    /// another process took over.
    pub async fn beat(&self, beat: &Beat) -> Result<bool> {
        let truth = if beat.state.is_decided() { self.green.as_ref() } else { self.blue.as_ref() };
        let Some(truth) = truth else { return Err(Failure::failed("lost the lease")) };
        let wanted = tokio::time::timeout(ANSWER, write_beat(truth, self.token, beat))
            .await
            .map_err(|_| Failure::failed(format!("{}: lost the lease: no answer", truth.name)))??;
        // The other row only serves `status`; a failure there is met again by whoever really uses that database.
        let other = if beat.state.is_decided() { self.blue.as_ref() } else { self.green.as_ref() };
        if let Some(other) = other {
            match tokio::time::timeout(OTHER_ANSWER, write_beat(other, self.token, beat)).await {
                Ok(Ok(_)) => {}
                Ok(Err(e)) => tracing::debug!("heartbeat: {e}"),
                Err(_) => tracing::debug!("heartbeat: {} does not answer", other.name),
            }
        }
        Ok(wanted == "abort")
    }

    /// Lets go of both locks at once, waiting for the servers to have noticed, so that a next process finds them free.
    pub async fn release(self) {
        for db in [self.blue, self.green].into_iter().flatten() {
            let _ = db.row("SELECT pg_catalog.pg_advisory_unlock($1)", &[&LOCK_KEY]).await;
        }
    }
}

async fn lock(target: &Target) -> Result<Db> {
    let db = target.connect(Access::ReadWrite).await?;
    if db.row("SELECT pg_catalog.pg_try_advisory_lock($1)", &[&LOCK_KEY]).await?.get(0) {
        return Ok(db);
    }
    let holder = match read_run_row(&db).await? {
        Some(row) => format!(
            "{}@{} (pid {}) is running plan {} on it, last heard of {:.0} s ago",
            row.who, row.host, row.pid, row.plan, row.age_seconds
        ),
        None => "another process of ours holds it".to_owned(),
    };
    Err(Failure::blocked(format!("{}: {holder}", db.name))
        .state("nothing was done")
        .hint("look with: migrate status --watch"))
}

fn refuse_foreign(me: &Identity, database: &str, row: &RunRow, seq: u64) -> Result<()> {
    let at = format!("{}:{}", row.journal_host, row.journal_path);
    if row.run != me.run {
        let whose =
            if row.plan == me.plan { "another run of this plan".to_owned() } else { format!("plan {}", row.plan) };
        return Err(Failure::blocked(format!(
            "{database}: run {} ({whose}) is under way; its journal is {at}",
            row.run
        ))
        .state("nothing was done")
        .hint(format!("bring that journal here, or take that run down first: migrate abort {}", row.plan)));
    }
    if row.seq > seq {
        return Err(Failure::blocked(format!(
            "{database}: this journal is stale: it ends at record {seq}, the run at {}; the right one is {at}",
            row.seq
        ))
        .state("nothing was done")
        .hint("bring the right journal here, or put everything back: migrate abort"));
    }
    Ok(())
}

async fn write_row(me: &Identity, db: &Db, token: i64, seq: u64, state: State) -> Result<()> {
    db.run(include_str!("../postgres/sql/create_run.sql")).await?;
    let pid = i32::try_from(std::process::id()).unwrap_or(0);
    let seq = i64::try_from(seq).unwrap_or(i64::MAX);
    let state = state.word();
    let sql = include_str!("../postgres/sql/upsert_run.sql");
    let wrote = db
        .execute(sql, &[&me.plan, &me.run.0, &me.host, &me.journal, &me.who, &me.host, &pid, &token, &seq, &state])
        .await?;
    if wrote == 1 {
        return Ok(());
    }
    Err(Failure::blocked(format!("{}: another process took the run over", db.name)).hint("migrate status"))
}

async fn write_beat(db: &Db, token: i64, beat: &Beat) -> Result<String> {
    let seq = i64::try_from(beat.seq).unwrap_or(i64::MAX);
    let state = beat.state.word();
    let sql = include_str!("../postgres/sql/update_run.sql");
    let row = db
        .maybe_row(sql, &[&token, &seq, &state, &beat.step, &beat.progress])
        .await
        .map_err(|e| Failure::from(e).context("lost the lease"))?;
    row.map(|row| row.get(0)).ok_or_else(|| {
        Failure::failed(format!("{}: lost the lease: another process took the run over", db.name))
            .hint("migrate status")
    })
}
