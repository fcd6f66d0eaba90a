//! A run in place, with the real program on a real server: statement by statement on the database that serves.

#![allow(clippy::unwrap_used)] // a test may

mod support;

use serde_json::Value;
use support::stage::{PARTICIPANTS, Ran, SCHEMA, Stage};
use teal::postgres::Db;

/// The plan; further text comes behind it.
const PLAN: &str = r#"name = "small"
strategy = "in-place"

[databases]
blue = "${BLUE_URL}"

[migrations]
source = "migrations"
applied = "SELECT version FROM schema_migration"
record = "INSERT INTO schema_migration (version) VALUES (:version)"

[[check]]
name = "accounts kept"
sql = "SELECT id, name FROM account"
expect = "equal"

[[check]]
name = "live tokens kept"
blue = "SELECT count(*) FROM token WHERE active"
green = "SELECT count(*) FROM token WHERE state = 'live'"
expect = "equal"
"#;

/// Brief, long, concurrent and session statements, in their safe form already.
const STATE: &str = "SET search_path = public;
ALTER TABLE token ADD COLUMN state text DEFAULT 'live';
CREATE UNIQUE INDEX CONCURRENTLY token_signature_state ON token (signature, state);
ALTER TABLE token ADD CONSTRAINT state_there CHECK (state IS NOT NULL) NOT VALID;
ALTER TABLE token VALIDATE CONSTRAINT state_there;
";
const OWNER: &str = "CREATE TABLE owner (id bigint PRIMARY KEY, name text);\nINSERT INTO owner SELECT id, name FROM account;\n\
                     REINDEX INDEX CONCURRENTLY token_pkey;\n";

async fn stage(more: &str) -> Stage {
    let stage = Stage::with(SCHEMA, "").await;
    stage.write("plan.toml", &format!("{PLAN}{more}"));
    stage.write("migrations/002_state.sql", STATE);
    stage.write("migrations/003_owner.sql", OWNER);
    stage
}

async fn column(db: &Db, sql: &str) -> Vec<String> {
    db.rows(sql, &[]).await.unwrap().iter().map(|row| row.get(0)).collect()
}

/// What the migrations make, each thing once.
async fn is_migrated(db: &Db) {
    assert_eq!(column(db, "SELECT version FROM schema_migration ORDER BY 1").await, ["001", "002", "003"]);
    assert_eq!(column(db, "SELECT count(*)::text FROM token WHERE state = 'live'").await, ["200"]);
    assert_eq!(column(db, "SELECT count(*)::text FROM owner").await, ["20"]);
    let indexes =
        "SELECT indexrelid::regclass::text FROM pg_index WHERE indrelid = 'token'::regclass AND indisvalid ORDER BY 1";
    assert_eq!(column(db, indexes).await, ["token_pkey", "token_signature_state"]);
    let not_valid = "SELECT count(*)::text FROM pg_index WHERE NOT indisvalid";
    assert_eq!(column(db, not_valid).await, ["0"]);
}

async fn nothing_of_ours(db: &Db) {
    assert_eq!(column(db, "SELECT nspname::text FROM pg_namespace WHERE nspname = 'teal'").await, [] as [&str; 0]);
}

#[track_caller]
fn hint_of(ran: &Ran) -> &str {
    let last = ran.stderr.lines().last().unwrap_or_default();
    last.strip_prefix("Hint: ").unwrap_or_else(|| panic!("no hint at the end of:\n{}", ran.stderr))
}

#[tokio::test]
async fn a_database_is_migrated_in_place_and_the_participants_switch() {
    let stage = stage(PARTICIPANTS).await;
    let blue = stage.pair.on_blue().await;
    let planned = stage.run(&["plan"]).expect(0);
    for said in [
        "Plan small, in place",
        "concurrent  CREATE UNIQUE INDEX CONCURRENTLY",
        "locks ACCESS EXCLUSIVE on public.token",
        "long        ALTER TABLE token VALIDATE",
    ] {
        assert!(planned.stdout.contains(said), "{said:?} is not in:\n{}", planned.stdout);
    }
    nothing_of_ours(&blue).await;
    let applied = stage.run(&["apply", "--yes"]).expect(0);
    assert!(applied.stdout.contains("State: ready. Blue is migrated"), "{}", applied.stdout);
    is_migrated(&blue).await;
    assert_eq!(stage.run(&["status", "--format", "json"]).expect(0).json()["state"], "ready");
    stage.run(&["validate"]).expect(0);
    stage.run(&["cutover", "--dry-run"]).expect(0);
    assert_eq!(stage.read("app.conf"), "blue");
    let switched = stage.run(&["cutover", "--yes"]).expect(0);
    assert!(switched.stdout.contains("Everybody has switched; blue serves, migrated."), "{}", switched.stdout);
    assert_eq!(stage.read("app.conf"), "green");
    blue.run("INSERT INTO account (name) VALUES ('written after the switch')").await.unwrap();
    let told: Value = stage.run(&["report", "--format", "json"]).expect(0).json();
    assert_eq!((told["verdict"].as_str(), told["strategy"].as_str()), (Some("passed"), Some("in-place")));
    assert_eq!(told["migrations"].as_array().unwrap().len(), 2);
    let finished = stage.run(&["finish", "--yes"]).expect(0);
    assert!(!finished.stdout.contains("green"), "{}", finished.stdout);
    nothing_of_ours(&blue).await;
    assert_eq!(stage.run(&["status", "--format", "json"]).expect(0).json()["state"], "finished");
}
