//! Ctrl-C, SIGTERM, and several operators at once.

use rustix::process::Signal;

use super::{
    Running, SCHEMA, Stage, admin, assert_put_back, assert_retired, participant, stage, stand_in_drain, state,
    take_log, until, until_sql,
};
use crate::support::stage::Ran;

/// A session of ours on green waits for the migration's lock.
const MIGRATION_WAITS: &str =
    "SELECT EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory' AND objid = 2 AND NOT granted)";
const MIGRATION_ENDED: &str =
    "SELECT NOT EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory' AND objid = 2 AND NOT granted)";

/// A stage whose second migration waits for an advisory lock on green.
async fn slow_migration(more: &str) -> Stage {
    let stage = stage(SCHEMA, more).await;
    stage.edit("migrations/003_owner.sql", "CREATE TABLE", "SELECT pg_advisory_xact_lock_shared(2);\nCREATE TABLE");
    stage.edit("plan.toml", "applied =", "lock_timeout = \"60s\"\napplied =");
    stage.pair.on_green().await.run("SELECT 1").await.unwrap();
    stage
}

#[tokio::test]
async fn a_signal_during_apply_cancels_the_statement_on_green_and_the_next_apply_goes_on() {
    let stage = slow_migration("").await;
    let admin = admin(&stage.pair).await;
    let hold = stage.pair.on_green().await;
    hold.run("SELECT pg_advisory_lock(2)").await.unwrap();
    for signal in [Signal::INT, Signal::TERM] {
        let apply = Running::start(&stage, &["apply", "--yes"]);
        until_sql(&admin, MIGRATION_WAITS).await;
        apply.signal(signal);
        apply.end().await.expect(1).says("step migrate/003_owner.sql: interrupted").says("migrate apply");
        until_sql(&admin, MIGRATION_ENDED).await;
        assert_eq!(state(&stage), "applying");
    }
    hold.run("SELECT pg_advisory_unlock(2)").await.unwrap();
    stage.ready();
    let copies = stage.journal().iter().filter(|record| *record == "step_done snapshot/copy").count();
    assert_eq!(copies, 1);
}

#[tokio::test]
async fn a_signal_before_decide_puts_everything_back() {
    let more = participant("one", "timeout = \"60s\"") + "[cutover]\ndeadline = \"20s\"\n";
    let stage = stage(SCHEMA, &more).await;
    stage.ready();
    for (token, signal) in [("t1", Signal::INT), ("t2", Signal::TERM)] {
        let (cutover, hold) = stand_in_drain(&stage, token).await;
        cutover.signal(signal);
        cutover.end().await.expect(5).says("interrupted").says("blue is open for writes");
        hold.run("ROLLBACK").await.unwrap();
        assert_eq!(take_log(&stage), ["one prepare", "one abort"]);
        assert_put_back(&stage).await;
    }
    stage.write("one.prepare", "touch waits; sleep 60");
    let cutover = Running::start(&stage, &["cutover", "--yes"]);
    until("the prepare", async || stage.path("waits").exists()).await;
    cutover.signal(Signal::INT);
    cutover.end().await.expect(5).says("interrupted");
    assert_eq!(take_log(&stage), ["one prepare", "one abort"]);
    stage.write("one.prepare", "");
    stage.run(&["cutover", "--yes"]).expect(0);
    assert_retired(&stage).await;
}

#[tokio::test]
async fn a_second_operator_is_told_who_runs_the_plan_and_may_abort_it() {
    let stage = slow_migration(&participant("one", "")).await;
    let admin = admin(&stage.pair).await;
    let hold = stage.pair.on_green().await;
    hold.run("SELECT pg_advisory_lock(2)").await.unwrap();
    let apply = Running::start(&stage, &["apply", "--yes"]);
    until_sql(&admin, MIGRATION_WAITS).await;

    let elsewhere = tempfile::tempdir().unwrap();
    let journaled = tempfile::tempdir().unwrap();
    copy(stage.path("").as_path(), elsewhere.path(), false);
    copy(stage.path("").as_path(), journaled.path(), true);
    let run = |folder: &std::path::Path, args: &[&str]| Ran::of(stage.command_in(folder, args).output().unwrap());
    let who = format!("(pid {})", apply.pid());
    let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
    for command in [["apply", "--yes"], ["cutover", "--yes"]] {
        stage.run(&command).expect(3).says(&who).says(&host);
        run(journaled.path(), &command).expect(3).says(&who).says(&host);
        run(elsewhere.path(), &command).expect(3);
    }
    assert_eq!(state(&stage), "applying");

    run(elsewhere.path(), &["abort", "--yes"]).expect(0);
    apply.end().await.expect(1).says("another operator asked for an abort");
    let blue = stage.pair.on_blue().await;
    let left = "SELECT count(*) FROM pg_trigger WHERE tgname LIKE 'teal%'";
    assert_eq!(blue.row(left, &[]).await.unwrap().get::<_, i64>(0), 0);
    let ours = "SELECT to_regnamespace('teal') IS NULL";
    assert!(blue.row(ours, &[]).await.unwrap().get::<_, bool>(0));
}

#[tokio::test]
async fn an_abort_during_a_cutover_puts_everything_back_and_then_aborts() {
    let more = participant("one", "") + "[cutover]\ndeadline = \"20s\"\n";
    let stage = stage(SCHEMA, &more).await;
    stage.ready();
    let (cutover, _hold) = stand_in_drain(&stage, "t1").await;
    let abort = Running::start(&stage, &["abort", "--yes"]);
    cutover.end().await.expect(5).says("another operator asked for an abort");
    drop(_hold);
    abort.end().await.expect(0);
    assert_eq!(take_log(&stage)[..2], ["one prepare", "one abort"]);
    let blue = stage.pair.on_blue().await;
    blue.run("UPDATE account SET name = name").await.unwrap();
    assert_eq!(state(&stage), "aborted");
}

/// Plan and migrations, and the journal where it is wanted.
fn copy(from: &std::path::Path, to: &std::path::Path, journal: bool) {
    let wanted =
        if journal { &["plan.toml", "act", "migrations", ".migrate"][..] } else { &["plan.toml", "act", "migrations"] };
    for name in wanted {
        let done = std::process::Command::new("cp").arg("-a").arg(from.join(name)).arg(to).status().unwrap();
        assert!(done.success());
    }
}
