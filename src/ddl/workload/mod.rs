//! Queries that clients run, against what a chain of files changes under them.
//!
//! - `asked.rs`: what a query asks of which table, clause by clause; `tables.rs`: its FROM; `write.rs`: INSERT and the like;
//! - `name.rs`: which words are columns, and whose; `scope.rs`: what a name may mean there; `words.rs`: words that are no names;
//! - here: what the changes break of it.
//!
//! `tests/lint_trace.rs` (`what_the_server_finds_broken_is_found_and_nothing_else`) runs queries before and after a chain.

mod asked;
mod name;
mod scope;
mod tables;
mod words;
mod write;

use std::collections::BTreeMap;

use asked::Asked;

use super::known::{Known, Relation};
use super::lex::{Lexer, TokenKind};
use super::read::{AlterCommand, ColumnClause, ColumnDef, DropWhat, Reading};
use super::rule::{Rule, rule};
use super::trace::Change;

/// How much of a query is shown.
const SHOWN_CHARACTERS: usize = 160;

/// One query, and how often it ran where that is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Query {
    /// Its text.
    pub text: String,
    /// How often it was called.
    pub calls: Option<u64>,
    /// Its line, in a file of queries.
    pub line: Option<usize>,
}

/// One query that a change breaks, or that can't be judged.
#[derive(Debug, Clone)]
pub struct Broken<'a> {
    /// The rule.
    pub rule: &'static Rule,
    /// The table; none where the query can't be judged.
    pub table: Option<Relation>,
    /// The query.
    pub query: &'a Query,
    /// What is wrong, without its end.
    pub what: String,
}

/// What a statement of the chain changes under the queries, from its text.
pub fn changes_of(reading: &Reading, known: &Known) -> Vec<Change> {
    match reading {
        Reading::Drop(drop) => {
            let shown = matches!(
                drop.what,
                DropWhat::Table | DropWhat::View | DropWhat::MaterializedView | DropWhat::ForeignTable
            );
            let gone = drop.names.iter().filter(|_| shown);
            gone.map(|name| Change::Dropped(known.relation(name))).collect()
        }
        Reading::Alter(alter) if alter.what != "INDEX" && alter.what != "SEQUENCE" => {
            let relation = known.relation(&alter.name);
            alter.commands.iter().flat_map(|(command, _)| of_command(&relation, command)).collect()
        }
        _ => Vec::new(),
    }
}

fn of_command(relation: &Relation, command: &AlterCommand) -> Vec<Change> {
    let at = || relation.clone();
    match command {
        AlterCommand::AddColumn { column, .. } => {
            let mut changes = vec![Change::ColumnAdded(at(), column.name.0.clone())];
            if is_required(column) {
                changes.push(Change::Required(at(), column.name.0.clone()));
            }
            changes
        }
        AlterCommand::DropColumn { column, .. } => vec![Change::ColumnDropped(at(), column.0.clone())],
        AlterCommand::RenameColumn { from, to } => vec![Change::ColumnRenamed(at(), from.0.clone(), to.0.clone())],
        AlterCommand::SetType { column, data_type, .. } => {
            vec![Change::Retyped(at(), column.0.clone(), data_type.written().plain())]
        }
        AlterCommand::SetNotNull(column) => vec![Change::Required(at(), column.0.clone())],
        AlterCommand::Rename(to) => vec![Change::Renamed(at(), (relation.0.clone(), to.0.clone()))],
        AlterCommand::SetSchema(to) => vec![Change::Renamed(at(), (to.0.clone(), relation.1.clone()))],
        _ => Vec::new(),
    }
}

/// Whether a client must give it from now on.
fn is_required(column: &ColumnDef) -> bool {
    let fills = column.data_type.serial
        || column.clauses.iter().any(|clause| {
            matches!(
                clause,
                ColumnClause::Default(_) | ColumnClause::Identity | ColumnClause::Stored | ColumnClause::Virtual
            )
        });
    column.is_not_null() && !fills
}

/// What the changes break of the queries: by table, the most called first. `known`: the catalog before the changes.
pub fn judge<'a>(queries: &'a [Query], changes: &[Change], known: &Known) -> Vec<Broken<'a>> {
    let mut broken = Vec::new();
    let mut by_table: BTreeMap<&Relation, Vec<&Change>> = BTreeMap::new();
    for change in changes {
        by_table.entry(change.relation()).or_default().push(change);
    }
    for query in queries {
        match asked::read(&query.text, known) {
            Ok(asked) => {
                for (table, changes) in &by_table {
                    broken.extend(against(&asked, table, changes).into_iter().filter_map(|(id, what)| {
                        Some(Broken { rule: rule(id)?, table: Some((*table).clone()), query, what })
                    }));
                }
            }
            Err(why) => broken.extend(rule("workload-unjudged").map(|rule| Broken {
                rule,
                table: None,
                query,
                what: why.to_owned(),
            })),
        }
    }
    let calls = |one: &Broken<'_>| std::cmp::Reverse(one.query.calls);
    broken.sort_by(|a, b| {
        (a.table.is_none(), &a.table, calls(a), a.rule.id).cmp(&(b.table.is_none(), &b.table, calls(b), b.rule.id))
    });
    broken
}

/// A query as it may be shown: no value of it, no comment, in one line, cut where it is long.
pub fn masked(text: &str) -> String {
    let mut shown = String::new();
    for token in Lexer::new(text).map_while(Result::ok) {
        match token.kind {
            TokenKind::Blank | TokenKind::Comment if !shown.ends_with(' ') => shown.push(' '),
            TokenKind::Blank | TokenKind::Comment => {}
            TokenKind::Text | TokenKind::Number => shown.push('?'),
            _ => shown.push_str(token.text(text)),
        }
    }
    let shown = shown.trim();
    match shown.char_indices().nth(SHOWN_CHARACTERS) {
        Some((end, _)) => format!("{} …", shown.get(..end).unwrap_or_default().trim_end()),
        None => shown.to_owned(),
    }
}

/// What the changes of one table break of what a query asks for.
fn against(asked: &Asked, table: &Relation, changes: &[&Change]) -> Vec<(&'static str, String)> {
    if !asked.tables.contains(table) {
        return Vec::new();
    }
    let shown = format!("{}.{}", table.0, table.1);
    let names = |column: &str| {
        let named = |certain| asked.columns.contains(&(table.clone(), column.to_owned(), certain));
        let doubt = if named(true) { "" } else { ", unless it is another table's" };
        (named(true) || named(false)).then_some(doubt)
    };
    let inserts = |listed: &dyn Fn(&Option<Vec<String>>) -> bool| {
        asked.inserts.iter().any(|(target, columns)| target == table && listed(columns))
    };
    let by_position = inserts(&|columns| columns.is_none());
    let named = asked.stars.contains(table);
    let all = named || asked.counted.contains(table);
    let (mut found, mut gained, mut lost) = (Vec::new(), Vec::new(), Vec::new());
    let mut name = |what: String| found.push(("workload-name", what));
    for change in changes {
        match change {
            Change::Dropped(_) => name(format!("it reads {shown}, which is dropped")),
            Change::Renamed(_, to) => name(format!("it names {shown}, which becomes {}.{}", to.0, to.1)),
            Change::ColumnDropped(_, column) => {
                lost.push(format!("loses {column}"));
                if let Some(doubt) = names(column) {
                    name(format!("it names {column} of {shown}, which is dropped{doubt}"));
                }
            }
            Change::ColumnRenamed(_, from, to) => {
                if named {
                    gained.push(format!("has {to} for {from}"));
                }
                if let Some(doubt) = names(from) {
                    name(format!("it names {from} of {shown}, which becomes {to}{doubt}"));
                }
            }
            Change::ColumnAdded(_, column) => gained.push(format!("gains {column}")),
            Change::Retyped(..) | Change::Required(..) => {}
        }
        if let Change::ColumnAdded(_, column) | Change::ColumnRenamed(_, _, column) = change
            && asked.bare.contains(&(table.clone(), column.clone()))
        {
            name(format!("it names {column} without its table, and {shown} gets a column of that name"));
        }
    }
    for change in changes {
        match change {
            Change::Retyped(_, column, to) => {
                if all {
                    gained.push(format!("turns {column} into {to}"));
                }
                let whole = (by_position || all).then_some("");
                found.extend(names(column).or(whole).map(|doubt| {
                    ("workload-type", format!("it names {column} of {shown}, which becomes {to}{doubt}"))
                }));
            }
            Change::Required(_, column) => {
                let without = inserts(&|listed| listed.as_ref().is_some_and(|listed| !listed.contains(column)));
                if without {
                    found.push(("workload-required", format!("it inserts into {shown} without {column}")));
                }
                let new = changes.iter().any(|one| matches!(one, Change::ColumnAdded(_, added) if added == column));
                if new {
                    lost.push(format!("demands {column}"));
                }
            }
            _ => {}
        }
    }
    // An INSERT by position bears a further column at the end, if that may be left out.
    if by_position && !lost.is_empty() {
        found.push(("workload-positional", format!("it inserts by position, and {shown} {}", lost.join(", "))));
    }
    lost.retain(|one| one.starts_with("loses"));
    lost.append(&mut gained);
    if all && !lost.is_empty() {
        found.push(("workload-star", format!("it asks for every column, and {shown} {}", lost.join(", "))));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn broken(query: &str, changes: &[Change]) -> Vec<String> {
        let queries = [Query { text: query.to_owned(), calls: Some(7), line: None }];
        judge(&queries, changes, &Known::default())
            .into_iter()
            .map(|one| format!("{} {}", one.rule.id, one.what))
            .collect()
    }

    #[test]
    fn what_a_query_names_of_a_changed_table_is_found_and_no_more() {
        let token = || ("public".to_owned(), "token".to_owned());
        let dropped = [Change::ColumnDropped(token(), "note".to_owned())];
        for (query, expected) in [
            ("SELECT id FROM token", 0),
            ("SELECT note FROM token WHERE id = $1", 1),
            ("SELECT t.note FROM public.token AS t", 1),
            ("SELECT c.note FROM token t JOIN client c ON c.id = t.client_id", 0),
            ("SELECT note FROM token t, client c", 1),
            ("SELECT note FROM other.token", 0),
            ("SELECT 'note' FROM token", 0),
            ("SELECT count(*) FROM token", 0),
            ("SELECT a * b FROM token", 0),
            ("SELECT * FROM token", 1),
            ("SELECT c.* FROM token t JOIN client c USING (id)", 0),
            ("SELECT t.* FROM client c LEFT JOIN token t ON true", 1),
            ("UPDATE token SET note = $1", 1),
            ("DELETE FROM token WHERE note IS NULL RETURNING *", 2),
            ("INSERT INTO token VALUES ($1, $2)", 1),
            ("INSERT INTO token (id) VALUES ($1)", 0),
            ("WITH n AS (SELECT note FROM token) SELECT 1 FROM n", 1),
            ("SELECT 1 FROM (SELECT * FROM token) x", 0),
            ("SELECT id FROM client WHERE EXISTS (SELECT FROM token WHERE token.note = 'x')", 1),
            ("CALL p()", 1),
            ("SELECT 'open", 1),
        ] {
            assert_eq!(broken(query, &dropped).len(), expected, "{query}: {:?}", broken(query, &dropped));
        }
        let required =
            [Change::ColumnAdded(token(), "scope".to_owned()), Change::Required(token(), "scope".to_owned())];
        assert_eq!(
            broken("INSERT INTO token (id) VALUES (1)", &required),
            ["workload-required it inserts into public.token without scope"]
        );
        assert_eq!(broken("INSERT INTO token (id, scope) VALUES (1, 2)", &required), Vec::<String>::new());
        let gone = [Change::Renamed(token(), ("public".to_owned(), "oauth_token".to_owned()))];
        assert_eq!(
            broken("SELECT id FROM token", &gone),
            ["workload-name it names public.token, which becomes public.oauth_token"]
        );
    }

    #[test]
    fn a_query_is_shown_without_its_values() {
        let query = "SELECT *\n  FROM token -- the secret one\n WHERE signature = 'hunter2' AND id = 42 AND x = $1";
        assert_eq!(masked(query), "SELECT * FROM token WHERE signature = ? AND id = ? AND x = $1");
        assert!(masked(&format!("SELECT {}1", "a, ".repeat(300))).ends_with('…'));
    }
}
