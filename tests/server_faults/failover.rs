//! A standby takes over from blue or green.

use teal::sandbox::Server;

use super::WAITS_ON_GREEN;
use super::support::running::{Running, until_sql};
use super::support::stage::{PARTICIPANTS, SCHEMA, Stage};
use super::support::standby::Standby;
use super::support::{Pair, admin_of};

async fn two_servers(schema: &str) -> Stage {
    let (blue, green) = (Server::start(&[]).unwrap(), Server::start(&[]).unwrap());
    Stage::on(Pair::on(blue, Some(green), schema).await, PARTICIPANTS)
}

#[tokio::test]
async fn a_blue_that_failed_over_since_the_copy_is_not_cut_over_until_it_is_copied_again() {
    let stage = two_servers(SCHEMA).await;
    stage.ready();
    let standby = Standby::of(&stage.pair.server);
    // Acknowledged, and lost with the old server; the new one gives their transaction ids out again.
    let lost = "UPDATE token SET active = false WHERE signature IN ('t1', 't2')";
    stage.pair.on_blue().await.run(lost).await.unwrap();
    stage.run(&["apply", "--yes"]).expect(0);
    standby.take_over(&stage.pair.server).await;
    let kept = "UPDATE token SET active = false WHERE signature = 't3'";
    stage.pair.on_blue().await.run(kept).await.unwrap();

    let failed_over = "blue has failed over since the copy (timeline 1, now 2)";
    stage.run(&["apply", "--yes"]).expect(3).says(failed_over).says("migrate apply plan.toml --redo snapshot/copy");
    stage.run(&["cutover", "--yes"]).expect(3).says(failed_over).says("--redo snapshot/copy");
    stage.run(&["cutover", "--dry-run"]).expect(3).says(failed_over);
    stage.run(&["validate"]).expect(3).says(failed_over);

    stage.run(&["apply", "--yes", "--redo", "snapshot/copy"]).expect(0);
    stage.run(&["cutover", "--yes"]).expect(0);
    let live = "SELECT count(*) FROM token WHERE state = 'live'";
    let live: i64 = stage.pair.on_green().await.row(live, &[]).await.unwrap().get(0);
    assert_eq!(live, 199, "t3 alone is ended: t1 and t2 live on the blue that took over");
}

#[tokio::test]
async fn a_green_that_failed_over_since_the_copy_is_not_cut_over_to() {
    let stage = two_servers(SCHEMA).await;
    stage.ready();
    let standby = Standby::of(stage.pair.green_on());
    let ended = "UPDATE token SET active = false WHERE signature = 't1'";
    stage.pair.on_blue().await.run(ended).await.unwrap();
    // Blue's mark says that green has it; the green that takes over has not.
    stage.run(&["apply", "--yes"]).expect(0);
    standby.take_over(stage.pair.green_on()).await;

    let failed_over = "green has failed over since the copy (timeline 1, now 2)";
    stage.run(&["apply", "--yes"]).expect(3).says(failed_over);
    stage.run(&["cutover", "--yes"]).expect(3).says(failed_over);
    stage.run(&["apply", "--yes", "--redo", "snapshot/copy"]).expect(0);
    stage.run(&["cutover", "--yes"]).expect(0);
    let live = "SELECT count(*) FROM token WHERE state = 'live'";
    let live: i64 = stage.pair.on_green().await.row(live, &[]).await.unwrap().get(0);
    assert_eq!(live, 199);
}

#[tokio::test]
async fn a_failover_in_the_middle_of_the_copy_starts_it_over() {
    let stage = two_servers(&format!("{SCHEMA}{WAITS_ON_GREEN}")).await;
    // All that the run made on blue so far is on the standby too: the capture is, the copy is not.
    stage.crash(&["apply", "--yes"], "snapshot.exported");
    let standby = Standby::of(&stage.pair.server);
    let hold = stage.pair.on_green().await;
    hold.run("SELECT pg_advisory_lock(42)").await.unwrap();
    let apply = Running::start(&stage, &["apply", "--yes"]);
    let waits = "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE wait_event = 'advisory')";
    until_sql(&admin_of(stage.pair.green_on()).await, waits).await;
    standby.take_over(&stage.pair.server).await;
    hold.run("SELECT pg_advisory_unlock(42)").await.unwrap();
    apply.end().await.expect(1).says("snapshot/copy").says("blue serves");
    stage.run(&["apply", "--yes"]).expect(0);
    stage.run(&["cutover", "--yes"]).expect(0);
}

#[tokio::test]
async fn a_failover_that_lost_the_capture_is_noticed_before_the_copy() {
    let stage = two_servers(SCHEMA).await;
    // The run row and the outbox are on the standby, the triggers are not.
    stage.crash(&["apply", "--yes"], "journal:5");
    let standby = Standby::of(&stage.pair.server);
    stage.crash(&["apply", "--yes"], "snapshot.exported");
    standby.take_over(&stage.pair.server).await;
    let has = "SELECT count(*) FROM pg_trigger WHERE tgname LIKE 'teal%'";
    let has: i64 = stage.pair.on_blue().await.row(has, &[]).await.unwrap().get(0);
    assert_eq!(has, 0, "the standby was made before the triggers");
    stage.run(&["apply", "--yes"]).expect(3).says("nothing captures it").says("migrate abort");
    stage.run(&["abort", "--yes"]).expect(0);
    stage.run(&["apply", "--yes"]).expect(0);
}
