//! Killed in the middle.

use super::*;

#[tokio::test]
async fn killed_anywhere_and_between_any_two_statements_it_ends_as_if_nothing_had_happened() {
    let stage = stage("").await;
    let blue = stage.pair.on_blue().await;
    for place in teal::failpoint::LIVE_PLACES.iter().filter(|place| !place.contains("batch")) {
        // What comes behind a commit is met once for each statement: killed there every time, it gets on by one.
        let again = if place.ends_with("after_commit") { 9 } else { 1 };
        let mut killed = 0;
        while killed < again && stage.crash(&["apply", "--yes"], place).code.is_none() {
            killed += 1;
        }
        assert!(killed > 0, "{place} was never met");
        stage.run(&["apply", "--yes"]).expect(0);
        is_migrated(&blue).await;
        begin_again(&stage, &blue).await;
    }
}

#[tokio::test]
async fn killed_after_any_record_it_goes_on_up_to_the_switch() {
    let stage = stage(PARTICIPANTS).await;
    let blue = stage.pair.on_blue().await;
    stage.run(&["apply", "--yes"]).expect(0);
    let applied = stage.journal().len();
    stage.run(&["cutover", "--yes"]).expect(0);
    let switched = stage.journal().len();
    stage.run(&["finish", "--yes"]).expect(0);
    for record in (2..applied).step_by(5).chain((applied + 1..switched).step_by(4)) {
        stage.write("app.conf", "blue");
        std::fs::remove_file(stage.path("current")).unwrap();
        let _ = std::fs::remove_file(stage.path("prepared"));
        blue.run(&format!("DROP SCHEMA public CASCADE; CREATE SCHEMA public; {SCHEMA}")).await.unwrap();
        let place = format!("journal:{record}");
        if record < applied {
            assert_eq!(stage.crash(&["apply", "--yes"], &place).code, None, "{place}");
        }
        stage.run(&["apply", "--yes"]).expect(0);
        is_migrated(&blue).await;
        if record > applied {
            // An apply between the two has written some records of its own.
            stage.crash(&["cutover", "--yes"], &format!("journal:{record}"));
        }
        stage.run(&["cutover", "--yes"]).expect(0);
        assert_eq!(stage.read("app.conf"), "green", "{place}");
        assert_eq!(stage.run(&["report", "--format", "json"]).expect(0).json()["verdict"], "passed", "{place}");
        stage.run(&["finish", "--yes"]).expect(0);
    }
}

#[tokio::test]
async fn a_build_that_a_killed_process_left_running_is_waited_for() {
    let stage = stage("").await;
    let blue = stage.pair.on_blue().await;
    let old = stage.pair.on_blue().await;
    old.run("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM account").await.unwrap();
    let mut run = stage.command(&["apply", "--yes"]).stderr(std::process::Stdio::null()).spawn().unwrap();
    let building = "SELECT count(*)::text FROM pg_stat_progress_create_index WHERE phase LIKE 'waiting%'";
    while column(&blue, building).await != ["1"] {}
    run.kill().unwrap();
    run.wait().unwrap();
    assert_eq!(column(&blue, building).await, ["1"], "the server goes on with it");
    let mut run = stage.command(&["apply", "--yes"]).stderr(std::process::Stdio::piped()).spawn().unwrap();
    let waits = "SELECT count(*)::text FROM teal.run WHERE progress LIKE '%an earlier process left running%'";
    while column(&blue, waits).await != ["1"] {}
    old.run("COMMIT").await.unwrap();
    assert!(run.wait().unwrap().success());
    is_migrated(&blue).await;
}
