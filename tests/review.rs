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
