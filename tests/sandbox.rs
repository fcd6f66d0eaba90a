//! Throwaway servers are real, private, and gone afterwards.

mod support;

use support::Pair;
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
