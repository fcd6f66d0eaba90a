//! What a hostile reading of the engine found, held on real servers.

mod support;

use support::stage::Stage;

#[tokio::test]
async fn a_copy_made_again_starts_without_receipts_of_the_former_one() {
    let stage = Stage::new().await;
    stage.ready();
    let blue = stage.pair.on_blue().await;
    blue.run("UPDATE token SET active = false WHERE signature IN ('t1', 't2')").await.unwrap();
    stage.run(&["apply", "--yes"]).expect(0);
    // Reversed by blue itself: nothing is left of it in the next copy.
    blue.run("UPDATE token SET active = true WHERE signature = 't1'").await.unwrap();
    stage.run(&["apply", "--yes", "--redo", "snapshot/copy"]).expect(0);
    let green = stage.pair.on_green().await;
    let columns = "SELECT count(*) FROM pg_attribute WHERE attrelid = 'token'::regclass AND attname = 'state'";
    assert_eq!(green.row(columns, &[]).await.unwrap().get::<_, i64>(0), 1, "green is migrated again");
    stage.run(&["cutover", "--yes"]).expect(0);
    let live = "SELECT string_agg(signature, ',') FROM token WHERE signature IN ('t1', 't2') AND state = 'live'";
    assert_eq!(green.row(live, &[]).await.unwrap().get::<_, String>(0), "t1");
}

#[tokio::test]
async fn what_is_not_this_plan_s_is_left_alone() {
    let stage = Stage::new().await;
    stage.ready();
    // Another plan on the same databases neither stops nor takes down this run.
    let plan = stage.read("plan.toml");
    std::fs::create_dir(stage.path("other")).unwrap();
    stage.write(
        "other/plan.toml",
        &plan.replace("name = \"small\"", "name = \"other\"").replace("source = \"", "source = \"../"),
    );
    let other = stage.command_in(&stage.path("other"), &["abort", "--yes"]).output().unwrap();
    support::stage::Ran::of(other).expect(3).says("is of plan small, not of other");
    let blue = stage.pair.on_blue().await;
    blue.run("SELECT 1 FROM teal.event").await.unwrap();

    // A trigger that was off for a bulk load lost events; on again, it lets replica-role sessions pass.
    blue.run("ALTER TABLE token DISABLE TRIGGER USER; ALTER TABLE token ENABLE TRIGGER USER").await.unwrap();
    stage.run(&["cutover", "--dry-run"]).expect(3).says("cutover/capture-gap");
    let always =
        "ALTER TABLE token ENABLE ALWAYS TRIGGER teal_1_update; ALTER TABLE token ENABLE ALWAYS TRIGGER teal_1_delete";
    blue.run(&format!("{always}; ALTER TABLE token ENABLE ALWAYS TRIGGER teal_1_truncate")).await.unwrap();
    // A subscription's worker fires no statement triggers: it would pass the fence.
    blue.run("CREATE SUBSCRIPTION feed CONNECTION 'host=127.0.0.1 port=1' PUBLICATION p WITH (connect = false)")
        .await
        .unwrap();
    stage.run(&["cutover", "--dry-run"]).expect(0);
    blue.run("ALTER SUBSCRIPTION feed ENABLE").await.unwrap();
    stage.run(&["cutover", "--dry-run"]).expect(3).says("cutover/subscription");
    blue.run("ALTER SUBSCRIPTION feed DISABLE; ALTER SUBSCRIPTION feed SET (slot_name = NONE); DROP SUBSCRIPTION feed")
        .await
        .unwrap();

    // An event that nothing captures is no event of this run.
    stage.write(
        "plan.toml",
        &format!("{plan}\n[[event]]\nname = \"late\"\ntable = \"account\"\nends = \"true\"\nreplay = \"SELECT 1\"\nverify = \"SELECT 1 WHERE false\"\n"),
    );
    stage.run(&["apply", "--yes"]).expect(3).says("came into the plan after the run began");
    stage.run(&["cutover", "--yes"]).expect(3).says("came into the plan after the run began");
    stage.write("plan.toml", &plan);
    stage.run(&["abort", "--yes"]).expect(0);
}

#[tokio::test]
async fn a_row_that_changes_its_key_ends_under_the_old_one() {
    let pair = support::Pair::start("CREATE TABLE t (a int, b int, live bool, PRIMARY KEY (a, b)); INSERT INTO t VALUES (1, 1, true), (2, 2, false)").await;
    support::start_capture(&pair, &[support::event("ended", "t", teal::plan::When::Ends("live".to_owned()))]).await;
    let blue = pair.on_blue().await;
    blue.run("UPDATE t SET b = 9; UPDATE t SET live = false").await.unwrap();
    let both = ["ended {\"a\": \"1\", \"b\": \"1\"}", "ended {\"a\": \"1\", \"b\": \"9\"}"];
    assert_eq!(support::outbox(&blue).await, both);
}
