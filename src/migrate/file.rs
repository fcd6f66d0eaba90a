//! One migration file: all its statements, its bookkeeping and our receipt in one transaction on green, unless its tool
//! takes it out of one ([`super::apart`]).

use std::time::Instant;

use serde::{Deserialize, Serialize};
use tokio_util::sync::CancellationToken;

use super::{apart, bookkeeping};
use crate::ddl::Migration;
use crate::error::{Context, Failure, Result};
use crate::failpoint::failpoint;
use crate::plan;
use crate::postgres::{Access, Db, Error, Target, literal};
use crate::step::{Notices, StepId, Unit};

/// What one file did to green.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileFacts {
    /// The file's name.
    pub file: String,
    /// Statements run.
    pub statements: usize,
    /// Rows inserted, cascades and triggers included.
    pub inserted: u64,
    /// Rows updated.
    pub updated: u64,
    /// Rows deleted.
    pub deleted: u64,
    /// Bytes written to the server's log meanwhile.
    pub wal_bytes: u64,
    /// Bytes spilled to temporary files; 0 where the run was interrupted between the commit and the question.
    pub temp_bytes: u64,
    /// Commits: 1, or one more than it has parts where its statements run one by one.
    pub commits: u64,
    /// From BEGIN to COMMIT.
    pub millis: u64,
}

/// One file to run.
#[derive(Debug)]
pub struct Order<'a> {
    /// The file.
    pub migration: &'a Migration,
    /// The plan's bookkeeping and lock timeout.
    pub plan: &'a plan::Migrations,
    /// The step's id, the key of our receipt.
    pub step: &'a StepId,
    /// The input that the step took.
    pub digest: &'a str,
}

/// The facts of a file that is in: our receipt committed with it.
pub async fn already_in(green: &Db, step: &StepId) -> Result<Option<(String, FileFacts)>> {
    let row = green
        .maybe_row("SELECT digest, facts::text FROM teal.migrated WHERE step = $1", &[&step.as_str()])
        .await
        .context("looking for a migration's receipt")?;
    row.map(|row| {
        let facts = serde_json::from_str(row.get(1)).map_err(Failure::from)?;
        Ok((row.get(0), facts))
    })
    .transpose()
}

/// Runs a file. `stop` cancels the statement on the server; the transaction is rolled back then, as after any failure.
pub async fn run_file(
    green: &Target,
    order: &Order<'_>,
    notices: &Notices,
    stop: &CancellationToken,
) -> Result<FileFacts> {
    let db = green.connect(Access::ReadWrite).await?;
    db.run(include_str!("../postgres/sql/reset_session.sql")).await?;
    let temp_before = temp_bytes(&db).await?;
    let begun = Instant::now();
    let run = async {
        match order.migration.apart {
            Some(_) => apart::run(&db, order, notices, stop).await,
            None => in_transaction(&db, order, notices).await,
        }
    };
    let ran = tokio::select! {
        ran = run => ran,
        () = stop.cancelled() => {
            db.cancel().await;
            return Err(Failure::failed("interrupted").state(match order.migration.apart {
                Some(_) => "the file's statement under way is cancelled; those before it are kept",
                None => "the file's transaction is rolled back",
            }));
        }
    };
    let mut facts = ran?;
    facts.millis = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
    facts.temp_bytes = temp_bytes(&db).await?.saturating_sub(temp_before);
    Ok(facts)
}

async fn in_transaction(db: &Db, order: &Order<'_>, notices: &Notices) -> Result<FileFacts> {
    let Order { migration, plan, .. } = order;
    let path: String = db.row("SHOW search_path", &[]).await?.get(0);
    let begun = Instant::now();
    db.run(&format!("BEGIN; SET LOCAL lock_timeout = {}", plan.lock_timeout.as_millis())).await?;
    bookkeeping::make_table(db, plan, migration.layout).await?;
    let before = transaction_facts(db).await?;
    let total = migration.sql.statements.len();
    for (done, statement) in migration.sql.statements.iter().enumerate() {
        notices.progress(done as u64, total as u64, Unit::Files, migration.file.clone());
        let text = statement.text(&migration.sql.text);
        db.run(text).await.map_err(|e| statement_failure(order, statement, &e))?;
    }
    // The file may have changed the path and the role for its own names; the books are kept under the default.
    db.run(&format!("RESET ROLE; SELECT pg_catalog.set_config('search_path', {}, true)", literal(&path))).await?;
    bookkeeping::record(db, plan, migration, begun.elapsed()).await?;
    let (inserted, updated, deleted, wal_bytes) = facts_since(db, before).await?;
    let facts = FileFacts {
        file: migration.file.clone(),
        statements: total,
        inserted,
        updated,
        deleted,
        wal_bytes,
        commits: 1,
        ..FileFacts::default()
    };
    write_receipt(db, order, &facts).await?;
    failpoint("migrate.before_commit");
    // Deferred constraints are checked here: a failure names the file, no statement.
    db.run("COMMIT").await.map_err(|e| Failure::from(e.doing(format!("{}: COMMIT", migration.file))))?;
    failpoint("migrate.after_commit");
    Ok(facts)
}

/// The file's receipt, in the transaction of its last effect.
pub(super) async fn write_receipt(db: &Db, order: &Order<'_>, facts: &FileFacts) -> Result<()> {
    let receipt = serde_json::to_string(facts).map_err(Failure::from)?;
    db.execute(
        "INSERT INTO teal.migrated (step, digest, facts) VALUES ($1, $2, $3::text::jsonb)",
        &[&order.step.as_str(), &order.digest, &receipt],
    )
    .await
    .context("writing a migration's receipt")?;
    Ok(())
}

/// Inserted, updated, deleted, and the end of the log; rows count from some transaction before this one on, where the session
/// ran others a moment ago (15.18: what it wrote reaches the server's counters at most once a second, and is in here until
/// then). So rows are the difference of two readings inside one transaction: [`facts_since`].
pub(super) async fn transaction_facts(db: &Db) -> Result<(u64, u64, u64, u64), Error> {
    let row = db.row(include_str!("../postgres/sql/select_transaction_facts.sql"), &[]).await?;
    let count = |column: &str| u64::try_from(row.get::<_, i64>(column)).unwrap_or(0);
    Ok((count("inserted"), count("updated"), count("deleted"), count("wal_position")))
}

/// Rows inserted, updated and deleted, and bytes of log, since `before`, which was read in this transaction.
pub(super) async fn facts_since(db: &Db, before: (u64, u64, u64, u64)) -> Result<(u64, u64, u64, u64), Error> {
    let now = transaction_facts(db).await?;
    let since = |now: u64, before: u64| now.saturating_sub(before);
    Ok((since(now.0, before.0), since(now.1, before.1), since(now.2, before.2), since(now.3, before.3)))
}

async fn temp_bytes(db: &Db) -> Result<u64> {
    // Statistics of this session reach the counters at the end of a transaction, at most once a second, unless asked.
    let _ = db.run("SELECT pg_catalog.pg_stat_force_next_flush()").await;
    let row = db.row(include_str!("../postgres/sql/select_database_facts.sql"), &[]).await?;
    Ok(u64::try_from(row.get::<_, i64>("temp_bytes")).unwrap_or(0))
}

/// The failure as the operator needs it: file, line, the statement with the place underlined, all that the server said.
pub(super) fn statement_failure(order: &Order<'_>, statement: &crate::ddl::Statement, e: &Error) -> Failure {
    let Order { migration, .. } = order;
    let position = e.position();
    let place = migration.sql.place(statement, position.unwrap_or(1));
    let mut lines = vec![migration.sql.excerpt(statement, position, &e.message())];
    if let Some(server) = e.server() {
        lines.extend(server.detail().map(|d| format!("detail: {d}")));
        lines.extend(server.hint().map(|h| format!("server's hint: {h}")));
        lines.extend(server.where_().map(|w| format!("where: {w}")));
    }
    let code = e.code().map(|code| format!(" ({})", code.code())).unwrap_or_default();
    Failure::failed(format!("{}:{}: green: {}{code}", migration.path.display(), place.line, e.message()))
        .at(&migration.path, place.line)
        .detail(lines.join("\n"))
        .state(match migration.apart {
            Some(_) => "this statement is not done; those before it in the file stay on green; blue serves",
            None => "the file is rolled back on green; the copy and the files before it stay; blue serves",
        })
        .hint("mend the file, then run the same command again: it goes on with this file, without a new copy")
}
