//! What an interrupted statement leaves behind is put right before the next try.

use super::*;

#[tokio::test]
async fn an_invalid_index_is_replaced_and_duplicates_are_found_before_one_is_built() {
    let stage = stage("").await;
    let blue = stage.pair.on_blue().await;
    stage.write("migrations/003_owner.sql", "CREATE UNIQUE INDEX CONCURRENTLY token_account ON token (account);\n");
    let refused = stage.run(&["apply", "--yes"]).expect(1).says("the index can't be unique: 20 keys stand in 200 rows");
    assert!(refused.stderr.contains("003_owner.sql:1"), "{}", refused.stderr);
    assert!(hint_of(&refused).contains("remove the duplicates"));
    assert_eq!(column(&blue, "SELECT count(*)::text FROM pg_class WHERE relname = 'token_account'").await, ["0"]);
    // What somebody tried by hand before, with what it left.
    assert!(blue.run("CREATE UNIQUE INDEX CONCURRENTLY token_account ON token (account)").await.is_err());
    blue.run("DELETE FROM token WHERE signature NOT IN (SELECT min(signature) FROM token GROUP BY account)")
        .await
        .unwrap();
    stage.edit("plan.toml", "state = 'live'", "true");
    let run = stage.run(&["apply", "--yes"]);
    assert!(run.code == Some(3) && run.stderr.contains("live tokens kept"), "{}", run.stderr);
    assert_eq!(
        column(&blue, "SELECT indisvalid::text FROM pg_index WHERE indexrelid = 'token_account'::regclass").await,
        ["true"]
    );
}

/// A stage with one migration file, which holds one statement.
async fn one_file(schema: &str, sql: &str) -> Stage {
    let stage = Stage::in_place(Pair::start(schema).await, &[("003_owner.sql", sql)], "");
    stage.edit("plan.toml", "WHERE state = 'live'\"", "WHERE active\"");
    stage
}

/// Kills the program while a statement of its on blue waits for others, and that statement with it.
async fn killed_with_its_statement(stage: &Stage, blue: &Db, waits: &str, runs: &str) {
    let apply = Running::start(stage, &["apply", "--yes"]);
    until_sql(blue, waits).await;
    apply.signal(rustix::process::Signal::KILL);
    assert_eq!(apply.end().await.code, None);
    let end = format!("SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE query ILIKE '{runs}%'");
    blue.row(&end, &[]).await.unwrap();
    until_sql(blue, &format!("SELECT count(*) = 0 FROM pg_stat_activity WHERE query ILIKE '{runs}%'")).await;
}

const PARTS: &str = "
    CREATE TABLE log (at int NOT NULL) PARTITION BY RANGE (at);
    CREATE TABLE log_1 PARTITION OF log FOR VALUES FROM (0) TO (10);
    CREATE TABLE log_2 PARTITION OF log FOR VALUES FROM (10) TO (20);
    INSERT INTO log SELECT generate_series(0, 19);";

#[tokio::test]
async fn a_detachment_that_was_killed_is_finished_by_the_next_try_or_by_an_abort() {
    let stage = one_file(&format!("{SCHEMA}{PARTS}"), "ALTER TABLE log DETACH PARTITION log_1 CONCURRENTLY;\n").await;
    let (blue, reader) = (stage.pair.on_blue().await, stage.pair.on_blue().await);
    let pending = "SELECT EXISTS (SELECT FROM pg_inherits WHERE inhdetachpending)";
    let waits = "SELECT EXISTS (SELECT FROM pg_inherits WHERE inhdetachpending) AND EXISTS \
                 (SELECT FROM pg_stat_activity WHERE query LIKE 'ALTER TABLE log DETACH%' AND wait_event_type = 'Lock')";
    let old = "BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM log";
    reader.run(old).await.unwrap();
    killed_with_its_statement(&stage, &blue, waits, "ALTER TABLE log DETACH").await;
    assert!(blue.row(pending, &[]).await.unwrap().get::<_, bool>(0), "it stays pending");
    assert_eq!(column(&blue, "SELECT count(*)::text FROM log").await, ["10"], "the parent has lost its rows already");

    let apply = Running::start(&stage, &["apply", "--yes"]);
    // The reader sees the partition still: FINALIZE waits for it, a moment at a time.
    apply.says("idle in transaction").await;
    reader.run("COMMIT").await.unwrap();
    apply.end().await.expect(0);
    let parts = "SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = 'log'::regclass";
    assert_eq!(column(&blue, parts).await, ["log_2"]);
    assert_eq!(column(&blue, "SELECT count(*)::text FROM log_1").await, ["10"]);
    let version = "SELECT count(*)::text FROM schema_migration WHERE version = '003'";
    assert_eq!(column(&blue, version).await, ["1"]);

    stage.run(&["abort", "--yes"]).expect(0);
    stage.write("migrations/004_detach.sql", "ALTER TABLE log DETACH PARTITION log_2 CONCURRENTLY;\n");
    reader.run(old).await.unwrap();
    killed_with_its_statement(&stage, &blue, waits, "ALTER TABLE log DETACH").await;
    reader.run("COMMIT").await.unwrap();
    let aborted = stage.run(&["abort", "--yes"]).expect(0);
    assert!(aborted.stdout.contains("004_detach.sql"), "{}", aborted.stdout);
    assert_eq!(column(&blue, parts).await, [""; 0]);
    nothing_of_ours(&blue).await;
}

#[tokio::test]
async fn what_a_killed_reindex_left_is_dropped_by_the_next_try_or_by_an_abort() {
    let stage = one_file(SCHEMA, "REINDEX TABLE CONCURRENTLY token;\n").await;
    let (blue, reader) = (stage.pair.on_blue().await, stage.pair.on_blue().await);
    let copies = "SELECT relname::text FROM pg_class WHERE relname ~ '_cc(new|old)'";
    let waits = "SELECT EXISTS (SELECT FROM pg_class WHERE relname ~ '_ccnew') AND EXISTS \
                 (SELECT FROM pg_stat_activity WHERE query LIKE 'REINDEX%' AND wait_event_type = 'Lock')";
    for ends in ["apply", "abort"] {
        // An old snapshot is what the rebuilt indexes have to wait for.
        reader.run("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM account").await.unwrap();
        killed_with_its_statement(&stage, &blue, waits, "REINDEX").await;
        assert!(!column(&blue, copies).await.is_empty(), "it leaves copies");
        reader.run("COMMIT").await.unwrap();
        stage.run(&[ends, "--yes"]).expect(0);
        assert_eq!(column(&blue, copies).await, [""; 0], "after {ends}");
        assert_eq!(column(&blue, "SELECT count(*)::text FROM pg_index WHERE NOT indisvalid").await, ["0"]);
        begin_again(&stage, &blue).await;
    }
}
