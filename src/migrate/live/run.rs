//! A file, statement by statement.

use std::time::Instant;

use tokio_util::sync::CancellationToken;

use super::super::bookkeeping;
use super::super::file::{FileFacts, Order, facts_since, transaction_facts, write_receipt};
use super::patient::{Bounds, Inside, patiently};
use super::watch::Watch;
use super::{alone, batches};
use crate::error::{Context, Failure, Result};
use crate::failpoint::failpoint;
use crate::plan::digest;
use crate::postgres::{Access, Db, Error, Target, literal};
use crate::step::{LiveHow, LivePart, LiveStep, Notices, StepId, Unit};

/// One file to run on blue.
#[derive(Debug)]
pub struct LiveOrder<'a> {
    /// The file, its bookkeeping, its step.
    pub order: Order<'a>,
    /// What is run, as it was approved.
    pub parts: &'a [LivePart],
}

/// A statement of a file that is in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Done {
    /// Its line in the file.
    pub line: usize,
    /// What was run.
    pub sql: String,
    /// Whether all of it is known to be in; else it was announced and may have left something.
    pub whole: bool,
    /// Object ids from before it, where it ran outside a transaction.
    pub before: Vec<u32>,
}

/// Our receipts on blue.
pub async fn prepare_blue(blue: &Db) -> Result<()> {
    let receipts = include_str!("../../postgres/sql/create_receipts.sql");
    for sql in [receipts, include_str!("../../postgres/sql/create_migrated.sql")] {
        blue.run(sql).await.map_err(|e| e.doing("making the receipts"))?;
    }
    Ok(())
}

/// What of a file is in, by its receipts; nothing where there are none any more.
pub async fn done_so_far(blue: &Db, step: &StepId, parts: &[LivePart]) -> Result<Vec<Done>> {
    let there: bool = blue.row("SELECT pg_catalog.to_regclass('teal.piece') IS NOT NULL", &[]).await?.get(0);
    if !there {
        return Ok(Vec::new());
    }
    let sql = "SELECT number, done, before FROM teal.piece WHERE step = $1 ORDER BY number";
    let rows = blue.rows(sql, &[&step.as_str()]).await.context("reading a file's receipts")?;
    let all: Vec<(usize, &LiveStep)> =
        parts.iter().flat_map(|part| part.steps.iter().map(|step| (part.line, step))).collect();
    let one = |row: &tokio_postgres::Row| {
        let (line, step) = all.get(usize::try_from(row.get::<_, i32>("number")).ok()?)?;
        Some(Done { line: *line, sql: step.sql.clone(), whole: row.get("done"), before: row.get("before") })
    };
    Ok(rows.iter().filter_map(one).collect())
}

/// Runs what is not done of a file, in order, then records it. Fails as it is interrupted: the same call goes on.
pub async fn run_live(
    blue: &Target,
    order: &LiveOrder<'_>,
    notices: &Notices,
    stop: &CancellationToken,
) -> Result<FileFacts> {
    let (db, watcher) = (blue.connect(Access::ReadWrite).await?, blue.connect(Access::ReadOnly).await?);
    db.run(include_str!("../../postgres/sql/reset_session.sql")).await?;
    let begun = Instant::now();
    let pid = db.backend_pid().await?;
    let watch = Watch { watcher: &watcher, db: &db, pid, notices };
    let ran = tokio::select! {
        ran = run(&watch, order, notices, stop) => ran,
        () = stop.cancelled() => {
            db.cancel().await;
            Err(Failure::failed("interrupted").state("the statement under way is cancelled; those before it are kept"))
        }
    };
    let mut facts = ran?;
    facts.millis = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
    Ok(facts)
}

async fn run(
    watch: &Watch<'_>,
    live: &LiveOrder<'_>,
    notices: &Notices,
    stop: &CancellationToken,
) -> Result<FileFacts> {
    let Order { migration, .. } = live.order;
    let path: String = watch.db.row("SHOW search_path", &[]).await?.get(0);
    let books = Books { live, path, begun: Instant::now() };
    let steps: Vec<Work<'_>> = live
        .parts
        .iter()
        .flat_map(|part| part.steps.iter().map(move |step| (part, step)))
        .enumerate()
        .map(|(number, (part, step))| Work {
            watch,
            live,
            part,
            step,
            number: i32::try_from(number).unwrap_or(i32::MAX),
        })
        .collect();
    let mut facts =
        FileFacts { file: migration.file.clone(), statements: migration.sql.statements.len(), ..FileFacts::default() };
    let wal_before = transaction_facts(watch.db).await?.3;
    let mut recorded = false;
    for (at, work) in steps.iter().enumerate() {
        if stop.is_cancelled() {
            return Err(Failure::failed("interrupted").state("each statement is done or not, and it is known which"));
        }
        notices.progress(at as u64, steps.len() as u64, Unit::Statements, work.title());
        let known = work.known().await?;
        match (&work.step.how, known) {
            (LiveHow::Session, _) => work.run_here(watch.db).await.map_err(|e| work.refused(&e))?,
            (_, Some(known)) if known.digest != work.digest() => return Err(work.edited()),
            (_, Some(known)) if known.done && work.dies_with_session() => return Err(work.lost_session()),
            (_, Some(known)) if known.done => {}
            (LiveHow::Brief | LiveHow::Long | LiveHow::AsWritten, _) => {
                let last = (at + 1 == steps.len()).then_some(&books);
                let written = work.in_transaction(last, &facts, wal_before).await?;
                facts.inserted += written.0;
                facts.updated += written.1;
                facts.deleted += written.2;
                facts.commits += 1;
                recorded = last.is_some();
            }
            (LiveHow::Concurrent { leaves }, known) => {
                alone::run(work, leaves.as_deref(), known).await?;
                facts.commits += 1;
            }
            (LiveHow::Batches(batches), _) => {
                let written = batches::run(work, batches, stop).await?;
                facts.updated += written.updated;
                facts.deleted += written.deleted;
                facts.commits += written.commits;
            }
        }
    }
    if recorded {
        // What was written inside that transaction had it counted.
        return Ok(super::super::file::already_in(watch.db, live.order.step).await?.map_or(facts, |(_, facts)| facts));
    }
    let bounds = Bounds { lock_timeout: live.order.plan.lock_timeout, brief: true };
    let what = format!("{}: recording it", migration.file);
    facts.commits += 1;
    patiently(watch, bounds, &what, async |db| books.write(db, &facts, wal_before).await.map_err(Inside::Other))
        .await?;
    failpoint("live.recorded");
    Ok(facts)
}

/// The tool's bookkeeping and the file's receipt.
struct Books<'a> {
    live: &'a LiveOrder<'a>,
    /// The path that the session began with.
    path: String,
    begun: Instant,
}

impl Books<'_> {
    /// In the transaction that is open. The file may have changed path and role for its own names; the books are kept under
    /// the default, and what it has set lasts for its other statements.
    async fn write(&self, db: &Db, facts: &FileFacts, wal_before: u64) -> Result<()> {
        let Order { migration, plan, .. } = self.live.order;
        let path = literal(&self.path);
        db.run(&format!("SET LOCAL ROLE NONE; SELECT pg_catalog.set_config('search_path', {path}, true)")).await?;
        bookkeeping::make_table(db, plan, migration.layout).await?;
        bookkeeping::record(db, plan, migration, self.begun.elapsed()).await?;
        let wal_now = transaction_facts(db).await?.3;
        let facts = FileFacts { wal_bytes: wal_now.saturating_sub(wal_before), ..facts.clone() };
        write_receipt(db, &self.live.order, &facts).await
    }
}

/// A statement as `teal.piece` has it.
pub(super) struct Known {
    pub(super) digest: String,
    pub(super) done: bool,
    /// Object ids from before a statement that ran alone.
    pub(super) before: Vec<u32>,
}

/// One thing that is run.
pub(super) struct Work<'a> {
    pub(super) watch: &'a Watch<'a>,
    pub(super) live: &'a LiveOrder<'a>,
    pub(super) part: &'a LivePart,
    pub(super) step: &'a LiveStep,
    pub(super) number: i32,
}

impl Work<'_> {
    pub(super) fn digest(&self) -> String {
        digest([self.step.sql.as_bytes()])
    }

    /// `002_state.sql:3`.
    pub(super) fn place(&self) -> String {
        format!("{}:{}", self.live.order.migration.file, self.part.line)
    }

    /// For progress: the place and the first words.
    fn title(&self) -> String {
        let words: Vec<&str> = self.step.sql.split_whitespace().take(6).collect();
        format!("{} {}", self.place(), words.join(" "))
    }

    async fn known(&self) -> Result<Option<Known>> {
        let sql = "SELECT digest, done, before FROM teal.piece WHERE step = $1 AND number = $2";
        let row = self.watch.db.maybe_row(sql, &[&self.live.order.step.as_str(), &self.number]).await;
        let row = row.context("looking for a statement's receipt")?;
        Ok(row.map(|row| Known { digest: row.get(0), done: row.get(1), before: row.get(2) }))
    }

    pub(super) async fn run_here(&self, db: &Db) -> Result<(), Error> {
        db.run(&self.step.sql).await
    }

    /// The statement, its receipt, and, where it is the last one, the books; gives the rows inserted, updated and deleted.
    async fn in_transaction(
        &self,
        books: Option<&Books<'_>>,
        facts: &FileFacts,
        wal_before: u64,
    ) -> Result<(u64, u64, u64)> {
        let bounds = Bounds { lock_timeout: self.live.order.plan.lock_timeout, brief: self.step.how == LiveHow::Brief };
        let written = std::cell::Cell::new((0, 0, 0));
        let inside = async |db: &Db| {
            let before = transaction_facts(db).await.map_err(|e| Inside::Other(e.into()))?;
            self.run_here(db).await.map_err(|e| {
                let shown = self.refused(&e);
                Inside::Server(e, shown)
            })?;
            let rest = async {
                let (inserted, updated, deleted, _) = facts_since(db, before).await?;
                written.set((inserted, updated, deleted));
                db.run("SET LOCAL ROLE NONE").await?;
                self.write(db, true, &[]).await?;
                if let Some(books) = books {
                    let mut facts = facts.clone();
                    facts.inserted += inserted;
                    facts.updated += updated;
                    facts.deleted += deleted;
                    facts.commits += 1;
                    books.write(db, &facts, wal_before).await?;
                }
                Ok::<_, Failure>(())
            };
            rest.await.map_err(Inside::Other)?;
            failpoint("live.before_commit");
            Ok(())
        };
        patiently(self.watch, bounds, &self.place(), inside).await?;
        failpoint("live.after_commit");
        Ok(written.get())
    }

    /// The receipt: announced, or done. In a transaction whose role the file may have changed, as ourselves.
    pub(super) async fn write(&self, db: &Db, done: bool, before: &[u32]) -> Result<()> {
        let sql = include_str!("../../postgres/sql/upsert_piece.sql");
        let digest = self.digest();
        let params: [&(dyn tokio_postgres::types::ToSql + Sync); 5] =
            [&self.live.order.step.as_str(), &self.number, &digest, &done, &before];
        db.execute(sql, &params).await.context("writing a statement's receipt")?;
        Ok(())
    }

    pub(super) async fn forget(&self, db: &Db) -> Result<()> {
        let sql = "DELETE FROM teal.piece WHERE step = $1 AND number = $2";
        db.execute(sql, &[&self.live.order.step.as_str(), &self.number]).await?;
        Ok(())
    }

    fn dies_with_session(&self) -> bool {
        crate::ddl::piece::is_of_session(&self.step.sql)
    }

    /// The failure as the operator needs it: file, line, what was run, all that the server said.
    pub(super) fn refused(&self, e: &Error) -> Failure {
        let path = self.live.order.migration.path.display();
        let mut lines = vec![self.step.sql.clone()];
        if let Some(server) = e.server() {
            lines.extend(server.detail().map(|d| format!("detail: {d}")));
            lines.extend(server.hint().map(|h| format!("server's hint: {h}")));
            lines.extend(server.where_().map(|w| format!("where: {w}")));
        }
        let code = e.code().map(|code| format!(" ({})", code.code())).unwrap_or_default();
        Failure::failed(format!("{path}:{}: blue: {}{code}", self.part.line, e.message()))
            .at(&self.live.order.migration.path, self.part.line)
            .detail(lines.join("\n"))
            .state("this statement is not done; those before it in the file stay; blue serves")
            .hint("mend what it says in the data, then run the same command again: it goes on with this statement")
    }

    fn edited(&self) -> Failure {
        let path = self.live.order.migration.path.display();
        Failure::blocked(format!("{path}:{}: the statement here was begun or done in another form", self.part.line))
            .state("the statements of this file up to there are in; blue serves")
            .hint("put it back as it was, or see what is in and end this run: migrate abort")
    }

    fn lost_session(&self) -> Failure {
        let path = self.live.order.migration.path.display();
        let what = "what it made lived in a session that is gone, and the rest of the file may need it";
        Failure::blocked(format!("{path}:{}: {what}", self.part.line))
            .state("a part of this file is in; blue serves")
            .hint("run the rest of the file by hand, then end this run: migrate abort says what is in")
    }
}
