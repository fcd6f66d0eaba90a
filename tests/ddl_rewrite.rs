//! Every rewrite, and chains of statements, run both ways on a real server: as written and in the safe form. The schema
//! dumps and the rows are the same afterwards, and no step keeps anybody waiting for long.

#![allow(clippy::unwrap_used)] // a test may fail by panicking, its helpers included

#[path = "ddl_rewrite/bench.rs"]
mod bench;
#[path = "ddl_rewrite/shadow.rs"]
mod shadow;

use std::path::Path;
use std::process::Command;

use bench::{Bench, file, similar_lines};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use teal::ddl::assess::assess;
use teal::ddl::known::Known;
use teal::ddl::read::read;
use teal::ddl::read_folder;
use teal::ddl::rewrite::{self, Batches, How, Rewritten};
use teal::postgres::Db;

/// Steps that somebody may wait for: judged in the light of those before them.
fn slow(setup: &str, rewritten: &Rewritten) -> Vec<String> {
    let mut known = Known::default();
    rewrite::learn(&file(setup), &mut known);
    let mut slow = Vec::new();
    for step in rewritten.parts.iter().flat_map(|part| &part.steps) {
        let reading = read(&step.sql);
        // A validated check proves to the server what ATTACH needs; `assess` doesn't ask for it.
        let attaches = step.sql.contains("ATTACH PARTITION");
        // What has no words of its own for lint: catalog alone, for a moment.
        let machine = step.judged.is_some();
        // EXCLUSIVE on a view that nobody writes.
        let refreshes = step.sql.starts_with("REFRESH");
        if !attaches
            && !machine
            && !refreshes
            && assess(&reading, &step.sql, &known).touches.iter().any(teal::ddl::assess::Touch::holds_up)
        {
            slow.push(step.sql.clone());
        }
        known.take(&reading, &step.sql);
    }
    slow
}

#[tokio::test]
async fn every_example_ends_with_the_same_schema_and_rows_and_keeps_nobody_waiting() {
    let bench = Bench::start().await;
    let mut wrong = Vec::new();
    for one in rewrite::all() {
        match bench.compare(one.setup, one.example, false).await {
            Err(e) => wrong.push(format!("{}: {e}", one.id)),
            Ok(None) => wrong.push(format!("{}: the server refuses its example", one.id)),
            Ok(Some(rewritten)) => {
                let refuses = one.id.starts_with("no-safe") || one.id == "domain";
                let as_written = refuses || one.id.starts_with("contract");
                let refused = rewritten.parts.iter().any(|part| part.refused.is_some());
                let ids: Vec<_> = rewritten.parts.iter().filter_map(|part| part.rewrite.map(|one| one.id)).collect();
                if refused != refuses || !as_written && !ids.contains(&one.id) {
                    wrong.push(format!("{}: {ids:?} {:?}", one.id, rewritten.parts));
                }
                let slow = slow(one.setup, &rewritten);
                if !as_written && !slow.is_empty() {
                    wrong.push(format!("{}: somebody waits for {slow:?}", one.id));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

const SHAPES: &str = "
    CREATE TYPE level AS ENUM ('low', 'high');
    CREATE TABLE client (id bigint PRIMARY KEY, name text);
    CREATE TABLE \"Odd Table\" (\"Id\" int PRIMARY KEY, \"select\" text, other bigint, v varchar(10), n int DEFAULT 3);
    CREATE TABLE pair (a int, b text, c int, d int, PRIMARY KEY (a, b));
    CREATE TABLE a_table_whose_name_is_so_long_that_nothing_else_fits_in (id int PRIMARY KEY, a_column_with_a_long_name_too int);
    CREATE TABLE part (id int NOT NULL, at int NOT NULL, client_id bigint) PARTITION BY RANGE (at);
    CREATE TABLE part_1 PARTITION OF part FOR VALUES FROM (0) TO (30);
    CREATE TABLE \"Part 2\" PARTITION OF part FOR VALUES FROM (30) TO (90) PARTITION BY LIST (at);
    CREATE TABLE part_2_rest PARTITION OF \"Part 2\" DEFAULT;
    INSERT INTO client SELECT n, 'c' || n FROM generate_series(1, 30) n;
    INSERT INTO part SELECT n, n, n % 30 + 1 FROM generate_series(1, 60) n;
    INSERT INTO \"Odd Table\" SELECT n, 's' || n, n % 30 + 1, 'v', n FROM generate_series(1, 60) n;
    INSERT INTO pair SELECT n % 7, 'b' || n, n, n FROM generate_series(1, 60) n;
    INSERT INTO a_table_whose_name_is_so_long_that_nothing_else_fits_in SELECT n, n FROM generate_series(1, 30) n;
";

/// Commands for `"Odd Table"`, for one ALTER TABLE or several.
const COMMANDS: &[&str] = &[
    "ADD FOREIGN KEY (other) REFERENCES client (id) DEFERRABLE",
    "ADD CONSTRAINT \"Named\" FOREIGN KEY (other) REFERENCES client",
    "ADD CHECK (n > 0)",
    "ADD CHECK (n > 0 AND other > 0)",
    "ADD CONSTRAINT positive CHECK (\"Id\" > 0) NO INHERIT",
    "ADD UNIQUE (\"select\")",
    "ADD UNIQUE (n, other) INCLUDE (v)",
    "ALTER COLUMN \"select\" SET NOT NULL",
    "ALTER n SET NOT NULL",
    "ADD COLUMN plain int",
    "ADD COLUMN filled int DEFAULT 7 NOT NULL CHECK (filled > 0)",
    "ADD COLUMN numbered serial",
    "ADD COLUMN big bigserial UNIQUE",
    "ADD COLUMN i int GENERATED BY DEFAULT AS IDENTITY (START WITH 10 INCREMENT BY 2)",
    "ADD COLUMN \"Ref\" bigint DEFAULT 1 CONSTRAINT \"to client\" REFERENCES client (id) ON DELETE SET NULL NOT NULL",
    "ADD COLUMN r bigint REFERENCES client",
    "ADD COLUMN l level DEFAULT 'low'",
    "ADD COLUMN vol int DEFAULT length(random()::text) * 0",
    "DROP COLUMN v",
    "ALTER COLUMN v TYPE varchar(20)",
    "ALTER COLUMN n SET DEFAULT 5",
    "ADD COLUMN u text COLLATE \"C\" UNIQUE DEFERRABLE INITIALLY DEFERRED",
];

const STATEMENTS: &[&str] = &[
    "CREATE INDEX ON \"Odd Table\" (n, \"select\")",
    "CREATE UNIQUE INDEX IF NOT EXISTS odd ON \"Odd Table\" USING btree (\"select\" DESC) INCLUDE (n) WHERE n > 1",
    "CREATE INDEX ON \"Odd Table\" (lower(v))",
    "DROP INDEX IF EXISTS odd",
    "UPDATE \"Odd Table\" SET n = n + 1 WHERE other > 3 -- to the end",
    "UPDATE pair AS p SET c = c * 2, (d) = ROW(p.c)",
    "DELETE FROM pair WHERE c % 3 = 0",
    "UPDATE \"Odd Table\" SET v = 'x' WHERE \"Id\" = 4",
    "UPDATE \"Odd Table\" SET v = (SELECT name FROM client LIMIT 1) WHERE n > 5",
    "ALTER TABLE a_table_whose_name_is_so_long_that_nothing_else_fits_in ADD UNIQUE (a_column_with_a_long_name_too)",
    "ALTER TABLE a_table_whose_name_is_so_long_that_nothing_else_fits_in ADD CHECK (a_column_with_a_long_name_too > 0)",
    "REINDEX TABLE \"Odd Table\"",
    "CREATE TABLE fresh (id int PRIMARY KEY, at int REFERENCES client); INSERT INTO fresh VALUES (1); CREATE INDEX ON fresh (at)",
    "ALTER TABLE pair RENAME COLUMN d TO e",
    "ALTER TABLE part ADD FOREIGN KEY (client_id) REFERENCES client (id) ON DELETE CASCADE",
    "ALTER TABLE part ADD CONSTRAINT part_once UNIQUE (id, at)",
    "ALTER TABLE part ADD PRIMARY KEY (at, id)",
    "ALTER TABLE pair ALTER COLUMN c TYPE bigint, -- wider\n ADD CHECK (c > -5)",
    "ALTER TABLE pair ALTER c DROP DEFAULT, ALTER c TYPE text USING 'c' || c, ALTER c SET DEFAULT 'none'",
    "ALTER TABLE pair ADD CHECK (c > -1), ADD CHECK (c > -2), ADD UNIQUE (c), ADD UNIQUE (c, d)",
];

#[test]
fn generated_chains_end_with_the_same_schema_and_rows() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let bench = runtime.block_on(Bench::start());
    let one = prop_oneof![
        prop::sample::subsequence(COMMANDS, 1..4)
            .prop_shuffle()
            .prop_map(|commands| format!("ALTER TABLE \"Odd Table\"\n    {}", commands.join(",\n    "))),
        prop::sample::select(STATEMENTS).prop_map(str::to_owned),
    ];
    let chain = (prop::collection::vec(one, 1..4), any::<bool>());
    let config = Config { cases: 12, failure_persistence: None, max_shrink_iters: 30, ..Config::default() };
    let ran = TestRunner::new(config).run(&chain, |(statements, in_transaction)| {
        let sql = format!("-- a chain\n{};\n", statements.join("\n;\n"));
        match runtime.block_on(bench.compare(SHAPES, &sql, in_transaction)) {
            Ok(_) => Ok(()),
            Err(e) => Err(TestCaseError::fail(e)),
        }
    });
    if let Err(e) = ran {
        panic!("{e}");
    }
}

#[tokio::test]
async fn each_shape_by_itself_ends_with_the_same_schema_and_rows() {
    let bench = Bench::start().await;
    let mut wrong = Vec::new();
    let commands = COMMANDS.iter().map(|command| format!("ALTER TABLE \"Odd Table\" {command};"));
    for sql in commands.chain(STATEMENTS.iter().map(|statement| format!("{statement}\n;"))) {
        match bench.compare(SHAPES, &sql, true).await {
            Err(e) => wrong.push(e),
            Ok(None) => wrong.push(format!("the server refuses {sql}")),
            Ok(Some(_)) => {}
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

#[tokio::test]
async fn the_chains_of_the_migrations_folder_end_the_same() {
    let bench = Bench::start().await;
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("migrations/oauth");
    let (written, db) = bench.database("SELECT 1").await;
    let (safe, other) = bench.database("SELECT 1").await;
    let mut known = Known::default();
    for folder in ["1x", "2x"] {
        for migration in read_folder(&root.join(folder)).unwrap().migrations {
            let rewritten = rewrite::rewrite(&migration.sql, migration.apart.is_none(), &mut known, 15);
            for statement in &migration.sql.statements {
                db.run(statement.text(&migration.sql.text)).await.unwrap();
            }
            for step in rewritten.parts.iter().flat_map(|part| &part.steps) {
                other.run(&step.sql).await.unwrap_or_else(|e| panic!("{}: {}: {e}", migration.file, step.sql));
            }
        }
    }
    assert_eq!(similar_lines(&bench.dump(&written), &bench.dump(&safe)), "");
}

async fn position(db: &Db, sql: &str, params: &[&(dyn tokio_postgres::types::ToSql + Sync)]) -> Option<Vec<String>> {
    db.rows(sql, params).await.unwrap_or_else(|e| panic!("{sql}: {e}")).first().map(|row| row.get(0))
}

/// As an executor runs them.
async fn run_batches(db: &Db, batches: &Batches, rows: i64) -> usize {
    let Some(stop) = position(db, &batches.stop, &[]).await else { return 0 };
    let (mut here, mut count): (Option<Vec<String>>, usize) = (None, 0);
    loop {
        let end = match &here {
            None => position(db, &batches.first_end, &[&stop, &rows]).await,
            Some(here) => position(db, &batches.next_end, &[here, &stop, &rows]).await,
        };
        let Some(end) = end else { return count };
        match &here {
            None => db.rows(&batches.first, &[&end]).await.unwrap(),
            Some(here) => db.rows(&batches.next, &[here, &end]).await.unwrap(),
        };
        (here, count) = (Some(end), count + 1);
    }
}

#[tokio::test]
async fn batches_meet_every_row_once_whatever_their_size() {
    let bench = Bench::start().await;
    for sql in [
        "UPDATE \"Odd Table\" SET n = n + 1 WHERE other > 3 -- end",
        "UPDATE pair SET c = c * 2",
        "DELETE FROM pair p WHERE p.c % 3 = 0",
    ] {
        let (_, db) = bench.database(SHAPES).await;
        db.run(sql).await.unwrap();
        let mut known = Known::default();
        rewrite::learn(&file(SHAPES), &mut known);
        let rewritten = rewrite::rewrite(&file(sql), true, &mut known, 15);
        let How::Batches(batches) = &rewritten.parts[0].steps[0].how else { panic!("{sql}: {rewritten:?}") };
        for rows in [1, 7, 1000] {
            let (_, other) = bench.database(SHAPES).await;
            let count = run_batches(&other, batches, rows).await;
            assert_eq!(count, 60_usize.div_ceil(usize::try_from(rows).unwrap()), "{sql}");
            assert_eq!(bench.rows(&db).await, bench.rows(&other).await, "{sql} by {rows}");
        }
    }
}

#[tokio::test]
async fn a_block_of_batches_that_broke_off_goes_on_where_it_was() {
    let bench = Bench::start().await;
    let setup =
        "CREATE TABLE t (id int PRIMARY KEY, n int);\nINSERT INTO t SELECT n, 0 FROM generate_series(1, 3500) n;";
    let (_, db) = bench.database(setup).await;
    db.run("CREATE FUNCTION bad() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN IF NEW.id = 2500 THEN RAISE 'broken'; END IF; RETURN NEW; END $$")
        .await
        .unwrap();
    db.run("CREATE TRIGGER bad BEFORE UPDATE ON t FOR EACH ROW EXECUTE FUNCTION bad()").await.unwrap();
    let mut known = Known::default();
    rewrite::learn(&file(setup), &mut known);
    let rewritten = rewrite::rewrite(&file("UPDATE t SET n = n + 1"), true, &mut known, 15);
    let block = &rewritten.parts[0].steps[0].sql;
    assert!(db.run(block).await.unwrap_err().to_string().contains("broken"));
    db.run("DROP TRIGGER bad ON t").await.unwrap();
    db.run(block).await.unwrap();
    let row = db.rows("SELECT count(*) FILTER (WHERE n = 1), count(*) FROM t", &[]).await.unwrap();
    assert_eq!((row[0].get::<_, i64>(0), row[0].get::<_, i64>(1)), (3500, 3500));
    let left = db.rows("SELECT relname::text FROM pg_class WHERE relname ~ 'teal'", &[]).await.unwrap();
    assert!(left.is_empty(), "its table is gone");
}

#[tokio::test]
async fn comments_between_commands_go_with_the_command_that_they_belong_to() {
    let bench = Bench::start().await;
    let sql = "ALTER TABLE pair -- of the table\n    ADD CHECK (c > -1), -- behind the first\n    -- before the second\n    \
               ADD COLUMN x int /* with it */,\n    /* before the third */ ADD UNIQUE (c); -- at the end\n";
    let rewritten = bench.compare(SHAPES, sql, false).await.unwrap().unwrap();
    let text = rewritten.text(&file(sql), None).unwrap();
    // Each stands before the statement that its command has become, in the order in which these are run.
    let at = |words: &str| text.find(words).unwrap_or_else(|| panic!("{words} is not in\n{text}"));
    for (comment, of) in [
        ("-- behind the first", "ADD CONSTRAINT pair_c_check"),
        ("-- before the second", "ADD COLUMN x int"),
        ("/* with it */", "ADD COLUMN x int"),
        ("/* before the third */", "CREATE UNIQUE INDEX CONCURRENTLY"),
    ] {
        let between =
            text.get(at(comment)..at(of)).unwrap_or_else(|| panic!("{comment} stands behind {of} in\n{text}"));
        assert!(!between.contains(';'), "{comment} does not stand with {of} in\n{text}");
    }
    assert_eq!(text.matches("behind the first").count(), 1, "{text}");
}

#[test]
fn a_text_that_does_not_read_as_what_was_meant_is_an_error_and_never_shown() {
    let source = file("-- a\nCREATE INDEX i ON t (a);\nSELECT 1;\n");
    let good = rewrite::rewrite(&source, false, &mut Known::default(), 15);
    let shown = good.text(&source, None).unwrap();
    assert_eq!(shown, "-- a\nCREATE INDEX CONCURRENTLY i ON t (a);\nSELECT 1;\n");
    for sql in
        ["CREATE INDEX i ON t (a", "CREATE INDEX i ON t (a) --", "SELECT 'x", "not a statement at all", "-- nothing"]
    {
        let mut bad = good.clone();
        sql.clone_into(&mut bad.parts[0].steps[0].sql);
        let e = bad.text(&source, None).unwrap_err();
        assert!(e.to_string().contains("is not what was meant"), "{sql}: {e}");
    }
    let mut bad = good.clone();
    bad.parts[1].span.start -= 3;
    assert!(bad.text(&source, None).is_err(), "a statement's neighbour is touched");
}

/// docs/rewrite.md, from the table.
fn page() -> String {
    let mut text = "# The safe form of migrations\n\n\
        `migrate rewrite FILES` (a folder, or a plan) prints what migration files say in a form that keeps nobody waiting and ends\n\
        with the same schema and rows; `--diff` shows what changes, `-o DIR` writes files, `--schema DUMP` tells what the database\n\
        is like before, `--pg 18` for which server. Comments and layout stay. What has no safe form is said, and the exit code is 3\n\
        until a comment accepts it: `-- migrate: accept RULE reason`. On a table that the same file makes nothing is rewritten.\n\n\
        Where a statement runs in no transaction, the file gets the mark of its tool (docs/layouts.md), and every statement is to be\n\
        sent by itself. Statements in batches are printed as a DO block that commits after each batch together with its position in\n\
        a small table: run again, it goes on where it was. After its end it would begin anew; where that writes twice\n\
        (`n = n + 1`) the notes say so.\n\n\
        A type is set through a shadow column only where nothing but indexes, constraints, a default, a comment, privileges and\n\
        an owned sequence depend on the column; views, triggers, policies, publications, extended statistics, generated and\n\
        identity columns, foreign keys on it, partitions and children are refused, by what --schema tells and again by the\n\
        catalog, in the first step and in the swap. CREATE TABLE … PARTITION OF beside a default partition stays refused: the\n\
        server reads the default partition's rows at once; make the table by itself and ATTACH it.\n\n\
        Each example below is run both ways on a real server by `tests/ddl_rewrite.rs`:\n\
        `every_example_ends_with_the_same_schema_and_rows_and_keeps_nobody_waiting`.\n"
        .to_owned();
    for one in rewrite::all() {
        let mut known = Known::default();
        rewrite::learn(&file(one.setup), &mut known);
        let source = file(one.example);
        let version = if one.id == "domain" { 18 } else { 15 };
        let rewritten = rewrite::rewrite(&source, false, &mut known, version);
        text += &format!("\n## {}\n\n{}: {}.\n", one.id, one.when, one.why);
        if !one.halfway.is_empty() {
            text += &format!("\nIf it stops halfway, {}.\n", one.halfway);
        }
        text += &format!("\nfrom:\n\n```sql\n{}\n```\n", one.example);
        if rewritten.is_changed() {
            text += &format!("\nto:\n\n```sql\n{}\n```\n", rewritten.text(&source, None).unwrap());
        }
        for part in &rewritten.parts {
            if let Some(refused) = &part.refused {
                text += &format!(
                    "\nAs it is, to be accepted as `{}`: {}. Instead: {}.\n",
                    refused.rule, refused.why, refused.instead
                );
            } else if part.rewrite.is_none() {
                text += &format!("\nAs it is: {}.\n", part.why);
            }
        }
    }
    text
}

/// `UPDATE_DOCS=1` writes it.
#[test]
fn the_page_of_rewrites_is_what_the_table_says() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/rewrite.md");
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(&path, page()).unwrap();
    }
    let there = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(there == page(), "docs/rewrite.md: UPDATE_DOCS=1 cargo test --test ddl_rewrite");
}

fn migrate(folder: &Path, args: &[&str]) -> (Option<i32>, String, String) {
    let ran = Command::new(env!("CARGO_BIN_EXE_migrate")).args(args).current_dir(folder).output().unwrap();
    (ran.status.code(), String::from_utf8(ran.stdout).unwrap(), String::from_utf8(ran.stderr).unwrap())
}

#[test]
fn files_are_written_elsewhere_and_what_has_no_safe_form_is_exit_3_until_accepted() {
    let folder = tempfile::tempdir().unwrap();
    let sql = "-- keep me\nBEGIN;\n  CREATE INDEX i ON t (a); -- and me\n  ALTER TABLE t ADD CONSTRAINT c CHECK (a > 0);\nCOMMIT;\n";
    std::fs::write(folder.path().join("1_a.sql"), sql).unwrap();
    let (code, out, notes) = migrate(folder.path(), &["rewrite", "1_a.sql", "-o", "safe"]);
    assert_eq!((code, out.as_str()), (Some(0), ""), "{notes}");
    assert!(notes.contains("lost: its transaction is taken apart"), "{notes}");
    insta::assert_snapshot!("rewrite_written", std::fs::read_to_string(folder.path().join("safe/1_a.sql")).unwrap());
    assert_eq!(std::fs::read_to_string(folder.path().join("1_a.sql")).unwrap(), sql);
    let (code, _, notes) = migrate(folder.path(), &["rewrite", "1_a.sql", "-o", "."]);
    assert_eq!(code, Some(2), "{notes}");
    let (code, out, _) = migrate(folder.path(), &["rewrite", "1_a.sql", "--diff"]);
    assert_eq!(code, Some(0));
    assert!(
        out.contains("-  CREATE INDEX i ON t (a); -- and me\n") && out.contains("+  CREATE INDEX CONCURRENTLY i"),
        "{out}"
    );
    std::fs::write(folder.path().join("2_b.sql"), "VACUUM FULL t;\n").unwrap();
    let (code, out, notes) = migrate(folder.path(), &["rewrite", "2_b.sql", "--format", "json"]);
    assert_eq!(code, Some(3), "{notes}");
    let doc: serde_json::Value = serde_json::from_str(out.lines().next().unwrap()).unwrap();
    insta::assert_snapshot!("rewrite_json", serde_json::to_string_pretty(&doc).unwrap());
    std::fs::write(folder.path().join("2_b.sql"), "-- migrate: accept vacuum-full-rewrites at night\nVACUUM FULL t;\n")
        .unwrap();
    assert_eq!(migrate(folder.path(), &["rewrite", "2_b.sql"]).0, Some(0));
}
