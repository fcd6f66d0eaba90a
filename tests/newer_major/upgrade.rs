//! The whole of it, from plan to report.

use crate::across;
use crate::support::site::{Site, counting_stage_on};

/// Plan, apply, cutover and report of the small upgrade; afterwards green serves alone.
async fn goes_through(blue: u32, green: u32) {
    let stage = counting_stage_on(across(blue, green, "").await).await;
    stage.run(&["plan"]).expect(0);
    stage.ready();
    stage.pair.on_blue().await.run("UPDATE token SET active = false WHERE signature IN ('t1', 't2')").await.unwrap();
    stage.run(&["cutover", "--yes"]).expect(0);
    let report = stage.run(&["report"]).expect(0);
    assert!(report.stdout.contains("state green, verdict passed"), "{}", report.stdout);
    Site::of(&stage).is_switched_and_complete().await;
    // 15 took CREATE on the schema public from everybody; what could be made before the upgrade can be made after it.
    let everybody = "SELECT has_schema_privilege('public', 'public', 'CREATE')";
    let (blue, green) = (stage.pair.on_blue().await, stage.pair.on_green().await);
    let may: [bool; 2] =
        [blue.row(everybody, &[]).await.unwrap().get(0), green.row(everybody, &[]).await.unwrap().get(0)];
    assert_eq!(may[0], may[1]);
}

#[tokio::test(flavor = "multi_thread")]
async fn from_15_to_17() {
    goes_through(15, 17).await;
}
#[tokio::test(flavor = "multi_thread")]
async fn from_14_to_15() {
    goes_through(14, 15).await;
}
#[tokio::test(flavor = "multi_thread")]
async fn from_15_to_16() {
    goes_through(15, 16).await;
}
#[tokio::test(flavor = "multi_thread")]
async fn from_15_to_18() {
    goes_through(15, 18).await;
}
