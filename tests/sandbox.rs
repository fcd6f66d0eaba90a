//! Throwaway servers are real, private, and gone afterwards.

#![allow(clippy::unwrap_used)] // a test may fail by panicking, its helpers included

mod support;

use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, Stdio};

use support::Pair;
use support::running::until;
use teal::catalog::read_tables;
use teal::postgres::{Access, Target};
use teal::sandbox::Server;

#[tokio::test]
async fn a_server_is_gone_after_it_is_dropped() {
    let server = Server::start(&[]).unwrap();
    let folder = server.folder().to_owned();
    let target = Target::parse("blue", &server.url("postgres")).unwrap();
    target.connect(Access::ReadOnly).await.unwrap();
    drop(server);
    assert!(!folder.exists());
    assert!(target.connect(Access::ReadOnly).await.is_err());
}

#[tokio::test]
async fn a_wrong_password_is_a_clear_error() {
    let server = Server::start(&[]).unwrap();
    let target = Target::parse("blue", &server.url_as("postgres", "wr0ng", "postgres")).unwrap();
    let error = target.connect(Access::ReadOnly).await.unwrap_err();
    assert_eq!(error.to_string(), "blue: can't connect: password authentication failed for user \"postgres\" (28P01)");
}

#[tokio::test]
async fn a_read_only_session_cannot_write_and_tables_are_read_with_their_facts() {
    let pair = Pair::start(
        r#"CREATE TABLE token (id int PRIMARY KEY, "Odd ""name" regclass, doubled int GENERATED ALWAYS AS (id * 2) STORED);
           CREATE TABLE part (k int, v text, PRIMARY KEY (k)) PARTITION BY LIST (k);
           CREATE TABLE part_1 PARTITION OF part FOR VALUES IN (1);"#,
    )
    .await;
    let db = pair.blue.connect(Access::ReadOnly).await.unwrap();
    let refused = db.run("CREATE TABLE nope (a int)").await.unwrap_err();
    assert_eq!(refused.code().unwrap().code(), "25006");

    let tables = read_tables(&db).await.unwrap();
    let names: Vec<String> = tables.iter().map(|t| t.name.plain()).collect();
    assert_eq!(names, ["public.part", "public.part_1", "public.token"]);
    assert!(!tables[0].holds_rows());
    assert_eq!(tables[1].partition_of.as_ref().unwrap().plain(), "public.part");
    let token = &tables[2];
    assert_eq!(token.columns.iter().map(|c| c.binary_safe).collect::<Vec<_>>(), [true, false, true]);
    assert_eq!(token.copied_columns().count(), 2);
    assert_eq!(token.primary_key[0].0, "id");
}

/// Killed while initdb fills the folder, or while `pg_ctl` starts the server, too: the guard waits for them.
#[tokio::test]
async fn killed_at_any_moment_of_its_making_a_server_leaves_no_folder_and_no_process() {
    for place in teal::failpoint::SANDBOX_PLACES {
        let parent = tempfile::Builder::new().prefix("k").tempdir().unwrap();
        std::fs::set_permissions(parent.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
        let mut demo = Command::new(env!("CARGO_BIN_EXE_migrate"));
        demo.args(["demo", "--rows", "20"]).env("TEAL_CRASH_AT", place).env("TMPDIR", parent.path());
        let ended = demo.stdout(Stdio::null()).stderr(Stdio::null()).status().unwrap();
        assert_eq!(ended.signal(), Some(9), "{place} was not reached");
        until(&format!("nothing of {place}"), async || {
            parent.path().read_dir().unwrap().next().is_none() && !is_named_by_a_process(parent.path())
        })
        .await;
    }
}

/// Whether the folder stands in the arguments of any process.
fn is_named_by_a_process(folder: &std::path::Path) -> bool {
    let folder = folder.display().to_string();
    let processes = std::fs::read_dir("/proc").unwrap().flatten();
    let arguments = processes.filter_map(|process| std::fs::read(process.path().join("cmdline")).ok());
    arguments.into_iter().any(|arguments| String::from_utf8_lossy(&arguments).contains(&folder))
}
