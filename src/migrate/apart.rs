//! A migration file whose statements run without one transaction around them: each exactly once all the same.
//!
//! What a transaction can hold commits with its receipt in `teal.piece`. What none can hold is announced there first, with
//! what the catalog says before it; a resume that finds it announced and not done asks the catalog what became of it. What
//! can't be told is never guessed at: the copy is made again. The tool's bookkeeping and the file's own receipt come last,
//! in one transaction.

use std::time::{Duration, Instant};

use tokio_util::sync::CancellationToken;

use super::bookkeeping;
use super::file::{FileFacts, Order, facts_since, statement_failure, transaction_facts};
use crate::ddl::piece::{Alone, How, Piece, pieces};
use crate::error::{Context, Failure, Result};
use crate::failpoint::failpoint;
use crate::plan::digest;
use crate::postgres::{Db, literal};
use crate::step::{Notices, Unit};

/// How long a concurrent index build may wait for whoever holds an old snapshot on green: nobody but autovacuum should.
const WAIT: Duration = Duration::from_secs(600);

/// A piece as `teal.piece` has it.
struct Known {
    digest: String,
    done: bool,
    /// Object ids from before a statement that ran alone.
    before: Vec<u32>,
}

/// Runs what is not done of a file, in order, then records it. Fails as it is interrupted: the same call goes on.
pub(super) async fn run(db: &Db, order: &Order<'_>, notices: &Notices, stop: &CancellationToken) -> Result<FileFacts> {
    let sql = &order.migration.sql;
    let file = &order.migration.file;
    let pieces = pieces(sql).map_err(|refused| {
        let first = refused.first().map_or("a statement", |refused| refused.what);
        Failure::blocked(format!("{file}: {first} can't be run exactly once")).hint("migrate plan names each")
    })?;
    let path: String = db.row("SHOW search_path", &[]).await?.get(0);
    let begun = Instant::now();
    let mut facts = FileFacts { file: file.clone(), statements: sql.statements.len(), ..FileFacts::default() };
    let (_, _, _, wal_before) = transaction_facts(db).await?;
    for (number, piece) in pieces.iter().enumerate() {
        if stop.is_cancelled() {
            return Err(Failure::failed("interrupted").state("each statement is done or not, and it is known which"));
        }
        notices.progress(number as u64, pieces.len() as u64, Unit::Files, file.clone());
        let work = Work { db, order, piece, number: i32::try_from(number).unwrap_or(i32::MAX) };
        if piece.how == How::Session {
            work.run_statements().await?;
            continue;
        }
        match work.known().await? {
            Some(known) if known.digest != work.digest() => return Err(work.edited()),
            Some(known) if known.done => {
                if piece.dies_with_session {
                    return Err(work.lost_session());
                }
            }
            known => {
                let written = work.act(known).await?;
                facts.inserted += written.0;
                facts.updated += written.1;
                facts.deleted += written.2;
                facts.commits += 1;
            }
        }
    }
    let books = format!(
        "BEGIN; SET LOCAL lock_timeout = {}; RESET ROLE; SELECT pg_catalog.set_config('search_path', {}, true)",
        order.plan.lock_timeout.as_millis(),
        literal(&path)
    );
    db.run(&books).await?;
    bookkeeping::make_table(db, order.plan, order.migration.layout).await?;
    bookkeeping::record(db, order.plan, order.migration, begun.elapsed()).await?;
    let (_, _, _, wal_now) = transaction_facts(db).await?;
    facts.wal_bytes = wal_now.saturating_sub(wal_before);
    facts.commits += 1;
    super::file::write_receipt(db, order, &facts).await?;
    failpoint("migrate.before_commit");
    db.run("COMMIT").await.map_err(|e| Failure::from(e.doing(format!("{file}: COMMIT"))))?;
    failpoint("migrate.after_commit");
    Ok(facts)
}

/// One piece of one file.
struct Work<'a> {
    db: &'a Db,
    order: &'a Order<'a>,
    piece: &'a Piece,
    number: i32,
}

impl Work<'_> {
    /// What its statements say: an edit of one that is done would be lost.
    fn digest(&self) -> String {
        let sql = &self.order.migration.sql;
        let statements = sql.statements.get(self.piece.statements.clone()).unwrap_or_default();
        digest(statements.iter().map(|statement| statement.text(&sql.text).as_bytes()))
    }

    async fn known(&self) -> Result<Option<Known>> {
        let sql = "SELECT digest, done, before FROM teal.piece WHERE step = $1 AND number = $2";
        let row = self.db.maybe_row(sql, &[&self.order.step.as_str(), &self.number]).await;
        let row = row.context("looking for a statement's receipt")?;
        Ok(row.map(|row| Known { digest: row.get(0), done: row.get(1), before: row.get(2) }))
    }

    /// Runs it; gives the rows that it inserted, updated and deleted, as far as they can be known.
    async fn act(&self, known: Option<Known>) -> Result<(u64, u64, u64)> {
        match &self.piece.how {
            How::Alone(alone) => self.alone(alone, known).await.map(|()| (0, 0, 0)),
            How::Session | How::Transaction => self.in_transaction().await,
        }
    }

    async fn in_transaction(&self) -> Result<(u64, u64, u64)> {
        let lock_timeout = self.order.plan.lock_timeout.as_millis();
        self.db.run(&format!("BEGIN; SET LOCAL lock_timeout = {lock_timeout}")).await?;
        let before = transaction_facts(self.db).await?;
        self.run_statements().await?;
        let (inserted, updated, deleted, _) = facts_since(self.db, before).await?;
        self.write(true, &[]).await?;
        failpoint("migrate.piece.before_commit");
        let file = &self.order.migration.file;
        self.db.run("COMMIT").await.map_err(|e| Failure::from(e.doing(format!("{file}: COMMIT"))))?;
        failpoint("migrate.piece.after_commit");
        Ok((inserted, updated, deleted))
    }

    async fn run_statements(&self) -> Result<()> {
        let sql = &self.order.migration.sql;
        for statement in sql.statements.get(self.piece.statements.clone()).unwrap_or_default() {
            let ran = self.db.run(statement.text(&sql.text)).await;
            ran.map_err(|e| statement_failure(self.order, statement, &e))?;
        }
        Ok(())
    }

    /// Announced, run, marked done. `known`: it was announced by a process that is gone, or failed.
    async fn alone(&self, alone: &Alone, known: Option<Known>) -> Result<()> {
        let before = if let Some(known) = known {
            if self.has_happened(alone, &known.before).await? {
                return self.write(true, &known.before).await;
            }
            known.before
        } else {
            let before = self.before(alone).await?;
            self.write(false, &before).await?;
            before
        };
        failpoint("migrate.piece.announced");
        self.db.run(&format!("SET lock_timeout = {}", WAIT.as_millis())).await?;
        let ran = self.run_statements().await;
        if let Err(failure) = ran {
            // The server said no: clean up and forget it, so that the statement may be mended. Where it can't be asked any
            // more, the next process does.
            if let Ok(false) = self.has_happened(alone, &before).await {
                let sql = "DELETE FROM teal.piece WHERE step = $1 AND number = $2";
                self.db.execute(sql, &[&self.order.step.as_str(), &self.number]).await?;
            }
            return Err(failure);
        }
        self.db.run("SET lock_timeout = 0").await?;
        failpoint("migrate.piece.acted");
        self.write(true, &before).await
    }

    /// What the catalog has before a statement that is judged by it.
    async fn before(&self, alone: &Alone) -> Result<Vec<u32>> {
        match alone {
            Alone::CreateIndex(table) => self.oids(include_str!("../postgres/sql/select_index_oids.sql"), table).await,
            Alone::DropIndex(index) => self.oids(include_str!("../postgres/sql/select_index_oid.sql"), index).await,
            Alone::Reindex => Ok(self.half_reindexed(&[]).await?.into_iter().map(|(oid, _)| oid).collect()),
            Alone::Repeatable => Ok(Vec::new()),
        }
    }

    /// Whether an announced statement has had its effect. What an interrupted one left half done is dropped, so that it
    /// can run again.
    async fn has_happened(&self, alone: &Alone, before: &[u32]) -> Result<bool> {
        match alone {
            Alone::CreateIndex(table) => {
                // Nobody else builds on green: an index of this table that was not there is this statement's.
                let sql = include_str!("../postgres/sql/select_new_indexes.sql");
                let rows = self.db.rows(sql, &[table, &before]).await.context("looking for a half-built index")?;
                let mut built = false;
                for row in rows {
                    if row.get::<_, bool>("valid") {
                        built = true;
                    } else {
                        self.drop_index(&row.get::<_, String>("name")).await?;
                    }
                }
                Ok(built)
            }
            // The index that had this name then, not one that has it now. None had it: IF EXISTS, or it failed.
            Alone::DropIndex(_) => match before.first() {
                None => Ok(false),
                Some(oid) => {
                    let there = "SELECT EXISTS (SELECT FROM pg_catalog.pg_class WHERE oid = $1)";
                    Ok(!self.db.row(there, &[oid]).await?.get::<_, bool>(0))
                }
            },
            Alone::Reindex => {
                for (_, name) in self.half_reindexed(before).await? {
                    self.drop_index(&name).await?;
                }
                Ok(false)
            }
            Alone::Repeatable => Ok(false),
        }
    }

    async fn oids(&self, sql: &str, name: &str) -> Result<Vec<u32>> {
        let rows = self.db.rows(sql, &[&name]).await.context("reading a table's indexes")?;
        Ok(rows.iter().map(|row| row.get(0)).collect())
    }

    /// What an interrupted REINDEX CONCURRENTLY left: invalid indexes with its endings, that were not invalid before.
    async fn half_reindexed(&self, before: &[u32]) -> Result<Vec<(u32, String)>> {
        let sql = include_str!("../postgres/sql/select_half_reindexed.sql");
        let rows = self.db.rows(sql, &[&before]).await.context("looking for half-built indexes")?;
        Ok(rows.iter().map(|row| (row.get("oid"), row.get("name"))).collect())
    }

    /// `name` is quoted by the server.
    async fn drop_index(&self, name: &str) -> Result<()> {
        tracing::info!(index = name, "dropping what an interrupted build left");
        self.db
            .run(&format!("DROP INDEX {name}"))
            .await
            .map_err(|e| e.doing(format!("dropping the half-built {name}")))?;
        Ok(())
    }

    async fn write(&self, done: bool, before: &[u32]) -> Result<()> {
        let sql = include_str!("../postgres/sql/upsert_piece.sql");
        let digest = self.digest();
        let params: [&(dyn tokio_postgres::types::ToSql + Sync); 5] =
            [&self.order.step.as_str(), &self.number, &digest, &done, &before];
        self.db.execute(sql, &params).await.context("writing a statement's receipt")?;
        Ok(())
    }

    fn line(&self) -> usize {
        self.order.migration.sql.statements.get(self.piece.statements.start).map_or(1, |statement| statement.line)
    }

    fn edited(&self) -> Failure {
        let path = self.order.migration.path.display();
        Failure::blocked(format!("{path}:{}: the statement here was begun or done in another form", self.line()))
            .state("the statements of this file up to there are on green; blue serves")
            .hint("put it back as it was (later ones may be edited), or: migrate apply --redo snapshot/copy")
    }

    fn lost_session(&self) -> Failure {
        let path = self.order.migration.path.display();
        let what = "what it made lived in a session that is gone, and the rest of the file may need it";
        Failure::blocked(format!("{path}:{}: {what}", self.line()))
            .state("a part of this file is on green; blue serves")
            .hint("make the copy again: migrate apply --redo snapshot/copy")
    }
}
