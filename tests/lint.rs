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
fn a_plan_accepts_by_id_and_object_what_its_own_files_do() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
    std::fs::create_dir(folder.path().join("m")).unwrap();
    let sql = "SET lock_timeout = '1s';\nDROP TABLE u;\n-- migrate: accept drop-breaks-clients nobody reads it\nDROP TABLE v;\n";
    write("m/1_a.sql", sql);
    write("other.sql", "SET lock_timeout = '1s';\nDROP TABLE w;\n");
    let plan = |accepts: &[&str]| {
        let accept = |finding: &&str| format!("[[accept]]\nfinding = \"{finding}\"\nwhy = \"gone since 2.0\"\n");
        let head = "name = \"a\"\nstrategy = \"in-place\"\n[databases]\nblue = \"${NO_SUCH_BLUE}\"\n[migrations]\nsource = \"m\"\n";
        write("plan.toml", &(head.to_owned() + &accepts.iter().map(accept).collect::<String>()));
    };
    let lint = |args: &[&str]| {
        let ran = migrate(folder.path(), &[&["lint", "--format", "json", "--sarif", "out.sarif"], args].concat());
        let text = String::from_utf8(ran.stdout).unwrap();
        let doc: Value = serde_json::from_str(text.lines().next().unwrap()).unwrap();
        let said = doc["findings"].as_array().unwrap().iter().map(|one| {
            let by = one["accepted_by"].as_str().unwrap_or("-");
            format!("{} {}:{} {by}", one["rule"].as_str().unwrap(), one["file"].as_str().unwrap(), one["line"])
        });
        (
            ran.status.code(),
            said.map(|one| one.replace(&format!("{}/", folder.path().display()), "")).collect::<Vec<_>>(),
        )
    };
    let by_comment = "drop-breaks-clients m/1_a.sql:4 comment";
    for object in ["lint/drop-breaks-clients", "lint/drop-breaks-clients:1_a.sql", "lint/drop-breaks-clients:1_a.sql:2"]
    {
        plan(&[object]);
        let expected = vec!["drop-breaks-clients m/1_a.sql:2 plan".to_owned(), by_comment.to_owned()];
        assert_eq!(lint(&["plan.toml"]), (Some(0), expected), "{object}");
    }
    let sarif: Value =
        serde_json::from_str(&std::fs::read_to_string(folder.path().join("out.sarif")).unwrap()).unwrap();
    let kinds = ["external", "inSource"].map(Value::from);
    let results = &sarif["runs"][0]["results"];
    assert_eq!([0, 1].map(|at| results[at]["suppressions"][0]["kind"].clone()), kinds);
    // A file beside the plan is none of its own; what matches nothing is told, at its line, where it could have matched.
    plan(&[
        "lint/drop-breaks-clients:1_a.sql",
        "lint/many-alters",
        "lint/workload-star",
        "lint/traced",
        "guard/timeouts",
    ]);
    let (code, said) = lint(&["plan.toml", "other.sql"]);
    let open = "drop-breaks-clients other.sql:2 -";
    let expected = ["drop-breaks-clients m/1_a.sql:2 plan", by_comment, open, "plan/accept-unmatched plan.toml:11 -"];
    assert_eq!((code, said), (Some(3), expected.map(str::to_owned).to_vec()));
    std::fs::write(folder.path().join("q.sql"), "SELECT * FROM x").unwrap();
    let (_, said) = lint(&["plan.toml", "--workload", "q.sql"]);
    assert_eq!(said.last().unwrap(), "plan/accept-unmatched plan.toml:14 -");
}

#[test]
fn what_can_t_be_read_is_a_finding_with_its_place_and_the_other_files_are_judged() {
    let folder = tempfile::tempdir().unwrap();
    let bad: [(&[u8], &str); 13] = [
        (b"SELECT 1;\nSELECT 'open", "2:8: unterminated string"),
        (b"DO $x$ BEGIN; $y$", "1:4: unterminated dollar-quoted string"),
        (b"\\set x 1\n", "1:1: a psql command, which only psql understands"),
        (b"SELECT 1;\n\\copy t from 'x'\n", "2:1: a psql command, which only psql understands"),
        (b"COPY t FROM STDIN;\n1\n\\.\n", "1:13: COPY … FROM STDIN, whose data is no SQL; use INSERT"),
        (b"SELECT 1;\0", "1:10: a NUL character, which Postgres accepts nowhere"),
        (b"SELECT '\xff'", "1:9: not UTF-8"),
        (b"SELECT 1;\r\nSELECT {{ x }};\r\n", "2:8: an unrendered template"),
        (b"SELECT ${x}", "1:8: an unrendered template"),
        (b"\xef\xbb\xbfSELECT (1", "1:9: parenthesis without its closing one"),
        (b"/* a /* b */", "1:1: unterminated comment"),
        (
            b"SET standard_conforming_strings = off; SELECT 'a\\'; DROP TABLE t; --'",
            "1:5: standard_conforming_strings is set: strings after it would be read by other rules",
        ),
        (
            b"SELECT set_config('standard_conforming_strings', 'off', false)",
            "1:19: standard_conforming_strings is set: strings after it would be read by other rules",
        ),
    ];
    std::fs::write(folder.path().join("good.sql"), "DROP TABLE t;").unwrap();
    for (bytes, place) in bad {
        std::fs::write(folder.path().join("bad.sql"), bytes).unwrap();
        let ran = migrate(folder.path(), &["lint", "bad.sql", "good.sql", "--format", "json"]);
        assert_eq!(ran.status.code(), Some(3), "{place}");
        let text = String::from_utf8(ran.stdout).unwrap();
        let doc: Value = serde_json::from_str(text.lines().next().unwrap()).unwrap();
        let first = &doc["findings"][0];
        let said = format!("{}:{}: {}", first["line"], first["column"], first["what"].as_str().unwrap());
        assert_eq!((first["rule"].as_str(), said.as_str()), (Some("not-readable"), place));
        let found = doc["findings"].as_array().unwrap();
        assert!(found.iter().any(|one| one["rule"] == "drop-breaks-clients" && one["file"] == "good.sql"), "{text}");
    }
}

#[test]
fn an_empty_folder_and_two_files_of_one_version_are_findings() {
    let folder = tempfile::tempdir().unwrap();
    let lint = || {
        let ran = migrate(folder.path(), &["lint", "m"]);
        assert_eq!(ran.status.code(), Some(3));
        String::from_utf8(ran.stdout).unwrap()
    };
    let dir = folder.path().join("m");
    std::fs::create_dir(&dir).unwrap();
    assert!(lint().contains("--> m:1:1"), "{}", lint());
    std::fs::write(dir.join("1_a.sql"), "SELECT 1;").unwrap();
    std::fs::write(dir.join("1_b.sql"), "SELECT 1;").unwrap();
    let said = lint();
    assert!(said.contains("--> m/1_b.sql:1:1") && said.contains("1_a.sql and 1_b.sql have the same version"), "{said}");
}

#[test]
fn odd_files_that_can_be_read_are_read() {
    let long = format!("SET lock_timeout = '1s';\nUPDATE t SET a = {}1 WHERE id = 1;", "1 + ".repeat(100_000));
    let deep = format!("SELECT {}1{};", "(".repeat(100_000), ")".repeat(100_000));
    for (sql, expected) in [
        ("\u{feff}DROP TABLE t;", vec!["drop-breaks-clients", "no-lock-timeout"]),
        ("SET lock_timeout = 1;\r\nDROP TABLE t;\r\n", vec!["drop-breaks-clients"]),
        ("/* a /* DROP TABLE t; */ b */", vec![]),
        ("SET standard_conforming_strings = on; SET standard_conforming_strings TO DEFAULT;", vec![]),
        (&long, vec![]),
        (&deep, vec![]),
        ("", vec![]),
    ] {
        assert_eq!(rules(&[sql]), expected, "{}", &sql[..sql.len().min(60)]);
    }
}

/// Many statements with findings, and one of many tokens: linear, or nobody would see the end of it. `benches/lint.rs`
/// takes 50 MB.
#[test]
fn a_large_file_is_judged() {
    let many: String = (0..3_000).map(|at| format!("CREATE INDEX i{at} ON t{at} (a);\n")).collect();
    let rows = "(1, 'some text of a row', now()),\n".repeat(100_000);
    let sql = file(&format!("{many}INSERT INTO t VALUES\n{rows}(2, '', now());\n"));
    let found = Linter::default().lint(&sql, true);
    let lines = sql.lines();
    assert_eq!(lines.place(found.last().unwrap().span.start).line, 3_000);
    assert_eq!((sql.statements.len(), found.len()), (3_001, 3_001), "an index each, and no lock_timeout once");
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

/// Everything that an arbitrary text goes through on its way to a finding.
fn lint_bytes(bytes: &[u8]) {
    if let Ok(file) = SqlFile::from_bytes(Path::new("any.sql"), bytes.to_vec()) {
        let found = Linter::default().lint(&file, true);
        let lines = file.lines();
        for one in found {
            assert!(file.text.get(one.span.clone()).is_some(), "a span inside a character");
            let _ = (lines.place(one.span.start), lines.excerpt(one.span));
        }
    }
}

/// Texts that once were hard to read, or are of kinds that no generator comes upon; a file that made the reader fail
/// belongs here.
#[test]
fn the_corpus_is_read_without_panic() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/ddl/corpus");
    let mut read = 0;
    for entry in std::fs::read_dir(corpus).unwrap() {
        let bytes = std::fs::read(entry.unwrap().path()).unwrap();
        lint_bytes(&bytes);
        // Cut off anywhere, it is another text.
        for end in (0..bytes.len()).step_by(7) {
            lint_bytes(&bytes[..end]);
        }
        read += 1;
    }
    assert!(read >= 12);
}

/// A text of the corpus with some bytes changed.
fn mutated() -> impl Strategy<Value = Vec<u8>> {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/ddl/corpus");
    let texts: Vec<Vec<u8>> =
        std::fs::read_dir(corpus).unwrap().map(|entry| std::fs::read(entry.unwrap().path()).unwrap()).collect();
    let changes = prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..8);
    (prop::sample::select(texts), changes).prop_map(|(mut text, changes)| {
        for (at, byte) in changes {
            if !text.is_empty() {
                let at = at.index(text.len());
                text[at] = byte;
            }
        }
        text
    })
}

proptest! {
    #[test]
    fn no_bytes_make_the_splitter_or_the_reader_panic(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        lint_bytes(&bytes);
    }

    #[test]
    fn no_change_of_the_corpus_makes_them_panic(bytes in mutated()) {
        lint_bytes(&bytes);
    }

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
