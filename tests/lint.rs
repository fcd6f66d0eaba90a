//! `migrate lint`: what stands beside what, what is accepted, how it is said. The rules themselves: `lint_rules.rs`;
//! locks, rewrites and scans: `ddl_truth.rs`.

#![allow(clippy::unwrap_used)] // a test may

use std::path::Path;
use std::process::{Command, Output};

use proptest::prelude::*;
use serde_json::Value;
use teal::ddl::SqlFile;
use teal::ddl::lint::Linter;
use teal::ddl::read::{Reading, read};

fn file(text: &str) -> SqlFile {
    SqlFile::from_bytes(Path::new("example.sql"), text.as_bytes().to_vec()).unwrap()
}

/// The rules that find something in the last of several files, in their order.
fn rules(files: &[&str]) -> Vec<&'static str> {
    let mut linter = Linter::default();
    let mut last = Vec::new();
    for text in files {
        last = linter.lint(&file(text), true);
    }
    last.iter().filter(|one| one.accepted.is_none()).map(|one| one.rule.id).collect()
}

const QUIET: &str = "SET lock_timeout = '1s';\n";

#[test]
fn what_a_file_made_itself_is_nobody_elses_yet() {
    let made = "CREATE TABLE t (id int PRIMARY KEY, a text);\n";
    let used = "CREATE INDEX t_a ON t (a);\nALTER TABLE t ALTER COLUMN a SET NOT NULL;\nUPDATE t SET a = '';\n";
    assert_eq!(rules(&[&format!("{made}{used}")]), Vec::<&str>::new());
    let next = rules(&[made, &format!("{QUIET}{used}")]);
    assert_eq!(next, ["index-blocks-writes", "set-not-null-scans", "whole-table-write", "works-under-lock"]);
}

#[test]
fn what_earlier_files_say_of_a_column_decides() {
    let before = "CREATE TABLE t (id int PRIMARY KEY, v varchar(10), n numeric(10,2), x text NOT NULL);\n\
                  ALTER TABLE t ADD CONSTRAINT there CHECK (v IS NOT NULL);\n";
    let lint = |sql: &str| rules(&[before, &format!("{QUIET}{sql}")]);
    assert_eq!(lint("ALTER TABLE t ALTER COLUMN v TYPE varchar(20)"), Vec::<&str>::new());
    assert_eq!(lint("ALTER TABLE t ALTER COLUMN n TYPE numeric(12,4)"), ["type-rewrites"]);
    assert_eq!(lint("ALTER TABLE t ALTER COLUMN x SET NOT NULL"), Vec::<&str>::new());
    assert_eq!(lint("ALTER TABLE t ALTER COLUMN v SET NOT NULL"), Vec::<&str>::new());
    assert_eq!(lint("ALTER TABLE other.t ALTER COLUMN x SET NOT NULL"), ["set-not-null-scans"]);
    assert_eq!(lint("ALTER TABLE \"T\" ALTER COLUMN x SET NOT NULL"), ["set-not-null-scans"]);
}

#[test]
fn a_valid_check_of_another_column_excuses_nothing() {
    let before =
        "CREATE TABLE t (a text, b text);\nALTER TABLE t ADD CONSTRAINT there CHECK (a IS NOT NULL) NOT VALID;\n";
    let lint = |sql: &str| rules(&[before, &format!("{QUIET}{sql}")]);
    assert_eq!(lint("ALTER TABLE t ALTER COLUMN a SET NOT NULL"), ["set-not-null-scans"], "it is not validated");
    let validated = format!("{before}ALTER TABLE t VALIDATE CONSTRAINT there;\n");
    assert_eq!(rules(&[&validated, &format!("{QUIET}ALTER TABLE t ALTER COLUMN a SET NOT NULL")]), Vec::<&str>::new());
    let other = rules(&[&validated, &format!("{QUIET}ALTER TABLE t ALTER COLUMN b SET NOT NULL")]);
    assert_eq!(other, ["set-not-null-scans"]);
}

#[test]
fn a_statement_that_hides_another_is_not_understood() {
    for sql in [
        "ALTER TABLE a ADD COLUMN x int END DROP TABLE b",
        "CREATE SCHEMA s CREATE TABLE t (id int)",
        "SELECT * INTO copy FROM token",
        "WITH gone AS (DELETE FROM token RETURNING id) SELECT count(*) FROM gone",
        "DROP FUNCTION f() CASCADE",
        "SECURITY LABEL ON TABLE t IS 'x'",
    ] {
        assert_eq!(read(sql), Reading::Unknown, "{sql}");
    }
    assert!(matches!(read("ALTER TABLE t DROP index CASCADE"), Reading::Alter(_)), "a column named index");
}

#[test]
fn an_accept_covers_its_rule_in_its_statement_alone() {
    let sql = format!(
        "{QUIET}-- migrate: accept drop-breaks-clients nobody names it\nALTER TABLE t DROP COLUMN a;\n\
         ALTER TABLE t DROP COLUMN b;\n"
    );
    assert_eq!(rules(&[&sql]), ["drop-breaks-clients"]);
    let string = format!("{QUIET}SELECT '-- migrate: accept drop-breaks-clients x'; ALTER TABLE t DROP COLUMN a;");
    assert_eq!(rules(&[&string]), ["drop-breaks-clients"], "in a string it is no comment");
}

fn migrate(folder: &Path, args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_migrate"));
    command.args(args).current_dir(folder).env_remove("GITHUB_ACTIONS").output().unwrap()
}

#[test]
fn it_is_said_as_json_as_sarif_and_as_annotations() {
    let folder = tempfile::tempdir().unwrap();
    let sql = "-- café\nSET lock_timeout = '1s'; CREATE INDEX i ON t (a);\n\
               -- migrate: accept drop-breaks-clients nobody names it\nDROP TABLE u;\n";
    std::fs::write(folder.path().join("a,b.sql"), sql).unwrap();
    let ran = migrate(folder.path(), &["lint", "a,b.sql", "--format", "json", "--sarif", "out.sarif"]);
    assert_eq!(ran.status.code(), Some(3));
    let text = String::from_utf8(ran.stdout).unwrap();
    let doc: Value = serde_json::from_str(text.lines().next().unwrap()).unwrap();
    insta::assert_snapshot!("lint_json", serde_json::to_string_pretty(&doc).unwrap());
    let sarif: Value =
        serde_json::from_str(&std::fs::read_to_string(folder.path().join("out.sarif")).unwrap()).unwrap();
    insta::assert_snapshot!("lint_sarif_results", serde_json::to_string_pretty(&sarif["runs"][0]["results"]).unwrap());
    let ran = migrate(folder.path(), &["lint", "a,b.sql", "--annotations", "github"]);
    let said = String::from_utf8(ran.stderr).unwrap();
    assert!(
        said.starts_with("::error file=a%2Cb.sql,line=2,endLine=2,col=26,title=lint/index-blocks-writes::"),
        "{said}"
    );
}

#[test]
fn a_file_that_can_t_be_cut_is_refused_with_its_place() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("a.sql"), "SELECT 1;\nSELECT 'open").unwrap();
    let ran = migrate(folder.path(), &["lint", "a.sql"]);
    assert_eq!(ran.status.code(), Some(2));
    assert!(String::from_utf8(ran.stderr).unwrap().contains("a.sql:2:8: unterminated string"));
}

/// Pieces that DDL is made of, in any order.
const PIECES: [&str; 24] = [
    "ALTER TABLE",
    "CREATE",
    "INDEX",
    "CONCURRENTLY",
    "ON",
    "t",
    "(",
    ")",
    ",",
    "ADD",
    "COLUMN",
    "DEFAULT",
    "NOT NULL",
    "int",
    "DROP",
    "CASCADE",
    "\"q\"",
    "'s'",
    ".",
    "[",
    "]",
    "REFERENCES",
    "USING",
    "WHERE",
];

proptest! {
    #[test]
    fn no_text_makes_the_reader_panic(text in "\\PC{0,200}") {
        let _ = read(&text);
    }

    #[test]
    fn no_order_of_words_makes_it_panic(picks in prop::collection::vec(0..PIECES.len(), 0..40)) {
        let text: Vec<&str> = picks.into_iter().map(|pick| PIECES[pick]).collect();
        let _ = read(&text.join(" "));
    }
}
