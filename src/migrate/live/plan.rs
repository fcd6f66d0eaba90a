//! From a migration file to what is run of it on a live database, and what stays risky in that.
//!
//! Each statement runs by itself, so that no lock is held longer than its own statement; what the file loses by that is
//! said. What would hold others up is a blocker of lint; where the plan accepts it, it runs as it is written.

use crate::ddl::assess::{Judgement, assess};
use crate::ddl::known::Known;
use crate::ddl::lint::{Found, Linter};
use crate::ddl::piece::{is_of_session, is_setting};
use crate::ddl::read::{Reading, read};
use crate::ddl::rewrite::{How, Left, Refused, SafeStep, learn, rewrite_but};
use crate::ddl::transaction::{Unfit, is_plain_begin, is_plain_commit, unfit};
use crate::ddl::{Migration, SqlFile, Statement};
use crate::finding::{Finding, Severity};
use crate::plan::Accept;
use crate::step::{LiveBatches, LiveHow, LivePart, LiveStep};

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
#[derive(Debug)]
pub struct LivePlanner {
    linter: Linter,
    known: Known,
    /// The server's major version.
    version: u32,
    /// What the plan accepts.
    accepts: Vec<Accept>,
}

impl LivePlanner {
    /// Knows blue's schema, as `pg_dump` writes it.
    pub fn of(schema: &SqlFile, version: u32) -> Self {
        let mut planner = Self { linter: Linter::default(), known: Known::default(), version, accepts: Vec::new() };
        planner.linter.learn(schema);
        learn(schema, &mut planner.known);
        planner
    }

    /// A type that the plan accepts to be set as it is written is not set in another way.
    #[must_use]
    pub fn accepting(mut self, accepts: &[Accept]) -> Self {
        self.accepts = accepts.to_vec();
        self
    }

    /// Plans the next file.
    pub fn plan(&mut self, migration: &Migration) -> LivePlan {
        let sql = &migration.sql;
        let mut known = self.known.clone();
        let accepts = &self.accepts;
        let keeps_type = |statement: &Statement| {
            let place = place(migration, statement);
            let finding = Finding::new(Severity::Blocker, "lint/type-rewrites", place, String::new());
            accepts.iter().any(|accept| accept.matches(&finding))
        };
        let rewritten = rewrite_but(sql, migration.apart.is_none(), &mut self.known, self.version, keeps_type);
        let mut lost = lost(migration);
        let several = sql.statements.len() > 1;
        let (mut parts, mut findings, mut safe) = (Vec::new(), Vec::new(), Safe::default());
        for (statement, part) in sql.statements.iter().zip(&rewritten.parts) {
            let text = statement.text(&sql.text);
            let reading = read(text);
            let as_written = part.rewrite.is_none() || part.refused.is_some();
            safe.add(migration, statement, if as_written { None } else { Some(&part.steps) });
            let demands = part.refused.iter().chain(&part.condition);
            findings.extend(demands.map(|refused| refused_finding(migration, statement, refused)));
            let steps = if as_written {
                let judgement = assess(&reading, text, &known);
                step(statement, sql, &reading, &judgement).map(|step| step.into_iter().collect())
            } else {
                Ok(part.steps.iter().map(|step| live_step(step, text, &known)).collect::<Vec<_>>())
            };
            match steps {
                Ok(steps) if steps.is_empty() => {}
                Ok(steps) => parts.push(LivePart {
                    line: statement.line,
                    rewrite: part.rewrite.filter(|_| !as_written).map(|rewrite| rewrite.id.to_owned()),
                    why: if as_written { String::new() } else { part.why.clone() },
                    lost: if several { lost.take() } else { None },
                    steps,
                }),
                Err(what) => findings.push(
                    Finding::blocker("in-place/not-once", place(migration, statement), what)
                        .so_what("after a crash nobody could tell whether it was done")
                        .next("run it by hand before or after, and take it out of the file"),
                ),
            }
            known.take(&reading, text);
        }
        let mut found = safe.lint(migration, &mut self.linter);
        // What has no safe form is said once, by lint where it sees it too.
        findings.retain(|one: &Finding| !found.iter().any(|lint| lint.id == one.id && lint.object == one.object));
        found.append(&mut findings);
        LivePlan { parts, findings: found }
    }
}

/// Why a type that is set through a shadow column is no finding of lint.
const SHADOWED: &str = "it is set through a shadow column";

/// The safe form as one text, so that lint judges what is run, not what is written.
#[derive(Debug, Default)]
struct Safe {
    text: String,
    /// Where each statement's form ends, and its line in the file.
    ends: Vec<(usize, usize)>,
    /// Where the last statement of the file ended.
    at: usize,
}

impl Safe {
    /// Adds a statement in its safe form, or as it is written, with what comments before it accept.
    fn add(&mut self, migration: &Migration, statement: &Statement, steps: Option<&Vec<SafeStep>>) {
        let source = &migration.sql.text;
        let before = source.get(self.at..statement.span.end).unwrap_or_default();
        let accepts: Vec<&str> =
            before.lines().map(str::trim).filter(|line| line.starts_with("-- migrate: accept ")).collect();
        self.at = statement.span.end;
        let text = statement.text(source);
        let all: Vec<&str> = match steps {
            None => vec![text],
            Some(steps) => {
                steps.iter().map(|s| s.judged.as_deref().unwrap_or(&s.sql)).filter(|sql| !sql.is_empty()).collect()
            }
        };
        let mut accepts: String = accepts.iter().flat_map(|line| [*line, "\n"]).collect();
        if steps.is_some_and(|steps| steps.iter().any(|step| step.judged.is_some())) {
            accepts += &format!("-- migrate: accept type-rewrites {SHADOWED}\n");
        }
        for sql in all {
            self.text.push_str(&accepts);
            self.text.push_str(sql);
            self.text.push_str(";\n");
        }
        self.ends.push((self.text.len(), statement.line));
    }

    /// What lint says of it, at the lines of the file.
    fn lint(self, migration: &Migration, linter: &mut Linter) -> Vec<Finding> {
        let Ok(sql) = SqlFile::from_bytes(&migration.path, self.text.clone().into_bytes()) else { return Vec::new() };
        let line = |at: usize| self.ends.iter().find(|(end, _)| at < *end).map_or(1, |(_, line)| *line);
        let found = linter.lint(&sql, false).into_iter();
        // A comment that accepts what the safe form does not have any more has done its work; and lock_timeout is ours.
        let found = found.filter(|found| !matches!(found.rule.id, "accept-unused" | "no-lock-timeout"));
        // Its own condition is found beside.
        let found = found.filter(|found| found.accepted.as_deref() != Some(SHADOWED));
        found
            .map(|found| {
                let line = line(found.span.start);
                lint_finding(migration, line, found)
            })
            .collect()
    }
}

/// A step of a safe form.
fn live_step(step: &SafeStep, written: &str, known: &Known) -> LiveStep {
    let mut locks: Vec<String> = Vec::new();
    for sql in step.statements() {
        let more = self::locks(&assess(&read(&sql), &sql, known));
        locks.extend(more.into_iter().filter(|lock| !locks.contains(lock)).collect::<Vec<_>>());
    }
    let how = match &step.how {
        How::Brief => LiveHow::Brief,
        How::Long => LiveHow::Long,
        How::Concurrent { leaves: Some(Left::Index(name)) } => LiveHow::Concurrent { leaves: Some(name.to_string()) },
        How::Concurrent { .. } => LiveHow::Concurrent { leaves: None },
        How::Batches(batches) => LiveHow::Batches(LiveBatches {
            table: batches.table.to_string(),
            stop: batches.stop.clone(),
            first_end: batches.first_end.clone(),
            next_end: batches.next_end.clone(),
            first: batches.first.clone(),
            next: batches.next.clone(),
        }),
    };
    // The step's own text is a DO block there; what it stands for says more.
    let sql = if matches!(how, LiveHow::Batches(_)) { written.to_owned() } else { step.sql.clone() };
    LiveStep { sql, how, locks }
}

fn refused_finding(migration: &Migration, statement: &Statement, refused: &Refused) -> Finding {
    let id = format!("lint/{}", refused.rule);
    let mut finding = Finding::new(Severity::Blocker, &id, place(migration, statement), refused.why.clone())
        .so_what(refused.so_what())
        .next(format!("instead: {}", refused.instead));
    finding.accepted.clone_from(&refused.accepted);
    finding
}

fn place(migration: &Migration, statement: &Statement) -> String {
    format!("{}:{}", migration.file, statement.line)
}

/// What the tool would have given the file, and statements one by one don't.
fn lost(migration: &Migration) -> Option<String> {
    (migration.apart.is_none())
        .then(|| "the file's one transaction: a failure in its middle leaves what stands before it".to_owned())
}

fn lint_finding(migration: &Migration, line: usize, found: Found) -> Finding {
    let id = format!("lint/{}", found.rule.id);
    let object = format!("{}:{line}", migration.file);
    let finding = Finding::new(found.rule.severity, &id, object, found.what);
    let mut finding = finding.so_what(found.rule.so_what).next(format!("instead: {}", found.rule.instead));
    finding.accepted = found.accepted;
    finding
}

/// What of others' it locks.
fn locks(judgement: &Judgement) -> Vec<String> {
    let touches = judgement.touches.iter().filter(|touch| !touch.new);
    touches.map(|touch| format!("{} on {}.{}", touch.mode.words(), touch.relation.0, touch.relation.1)).collect()
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
    let step = |how| Ok(Some(LiveStep { sql: text.to_owned(), how, locks: locks(judgement) }));
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
