//! What can't run in a migration's own transaction.
//!
//! A file runs in one transaction together with its bookkeeping, so that it is in as a whole or not at all, unless its
//! tool's mark says otherwise ([`super::piece`]). The
//! server refuses some statements there (`PreventInTransactionBlock` in its sources), and others would end that
//! transaction under us. Told by words alone are the cases that depend on nothing else; REINDEX TABLE and CLUSTER of a
//! partitioned table, DROP SUBSCRIPTION with a slot, and COMMIT inside DO and CALL depend on the database: there the
//! server refuses, and the file is rolled back.
//!
//! Each form below was tried inside BEGIN on Postgres 15.18.

use super::lex::{Lexer, TokenKind};
use super::piece::{Refused, pieces};
use super::source::Migration;
use super::split::Statement;
use super::sql_file::SqlFile;
use crate::finding::Finding;

/// Why a statement can't run in a file's transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unfit {
    /// The server refuses it in a transaction block.
    NotTransactional,
    /// It begins or ends a transaction itself.
    OwnTransaction,
}

/// A blocker for every statement that can't be run as the file's statements are: in its transaction, or apart.
pub fn findings(migration: &Migration) -> Vec<Finding> {
    let place = |statement: &Statement| format!("{}:{}", migration.file, statement.line);
    if migration.apart.is_some() {
        let refused = pieces(&migration.sql).err().into_iter().flatten();
        return refused
            .map(|Refused { statement, unfit, what }| apart_finding(unfit, what, place(&statement)))
            .collect();
    }
    let statements = migration.sql.statements.iter();
    let found = statements.filter_map(|statement| Some((statement, unfit(statement, &migration.sql.text)?)));
    found.map(|(statement, (unfit, what))| finding(unfit, what, place(statement))).collect()
}

fn finding(unfit: Unfit, what: &str, object: String) -> Finding {
    match unfit {
        Unfit::NotTransactional => {
            let advice = if what.contains("CONCURRENTLY") {
                "no client uses green yet, so write it without CONCURRENTLY"
            } else {
                "take it out of the migration and run it by itself"
            };
            Finding::blocker("migration/not-transactional", object, format!("{what} can't run in a transaction block"))
                .so_what(format!(
                    "this file runs in one transaction, so the server would refuse it there; mark the file as your tool \
                     wants it (docs/layouts.md), or: {advice}"
                ))
        }
        Unfit::OwnTransaction => Finding::blocker(
            "migration/own-transaction",
            object,
            format!("{what} begins or ends a transaction itself"),
        )
        .so_what(
            "a file runs in one transaction with its bookkeeping, which this would tear apart; only BEGIN as its first \
             and COMMIT as its last statement are understood",
        ),
    }
    .next("migrate plan")
}

/// The same in a file whose statements run one by one.
fn apart_finding(unfit: Unfit, what: &str, object: String) -> Finding {
    match unfit {
        Unfit::NotTransactional => {
            Finding::blocker("migration/not-transactional", object, format!("{what} can't be run exactly once"))
                .so_what("after a crash nobody could tell whether it was done, or it reaches beyond green's database")
        }
        Unfit::OwnTransaction => {
            Finding::blocker("migration/own-transaction", object, format!("{what} without its other half"))
                .so_what("statements run one by one here, or together between BEGIN and COMMIT; no other form is held")
        }
    }
    .next("take it out of the file, then: migrate plan")
}

/// Whether BEGIN is the file's first statement and COMMIT its last, with no other transaction in between and no options.
pub(super) fn is_whole(sql: &SqlFile) -> bool {
    let [first, between @ .., last] = sql.statements.as_slice() else { return false };
    let inner = between.iter().all(|statement| own_transaction(statement, statement.text(&sql.text)).is_none());
    inner && is_plain_begin(first, &sql.text) && is_plain_commit(last, &sql.text)
}

/// `BEGIN` or `START TRANSACTION`, without options: an isolation level would have to be ours as well.
pub fn is_plain_begin(statement: &Statement, source: &str) -> bool {
    let words = words(statement.text(source));
    let all: Vec<&str> = words.iter().map(String::as_str).collect();
    matches!(all.as_slice(), ["BEGIN"] | ["BEGIN", "WORK" | "TRANSACTION"] | ["START", "TRANSACTION"])
}

/// `COMMIT` or `END`, without AND CHAIN.
pub fn is_plain_commit(statement: &Statement, source: &str) -> bool {
    let words = words(statement.text(source));
    let all: Vec<&str> = words.iter().map(String::as_str).collect();
    matches!(all.as_slice(), ["COMMIT" | "END"] | ["COMMIT" | "END", "WORK" | "TRANSACTION"])
}

/// Why this statement can't run in a file's transaction, and the words that say so.
pub fn unfit(statement: &Statement, source: &str) -> Option<(Unfit, &'static str)> {
    let text = statement.text(source);
    own_transaction(statement, text)
        .map(|what| (Unfit::OwnTransaction, what))
        .or_else(|| not_transactional(statement, text).map(|what| (Unfit::NotTransactional, what)))
}

/// Savepoints stay inside the transaction and are fine; so is ROLLBACK TO one.
fn own_transaction(statement: &Statement, text: &str) -> Option<&'static str> {
    let first = statement.head.first()?.as_str();
    let has = |word| words(text).iter().any(|w| w == word);
    match first {
        "BEGIN" => Some("BEGIN"),
        "START" => Some("START TRANSACTION"),
        "END" => Some("END"),
        "ABORT" => Some("ABORT"),
        "COMMIT" if !statement.starts_with(&["COMMIT", "PREPARED"]) => Some("COMMIT"),
        "ROLLBACK" if !statement.starts_with(&["ROLLBACK", "PREPARED"]) && !has("TO") => Some("ROLLBACK"),
        "PREPARE" if is_prepare_transaction(text) => Some("PREPARE TRANSACTION"),
        _ => None,
    }
}

/// `PREPARE TRANSACTION 'id'`, not a prepared statement named `transaction`.
fn is_prepare_transaction(text: &str) -> bool {
    words(text) == ["PREPARE", "TRANSACTION"]
}

fn not_transactional(statement: &Statement, text: &str) -> Option<&'static str> {
    let starts = |words: &[&str]| statement.starts_with(words);
    let has = |word: &str| words(text).iter().any(|w| w == word);
    let simple = [
        (&["CREATE", "INDEX", "CONCURRENTLY"][..], "CREATE INDEX CONCURRENTLY"),
        (&["CREATE", "UNIQUE", "INDEX", "CONCURRENTLY"], "CREATE INDEX CONCURRENTLY"),
        (&["DROP", "INDEX", "CONCURRENTLY"], "DROP INDEX CONCURRENTLY"),
        (&["VACUUM"], "VACUUM"),
        (&["CREATE", "DATABASE"], "CREATE DATABASE"),
        (&["DROP", "DATABASE"], "DROP DATABASE"),
        (&["CREATE", "TABLESPACE"], "CREATE TABLESPACE"),
        (&["DROP", "TABLESPACE"], "DROP TABLESPACE"),
        (&["ALTER", "SYSTEM"], "ALTER SYSTEM"),
        (&["COMMIT", "PREPARED"], "COMMIT PREPARED"),
        (&["ROLLBACK", "PREPARED"], "ROLLBACK PREPARED"),
        (&["DISCARD", "ALL"], "DISCARD ALL"),
    ];
    if let Some((_, what)) = simple.into_iter().find(|(words, _)| starts(words)) {
        return Some(what);
    }
    match statement.head.first()?.as_str() {
        "REINDEX" => reindex(text),
        "CLUSTER" if words(text).iter().all(|word| matches!(word.as_str(), "CLUSTER" | "VERBOSE")) => {
            Some("CLUSTER of all tables")
        }
        "ALTER" if starts(&["ALTER", "TABLE"]) && has("DETACH") && ends_with_concurrently(text) => {
            Some("ALTER TABLE … DETACH PARTITION … CONCURRENTLY")
        }
        "ALTER" if starts(&["ALTER", "DATABASE"]) && has("TABLESPACE") => Some("ALTER DATABASE … SET TABLESPACE"),
        "CREATE" if starts(&["CREATE", "SUBSCRIPTION"]) && !creates_no_slot(text) => Some("CREATE SUBSCRIPTION"),
        _ => None,
    }
}

/// CONCURRENTLY stands among the options in parentheses (since 12) or after what is reindexed; a whole schema, database
/// or system is never one transaction.
fn reindex(text: &str) -> Option<&'static str> {
    let all = words(text);
    let off = all.windows(2).any(|pair| pair == ["CONCURRENTLY", "FALSE"] || pair == ["CONCURRENTLY", "OFF"]);
    if all.iter().any(|word| word == "CONCURRENTLY") && !off {
        return Some("REINDEX CONCURRENTLY");
    }
    let target =
        all.iter().find(|word| matches!(word.as_str(), "INDEX" | "TABLE" | "SCHEMA" | "DATABASE" | "SYSTEM"))?;
    match target.as_str() {
        "SCHEMA" => Some("REINDEX SCHEMA"),
        "DATABASE" => Some("REINDEX DATABASE"),
        "SYSTEM" => Some("REINDEX SYSTEM"),
        _ => None,
    }
}

fn ends_with_concurrently(text: &str) -> bool {
    words(text).last().is_some_and(|word| word == "CONCURRENTLY")
}

/// It is refused for the slot it creates on the other server; without one it may run.
fn creates_no_slot(text: &str) -> bool {
    let all = words(text);
    all.windows(2).any(|pair| {
        matches!(pair, [option, no] if matches!(option.as_str(), "CREATE_SLOT" | "CONNECT")
        && matches!(no.as_str(), "FALSE" | "OFF"))
    })
}

/// All unquoted words, in upper case. Only called for statements whose first word makes them short.
pub(super) fn words(text: &str) -> Vec<String> {
    Lexer::new(text)
        .map_while(Result::ok)
        .filter(|token| token.kind == TokenKind::Word)
        .map(|token| token.text(text).to_ascii_uppercase())
        .collect()
}
