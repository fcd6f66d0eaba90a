//! `migrate init`: a first plan that passes `plan` as it stands, and says what it was derived from.

#![allow(clippy::unwrap_used)] // helpers of tests are tests

mod support;

use std::process::Command;

use support::Pair;
use support::stage::{Ran, Stage};

/// The demo's schema with a few rows, as its owner would dump it.
async fn oauth() -> Stage {
    let schema: String = [
        include_str!("../migrations/oauth/1x/001_schema_migration.sql"),
        include_str!("../migrations/oauth/1x/002_oauth_client.sql"),
        include_str!("../migrations/oauth/1x/003_login_session.sql"),
        include_str!("../migrations/oauth/1x/004_consent.sql"),
        include_str!("../migrations/oauth/1x/005_authorization_code.sql"),
        include_str!("../migrations/oauth/1x/006_access_token.sql"),
        include_str!("../migrations/oauth/1x/007_refresh_token.sql"),
        "INSERT INTO schema_migration (version, name) SELECT '00' || i, 'x' FROM generate_series(1, 7) i;
         INSERT INTO oauth_client (id, name, redirect_uris, scope) VALUES ('app', 'App', 'https://a.example/x', 'openid');
         UPDATE oauth_client SET auth_method = 'none';
         INSERT INTO login_session (id, subject) SELECT md5(i::text)::uuid, 'u' || i FROM generate_series(1, 20) i;
         INSERT INTO consent (session_id, client_id, scope, revoked_at)
         SELECT md5(i::text)::uuid, 'app', 'openid', CASE WHEN i % 4 = 0 THEN now() END FROM generate_series(1, 20) i;
         INSERT INTO authorization_code (code_hash, consent_id, redirect_uri, used, issued_at, expires_at)
         SELECT 'c' || i, i, 'x', i % 2 = 0, now(), now() + interval '1 min' FROM generate_series(1, 20) i;
         INSERT INTO access_token (signature, consent_id, client_id, scope, active, expires_at)
         SELECT 't' || i, i, 'app', 'openid', i % 5 <> 0, now() + interval '1 h' FROM generate_series(1, 20) i;
         INSERT INTO refresh_token (signature, consent_id, status)
         SELECT 'r' || i, i, (ARRAY['unused', 'used', 'revoked'])[1 + i % 3]::refresh_status FROM generate_series(1, 20) i;
         ANALYZE;",
    ]
    .concat();
    let stage = Stage::on(Pair::start(&schema).await, "");
    std::fs::remove_file(stage.path("plan.toml")).unwrap();
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("migrations/oauth/2x");
    for entry in std::fs::read_dir(folder).unwrap().map(Result::unwrap) {
        stage.write(&format!("2x/{}", entry.file_name().display()), &std::fs::read_to_string(entry.path()).unwrap());
    }
    stage
}

fn dump(stage: &Stage) {
    let done = Command::new("pg_dump")
        .envs(stage.pair.blue.program_env())
        .args(["--format=custom", "--file"])
        .arg(stage.path("oauth.dump"))
        .output()
        .unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
}

/// The events that are on, by name.
fn on(ran: &Ran) -> Vec<String> {
    let events = ran.json()["events"].as_array().unwrap().clone();
    let on = events.iter().filter(|event| event["on"] == true);
    on.map(|event| event["name"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn from_a_live_blue_it_passes_plan_and_is_the_same_twice() {
    let stage = oauth().await;
    let ran = stage.run(&["init", "--migrations", "2x", "--format", "json"]).expect(0);
    // Without rows nobody has shown what takes a dropped column's place.
    assert_eq!(on(&ran), ["login_session deleted"]);
    assert_eq!(ran.json()["pending"], 10);
    assert_eq!(ran.json()["traced"], "schema");
    assert_eq!(ran.json()["next"], "migrate plan plan.toml");
    let text = stage.read("plan.toml");
    assert!(
        text.contains("# replay = \"UPDATE oauth_access_token SET state = 'revoked', revoked_at = now() WHERE"),
        "{text}"
    );
    assert!(text.contains("blue  = \"${BLUE_URL}\"") && !text.contains("postgres://"), "{text}");
    stage.run(&["plan", "plan.toml"]).expect(0);

    let again = stage.run(&["init", "--migrations", "2x"]).expect(2);
    assert!(again.stderr.contains("plan.toml is there already"), "{}", again.stderr);
    stage.run(&["init", "--migrations", "2x", "--force"]).expect(0);
    assert_eq!(stage.read("plan.toml"), text);
}

#[tokio::test(flavor = "multi_thread")]
async fn from_a_dump_every_event_is_tried_on_its_rows_and_a_rehearsal_passes() {
    let stage = oauth().await;
    dump(&stage);
    let ran = stage.run(&["init", "--from", "oauth.dump", "--migrations", "2x", "--format", "json"]).expect(0);
    assert_eq!(
        on(&ran),
        [
            "access_token no longer active",
            "authorization_code used",
            "consent revoked",
            "login_session deleted",
            "refresh_token no longer unused"
        ]
    );
    assert_eq!(ran.json()["next"], "migrate rehearse plan.toml --from oauth.dump");
    stage.run(&["plan", "plan.toml"]).expect(0);
    let text = stage.read("plan.toml");
    assert!(text.contains("SET withdrawn_at = now(), state = 'withdrawn' WHERE id = :id"), "{text}");
    // The head's version and size are this machine's.
    let from_name = text.split_once("name = ").unwrap().1;
    insta::assert_snapshot!("init_plan", from_name);

    // The other two of three commands, in the same folder, lead to a verdict.
    stage.run(&["rehearse", "--from", "oauth.dump"]).expect(0);
    let report = stage.run(&["report"]).expect(0);
    assert!(report.stdout.contains("Verdict: passed."), "{}", report.stdout);
}

#[tokio::test(flavor = "multi_thread")]
async fn odd_names_and_what_is_not_sure_make_a_plan_that_passes() {
    let things = (0..15).map(|i| format!("CREATE TABLE thing{i} (id int PRIMARY KEY, closed_at timestamptz);"));
    let stage = Stage::on(
        Pair::start(&format!(
            r#"{} CREATE SCHEMA auth;
               CREATE TABLE part_sessions (id int, at date, revoked_at timestamptz, PRIMARY KEY (id, at)) PARTITION BY RANGE (at);
               CREATE TABLE auth.refresh_tokens (id bigserial PRIMARY KEY, revoked boolean, token text);
               CREATE TABLE "Odd ""Tokens" ("Id" int, "isActive" boolean NOT NULL, "user" int NOT NULL UNIQUE);
               CREATE TABLE api_keys (name text, revoked_at timestamptz);
               CREATE TABLE orders (id int PRIMARY KEY, status text NOT NULL CHECK (status IN ('open', 'cancelled')));
               CREATE TABLE user_state (id int PRIMARY KEY, state smallint);"#,
            things.collect::<String>()
        ))
        .await,
        "",
    );
    stage.write("m/001.sql", "ALTER TABLE \"Odd \"\"Tokens\" RENAME TO fine_tokens;\nALTER TABLE fine_tokens RENAME \"isActive\" TO is_active;\n");
    let ran = stage.run(&["init", "--migrations", "m", "-o", "odd.toml", "--format", "json"]).expect(0);
    assert_eq!(on(&ran), ["auth.refresh_tokens revoked", "Odd \"Tokens no longer active"]);
    let text = stage.read("odd.toml");
    assert!(
        text.contains(r#"UPDATE fine_tokens SET is_active = false WHERE "user" = :"user" AND is_active"#),
        "{text}"
    );
    assert!(text.contains("# Not on: no primary key and no unique index tell its rows apart"), "{text}");
    assert!(text.contains("# Not on: its key holds at, which decides the partition"), "{text}");
    // The many that are not sure are not all written out, but counted and named.
    assert_eq!(text.matches("# [[event]]").count(), 12, "{text}");
    assert!(text.contains(" more whose columns are named like an end") && text.contains("thing14"), "{text}");
    stage.run(&["plan", "odd.toml"]).expect(0);
}

#[tokio::test(flavor = "multi_thread")]
async fn files_that_fail_are_told_and_what_they_name_stays_a_comment() {
    let stage = Stage::on(
        Pair::start(
            "CREATE TABLE session (id int PRIMARY KEY, revoked_at timestamptz);
             CREATE TABLE token (id int PRIMARY KEY, revoked_at timestamptz);",
        )
        .await,
        "",
    );
    stage.write("m/001.sql", "DO $$BEGIN EXECUTE 'ALTER TABLE token DROP COLUMN gone'; END$$;\n");
    let ran = stage.run(&["init", "--migrations", "m", "-o", "other.toml", "--format", "json"]).expect(0);
    assert_eq!(on(&ran), ["session revoked"]);
    assert_eq!(ran.json()["traced"], "failed");
    let text = stage.read("other.toml");
    assert!(text.contains("column \"gone\" of relation \"token\" does not exist"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_application_s_own_migrator_is_run_on_the_copy_alone() {
    let stage = Stage::on(Pair::start("CREATE TABLE token (id int PRIMARY KEY, revoked_at timestamptz);").await, "");
    stage.write("up.sql", "ALTER TABLE token RENAME COLUMN revoked_at TO ended_at;");
    let args = ["init", "-o", "own.toml", "--format", "json", "--command-env", "DSN", "--"];
    let script = "psql -qX -d \"$DSN\" -f up.sql";
    let ran = stage.run(&[&args[..], &["sh", "-c", script]].concat()).expect(0);
    assert_eq!(on(&ran), ["token revoked"]);
    let text = stage.read("own.toml");
    assert!(text.contains("SET ended_at = now() WHERE id = :id"), "{text}");
    assert!(text.contains("env = { DSN = \"${GREEN_URL}\" }"), "{text}");
    let columns = "SELECT string_agg(attname, ',') FROM pg_attribute WHERE attrelid = 'token'::regclass AND attnum > 0";
    let columns: String = stage.pair.on_blue().await.row(columns, &[]).await.unwrap().get(0);
    assert_eq!(columns, "id,revoked_at");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_url_on_the_command_line_is_refused_and_never_repeated() {
    let stage = Stage::on(Pair::start("").await, "");
    let ran = stage.run(&["init", "--blue", "postgres://app:s3cret@db/oauth", "--migrations", "migrations"]).expect(2);
    assert!(!ran.stderr.contains("s3cret"), "{}", ran.stderr);
    let ran = stage.run(&["init", "--blue-env", "NOT_SET", "--migrations", "migrations", "-o", "x.toml"]).expect(2);
    ran.says("the environment variable NOT_SET is not set");
    let ran = stage.run(&["init", "--migrations", "migrations", "-o", "x.toml"]).expect(2);
    ran.says("blue holds no table");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tool_s_layout_is_told_by_its_table_wherever_that_is() {
    let stage = Stage::on(
        Pair::start(
            "CREATE SCHEMA auth;
             CREATE TABLE auth.schema_migrations (version varchar(255) PRIMARY KEY);
             INSERT INTO auth.schema_migrations VALUES ('20220101000000');
             CREATE TABLE auth.sessions (id int PRIMARY KEY, revoked_at timestamptz);",
        )
        .await,
        "",
    );
    stage.write("m/20220101000000_base.up.sql", "CREATE TABLE never_run (id int);");
    stage.write("m/20230101000000_aal.up.sql", "ALTER TABLE auth.sessions ADD COLUMN aal text;");
    stage.write("m/20230101000000_aal.down.sql", "ALTER TABLE auth.sessions DROP COLUMN aal;");
    let ran = stage.run(&["init", "--migrations", "m", "-o", "pop.toml", "--format", "json"]).expect(0);
    assert_eq!((ran.json()["pending"].as_u64(), ran.json()["layout"].as_str()), (Some(1), Some("pop")));
    let text = stage.read("pop.toml");
    assert!(text.contains("layout = \"pop\"") && text.contains("table = \"auth.schema_migrations\""), "{text}");
    stage.run(&["plan", "pop.toml"]).expect(0);
}
