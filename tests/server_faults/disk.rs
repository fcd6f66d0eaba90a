//! Disks that fill up: green's, the one with green's log, the journal's.

use std::os::unix::fs::PermissionsExt;

use teal::sandbox::Server;

use super::WAITS_ON_GREEN;
use super::support::running::{Running, until_sql};
use super::support::small_disk::SmallDisk;
use super::support::stage::{PARTICIPANTS, SCHEMA, Stage};
use super::support::{Pair, admin_of};

/// Some 25 MB.
const LARGE: &str = "
    CREATE TABLE large (id int PRIMARY KEY, filler text NOT NULL);
    INSERT INTO large SELECT i, repeat(md5(i::text), 20) FROM generate_series(1, 35000) i;";

const MEGABYTE: u64 = 1 << 20;

async fn blue_takes_writes(stage: &Stage) {
    let write = "SET statement_timeout = '5s'; UPDATE account SET name = name";
    stage.pair.on_blue().await.run(write).await.unwrap();
}

#[tokio::test]
async fn a_full_disk_on_green_ends_the_copy_and_with_room_it_is_made_again() {
    let Some(disk) = SmallDisk::mount(120) else { return };
    let server = Server::start(&[]).unwrap();
    let tablespace = disk.path().join("green");
    std::fs::create_dir(&tablespace).unwrap();
    std::fs::set_permissions(&tablespace, std::fs::Permissions::from_mode(0o777)).unwrap();
    let owner = std::os::unix::fs::MetadataExt::uid(&std::fs::metadata(server.folder()).unwrap());
    std::os::unix::fs::chown(&tablespace, Some(owner), None).unwrap();
    let pair = Pair::on(server, None, &format!("{SCHEMA}{LARGE}")).await;
    let admin = admin_of(&pair.server).await;
    let location = tablespace.to_str().unwrap();
    admin.run(&format!("CREATE TABLESPACE small LOCATION '{location}'")).await.unwrap();
    admin.run("ALTER DATABASE green SET TABLESPACE small").await.unwrap();
    let stage = Stage::on(pair, PARTICIPANTS);

    disk.fill_but(8 * MEGABYTE);
    let failed = stage.run(&["apply", "--yes"]).expect(1).says("(53100)").says("blue serves; green is not in use");
    assert!(failed.stderr.contains("Hint: make room on the disk of green, then run"), "{}", failed.stderr);
    blue_takes_writes(&stage).await;
    stage.run(&["apply", "--yes"]).expect(1).says("(53100)");
    disk.make_room();
    stage.run(&["apply", "--yes"]).expect(0);
    stage.run(&["cutover", "--yes"]).expect(0);
}

#[tokio::test]
async fn a_green_that_panics_over_its_full_log_is_gone_on_with_once_it_is_back() {
    let Some(disk) = SmallDisk::mount(300) else { return };
    let green = Server::start_in(disk.path(), &[]).unwrap();
    let blue = Server::start(&[]).unwrap();
    let stage = Stage::on(Pair::on(blue, Some(green), &format!("{SCHEMA}{LARGE}")).await, PARTICIPANTS);

    disk.fill_but(20 * MEGABYTE);
    stage.run(&["apply", "--yes"]).expect(1).says("green").says("blue serves; green is not in use");
    blue_takes_writes(&stage).await;
    disk.make_room();
    let _ = stage.pair.green_on().crash();
    stage.pair.green_on().resume().unwrap();
    stage.run(&["apply", "--yes"]).expect(0);
    stage.run(&["cutover", "--yes"]).expect(0);
}

#[tokio::test]
async fn a_full_disk_under_the_journal_stops_the_run_and_blue_goes_on() {
    let Some(disk) = SmallDisk::mount(400) else { return };
    let stage = Stage::with(
        &format!("{SCHEMA}{WAITS_ON_GREEN}"),
        &format!("{PARTICIPANTS}\n[journal]\ndir = \"{}\"\n", disk.path().display()),
    )
    .await;
    // Seen before anything begins.
    disk.fill_but(0);
    stage.run(&["apply", "--yes"]).expect(3).says("guard/disk-here");
    blue_takes_writes(&stage).await;
    disk.make_room();

    // It fills up in the middle of the copy: what can't be recorded or kept ends the run.
    let hold = stage.pair.on_green().await;
    hold.run("SELECT pg_advisory_lock(42)").await.unwrap();
    let apply = Running::start(&stage, &["apply", "--yes"]);
    let waits = "SELECT EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory' AND NOT granted)";
    until_sql(&admin_of(&stage.pair.server).await, waits).await;
    disk.fill_but(0);
    hold.run("SELECT pg_advisory_unlock(42)").await.unwrap();
    apply.end().await.expect(1).says("Hint: make room on the disk of");
    blue_takes_writes(&stage).await;
    disk.make_room();
    stage.run(&["apply", "--yes"]).expect(0);

    // Full when the switch begins: what a file participant replaces can't be kept, so nothing is switched.
    disk.fill_but(0);
    stage.run(&["cutover", "--yes"]).expect(5).says("No space left on device").says("everything was put back");
    assert_eq!(stage.read("app.conf"), "blue");
    blue_takes_writes(&stage).await;
    disk.make_room();
    stage.run(&["cutover", "--yes"]).expect(0);
    assert_eq!(stage.read("app.conf"), "green");
}
