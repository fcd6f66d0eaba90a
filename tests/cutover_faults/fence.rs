//! The fence among other people's transactions.

use rustix::process::Signal;
use teal::postgres::Db;
use tokio::task::JoinHandle;

use super::{
    Pair, Running, SCHEMA, Stage, WAIT_FOR_TEST, admin, assert_put_back, assert_retired, participant, remove, stage,
    stage_on, stand_in_drain, state, take_log, until, until_sql,
};

const PARTITIONED: &str = "
    CREATE TABLE audit (at date, what text) PARTITION BY RANGE (at);
    CREATE TABLE audit_2026 PARTITION OF audit FOR VALUES FROM ('2026-01-01') TO ('2027-01-01');
    CREATE ROLE app; GRANT ALL ON ALL TABLES IN SCHEMA public TO app;";

#[tokio::test]
async fn a_long_transaction_on_a_fenced_table_closes_the_gate() {
    let stage = stage(SCHEMA, &participant("one", "")).await;
    stage.ready();
    let nightly = stage.pair.on_blue().await;
    nightly.run("SET application_name = 'nightly'").await.unwrap();
    nightly.run("BEGIN; UPDATE account SET name = name WHERE id = 1").await.unwrap();
    let pid = nightly.backend_pid().await.unwrap();
    let age = format!("SELECT xact_start < now() - interval '1.2 s' FROM pg_stat_activity WHERE pid = {pid}");
    until_sql(&admin(&stage.pair).await, &age).await;
    let closed = stage.run(&["cutover", "--yes"]).expect(3).says("cutover/long-transaction");
    closed.says(&format!("pid {pid} (postgres, nightly, idle in transaction")).says("public.account");
    assert_eq!(take_log(&stage), [""; 0]);
    // Even readers wait behind this one, we don't.
    nightly.run("ROLLBACK; BEGIN; LOCK TABLE account").await.unwrap();
    until_sql(&admin(&stage.pair).await, &age).await;
    let cutover = Running::start(&stage, &["cutover", "--yes"]);
    cutover.end().await.expect(3).says("cutover/long-transaction").says(&format!("pid {pid} (postgres, nightly, idle"));
    assert_eq!(take_log(&stage), [""; 0]);
    nightly.run("ROLLBACK").await.unwrap();
    stage.run(&["cutover", "--yes"]).expect(0);
}

/// A cutover that waits for its fence behind a transaction that began after the gates.
pub(super) async fn wait_behind<'a>(stage: &'a Stage, holder: &Db) -> Running<'a> {
    stage.write("one.prepare", WAIT_FOR_TEST);
    let cutover = Running::start(stage, &["cutover", "--yes"]);
    until("the prepare", async || stage.path("waits").exists()).await;
    holder.run("BEGIN; UPDATE account SET name = name WHERE id = 1").await.unwrap();
    stage.write("go", "");
    let pid = holder.backend_pid().await.unwrap();
    cutover.says(&format!("waits for locks on blue, held by pid {pid} (postgres, late")).await;
    cutover
}

#[tokio::test]
async fn the_fence_waits_for_a_late_transaction_and_an_operator_can_stop_the_wait() {
    let stage = stage(SCHEMA, &participant("one", "")).await;
    stage.ready();
    let late = stage.pair.on_blue().await;
    late.run("SET application_name = 'late'").await.unwrap();

    let cutover = wait_behind(&stage, &late).await;
    cutover.signal(Signal::INT);
    cutover.end().await.expect(5).says("interrupted");
    late.run("COMMIT").await.unwrap();
    assert_eq!(take_log(&stage), ["one prepare", "one abort"]);
    assert_put_back(&stage).await;

    let cutover = wait_behind(&stage, &late).await;
    late.run("COMMIT").await.unwrap();
    cutover.end().await.expect(0);
}

#[tokio::test]
async fn a_fence_that_is_not_to_be_had_is_given_up_by_name() {
    let stage = stage(SCHEMA, &participant("one", "")).await;
    stage.ready();
    let late = stage.pair.on_blue().await;
    late.run("SET application_name = 'late'").await.unwrap();
    let cutover = wait_behind(&stage, &late).await;
    // Between the attempts others get through: the fence does not pile writers up.
    let writer = stage.pair.on_blue().await;
    writer.run("SET statement_timeout = '5s'; UPDATE account SET name = name WHERE id = 2").await.unwrap();
    let pid = late.backend_pid().await.unwrap();
    let given_up = cutover.end().await.expect(5).says("taking the fence, 10 times");
    given_up.says(&format!("in the way: pid {pid} (postgres, late"));
    late.run("COMMIT").await.unwrap();
    assert_put_back(&stage).await;
}

/// Writes of every kind, each in a session of its own.
async fn write(stage: &Stage) -> Vec<(&'static str, JoinHandle<Result<(), teal::postgres::Error>>)> {
    let writes = [
        "SET ROLE app; UPDATE account SET name = name WHERE id = 3",
        "UPDATE token SET account = account WHERE signature = 't30'",
        "SET session_replication_role = replica; DELETE FROM token WHERE signature = 't31'",
        "INSERT INTO audit_2026 VALUES ('2026-05-01', 'leaf')",
        "INSERT INTO audit VALUES ('2026-05-01', 'parent')",
        "SET session_replication_role = replica; COPY audit_2026 FROM '/dev/null'",
        "TRUNCATE audit_2026",
        // Its snapshot is older than the decision, which it does not see as a row.
        "BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT FROM account; DELETE FROM account WHERE id = 4; COMMIT",
    ];
    let mut waiting = Vec::new();
    for sql in writes {
        let db = stage.pair.on_blue().await;
        db.run("SET application_name = 'writer'").await.unwrap();
        waiting.push((sql, tokio::spawn(async move { db.run(sql).await })));
    }
    let admin = admin(&stage.pair).await;
    let all = writes.len();
    until_sql(&admin, &format!("SELECT count(*) = {all} FROM pg_stat_activity WHERE application_name = 'writer' AND wait_event_type = 'Lock'")).await;
    waiting
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn writers_wait_behind_the_fence_then_go_on_where_it_is_undone_and_are_refused_where_it_is_decided() {
    let more = participant("one", "") + "[cutover]\ndeadline = \"4s\"\n";
    let stage = stage(&format!("{SCHEMA}{PARTITIONED}"), &more).await;
    stage.ready();

    let (cutover, hold) = stand_in_drain(&stage, "t1").await;
    let writers = write(&stage).await;
    let reader = stage.pair.on_blue().await;
    reader.run("SET statement_timeout = '2s'; SELECT * FROM token; SELECT * FROM account FOR KEY SHARE").await.unwrap();
    // No row is rewritten past the fence, no trigger of it taken off, no partition attached.
    for ddl in [
        "ALTER TABLE account ADD COLUMN late int",
        "ALTER TABLE token DISABLE TRIGGER teal_fence",
        "CREATE TABLE late (at date, what text); ALTER TABLE audit ATTACH PARTITION late FOR VALUES FROM ('2027-01-01') TO ('2028-01-01')",
    ] {
        let held = reader.run(&format!("SET lock_timeout = '100ms'; {ddl}")).await.expect_err(ddl);
        assert!(held.is_lock(), "{ddl}: {held}");
    }
    cutover.end().await.expect(5).says("deadline");
    for (sql, writer) in writers {
        writer.await.unwrap().unwrap_or_else(|e| panic!("{sql}: {e}"));
    }
    assert_put_back(&stage).await;
    assert_eq!(take_log(&stage), ["one prepare", "one abort"]);
    hold.run("ROLLBACK").await.unwrap();

    stage.edit("plan.toml", "deadline = \"4s\"", "deadline = \"20s\"");
    let (cutover, hold) = stand_in_drain(&stage, "t2").await;
    let writers = write(&stage).await;
    hold.run("ROLLBACK").await.unwrap();
    cutover.end().await.expect(0);
    for (sql, writer) in writers {
        let refused = writer.await.unwrap().expect_err(sql).to_string();
        assert!(refused.contains("retired by an upgrade"), "{sql}: {refused}");
    }
    let late = stage.pair.on_blue().await;
    for sql in [
        "TRUNCATE account CASCADE",
        "TRUNCATE audit",
        "SET session_replication_role = replica; INSERT INTO audit_2026 VALUES ('2026-01-01')",
    ] {
        late.run(sql).await.expect_err(sql);
    }
    late.run("SELECT * FROM token").await.unwrap();
    assert_eq!(state(&stage), "green");
    remove(&stage, "one.prepare");
}

#[tokio::test]
async fn who_has_written_goes_on_to_any_table_while_the_fence_waits_and_a_prepared_transaction_is_waited_for() {
    let pair = Pair::start_with(&[("max_prepared_transactions", "2")], SCHEMA).await;
    let stage = stage_on(pair, &participant("one", ""));
    stage.ready();
    let late = stage.pair.on_blue().await;
    late.run("SET application_name = 'late'; SET statement_timeout = '10s'").await.unwrap();
    let cutover = wait_behind(&stage, &late).await;
    let admin = admin(&stage.pair).await;
    let waits = "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE application_name = 'teal fence' AND wait_event_type = 'Lock')";
    for sql in [
        "UPDATE token SET account = account WHERE signature = 't5'",
        "SAVEPOINT one; DELETE FROM schema_migration; ROLLBACK TO one; UPDATE account SET name = name WHERE id = 5",
        "COPY schema_migration FROM '/dev/null'",
    ] {
        until_sql(&admin, waits).await;
        late.run(sql).await.unwrap();
    }
    late.run("PREPARE TRANSACTION 'billing'").await.unwrap();
    cutover.says("held by prepared transaction 'billing'").await;
    late.run("COMMIT PREPARED 'billing'").await.unwrap();
    cutover.end().await.expect(0);
}

#[tokio::test]
async fn a_table_whose_trigger_of_the_fence_is_off_undoes_the_cutover_and_the_next_one_puts_it_on() {
    let stage = stage(SCHEMA, &participant("one", "")).await;
    stage.ready();
    let blue = stage.pair.on_blue().await;
    stage.write("one.prepare", WAIT_FOR_TEST);
    let cutover = Running::start(&stage, &["cutover", "--yes"]);
    until("the prepare", async || stage.path("waits").exists()).await;
    blue.run("ALTER TABLE account DISABLE TRIGGER teal_fence").await.unwrap();
    stage.write("go", "");
    let undone = cutover.end().await.expect(5).says("public.account has no trigger of the fence that always fires");
    undone.says("the fence stays up, open, for the next try");
    assert_put_back(&stage).await;
    remove(&stage, "one.prepare");
    stage.run(&["cutover", "--yes"]).expect(0);
    assert_retired(&stage).await;
}

#[tokio::test]
async fn a_coordinator_that_stands_still_holds_blue_no_longer_than_its_deadline() {
    let stage = stage(SCHEMA, &(participant("one", "") + "[cutover]\ndeadline = \"4s\"\n")).await;
    stage.ready();
    let (cutover, _hold) = stand_in_drain(&stage, "t1").await;
    cutover.signal(Signal::STOP);
    let gone = "SELECT NOT EXISTS (SELECT FROM pg_stat_activity WHERE application_name = 'teal fence')";
    until_sql(&admin(&stage.pair).await, gone).await;
    let blue = stage.pair.on_blue().await;
    blue.run("SET statement_timeout = '5s'; UPDATE account SET name = name").await.unwrap();
    cutover.signal(Signal::CONT);
    cutover.end().await.expect(5);
    assert_eq!(take_log(&stage), ["one prepare", "one abort"]);
    assert_put_back(&stage).await;
}
