//! Participants that fail, hang and lie.

use super::{SCHEMA, assert_put_back, assert_retired, participant, remove, stage, state, take_log};

#[tokio::test]
async fn a_prepare_that_fails_or_hangs_is_undone_in_reverse_and_can_be_tried_again() {
    let all = ["one", "two", "three"].map(|name| participant(name, "timeout = \"2s\"")).concat();
    let stage = stage(SCHEMA, &all).await;
    stage.ready();
    for (prepare, said) in [("exit 9", "ended with code 9"), ("sleep 60", "was killed after 2 s")] {
        stage.write("three.prepare", prepare);
        stage.run(&["cutover", "--yes"]).expect(5).says("participant three: prepare: sh ").says(said);
        let undone = ["one prepare", "two prepare", "three prepare", "three abort", "two abort", "one abort"];
        assert_eq!(take_log(&stage), undone);
        assert_put_back(&stage).await;
    }
    remove(&stage, "three.prepare");
    stage.run(&["cutover", "--yes"]).expect(0);
    let done = ["one prepare", "two prepare", "three prepare", "one commit", "two commit", "three commit"];
    assert_eq!(take_log(&stage), done);
    assert_eq!(state(&stage), "green");
}

#[tokio::test]
async fn an_abort_that_fails_is_said_and_keeps_no_other_from_its_own() {
    let stage = stage(SCHEMA, &["one", "two", "three"].map(|name| participant(name, "")).concat()).await;
    stage.ready();
    stage.write("three.prepare", "exit 9");
    stage.write("two.abort", "exit 8");
    let undone = stage.run(&["cutover", "--yes"]).expect(5).says("not everything could be put back: participant two");
    undone.says("Hint: put that back by hand, then: migrate cutover");
    assert_eq!(take_log(&stage)[3..], ["three abort", "two abort", "one abort"]);
    assert_put_back(&stage).await;
}

#[tokio::test]
async fn only_committed_says_whether_a_participant_has_switched() {
    let stage = stage(SCHEMA, &(participant("one", "") + &participant("two", ""))).await;
    stage.ready();

    stage.write("two.on", "");
    stage.run(&["cutover", "--yes"]).expect(3).says("cutover/committed-too-early");
    assert_eq!(take_log(&stage), [""; 0], "a closed gate touches nobody");
    assert_put_back(&stage).await;
    remove(&stage, "two.on");

    stage.write("two.prepare", "touch two.on");
    stage.run(&["cutover", "--yes"]).expect(5).says("participant two: after its prepare it says that it has switched");
    assert_eq!(take_log(&stage), ["one prepare", "two prepare", "two abort", "one abort"]);
    assert_put_back(&stage).await;
    remove(&stage, "two.prepare");
    remove(&stage, "two.on");

    stage.write("two.commit", "exit 0");
    let lied =
        stage.run(&["cutover", "--yes"]).expect(1).says("its commit succeeds, and it says that it has not switched");
    lied.says("State: decided: blue refuses writes").says("migrate cutover");
    assert_eq!(take_log(&stage)[2..], ["one commit", "two commit", "two commit", "two commit"]);
    assert_eq!(state(&stage), "switching");
    assert_retired(&stage).await;
    stage.run(&["abort", "--yes"]).expect(3).says("has decided");
    assert_retired(&stage).await;

    stage.write("two.commit", "touch two.on; exit 9");
    stage.run(&["cutover", "--yes"]).expect(0);
    assert_eq!(take_log(&stage), ["two commit"], "who has switched is not switched again");
    assert_eq!(state(&stage), "green");
}

#[tokio::test]
async fn a_participant_that_cannot_tell_leaves_the_run_in_doubt_until_it_can() {
    let stage = stage(SCHEMA, &participant("one", "")).await;
    stage.ready();
    stage.write("one.committed", "exit 7");
    stage.run(&["cutover", "--yes"]).expect(3).says("cutover/participant-unknown");
    stage.write("one.committed", "if [ -e one.on ]; then exit 7; fi");
    for _ in 0..2 {
        let doubt = stage.run(&["cutover", "--yes"]).expect(4).says("nobody can tell whether it has switched");
        doubt.says("SELECT * FROM teal.decision").says("Hint: migrate status");
        assert_eq!(state(&stage), "in doubt");
        assert_retired(&stage).await;
    }
    remove(&stage, "one.committed");
    stage.run(&["cutover", "--yes"]).expect(0);
    assert_eq!(take_log(&stage), ["one prepare", "one commit"]);
    assert_eq!(state(&stage), "green");
}

#[tokio::test]
async fn members_of_a_group_commit_at_once_and_the_rest_in_order() {
    let pair = |name| participant(name, "group = \"pair\"\ntimeout = \"5s\"");
    let stage =
        stage(SCHEMA, &(participant("one", "") + &pair("two") + &pair("three") + &participant("four", ""))).await;
    stage.ready();
    let wait = |me: &str, other: &str| format!("touch {me}.here; until [ -e {other}.here ]; do sleep 0.02; done");
    stage.write("two.commit", &wait("two", "three"));
    stage.write("three.commit", &wait("three", "two"));
    stage.run(&["cutover", "--yes"]).expect(0);
    let mut commits = take_log(&stage).split_off(4);
    commits[1..3].sort();
    assert_eq!(commits, ["one commit", "three commit", "two commit", "four commit"]);
}
