//! From a migration file to what is run of it on a live database, and what stays risky in that.
//!
//! Each statement runs by itself, so that no lock is held longer than its own statement; what the file loses by that is
//! said. What would hold others up is a blocker of lint; where the plan accepts it, it runs as it is written.

use crate::ddl::assess::{Judgement, assess};
use crate::ddl::known::Known;
use crate::ddl::lint::{Found, Linter};
use crate::ddl::piece::{is_of_session, is_setting};
use crate::ddl::read::{Reading, read};
use crate::ddl::transaction::{Unfit, is_plain_begin, is_plain_commit, unfit};
use crate::ddl::{Migration, SqlFile, Statement};
use crate::finding::Finding;
use crate::step::{LiveHow, LivePart, LiveStep};

use super::alone::is_told;

/// What is run of a file, and what was found in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LivePlan {
    /// A part per statement, in order.
    pub parts: Vec<LivePart>,
    /// What lint says of it, and what can't be run.
    pub findings: Vec<Finding>,
}

/// Plans files one after the other, each in the light of blue's schema and of those before it.
#[derive(Debug, Default)]
pub struct LivePlanner {
    linter: Linter,
    known: Known,
}

impl LivePlanner {
    /// Knows blue's schema, as `pg_dump` writes it.
    pub fn of(schema: &SqlFile) -> Self {
        let mut planner = Self::default();
        planner.linter.learn(schema);
        for statement in &schema.statements {
            let text = statement.text(&schema.text);
            planner.known.take(&read(text), text);
        }
        planner.known.next_unit();
        planner
    }

    /// Plans the next file.
    pub fn plan(&mut self, migration: &Migration) -> LivePlan {
        let sql = &migration.sql;
        let mut findings: Vec<Finding> =
            self.linter.lint(sql, false).into_iter().map(|found| lint_finding(migration, found)).collect();
        let mut parts = Vec::new();
        let mut lost = lost(migration);
        let several = sql.statements.len() > 1;
        for statement in &sql.statements {
            let text = statement.text(&sql.text);
            let reading = read(text);
            let judgement = assess(&reading, text, &self.known);
            match step(statement, sql, &reading, &judgement) {
                Ok(None) => {}
                Ok(Some(step)) => parts.push(LivePart {
                    line: statement.line,
                    rewrite: None,
                    why: String::new(),
                    lost: if several { lost.take() } else { None },
                    steps: vec![step],
                }),
                Err(what) => findings.push(
                    Finding::blocker("in-place/not-once", place(migration, statement), what)
                        .so_what("after a crash nobody could tell whether it was done")
                        .next("run it by hand before or after, and take it out of the file"),
                ),
            }
            self.known.take(&reading, text);
        }
        self.known.next_unit();
        LivePlan { parts, findings }
    }
}

fn place(migration: &Migration, statement: &Statement) -> String {
    format!("{}:{}", migration.file, statement.line)
}

/// What the tool would have given the file, and statements one by one don't.
fn lost(migration: &Migration) -> Option<String> {
    (migration.apart.is_none())
        .then(|| "the file's one transaction: a failure in its middle leaves what stands before it".to_owned())
}

fn lint_finding(migration: &Migration, found: Found) -> Finding {
    let id = format!("lint/{}", found.rule.id);
    let object = format!("{}:{}", migration.file, migration.sql.lines().place(found.span.start).line);
    let finding = Finding::new(found.rule.severity, &id, object, found.what);
    let mut finding = finding.so_what(found.rule.so_what).next(format!("instead: {}", found.rule.instead));
    finding.accepted = found.accepted;
    finding
}

/// How a statement is run; none: it is not, because every statement has a transaction of its own. Fails with what is wrong
/// with it.
fn step(
    statement: &Statement,
    sql: &SqlFile,
    reading: &Reading,
    judgement: &Judgement,
) -> Result<Option<LiveStep>, String> {
    let text = statement.text(&sql.text);
    let locks = judgement.touches.iter().filter(|touch| !touch.new);
    let locks = locks.map(|touch| format!("{} on {}.{}", touch.mode.words(), touch.relation.0, touch.relation.1));
    let step = |how| Ok(Some(LiveStep { sql: text.to_owned(), how, locks: locks.clone().collect() }));
    match unfit(statement, &sql.text) {
        Some((Unfit::OwnTransaction, _))
            if is_plain_begin(statement, &sql.text) || is_plain_commit(statement, &sql.text) =>
        {
            return Ok(None);
        }
        Some((Unfit::OwnTransaction, what)) => return Err(format!("{what} ends or begins a transaction of its own")),
        Some((Unfit::NotTransactional, _)) if is_told(text) => return step(LiveHow::Concurrent { leaves: None }),
        Some((Unfit::NotTransactional, what)) => {
            return Err(format!("{what} can't run in a transaction, and leaves nothing to tell it by"));
        }
        None => {}
    }
    if let Some(session) = as_session(text) {
        return Ok(Some(LiveStep { sql: session, how: LiveHow::Session, locks: Vec::new() }));
    }
    if is_of_session(text) {
        return step(LiveHow::Brief);
    }
    if judgement.touches.iter().any(crate::ddl::assess::Touch::holds_up) || *reading == Reading::Unknown {
        return step(LiveHow::AsWritten);
    }
    let takes_long = judgement.touches.iter().any(|touch| touch.rewrite || touch.scan)
        || matches!(
            reading,
            Reading::Update { .. } | Reading::Delete { .. } | Reading::Insert { from_query: true, .. }
        )
        || matches!(reading, Reading::CreateTable(create) if create.from_query)
        || matches!(reading, Reading::CreateView { materialized: true, .. } | Reading::Refresh { .. });
    step(if takes_long { LiveHow::Long } else { LiveHow::Brief })
}

/// What a file sets lasts to its end, and so does a session of ours: SET LOCAL, which would end with its own statement, is
/// SET there.
fn as_session(text: &str) -> Option<String> {
    if is_setting(text) {
        return Some(text.to_owned());
    }
    let words: Vec<&str> = text.split_whitespace().take(2).collect();
    let local = matches!(words.as_slice(), [set, local] if set.eq_ignore_ascii_case("SET") && local.eq_ignore_ascii_case("LOCAL"));
    if !local {
        return None;
    }
    let rest = text.trim_start().get(3..)?.trim_start().get(5..)?;
    Some(format!("SET{rest}")).filter(|text| is_setting(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_set_for_the_file_is_set_for_the_session() {
        assert_eq!(as_session("SET search_path = a").as_deref(), Some("SET search_path = a"));
        assert_eq!(as_session("set  LOCAL lock_timeout = '1s'").as_deref(), Some("SET lock_timeout = '1s'"));
        assert_eq!(as_session("SET CONSTRAINTS ALL DEFERRED"), None);
        assert_eq!(as_session("SELECT 1"), None);
    }
}
