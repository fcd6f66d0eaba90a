//! The migrations folder in a plan document: whose it is, where each file stands, what is passed over and why.

use serde::{Deserialize, Serialize};

use super::text::{self, count, heading};
use crate::ddl::{Ignored, Migration, Standing, parse};
use crate::plan::Plan;

/// Files that are passed over are named up to this many a reason.
const MOST_NAMED: usize = 3;

/// The migrations folder.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FolderDoc {
    /// `flyway`.
    pub layout: String,
    /// The tool's bookkeeping table; none: the plan's own statements, or none at all.
    pub table: Option<String>,
    /// `table`: the tool's own; `plan`: the plan's `applied` and `record`; `none`.
    pub bookkeeping: String,
    /// Files that are never run.
    pub ignored: Vec<IgnoredDoc>,
}

/// A file that is never run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct IgnoredDoc {
    /// Its name in the folder.
    pub file: String,
    /// `a down part`.
    pub why: String,
}

/// A migration file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MigrationDoc {
    /// Its name in the folder.
    pub file: String,
    /// Its version.
    pub version: String,
    /// SHA-256 of its bytes.
    pub checksum: String,
    /// Whether it is still to be run.
    pub pending: bool,
    /// `pending`, `out of order` (pending, and older than what is in), `in`, `edited` (in, but not as it is now),
    /// `below baseline`, `baseline not needed`.
    #[serde(default)]
    pub standing: String,
    /// Why its statements run one by one instead of in one transaction; none: in one.
    #[serde(default)]
    pub apart: Option<String>,
    /// Its statements.
    pub statements: Vec<StatementDoc>,
}

/// A statement of a migration file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StatementDoc {
    /// Where it starts in the file, from 1.
    pub line: usize,
    /// `ALTER TABLE`.
    pub verb: String,
    /// What it names first, as written; none where it can't be told.
    pub relation: Option<String>,
}

/// The migrations folder as it was seen.
pub struct FolderSeen<'a> {
    /// Its files, in order.
    pub migrations: &'a [Migration],
    /// Where each stands.
    pub standings: &'a [Standing],
    /// What is never run.
    pub ignored: &'a [Ignored],
    /// The tool's bookkeeping table.
    pub table: Option<String>,
}

pub(super) fn folder_doc(plan: &Plan, folder: FolderSeen<'_>) -> Option<FolderDoc> {
    let layout = folder.migrations.first()?.layout;
    let own = plan.migrations.applied.is_some() || plan.migrations.record.is_some();
    let bookkeeping = match &folder.table {
        _ if own => "plan",
        Some(_) => "table",
        None => "none",
    };
    let ignored = folder.ignored.iter().map(|i| IgnoredDoc { file: i.file.clone(), why: i.why.to_owned() });
    Some(FolderDoc {
        layout: layout.name.to_owned(),
        table: folder.table,
        bookkeeping: bookkeeping.to_owned(),
        ignored: ignored.collect(),
    })
}

pub(super) fn migration_doc(migration: &Migration, standing: Standing) -> MigrationDoc {
    let statement = |statement: &crate::ddl::Statement| {
        let kind = parse::kind(statement.text(&migration.sql.text), &statement.head);
        StatementDoc { line: statement.line, verb: kind.verb, relation: kind.relation }
    };
    MigrationDoc {
        file: migration.file.clone(),
        version: migration.version.clone(),
        checksum: migration.checksum.clone(),
        pending: standing.is_pending(),
        standing: standing.word().to_owned(),
        apart: migration.apart.clone(),
        statements: migration.sql.statements.iter().map(statement).collect(),
    }
}

/// The folder, what is pending with its verbs, and what is passed over.
/// `alone`: without what is pending, which a plan in place shows statement by statement.
pub(super) fn migrations_text(folder: Option<&FolderDoc>, migrations: &[MigrationDoc], alone: bool) -> String {
    let Some(folder) = folder else { return String::new() };
    let named = |standing: &str| -> Vec<&str> {
        migrations.iter().filter(|m| m.standing == standing).map(|m| m.file.as_str()).collect()
    };
    let books = match (folder.bookkeeping.as_str(), &folder.table) {
        ("plan", _) => "the plan's applied and record".to_owned(),
        (_, Some(table)) => table.clone(),
        _ => "none: every file is pending, and none is recorded".to_owned(),
    };
    let edited = named("edited").len();
    let in_already = count(named("in").len() + edited, "file");
    let in_already = if edited > 0 { format!("{in_already}, {edited} of them edited since") } else { in_already };
    let mut rows = vec![
        vec!["layout".to_owned(), folder.layout.clone()],
        vec!["bookkeeping".to_owned(), books],
        vec!["in already".to_owned(), in_already],
    ];
    rows.extend(passed_over("below the baseline", &named("below baseline")));
    rows.extend(passed_over("a baseline, for databases where nothing is in", &named("baseline not needed")));
    let mut reasons: Vec<&str> = folder.ignored.iter().map(|ignored| ignored.why.as_str()).collect();
    reasons.sort_unstable();
    reasons.dedup();
    for why in reasons {
        let names: Vec<&str> = folder.ignored.iter().filter(|i| i.why == why).map(|i| i.file.as_str()).collect();
        rows.extend(passed_over(why, &names));
    }
    let mut out = heading("Migrations folder");
    out.push_str(&text::table(&[], rows));
    if alone {
        return out;
    }
    for (apart, title) in
        [(false, "Migrations, each in one transaction on green"), (true, "Migrations, statement by statement on green")]
    {
        let pending: Vec<&MigrationDoc> =
            migrations.iter().filter(|m| m.pending && m.apart.is_some() == apart).collect();
        if !pending.is_empty() {
            out.push_str(&heading(title));
            out.push_str(&text::table(&[], pending.iter().map(|m| vec![m.file.clone(), verbs(m)])));
        }
    }
    out
}

/// `not run  7 files, a down part: a.down.sql, b.down.sql, c.down.sql, …`
fn passed_over(why: &str, names: &[&str]) -> Option<Vec<String>> {
    let shown = names.iter().take(MOST_NAMED).copied().collect::<Vec<_>>().join(", ");
    let more = if names.len() > MOST_NAMED { ", …" } else { "" };
    let line = || format!("{}, {why}: {shown}{more}", count(names.len(), "file"));
    (!names.is_empty()).then(|| vec!["not run".to_owned(), line()])
}

/// `ALTER TABLE ×3 access_token, consent; UPDATE access_token`.
fn verbs(migration: &MigrationDoc) -> String {
    let mut by_verb: Vec<(&str, usize, Vec<&str>)> = Vec::new();
    for statement in &migration.statements {
        let at = by_verb.iter().position(|(verb, _, _)| *verb == statement.verb).unwrap_or_else(|| {
            by_verb.push((&statement.verb, 0, Vec::new()));
            by_verb.len() - 1
        });
        if let Some((_, n, relations)) = by_verb.get_mut(at) {
            *n += 1;
            relations.extend(
                statement.relation.as_deref().filter(|name| !relations.contains(name)).into_iter().collect::<Vec<_>>(),
            );
        }
    }
    let one = |(verb, n, relations): &(&str, usize, Vec<&str>)| {
        let times = if *n > 1 { format!(" ×{n}") } else { String::new() };
        let names = if relations.is_empty() { String::new() } else { format!(" {}", relations.join(", ")) };
        format!("{verb}{times}{names}")
    };
    by_verb.iter().map(one).collect::<Vec<_>>().join("; ")
}
