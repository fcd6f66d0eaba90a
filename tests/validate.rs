//! What validation proves, on real servers.

#![allow(clippy::unwrap_used)] // helpers of tests are tests

mod support;

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use support::Pair;
use teal::catalog::read_tables;
use teal::finding::{Finding, Severity};
use teal::plan::{Check, Expect, Sides, Source};
use teal::postgres::{Access, Db};
use teal::step::{Notices, Phase, StepId};
use teal::validate::{
    CheckOutcome, TableDigest, ask, check_green, compare, compare_digests, digest_all, digest_in_parts, run_check,
};

fn quiet() -> Notices {
    Notices::new(StepId::new(Phase::Snapshot, "prove"), None)
}

fn ids(findings: &[Finding]) -> Vec<&str> {
    findings.iter().map(|f| f.id.as_str()).collect()
}

#[tokio::test]
async fn every_difference_of_a_value_is_seen_and_order_is_not() {
    let pair = Pair::start("").await;
    let db = pair.on_blue().await;
    let same = [
        ("a int, b text", "(1, 'x'), (2, 'y')", "(2, 'y'), (1, 'x')"),
        ("a int, b text", "(1, 'x'), (1, 'x'), (2, NULL)", "(1, 'x'), (2, NULL), (1, 'x')"),
        // A NaN that was computed and one that was read have other bits (PostgreSQL 15.18 on x86).
        ("a float8, b float4[]", "('inf'::float8 - 'inf', ARRAY['inf'::float4 - 'inf'])", "('NaN', '{NaN}')"),
    ];
    let different = [
        ("a int, b text", "(1, 'x'), (2, 'y')", "(1, 'x'), (2, 'z')"),
        ("a int, b text", "(1, 'x'), (2, 'y')", "(1, 'y'), (2, 'x')"),
        ("a text", "('x'), ('x')", "('y'), ('y')"),
        ("a text", "(NULL)", "('')"),
        ("a text, b text", "('a', NULL)", "(NULL, 'a')"),
        ("a text, b text", "('a', 'b')", "('a,b', NULL)"),
        ("a text, b text", "('a\"', '\"b')", "('a', 'b')"),
        ("a numeric", "(1.0)", "(1.00)"),
        ("a float8", "(0)", "('-0')"),
        ("a json", "('{\"a\":1}')", "('{\"a\": 1}')"),
        ("a json", "('{\"a\":1}')", "('{\"a\":2,\"a\":1}')"),
        ("a timestamptz", "('2026-01-01 00:00:00.000001Z')", "('2026-01-01 00:00:00Z')"),
        ("a bytea", r"('\x00')", r"('\x0000')"),
        ("a text, b float8, c text", "('x', 1, 'y')", "('y', 1, 'x')"),
        ("a float8, b float8", "(1, NULL)", "(NULL, 1)"),
        ("a text, b regclass, c text[]", "('', 'pg_class', '{a}')", "('', 'pg_class', '{a,NULL}')"),
    ];
    let cases: Vec<_> = same.iter().chain(&different).collect();
    for (n, (columns, one, other)) in cases.iter().enumerate() {
        for (schema, rows) in [("one", one), ("other", other)] {
            let table = format!("{schema}.t{n:02}");
            let setup = format!("CREATE TABLE {table} ({columns}); INSERT INTO {table} VALUES {rows}");
            db.run(&format!("CREATE SCHEMA IF NOT EXISTS {schema}; {setup}")).await.unwrap();
        }
    }
    let tables = read_tables(&db).await.unwrap();
    let digests = digest_all(vec![db], &tables, &quiet()).await.unwrap();
    let (ones, others) = digests.split_at(cases.len());
    for (n, (one, other)) in ones.iter().zip(others).enumerate() {
        assert_eq!((&one.table.object, one.rows), (&other.table.object, other.rows));
        let moved = TableDigest { table: one.table.clone(), ..other.clone() };
        let expected: &[&str] = if n < same.len() { &[] } else { &["validate/digest-differs"] };
        assert_eq!(ids(&compare_digests(std::slice::from_ref(one), &[moved])), expected, "{:?}", cases[n]);
    }
}

#[tokio::test]
async fn settings_do_not_change_a_digest() {
    let pair = Pair::start(
        r#"CREATE TABLE t ("Odd ""name" regclass, m money, g int GENERATED ALWAYS AS (1) STORED);
           INSERT INTO t VALUES ('t', 12.5)"#,
    )
    .await;
    let tables = read_tables(&pair.on_blue().await).await.unwrap();
    let before = digest_all(vec![pair.on_blue().await], &tables, &quiet()).await.unwrap();
    let other = pair.on_blue().await;
    other.run("SET search_path = public, pg_temp; SET quote_all_identifiers = on").await.unwrap();
    assert_eq!(digest_all(vec![other], &tables, &quiet()).await.unwrap(), before);
}

#[tokio::test]
async fn parts_of_a_table_add_up_to_the_whole_wherever_they_are_cut() {
    let pair = Pair::start(
        "CREATE TABLE t (id int, gone int, v text, x float8);
         INSERT INTO t SELECT g, g, repeat(md5(g::text), 20), g / 3.0 FROM generate_series(1, 5000) g;
         ALTER TABLE t DROP COLUMN gone; DELETE FROM t WHERE id % 7 = 0;
         CREATE TABLE none (); INSERT INTO none SELECT FROM generate_series(1, 3); CREATE TABLE empty (id int)",
    )
    .await;
    let blue = pair.on_blue().await;
    let tables = read_tables(&blue).await.unwrap();
    let whole = digest_all(vec![pair.on_blue().await], &tables, &quiet()).await.unwrap();
    for part in [8192, 100_000, 1 << 20] {
        let sessions = vec![pair.on_blue().await, pair.on_blue().await, pair.on_blue().await];
        assert_eq!(digest_in_parts(sessions, &tables, Some(part), &quiet()).await.unwrap(), whole, "{part}");
    }
    // A table of the same rows in other blocks; then one of its rows twice in the place of another.
    blue.run("CREATE TABLE moved AS TABLE t ORDER BY id DESC").await.unwrap();
    let moved = async || {
        let tables = read_tables(&blue).await.unwrap();
        let moved: Vec<_> = tables.into_iter().filter(|table| table.name.object.0 == "moved").collect();
        digest_in_parts(vec![pair.on_blue().await], &moved, Some(50_000), &quiet()).await.unwrap().remove(0)
    };
    let t = whole.iter().find(|digest| digest.table.object.0 == "t").unwrap();
    let same = moved().await;
    assert_eq!((same.rows, &same.digest), (t.rows, &t.digest));
    blue.run("DELETE FROM moved WHERE id = 5; INSERT INTO moved SELECT * FROM moved WHERE id = 4").await.unwrap();
    let other = moved().await;
    assert_eq!(other.rows, t.rows);
    assert_ne!(other.digest, t.digest);
}

#[tokio::test]
async fn what_a_lost_session_was_at_the_others_digest() {
    // Large enough to be met at it.
    let pair = Pair::start(
        "CREATE TABLE a (id int, v text); INSERT INTO a SELECT g, md5(g::text) FROM generate_series(1, 400000) g;
         CREATE TABLE b (id int); INSERT INTO b SELECT generate_series(1, 7)",
    )
    .await;
    let admin = pair.on_blue().await;
    let tables = read_tables(&admin).await.unwrap();
    let whole = digest_all(vec![pair.on_blue().await], &tables, &quiet()).await.unwrap();
    let end = async || {
        let kill = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity \
                    WHERE state = 'active' AND query LIKE '%get_byte%' AND pid <> pg_backend_pid()";
        support::running::until("a session at it", async || admin.row(kill, &[]).await.unwrap().get::<_, i64>(0) > 0)
            .await;
    };
    let silent = quiet();
    let sessions = vec![pair.on_blue().await, pair.on_blue().await];
    let (digests, ()) = tokio::join!(digest_all(sessions, &tables, &silent), end());
    assert_eq!(digests.unwrap(), whole);
    let (digests, ()) = tokio::join!(digest_all(vec![pair.on_blue().await], &tables, &silent), end());
    assert!(digests.unwrap_err().what.starts_with("blue: "));
}

#[tokio::test]
async fn all_tables_are_digested_over_several_sessions_and_compared() {
    let schema = "CREATE TABLE a (id int); INSERT INTO a SELECT generate_series(1, 100);
         CREATE TABLE none (); INSERT INTO none SELECT FROM generate_series(1, 3);
         CREATE TABLE parent (id int); CREATE TABLE child () INHERITS (parent); INSERT INTO child VALUES (1);
         CREATE TABLE part (id int) PARTITION BY LIST (id); CREATE TABLE part_1 PARTITION OF part DEFAULT;
         INSERT INTO part VALUES (7)";
    let pair = Pair::start(schema).await;
    let green = pair.on_green().await;
    green.run(schema).await.unwrap();
    let tables = read_tables(&green).await.unwrap();
    let blue = digest_all(vec![pair.on_blue().await, pair.on_blue().await], &tables, &quiet()).await.unwrap();
    let counts: Vec<(&str, u64)> = blue.iter().map(|d| (d.table.object.0.as_str(), d.rows)).collect();
    assert_eq!(counts, [("a", 100), ("child", 1), ("none", 3), ("parent", 0), ("part_1", 1)]);
    assert_eq!(compare_digests(&blue, &digest_all(vec![pair.on_green().await], &tables, &quiet()).await.unwrap()), []);

    green.run("DELETE FROM a WHERE id = 5; INSERT INTO none SELECT; DROP TABLE part").await.unwrap();
    let tables = read_tables(&green).await.unwrap();
    let findings = compare_digests(&blue, &digest_all(vec![green], &tables, &quiet()).await.unwrap());
    assert_eq!(ids(&findings), ["validate/rows-differ", "validate/rows-differ", "validate/table-missing"]);
    assert_eq!(findings[0].what, "public.a has 100 rows on blue and 99 on green");
    assert!(findings.iter().all(|f| f.severity == Severity::Blocker));
}

fn both(sql: &str, expect: Expect) -> Check {
    Check { name: "a check".into(), sides: Sides::Both(sql.into()), expect }
}

fn each(sides: &[(&str, Source)], expect: Expect) -> Check {
    let sides = sides.iter().map(|(name, source)| ((*name).to_owned(), source.clone())).collect();
    Check { name: "a check".into(), sides: Sides::Each(sides), expect }
}

fn sql(text: &str) -> Source {
    Source::Sql(text.into())
}

async fn run(check: &Check, sessions: &[&Db], folder: &Path) -> teal::error::Result<CheckOutcome> {
    let sessions: BTreeMap<String, &Db> = sessions.iter().map(|db| (db.name.clone(), *db)).collect();
    let dir = tempfile::tempdir().unwrap();
    run_check(check, &sessions, folder, dir.path()).await
}

/// Read-only sessions on blue and green, with `schema` run on both and `change` on green.
async fn sessions(schema: &str, change: &str) -> (Pair, Db, Db) {
    let pair = Pair::start(schema).await;
    pair.on_green().await.run(&format!("{schema}; {change}")).await.unwrap();
    let blue = pair.blue.connect(Access::ReadOnly).await.unwrap();
    let green = pair.green.connect(Access::ReadOnly).await.unwrap();
    (pair, blue, green)
}

#[tokio::test]
async fn equal_compares_rows_with_multiplicity_and_shows_what_differs() {
    let schema = r"CREATE TABLE t (id int, v text); INSERT INTO t VALUES
        (1, 'a'), (2, E'line\nfeed'), (3, 'line feed'), (4, NULL), (5, ''), (6, '\N'), (7, E'tab\tand\\'), (8, 'x'), (8, 'x')";
    let (_pair, blue, green) = sessions(schema, "UPDATE t SET v = 'b' WHERE id = 1; DELETE FROM t WHERE id = 8").await;
    let dbs = [&blue, &green];
    let here = Path::new("/");

    let kept = both("SELECT v FROM t WHERE id BETWEEN 2 AND 7; ", Expect::Equal);
    let outcome = run(&kept, &dbs, here).await.unwrap();
    assert!(outcome.passed, "{outcome:?}");
    assert_eq!(outcome.summary, "6 rows on each side, all the same");

    let changed = run(&both("SELECT * FROM t -- all of it", Expect::Equal), &dbs, here).await.unwrap();
    assert!(!changed.passed);
    assert_eq!(changed.summary, "3 rows only on blue, 1 row only on green");
    assert_eq!(changed.examples, ["blue: (1,a)", "green: (1,b)", "blue: (8,x)"]);
    assert_eq!(changed.rows, BTreeMap::from([("blue".into(), 9), ("green".into(), 7)]));
    let finding = changed.finding().unwrap();
    assert_eq!((finding.id.as_str(), finding.severity), ("check/failed", Severity::Blocker));

    let one = run(&both("SELECT count(*) FROM t WHERE id < 8", Expect::Equal), &dbs, here).await.unwrap();
    assert_eq!((one.passed, one.summary.as_str(), one.finding()), (true, "7 = 7", None));
    let one = run(&both("SELECT count(*) FROM t", Expect::Equal), &dbs, here).await.unwrap();
    assert_eq!((one.passed, one.summary.as_str()), (false, "9 on blue, 7 on green"));
}

#[tokio::test]
async fn null_and_the_empty_string_are_not_equal_answers() {
    let (_pair, blue, green) =
        sessions("CREATE TABLE t (v text); INSERT INTO t VALUES (NULL)", "UPDATE t SET v = ''").await;
    let outcome = run(&both("SELECT v FROM t", Expect::Equal), &[&blue, &green], Path::new("/")).await.unwrap();
    assert_eq!((outcome.passed, outcome.summary.as_str()), (false, "NULL on blue,  on green"));
}

#[tokio::test]
async fn within_takes_one_number_of_each_side() {
    let schema = "CREATE TABLE t (v int); INSERT INTO t SELECT generate_series(1, 1000)";
    let (_pair, blue, green) = sessions(schema, "DELETE FROM t WHERE v <= 10").await;
    let dbs = [&blue, &green];
    let here = Path::new("/");
    let near = run(&both("SELECT count(*) FROM t", Expect::Within(0.01)), &dbs, here).await.unwrap();
    assert_eq!((near.passed, near.summary.as_str()), (true, "1000 on blue, 990 on green (-1.00%, allowed ±1%)"));
    let far = run(&both("SELECT count(*) FROM t", Expect::Within(0.005)), &dbs, here).await.unwrap();
    assert!(!far.passed);
    let none = run(&both("SELECT sum(v) FROM t WHERE v < 0", Expect::Within(1.0)), &dbs, here).await.unwrap();
    assert_eq!((none.passed, none.summary.as_str()), (false, "blue gave NULL, not a number"));
    let many = run(&both("SELECT v FROM t", Expect::Within(1.0)), &dbs, here).await.unwrap();
    assert_eq!(many.summary, "blue gave 1000 rows, not one number");
}

#[tokio::test]
async fn empty_asks_green_alone_and_shows_the_rows_it_found() {
    let (_pair, blue, green) =
        sessions("CREATE TABLE t (v int); INSERT INTO t VALUES (1)", "INSERT INTO t VALUES (2)").await;
    let here = Path::new("/");
    let found = run(&both("SELECT v FROM t WHERE v > 1", Expect::Empty), &[&green], here).await.unwrap();
    assert_eq!((found.passed, found.summary.as_str()), (false, "1 row on green, none expected"));
    assert_eq!(found.examples, ["green: 2"]);
    let named = each(&[("blue", sql("SELECT v FROM t WHERE v > 1"))], Expect::Empty);
    assert!(run(&named, &[&blue], here).await.unwrap().passed);
}

#[tokio::test]
async fn one_set_is_in_another_across_a_third_database() {
    let (pair, _blue, green) =
        sessions("CREATE TABLE session (consent text, active bool); INSERT INTO session VALUES ('c1', true), ('c2', true), ('c3', false)", "").await;
    pair.on_green().await.run("CREATE DATABASE authz").await.unwrap();
    let authz = teal::postgres::Target::parse("authz", &pair.server.url("authz")).unwrap();
    let writer = authz.connect(Access::ReadWrite).await.unwrap();
    writer.run("CREATE TABLE policy (consent text); INSERT INTO policy VALUES ('c1'), ('c1')").await.unwrap();
    let authz = authz.connect(Access::ReadOnly).await.unwrap();
    let check = each(
        &[("green", sql("SELECT consent FROM session WHERE active")), ("authz", sql("SELECT consent FROM policy"))],
        Expect::In { rows_of: "authz".into(), found_in: "green".into() },
    );
    let outcome = run(&check, &[&green, &authz], Path::new("/")).await.unwrap();
    assert_eq!((outcome.passed, outcome.summary.as_str()), (true, "1 row of authz, all found in green"));

    writer.run("INSERT INTO policy VALUES ('c3'), ('c9')").await.unwrap();
    let outcome = run(&check, &[&green, &authz], Path::new("/")).await.unwrap();
    assert_eq!((outcome.passed, outcome.summary.as_str()), (false, "2 of 3 rows of authz not found in green"));
    assert_eq!(outcome.examples, ["authz: c3", "authz: c9"]);
}

#[tokio::test]
async fn a_large_answer_goes_through_a_file() {
    let schema =
        "CREATE TABLE t (id int, v text); INSERT INTO t SELECT i, md5(i::text) FROM generate_series(1, 200000) i";
    let (_pair, blue, green) = sessions(schema, "UPDATE t SET v = 'other' WHERE id = 123456").await;
    let dbs = BTreeMap::from([("blue".to_owned(), &blue), ("green".to_owned(), &green)]);
    let dir = tempfile::tempdir().unwrap();
    let check = both("SELECT id, v FROM t ORDER BY random()", Expect::Equal);
    let mut answers = BTreeMap::new();
    for side in ["blue", "green"] {
        let answer = ask(&check, side, &dbs, dir.path(), dir.path()).await.unwrap();
        assert_eq!(answer.rows, 200_000);
        assert_eq!(std::fs::read_to_string(&answer.path).unwrap().lines().count(), 200_000);
        answers.insert(side.to_owned(), answer);
    }
    let outcome = compare(&check, &answers).unwrap();
    assert_eq!(outcome.summary, "1 row only on blue, 1 row only on green");
    assert_eq!(outcome.examples[1], "green: (123456,other)");
}

#[tokio::test]
async fn a_query_that_writes_or_fails_is_refused_with_check_and_side_named() {
    let schema = "CREATE TABLE t (id int);
        CREATE FUNCTION sneak() RETURNS int LANGUAGE sql AS 'INSERT INTO t VALUES (1) RETURNING id'";
    let (pair, blue, green) = sessions(schema, "").await;
    let here = Path::new("/");
    for text in
        ["SELECT sneak()", "WITH w AS (INSERT INTO t VALUES (1) RETURNING id) SELECT * FROM w", "SELECT 1; SELECT 2"]
    {
        let refused = run(&both(text, Expect::Equal), &[&blue, &green], here).await.unwrap_err();
        assert!(refused.what.starts_with("check a check on blue: blue: "), "{}", refused.what);
    }
    let written: i64 = blue.row("SELECT count(*) FROM t", &[]).await.unwrap().get(0);
    assert_eq!(written, 0);

    let check = both("SELECT nope FROM t", Expect::Equal);
    let wrong = run(&check, &[&blue, &green], here).await.unwrap_err();
    assert_eq!(wrong.what, "check a check on blue: blue: column \"nope\" does not exist (42703)");
    let outcome = CheckOutcome::unanswered(&check, &wrong);
    assert_eq!(outcome.finding().unwrap().what, wrong.what);

    let writable = pair.on_blue().await;
    let refused = run(&both("SELECT 1", Expect::Equal), &[&writable, &green], here).await.unwrap_err();
    assert_eq!(refused.what, "check a check on blue: blue: checks run in read-only sessions only");
}

fn script(folder: &Path, name: &str, text: &str) {
    let path = folder.join(name);
    std::fs::write(&path, format!("#!/bin/sh\n{text}\n")).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
}

#[tokio::test]
async fn a_program_answers_in_lines_that_compare_with_a_query() {
    let (_pair, _blue, green) =
        sessions(r"CREATE TABLE t (v text); INSERT INTO t VALUES ('a b'), ('c\d'), ('Z')", "").await;
    let folder = tempfile::tempdir().unwrap();
    script(folder.path(), "sample", r"printf '%s\n' 'c\d' 'Z' 'a b'");
    let program = Source::Program(vec!["./sample".into(), "s3cret".into()]);
    let check = each(&[("blue", program), ("green", sql("SELECT v FROM t"))], Expect::Equal);
    let outcome = run(&check, &[&green], folder.path()).await.unwrap();
    assert!(outcome.passed, "{outcome:?}");

    script(folder.path(), "sample", "echo half an answer; echo 'no route to service' >&2; exit 3");
    let failed = run(&check, &[&green], folder.path()).await.unwrap_err();
    assert_eq!(failed.what, "check a check on blue: ./sample ended with code 3");
    assert_eq!(failed.detail.as_deref(), Some("no route to service"));
}

#[tokio::test]
async fn a_program_that_prints_without_end_is_ended() {
    let folder = tempfile::tempdir().unwrap();
    let check = each(&[("blue", Source::Program(vec!["yes".into()]))], Expect::Empty);
    let refused = run(&check, &[], folder.path()).await.unwrap_err();
    assert_eq!(refused.what, "check a check on blue: yes: printed more than 64 MB");
}

#[tokio::test]
async fn a_healthy_green_has_facts_and_no_findings() {
    let schema = "CREATE TABLE t (id serial PRIMARY KEY, v int CHECK (v > 0)); INSERT INTO t (v) VALUES (1), (2)";
    let (_pair, blue, green) = sessions(schema, "").await;
    let (facts, findings) = check_green(&green, &blue).await.unwrap();
    assert_eq!(findings, []);
    assert_eq!((facts.constraints, facts.validated, facts.indexes, facts.valid, facts.sequences), (2, 2, 1, 1, 1));
}

#[tokio::test]
async fn what_is_not_in_force_on_green_is_found_and_weighed_against_blue() {
    let schema = r#"CREATE TABLE t (id serial PRIMARY KEY, v int); INSERT INTO t (v) VALUES (1), (1);
        CREATE TABLE "Down" (id int GENERATED ALWAYS AS IDENTITY (INCREMENT -1 MAXVALUE 100 START 100), v int);
        CREATE TABLE fresh (id serial);
        ALTER TABLE t ADD CONSTRAINT old CHECK (v > 0) NOT VALID;
        CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
        CREATE TRIGGER off BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION f();
        ALTER TABLE t DISABLE TRIGGER off"#;
    let change = r#"ALTER TABLE t ADD CONSTRAINT new CHECK (v > 0) NOT VALID;
        SELECT setval('t_id_seq', 2, false);
        INSERT INTO "Down" (id, v) OVERRIDING SYSTEM VALUE VALUES (99, 1), (100, 1);
        SELECT setval('"Down_id_seq"', 100)"#;
    let (pair, blue, green) = sessions(schema, change).await;
    pair.on_green().await.run("CREATE UNIQUE INDEX CONCURRENTLY twice ON t (v)").await.unwrap_err();
    let (facts, findings) = check_green(&green, &blue).await.unwrap();
    assert_eq!((facts.indexes - facts.valid, facts.constraints - facts.validated, facts.sequences), (1, 2, 3));
    let seen: Vec<(&str, &str, Severity)> =
        findings.iter().map(|f| (f.id.as_str(), f.what.as_str(), f.severity)).collect();
    assert_eq!(
        seen,
        [
            ("validate/index-invalid", "index twice is invalid", Severity::Blocker),
            ("validate/constraint-not-valid", "constraint new is NOT VALID", Severity::Warning),
            ("validate/constraint-not-valid", "constraint old is NOT VALID, on blue too", Severity::Note),
            (
                "validate/sequence-behind",
                "the next value is 99, but public.Down.id holds 99 already",
                Severity::Blocker
            ),
            ("validate/sequence-behind", "the next value is 2, but public.t.id holds 2 already", Severity::Blocker),
            ("validate/trigger-disabled", "trigger off is disabled", Severity::Note),
        ]
    );

    // The next step that a finding names is runnable and enough.
    let writer = pair.on_green().await;
    for finding in findings.iter().filter(|f| !f.next.is_empty()) {
        writer.run(&finding.next).await.unwrap();
    }
    let (_, findings) = check_green(&green, &blue).await.unwrap();
    assert!(!ids(&findings).contains(&"validate/sequence-behind"), "{findings:?}");
}
