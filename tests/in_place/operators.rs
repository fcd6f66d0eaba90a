//! What operators do to a run on its way, and what becomes of its levers.

use super::support::site::LEVER;
use super::*;

#[tokio::test]
async fn an_abort_says_what_stays_and_a_changed_file_is_refused() {
    let stage = stage("").await;
    let blue = stage.pair.on_blue().await;
    blue.run("ALTER TABLE token ADD COLUMN state text").await.unwrap();
    // The first statement fails: nothing is in.
    let failed = stage.run(&["apply", "--yes"]).expect(1).says("already exists");
    assert!(failed.stderr.contains("002_state.sql:2"), "{}", failed.stderr);
    let aborted = stage.run(&["abort", "--yes"]).expect(0);
    assert!(aborted.stdout.contains("no statement had run"), "{}", aborted.stdout);
    blue.run("ALTER TABLE token DROP COLUMN state").await.unwrap();

    stage.write("migrations/002_state.sql", &STATE.replace("state IS NOT NULL", "state <> 'live'"));
    stage.run(&["apply", "--yes"]).expect(1).says("state_there");
    stage.write("migrations/002_state.sql", STATE);
    let changed = stage.run(&["apply", "--yes"]).expect(3).says("has changed since");
    assert!(hint_of(&changed).contains("migrate abort"), "{}", changed.stderr);
    let aborted = stage.run(&["abort", "--yes"]).expect(0).stdout.split_whitespace().collect::<Vec<_>>().join(" ");
    for said in [
        "of 002_state.sql, which is not recorded",
        "line 2 ALTER TABLE token ADD COLUMN state",
        "line 4 ALTER TABLE token ADD CONSTRAINT",
    ] {
        assert!(aborted.contains(said), "{said:?} is not in: {aborted}");
    }
    assert!(!aborted.contains("line 5"), "{aborted}");
    nothing_of_ours(&blue).await;
}

#[tokio::test]
async fn levers_are_turned_before_the_files_and_back_after_the_switch_or_by_an_abort() {
    let stage = stage(&format!("{LEVER}{PARTICIPANTS}")).await;
    let blue = stage.pair.on_blue().await;
    let is_on = || stage.path("lever.on").exists();
    let planned = stage.run(&["plan"]).expect(0);
    assert!(planned.stdout.contains("turned back right after the switch, or by an abort"), "{}", planned.stdout);
    for without_journal in [false, true] {
        assert_eq!(stage.crash(&["apply", "--yes"], "live.after_commit").code, None);
        assert!(is_on());
        if without_journal {
            std::fs::remove_dir_all(stage.path(".migrate")).unwrap();
        }
        begin_again(&stage, &blue).await;
        assert!(!is_on(), "an abort turns it back, journal lost: {without_journal}");
    }
    stage.run(&["apply", "--yes"]).expect(0);
    assert!(is_on());
    let journal = stage.journal();
    let at = |record: &str| journal.iter().position(|r| r == record).unwrap_or_else(|| panic!("{record}: {journal:?}"));
    assert!(at("step_done prepare/lever/mark") < at("step_started validate/before"));
    let waiting = stage.run(&["status", "--format", "json"]).expect(0).json();
    assert_eq!(waiting["levers"][0]["name"], "mark", "{waiting:#}");
    stage.run(&["cutover", "--yes"]).expect(0).says("finish/lever/mark");
    assert!(!is_on());
    let report = stage.run(&["report"]).expect(0).stdout;
    assert!(report.lines().any(|line| line.trim_start().starts_with("mark") && line.contains("back")), "{report}");
    stage.run(&["finish", "--yes"]).expect(0);
}

#[tokio::test]
async fn without_the_journal_an_abort_says_from_the_receipts_what_stays() {
    let stage = stage("").await;
    let blue = stage.pair.on_blue().await;
    // One statement is in, and an index build is announced.
    assert_eq!(stage.crash(&["apply", "--yes"], "live.acted").code, None);
    std::fs::remove_dir_all(stage.path(".migrate")).unwrap();
    let refused = stage.run(&["apply", "--yes"]).expect(3);
    assert!(refused.stderr.contains("which no journal here knows") || hint_of(&refused).contains("journal"));
    let aborted = stage.run(&["abort", "--yes"]).expect(0).stdout.split_whitespace().collect::<Vec<_>>().join(" ");
    let said = "of 002_state.sql, which is not recorded: 1 step and one that was begun";
    assert!(aborted.contains(said) && aborted.contains("look for an INVALID index"), "{aborted}");
    nothing_of_ours(&blue).await;
    let kept = "SELECT count(*)::text FROM pg_attribute WHERE attrelid = 'token'::regclass AND attname = 'state'";
    assert_eq!(column(&blue, kept).await, ["1"], "what is in stays in");
}

#[tokio::test]
async fn only_the_last_look_can_be_done_again_and_doctor_speaks_of_one_database() {
    let stage = stage(PARTICIPANTS).await;
    let healthy = stage.run(&["doctor", "--no-measure"]).expect(0);
    for foreign in ["green", "copy", "capture", "events"] {
        assert!(!healthy.stdout.contains(foreign), "{foreign:?} is of no concern in place:\n{}", healthy.stdout);
    }
    let doc = stage.run(&["doctor", "--format", "json"]).expect(0).json();
    assert_eq!((&doc["verdict"], &doc["estimate"]), (&"possible".into(), &Value::Null), "{doc:#}");
    stage.run(&["apply", "--yes"]).expect(0);
    for step in ["prepare/blue", "validate/before", "migrate/002_state.sql"] {
        stage.run(&["apply", "--yes", "--redo", step]).expect(3).says("can't be done again in the same run");
    }
    stage.run(&["apply", "--yes", "--redo", "migrate/9.sql"]).expect(2).says("there is no step migrate/9.sql");
    stage.run(&["apply", "--yes", "--redo", "validate/after"]).expect(0);
    let looks = stage.journal().iter().filter(|record| *record == "step_done validate/after").count();
    assert_eq!(looks, 2);
    let under_way = stage.run(&["doctor", "--no-measure"]).expect(0);
    assert!(under_way.stdout.contains("Next: migrate cutover plan.toml"), "{}", under_way.stdout);
}
