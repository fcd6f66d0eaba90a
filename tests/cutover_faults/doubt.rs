//! A COMMIT of the fence that gets no answer. It is held where it hurts: durable on blue, not yet acknowledged, because it
//! waits for a synchronous standby that never comes.

use teal::postgres::Db;

use super::{
    Running, SCHEMA, Stage, admin, assert_retired, participant, stage, stand_in_drain, state, take_log, until_sql,
};

const FENCE_COMMITS: &str =
    "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE application_name = 'teal fence' AND wait_event = 'SyncRep')";

/// A run that is ready, in which only the fence asks for a synchronous commit.
async fn ready() -> Stage {
    let stage = stage(SCHEMA, &(participant("one", "") + "[cutover]\ndeadline = \"60s\"\n")).await;
    stage.ready();
    for sql in
        ["ALTER DATABASE blue SET synchronous_commit = local", "ALTER DATABASE green SET synchronous_commit = local"]
    {
        admin(&stage.pair).await.run(sql).await.unwrap();
    }
    stage
}

/// A cutover that has sent the COMMIT of its fence and waits for the answer.
async fn stand_in_commit(stage: &Stage) -> (Running<'_>, Db) {
    let (cutover, hold) = stand_in_drain(stage, "t1").await;
    let admin = admin(&stage.pair).await;
    admin.run("ALTER SYSTEM SET synchronous_standby_names = 'nobody'").await.unwrap();
    admin.run("SELECT pg_reload_conf()").await.unwrap();
    // Somebody else's commit shows that the server has taken it in.
    let other = super::admin(&stage.pair).await;
    other.run("SET application_name = 'canary'").await.unwrap();
    tokio::spawn(async move { other.run("CREATE TABLE canary ()").await });
    until_sql(
        &admin,
        "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE application_name = 'canary' AND wait_event = 'SyncRep')",
    )
    .await;
    hold.run("ROLLBACK").await.unwrap();
    until_sql(&admin, FENCE_COMMITS).await;
    (cutover, admin)
}

#[tokio::test]
async fn a_commit_whose_answer_is_lost_is_asked_of_blue_and_goes_forward() {
    let stage = ready().await;
    let (cutover, admin) = stand_in_commit(&stage).await;
    admin
        .run("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'teal fence'")
        .await
        .unwrap();
    cutover.end().await.expect(0);
    assert_eq!(take_log(&stage), ["one prepare", "one commit"]);
    assert_eq!(state(&stage), "green");
    assert_retired(&stage).await;
}

#[tokio::test]
async fn a_commit_of_which_nobody_can_tell_leaves_the_run_in_doubt_until_blue_is_back() {
    let stage = ready().await;
    let (cutover, _) = stand_in_commit(&stage).await;
    stage.pair.server.crash().unwrap();
    cutover.end().await.expect(4).says("SELECT * FROM teal.decision").says("in doubt; nothing more is done");
    assert_eq!(take_log(&stage), ["one prepare"], "neither undone nor done");
    assert_eq!(state(&stage), "in doubt");
    stage.pair.server.resume().unwrap();
    assert_eq!(state(&stage), "in doubt");
    stage.run(&["abort", "--yes"]).expect(3).says("decided");
    stage.run(&["cutover", "--yes"]).expect(0);
    assert_eq!(take_log(&stage), ["one commit"]);
    assert_eq!(state(&stage), "green");
    assert_retired(&stage).await;
}
