//! Sessions and servers that are lost.

use teal::postgres::Db;

use super::{
    Running, SCHEMA, Stage, admin, assert_put_back, assert_retired, participant, session, stage, stand_in_drain, state,
    take_log, until_sql,
};

/// Ends every session that matches; there must be one.
async fn terminate(admin: &Db, which: &str) {
    let sql = format!("SELECT count(pg_terminate_backend(pid)) > 0 FROM pg_stat_activity WHERE {which}");
    assert!(admin.row(&sql, &[]).await.unwrap().get::<_, bool>(0), "no session with {which}");
}

#[tokio::test]
async fn a_session_lost_under_the_fence_undoes_the_cutover() {
    let more = participant("one", "") + "[cutover]\ndeadline = \"20s\"\n";
    let stage = stage(SCHEMA, &more).await;
    stage.ready();
    let lost = [
        ("t1", "application_name = 'teal fence'"),
        ("t2", "application_name = 'teal replay'"),
        ("t3", "datname = 'blue' AND application_name LIKE 'teal%'"),
        ("t4", "datname = 'green' AND application_name LIKE 'teal%'"),
    ];
    for (token, which) in lost {
        let (cutover, hold) = stand_in_drain(&stage, token).await;
        terminate(&admin(&stage.pair).await, which).await;
        hold.run("ROLLBACK").await.unwrap();
        cutover.end().await.expect(5).says("blue is open for writes");
        assert_eq!(take_log(&stage), ["one prepare", "one abort"], "{which}");
        assert_put_back(&stage).await;
    }
    let (cutover, hold) = stand_in_drain(&stage, "t5").await;
    hold.run("ROLLBACK").await.unwrap();
    cutover.end().await.expect(0);
    assert_retired(&stage).await;
}

#[tokio::test]
async fn a_server_that_crashes_under_the_fence_undoes_the_cutover() {
    let more = participant("one", "") + "[cutover]\ndeadline = \"20s\"\n";
    let stage = stage(SCHEMA, &more).await;
    stage.ready();
    let (cutover, _hold) = stand_in_drain(&stage, "t1").await;
    stage.pair.server.crash().unwrap();
    cutover.end().await.expect(5);
    assert_eq!(take_log(&stage), ["one prepare", "one abort"]);
    stage.run(&["cutover", "--yes"]).expect(1).says("can't connect");
    stage.pair.server.resume().unwrap();
    assert_put_back(&stage).await;
    let (cutover, hold) = stand_in_drain(&stage, "t2").await;
    hold.run("ROLLBACK").await.unwrap();
    cutover.end().await.expect(0);
    let live = "SELECT count(*) FROM token WHERE state = 'live'";
    let live: i64 = stage.pair.on_green().await.row(live, &[]).await.unwrap().get(0);
    assert_eq!(live, 198);
}

#[tokio::test]
async fn a_blue_lost_since_the_decision_keeps_nobody_from_switching() {
    let stage = stage(SCHEMA, &participant("one", "")).await;
    stage.ready();
    stage.write("one.commit", "exit 9");
    stage.run(&["cutover", "--yes"]).expect(1).says("State: decided");
    let admin = admin(&stage.pair).await;
    admin.run("ALTER DATABASE blue ALLOW_CONNECTIONS false").await.unwrap();
    stage.write("one.commit", "");
    // Only the proof, which looks at both sides, has to wait for blue.
    stage.run(&["cutover", "--yes"]).expect(1).says("the proof after the decision").says("green serves");
    assert!(take_log(&stage).ends_with(&["one commit".to_owned()]));
    assert_eq!(state(&stage), "green");
    admin.run("ALTER DATABASE blue ALLOW_CONNECTIONS true").await.unwrap();
    stage.run(&["cutover", "--yes"]).expect(0);
    assert_retired(&stage).await;
}

#[tokio::test]
async fn a_green_that_is_gone_right_after_the_decision_is_waited_for() {
    let more = participant("one", "") + "[cutover]\ndeadline = \"20s\"\n";
    let stage = stage(SCHEMA, &more).await;
    stage.ready();
    let (cutover, hold) = stand_in_drain(&stage, "t1").await;
    let admin = admin(&stage.pair).await;
    admin.run("ALTER DATABASE green ALLOW_CONNECTIONS false").await.unwrap();
    hold.run("ROLLBACK").await.unwrap();
    cutover.says("waits for green to open").await;
    // The heartbeat's session goes as well: since the decision that stops nobody. Only the proof, whose witness of green
    // under the fence is gone with it, has to be asked again.
    terminate(&admin, "datname = 'green' AND application_name LIKE 'teal%'").await;
    admin.run("ALTER DATABASE green ALLOW_CONNECTIONS true").await.unwrap();
    cutover.end().await.expect(1).says("the proof after the decision").says("green serves; the decision stands");
    assert_eq!(take_log(&stage), ["one prepare", "one commit"]);
    stage.run(&["cutover", "--yes"]).expect(0);
    assert_retired(&stage).await;
}

/// The upgrade with a place to hold each phase at: an advisory lock on green.
async fn with_holds() -> Stage {
    let held = "
        CREATE FUNCTION held() RETURNS boolean LANGUAGE plpgsql AS
        'BEGIN PERFORM pg_catalog.pg_advisory_xact_lock_shared(1); RETURN true; END';
        ALTER TABLE account ADD CONSTRAINT held CHECK (public.held());";
    let stage = Stage::with(&format!("{SCHEMA}{held}"), "").await;
    stage.edit("migrations/003_owner.sql", "CREATE TABLE", "SELECT pg_advisory_xact_lock_shared(2);\nCREATE TABLE");
    stage.edit("plan.toml", "applied =", "lock_timeout = \"60s\"\napplied =");
    let replay = "WHERE signature = :signature AND pg_advisory_xact_lock_shared(3) IS NOT NULL";
    stage.edit(
        "plan.toml",
        "SET state = 'ended' WHERE signature = :signature",
        &format!("SET state = 'ended' {replay}"),
    );
    stage
}

#[tokio::test]
async fn a_session_lost_in_any_phase_of_apply_fails_it_and_the_next_one_goes_on() {
    let stage = with_holds().await;
    let admin = admin(&stage.pair).await;
    let (blue, green) = (session(stage.pair.on_blue().await).await, session(stage.pair.on_green().await).await);
    let waits = |kind: &str| {
        format!(
            "SELECT EXISTS (SELECT FROM pg_locks l JOIN pg_stat_activity a USING (pid) WHERE NOT granted AND l.locktype = '{kind}' AND a.application_name LIKE 'teal%')"
        )
    };

    // Capture: CREATE TRIGGER waits for a writer.
    blue.run("BEGIN; UPDATE token SET account = account WHERE signature = 't1'").await.unwrap();
    let apply = Running::start(&stage, &["apply", "--yes"]);
    until_sql(&admin, &waits("relation")).await;
    terminate(&admin, "datname = 'blue' AND application_name = 'teal'").await;
    apply.end().await.expect(1).says("step capture/ended").says("Hint: ");
    assert_eq!(state(&stage), "applying");
    blue.run("COMMIT").await.unwrap();

    let ended = "UPDATE token SET active = false WHERE signature = 't1'";
    for (hold, step, side) in [
        (1, "snapshot/copy", "green"),
        (1, "snapshot/copy", "blue"),
        (2, "migrate/003_owner.sql", "green"),
        (2, "migrate/003_owner.sql", "blue"),
        (3, "replay/events", "green"),
        (3, "replay/events", "blue"),
    ] {
        green.run(&format!("SELECT pg_advisory_lock({hold})")).await.unwrap();
        let apply = Running::start(&stage, &["apply", "--yes"]);
        until_sql(&admin, &waits("advisory")).await;
        if hold == 2 {
            // For the replay to have something to do.
            blue.run(ended).await.unwrap();
        }
        terminate(&admin, &format!("datname = '{side}' AND application_name LIKE 'teal%'")).await;
        apply.end().await.expect(1).says(&format!("step {step}")).says("Hint: ");
        assert_eq!(state(&stage), "applying", "{step} {side}");
        green.run(&format!("SELECT pg_advisory_unlock({hold})")).await.unwrap();
    }
    stage.ready();
    stage.run(&["cutover", "--yes"]).expect(0);
    let report = stage.run(&["report", "--format", "json"]).expect(0).json();
    assert_eq!(report["verdict"], "passed", "{report:#}");
    assert_eq!(report["events"]["tally"]["applied"], 1);
}
