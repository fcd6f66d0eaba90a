//! Every way in which a row can stop being true is captured, and nothing else is.

mod support;

use support::{Pair, event, outbox, start_capture, start_capture_within};
use teal::capture::{self, read_outbox};
use teal::plan::When;

fn ends(sql: &str) -> When {
    When::Ends(sql.to_owned())
}

const TOKENS: &str = "
    CREATE TABLE consent (id int PRIMARY KEY);
    CREATE TABLE token (signature text PRIMARY KEY, consent int REFERENCES consent ON DELETE CASCADE, active boolean,
                        born timestamptz DEFAULT '2026-01-02 03:04:05+00', raw bytea DEFAULT '\\x00ff');
    INSERT INTO consent SELECT generate_series(1, 3);
    INSERT INTO token SELECT 't' || i, 1 + i % 3, true FROM generate_series(1, 9) i";

#[tokio::test]
async fn every_way_to_revoke_is_captured_once() {
    let pair = Pair::start(TOKENS).await;
    start_capture(&pair, &[event("revoked", "token", ends("active"))]).await;
    let blue = pair.on_blue().await;
    blue.run("UPDATE token SET active = false WHERE signature = 't1'").await.unwrap();
    blue.run("UPDATE token SET active = false WHERE signature = 't1'").await.unwrap();
    blue.run("UPDATE token SET active = NULL WHERE signature = 't2'").await.unwrap();
    blue.run("DELETE FROM token WHERE signature IN ('t1', 't3')").await.unwrap();
    blue.run("DELETE FROM consent WHERE id = 2").await.unwrap();
    blue.run("UPDATE token SET raw = '' WHERE signature = 't5'").await.unwrap();
    blue.run("INSERT INTO token VALUES ('t10', 1, false), ('t11', 1, true)").await.unwrap();
    blue.run("TRUNCATE token").await.unwrap();
    let seen = outbox(&blue).await;
    let expected = ["t1", "t2", "t3", "t4", "t7", "t6", "t8", "t9", "t5", "t11"];
    let key =
        |line: &String| line.strip_prefix("revoked {\"signature\": \"").unwrap().trim_end_matches("\"}").to_owned();
    assert_eq!(seen.iter().map(key).collect::<Vec<_>>(), expected);
}

#[tokio::test]
async fn an_image_is_text_whatever_the_session_has_set() {
    let pair = Pair::start(TOKENS).await;
    start_capture(&pair, &[event("revoked", "token", ends("active"))]).await;
    let blue = pair.on_blue().await;
    blue.run("SET DateStyle = 'German'; SET TimeZone = 'Asia/Tokyo'; SET bytea_output = 'escape'").await.unwrap();
    blue.run("DELETE FROM token WHERE signature = 't1'").await.unwrap();
    let image: String = blue.row("SELECT \"row\"::text FROM teal.event", &[]).await.unwrap().get(0);
    assert_eq!(
        image,
        r#"{"raw": "\\x00ff", "born": "2026-01-02 03:04:05+00", "active": "true", "consent": "2", "signature": "t1"}"#
    );
}

#[tokio::test]
async fn replica_sessions_and_roles_without_rights_do_not_pass() {
    let pair = Pair::start(TOKENS).await;
    start_capture(&pair, &[event("revoked", "token", ends("active"))]).await;
    let blue = pair.on_blue().await;
    blue.run("SET session_replication_role = replica; DELETE FROM token WHERE signature = 't1'").await.unwrap();
    blue.run("SET session_replication_role = origin; CREATE ROLE app; GRANT ALL ON token TO app; SET ROLE app")
        .await
        .unwrap();
    blue.run("UPDATE token SET active = false WHERE signature = 't2'").await.unwrap();
    blue.run("TRUNCATE token").await.unwrap();
    assert!(blue.run("SELECT * FROM teal.event").await.is_err());
    blue.run("RESET ROLE").await.unwrap();
    assert_eq!(outbox(&blue).await.len(), 9);
}

#[tokio::test]
async fn what_is_rolled_back_is_not_captured() {
    let pair = Pair::start(TOKENS).await;
    start_capture(&pair, &[event("revoked", "token", ends("active"))]).await;
    let blue = pair.on_blue().await;
    blue.run(
        "BEGIN; DELETE FROM token WHERE signature = 't1'; SAVEPOINT a; DELETE FROM token WHERE signature = 't2';
         ROLLBACK TO a; DELETE FROM token WHERE signature = 't3'; RELEASE a; COMMIT",
    )
    .await
    .unwrap();
    blue.run("BEGIN; DELETE FROM token; ROLLBACK").await.unwrap();
    assert_eq!(outbox(&blue).await, [r#"revoked {"signature": "t1"}"#, r#"revoked {"signature": "t3"}"#]);
}

#[tokio::test]
async fn moving_to_another_partition_is_no_end_but_ending_on_the_way_is() {
    let pair = Pair::start(
        "CREATE TABLE token (id int, region text, active boolean, PRIMARY KEY (id, region)) PARTITION BY LIST (region);
         CREATE TABLE token_eu PARTITION OF token FOR VALUES IN ('eu') PARTITION BY RANGE (id);
         CREATE TABLE token_eu_1 PARTITION OF token_eu FOR VALUES FROM (0) TO (100);
         CREATE TABLE token_eu_2 PARTITION OF token_eu FOR VALUES FROM (100) TO (200);
         CREATE TABLE token_us PARTITION OF token FOR VALUES IN ('us', 'ca');
         INSERT INTO token SELECT i, CASE WHEN i % 2 = 0 THEN 'eu' ELSE 'us' END, true FROM generate_series(1, 8) i",
    )
    .await;
    start_capture(
        &pair,
        &[event("ended", "token", ends("active")), event("began", "token", When::Begins("active".to_owned()))],
    )
    .await;
    let blue = pair.on_blue().await;
    // Alive before and after: to another partition, to the same one, within nested levels.
    blue.run("UPDATE token SET region = 'us' WHERE id = 2").await.unwrap();
    blue.run("UPDATE token SET region = 'ca' WHERE id = 1").await.unwrap();
    blue.run("UPDATE token SET id = 104 WHERE id = 4").await.unwrap();
    assert_eq!(outbox(&blue).await, Vec::<String>::new());
    // Ended while moving, by a replica-role session too; then gone for good in the transaction that moved it.
    blue.run("UPDATE token SET region = 'us', active = false WHERE id = 6").await.unwrap();
    blue.run("SET session_replication_role = replica; DELETE FROM token WHERE id = 3; RESET session_replication_role")
        .await
        .unwrap();
    blue.run("BEGIN; UPDATE token SET region = 'eu' WHERE id = 5; DELETE FROM token WHERE id = 5; COMMIT")
        .await
        .unwrap();
    blue.run("UPDATE token SET region = 'eu', active = true WHERE id = 6").await.unwrap();
    blue.run("TRUNCATE token_eu_1").await.unwrap();
    assert_eq!(
        outbox(&blue).await,
        [
            r#"ended {"id": "6", "region": "eu"}"#,
            r#"ended {"id": "3", "region": "us"}"#,
            r#"ended {"id": "5", "region": "eu"}"#,
            r#"began {"id": "6", "region": "eu"}"#,
            r#"ended {"id": "8", "region": "eu"}"#,
            r#"ended {"id": "6", "region": "eu"}"#,
        ]
    );
    let marks: i64 = blue.row("SELECT count(*) FROM teal.moving", &[]).await.unwrap().get(0);
    assert_eq!(marks, 0);
}

#[tokio::test]
async fn children_by_inheritance_and_partitions_made_later_are_captured() {
    let pair = Pair::start(
        "CREATE TABLE session (id int PRIMARY KEY, active boolean);
         CREATE TABLE session_old () INHERITS (session);
         CREATE TABLE part (id int PRIMARY KEY, active boolean) PARTITION BY RANGE (id);
         INSERT INTO session_old VALUES (1, true), (2, true);",
    )
    .await;
    start_capture(&pair, &[event("out", "session", ends("active")), event("ended", "part", ends("active"))]).await;
    let blue = pair.on_blue().await;
    blue.run("DELETE FROM session WHERE id = 1; TRUNCATE session").await.unwrap();
    blue.run("CREATE TABLE part_1 PARTITION OF part FOR VALUES FROM (0) TO (10); INSERT INTO part VALUES (7, true)")
        .await
        .unwrap();
    blue.run("SET session_replication_role = replica; UPDATE part SET active = false").await.unwrap();
    assert_eq!(outbox(&blue).await, [r#"out {"id": "1"}"#, r#"out {"id": "2"}"#, r#"ended {"id": "7"}"#]);
}

#[tokio::test]
async fn a_predicate_means_what_it_means_to_the_plan_not_to_the_writer() {
    let pair = Pair::start(
        r#"CREATE EXTENSION citext;
           CREATE SCHEMA app; CREATE FUNCTION app.is_live(text) RETURNS boolean LANGUAGE sql IMMUTABLE AS 'SELECT $1 = ''live''';
           CREATE TABLE app."Odd ""table" ("Key" int PRIMARY KEY, "where" citext, kind text DEFAULT 'old.kind');
           INSERT INTO app."Odd ""table" VALUES (1, 'LIVE'), (2, 'dead'), (3, 'Live');
           ALTER DATABASE blue SET search_path = app, public"#,
    )
    .await;
    let predicate = r#""where" = 'live' AND is_live(lower("where"::text)) AND kind <> 'new.kind' -- and so on"#;
    start_capture(&pair, &[event("ended", r#""Odd ""table""#, ends(predicate))]).await;
    let blue = pair.on_blue().await;
    blue.run(r#"SET search_path = ''; UPDATE app."Odd ""table" SET "where" = 'dead' WHERE "Key" = 1"#).await.unwrap();
    blue.run(r#"UPDATE app."Odd ""table" SET "where" = 'liVE' WHERE "Key" = 3"#).await.unwrap();
    blue.run(r#"TRUNCATE app."Odd ""table""#).await.unwrap();
    assert_eq!(outbox(&blue).await, [r#"ended {"Key": "1"}"#, r#"ended {"Key": "3"}"#]);
}

#[tokio::test]
async fn removing_the_capture_leaves_nothing_of_it() {
    let pair = Pair::start(TOKENS).await;
    let before = teal::catalog::read_structure(&pair.on_blue().await).await.unwrap();
    start_capture(&pair, &[event("revoked", "token", ends("active"))]).await;
    let blue = pair.on_blue().await;
    blue.run("DELETE FROM token WHERE signature = 't1'").await.unwrap();
    assert_eq!(read_outbox(&blue).await.unwrap().captured, 1);
    capture::remove(&blue).await.unwrap();
    capture::remove(&blue).await.unwrap();
    assert_eq!(read_outbox(&blue).await.unwrap().captured, 0);
    let ours = "SELECT count(*) FROM pg_trigger WHERE NOT tgisinternal
                UNION ALL SELECT count(*) FROM pg_proc WHERE pronamespace = 'teal'::regnamespace
                UNION ALL SELECT count(*) FROM pg_class WHERE relnamespace = 'teal'::regnamespace AND relkind = 'r' AND relname <> 'run'";
    let left: Vec<i64> = blue.rows(ours, &[]).await.unwrap().iter().map(|row| row.get(0)).collect();
    assert_eq!(left, [0, 0, 0]);
    assert_eq!(teal::catalog::read_structure(&blue).await.unwrap(), before);
}

#[tokio::test]
async fn past_its_budget_the_outbox_stops_growing_and_says_so() {
    let pair = Pair::start(TOKENS).await;
    start_capture_within(&pair, &[event("revoked", "token", ends("active"))], 8192).await;
    let blue = pair.on_blue().await;
    blue.run("INSERT INTO token SELECT 'x' || i, 1, true FROM generate_series(1, 500) i").await.unwrap();
    for i in 1..=200 {
        blue.run(&format!("DELETE FROM token WHERE signature = 'x{i}'")).await.unwrap();
    }
    let outbox = read_outbox(&blue).await.unwrap();
    assert!(outbox.overflowed && (1..200).contains(&outbox.captured), "{outbox:?}");
    blue.run("TRUNCATE token").await.unwrap();
    assert_eq!(read_outbox(&blue).await.unwrap().captured, outbox.captured);
}

#[tokio::test]
async fn a_capture_that_fails_fails_the_applications_statement() {
    let pair = Pair::start(TOKENS).await;
    start_capture(&pair, &[event("revoked", "token", ends("active"))]).await;
    let blue = pair.on_blue().await;
    blue.run("ALTER TABLE teal.event RENAME TO event_gone").await.unwrap();
    blue.run("DELETE FROM token WHERE signature = 't1'").await.unwrap_err();
    let left: i64 = blue.row("SELECT count(*) FROM token WHERE signature = 't1'", &[]).await.unwrap().get(0);
    assert_eq!(left, 1, "a revocation that is not captured must not happen");
}
