//! Files in their order, on the shadow.

use std::collections::BTreeSet;

use super::witness::{Seen, SeenRelation, Snapshots, look, observe_after};
use crate::ddl::assess::Touch;
use crate::ddl::read::{Reading, read};
use crate::ddl::transaction::{Unfit, unfit};
use crate::ddl::{SqlFile, Statement};
use crate::error::{Context, Result};
use crate::postgres::{Access, Db, Error, Target};

/// How long one statement may run on an empty database before it is taken for one that never ends.
const STATEMENT_TIMEOUT: &str = "SET statement_timeout = '60s'";

/// What became of one statement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// It ran, and this is what it did.
    Seen(Seen),
    /// It ran where its locks can't be seen; why.
    Unseen(&'static str),
    /// The server refused it, and with it the rest of the chain.
    Failed {
        /// What the server said.
        what: String,
        /// Where in the statement, in characters from 1.
        position: Option<usize>,
    },
    /// A statement before it was refused.
    NotReached,
}

impl Step {
    /// What it did to relations that others may be using, in the terms of a judgement.
    pub fn touches(&self) -> Vec<Touch> {
        let Self::Seen(seen) = self else { return Vec::new() };
        let touch = |one: &SeenRelation| {
            let SeenRelation { relation, mode, rewrite, scan } = one.clone();
            Some(Touch { relation, mode: mode?, rewrite, scan, new: false })
        };
        seen.relations.iter().filter_map(touch).collect()
    }
}

/// Makes what [`trace`] sees by, once for a shadow; needs a superuser.
pub async fn prepare(shadow: &Target) -> Result<()> {
    let db = shadow.connect(Access::ReadWrite).await?;
    db.run(include_str!("../../postgres/sql/create_witness.sql")).await.context("the witness of the shadow")
}

/// Files run one after the other on a shadow that [`prepare`] has prepared. What a file does stays: the next one meets it.
#[derive(Debug)]
pub struct Chain<'a> {
    shadow: &'a Target,
    /// Whether a statement was refused: what follows would not meet what it is meant for.
    broken: bool,
}

impl<'a> Chain<'a> {
    /// Before its first file.
    pub fn on(shadow: &'a Target) -> Self {
        Self { shadow, broken: false }
    }

    /// Runs the next file, in one transaction or statement by statement; what each statement did, in their order.
    pub async fn run(&mut self, file: &SqlFile, in_transaction: bool) -> Result<Vec<Step>> {
        if self.broken {
            return Ok(vec![Step::NotReached; file.statements.len()]);
        }
        let steps = run(self.shadow, file, in_transaction).await?;
        self.broken = steps.iter().any(|step| matches!(step, Step::Failed { .. }));
        Ok(steps)
    }
}

/// A session of its own for each file, so that its settings and temporary tables end with it.
async fn run(shadow: &Target, file: &SqlFile, in_transaction: bool) -> Result<Vec<Step>> {
    let db = shadow.connect(Access::ReadWrite).await?;
    db.run(STATEMENT_TIMEOUT).await?;
    let first = look(&db).await?;
    let mut run = Run { db: &db, there: first.keys().copied().collect(), block: in_transaction, last: None };
    if in_transaction {
        db.run("BEGIN").await?;
    }
    let mut steps = Vec::with_capacity(file.statements.len());
    let mut refused = false;
    for statement in &file.statements {
        let step = if refused { Step::NotReached } else { run.statement(statement, file).await? };
        refused |= matches!(step, Step::Failed { .. });
        steps.push(step);
    }
    if refused {
        db.run("ROLLBACK").await?;
    } else if run.block
        && let Err(e) = db.run("COMMIT").await
        && let Some(last) = steps.last_mut()
    {
        // Deferred constraints and triggers speak at the end; a lost server is another matter.
        *last = failed(e)?;
    }
    Ok(steps)
}

struct Run<'a> {
    db: &'a Db,
    /// The relations that others may be using: there before the file.
    there: BTreeSet<u32>,
    /// Whether a transaction block is open.
    block: bool,
    /// What the last statement of the block left.
    last: Option<Snapshots>,
}

impl Run<'_> {
    async fn statement(&mut self, statement: &Statement, file: &SqlFile) -> Result<Step> {
        let text = statement.text(&file.text);
        match (read(text), unfit(statement, &file.text)) {
            (_, Some((Unfit::NotTransactional, what))) => {
                // Where it stands in a block the server refuses it, and lint says so; the chain goes on all the same.
                let around = if self.block { ("COMMIT", "BEGIN") } else { ("", "") };
                self.last = None;
                self.db.run(around.0).await?;
                let ran = self.db.run(text).await;
                self.db.run(around.1).await?;
                ran.map_or_else(failed, |()| Ok(Step::Unseen(what)))
            }
            (reading @ (Reading::Begin | Reading::Commit | Reading::Rollback), _) => {
                self.last = None;
                self.block = reading == Reading::Begin;
                let ran = self.db.run(text).await;
                ran.map_or_else(failed, |()| Ok(Step::Seen(Seen::default())))
            }
            _ if self.block => {
                let seen = self.observe(text).await;
                seen.map_or_else(failed, |seen| Ok(Step::Seen(seen)))
            }
            _ => {
                self.last = None;
                self.db.run("BEGIN").await?;
                let seen = self.observe(text).await;
                let ended = self.db.run("COMMIT").await;
                seen.and_then(|seen| ended.map(|()| seen)).map_or_else(failed, |seen| Ok(Step::Seen(seen)))
            }
        }
    }

    async fn observe(&mut self, text: &str) -> Result<Seen, Error> {
        let before = match self.last.take() {
            Some(before) => before,
            None => look(self.db).await?,
        };
        let (seen, after) = observe_after(self.db, text, &before, &self.there).await?;
        self.last = Some(after);
        Ok(seen)
    }
}

/// What the server refuses is a result; a server that is gone is none.
fn failed(e: Error) -> Result<Step> {
    if e.server().is_none() || e.is_lost() {
        return Err(e.into());
    }
    Ok(Step::Failed { what: e.message(), position: e.position() })
}
