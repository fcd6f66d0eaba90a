//! A run in place, with the real program on a real server: statement by statement on the database that serves.

#![allow(clippy::unwrap_used)] // a test may

#[path = "../support/mod.rs"]
mod support;

mod batches;
mod crash;
mod failover;
mod leftovers;
mod locks;
mod operators;
mod rehearse;
mod shadow;
mod trace;
mod two_hops;
mod upgrade;

use serde_json::Value;
use support::Pair;
use support::running::{Running, until, until_sql};
use support::stage::{PARTICIPANTS, Ran, SCHEMA, Stage};
use teal::postgres::Db;

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
    stage_on(Pair::start(SCHEMA).await, more)
}

fn stage_on(pair: Pair, more: &str) -> Stage {
    Stage::in_place(pair, &[("002_state.sql", STATE), ("003_owner.sql", OWNER)], more)
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

/// As before the first run, on the same server.
async fn begin_again(stage: &Stage, blue: &Db) {
    stage.run(&["abort", "--yes"]).expect(0);
    nothing_of_ours(blue).await;
    blue.run(&format!("DROP SCHEMA public CASCADE; CREATE SCHEMA public; {SCHEMA}")).await.unwrap();
}
