//! The lease: who runs a plan, from where, with which fencing token.
//!
//! It is a session-level advisory lock on both databases plus one row, `teal.run`, on each. The lock ends with the
//! session that holds it; the row stays and names the run even while nobody runs it, so that every machine finds the
//! run and a journal that is not the run's, or lags behind, is refused. The lock is only ever *tried*: a blocked
//! `pg_advisory_lock` holds a snapshot, for which CREATE INDEX CONCURRENTLY would wait (mechanics.md).
//!
//! Until decide blue's row is the truth and both databases must be there; after it green's is, and blue, retired,
//! may be gone. In place there is no green, and blue's row is the truth throughout. Green's lock is taken on both sides of decide, so that two operators exclude each other whichever
//! side of it each believes to be on.

use std::time::{Duration, Instant};

use super::record::RunId;
use super::run_row::{LOCK_KEY, RunRow, foreign_run, read_run_row};
use super::state::{Run, State};
use crate::error::{Context, Failure, Kind, Result};
use crate::failpoint::failpoint;
use crate::postgres::{Access, Db, Target};

/// How long a server may take to notice that the lease's holder was killed.
const NOTICED: Duration = Duration::from_secs(2);
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

/// What a lease is taken for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// To go on: the run must still be there.
    GoOn,
    /// To take the run down: an earlier abort or finish may have got half-way, and dropped the row.
    TakeDown,
    /// To put the run back while green is gone for good. Blue's half of the lease is enough for that: before decide nobody acts
    /// without it.
    PutBackWithoutGreen,
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
    /// Takes the lease on both databases for the run of our journal, or says who has it.
    ///
    /// The journal knows the highest token: after `finish` the rows are gone, the journal is not. After decide an
    /// unreachable blue is no obstacle.
    pub async fn take(
        me: &Identity,
        (blue, green): (&Target, Option<&Target>),
        run: &Run,
        purpose: Purpose,
    ) -> Result<Self> {
        let green = green.filter(|_| purpose != Purpose::PutBackWithoutGreen);
        let on_green = match green {
            Some(green) => Some(lock(green).await?),
            None => None,
        };
        let mut lease = Self { blue: None, green: on_green, token: 0 };
        match lease.claim(me, blue, run, purpose).await {
            Ok(()) => Ok(lease),
            Err(e) => {
                lease.release().await;
                Err(e)
            }
        }
    }

    async fn claim(&mut self, me: &Identity, blue: &Target, run: &Run, purpose: Purpose) -> Result<()> {
        let state = run.state;
        match lock(blue).await {
            Ok(blue) => self.blue = Some(blue),
            Err(e) if state.is_decided() && self.green.is_some() && e.kind == Kind::Failed => {
                tracing::warn!("{e}; blue is retired, going on without it");
            }
            Err(e) => return Err(e),
        }
        failpoint("lease.locked");
        let on_green = own_row(me, self.green.as_ref(), run).await?;
        let on_blue = own_row(me, self.blue.as_ref(), run).await?;
        let truth = if state.is_decided() && self.green.is_some() { &on_green } else { &on_blue };
        if purpose == Purpose::GoOn && run.token > 0 && truth.is_none() {
            return Err(taken_down(run, self.blue.as_ref(), self.green.is_some()).await);
        }
        let known = [&on_blue, &on_green].into_iter().flatten().map(|row| row.token);
        self.token = known.fold(run.token, i64::max) + 1;
        // To an abort the row says that green is ours to empty: it must not be the abort that wrote it.
        let row_on_green = purpose == Purpose::GoOn || state.is_decided() || on_green.is_some();
        for db in self.blue.iter().chain(self.green.iter().filter(|_| row_on_green)) {
            write_row(me, db, self.token, run.seq, state).await.context("taking the lease")?;
        }
        failpoint("lease.taken");
        Ok(())
    }

    /// Takes the lease without a journal, to put back or take down what a run left: only where nobody runs it.
    /// Green is left out where it is gone for good and the run is only to be put back.
    pub async fn take_over(blue: &Target, green: Option<&Target>) -> Result<Self> {
        let on_green = match green {
            Some(green) => Some(lock(green).await?),
            None => None,
        };
        Ok(Self { blue: Some(lock(blue).await?), green: on_green, token: i64::MAX })
    }

    /// Writes the heartbeat; says whether an abort is wanted. Fails when the lease is lost: with [`Kind::Failed`] when its
    /// session is gone or silent, with [`Kind::Blocked`] when another process took over.
    pub async fn beat(&self, beat: &Beat) -> Result<bool> {
        let after = beat.state.is_decided() && self.green.is_some();
        let truth = if after { self.green.as_ref() } else { self.blue.as_ref() };
        let Some(truth) = truth else { return Err(Failure::failed("lost the lease")) };
        let wanted = tokio::time::timeout(ANSWER, write_beat(truth, self.token, beat))
            .await
            .map_err(|_| Failure::failed(format!("{}: lost the lease: no answer", truth.name)))??;
        // The other row only serves `status`; a failure there is met again by whoever really uses that database.
        let other = if after { self.blue.as_ref() } else { self.green.as_ref() };
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
            // Over a network that stalls no answer comes; the lock ends with the session all the same.
            let unlocked = db.row("SELECT pg_catalog.pg_advisory_unlock($1)", &[&LOCK_KEY]);
            let _ = tokio::time::timeout(NOTICED, unlocked).await;
        }
    }
}

async fn lock(target: &Target) -> Result<Db> {
    let db = target.connect(Access::ReadWrite).await?;
    // A killed process' session ends when its server notices, some milliseconds later: who resumes at once must not be
    // told that somebody is at it.
    let until = Instant::now() + NOTICED;
    loop {
        if db.row("SELECT pg_catalog.pg_try_advisory_lock($1)", &[&LOCK_KEY]).await?.get(0) {
            return Ok(db);
        }
        if Instant::now() > until {
            break;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let holder = match read_run_row(&db).await? {
        Some(row) => {
            format!("{} is running plan {} on it, last heard of {:.0} s ago", row.whose(), row.plan, row.age_seconds)
        }
        None => "another process of ours holds it".to_owned(),
    };
    Err(Failure::blocked(format!("{}: {holder}", db.name))
        .state("nothing was done")
        .hint("look with: migrate status --watch"))
}

/// The row of our run on a database; a failure where it is another run's, or is ahead of our journal.
async fn own_row(me: &Identity, db: Option<&Db>, run: &Run) -> Result<Option<RunRow>> {
    let Some(db) = db else { return Ok(None) };
    let Some(row) = read_run_row(db).await? else { return Ok(None) };
    if row.run != me.run {
        return Err(foreign_run(&me.plan, &db.name, &row));
    }
    if row.seq > run.seq {
        let at = format!("{}:{}", row.journal_host, row.journal_path);
        return Err(Failure::blocked(format!(
            "{}: this journal is stale: it ends at record {}, the run at {}; the right one is {at}",
            db.name, run.seq, row.seq
        ))
        .state("nothing was done")
        .hint("bring the right journal here, or put everything back: migrate abort"));
    }
    Ok(Some(row))
}

/// Every lease writes the row, and only an abort or a finish drops it: what the journal calls done is no more. A finish
/// leaves the decision on blue.
async fn taken_down(run: &Run, blue: Option<&Db>, has_green: bool) -> Failure {
    let decision = "SELECT pg_catalog.to_regclass('teal.decision') IS NOT NULL";
    let switched = match blue {
        Some(blue) => blue.row(decision, &[]).await.is_ok_and(|row| row.get(0)),
        None => false,
    };
    let (side, how, hint) = if run.state.is_decided() {
        (if has_green { "green" } else { "blue" }, "finished", "note that here: migrate finish")
    } else if switched {
        ("blue", "finished", "green serves; the report is where the journal was: bring that one here")
    } else {
        ("blue", "put back", "note that here: migrate abort; then begin anew: migrate apply")
    };
    Failure::blocked(format!("run {} was {how} from elsewhere: {side} has no run row of it any more", run.id))
        .state("nothing was done")
        .hint(hint)
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
        Failure::blocked(format!("{}: lost the lease: another process took the run over", db.name))
            .hint("migrate status")
    })
}
