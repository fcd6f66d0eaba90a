//! How the statements of a file that runs without a transaction of its own are run: one by one, each exactly once.
//!
//! What a transaction can hold gets one, together with its receipt. Of what none can hold, only that is run of which can
//! be told afterwards, from the catalog, whether it was done, or which may be done twice; the rest is refused by name.

use std::ops::Range;

use super::lex::{Lexer, Token, TokenKind};
use super::split::{Statement, split};
use super::sql_file::SqlFile;
use super::transaction::{Unfit, is_plain_begin, is_plain_commit, unfit, words};

/// A part of a file: one statement, or those between BEGIN and COMMIT.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Piece {
    /// Which of the file's statements.
    pub statements: Range<usize>,
    /// How it is run.
    pub how: How,
    /// Whether what it does lives in the session (a temporary table, a prepared statement): gone when we are.
    pub dies_with_session: bool,
}

/// How a piece is run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum How {
    /// It sets something in the session: run again in every session.
    Session,
    /// In a transaction, with its receipt.
    Transaction,
    /// By itself; asked for in the catalog when nobody knows whether it was done.
    Alone(Alone),
}

/// What the server refuses in a transaction block and is run all the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Alone {
    /// `CREATE INDEX CONCURRENTLY`: the table, as written.
    CreateIndex(String),
    /// `DROP INDEX CONCURRENTLY`: the index, as written.
    DropIndex(String),
    /// `REINDEX CONCURRENTLY`: may be done twice, once what an interrupted one left is dropped.
    Reindex,
    /// `VACUUM` and the like: may be done twice.
    Repeatable,
}

/// A statement that can't be run exactly once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// Which.
    pub statement: Statement,
    /// Why.
    pub unfit: Unfit,
    /// The words that say so.
    pub what: &'static str,
}

/// Cuts a file into pieces, or says what is in the way.
pub fn pieces(sql: &SqlFile) -> Result<Vec<Piece>, Vec<Refused>> {
    let (mut pieces, mut refused) = (Vec::new(), Vec::new());
    let mut block: Option<usize> = None;
    for (at, statement) in sql.statements.iter().enumerate() {
        let refuse = |unfit, what| Refused { statement: statement.clone(), unfit, what };
        match (unfit(statement, &sql.text), block) {
            (Some((Unfit::OwnTransaction, _)), None) if is_plain_begin(statement, &sql.text) => block = Some(at),
            (Some((Unfit::OwnTransaction, _)), Some(begin)) if is_plain_commit(statement, &sql.text) => {
                block = None;
                if begin + 1 < at {
                    pieces.push(together(sql, begin + 1..at));
                }
            }
            (Some((unfit @ Unfit::OwnTransaction, what)), _) => refused.push(refuse(unfit, what)),
            (Some((unfit, what)), Some(_)) => refused.push(refuse(unfit, what)),
            (Some((unfit, what)), None) => match alone(statement, &sql.text, what) {
                Some(alone) => {
                    pieces.push(Piece { statements: at..at + 1, how: How::Alone(alone), dies_with_session: false });
                }
                None => refused.push(refuse(unfit, what)),
            },
            (None, Some(_)) => {}
            (None, None) if sets_session(statement, &sql.text) => {
                pieces.push(Piece { statements: at..at + 1, how: How::Session, dies_with_session: false });
            }
            (None, None) => pieces.push(together(sql, at..at + 1)),
        }
    }
    if let Some(begin) = block.and_then(|begin| sql.statements.get(begin)) {
        refused.push(Refused { statement: begin.clone(), unfit: Unfit::OwnTransaction, what: "BEGIN" });
    }
    if refused.is_empty() { Ok(pieces) } else { Err(refused) }
}

fn together(sql: &SqlFile, statements: Range<usize>) -> Piece {
    let inside = sql.statements.get(statements.clone()).unwrap_or_default();
    let dies_with_session = inside.iter().any(|statement| {
        // A SET inside a block lasts as long as the session too.
        dies_with_session(statement, &sql.text) || (inside.len() > 1 && sets_session(statement, &sql.text))
    });
    Piece { statements, how: How::Transaction, dies_with_session }
}

fn alone(statement: &Statement, source: &str, what: &str) -> Option<Alone> {
    let text = statement.text(source);
    match what {
        "CREATE INDEX CONCURRENTLY" => name_after(text, "ON").map(Alone::CreateIndex),
        "DROP INDEX CONCURRENTLY" => name_after(text, "CONCURRENTLY").map(Alone::DropIndex),
        "REINDEX CONCURRENTLY" => Some(Alone::Reindex),
        "VACUUM" | "REINDEX SCHEMA" | "REINDEX DATABASE" | "REINDEX SYSTEM" | "CLUSTER of all tables" => {
            Some(Alone::Repeatable)
        }
        _ => None,
    }
}

/// The name, with its schema, that follows the first unquoted `word`, as written; ONLY, IF and EXISTS may stand between.
/// ON is a reserved word, so that no index is called so.
fn name_after(text: &str, word: &str) -> Option<String> {
    let tokens = Lexer::new(text).map_while(Result::ok).filter(|token| !token.is_gap());
    let mut tokens = tokens.skip_while(|token| !token.is_word(text, word)).skip(1).peekable();
    while tokens.next_if(|token| ["ONLY", "IF", "EXISTS"].iter().any(|between| token.is_word(text, between))).is_some()
    {
    }
    let is_name = |token: &Token| match token.kind {
        TokenKind::Word => true,
        TokenKind::QuotedName => token.text(text).starts_with('"'),
        _ => false,
    };
    let mut name = tokens.next_if(is_name)?.text(text).to_owned();
    while tokens.next_if(|token| token.is_symbol(text, ".")).is_some() {
        name.push('.');
        name.push_str(tokens.next_if(is_name)?.text(text));
    }
    Some(name)
}

/// `SET`, `RESET` and `SELECT set_config(…)` with nothing else in it.
fn sets_session(statement: &Statement, source: &str) -> bool {
    match statement.head.first().map(String::as_str) {
        Some("SET") => {
            !matches!(statement.head.get(1).map(String::as_str), Some("LOCAL" | "CONSTRAINTS" | "TRANSACTION"))
        }
        Some("RESET") => true,
        Some("SELECT") => {
            let words = words(statement.text(source));
            words.iter().all(|word| matches!(word.as_str(), "SELECT" | "PG_CATALOG" | "SET_CONFIG" | "TRUE" | "FALSE"))
                && words.iter().any(|word| word == "SET_CONFIG")
        }
        _ => false,
    }
}

/// Whether a statement's effect lives in the session: see [`Piece::dies_with_session`].
pub fn is_of_session(text: &str) -> bool {
    split(text).is_ok_and(|statements| statements.iter().any(|statement| dies_with_session(statement, text)))
}

/// Whether a statement sets something in the session and does nothing else.
pub fn is_setting(text: &str) -> bool {
    split(text).is_ok_and(|statements| matches!(statements.as_slice(), [one] if sets_session(one, text)))
}

fn dies_with_session(statement: &Statement, source: &str) -> bool {
    let is_temporary = |word: &String| word == "TEMP" || word == "TEMPORARY";
    match statement.head.first().map(String::as_str) {
        Some("CREATE") => statement.head.iter().skip(1).take(3).any(is_temporary),
        Some("PREPARE" | "DECLARE" | "LISTEN" | "LOAD") => true,
        Some("SELECT" | "WITH") => words(statement.text(source))
            .windows(2)
            .any(|pair| matches!(pair, [into, kind] if into == "INTO" && is_temporary(kind))),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn cut(text: &str) -> Result<Vec<Piece>, Vec<Refused>> {
        pieces(&SqlFile::from_bytes(Path::new("x.sql"), text.as_bytes().to_vec()).unwrap())
    }

    #[test]
    fn each_statement_is_a_piece_and_what_stands_between_begin_and_commit_is_one() {
        let text = "SET search_path = a; CREATE TABLE t (); BEGIN; A; B; COMMIT; CREATE UNIQUE INDEX CONCURRENTLY i ON ONLY \
                    a.\"T\" (x); DROP INDEX CONCURRENTLY IF EXISTS a.j; VACUUM t; SELECT pg_catalog.set_config('a', '', false);
                    CREATE LOCAL TEMP TABLE z (); REINDEX (CONCURRENTLY) TABLE t";
        let hows: Vec<_> = cut(text).unwrap().into_iter().map(|p| (p.statements, p.how, p.dies_with_session)).collect();
        assert_eq!(
            hows,
            [
                (0..1, How::Session, false),
                (1..2, How::Transaction, false),
                (3..5, How::Transaction, false),
                (6..7, How::Alone(Alone::CreateIndex("a.\"T\"".to_owned())), false),
                (7..8, How::Alone(Alone::DropIndex("a.j".to_owned())), false),
                (8..9, How::Alone(Alone::Repeatable), false),
                (9..10, How::Session, false),
                (10..11, How::Transaction, true),
                (11..12, How::Alone(Alone::Reindex), false),
            ]
        );
    }

    #[test]
    fn what_cannot_be_run_exactly_once_is_refused_by_name() {
        for (text, expected) in [
            ("ALTER SYSTEM SET work_mem = '1MB'", "ALTER SYSTEM"),
            ("CREATE DATABASE d", "CREATE DATABASE"),
            ("BEGIN; A", "BEGIN"),
            ("A; COMMIT", "COMMIT"),
            ("BEGIN; A; ROLLBACK; COMMIT", "ROLLBACK"),
            ("BEGIN; VACUUM; COMMIT", "VACUUM"),
            ("BEGIN ISOLATION LEVEL SERIALIZABLE; A; COMMIT AND CHAIN", "BEGIN"),
            ("DISCARD ALL", "DISCARD ALL"),
            ("ALTER TABLE a DETACH PARTITION b CONCURRENTLY", "ALTER TABLE … DETACH PARTITION … CONCURRENTLY"),
        ] {
            assert_eq!(cut(text).unwrap_err()[0].what, expected, "{text}");
        }
    }
}
