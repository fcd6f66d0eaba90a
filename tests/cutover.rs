//! The cutover on real servers, run with the real program.

mod support;

use support::stage::{SCHEMA, Stage};

#[tokio::test]
async fn an_upgrade_goes_through_and_leaves_one_writable_side() {
    let stage = Stage::new().await;
    stage.run(&["plan"]).expect(0);
    stage.ready();
    let blue = stage.pair.on_blue().await;
    blue.run("UPDATE token SET active = false WHERE signature IN ('t1', 't2'); DELETE FROM account WHERE id = 5")
        .await
        .unwrap();
    stage.run(&["cutover", "--dry-run"]).expect(0);
    stage.run(&["cutover", "--yes"]).expect(0);

    let refused = blue.run("UPDATE token SET active = true").await.unwrap_err();
    assert!(refused.to_string().contains("retired by an upgrade"), "{refused}");
    let green = stage.pair.on_green().await;
    let live: i64 = green.row("SELECT count(*) FROM token WHERE state = 'live'", &[]).await.unwrap().get(0);
    assert_eq!(live, 200 - 2 - 10);
    green.run("INSERT INTO account (name) VALUES ('new')").await.unwrap();
    assert_eq!(stage.read("app.conf"), "green");
    assert_eq!(std::fs::read_link(stage.path("current")).unwrap().to_str().unwrap(), "prepared");

    let report = stage.run(&["report", "--format", "json"]).expect(0).json();
    assert_eq!(report["verdict"], "passed", "{report:#}");
    assert_eq!(report["events"]["tally"]["captured"], 12);
    stage.run(&["finish", "--yes"]).expect(0);
    assert!(blue.run("UPDATE token SET active = true").await.is_err());
    stage.run(&["finish", "--unfence", "--yes"]).expect(0);
    blue.run("UPDATE token SET active = true").await.unwrap();
}

#[tokio::test]
async fn what_would_fail_after_decide_is_found_before() {
    let participant = "\n[[participant]]\nname = \"service\"\nkind = \"command\"\ncommit = [\"./no/such/program\"]\ncommitted = [\"false\"]\n";
    let stage = Stage::with(SCHEMA, participant).await;
    stage.edit("plan.toml", "WHERE signature = :signature\"\nverify", "WHERE signature = :sig\"\nverify");
    let plan = stage.run(&["plan"]).expect(3);
    assert!(plan.stdout.contains("name :sig, and public.token has no such column"), "{}", plan.stdout);
    assert!(plan.stdout.contains("plan/program-missing"), "{}", plan.stdout);

    stage.edit("plan.toml", ":sig\"", ":signature\"");
    stage.ready();
    stage.run(&["cutover", "--yes"]).expect(5).says("its commit ./no/such/program is not there");
    stage.pair.on_blue().await.run("UPDATE token SET active = false WHERE signature = 't1'").await.unwrap();
}
