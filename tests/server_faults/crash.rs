//! A green that crashes: what its unlogged tables held is gone.

use super::support::Pair;
use super::support::stage::{SCHEMA, Stage};
use teal::sandbox::Server;
use teal::snapshot;

/// Before the switch the rows of the copy are missing. Afterwards green is like any other database: what its clients kept in an
/// unlogged table was theirs, and says nothing of the copy.
#[tokio::test]
async fn what_a_crash_takes_from_unlogged_tables_is_a_loss_until_green_serves_and_none_afterwards() {
    let (blue, green) = (Server::start(&[]).unwrap(), Server::start(&[]).unwrap());
    let unlogged = "CREATE UNLOGGED TABLE quick AS SELECT i AS id FROM generate_series(1, 50) i;";
    let stage = Stage::on(Pair::on(blue, Some(green), &format!("{SCHEMA}{unlogged}")).await, "");
    let crash = || {
        stage.pair.green_on().crash().unwrap();
        stage.pair.green_on().resume().unwrap();
    };
    let rows = async || {
        let counted = stage.pair.on_green().await.row("SELECT count(*) FROM public.quick", &[]).await;
        counted.unwrap().get::<_, i64>(0)
    };
    stage.ready();
    crash();
    assert_eq!(rows().await, 0);
    stage.run(&["cutover", "--yes"]).expect(3).says("validate/unlogged-lost").says("--redo snapshot/copy");
    stage.run(&["apply", "--yes", "--redo", "snapshot/copy"]).expect(0);
    assert_eq!(rows().await, 50);
    stage.run(&["cutover", "--yes"]).expect(0);

    crash();
    assert_eq!(rows().await, 0);
    assert_eq!(snapshot::lost_unlogged(&stage.pair.on_green().await).await.unwrap(), [""; 0]);
    let asked = stage.run(&["validate"]);
    assert!(!format!("{}{}", asked.stdout, asked.stderr).contains("unlogged"), "{}", asked.stderr);
    stage.run(&["finish", "--yes"]).expect(0);
}
