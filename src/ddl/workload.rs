//! Queries that clients run, against what a chain of files changes under them.
//!
//! A small reader over our own tokens: the tables after FROM, JOIN, INTO and UPDATE, stars, the columns of an INSERT, and
//! every name. It knows no scopes: a column's name counts for each table of its query, unless another alias stands before
//! it. So it may find too much where two tables have columns of one name, and says so; it finds nothing in functions.

use std::collections::{BTreeMap, BTreeSet};

use super::known::{Known, Relation};
use super::lex::{Lexer, TokenKind};
use super::read::{AlterCommand, ColumnClause, ColumnDef, Cursor, DropWhat, Reading, Written};
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

/// What the changes break of the queries: by table, the most called first.
pub fn judge<'a>(queries: &'a [Query], changes: &[Change]) -> Vec<Broken<'a>> {
    let mut broken = Vec::new();
    let mut by_table: BTreeMap<&Relation, Vec<&Change>> = BTreeMap::new();
    for change in changes {
        by_table.entry(change.relation()).or_default().push(change);
    }
    for query in queries {
        match QueryReading::of(&query.text) {
            Ok(reading) => {
                for (table, changes) in &by_table {
                    broken.extend(reading.against(table, changes).into_iter().filter_map(|(id, what)| {
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

/// What a query names.
#[derive(Debug, Default)]
struct QueryReading {
    /// Its tables, with the alias of each.
    tables: Vec<(Written, Option<String>)>,
    /// What stands before each star; none for a star alone.
    stars: Vec<Option<String>>,
    /// The target of its INSERT, and the columns that it lists; none where it lists none.
    insert: Option<(Written, Option<Vec<String>>)>,
    /// Every name, with what stands before its dot.
    names: BTreeSet<(Option<String>, String)>,
}

/// Words that end a list of tables, so that they are no alias.
const NO_ALIAS: [&str; 28] = [
    "where",
    "on",
    "using",
    "join",
    "left",
    "right",
    "inner",
    "full",
    "cross",
    "natural",
    "group",
    "order",
    "having",
    "limit",
    "offset",
    "fetch",
    "for",
    "union",
    "intersect",
    "except",
    "set",
    "values",
    "select",
    "returning",
    "default",
    "window",
    "with",
    "tablesample",
];

impl QueryReading {
    fn of(text: &str) -> Result<Self, &'static str> {
        let mut cursor = Cursor::new(text).ok_or("a quote of it has no end, or it was cut off")?;
        let known = ["SELECT", "INSERT", "UPDATE", "DELETE", "WITH", "MERGE", "VALUES", "TABLE"];
        if !cursor.sees_symbol("(") && !known.iter().any(|word| cursor.sees(&[word])) {
            return Err("it runs what its text doesn't show");
        }
        let mut reading = Self::default();
        // What stood before the current token, and before its dot.
        let (mut before, mut qualifier): (String, Option<String>) = (String::new(), None);
        while let Some(token) = cursor.peek() {
            let opens = ["FROM", "JOIN", "UPDATE", "USING"].iter().any(|word| cursor.sees(&[word]));
            if cursor.takes(&["INSERT", "INTO"]) || cursor.takes(&["MERGE", "INTO"]) {
                reading.target(&mut cursor);
                "into".clone_into(&mut before);
                continue;
            }
            let word = cursor.text(token.span()).to_lowercase();
            if opens && before != "for" {
                cursor.advance();
                reading.tables(&mut cursor);
            } else if let Some(name) = cursor.ident() {
                let is_dot = before == ".";
                reading.names.insert((if is_dot { qualifier.clone() } else { None }, name.0.clone()));
                qualifier = Some(name.0);
            } else {
                cursor.advance();
                if word == "*" && matches!(before.as_str(), "select" | "distinct" | "all" | "," | "." | "returning") {
                    reading.stars.push(if before == "." { qualifier.clone() } else { None });
                }
            }
            before = word;
        }
        Ok(reading)
    }

    /// The table after INTO, its alias, and its list of columns.
    fn target(&mut self, cursor: &mut Cursor<'_>) {
        let Some(name) = cursor.name() else { return };
        let alias = if cursor.takes(&["AS"]) { cursor.ident().map(|alias| alias.0) } else { None };
        self.tables.push((name.clone(), alias));
        let columns = cursor.columns();
        if let Some(columns) = &columns {
            self.names.extend(columns.iter().map(|column| (None, column.0.clone())));
        }
        // INSERT INTO t DEFAULT VALUES names nothing and needs nothing.
        let defaults = cursor.sees(&["DEFAULT", "VALUES"]);
        let listed = columns.map(|columns| columns.into_iter().map(|column| column.0).collect());
        self.insert = Some((name, if defaults { Some(Vec::new()) } else { listed }));
    }

    /// The tables after FROM, divided by commas; a subquery is read in its turn.
    fn tables(&mut self, cursor: &mut Cursor<'_>) {
        loop {
            cursor.takes(&["ONLY"]);
            cursor.takes(&["LATERAL"]);
            let Some(name) = cursor.name() else { return };
            // After the FROM of EXTRACT and the like it is a column.
            self.names.insert((name.schema.as_ref().map(|schema| schema.0.clone()), name.object.0.clone()));
            if cursor.sees_symbol("(") {
                return; // a function
            }
            cursor.takes_symbol("*");
            let marked = cursor.takes(&["AS"]);
            let next = cursor.peek().map(|token| cursor.text(token.span()).to_lowercase()).unwrap_or_default();
            let alias = if marked || !NO_ALIAS.contains(&next.as_str()) { cursor.ident() } else { None };
            self.tables.push((name, alias.map(|alias| alias.0)));
            if !cursor.takes_symbol(",") {
                return;
            }
        }
    }

    fn against(&self, table: &Relation, changes: &[&Change]) -> Vec<(&'static str, String)> {
        let is =
            |name: &Written| name.object.0 == table.1 && name.schema.as_ref().is_none_or(|schema| schema.0 == table.0);
        let mine: Vec<_> = self.tables.iter().filter(|(name, _)| is(name)).collect();
        if mine.is_empty() {
            return Vec::new();
        }
        let calls_it =
            |qualifier: &str| mine.iter().any(|(name, alias)| alias.as_ref().unwrap_or(&name.object.0) == qualifier);
        let shown = format!("{}.{}", table.0, table.1);
        let doubt = if self.tables.len() > mine.len() { ", unless it is another table's" } else { "" };
        let names = |column: &str| {
            let qualified = self.names.iter().any(|(of, name)| name == column && of.as_deref().is_some_and(&calls_it));
            let plain = self.names.contains(&(None, column.to_owned()));
            (qualified || plain).then_some(if qualified { "" } else { doubt })
        };
        let mut found = Vec::new();
        let mut shape = Vec::new();
        for change in changes {
            match change {
                Change::Dropped(_) => found.push(("workload-name", format!("it reads {shown}, which is dropped"))),
                Change::Renamed(_, to) => {
                    found.push(("workload-name", format!("it names {shown}, which becomes {}.{}", to.0, to.1)));
                }
                Change::ColumnDropped(_, column) => {
                    shape.push(format!("loses {column}"));
                    found.extend(names(column).map(|doubt| {
                        ("workload-name", format!("it names {column} of {shown}, which is dropped{doubt}"))
                    }));
                }
                Change::ColumnRenamed(_, from, to) => {
                    shape.push(format!("has {to} for {from}"));
                    found.extend(names(from).map(|doubt| {
                        ("workload-name", format!("it names {from} of {shown}, which becomes {to}{doubt}"))
                    }));
                }
                Change::ColumnAdded(_, column) => shape.push(format!("gains {column}")),
                Change::Retyped(_, column, to) => found.extend(names(column).map(|doubt| {
                    ("workload-type", format!("it names {column} of {shown}, which becomes {to}{doubt}"))
                })),
                Change::Required(_, column) => {
                    let listed =
                        self.insert.as_ref().filter(|(name, _)| is(name)).and_then(|(_, listed)| listed.as_ref());
                    if listed.is_some_and(|listed| !listed.contains(column)) {
                        found.push(("workload-required", format!("it inserts into {shown} without {column}")));
                    }
                }
            }
        }
        if !shape.is_empty() {
            let shape = shape.join(", ");
            let star = self.stars.iter().any(|star| star.as_deref().is_none_or(&calls_it));
            if star {
                found.push(("workload-star", format!("it asks for every column, and {shown} {shape}")));
            }
            if self.insert.as_ref().is_some_and(|(name, listed)| is(name) && listed.is_none()) {
                found.push(("workload-positional", format!("it inserts by position, and {shown} {shape}")));
            }
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn broken(query: &str, changes: &[Change]) -> Vec<String> {
        let queries = [Query { text: query.to_owned(), calls: Some(7), line: None }];
        judge(&queries, changes).into_iter().map(|one| format!("{} {}", one.rule.id, one.what)).collect()
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
            ("SELECT 1 FROM (SELECT * FROM token) x", 1),
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
