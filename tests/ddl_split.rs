//! Migration files are cut where Postgres would cut them, or refused.
#![allow(clippy::unwrap_used, clippy::expect_used)] // a test may fail by panicking, its helpers included

use std::fmt::Write as _;
use std::path::Path;

use proptest::prelude::*;
use teal::ddl::lex::Lexer;
use teal::ddl::{SplitError, SqlFile, read_sql_file, split};

fn texts(source: &str) -> Vec<&str> {
    split(source).unwrap().iter().map(|statement| statement.text(source)).collect()
}

fn refusal(source: &str) -> SplitError {
    split(source).expect_err(source)
}

fn fixture(name: &str) -> SqlFile {
    read_sql_file(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/ddl").join(name)).unwrap()
}

fn described(file: &SqlFile) -> String {
    let mut out = String::new();
    for statement in &file.statements {
        let text = statement.text(&file.text).replace('\r', "␍");
        writeln!(out, "line {} {:?}\n{text}\n", statement.line, statement.head).unwrap();
    }
    out
}

#[test]
fn semicolons_end_statements_only_outside_quotes_and_comments() {
    for (source, expected) in [
        ("", vec![]),
        (" ; ;\n;", vec![]),
        ("-- only; comments\n/* ; ' */", vec![]),
        ("a;b", vec!["a", "b"]),
        ("\u{feff}a;", vec!["a"]),
        ("/* x */ a -- it's\n; b /* ; */", vec!["a", "b"]),
        (
            "SELECT ';''', E'\\';', \"a;\"\"b\", $x$;$$;$x$; b",
            vec!["SELECT ';''', E'\\';', \"a;\"\"b\", $x$;$$;$x$", "b"],
        ),
        ("SELECT E'a'\n'\\';'; b", vec!["SELECT E'a'\n'\\';'", "b"]),
        ("a\r\n;\r\nb\r\n", vec!["a", "b"]),
        (
            "CREATE RULE r AS ON INSERT TO t DO (DELETE FROM a; DELETE FROM b); c",
            vec!["CREATE RULE r AS ON INSERT TO t DO (DELETE FROM a; DELETE FROM b)", "c"],
        ),
        ("SELECT 'a' <% b, c %> 'd', e <<% f; b", vec!["SELECT 'a' <% b, c %> 'd', e <<% f", "b"]),
        ("COPY t FROM '/tmp/stdin'; COPY t TO STDOUT", vec!["COPY t FROM '/tmp/stdin'", "COPY t TO STDOUT"]),
        ("BEGIN; END; b", vec!["BEGIN", "END", "b"]),
        ("SELECT '{{ x }} ${y}'", vec!["SELECT '{{ x }} ${y}'"]),
    ] {
        assert_eq!(texts(source), expected, "{source}");
    }
}

#[test]
fn bodies_of_begin_atomic_stay_whole() {
    for body in [
        "BEGIN ATOMIC END",
        "BEGIN ATOMIC SELECT 1; SELECT 2; END",
        "begin /* ; */ atomic SELECT CASE WHEN a THEN 1 ELSE CASE b WHEN 2 THEN 3 END END; SELECT 2; end",
        "BEGIN ATOMIC SELECT (CASE WHEN a THEN 1 END); SELECT t.end AS end, t . case; END",
        "BEGIN ATOMIC SELECT \"END\", 'END'; SELECT 2; END",
    ] {
        for create in ["CREATE FUNCTION f() RETURNS int", "create or replace procedure a.f(x int)"] {
            let first = format!("{create} {body}");
            assert_eq!(texts(&format!("{first}; SELECT 3;")), [first.as_str(), "SELECT 3"]);
        }
    }
    assert_eq!(texts("SELECT begin atomic; b"), ["SELECT begin atomic", "b"]);
}

#[test]
fn what_cannot_be_cut_is_refused_with_its_place() {
    for (source, line, column, message) in [
        ("SELECT 1;\n é 'x", 2, 4, "unterminated string"),
        ("$$ ; $a$", 1, 1, "unterminated dollar-quoted string"),
        ("a /* /* */", 1, 3, "unterminated comment"),
        ("\"a", 1, 1, "unterminated quoted identifier"),
        ("a ((b); c", 1, 3, "parenthesis without its closing one"),
        ("a;\r\n b)", 2, 3, "parenthesis without its opening one"),
        ("CREATE FUNCTION f() BEGIN ATOMIC SELECT CASE 1; END;", 1, 21, "BEGIN ATOMIC without its END"),
        ("\\connect blue", 1, 1, "a psql command, which only psql understands"),
        ("SELECT 1 \\gset", 1, 10, "a psql command, which only psql understands"),
        ("a\0", 1, 2, "a NUL character, which Postgres accepts nowhere"),
        ("COPY a.t (b) from Stdin;\n1\t'x\n\\.\n", 1, 19, "COPY … FROM STDIN, whose data is no SQL; use INSERT"),
        ("CREATE TABLE {{ name }} ()", 1, 14, "an unrendered template"),
        ("{% if x %} a;", 1, 1, "an unrendered template"),
        ("SELECT ${x}", 1, 8, "an unrendered template"),
        ("SELECT <%= x %>", 1, 8, "an unrendered template"),
        ("<% if x %> a;", 1, 1, "an unrendered template"),
        ("a; \u{feff}b", 1, 4, "a byte order mark in the middle of the text"),
    ] {
        let SplitError { line: at_line, column: at_column, message: why, .. } = refusal(source);
        assert_eq!((at_line, at_column, why.as_str()), (line, column, message), "{source}");
    }
}

#[test]
fn heads_keep_quoted_identifiers_apart_from_keywords() {
    let statements = split("alter table Only \"Index\".t add column x int; (select 1)").unwrap();
    assert_eq!(statements[0].head, ["ALTER", "TABLE", "ONLY", "\"Index\"", "T", "ADD"]);
    assert!(statements[0].starts_with(&["ALTER", "TABLE"]));
    assert!(!statements[0].starts_with(&["ALTER", "INDEX"]));
    assert_eq!(statements[1].head, ["SELECT"]);
}

#[test]
fn fixtures_are_cut_as_recorded() {
    for name in ["crlf.sql", "bom.sql", "bodies.sql", "comments.sql", "only_comments.sql"] {
        insta::assert_snapshot!(name, described(&fixture(name)));
    }
}

#[test]
fn a_server_position_becomes_a_line_a_column_and_an_excerpt() {
    let file = SqlFile::from_bytes(Path::new("m/1.sql"), "-- é\n;\nSELECT 'é',\r\n\tnope;".into()).unwrap();
    let place = file.place(&file.statements[0], 15);
    assert_eq!((place.line, place.column), (4, 2));
    insta::assert_snapshot!(file.excerpt(&file.statements[0], Some(15), "column \"nope\" does not exist"), @r#"
     --> m/1.sql:4:2
      |
    4 |     nope;
      |     ^^^^ column "nope" does not exist
    "#);
    insta::assert_snapshot!(file.excerpt(&file.statements[0], None, "here"), @r#"
     --> m/1.sql:3:1
      |
    3 | SELECT 'é',
      | ^^^^^^ here
    "#);
    insta::assert_snapshot!(file.excerpt(&file.statements[0], Some(99), "at end of input"), @r#"
     --> m/1.sql:4:6
      |
    4 |     nope;
      |         ^ at end of input
    "#);
}

#[test]
fn refusals_of_a_file_name_file_line_and_column() {
    let path = Path::new("m/1.sql");
    let failure = SqlFile::from_bytes(path, b"a;\nb \xff".to_vec()).unwrap_err();
    assert_eq!(failure.what, "m/1.sql:2:3: not UTF-8");
    let failure = SqlFile::from_bytes(path, b"a;\n\\set x".to_vec()).unwrap_err();
    assert_eq!(failure.what, "m/1.sql:2:1: a psql command, which only psql understands");
    insta::assert_snapshot!(failure.detail.unwrap(), @r#"
     --> m/1.sql:2:1
      |
    2 | \set x
      | ^ a psql command, which only psql understands
    "#);
}

#[test]
fn deep_nesting_and_long_lines_need_neither_stack_nor_patience() {
    let deep = 300_000;
    let source =
        format!("SELECT {}1{};{}{}x", "(".repeat(deep), ")".repeat(deep), "/*".repeat(deep), "*/".repeat(deep));
    assert_eq!(split(&source).unwrap().len(), 2);
    let file = SqlFile::from_bytes(Path::new("1.sql"), format!("SELECT {}1", "1+".repeat(deep)).into()).unwrap();
    assert!(file.excerpt(&file.statements[0], Some(deep), "here").len() < 1000);
}

/// Pieces that mean something to the splitter, to be glued together at random.
fn fragments() -> impl Strategy<Value = String> {
    let piece = prop::sample::select(vec![
        ";",
        " ",
        "\n",
        "\r\n",
        "'",
        "''",
        "E'",
        "\\",
        "\"",
        "U&\"",
        "U&'",
        "$$",
        "$a$",
        "$1",
        "$",
        "--",
        "/*",
        "*/",
        "(",
        ")",
        "[",
        "]",
        ":",
        "::",
        ":=",
        ":a",
        ".",
        "<%",
        "%>",
        "{",
        "é",
        "\u{feff}",
        "1",
        "1e",
        "a",
        "CREATE FUNCTION f()",
        "BEGIN",
        "ATOMIC",
        "BEGIN ATOMIC",
        "CASE",
        "END",
        "AS",
        "COPY t",
        "FROM",
        "STDIN",
        "SELECT 'x'",
        "/* a */",
        "-- b\n",
        "$$ ; $$",
        "E'\\''",
        "(1)",
        "BEGIN ATOMIC SELECT 1; END;",
        "\0",
    ]);
    prop::collection::vec(piece, 0..40).prop_map(|pieces| pieces.concat())
}

fn holds_for(source: &str) {
    let tokens: String = Lexer::new(source).map_while(Result::ok).map(|token| token.text(source)).collect();
    assert!(source.starts_with(&tokens));
    let Ok(statements) = split(source) else { return };
    assert_eq!(tokens, source);
    let (mut at, mut tiled) = (0, String::new());
    for statement in &statements {
        let gap = &source[at..statement.span.start];
        assert!(texts(gap).is_empty(), "statements in the gap {gap:?}");
        let text = statement.text(source);
        assert_eq!(texts(text), [text]);
        let expected_line = 1 + source[..statement.span.start].matches('\n').count();
        assert_eq!(statement.line, expected_line);
        tiled += gap;
        tiled += text;
        at = statement.span.end;
    }
    let tail = &source[at..];
    assert!(texts(tail).is_empty(), "statements in the tail {tail:?}");
    assert_eq!(tiled + tail, source);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn statements_and_gaps_tile_any_text(source in any::<String>()) {
        holds_for(&source);
    }

    #[test]
    fn statements_and_gaps_tile_glued_fragments(source in fragments()) {
        holds_for(&source);
    }

    #[test]
    fn excerpts_of_any_place_can_be_drawn(source in fragments(), position in 0..80_usize) {
        match SqlFile::from_bytes(Path::new("1.sql"), source.into_bytes()) {
            Ok(file) => for statement in &file.statements {
                prop_assert!(file.excerpt(statement, Some(position), "here").contains("1.sql:"));
            },
            Err(failure) => prop_assert!(failure.detail.is_some()),
        }
    }
}
