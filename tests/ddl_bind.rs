//! `:name` in the plan's SQL becomes `$1`, and nothing else does.
#![allow(clippy::unwrap_used)] // a test may fail by panicking, its helpers included

use proptest::prelude::*;
use teal::ddl::bind::{Bound, bind};

fn bound(sql: &str, params: &[&str]) -> Bound {
    Bound { sql: sql.to_owned(), params: params.iter().map(ToString::to_string).collect() }
}

#[test]
fn each_occurrence_gets_its_own_number() {
    for (written, sql, params) in [
        ("SELECT 1", "SELECT 1", &[][..]),
        ("UPDATE t SET a = :A WHERE b = :b AND c=:a;", "UPDATE t SET a = $1 WHERE b = $2 AND c=$3", &["a", "b", "a"]),
        ("SELECT :\"Mixed \"\"case\"\"\", :É", "SELECT $1, $2", &["Mixed \"case\"", "É"]),
        ("SELECT f(:a,:b), x::text, :c::int", "SELECT f($1,$2), x::text, $3::int", &["a", "b", "c"]),
        ("CALL p(x := :a, y => :b)", "CALL p(x := $1, y => $2)", &["a", "b"]),
        ("SELECT true OR:a", "SELECT true OR $1", &["a"]),
        ("SELECT :\"a\"5, :\"b\"x", "SELECT $1 5, $2 x", &["a", "b"]),
        (
            "-- :x\nSELECT ':a', E'\\':b', $$:c$$, \":d\" /* :e */, :f -- :g",
            "SELECT ':a', E'\\':b', $$:c$$, \":d\" /* :e */, $1",
            &["f"],
        ),
    ] {
        assert_eq!(bind(written).unwrap(), bound(sql, params), "{written}");
    }
}

#[test]
fn a_colon_that_touches_an_operand_in_brackets_is_a_slice() {
    for sql in
        ["SELECT a[1:2]", "SELECT a[1:n]", "SELECT a[x:y]", "SELECT a[f(1):n]", "SELECT a[b[1]:n]", "SELECT a[1 : n]"]
    {
        assert_eq!(bind(sql).unwrap(), bound(sql, &[]));
    }
    assert_eq!(bind("SELECT ARRAY[:a, :b]").unwrap(), bound("SELECT ARRAY[$1, $2]", &["a", "b"]));
    assert_eq!(bind("SELECT a[:n]").unwrap(), bound("SELECT a[$1]", &["n"]));
    assert_eq!(bind("SELECT a[1 : :n], b[1:n] + :c").unwrap(), bound("SELECT a[1 : $1], b[1:n] + $2", &["n", "c"]));
}

#[test]
fn anything_but_one_statement_with_names_is_refused_with_its_place() {
    for (sql, message) in [
        ("", "line 1, column 1: no statement"),
        ("-- nothing", "line 1, column 1: no statement"),
        ("SELECT 1;\nSELECT :a", "line 2, column 1: a second statement where one is expected"),
        ("/* */ SELECT\n :a, $1", "line 2, column 6: a numbered parameter; name the column, as in :name"),
        ("SELECT :U&\"a\"", "line 1, column 8: a parameter's name can't be written as U&\"…\""),
        ("SELECT ':a", "line 1, column 8: unterminated string"),
    ] {
        assert_eq!(bind(sql).unwrap_err().to_string(), message);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1000, failure_persistence: None, ..ProptestConfig::default() })]

    /// What comes out has as many numbers as names, in order, and no more colons to replace.
    #[test]
    fn numbers_are_consecutive(pieces in prop::collection::vec(prop::sample::select(vec![
        ":a", ":", "::", ":=", "[", "]", "1", "x", " ", "'s'", ":\"B\"", "(", ")", "$$:a$$", ",", "--\n", "é", "$",
    ]), 0..30)) {
        let Ok(Bound { sql, params }) = bind(&pieces.concat()) else { return Ok(()) };
        let numbers: Vec<_> = teal::ddl::lex::Lexer::new(&sql)
            .map(Result::unwrap)
            .filter(|token| token.kind == teal::ddl::lex::TokenKind::Parameter)
            .map(|token| token.text(&sql).to_owned())
            .collect();
        let expected: Vec<_> = (1..=params.len()).map(|n| format!("${n}")).collect();
        prop_assert_eq!(numbers, expected);
    }
}
