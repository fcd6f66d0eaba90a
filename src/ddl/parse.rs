//! What a statement is, for people; the only user of sqlparser.
//!
//! sqlparser reads one statement at a time, never a file, and is believed only where the splitter's own words say the
//! same: it takes more than Postgres does, and some of what it takes it reads differently. Everything else is unknown,
//! named by its first words. Nothing is decided on this: it tells what a file does, not what it risks.

use std::fmt::Display;

use sqlparser::ast::{
    FromTable, ObjectType, SchemaName, Statement as Parsed, TableFactor, TableObject, TableWithJoins,
};
use sqlparser::dialect::PostgreSqlDialect;
use sqlparser::parser::Parser;
use sqlparser::tokenizer::Token;

use super::lex::Lexer;

/// Statements of more tokens (blanks counted) are data more than structure and are never parsed. sqlparser guards its
/// parsing against deep nesting, yet a chain of 30,000 operators overflowed a stack of 2 MiB (measured, debug build);
/// so many tokens need less than half of that, whatever they nest.
const MOST_TOKENS: usize = 8_000;

/// What a statement does and to what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StatementKind {
    /// `ALTER TABLE`, `CREATE INDEX`, `INSERT`; for an unknown statement what its first words say.
    pub verb: String,
    /// The object it names, as written: the table of an index or trigger, several joined by `, `.
    pub relation: Option<String>,
    /// Whether the parser didn't understand it, or understood something else than its words say. What can run anything
    /// (DO, CALL, SELECT, WITH) is always unknown.
    pub unknown: bool,
}

/// Names a statement; `head` is what the splitter found it to begin with ([`super::Statement::head`]).
pub fn kind(statement_text: &str, head: &[String]) -> StatementKind {
    let verb = verb(head);
    match parse(statement_text).as_ref().and_then(describe) {
        Some((parsed, relation)) if parsed == verb => StatementKind { verb, relation: Some(relation), unknown: false },
        _ => StatementKind { verb, relation: None, unknown: true },
    }
}

/// The one statement that the text is, if the parser gets to its end.
fn parse(text: &str) -> Option<Parsed> {
    if Lexer::new(text).nth(MOST_TOKENS).is_some() {
        return None;
    }
    let mut parser = Parser::new(&PostgreSqlDialect {}).try_with_sql(text).ok()?;
    let statement = parser.parse_statement().ok()?;
    (parser.peek_token().token == Token::EOF).then_some(statement)
}

/// The closed list of what is named: verb and object. Fields beyond the name are passed over on purpose: nothing here
/// depends on them.
fn describe(statement: &Parsed) -> Option<(&'static str, String)> {
    let one = |verb, name: &dyn Display| Some((verb, name.to_string()));
    match statement {
        Parsed::CreateTable(create) => one("CREATE TABLE", &create.name),
        Parsed::CreateIndex(create) => one("CREATE INDEX", &create.table_name),
        Parsed::CreateView(create) if create.materialized => one("CREATE MATERIALIZED VIEW", &create.name),
        Parsed::CreateView(create) => one("CREATE VIEW", &create.name),
        Parsed::CreateFunction(create) => one("CREATE FUNCTION", &create.name),
        Parsed::CreateTrigger(create) => one("CREATE TRIGGER", &create.table_name),
        Parsed::CreatePolicy(create) => one("CREATE POLICY", &create.table_name),
        Parsed::CreateDomain(create) => one("CREATE DOMAIN", &create.name),
        Parsed::CreateExtension(create) => one("CREATE EXTENSION", &create.name),
        Parsed::CreateType { name, .. } => one("CREATE TYPE", name),
        Parsed::CreateSequence { name, .. } => one("CREATE SEQUENCE", name),
        Parsed::CreateSchema {
            schema_name: SchemaName::Simple(name) | SchemaName::NamedAuthorization(name, _),
            ..
        } => one("CREATE SCHEMA", name),
        Parsed::AlterTable(alter) => one("ALTER TABLE", &alter.name),
        Parsed::AlterType(alter) => one("ALTER TYPE", &alter.name),
        Parsed::AlterIndex { name, .. } => one("ALTER INDEX", name),
        Parsed::Drop { object_type, names, .. } => Some((drop_verb(*object_type)?, joined(names))),
        Parsed::DropFunction(drop) => {
            Some(("DROP FUNCTION", joined(drop.func_desc.iter().map(|function| &function.name))))
        }
        Parsed::DropTrigger(drop) => one("DROP TRIGGER", drop.table_name.as_ref()?),
        Parsed::DropExtension(drop) => Some(("DROP EXTENSION", joined(&drop.names))),
        Parsed::Truncate(truncate) => Some(("TRUNCATE", joined(truncate.table_names.iter().map(|table| &table.name)))),
        Parsed::Insert(insert) => match &insert.table {
            TableObject::TableName(name) => one("INSERT", name),
            _ => None,
        },
        Parsed::Update(update) => Some(("UPDATE", table(&update.table)?)),
        Parsed::Delete(delete) => match &delete.from {
            FromTable::WithFromKeyword(tables) => match tables.as_slice() {
                [only] => Some(("DELETE", table(only)?)),
                _ => None,
            },
            FromTable::WithoutKeyword(_) => None,
        },
        _ => None,
    }
}

fn drop_verb(object: ObjectType) -> Option<&'static str> {
    Some(match object {
        ObjectType::Table => "DROP TABLE",
        ObjectType::View => "DROP VIEW",
        ObjectType::MaterializedView => "DROP MATERIALIZED VIEW",
        ObjectType::Index => "DROP INDEX",
        ObjectType::Schema => "DROP SCHEMA",
        ObjectType::Sequence => "DROP SEQUENCE",
        ObjectType::Type => "DROP TYPE",
        _ => return None,
    })
}

fn table(table: &TableWithJoins) -> Option<String> {
    match &table.relation {
        TableFactor::Table { name, .. } if table.joins.is_empty() => Some(name.to_string()),
        _ => None,
    }
}

fn joined<T: Display>(names: impl IntoIterator<Item = T>) -> String {
    names.into_iter().map(|name| name.to_string()).collect::<Vec<_>>().join(", ")
}

/// The verb that the first words give: the first one, and for CREATE, ALTER, DROP and REFRESH what kind of object
/// follows, without the words that may stand between.
fn verb(head: &[String]) -> String {
    const BETWEEN: [&str; 12] = [
        "OR",
        "REPLACE",
        "TEMP",
        "TEMPORARY",
        "GLOBAL",
        "LOCAL",
        "UNLOGGED",
        "UNIQUE",
        "RECURSIVE",
        "CONSTRAINT",
        "TRUSTED",
        "PROCEDURAL",
    ];
    const FIRST_OF_TWO: [&str; 7] = ["MATERIALIZED", "FOREIGN", "EVENT", "DEFAULT", "TEXT", "USER", "ACCESS"];
    let Some((first, rest)) = head.split_first() else { return "?".to_owned() };
    if !matches!(first.as_str(), "CREATE" | "ALTER" | "DROP" | "REFRESH") {
        return first.clone();
    }
    let mut words = rest.iter().map(String::as_str).skip_while(|word| BETWEEN.contains(word));
    let object: Vec<&str> = match (words.next(), words.next()) {
        (Some(object), Some(second)) if FIRST_OF_TWO.contains(&object) && is_second(second) => {
            vec![first, object, second]
        }
        (Some(object), _) => vec![first, object],
        (None, _) => vec![first],
    };
    object.join(" ")
}

/// Whether a word is the second one of an object's kind: USER MAPPING, but not USER alice.
fn is_second(word: &str) -> bool {
    matches!(word, "VIEW" | "TABLE" | "DATA" | "TRIGGER" | "PRIVILEGES" | "SEARCH" | "MAPPING" | "METHOD")
}
