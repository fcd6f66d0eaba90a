//! Windows, and what is said where there is no way back.

use jiff::{SignedDuration, Timestamp};

use super::fence::wait_behind;
use super::{SCHEMA, assert_put_back, participant, stage, state, take_log};

/// A window that opened and closes so many minutes from now.
fn window(from: i64, to: i64) -> String {
    let at = |minutes| (Timestamp::now() + SignedDuration::from_mins(minutes)).strftime("%H:%M").to_string();
    format!("window = \"{}-{} UTC\"", at(from), at(to))
}

#[tokio::test]
async fn outside_its_window_or_too_close_to_its_end_a_cutover_is_not_begun() {
    let closed = window(120, 180);
    let stage = stage(SCHEMA, &format!("{}[cutover]\n{closed}\n", participant("one", "timeout = \"10s\""))).await;
    let plan = stage.run(&["plan"]).expect(0).stdout;
    assert!(plan.contains("window") && plan.contains("; ready by then"), "{plan}");
    stage.ready();
    for args in [&["cutover", "--dry-run"][..], &["cutover", "--yes"]] {
        let refused = stage.run(args).expect(3).says("blocker cutover/window").says("it is closed until ");
        refused.says("  next: at ").says("a gate is closed");
    }

    let soon = window(-60, 20);
    stage.edit("plan.toml", &closed, &soon);
    stage.edit("plan.toml", "timeout = \"10s\"", "timeout = \"30m\"");
    stage.run(&["cutover", "--yes"]).expect(3).says("it closes in ");
    assert_eq!(take_log(&stage), [""; 0], "a closed gate touches nobody");
    assert_put_back(&stage).await;

    stage.edit("plan.toml", "timeout = \"30m\"", "timeout = \"10s\"");
    stage.run(&["cutover", "--dry-run"]).expect(0).says("note cutover/window").says("it is open for another ");
    stage.run(&["cutover", "--yes"]).expect(0);
    assert_eq!(state(&stage), "green");
    let changes = stage.journal().iter().filter(|record| *record == "settings_changed").count();
    assert_eq!(changes, 1, "an edited window is journaled and costs no step");
}

#[tokio::test]
async fn a_window_that_closes_while_the_fence_is_tried_ends_the_tries() {
    let stage = stage(SCHEMA, &participant("one", "timeout = \"20s\"")).await;
    stage.ready();
    let late = stage.pair.on_blue().await;
    late.run("SET application_name = 'late'").await.unwrap();
    // A window ends with a minute. So that nobody waits for one, the switch is said to take all that is left of it but for
    // twelve seconds, in which the fence, tried for twenty, is tried at least once.
    let left = 120 - Timestamp::now().as_second().rem_euclid(60);
    let cutover = format!("[cutover]\n{}\ndeadline = \"{}s\"\n", window(-60, 2), left - 20 - 12);
    stage.edit("plan.toml", "\n[[participant]]", &format!("\n{cutover}\n[[participant]]"));
    let cutover = wait_behind(&stage, &late).await;
    cutover.end().await.expect(5).says("it closes in ").says("a switch may take ").says("blue is open for writes");
    late.run("COMMIT").await.unwrap();
    assert_eq!(take_log(&stage), ["one prepare", "one abort"]);
    assert_put_back(&stage).await;
}

#[tokio::test]
async fn a_one_way_is_said_in_the_plan_at_the_approval_in_the_report_and_where_a_way_back_is_asked_for() {
    const WHY: &str = "v1 can't read v2's tokens";
    let stage = stage(SCHEMA, &format!("[cutover]\none_way = \"{WHY}\"\n")).await;
    let shown = format!("none, says the plan: {WHY}");
    assert!(stage.run(&["plan"]).expect(0).stdout.contains(&shown));
    stage.ready();
    stage.run(&["cutover", "--yes"]).expect(0).says(&shown);
    assert!(stage.run(&["report"]).expect(0).stdout.contains(&shown));
    // What was said at the approval stays said, whatever the plan says later.
    stage.edit("plan.toml", WHY, "something else");
    assert_eq!(stage.run(&["report", "--format", "json"]).expect(0).json()["cutover"]["one_way"], WHY);
    stage.run(&["abort", "--yes"]).expect(3).says("Hint: the plan says that there is no way back: something else");
}
