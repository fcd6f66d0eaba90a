//! `lint --trace`: what is hidden in the text is told by a throwaway server, and a judgement that it contradicts is found.

#![allow(clippy::unwrap_used)] // a test may fail by panicking, its helpers included

use std::path::Path;
use std::process::Command;

use serde_json::Value;
use teal::ddl::SqlFile;
use teal::ddl::lint::{Linter, runs_in_transaction};
use teal::ddl::rule;
use teal::ddl::trace::{self, Chain};
use teal::ddl::workload::{Query, judge};
use teal::postgres::{Access, Target};
use teal::sandbox::Server;

const SCHEMA: &str = "
CREATE TABLE client (id bigint PRIMARY KEY, name text);
CREATE TABLE token (id bigint PRIMARY KEY, client_id bigint NOT NULL REFERENCES client, subject text, note text);
CREATE VIEW live AS SELECT id, note FROM token;
CREATE FUNCTION fixed() RETURNS text LANGUAGE sql STABLE AS $$ SELECT 'x' $$;
CREATE FUNCTION add_scope() RETURNS void LANGUAGE plpgsql AS $$ BEGIN
    EXECUTE 'ALTER TABLE token ADD COLUMN scope text NOT NULL';
END $$;
CREATE PROCEDURE rename_subject() LANGUAGE plpgsql AS $$ BEGIN
    ALTER TABLE token RENAME COLUMN subject TO who;
END $$;";

fn file(text: &str) -> SqlFile {
    SqlFile::from_bytes(Path::new("example.sql"), text.as_bytes().to_vec()).unwrap()
}

/// One server with a database for each example.
struct Shadows {
    server: Server,
    made: usize,
}

impl Shadows {
    fn start() -> Self {
        Self { server: Server::start(&[]).unwrap(), made: 0 }
    }

    /// `rule: what` of everything found in the last of `files` when they are traced after `schema`.
    async fn lint(&mut self, schema: &str, files: &[&str]) -> Vec<String> {
        self.made += 1;
        let name = format!("shadow_{}", self.made);
        let target = |name: &str| Target::parse("the shadow", &self.server.url(name)).unwrap();
        let admin = target("postgres").connect(Access::ReadWrite).await.unwrap();
        admin.run(&format!("CREATE DATABASE {name}")).await.unwrap();
        let shadow = target(&name);
        shadow.connect(Access::ReadWrite).await.unwrap().run(schema).await.unwrap();
        trace::prepare(&shadow).await.unwrap();
        let mut linter = Linter::of_major(Some(self.server.major()));
        linter.learn(&file(schema));
        let (mut found, mut chain) = (Vec::new(), Chain::on(&shadow));
        for text in files {
            let sql = file(text);
            let steps = chain.run(&sql, runs_in_transaction(&sql, true)).await.unwrap();
            assert_eq!(steps.len(), sql.statements.len());
            found = linter.lint_traced(&sql, true, &steps);
        }
        found
            .into_iter()
            .filter(|one| one.accepted.is_none())
            .map(|one| format!("{}: {}", one.rule.id, one.what))
            .collect()
    }
}

fn ids(found: &[String]) -> Vec<&str> {
    let mut ids: Vec<&str> = found.iter().map(|one| one.split(':').next().unwrap()).collect();
    ids.sort_unstable();
    ids
}

const QUIET: &str = "SET lock_timeout = '1s';\n";

#[tokio::test]
async fn what_a_statement_hides_is_told_and_what_harms_nobody_blocks_nobody() {
    let mut shadows = Shadows::start();
    for (sql, expected) in [
        // Harmless: the blocker that the text alone is, is gone.
        ("DO $$ BEGIN COMMENT ON TABLE token IS 'x'; END $$", vec!["traced"]),
        ("DO $$ BEGIN NULL; END $$", vec![]),
        ("CREATE EVENT TRIGGER t ON ddl_command_end EXECUTE FUNCTION teal.witness()", vec![]),
        (
            "DO $$ BEGIN IF NOT EXISTS (SELECT FROM pg_type WHERE typname = 'mood') THEN CREATE TYPE mood AS ENUM ('a'); \
             END IF; END $$",
            vec!["traced"],
        ),
        // Not harmless: the findings that the statement inside has.
        ("DO $$ BEGIN EXECUTE 'CREATE INDEX i ON token (note)'; END $$", vec!["traced", "traced-blocks"]),
        (
            "DO $$ BEGIN ALTER TABLE token ALTER COLUMN subject TYPE bytea USING subject::bytea; END $$",
            vec!["traced", "traced-blocks"],
        ),
        (
            "DO $$ BEGIN DROP VIEW live; ALTER TABLE token DROP COLUMN note; END $$",
            vec!["drop-breaks-clients", "drop-breaks-clients", "traced"],
        ),
        ("SELECT add_scope()", vec!["required-column", "traced", "traced-blocks"]),
        ("CALL rename_subject()", vec!["rename-breaks-clients", "traced"]),
        ("DO $$ BEGIN UPDATE token SET note = ''; END $$", vec!["whole-table-write"]),
        // What depends on rows can't be told without any.
        (
            "DO $$ DECLARE r record; BEGIN FOR r IN SELECT * FROM client LOOP DROP TABLE token; END LOOP; END $$",
            vec!["dynamic-sql"],
        ),
        ("DO $$ BEGIN IF current_user = 'app' THEN DROP TABLE token; END IF; END $$", vec!["dynamic-sql"]),
        // CASCADE, by name.
        (
            "ALTER TABLE token DROP COLUMN note CASCADE",
            vec!["cascade-reach", "drop-breaks-clients", "drop-breaks-clients", "traced"],
        ),
        ("DROP TABLE client CASCADE", vec!["cascade-reach", "drop-breaks-clients", "traced"]),
        // A doubt that the server settles: the function is stable.
        ("ALTER TABLE token ADD COLUMN kind text DEFAULT fixed()", vec![]),
        // Refused, with the place.
        ("ALTER TABLE token ADD COLUMN note text", vec!["trace-failed"]),
        (
            "-- migrate: no-transaction\nSET lock_timeout = 1; CREATE INDEX CONCURRENTLY i ON token (note)",
            vec!["trace-unseen"],
        ),
    ] {
        let text = if sql.starts_with("--") { sql.to_owned() } else { format!("{QUIET}{sql}") };
        let found = shadows.lint(SCHEMA, &[&text]).await;
        assert_eq!(ids(&found), expected, "{sql}\n{}", found.join("\n"));
    }
    let found = shadows.lint(SCHEMA, &[&format!("{QUIET}DROP TABLE client CASCADE")]).await;
    let traced = found.iter().find(|one| one.starts_with("traced:")).unwrap();
    assert!(traced.contains("took along table constraint token_client_id_fkey on public.token"), "{traced}");
    assert!(traced.contains("ACCESS EXCLUSIVE on public.token"), "{traced}");
}

#[tokio::test]
async fn a_chain_is_one_story_and_a_refusal_ends_it() {
    let mut shadows = Shadows::start();
    // What an earlier file made is there, by the name that a block gave it.
    let first = format!("{QUIET}DO $$ BEGIN EXECUTE 'CREATE TABLE scope (id bigint, note text)'; END $$");
    let found = shadows.lint(SCHEMA, &[&first, &format!("{QUIET}CREATE INDEX scope_note ON scope (note)")]).await;
    assert_eq!(ids(&found), ["index-blocks-writes"]);
    // What the file itself made is nobody else's.
    let own = "CREATE TABLE scope (id bigint); DO $$ BEGIN EXECUTE 'CREATE INDEX i ON scope (id)'; END $$";
    assert_eq!(ids(&shadows.lint(SCHEMA, &[own]).await), ["traced"]);
    // After a refusal nothing is told of what follows but what its text says.
    let broken = format!("{QUIET}DROP TABLE nothing; DO $$ BEGIN COMMENT ON TABLE token IS 'x'; END $$");
    let found = shadows.lint(SCHEMA, &[&broken]).await;
    assert_eq!(ids(&found), ["drop-breaks-clients", "dynamic-sql", "trace-failed"]);
    assert!(found.iter().any(|one| one.ends_with("table \"nothing\" does not exist")), "{found:?}");
    // Nor of the files after it.
    let found =
        shadows.lint(SCHEMA, &["DROP TABLE nothing", "DO $$ BEGIN COMMENT ON TABLE token IS 'x'; END $$"]).await;
    assert_eq!(ids(&found), ["dynamic-sql"]);
    // A block of its own, and what is deferred to its end.
    let deferred = "BEGIN; CREATE TABLE a (id bigint PRIMARY KEY); CREATE TABLE b (a bigint REFERENCES a DEFERRABLE INITIALLY \
                    DEFERRED); INSERT INTO b VALUES (1); COMMIT;";
    let found = shadows.lint(SCHEMA, &[deferred]).await;
    assert_eq!(ids(&found), ["trace-failed"], "{found:?}");
}

#[tokio::test]
async fn every_example_of_a_traced_rule_is_found_and_its_good_one_is_not() {
    let mut shadows = Shadows::start();
    for rule in rule::all().filter(|rule| rule.id.starts_with("trace")) {
        let bad = shadows.lint(rule.setup, &[rule.bad]).await;
        assert!(ids(&bad).contains(&rule.id), "{}: not in its bad example: {bad:?}", rule.id);
        let good = shadows.lint(rule.setup, &[rule.good]).await;
        assert!(!ids(&good).contains(&rule.id), "{}: in its good example: {good:?}", rule.id);
    }
    let rule = rule::rule("not-in-this-version").unwrap();
    let lint = |text: &str| {
        let mut linter = Linter::of_major(Some(15));
        linter.learn(&file(rule.setup));
        linter.lint(&file(text), true).iter().any(|one| one.rule.id == rule.id)
    };
    assert!(lint(rule.bad) && !lint(rule.good));
}

#[tokio::test]
async fn a_live_database_is_only_read_and_gives_schema_sizes_and_a_shadow() {
    let server = Server::start(&[("shared_preload_libraries", "pg_stat_statements")]).unwrap();
    let db = Target::parse("live", &server.url("postgres")).unwrap().connect(Access::ReadWrite).await.unwrap();
    db.run("CREATE ROLE app; CREATE SCHEMA auth AUTHORIZATION app").await.unwrap();
    db.run("CREATE TABLE auth.token AS SELECT i AS id, 'x' AS note FROM generate_series(1, 1000) i").await.unwrap();
    db.run("ALTER TABLE auth.token OWNER TO app; ANALYZE").await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let sql = "SET lock_timeout = '1s';\nALTER TABLE auth.token ALTER COLUMN note SET NOT NULL;\n\
               DO $$ BEGIN EXECUTE 'CREATE INDEX ON auth.token (note)'; END $$;\n";
    std::fs::write(folder.path().join("1_a.sql"), sql).unwrap();
    let lint = |args: &[&str]| {
        let mut migrate = Command::new(env!("CARGO_BIN_EXE_migrate"));
        migrate.arg("lint").args(args).current_dir(folder.path()).env("LIVE_URL", server.url("postgres"));
        migrate.env_remove("GITHUB_ACTIONS").output().unwrap()
    };
    let ran = lint(&["1_a.sql", "--schema", "${LIVE_URL}", "--trace", "--format", "json"]);
    let (text, said) = (String::from_utf8(ran.stdout).unwrap(), String::from_utf8(ran.stderr).unwrap());
    assert_eq!(ran.status.code(), Some(3), "{text}{said}");
    let doc: Value = serde_json::from_str(text.lines().next().unwrap()).unwrap();
    let basis = |rule: &str| {
        let found = doc["findings"].as_array().unwrap().iter().find(|one| one["rule"] == rule);
        found.unwrap_or_else(|| panic!("{rule}: {text}"))["estimate"]["basis"].as_str().unwrap().to_owned()
    };
    assert!(basis("set-not-null-scans").contains(" kB of auth.token: about "), "{text}");
    assert!(basis("traced-blocks").contains("auth.token"), "{text}");
    let text = String::from_utf8(lint(&["1_a.sql", "--schema", "${LIVE_URL}"]).stdout).unwrap();
    assert!(text.contains("\n  estimate: reads "), "{text}");
    let ours = "SELECT count(*) FROM pg_namespace WHERE nspname = 'teal'";
    assert_eq!(db.row(ours, &[]).await.unwrap().get::<_, i64>(0), 0);
    // The same schema from a file, with the version named; a schema that does not load says where.
    std::fs::write(
        folder.path().join("schema.sql"),
        "CREATE SCHEMA auth;\nCREATE TABLE auth.token (id int, note text);\n",
    )
    .unwrap();
    let ran = lint(&["1_a.sql", "--schema", "schema.sql", "--trace", "--pg", "15"]);
    assert!(String::from_utf8(ran.stdout).unwrap().contains("lint/traced-blocks"));
    std::fs::write(folder.path().join("schema.sql"), "SELECT 1;\nCREATE TABLE a (b nothing);\n").unwrap();
    let ran = lint(&["1_a.sql", "--schema", "schema.sql", "--trace"]);
    let said = String::from_utf8(ran.stderr).unwrap();
    assert!(ran.status.code() == Some(1) && said.contains("schema.sql:2: type \"nothing\" does not exist"), "{said}");
    let said = String::from_utf8(lint(&["1_a.sql", "--schema", "${NO_SUCH}"]).stderr).unwrap();
    assert!(said.contains("NO_SUCH is not set"), "{said}");
}

#[tokio::test]
async fn queries_of_clients_that_the_files_break_are_found_by_table() {
    let server = Server::start(&[("shared_preload_libraries", "pg_stat_statements")]).unwrap();
    let db = Target::parse("live", &server.url("postgres")).unwrap().connect(Access::ReadWrite).await.unwrap();
    db.run("CREATE TABLE token (id bigint, note text); CREATE TABLE client (id bigint)").await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let sql = "SET lock_timeout = '1s';\nDO $$ BEGIN ALTER TABLE token ADD COLUMN scope text; END $$;\n\
               ALTER TABLE client RENAME TO app;\n";
    std::fs::write(folder.path().join("1_a.sql"), sql).unwrap();
    let lint = |args: &[&str]| {
        let mut migrate = Command::new(env!("CARGO_BIN_EXE_migrate"));
        migrate.args(["lint", "1_a.sql", "--format", "json"]).args(args).current_dir(folder.path());
        let ran = migrate.env("LIVE_URL", server.url("postgres")).env_remove("GITHUB_ACTIONS").output().unwrap();
        (String::from_utf8(ran.stdout).unwrap(), String::from_utf8(ran.stderr).unwrap())
    };
    let found = |text: &str| -> Vec<(String, String, Value)> {
        let doc: Value = serde_json::from_str(text.lines().next().unwrap()).unwrap();
        let all = doc["findings"].as_array().unwrap().iter();
        let ours = all.filter(|one| one["rule"].as_str().unwrap().starts_with("workload"));
        ours.map(|one| {
            let text = |key: &str| one[key].as_str().unwrap_or_default().to_owned();
            (text("rule"), text("table"), one["calls"].clone())
        })
        .collect()
    };
    // Without the extension, how to get it; with it, what ran, without a value of it.
    let (_, said) = lint(&["--workload", "${LIVE_URL}"]);
    assert!(said.contains("CREATE EXTENSION pg_stat_statements"), "{said}");
    db.run("CREATE SCHEMA stats; CREATE EXTENSION pg_stat_statements SCHEMA stats").await.unwrap();
    for _ in 0..3 {
        db.run("SELECT * FROM token WHERE note = 'hunter2'").await.unwrap();
    }
    db.run("SELECT count(*) FROM client").await.unwrap();
    db.run("SELECT id FROM token").await.unwrap();
    let (text, said) = lint(&["--workload", "${LIVE_URL}", "--schema", "${LIVE_URL}", "--trace"]);
    let expected = [
        ("workload-name".to_owned(), "public.client".to_owned(), Value::from(1)),
        ("workload-star".to_owned(), "public.token".to_owned(), Value::from(3)),
    ];
    assert_eq!(found(&text), expected, "{text}{said}");
    assert!(!text.contains("hunter2"), "{text}");
    // A file of queries; without a trace nobody knows what the block adds.
    std::fs::write(
        folder.path().join("queries.sql"),
        "SELECT * FROM token;\nSELECT * FROM client WHERE id = 42;\nCALL p();",
    )
    .unwrap();
    let (text, _) = lint(&["--workload", "queries.sql"]);
    let rules: Vec<String> = found(&text).into_iter().map(|(rule, ..)| rule).collect();
    assert_eq!(rules, ["workload-name", "workload-unjudged"], "{text}");
    assert!(!text.contains("42"), "{text}");
}

const CLIENTS: &str = "
CREATE TABLE client (id bigint PRIMARY KEY, name text, scope text);
CREATE TABLE token (id bigint PRIMARY KEY, client_id bigint, note text, subject text, used int);
CREATE TABLE gone (id bigint PRIMARY KEY, what text);
CREATE TABLE log (id bigint, note text);
CREATE TABLE whole (id bigint, note text, subject text);";

/// Drops, renames, retypes, adds a column that another table has, and demands one.
const CHAIN: &str = "
ALTER TABLE token DROP COLUMN note;
ALTER TABLE token ADD COLUMN scope text;
ALTER TABLE token ALTER COLUMN used TYPE bigint;
ALTER TABLE client RENAME COLUMN name TO title;
ALTER TABLE log ADD COLUMN realm text NOT NULL;
ALTER TABLE gone RENAME TO there;";

/// Queries in every form that names can take: the server says which of them break.
const QUERIES: &[&str] = &[
    "SELECT id FROM token",
    "SELECT note FROM token",
    "SELECT t.note FROM public.token AS t",
    "SELECT public.token.note FROM public.token",
    "SELECT l.note FROM token t JOIN log l ON l.id = t.id",
    "SELECT t.id FROM token t JOIN log l ON l.note = t.subject",
    "SELECT subject FROM token t, client c WHERE c.id = t.client_id",
    "SELECT scope FROM client",
    "SELECT scope FROM token t JOIN client c ON c.id = t.client_id",
    "SELECT c.scope FROM token t JOIN client c ON c.id = t.client_id",
    "SELECT id, (SELECT scope FROM log WHERE log.id = c.id) FROM client c",
    "SELECT id FROM client WHERE EXISTS (SELECT 1 FROM token WHERE token.client_id = client.id AND subject = scope)",
    "SELECT 'note' FROM token",
    "SELECT subject AS note FROM token",
    "SELECT subject note FROM token ORDER BY note",
    "SELECT count(*) note FROM token",
    "SELECT count(*) FROM token",
    "SELECT count(t.*) FROM token t",
    "SELECT id * 2, used * id FROM token",
    "SELECT * FROM token",
    "SELECT * FROM whole",
    "SELECT t.* FROM client c LEFT JOIN token t ON true",
    "SELECT c.id, c.scope FROM token t JOIN client c USING (id)",
    "SELECT w.* FROM token t JOIN whole w USING (id)",
    "SELECT 1 FROM token JOIN log USING (id, note)",
    "SELECT 1 FROM (SELECT * FROM token) x",
    "SELECT x.id FROM (SELECT * FROM token) x",
    "SELECT x.note FROM (SELECT * FROM token) x",
    "SELECT note FROM (SELECT t.* FROM token t) x",
    "SELECT * FROM (SELECT * FROM token) x",
    "SELECT * FROM (SELECT id, subject FROM token) x",
    "SELECT a FROM (SELECT id, subject FROM token) x (a, b)",
    "SELECT id FROM client WHERE EXISTS (SELECT * FROM token WHERE client_id = client.id)",
    "SELECT id FROM client WHERE id IN (SELECT client_id FROM token)",
    "SELECT id FROM client WHERE (id, scope) IN (SELECT * FROM log)",
    "SELECT id FROM client c WHERE EXISTS (SELECT 1 FROM token t WHERE t.subject = c.name)",
    "SELECT id FROM client c WHERE EXISTS (SELECT 1 FROM token WHERE subject = name)",
    "WITH token AS (SELECT 1 AS id, 'x' AS note) SELECT note FROM token",
    "WITH token AS (SELECT 1 AS id, 'x' AS note) SELECT * FROM token",
    "WITH x AS (SELECT * FROM token) SELECT id FROM x",
    "WITH x AS (SELECT * FROM token) SELECT note FROM x",
    "WITH x AS (SELECT * FROM token) SELECT * FROM x",
    "WITH RECURSIVE x AS (SELECT id, note FROM log UNION ALL SELECT x.id, x.note FROM x WHERE false) SELECT note FROM x",
    "WITH d AS (DELETE FROM token RETURNING id) SELECT * FROM d",
    "WITH d AS (DELETE FROM token RETURNING *) SELECT * FROM d",
    "WITH d AS (DELETE FROM token RETURNING *) SELECT id FROM d",
    "SELECT id FROM log UNION SELECT id FROM token",
    "SELECT id, note FROM log UNION SELECT id, subject FROM token",
    "SELECT id, note FROM log UNION SELECT id, note FROM token",
    "(SELECT note FROM token) EXCEPT (SELECT note FROM log)",
    "SELECT id, name, scope FROM client UNION ALL SELECT * FROM whole",
    "TABLE token",
    "TABLE whole",
    "SELECT x.note FROM client c CROSS JOIN LATERAL (SELECT note FROM log WHERE log.id = c.id) x",
    "SELECT x.n FROM client c CROSS JOIN LATERAL (SELECT c.name AS n) x",
    "SELECT subject FROM token GROUP BY subject HAVING max(note) > ''",
    "SELECT max(subject) FILTER (WHERE used > 1) FROM token",
    "SELECT row_number() OVER (PARTITION BY note) FROM token",
    "SELECT row_number() OVER w FROM token WINDOW w AS (ORDER BY subject)",
    "SELECT row_number() OVER w FROM token WINDOW w AS (ORDER BY note)",
    "SELECT extract(year FROM now()), date '2020-01-01', CAST('1' AS int), '1'::int FROM token",
    "SELECT id FROM token WHERE subject IS DISTINCT FROM note",
    "SELECT subject IS DISTINCT FROM 'x' FROM token",
    "SELECT DISTINCT ON (note) id FROM token",
    "SELECT CASE WHEN subject = 'a' THEN note ELSE '' END FROM token",
    "SELECT id FROM token ORDER BY note",
    "SELECT id FROM token WHERE id = ANY (ARRAY(SELECT id FROM log WHERE note = 'x'))",
    "SELECT id FROM token WHERE left(subject, 1) = 'a' FOR UPDATE OF token",
    "SELECT t.id FROM token t LEFT JOIN log l ON left(l.note, 1) = 'a' LEFT JOIN whole w ON w.note = l.note",
    "SELECT t.id FROM (token t JOIN whole w ON w.id = t.id) WHERE t.note = 'x'",
    "SELECT t.id FROM (token t JOIN whole w ON w.id = t.id) WHERE w.note = 'x'",
    "SELECT note FROM generate_series(1, 2) note",
    "SELECT t.id, n.note FROM token t, unnest(ARRAY['a']) AS n (note)",
    "SELECT l.id FROM log l, gone",
    "SELECT what FROM gone",
    "UPDATE token SET note = 'x'",
    "UPDATE token SET subject = 'x' WHERE id = 1",
    "UPDATE token SET subject = 'x' WHERE note = 'y'",
    "UPDATE token t SET subject = l.note FROM log l WHERE l.id = t.id",
    "UPDATE token t SET subject = c.name FROM client c WHERE c.id = t.client_id",
    "UPDATE token t SET subject = scope FROM client c WHERE c.id = t.client_id",
    "UPDATE token SET (subject, note) = ('a', 'b')",
    "UPDATE token SET subject = (SELECT note FROM log LIMIT 1)",
    "UPDATE whole SET note = 'x' RETURNING *",
    "UPDATE token SET subject = 'x' RETURNING *",
    "UPDATE whole w SET note = t.subject FROM token t WHERE t.id = w.id RETURNING w.*",
    "DELETE FROM token WHERE note IS NULL",
    "DELETE FROM whole w USING token t WHERE t.id = w.id AND w.note = 'x'",
    "DELETE FROM whole w USING token t WHERE t.id = w.id AND t.note = 'x'",
    "INSERT INTO token (id, subject) VALUES (1, 'x')",
    "INSERT INTO token (id, note) VALUES (1, 'x')",
    "INSERT INTO token VALUES (1, 2, 'n', 's', 3)",
    "INSERT INTO whole VALUES (1, 'n', 's')",
    "INSERT INTO log (id, note) VALUES (1, 'n')",
    "INSERT INTO log VALUES (1, 'n')",
    "INSERT INTO log DEFAULT VALUES",
    "INSERT INTO whole DEFAULT VALUES",
    "INSERT INTO whole (id, note) SELECT t.id, l.note FROM token t JOIN log l ON l.id = t.id",
    "INSERT INTO whole (id, note) SELECT id, note FROM token",
    "INSERT INTO whole (id, note, subject) SELECT * FROM client",
    "INSERT INTO whole SELECT * FROM whole",
    "INSERT INTO token (id, client_id, subject) SELECT id, id, note FROM whole ON CONFLICT (id) DO NOTHING",
    "INSERT INTO token (id, subject) VALUES (1, 'x') ON CONFLICT (id) DO UPDATE SET subject = excluded.subject",
    "INSERT INTO token (id, subject) VALUES (1, 'x') ON CONFLICT (id) DO UPDATE SET subject = token.note",
    "INSERT INTO token (id) VALUES (1) ON CONFLICT (id) DO UPDATE SET subject = excluded.note RETURNING id",
    "INSERT INTO token (id) VALUES (1) RETURNING *",
    "INSERT INTO token (id) VALUES (1) RETURNING id",
    "SELECT (SELECT * FROM (SELECT note FROM log LIMIT 1) y) FROM token",
    "SELECT id FROM token NATURAL JOIN log",
    "SELECT id, name FROM client",
    "SELECT id AS name FROM client ORDER BY name",
    "SELECT t FROM token t",
];

/// They go on with another meaning: other fields in a row, a name that another table catches, other columns to join by.
const CHANGED: [&str; 3] = [
    "SELECT t FROM token t",
    "SELECT id FROM client WHERE EXISTS (SELECT 1 FROM token WHERE token.client_id = client.id AND subject = scope)",
    "SELECT id FROM token NATURAL JOIN log",
];

/// What one query does on a database: its result's columns, or that it fails. Nothing of it stays.
async fn outcome(client: &tokio_postgres::Client, query: &str) -> Option<Vec<(String, String)>> {
    let prepared = client.prepare(query).await.ok()?;
    client.batch_execute("BEGIN").await.unwrap();
    let ran = client.query(&prepared, &[]).await;
    client.batch_execute("ROLLBACK").await.unwrap();
    ran.ok()?;
    Some(prepared.columns().iter().map(|column| (column.name().to_owned(), column.type_().name().to_owned())).collect())
}

#[tokio::test]
async fn what_the_server_finds_broken_is_found_and_nothing_else() {
    let server = Server::start(&[]).unwrap();
    let client = async |database: &str| {
        let (client, connection) = tokio_postgres::connect(&server.url(database), tokio_postgres::NoTls).await.unwrap();
        tokio::spawn(connection);
        client
    };
    let admin = client("postgres").await;
    for name in ["before", "after"] {
        admin.batch_execute(&format!("CREATE DATABASE {name}")).await.unwrap();
    }
    let (before, after) = (client("before").await, client("after").await);
    before.batch_execute(CLIENTS).await.unwrap();
    after.batch_execute(&format!("{CLIENTS}{CHAIN}")).await.unwrap();
    let (mut known, mut unknown) = (Linter::default(), Linter::default());
    known.learn(&file(CLIENTS));
    for linter in [&mut known, &mut unknown] {
        linter.lint(&file(CHAIN), true);
    }
    let mut wrong = Vec::new();
    let mut broken = 0;
    for text in QUERIES {
        let was = outcome(&before, text).await;
        assert!(was.is_some(), "it does not run before the chain: {text}");
        // That a column's type is another is said wherever it is named.
        let breaks = outcome(&after, text).await != was;
        broken += usize::from(breaks);
        for (linter, is_known) in [(&known, true), (&unknown, false)] {
            let queries = [Query { text: (*text).to_owned(), calls: None, line: None }];
            let found = judge(&queries, linter.changes(), linter.before());
            let said: Vec<String> = found.iter().map(|one| format!("{}: {}", one.rule.id, one.what)).collect();
            let sure = found.iter().filter(|one| is_known || !one.what.contains("unless"));
            let says = sure.clone().any(|one| !matches!(one.rule.id, "workload-type" | "workload-unjudged"));
            let missed = breaks && !found.iter().any(|one| one.rule.id != "workload-unjudged");
            let alarm = says && !breaks && !CHANGED.contains(text);
            if missed || alarm {
                let verdict = if missed { "missed" } else { "false alarm" };
                wrong.push(format!("{verdict} (schema known: {is_known}): {text}\n    {said:?}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(broken > 30 && broken < QUERIES.len() - 30, "{broken} of {}", QUERIES.len());
}
