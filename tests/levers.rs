//! Levers: turned before the copy, waited for, and turned back however the run ends. With the real program.

#![allow(clippy::unwrap_used)] // a test may fail by panicking, its helpers included

mod support;

use rustix::process::Signal;
use support::running::Running;
use support::stage::{Ran, SCHEMA, Stage};

/// `sh lever NAME HALF`: logs it, then does what the test wrote into the file NAME.HALF.
const PROGRAM: &str = "echo \"$1 $2\" >> log\nif [ -e \"$1.$2\" ]; then . \"./$1.$2\"; fi\n";

fn lever(name: &str, more: &str) -> String {
    let half = |half: &str| format!("{half} = [\"sh\", \"lever\", \"{name}\", \"{half}\"]\n");
    format!("\n[[lever]]\nname = \"{name}\"\n{}{}{more}\n", half("before"), half("after"))
}

async fn stage(more: &str) -> Stage {
    let stage = Stage::with(SCHEMA, more).await;
    stage.write("lever", PROGRAM);
    stage
}

/// What was run since the last look.
fn take_log(stage: &Stage) -> Vec<String> {
    let log = std::fs::read_to_string(stage.path("log")).unwrap_or_default();
    let _ = std::fs::remove_file(stage.path("log"));
    log.lines().map(str::to_owned).collect()
}

fn status(stage: &Stage) -> serde_json::Value {
    stage.run(&["status", "--format", "json"]).expect(0).json()
}

/// The names of the levers that `status` says are turned.
fn turned(stage: &Stage) -> Vec<String> {
    let status = status(stage);
    let levers = status["levers"].as_array().cloned().unwrap_or_default();
    levers.iter().map(|lever| lever["name"].as_str().unwrap().to_owned()).collect()
}

fn lose_journal(stage: &Stage) {
    std::fs::remove_dir_all(stage.path(".migrate")).unwrap();
}

#[tokio::test]
async fn levers_are_turned_before_the_copy_and_back_after_the_switch_or_at_the_end() {
    let three = lever("one", "wait = \"1ms\"") + &lever("two", "until = \"finish\"") + &lever("stays", "");
    let stage = stage(&three.replace("after = [\"sh\", \"lever\", \"stays\", \"after\"]\n", "")).await;
    let plan = stage.run(&["plan"]).expect(0).stdout;
    assert!(plan.contains("turned back right after the switch, or by an abort"), "{plan}");
    assert!(plan.contains("stays turned: it has no `after`"), "{plan}");
    stage.ready();
    assert_eq!(take_log(&stage), ["one before", "two before", "stays before"]);
    let journal = stage.journal();
    let at = |record: &str| journal.iter().position(|r| r == record).unwrap();
    assert!(at("step_done prepare/lever/stays") < at("step_done prepare/wait/one"));
    assert!(at("step_done prepare/wait/one") < at("step_started capture/outbox"));
    assert_eq!(turned(&stage), ["one", "two", "stays"]);
    stage.run(&["cutover", "--yes"]).expect(0).says("finish/lever/one");
    assert_eq!(take_log(&stage), ["one after"]);
    assert_eq!(turned(&stage), ["two", "stays"]);
    stage.run(&["cutover", "--dry-run"]).expect(3).says("nothing was done");
    stage.run(&["finish", "--yes"]).expect(0);
    assert_eq!(take_log(&stage), ["two after"]);
    assert_eq!(turned(&stage), [""; 0]);
    let report = stage.run(&["report"]).expect(0).stdout;
    let line = |name: &str| report.lines().find(|line| line.trim_start().starts_with(name)).unwrap().to_owned();
    assert!(line("one").contains(", back 2") && line("stays").contains("not turned back"), "{report}");
}

#[tokio::test]
async fn a_wait_goes_on_from_when_it_was_turned_and_holds_nothing_meanwhile() {
    let stage = stage(&lever("one", "wait = \"2h\"\nlasts = \"3h\"")).await;
    for attempt in 0..2 {
        let apply = Running::start(&stage, &["apply", "--yes"]);
        apply.says("prepare/wait/one waits for its effect until ").await;
        let busy = "SELECT count(*) FROM pg_stat_activity WHERE backend_xmin IS NOT NULL AND pid <> pg_backend_pid()
                    AND application_name LIKE 'teal%'";
        assert_eq!(stage.pair.on_blue().await.row(busy, &[]).await.unwrap().get::<_, i64>(0), 0, "no snapshot is held");
        if attempt == 0 {
            apply.signal(Signal::INT);
            let ended =
                apply.end().await.expect(1).says("interrupted").says("Levers are turned: one. If you don't go on: ");
            assert!(
                ended.stderr.contains("1 h 59 min more") || ended.stderr.contains("2 h 00 min more"),
                "{}",
                ended.stderr
            );
        } else {
            apply.signal(Signal::KILL);
            assert_eq!(apply.end().await.code, None);
        }
        assert_eq!(turned(&stage), ["one"]);
    }
    let said = stage.run(&["status"]).expect(0).stdout;
    assert!(said.contains("LEVER") && said.contains("nobody is at it"), "{said}");
    // How long it takes is a setting: nothing is turned anew.
    stage.edit("plan.toml", "wait = \"2h\"", "wait = \"1ms\"");
    stage.ready();
    assert_eq!(take_log(&stage), ["one before"], "turned once");
    let journal = stage.journal();
    assert!(journal.contains(&"settings_changed".to_owned()), "{journal:?}");
    // What turns it is not.
    stage.edit("plan.toml", "\"one\", \"before\"", "\"one\", \"earlier\"");
    stage.run(&["apply", "--yes"]).expect(3).says("step prepare/lever/one is done, and its input has changed");
}

#[tokio::test]
async fn whatever_becomes_of_a_run_an_abort_turns_its_levers_back() {
    let stage = stage(&(lever("one", "") + &lever("two", ""))).await;
    for (place, with_journal) in
        [("journal:4", true), ("lever.turned", true), ("lever.turned", false), ("snapshot.copied", false)]
    {
        assert_eq!(stage.crash(&["apply", "--yes"], place).code, None, "{place}");
        let mut begun = take_log(&stage);
        begun.dedup();
        let expected: Vec<String> = turned(&stage).iter().rev().map(|name| format!("{name} after")).collect();
        assert!(expected.len() >= begun.len(), "at {place}: what was begun counts as turned: {begun:?} {expected:?}");
        if !with_journal {
            lose_journal(&stage);
        }
        stage.run(&["abort", "--yes"]).expect(0);
        assert_eq!(take_log(&stage), expected, "at {place}, journal {with_journal}");
        assert_eq!(turned(&stage), [""; 0]);
    }
    // A `before` that fails may have done something all the same.
    stage.write("two.before", "exit 9");
    let failed = stage.run(&["apply", "--yes"]).expect(1).says("step prepare/lever/two: sh ended with code 9");
    failed.says("migrate abort plan.toml, which runs its `after`").says("Levers are turned: one, two.");
    stage.run(&["abort", "--yes"]).expect(0);
    assert_eq!(take_log(&stage), ["one before", "two before", "two after", "one after"]);
}

#[tokio::test]
async fn an_abort_whose_after_fails_puts_the_rest_back_and_blue_remembers_the_lever() {
    let stage = stage(&(lever("one", "") + &lever("two", ""))).await;
    stage.ready();
    stage.write("two.after", "exit 8");
    let failed = stage.run(&["abort", "--yes"]).expect(1).says("lever two: after: sh ended with code 8");
    failed.says("everything else was put back; blue serves").says("then: migrate abort");
    assert_eq!(take_log(&stage)[2..], ["two after", "one after"]);
    let blue = stage.pair.on_blue().await;
    let ours = "SELECT count(*) FROM pg_trigger WHERE tgname LIKE 'teal%'";
    assert_eq!(blue.row(ours, &[]).await.unwrap().get::<_, i64>(0), 0, "capture is off");
    lose_journal(&stage);
    assert_eq!(
        (turned(&stage), &status(&stage)["state"]),
        (vec!["two".to_owned()], &"new".into()),
        "known to any machine"
    );
    stage.run(&["abort", "--yes"]).expect(1);
    assert_eq!(take_log(&stage), ["two after"], "what is back is left alone");
    // A lever that the plan has no more is not forgotten either.
    let plan = stage.read("plan.toml");
    stage.write("plan.toml", plan.split("\n[[lever]]").next().unwrap());
    let unknown =
        stage.run(&["abort", "--yes"]).expect(1).says("lever two: it was turned, and the plan has it no more");
    unknown.says("Hint: ");
    stage.write("plan.toml", &plan);
    stage.write("two.after", "");
    stage.run(&["abort", "--yes"]).expect(0);
    let left = "SELECT to_regnamespace('teal') IS NULL";
    assert!(blue.row(left, &[]).await.unwrap().get::<_, bool>(0), "nothing of ours on blue");
}

#[tokio::test]
async fn an_after_that_fails_since_the_decision_undoes_nothing_and_is_tried_again_until_it_works() {
    let stage = stage(&lever("one", "timeout = \"1s\"")).await;
    stage.ready();
    stage.write("one.after", "sleep 60");
    let failed = stage.run(&["cutover", "--yes"]).expect(1).says("lever one: after: sh was killed after 1 s");
    failed.says("State: green serves, and everybody has switched").says("migrate finish plan.toml tries it too");
    assert_eq!((status(&stage)["state"].as_str().unwrap(), turned(&stage)), ("green", vec!["one".to_owned()]));
    stage.run(&["report"]).expect(3);
    stage.write("one.after", "exit 8");
    stage.run(&["cutover", "--yes"]).expect(1).says("lever one: after: sh ended with code 8");
    stage.run(&["finish", "--yes"]).expect(1).says("nothing was taken down, so that the lever is not forgotten");
    assert_eq!(status(&stage)["state"], "green");
    lose_journal(&stage);
    stage.run(&["finish", "--yes"]).expect(1).says("lever one: after: sh ended with code 8");
    take_log(&stage);
    stage.write("one.after", "");
    stage.run(&["finish", "--yes"]).expect(0);
    assert_eq!(take_log(&stage), ["one after"]);
    assert_eq!(turned(&stage), [""; 0]);
}

#[tokio::test]
async fn an_effect_that_is_over_closes_the_gate_and_turning_it_again_means_another_copy() {
    let stage = stage(&lever("one", "wait = \"1ms\"\nlasts = \"1s\"")).await;
    let refused: Ran = stage.run(&["plan"]).expect(3);
    assert!(refused.stdout.contains("blocker plan/lever-too-short"), "{}", refused.stdout);
    stage.run(&["apply", "--yes"]).expect(3).says("plan/lever-too-short");
    assert_eq!(take_log(&stage), [""; 0]);
    stage.edit("plan.toml", "lasts = \"1s\"", "lasts = \"1h\"");
    stage.ready();
    stage.edit("plan.toml", "lasts = \"1h\"", "lasts = \"10ms\"");
    stage.run(&["cutover", "--yes"]).expect(3).says("cutover/lever-run-out").says("--redo 'prepare/lever/one'");
    assert_eq!(status(&stage)["levers"][0]["run_out"], true);
    stage.edit("plan.toml", "lasts = \"10ms\"", "lasts = \"1h\"");
    stage.run(&["apply", "--yes", "--redo", "prepare/lever/one"]).expect(0);
    assert_eq!(take_log(&stage), ["one before", "one before"]);
    let copies = stage.journal().iter().filter(|record| *record == "step_done snapshot/copy").count();
    assert_eq!(copies, 2);
    stage.run(&["cutover", "--yes"]).expect(0);
    assert_eq!(take_log(&stage), ["one after"]);
}
