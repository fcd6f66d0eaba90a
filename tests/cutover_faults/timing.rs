//! Windows, and what is said where there is no way back.

use jiff::{SignedDuration, Timestamp};

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
