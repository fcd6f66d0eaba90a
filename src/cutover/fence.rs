//! The fence: one transaction on blue that holds all writers. Its COMMIT is `decide`.
//!
//! It locks every table and leaf in SHARE ROW EXCLUSIVE MODE (readers go on, writers wait in the queue), puts on each a
//! statement trigger that always fires and denies every write, and writes the decision row. Everything but COMMIT
//! reopens blue by itself: ROLLBACK, a lost session, our own death, the server's `idle_in_transaction_session_timeout`,
//! which is what remains of the deadline. The writers that waited then succeed. After COMMIT every role is refused,
//! superusers and replica-role sessions included (mechanics.md has the experiments and why not the usual ways).

use std::time::{Duration, Instant};

use backon::{BackoffBuilder, ExponentialBuilder};
use serde::{Deserialize, Serialize};

use crate::catalog::{Structure, Table, Timeline, read_structure, read_timeline, waiting_for};
use crate::error::{Context, Failure, Result};
use crate::failpoint::failpoint;
use crate::journal::RunId;
use crate::postgres::{Access, Db, Error, Ident, Name, Target, literal};
use crate::step::Notices;

/// The trigger on every fenced table.
const TRIGGER: &str = "teal_fence";
/// How a fence's session is told from others', to end one that a dead coordinator left.
const APPLICATION: &str = "teal fence";
/// Per table, in one attempt: while we wait in a queue, everybody behind us waits as long.
const LOCK_TIMEOUT: Duration = Duration::from_millis(500);
/// Attempts at all the locks, with jitter between them.
const ATTEMPTS: usize = 10;
/// How long to ask after a decision whose COMMIT got no answer, before it counts as in doubt.
const ASK_FOR: Duration = Duration::from_secs(20);
/// How long the COMMIT may stay without an answer. Its `statement_timeout` ends a wait for a synchronous standby sooner; a
/// server that is silent for longer is asked by a new session, which ends this one first.
const COMMIT_TIMEOUT: Duration = Duration::from_secs(30);

/// The locks are held, the triggers made, the decision written: all of it visible to nobody yet.
#[derive(Debug)]
pub struct Fence {
    db: Db,
    /// When the locks were asked for in the attempt that got them: writers wait since then.
    pub since: Instant,
    deadline: Instant,
}

/// The row that says that the fence was committed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decision {
    /// Of which run.
    pub run: RunId,
    /// Under which fencing token.
    pub token: i64,
    /// By which machine.
    pub host: String,
    /// When, as the server writes it.
    pub at: String,
}

/// What became of a COMMIT that got no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decided {
    /// The fence is committed.
    Yes,
    /// It is not, and never will be.
    No,
    /// Blue can't be asked.
    Unknown(String),
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
    /// The tables to fence, leaves and parents.
    pub tables: &'a [Table],
    /// From the locks to the COMMIT.
    pub deadline: Duration,
    /// What a refused writer reads: where the data lives now.
    pub refusal: &'a str,
}

impl Fence {
    /// Takes the fence, trying again with jitter when a lock is not to be had, and naming who holds it. `still` is asked before
    /// each attempt: all of them together take a minute, in which a window may close.
    pub async fn take(
        blue: &Target,
        order: &Order<'_>,
        still: impl AsyncFn(&Db) -> Result<()>,
        notices: &Notices,
    ) -> Result<Self> {
        let db = blue.connect(Access::ReadWrite).await?;
        db.run(&format!("SET application_name = {}", literal(APPLICATION))).await?;
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
            let since = Instant::now();
            let attempt = Self::attempt(&db, order);
            let failed = match attempt.await {
                Ok(()) => return Ok(Self { db, since, deadline: since + order.deadline }),
                Err(Attempt::Locks(e)) => e,
                Err(Attempt::Final(failure)) => return Err(failure),
            };
            let holders = name_holders(&watcher, pid, order.tables).await;
            let _ = db.run("ROLLBACK").await;
            let Some(wait) = waits.next() else {
                return Err(Failure::from(failed.doing(format!("taking the fence, {ATTEMPTS} times")))
                    .detail(format!("in the way: {holders}")));
            };
            notices.waiting(format!("locks on blue, held by {holders}"));
            tokio::time::sleep(wait).await;
        }
    }

    async fn attempt(db: &Db, order: &Order<'_>) -> Result<(), Attempt> {
        let millis = order.deadline.as_millis();
        db.run(&format!(
            "BEGIN; SET LOCAL lock_timeout = {}; SET LOCAL statement_timeout = {millis}; \
             SET LOCAL idle_in_transaction_session_timeout = {millis}; SET LOCAL synchronous_commit = on",
            LOCK_TIMEOUT.as_millis()
        ))
        .await?;
        if !order.tables.is_empty() {
            let names: Vec<String> = order.tables.iter().map(|table| format!("ONLY {}", table.name)).collect();
            db.run(&format!("LOCK TABLE {} IN SHARE ROW EXCLUSIVE MODE", names.join(", "))).await?;
        }
        failpoint("fence.locked");
        db.run(&deny_script(order)).await?;
        let wrote = db
            .execute(
                "INSERT INTO teal.decision (run, token, host) SELECT $1, $2, $3 FROM teal.run WHERE token = $2",
                &[&order.run.0, &order.token, &order.host],
            )
            .await?;
        if wrote != 1 {
            let lost = Failure::failed("lost the lease: another process took the run over").hint("migrate status");
            return Err(Attempt::Final(lost));
        }
        failpoint("fence.taken");
        Ok(())
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

async fn name_holders(watcher: &Db, pid: i32, tables: &[Table]) -> String {
    let names: Vec<Name> = tables.iter().map(|table| table.name.clone()).collect();
    // The wait is over when we ask: whoever blocks the lock mode, however young, is named.
    let mut holders = waiting_for(watcher, pid).await.unwrap_or_default();
    if holders.is_empty() {
        holders = crate::catalog::blockers_of(watcher, &names, Duration::ZERO).await.unwrap_or_default();
    }
    let named: Vec<String> = holders.iter().take(3).map(crate::catalog::Holder::describe).collect();
    if named.is_empty() { "somebody who is gone by now".to_owned() } else { named.join("; ") }
}

fn deny_script(order: &Order<'_>) -> String {
    let trigger = Ident::new(TRIGGER);
    let function = format!(
        "CREATE TABLE IF NOT EXISTS teal.decision (run text PRIMARY KEY, token bigint NOT NULL, host text NOT NULL, \
         at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp());
         CREATE OR REPLACE FUNCTION teal.refuse() RETURNS trigger LANGUAGE plpgsql \
         SET search_path = pg_catalog, pg_temp AS {};\n",
        literal(&format!(
            "BEGIN RAISE EXCEPTION {} USING ERRCODE = 'read_only_sql_transaction', HINT = {}; END",
            literal("this database was retired by an upgrade and takes no more writes"),
            literal(order.refusal)
        ))
    );
    let one = |table: &Table| {
        format!(
            "CREATE TRIGGER {trigger} BEFORE INSERT OR UPDATE OR DELETE OR TRUNCATE ON {0} \
             FOR EACH STATEMENT EXECUTE FUNCTION teal.refuse();
             ALTER TABLE ONLY {0} ENABLE ALWAYS TRIGGER {trigger};\n",
            table.name
        )
    };
    function + &order.tables.iter().map(one).collect::<String>()
}

/// Whether the fence of `run` was committed, asked of blue itself: ends a fence session that may still be at it, waits
/// until it is gone, then looks for the decision row.
pub async fn ask(blue: &Target, run: &RunId) -> Decided {
    let until = Instant::now() + ASK_FOR;
    loop {
        // A server that takes the connection and says nothing more must not hold us for ever.
        let left = until.saturating_duration_since(Instant::now());
        let Ok(answer) = tokio::time::timeout(left, try_ask(blue, run)).await else {
            return Decided::Unknown("blue does not answer".to_owned());
        };
        match answer {
            Ok(Some(decided)) => return decided,
            Err(e) if Instant::now() > until => return Decided::Unknown(e.what),
            Ok(None) if Instant::now() > until => {
                return Decided::Unknown("the fence's session on blue does not end".to_owned());
            }
            _ => tokio::time::sleep(Duration::from_millis(250)).await,
        }
    }
}

/// `None`: a fence session is still there.
async fn try_ask(blue: &Target, run: &RunId) -> Result<Option<Decided>> {
    let db = blue.connect(Access::ReadOnly).await?;
    let standby: bool = db.row("SELECT pg_catalog.pg_is_in_recovery()", &[]).await?.get(0);
    if standby {
        // It may lag behind the server that has the decision.
        return Err(Failure::failed("blue is a standby: its primary must be asked"));
    }
    let still: i64 = db.row(include_str!("../postgres/sql/end_fence_sessions.sql"), &[&APPLICATION]).await?.get(0);
    if still > 0 {
        return Ok(None);
    }
    let decision = read_decision(&db).await?;
    Ok(Some(if decision.is_some_and(|decision| decision.run == *run) { Decided::Yes } else { Decided::No }))
}

/// The decision row on blue, if a fence was ever committed there.
pub async fn read_decision(blue: &Db) -> Result<Option<Decision>> {
    let exists: bool = blue.row("SELECT pg_catalog.to_regclass('teal.decision') IS NOT NULL", &[]).await?.get(0);
    if !exists {
        return Ok(None);
    }
    let row = blue.maybe_row("SELECT run, token, host, at::text FROM teal.decision", &[]).await?;
    Ok(row.map(|row| Decision { run: RunId(row.get(0)), token: row.get(1), host: row.get(2), at: row.get(3) }))
}

/// Takes a committed fence down: blue takes writes again. Only for `finish --unfence`, in one transaction.
pub async fn drop_fence(blue: &Db) -> Result<u64> {
    let rows = blue.rows(include_str!("../postgres/sql/select_fences.sql"), &[&TRIGGER]).await?;
    let trigger = Ident::new(TRIGGER);
    let one = |row: &tokio_postgres::Row| {
        let table = Name::new(row.get::<_, String>("schema"), row.get::<_, String>("name"));
        format!("DROP TRIGGER {trigger} ON {table};\n")
    };
    let drops: String = rows.iter().map(one).collect();
    let script = format!(
        "BEGIN; SET LOCAL lock_timeout = '5s'; {drops} DROP FUNCTION IF EXISTS teal.refuse(); \
         DROP TABLE IF EXISTS teal.decision; COMMIT"
    );
    if let Err(e) = blue.run(&script).await {
        let _ = blue.run("ROLLBACK").await;
        return Err(e).context("taking the fence down");
    }
    Ok(rows.len() as u64)
}

/// Whether any table of blue carries a fence.
pub async fn fence_exists(blue: &Db) -> Result<bool> {
    Ok(!blue.rows(include_str!("../postgres/sql/select_fences.sql"), &[&TRIGGER]).await?.is_empty())
}
