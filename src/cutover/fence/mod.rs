//! The fence: one transaction on blue that holds all writers. Its COMMIT is `decide`.
//!
//! Before it a trigger was put on every table (`triggers.rs`), which everybody passes, taking ROW EXCLUSIVE on `teal.fence`
//! until the end of the transaction. The fence's transaction takes that one table in SHARE ROW EXCLUSIVE MODE: whoever has
//! written to anything goes on to the end, with as many more tables as it likes, in any order; whoever has not written yet
//! waits at its first write; readers go on. When the lock is there nobody has written and not ended, a prepared transaction
//! neither.
//!
//! It takes no lock on a table that a writer wants. That is why: LOCK TABLE over all tables, as it was once, holds a and
//! waits for b while a client holds b and waits for a; with 64 clients that write two tables in one transaction without a
//! pause there is always one, and the fence was given up in every try (benches/README.md).
//!
//! What it does hold of every table is ROW EXCLUSIVE, taken before anybody waits: with it no DDL begins (that could rewrite
//! rows, or take the triggers off), no TRUNCATE gets its table and then waits for us with readers behind it, and our own
//! session reads the catalog past those who queue. Partitioned parents, which no vacuum visits, are held in SHARE UPDATE
//! EXCLUSIVE: no partition is attached. Vacuums and concurrent index builds go on; none of them changes a row.
//!
//! Everything but COMMIT reopens blue by itself: ROLLBACK, a lost session, our own death, the server's
//! `idle_in_transaction_session_timeout`, which is what remains of the deadline. The writers that waited then succeed.
//! After COMMIT `teal.decision` exists, and the triggers refuse every role, superusers and replica-role sessions included
//! (mechanics.md has the experiments and why not the usual ways).

mod decision;
mod triggers;

pub use decision::{Decided, Decision, ask, read_decision};
pub use triggers::{drop_fence, put_up_fence, take_fence_down};

use std::convert::Infallible;
use std::time::{Duration, Instant};

use backon::{BackoffBuilder, ExponentialBuilder};

use crate::catalog::{Holder, Relkind, Structure, Table, Timeline, read_structure, read_timeline, waiting_for};
use crate::error::{Failure, Result};
use crate::failpoint::failpoint;
use crate::journal::RunId;
use crate::postgres::{Access, Db, Error, Target, literal};
use crate::step::Notices;

/// How a fence's session is told from others', to end one that a dead coordinator left.
const APPLICATION: &str = "teal fence";
/// Per lock, in one attempt: while we wait for the writers under way, all new ones wait behind us.
const LOCK_TIMEOUT: &str = "500ms";
/// After how long a wait of ours Postgres looks for a circle. One with a writer who stands behind us, and holds a row that
/// one before us wants, it opens by letting that writer past us (deadlock.c, soft edges; (E)). It would look after a second, when we
/// have given way. Only a superuser may set it, or who was granted that; the others give way.
const DEADLOCK_TIMEOUT: &str = "SET deadlock_timeout = '100ms'";
/// How often it is asked who is in the way, while we wait.
const LOOK: Duration = Duration::from_millis(200);
/// Attempts, with jitter between them.
const ATTEMPTS: usize = 10;
/// How long the COMMIT may stay without an answer. Its `statement_timeout` ends a wait for a synchronous standby sooner; a
/// server that is silent for longer is asked by a new session, which ends this one first.
const COMMIT_TIMEOUT: Duration = Duration::from_secs(30);

/// Nobody has writes under way or gets to any, and the decision is written, visible to nobody yet.
#[derive(Debug)]
pub struct Fence {
    db: Db,
    /// When the attempt that got it asked for the lock that writers hold: they wait since then.
    pub since: Instant,
    deadline: Instant,
}

/// What the fence is taken for.
#[derive(Debug)]
pub struct Order<'a> {
    /// The run.
    pub run: &'a RunId,
    /// Its fencing token.
    pub token: i64,
    /// This machine.
    pub host: &'a str,
    /// The tables to fence, leaves and parents; their triggers were put up.
    pub tables: &'a [Table],
    /// From that moment to the COMMIT.
    pub deadline: Duration,
}

impl Fence {
    /// Takes the fence, trying again with jitter while somebody is in the way, and naming who. `still` is asked before each
    /// attempt: all of them together take half a minute, in which a window may close.
    pub async fn take(
        blue: &Target,
        order: &Order<'_>,
        still: impl AsyncFn(&Db) -> Result<()>,
        notices: &Notices,
    ) -> Result<Self> {
        let db = blue.connect(Access::ReadWrite).await?;
        db.run(&format!("SET application_name = {}", literal(APPLICATION))).await?;
        let _ = db.run(DEADLOCK_TIMEOUT).await;
        let watcher = blue.connect(Access::ReadOnly).await?;
        let pid = db.backend_pid().await?;
        let mut waits = ExponentialBuilder::new()
            .with_min_delay(Duration::from_millis(300))
            .with_max_delay(Duration::from_secs(3))
            .with_max_times(ATTEMPTS - 1)
            .with_jitter()
            .build();
        loop {
            still(&watcher).await?;
            let mut seen = Vec::new();
            let attempt = tokio::select! {
                attempt = attempt(&db, order) => attempt,
                never = watch(&watcher, pid, &mut seen) => match never {},
            };
            let failed = match attempt {
                Ok(since) => return Ok(Self { db, since, deadline: since + order.deadline }),
                Err(Attempt::Locks(e)) => e,
                Err(Attempt::Final(failure)) => return Err(failure),
            };
            // First of all: others wait behind us until then.
            let _ = db.run("ROLLBACK").await;
            let holders = describe(&seen);
            let Some(wait) = waits.next() else {
                return Err(Failure::from(failed.doing(format!("taking the fence, {ATTEMPTS} times")))
                    .detail(format!("in the way: {holders}")));
            };
            notices.waiting(format!("locks on blue, held by {holders}"));
            tokio::time::sleep(wait).await;
        }
    }

    /// What is left of the deadline.
    pub fn left(&self) -> Duration {
        self.deadline.saturating_duration_since(Instant::now())
    }

    /// Makes the server let go by itself when we don't come back in time: to be called before the session falls idle.
    pub async fn arm(&self) -> Result<()> {
        let millis = self.left().as_millis().max(1);
        Ok(self.db.run(&format!("SET LOCAL idle_in_transaction_session_timeout = {millis}")).await?)
    }

    /// Blue's structure under the fence, read in its own session: the catalog functions lock what they read, and any
    /// other session would queue behind a TRUNCATE or ALTER that waits for the fence, until the deadline (E, 15.18).
    pub async fn read_structure(&self) -> Result<Structure> {
        let structure = read_structure(&self.db).await?;
        self.arm().await?;
        Ok(structure)
    }

    /// Where the server stands that holds the fence.
    pub async fn read_timeline(&self) -> Result<Option<Timeline>> {
        let timeline = read_timeline(&self.db).await?;
        self.arm().await?;
        Ok(timeline)
    }

    /// COMMIT: the one point past which a cutover only goes forward.
    pub async fn decide(self, blue: &Target, run: &RunId) -> Decided {
        failpoint("decide.before_commit");
        let answer = tokio::time::timeout(COMMIT_TIMEOUT, self.db.run("COMMIT")).await;
        failpoint("decide.after_commit");
        match answer {
            Ok(Ok(())) => return Decided::Yes,
            Ok(Err(e)) => tracing::warn!("{e}: asking blue whether the fence was committed"),
            Err(_) => tracing::warn!("no answer to the COMMIT: asking blue whether the fence was committed"),
        }
        drop(self);
        ask(blue, run).await
    }

    /// Lets everybody on blue go on.
    pub async fn let_go(self) {
        // Where this fails the session is gone, and the fence with it.
        let _ = self.db.run("ROLLBACK").await;
    }
}

enum Attempt {
    Locks(Error),
    Final(Failure),
}

impl From<Error> for Attempt {
    fn from(e: Error) -> Self {
        // `statement_timeout` bounds the sum of the lock waits.
        if e.is_lock() || e.is_cancelled() {
            Self::Locks(e)
        } else {
            Self::Final(Failure::from(e.doing("taking the fence")))
        }
    }
}

impl From<Failure> for Attempt {
    fn from(failure: Failure) -> Self {
        Self::Final(failure)
    }
}

/// One attempt; when it asked for the lock that writers hold.
async fn attempt(db: &Db, order: &Order<'_>) -> Result<Instant, Attempt> {
    let millis = order.deadline.as_millis();
    db.run(&format!(
        "BEGIN; SET LOCAL lock_timeout = '{LOCK_TIMEOUT}'; SET LOCAL statement_timeout = {millis}; \
         SET LOCAL idle_in_transaction_session_timeout = {millis}; SET LOCAL synchronous_commit = on"
    ))
    .await?;
    // Compatible with every write: only DDL and TRUNCATE wait for this, or we for them.
    hold(db, order, Relkind::Table, "ROW EXCLUSIVE").await?;
    hold(db, order, Relkind::Partitioned, "SHARE UPDATE EXCLUSIVE").await?;
    // From here on nobody takes a trigger off or disables it: that wants SHARE ROW EXCLUSIVE, or more.
    if let Some(table) = triggers::unfenced(db, order.tables).await?.first() {
        let what = format!("{} has no trigger of the fence that always fires", table.plain());
        return Err(Attempt::Final(Failure::failed(what).detail("the next cutover puts it up again")));
    }
    // One that was enabled since the gates were asked: its worker fires no statement triggers (manual 31.8).
    let live = db.rows(include_str!("../../postgres/sql/select_live_subscriptions.sql"), &[]).await?;
    if let Some(row) = live.first() {
        let name: String = row.get("name");
        let what = format!("subscription {name} writes to blue past the fence");
        return Err(Attempt::Final(
            Failure::failed(what).detail(format!("end that: ALTER SUBSCRIPTION {name} DISABLE;")),
        ));
    }
    write_decision(db, order).await?;
    failpoint("fence.locked");
    let since = Instant::now();
    db.run("LOCK TABLE ONLY teal.fence IN SHARE ROW EXCLUSIVE MODE").await?;
    failpoint("fence.taken");
    Ok(since)
}

async fn hold(db: &Db, order: &Order<'_>, kind: Relkind, mode: &str) -> Result<(), Error> {
    let tables = order.tables.iter().filter(|table| table.kind == kind);
    let names: Vec<String> = tables.map(|table| format!("ONLY {}", table.name)).collect();
    if names.is_empty() {
        return Ok(());
    }
    db.run(&format!("LOCK TABLE {} IN {mode} MODE", names.join(", "))).await
}

async fn write_decision(db: &Db, order: &Order<'_>) -> Result<(), Attempt> {
    // That it exists is what the triggers ask for.
    db.run(
        "CREATE TABLE teal.decision (run text PRIMARY KEY, token bigint NOT NULL, host text NOT NULL, \
         at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp())",
    )
    .await?;
    let wrote = db
        .execute(
            "INSERT INTO teal.decision (run, token, host) SELECT $1, $2, $3 FROM teal.run WHERE token = $2",
            &[&order.run.0, &order.token, &order.host],
        )
        .await?;
    if wrote == 1 {
        return Ok(());
    }
    let lost = Failure::failed("lost the lease: another process took the run over").hint("migrate status");
    Err(Attempt::Final(lost))
}

/// Asks who is in the way for as long as it is polled, and keeps the last answer: to ask once the wait is over would make
/// those behind us wait for the answer too.
async fn watch(watcher: &Db, pid: i32, seen: &mut Vec<Holder>) -> Infallible {
    loop {
        tokio::time::sleep(LOOK).await;
        match waiting_for(watcher, pid).await {
            Ok(holders) if !holders.is_empty() => *seen = holders,
            _ => {}
        }
    }
}

fn describe(holders: &[Holder]) -> String {
    let one = |holder: &Holder| {
        // `teal.fence` tells nobody what it has written to.
        let relation = holder.relation.clone().filter(|relation| relation.schema.0 != "teal");
        Holder { relation, ..holder.clone() }.describe()
    };
    let named: Vec<String> = holders.iter().take(3).map(one).collect();
    if named.is_empty() { "somebody who is gone by now".to_owned() } else { named.join("; ") }
}
