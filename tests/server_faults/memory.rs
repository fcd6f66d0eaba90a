//! A green whose lock table is too small for blue's schema.

use teal::sandbox::Server;
use teal::snapshot::{dump_schema, export, restore_pre_data};

use super::support::Pair;

#[tokio::test]
async fn a_green_with_less_shared_memory_says_what_to_raise() {
    let small = [("max_locks_per_transaction", "10"), ("max_connections", "12"), ("shared_buffers", "1MB")];
    let (blue, green) = (Server::start(&[]).unwrap(), Server::start(&small).unwrap());
    let schema: String = (0..900).map(|i| format!("CREATE TABLE t{i} (id int PRIMARY KEY);")).collect();
    let pair = Pair::on(blue, Some(green), &schema).await;
    let tables = teal::catalog::read_tables(&pair.on_blue().await).await.unwrap();
    let kept = export(&pair.blue, &tables).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let archive = folder.path().join("schema.dump");
    dump_schema(&pair.blue, &kept.point, &archive).await.unwrap();
    let failed = restore_pre_data(&pair.green, &archive).await.unwrap_err();
    assert!(failed.detail.unwrap().contains("out of shared memory"));
    let hint = "raise max_locks_per_transaction and restart the server of green, then run the same command again";
    assert_eq!(failed.hint.unwrap(), hint);
    // One transaction: nothing of it is there.
    let tables = teal::catalog::read_tables(&pair.on_green().await).await.unwrap();
    assert!(tables.is_empty());
}
