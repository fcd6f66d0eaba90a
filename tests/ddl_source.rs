//! A folder of plain migrations is read in its order, or refused with the reason.
#![allow(clippy::unwrap_used)] // a test may fail by panicking, its helpers included

use std::fs;
use std::path::Path;

use teal::ddl::layout::LAYOUTS;
use teal::ddl::transaction::{Unfit, unfit};
use teal::ddl::{Migration, findings, read_folder, recognise, split};
use teal::error::Kind;
use teal::finding::Severity;
use tempfile::TempDir;

fn folder(files: &[(&str, &str)]) -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    for (file, text) in files {
        let path = dir.path().join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    dir
}

fn read(files: &[(&str, &str)]) -> Vec<Migration> {
    read_folder(folder(files).path()).unwrap().migrations
}

/// The refusal's message without the folder's name.
fn refusal(files: &[(&str, &str)]) -> String {
    let dir = folder(files);
    let failure = read_folder(dir.path()).unwrap_err();
    assert_eq!(failure.kind, Kind::Usage);
    failure.what.replace(dir.path().to_str().unwrap(), "DIR")
}

#[test]
fn numbers_sort_as_numbers_of_any_length_and_names_come_after_them() {
    let long = format!("{}1_long.sql", "9".repeat(40));
    let migrations = read(&[
        ("10_ten.sql", ""),
        ("002-two words.sql", ""),
        ("9.SQL", "SELECT 1"),
        (&long, ""),
        ("views.sql", ""),
        ("grants.sql", ""),
        ("README.md", "CREATE TABLE {{ nope }}"),
        (".#10_ten.sql", "it's"),
        ("old/1_old.sql", ""),
    ]);
    let seen: Vec<_> = migrations.iter().map(|m| (m.version.as_str(), m.name.as_str(), m.file.as_str())).collect();
    assert_eq!(
        seen,
        [
            ("002", "two words", "002-two words.sql"),
            ("9", "", "9.SQL"),
            ("10", "ten", "10_ten.sql"),
            (long.strip_suffix("_long.sql").unwrap(), "long", long.as_str()),
            ("grants", "grants", "grants.sql"),
            ("views", "views", "views.sql"),
        ]
    );
}

#[test]
fn a_checksum_is_sha256_of_the_bytes() {
    let migrations = read(&[("1.sql", "abc")]);
    assert_eq!(migrations[0].checksum, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

#[test]
fn folders_of_other_tools_and_of_several_are_refused_by_name() {
    for (file, text, layout) in [
        ("1_x_down.sql", "", "separate up and down files"),
        ("1_x.undo.sql", "", "separate up and down files"),
        ("1_x.sql", "-- +migrate Up\n", "sql-migrate"),
        ("1_x.sql", "--liquibase formatted sql\n", "Liquibase"),
    ] {
        assert_eq!(
            refusal(&[("0.sql", ""), (file, text)]),
            format!("DIR/{file}: this looks like the layout of {layout}, which is not read"),
        );
    }
    for (file, text, names) in [
        ("V1__x.sql", "", "0.sql is plain, V1__x.sql is flyway or refinery"),
        ("1_x.down.sql", "", "0.sql is plain, 1_x.down.sql is golang-migrate or pop or sqlx"),
        ("1_x.autocommit.up.sql", "", "0.sql is plain, 1_x.autocommit.up.sql is pop"),
        ("1_x.fizz", "", "0.sql is plain, 1_x.fizz is no layout"),
        ("1_x.sql", "-- +goose Up\n'", "0.sql is plain, 1_x.sql is goose"),
        ("1_x.sql", "-- migrate:up\n", "0.sql is plain, 1_x.sql is dbmate"),
        ("2024-01-01_x/up.sql", "", "0.sql is plain, 2024-01-01_x/up.sql is diesel"),
    ] {
        let what = format!("migrations folder DIR: files of several layouts in one folder: {names}");
        assert_eq!(refusal(&[("0.sql", ""), (file, text)]), what);
    }
}

#[test]
fn a_folder_is_recognised_by_names_and_marks_as_far_as_they_go() {
    for (files, expected) in [
        (&[("1_x.sql", ""), ("README.md", "")][..], "plain sqlx"),
        (&[("x.sql", "")], "plain"),
        (&[("1_x.sql", "-- no-transaction\n")], "plain sqlx"),
        (&[("1_x.up.sql", ""), ("1_x.down.sql", "")], "golang-migrate pop sqlx"),
        (&[("1_x.up.sql", ""), ("2_x.postgres.up.sql", ""), ("2_x.up.sql", "")], "pop"),
        (&[("V1__x.sql", ""), ("V2__y.sql", "")], "flyway refinery"),
        (&[("V1.1__x.sql", ""), ("sub/R__y.sql", "")], "flyway"),
        (&[("V1__x.sql", ""), ("afterMigrate.sql", "")], "flyway"),
        (&[("1_x.sql", "-- +goose Up\n")], "goose"),
        (&[("1_x.sql", "\u{feff}-- migrate:up\r\n")], "dbmate"),
        (&[("2024-01-01-000000_x/up.sql", " "), ("2024-01-01-000000_x/down.sql", "")], "diesel"),
    ] {
        let found = recognise(folder(files).path()).unwrap();
        assert_eq!(found.iter().map(|layout| layout.name).collect::<Vec<_>>().join(" "), expected, "{files:?}");
    }
    assert_eq!(LAYOUTS.map(|layout| layout.name), teal::plan::LAYOUT_NAMES);
}

#[test]
fn a_folder_that_cannot_be_meant_is_refused() {
    assert_eq!(
        refusal(&[("01_a.sql", ""), ("1_b.sql", "")]),
        "migrations folder DIR: 01_a.sql and 1_b.sql have the same version, 01",
    );
    assert_eq!(refusal(&[("README.md", "")]), "migrations folder DIR: no .sql file in it");
    assert_eq!(refusal(&[("1.sql", "\n 'x")]), "DIR/1.sql:2:2: unterminated string");
    let missing = read_folder(Path::new("/nowhere/at/all")).unwrap_err();
    assert_eq!(missing.kind, Kind::Usage);
    assert!(missing.what.starts_with("migrations folder /nowhere/at/all: "), "{missing}");
}

#[test]
fn statements_that_the_files_transaction_cannot_hold_are_told_apart() {
    for (sql, expected) in [
        ("CREATE INDEX CONCURRENTLY ON t (a)", Some("CREATE INDEX CONCURRENTLY")),
        ("create unique index concurrently i on t (a)", Some("CREATE INDEX CONCURRENTLY")),
        ("DROP INDEX CONCURRENTLY i", Some("DROP INDEX CONCURRENTLY")),
        ("REINDEX INDEX CONCURRENTLY i", Some("REINDEX CONCURRENTLY")),
        ("REINDEX (VERBOSE, CONCURRENTLY) TABLE t", Some("REINDEX CONCURRENTLY")),
        ("REINDEX SCHEMA s", Some("REINDEX SCHEMA")),
        ("REINDEX DATABASE d", Some("REINDEX DATABASE")),
        ("REINDEX SYSTEM d", Some("REINDEX SYSTEM")),
        ("VACUUM (ANALYZE) t", Some("VACUUM")),
        ("CREATE DATABASE d", Some("CREATE DATABASE")),
        ("DROP DATABASE d", Some("DROP DATABASE")),
        ("CREATE TABLESPACE x LOCATION '/x'", Some("CREATE TABLESPACE")),
        ("DROP TABLESPACE x", Some("DROP TABLESPACE")),
        ("ALTER SYSTEM SET work_mem = '1MB'", Some("ALTER SYSTEM")),
        ("ALTER DATABASE d SET TABLESPACE x", Some("ALTER DATABASE … SET TABLESPACE")),
        ("ALTER TABLE a.p DETACH PARTITION a.q CONCURRENTLY", Some("ALTER TABLE … DETACH PARTITION … CONCURRENTLY")),
        ("CREATE SUBSCRIPTION s CONNECTION '' PUBLICATION p", Some("CREATE SUBSCRIPTION")),
        ("CLUSTER", Some("CLUSTER of all tables")),
        ("CLUSTER VERBOSE", Some("CLUSTER of all tables")),
        ("DISCARD ALL", Some("DISCARD ALL")),
        ("COMMIT PREPARED 'x'", Some("COMMIT PREPARED")),
        ("ROLLBACK PREPARED 'x'", Some("ROLLBACK PREPARED")),
        ("CREATE INDEX \"CONCURRENTLY\" ON t (a)", None),
        ("CREATE INDEX i ON t (a)", None),
        ("REINDEX TABLE t", None),
        ("REINDEX (CONCURRENTLY false) TABLE t", None),
        ("ALTER DATABASE d SET work_mem = '1MB'", None),
        ("ALTER TABLE p DETACH PARTITION \"CONCURRENTLY\"", None),
        ("ALTER TABLE p DETACH PARTITION q FINALIZE", None),
        ("CREATE SUBSCRIPTION s CONNECTION '' PUBLICATION p WITH (connect = false)", None),
        ("CLUSTER t USING i", None),
        ("DISCARD PLANS", None),
        ("SAVEPOINT x", None),
        ("ROLLBACK WORK TO SAVEPOINT x", None),
        ("RELEASE x", None),
        ("PREPARE transaction AS SELECT 1", None),
        ("SET TRANSACTION READ ONLY", None),
    ] {
        let statement = &split(sql).unwrap()[0];
        assert_eq!(unfit(statement, sql), expected.map(|what| (Unfit::NotTransactional, what)), "{sql}");
    }
    for (sql, what) in [
        ("BEGIN ISOLATION LEVEL SERIALIZABLE", "BEGIN"),
        ("start transaction", "START TRANSACTION"),
        ("COMMIT AND CHAIN", "COMMIT"),
        ("END", "END"),
        ("ROLLBACK", "ROLLBACK"),
        ("ABORT WORK", "ABORT"),
        ("PREPARE TRANSACTION 'x'", "PREPARE TRANSACTION"),
    ] {
        let statement = &split(sql).unwrap()[0];
        assert_eq!(unfit(statement, sql), Some((Unfit::OwnTransaction, what)), "{sql}");
    }
}

#[test]
fn findings_name_file_and_line() {
    let migrations = read(&[("1_x.sql", "-- one\nBEGIN;\nCREATE INDEX\n CONCURRENTLY ON t (a);\nDO $$ BEGIN END $$;")]);
    let found = findings(&migrations[0]);
    let seen: Vec<_> = found.iter().map(|f| (f.severity, f.id.as_str(), f.object.as_str())).collect();
    assert_eq!(
        seen,
        [
            (Severity::Blocker, "migration/own-transaction", "1_x.sql:2"),
            (Severity::Blocker, "migration/not-transactional", "1_x.sql:3"),
        ]
    );
    assert_eq!(found[1].what, "CREATE INDEX CONCURRENTLY can't run in a transaction block");
}
