//! One statement, seen by the server.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;

use crate::ddl::known::Relation;
use crate::ddl::lex::{Lexer, TokenKind};
use crate::ddl::lock::LockMode;
use crate::postgres::{Db, Error};

/// What a statement did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Seen {
    /// The relations that were there before its file and that it locked or wrote anew.
    pub relations: Vec<SeenRelation>,
    /// What became of them and of their columns.
    pub changes: Vec<Change>,
    /// The commands that ran, in their order: `ALTER TABLE public.token`.
    pub ran: Vec<String>,
    /// Objects that went along with what was dropped by name: `foreign key token_fk on public.token`.
    pub took_along: Vec<String>,
    /// Why it may do something else on a database with rows, where it may.
    pub doubt: Option<String>,
}

/// What a statement did to one relation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SeenRelation {
    /// The relation, by the name that it had before.
    pub relation: Relation,
    /// The strongest lock that was newly taken.
    pub mode: Option<LockMode>,
    /// Whether its files were written anew.
    pub rewrite: bool,
    /// Whether a scan of all its rows was begun.
    pub scan: bool,
}

/// A change that clients may notice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// The relation is gone.
    Dropped(Relation),
    /// It has another name.
    Renamed(Relation, Relation),
    /// A column is new.
    ColumnAdded(Relation, String),
    /// A column is gone.
    ColumnDropped(Relation, String),
    /// A column has another name.
    ColumnRenamed(Relation, String, String),
    /// A column has another type.
    Retyped(Relation, String, String),
    /// A column must be given since: new, or it had been free to be left out.
    Required(Relation, String),
}

impl Change {
    /// The relation, by the name that it had before.
    pub fn relation(&self) -> &Relation {
        match self {
            Self::Dropped(relation)
            | Self::Renamed(relation, _)
            | Self::ColumnAdded(relation, _)
            | Self::ColumnDropped(relation, _)
            | Self::ColumnRenamed(relation, ..)
            | Self::Retyped(relation, ..)
            | Self::Required(relation, _) => relation,
        }
    }

    /// The same of another relation.
    #[must_use]
    pub fn of(mut self, other: Relation) -> Self {
        match &mut self {
            Self::Dropped(relation)
            | Self::Renamed(relation, _)
            | Self::ColumnAdded(relation, _)
            | Self::ColumnDropped(relation, _)
            | Self::ColumnRenamed(relation, ..)
            | Self::Retyped(relation, ..)
            | Self::Required(relation, _) => *relation = other,
        }
        self
    }
}

/// A relation at one moment.
#[derive(Debug, Clone)]
pub(super) struct Snapshot {
    relation: Relation,
    file: u32,
    scans: i64,
    locks: BTreeSet<LockMode>,
    columns: BTreeMap<i16, Column>,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
struct Column {
    number: i16,
    name: String,
    #[serde(rename = "type")]
    data_type: String,
    required: bool,
}

/// Every user relation by its OID, which it keeps through every rename.
pub(super) type Snapshots = BTreeMap<u32, Snapshot>;

pub(super) async fn look(db: &Db) -> Result<Snapshots, Error> {
    let rows = db.rows(include_str!("../../postgres/sql/select_witness.sql"), &[]).await?;
    let snapshot = |row: &tokio_postgres::Row| {
        let columns: Vec<Column> = serde_json::from_str(row.get("columns")).unwrap_or_default();
        let locks: Vec<String> = row.get("locks");
        let snapshot = Snapshot {
            relation: (row.get("schema"), row.get("name")),
            file: row.get("file"),
            scans: row.get("scans"),
            locks: locks.iter().filter_map(|mode| LockMode::named(mode)).collect(),
            columns: columns.into_iter().map(|column| (column.number, column)).collect(),
        };
        (row.get("oid"), snapshot)
    };
    Ok(rows.iter().map(snapshot).collect())
}

/// Runs one statement in the transaction that is open and sees what it does to the relations in `there`; those made since
/// are nobody else's yet. Their state is as it was before: `before`, and becomes what `look` gives afterwards.
///
/// Needs what [`super::prepare`] makes for commands inside of other statements to be seen.
pub async fn observe(db: &Db, text: &str) -> Result<Seen, Error> {
    let before = look(db).await?;
    let there = before.keys().copied().collect();
    Ok(observe_after(db, text, &before, &there).await?.0)
}

pub(super) async fn observe_after(
    db: &Db,
    text: &str,
    before: &Snapshots,
    there: &BTreeSet<u32>,
) -> Result<(Seen, Snapshots), Error> {
    db.run("SELECT pg_catalog.set_config('teal.witness', '', false)").await?;
    db.run(text).await?;
    let after = look(db).await?;
    let said: Option<String> = db.row("SELECT pg_catalog.current_setting('teal.witness', true)", &[]).await?.get(0);
    let mut seen = compare(before, &after, there);
    hear(&said.unwrap_or_default(), &mut seen);
    // What belongs to a table that is gone went with it.
    let own = |one: &String, (schema, name): &Relation| one.ends_with(&format!(" on {schema}.{name}"));
    let gone: Vec<&Relation> = seen
        .changes
        .iter()
        .filter_map(|change| if let Change::Dropped(gone) = change { Some(gone) } else { None })
        .collect();
    seen.took_along.retain(|one| !gone.iter().any(|gone| own(one, gone)));
    seen.doubt = doubt(text, before, &after);
    Ok((seen, after))
}

fn compare(before: &Snapshots, after: &Snapshots, there: &BTreeSet<u32>) -> Seen {
    let mut seen = Seen::default();
    for (oid, was) in before.iter().filter(|(oid, _)| there.contains(oid)) {
        let Some(is) = after.get(oid) else {
            // Its lock can't be looked up by the name that is gone; a DROP takes the strongest.
            let (relation, mode) = (was.relation.clone(), Some(LockMode::AccessExclusive));
            seen.relations.push(SeenRelation { relation: relation.clone(), mode, rewrite: false, scan: false });
            seen.changes.push(Change::Dropped(relation));
            continue;
        };
        let mode = is.locks.difference(&was.locks).max().copied();
        // A partitioned table has no file and holds no rows.
        let (rewrite, scan) = (is.file != was.file, is.scans > was.scans);
        if mode.is_some() || rewrite || scan {
            seen.relations.push(SeenRelation { relation: was.relation.clone(), mode, rewrite, scan });
        }
        if is.relation != was.relation {
            seen.changes.push(Change::Renamed(was.relation.clone(), is.relation.clone()));
        }
        columns(was, is, &mut seen.changes);
    }
    seen
}

fn columns(was: &Snapshot, is: &Snapshot, changes: &mut Vec<Change>) {
    let relation = &was.relation;
    for (number, old) in &was.columns {
        let Some(new) = is.columns.get(number) else {
            changes.push(Change::ColumnDropped(relation.clone(), old.name.clone()));
            continue;
        };
        if new.name != old.name {
            changes.push(Change::ColumnRenamed(relation.clone(), old.name.clone(), new.name.clone()));
        }
        if new.data_type != old.data_type {
            changes.push(Change::Retyped(relation.clone(), old.name.clone(), new.data_type.clone()));
        }
        if new.required && !old.required {
            changes.push(Change::Required(relation.clone(), new.name.clone()));
        }
    }
    for (_, new) in is.columns.iter().filter(|(number, _)| !was.columns.contains_key(number)) {
        changes.push(Change::ColumnAdded(relation.clone(), new.name.clone()));
        if new.required {
            changes.push(Change::Required(relation.clone(), new.name.clone()));
        }
    }
}

/// Takes in what the event triggers wrote down.
fn hear(said: &str, seen: &mut Seen) {
    for line in said.lines() {
        let Ok((what, tag, kind, object)) =
            serde_json::from_str::<(String, String, Option<String>, Option<String>)>(line)
        else {
            continue;
        };
        let (kind, object) = (kind.unwrap_or_default(), object.unwrap_or_default());
        match what.as_str() {
            "ran" | "dropped" => {
                let one = match object.as_str() {
                    "" => tag,
                    // ALTER TABLE drops columns and constraints.
                    _ if what == "dropped" && !tag.starts_with("DROP") => format!("DROP {kind} {object}"),
                    _ => format!("{tag} {object}"),
                };
                if !seen.ran.contains(&one) {
                    seen.ran.push(one);
                }
            }
            // Types of rows and arrays, and what belongs to a table alone, say nothing of their own.
            _ if matches!(kind.as_str(), "type" | "toast table" | "index" | "trigger" | "default value") => {}
            _ if object.starts_with("\"_RETURN\"") => {}
            _ => seen.took_along.push(format!("{kind} {object}")),
        }
    }
}

/// Words after which code may take another way on another database.
const WAYS: [&str; 9] = ["if", "case", "loop", "for", "while", "foreach", "exception", "execute", "when"];
/// Words that ask which database, role or moment it is.
const ASKS: [&str; 13] = [
    "pg_roles",
    "pg_user",
    "pg_authid",
    "pg_auth_members",
    "current_user",
    "session_user",
    "current_role",
    "current_setting",
    "current_database",
    "pg_stat_activity",
    "pg_is_in_recovery",
    "random",
    "clock_timestamp",
];

/// Why the statement may do something else where there are rows: it reads or writes some, and decides on what it finds.
///
/// The body of a DO block is looked through for words that decide; that of a function isn't at hand, so it counts as one
/// that does.
fn doubt(text: &str, before: &Snapshots, after: &Snapshots) -> Option<String> {
    let weak = [LockMode::AccessShare, LockMode::RowShare, LockMode::RowExclusive];
    let words = words(text);
    // DDL scans as well, under locks of its own. Where an earlier statement of the transaction has the weak lock already,
    // the name must do.
    let reads = after.iter().find(|(oid, is)| {
        before.get(oid).is_some_and(|was| {
            let new = weak.iter().any(|mode| is.locks.contains(mode) && !was.locks.contains(mode));
            let held = weak.iter().any(|mode| was.locks.contains(mode));
            new || held && words.contains(&was.relation.1.to_lowercase())
        })
    });
    let is_block = words.first().is_some_and(|word| word == "do");
    let decides = !is_block || words.iter().any(|word| WAYS.contains(&word.as_str()));
    if let Some(asked) = words.iter().find(|word| ASKS.contains(&word.as_str())).filter(|_| decides) {
        return Some(format!("it asks {asked}, which the shadow answers otherwise"));
    }
    let (_, table) = reads.filter(|_| decides)?;
    Some(format!("it looks at rows of {}.{}, and the shadow has none", table.relation.0, table.relation.1))
}

/// All words of a statement, those in its strings too, in lower case.
pub(super) fn words(text: &str) -> Vec<String> {
    let tokens = Lexer::new(text).map_while(Result::ok);
    let spoken = tokens.filter(|token| !matches!(token.kind, TokenKind::Blank | TokenKind::Comment));
    let parts = spoken.flat_map(|token| {
        let parts = token.text(text).split(|c: char| !(c.is_alphanumeric() || c == '_'));
        parts.filter(|part| !part.is_empty()).map(str::to_lowercase).collect::<Vec<_>>()
    });
    parts.collect()
}
