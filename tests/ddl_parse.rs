//! `plan` names what a statement does, or says that it doesn't know.
#![allow(clippy::unwrap_used)] // a test may fail by panicking, its helpers included

use proptest::prelude::*;
use teal::ddl::parse::{StatementKind, kind};
use teal::ddl::split;

fn kind_of(sql: &str) -> StatementKind {
    let statements = split(sql).unwrap();
    kind(statements[0].text(sql), &statements[0].head)
}

#[test]
fn common_statements_are_named_with_their_object() {
    for (sql, verb, relation) in [
        ("CREATE TABLE IF NOT EXISTS a.t (x int)", "CREATE TABLE", "a.t"),
        ("create unlogged table t as select 1", "CREATE TABLE", "t"),
        ("CREATE TEMP TABLE t (x int)", "CREATE TABLE", "t"),
        ("CREATE UNIQUE INDEX i ON a.t (x) WHERE x > 0", "CREATE INDEX", "a.t"),
        ("CREATE INDEX CONCURRENTLY ON \"T\" (x)", "CREATE INDEX", "\"T\""),
        ("CREATE OR REPLACE VIEW v AS SELECT 1", "CREATE VIEW", "v"),
        ("CREATE MATERIALIZED VIEW v AS SELECT 1", "CREATE MATERIALIZED VIEW", "v"),
        ("CREATE TYPE mood AS ENUM ('a')", "CREATE TYPE", "mood"),
        ("CREATE SEQUENCE s", "CREATE SEQUENCE", "s"),
        ("CREATE SCHEMA s", "CREATE SCHEMA", "s"),
        ("CREATE EXTENSION IF NOT EXISTS pgcrypto", "CREATE EXTENSION", "pgcrypto"),
        ("CREATE FUNCTION f() RETURNS int LANGUAGE sql AS $$ SELECT 1; $$", "CREATE FUNCTION", "f"),
        ("CREATE TRIGGER g AFTER INSERT ON t FOR EACH ROW EXECUTE FUNCTION f()", "CREATE TRIGGER", "t"),
        ("ALTER TABLE ONLY a.t ADD COLUMN y text NOT NULL DEFAULT ''", "ALTER TABLE", "a.t"),
        ("ALTER TYPE mood ADD VALUE 'b'", "ALTER TYPE", "mood"),
        ("DROP TABLE IF EXISTS a, b CASCADE", "DROP TABLE", "a, b"),
        ("DROP INDEX i", "DROP INDEX", "i"),
        ("DROP FUNCTION f(int)", "DROP FUNCTION", "f"),
        ("TRUNCATE a, b", "TRUNCATE", "a, b"),
        ("INSERT INTO a.t (x) VALUES ('it''s') ON CONFLICT DO NOTHING", "INSERT", "a.t"),
        ("UPDATE t SET x = 1 WHERE y", "UPDATE", "t"),
        ("DELETE FROM a.t USING b WHERE t.x = b.x", "DELETE", "a.t"),
    ] {
        let expected = StatementKind { verb: verb.to_owned(), relation: Some(relation.to_owned()), unknown: false };
        assert_eq!(kind_of(sql), expected, "{sql}");
    }
}

#[test]
fn what_is_not_understood_is_unknown_and_named_by_its_words() {
    for (sql, verb) in [
        ("DO $$ BEGIN END $$", "DO"),
        ("CALL p()", "CALL"),
        ("SELECT f()", "SELECT"),
        ("WITH d AS (SELECT 1) DELETE FROM t", "WITH"),
        ("DROP INDEX CONCURRENTLY i", "DROP INDEX"),
        ("ALTER TABLE p ATTACH PARTITION q DEFAULT", "ALTER TABLE"),
        ("REFRESH MATERIALIZED VIEW v", "REFRESH MATERIALIZED VIEW"),
        ("ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO r", "ALTER DEFAULT PRIVILEGES"),
        ("CREATE USER alice", "CREATE USER"),
        ("CREATE STATISTICS s ON a, b FROM t", "CREATE STATISTICS"),
        ("REINDEX TABLE t", "REINDEX"),
        ("nonsense", "NONSENSE"),
        ("'text'", "?"),
        ("ALTER TABLE a ADD COLUMN x int END", "ALTER TABLE"),
    ] {
        assert_eq!(kind_of(sql), StatementKind { verb: verb.to_owned(), relation: None, unknown: true }, "{sql}");
    }
}

/// What the parser would take for something else than the head says is not believed.
#[test]
fn a_head_that_says_something_else_makes_it_unknown() {
    let head = ["ALTER".to_owned(), "TABLE".to_owned()];
    assert!(kind("DROP TABLE t", &head).unknown);
    assert!(kind("ALTER TABLE t ADD x int; DROP TABLE t", &head).unknown);
}

/// On the smallest stack that anything of ours runs on, half of it spent.
#[test]
fn neither_deep_nor_long_statements_overflow_the_stack() {
    let chains =
        [("1", "+1"), ("1", "::int"), ("a", "[1]"), ("a", " IS NULL"), ("a", ".b"), ("a", "||b"), ("a", " COLLATE c")];
    let nests = [
        ("(", ")"),
        ("-", ""),
        ("NOT ", ""),
        ("f(", ")"),
        ("ARRAY[", "]"),
        ("CASE WHEN a THEN ", " END"),
        ("(SELECT ", ")"),
    ];
    let mut statements = Vec::new();
    for depth in [100, 1_000, 3_900, 7_900, 100_000] {
        statements.extend(chains.map(|(start, link)| format!("UPDATE t SET x = {start}{}", link.repeat(depth))));
        statements.extend(
            nests.map(|(open, close)| format!("UPDATE t SET x = {}1{}", open.repeat(depth), close.repeat(depth))),
        );
        statements.push(format!("INSERT INTO t SELECT 1{}", " UNION SELECT 1".repeat(depth)));
        statements.push(format!("INSERT INTO t VALUES (1){}", ",(1)".repeat(depth)));
    }
    let reader = std::thread::Builder::new().stack_size(1024 * 1024).spawn(move || {
        for sql in &statements {
            assert!(["UPDATE", "INSERT"].contains(&kind_of(sql).verb.as_str()));
        }
    });
    reader.unwrap().join().unwrap();
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_words_are_named_without_a_panic(words in prop::collection::vec(prop::sample::select(vec![
        "CREATE", "ALTER", "DROP", "TABLE", "INDEX", "VIEW", "t", "(", ")", "ON", "ADD", "COLUMN", "int", "'x'", ",", "AS",
        "SELECT", "FROM", "INSERT", "INTO", "VALUES", "UPDATE", "SET", "=", "1", "DELETE", "TYPE", "ENUM", "\"q\"", "$$b$$",
        "MATERIALIZED", "OR", "REPLACE", "FUNCTION", "TRUNCATE", "END", "BEGIN", ".", "::", "[", "]", "*", "CASE", "WHEN",
    ]), 1..25)) {
        let sql = words.join(" ");
        if let Ok(statements) = split(&sql) {
            for statement in &statements {
                let kind = kind(statement.text(&sql), &statement.head);
                prop_assert_eq!(kind.unknown, kind.relation.is_none());
            }
        }
    }
}
