//! Every rule of `lint` with its examples, run on a real server and linted.

#![allow(clippy::unwrap_used)] // a test may fail by panicking, its helpers included

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
    for rule in rule::of_text() {
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
    for (number, rule) in rule::of_text().enumerate() {
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

/// A rule's page in docs/rules.
fn page(rule: &Rule) -> String {
    let severity = rule.severity.word();
    let after = if rule.setup.is_empty() { String::new() } else { format!("On\n\n```sql\n{}\n```\n\n", rule.setup) };
    let (id, so_what, instead, bad, good) = (rule.id, rule.so_what, rule.instead, rule.bad, rule.good);
    format!(
        "# lint/{id}\n\nA {severity}: {so_what}.\n\nInstead: {instead}.\n\n{after}bad:\n\n```sql\n{bad}\n```\n\n\
         good:\n\n```sql\n{good}\n```\n\nAccepted with a comment before the statement: `-- migrate: accept {id} reason`.\n"
    )
}

/// `UPDATE_DOCS=1` writes them.
#[test]
fn every_rule_has_its_page_and_no_page_is_left_over() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/rules");
    let update = std::env::var_os("UPDATE_DOCS").is_some();
    let index: String = rule::all()
        .map(|rule| format!("| [{0}]({0}.md) | {1} | {2} |\n", rule.id, rule.severity.word(), rule.so_what))
        .collect();
    let index = format!("# Rules of `migrate lint`\n\n| rule | weight | what follows |\n| --- | --- | --- |\n{index}");
    let mut pages: Vec<(String, String)> = rule::all().map(|rule| (format!("{}.md", rule.id), page(rule))).collect();
    pages.push(("README.md".to_owned(), index));
    if update {
        let _ = std::fs::remove_dir_all(&folder);
        std::fs::create_dir_all(&folder).unwrap();
        for (name, text) in &pages {
            std::fs::write(folder.join(name), text).unwrap();
        }
    }
    for (name, text) in &pages {
        let there = std::fs::read_to_string(folder.join(name)).unwrap_or_default();
        assert!(
            there == *text,
            "docs/rules/{name} is not what the rules say: UPDATE_DOCS=1 cargo test --test lint_rules"
        );
    }
    assert_eq!(std::fs::read_dir(folder).unwrap().count(), pages.len());
}
