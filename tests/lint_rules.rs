//! Every rule of `lint` with its examples, run on a real server and linted.

use std::path::Path;

use teal::ddl::SqlFile;
use teal::ddl::lint::{Found, Linter};
use teal::ddl::rule::{self, Rule};
use teal::postgres::{Access, Target};
use teal::sandbox::Server;

fn file(text: &str) -> SqlFile {
    SqlFile::from_bytes(Path::new("example.sql"), text.as_bytes().to_vec()).unwrap()
}

/// What is found in an example, its setup known.
fn lint(rule: &Rule, text: &str) -> Vec<Found> {
    let mut linter = Linter::default();
    linter.learn(&file(rule.setup));
    linter.lint(&file(text), true)
}

#[test]
fn every_rule_finds_its_bad_example_and_not_its_good_one() {
    let mut wrong = Vec::new();
    for rule in rule::all() {
        let has = |found: &[Found]| found.iter().any(|one| one.rule.id == rule.id);
        let (bad, good) = (lint(rule, rule.bad), lint(rule, rule.good));
        let ids = |found: &[Found]| found.iter().map(|one| one.rule.id).collect::<Vec<_>>().join(" ");
        if !has(&bad) {
            wrong.push(format!("{}: not found in the bad example, but {}", rule.id, ids(&bad)));
        }
        if has(&good) {
            wrong.push(format!("{}: found in the good example", rule.id));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[tokio::test]
async fn every_example_is_sql_that_the_server_takes_or_refuses_as_the_rule_says() {
    let server = Server::start(&[]).unwrap();
    let target = |database: &str| Target::parse("scratch", &server.url(database)).unwrap();
    let admin = target("postgres").connect(Access::ReadWrite).await.unwrap();
    let mut wrong = Vec::new();
    for (number, rule) in rule::all().enumerate() {
        for (kind, text) in [("bad", rule.bad), ("good", rule.good)] {
            let database = format!("scratch_{number}_{kind}");
            admin.run(&format!("CREATE DATABASE {database}")).await.unwrap();
            let db = target(&database).connect(Access::ReadWrite).await.unwrap();
            if !rule.setup.is_empty() {
                db.run(rule.setup).await.unwrap_or_else(|e| panic!("{}: setup: {e}", rule.id));
            }
            let sql = file(text);
            let mut failed = None;
            for statement in &sql.statements {
                if let Err(e) = db.run(statement.text(&sql.text)).await {
                    failed = Some(e.to_string());
                }
            }
            let refused = rule.id == "concurrently-on-partitioned" && kind == "bad";
            if failed.is_some() != refused {
                wrong.push(format!("{} {kind}: {failed:?}", rule.id));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
