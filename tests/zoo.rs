//! The catalog zoo (`tests/zoo/*.sql`): every kind of object through the real program, compared by `pg_dump`'s text, by
//! rows, by large objects, and by what no dump tells.

#![allow(clippy::unwrap_used)] // helpers of tests are tests

mod support;

use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use support::Pair;
use support::stage::Stage;
use support::zoo::{SETTINGS, ZOO, stage_of};
use teal::catalog::{read_structure, read_tables};
use teal::postgres::{Access, Db, Target};
use teal::sandbox::{Binaries, Server};
use teal::snapshot;

async fn zoo() -> Stage {
    stage_of(Pair::start_with(&SETTINGS, "").await, &ZOO)
}

/// A server whose programs lie in a folder of our own, with one more extension: Postgres finds its files relative to them.
fn server_with_extension(folder: &Path) -> Server {
    let system = Binaries::find().unwrap();
    let bin = system.path("postgres").canonicalize().unwrap().parent().unwrap().to_owned();
    let asked = |what: &str| {
        let said = Command::new(bin.join("pg_config")).arg(what).output().unwrap();
        PathBuf::from(String::from_utf8(said.stdout).unwrap().trim())
    };
    let mirrored = |path: &Path| folder.join(path.strip_prefix("/").unwrap());
    let (share, library) = (asked("--sharedir"), asked("--pkglibdir"));
    std::fs::create_dir_all(mirrored(&bin)).unwrap();
    for program in ["postgres", "initdb", "pg_ctl"] {
        std::fs::copy(bin.join(program), mirrored(&bin).join(program)).unwrap();
    }
    std::fs::create_dir_all(mirrored(&library).parent().unwrap()).unwrap();
    symlink(&library, mirrored(&library)).unwrap();
    let extensions = mirrored(&share).join("extension");
    std::fs::create_dir_all(&extensions).unwrap();
    for (from, to) in [(share.clone(), mirrored(&share)), (share.join("extension"), extensions.clone())] {
        for entry in std::fs::read_dir(from).unwrap() {
            let entry = entry.unwrap();
            if entry.file_name() != "extension" {
                symlink(entry.path(), to.join(entry.file_name())).unwrap();
            }
        }
    }
    std::fs::write(extensions.join("zoo_config.control"), "default_version = '1.0'\nrelocatable = true\n").unwrap();
    std::fs::write(extensions.join("zoo_config--1.0.sql"), include_str!("zoo/zoo_config--1.0.sql")).unwrap();
    let binaries = Binaries::at(mirrored(&bin), system.major()).unwrap();
    Server::start_with(binaries, &std::env::temp_dir(), &[]).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_of_an_extension_s_own_tables_take_the_place_of_those_that_green_s_made() {
    let folder = tempfile::tempdir().unwrap();
    // The server runs as another user where we are root.
    std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
    let schema =
        "CREATE EXTENSION zoo_config; DELETE FROM a_notes; DELETE FROM kinds WHERE NOT own; CREATE TABLE mine (id int);
                  INSERT INTO kinds (name, parent) VALUES ('of the user', 2);
                  INSERT INTO kinds (name, parent) SELECT 'below ' || g, 4 FROM generate_series(1, 50) g;
                  INSERT INTO a_notes VALUES (4, 'mine', NULL), (5, 'kinds', E'\\t'), (1, NULL, 'x');";
    let pair = Pair::on(server_with_extension(folder.path()), None, "").await;
    let stage = stage_of(pair, &[schema, include_str!("zoo/stage.sql")]);
    stage.run(&["apply", "--yes"]).expect(0);
    let (blue, green) = (stage.pair.on_blue().await, stage.pair.on_green().await);
    let rows = async |db: &Db| {
        let sql = "SELECT k::text FROM kinds k UNION ALL SELECT n::text FROM a_notes n UNION ALL SELECT nextval('kinds_id_seq')::text
                   ORDER BY 1";
        db.rows(sql, &[]).await.unwrap().iter().map(|row| row.get::<_, String>(0)).collect::<Vec<_>>()
    };
    let on_blue = rows(&blue).await;
    assert_eq!(on_blue, rows(&green).await);
    assert!(on_blue.contains(&"(5,kinds,\"\t\")".to_owned()), "{on_blue:?}");
    assert_eq!(dump(&stage.pair.blue), dump(&stage.pair.green));
    // The proof looks at them.
    let proof = async || {
        let sessions = vec![green_session(&stage).await];
        teal::validate::digest_beside_tables(sessions).await.unwrap()
    };
    let proved = proof().await;
    green.run("UPDATE a_notes SET note = 'y' WHERE note = 'x'").await.unwrap();
    assert_ne!(proof().await, proved);
}

fn dump(target: &Target) -> String {
    let done = Command::new("pg_dump")
        .envs(target.program_env())
        .args(["--schema-only", "--restrict-key=same", "--exclude-schema=teal", "--exclude-schema=stage"])
        .output()
        .unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    let text = String::from_utf8(done.stdout).unwrap();
    // Ours: the gate on every table of green.
    let entries = text.split("\n--\n-- Name: ").filter(|entry| !entry.contains("teal_gate"));
    let entries = entries.map(str::trim_end).map(|entry| entry.trim_end_matches("\\unrestrict same").trim_end());
    let entries =
        entries.map(|entry| entry.trim_end_matches("--\n-- PostgreSQL database dump complete\n--").trim_end());
    entries.collect::<Vec<_>>().join("\n-- Name: ")
}

#[track_caller]
fn assert_same(what: &str, blue: &str, green: &str) {
    let first = blue.lines().zip(green.lines()).find(|(a, b)| a != b);
    assert!(
        blue == green,
        "{what} differ: first {first:#?}; {} and {} lines",
        blue.lines().count(),
        green.lines().count()
    );
}

/// Every row of every table, each in the partition where it is, as text.
async fn all_rows(db: &Db) -> String {
    let mut all = String::new();
    db.run("SET search_path = ''").await.unwrap();
    for table in read_tables(db).await.unwrap().iter().filter(|table| table.holds_rows()) {
        if table.name.schema.0 == "stage" {
            continue;
        }
        let sql = format!("SELECT (t.*)::text FROM ONLY {} t ORDER BY (t.*)::text COLLATE \"C\"", table.name);
        for row in db.rows(&sql, &[]).await.unwrap() {
            all.push_str(&format!("{} {}\n", table.name.plain(), row.get::<_, &str>(0)));
        }
    }
    all
}

/// What no dump of the schema tells: positions of sequences, populated views with their rows, large objects to the byte,
/// settings, comment and privileges of the database.
const BESIDE: [(&str, &str); 6] = [
    (
        "sequences",
        "SELECT format('%I.%I', schemaname, sequencename) || ' ' || coalesce(last_value::text, 'new')
         FROM pg_sequences WHERE schemaname NOT IN ('teal', 'stage') ORDER BY 1",
    ),
    ("populated", "SELECT schemaname || '.' || matviewname || ispopulated FROM pg_matviews ORDER BY 1"),
    (
        "materialized",
        "SELECT 'a' || t::text FROM views.grouped_kept t UNION ALL SELECT 'b' || t::text FROM views.kept_over_kept t
         UNION ALL SELECT 'c' || t::text FROM functions.heaped_kept t ORDER BY 1",
    ),
    (
        "large objects",
        "SELECT m.oid || ' ' || pg_get_userbyid(lomowner) || ' ' || md5(lo_get(m.oid)) || ' '
             || coalesce((SELECT string_agg(a::text, ',' ORDER BY a::text) FROM unnest(lomacl) a), '') || ' '
             || coalesce(obj_description(m.oid, 'pg_largeobject'), '')
         FROM pg_largeobject_metadata m ORDER BY m.oid",
    ),
    (
        "settings",
        "SELECT coalesce(r.rolname, 'all') || ' ' || array_to_string(setconfig, '|') FROM pg_db_role_setting
         LEFT JOIN pg_roles r ON r.oid = setrole
         WHERE setdatabase = (SELECT oid FROM pg_database WHERE datname = current_database()) ORDER BY 1",
    ),
    (
        "database",
        "SELECT (SELECT string_agg(a::text, '|' ORDER BY a::text) FROM unnest(datacl) a) || shobj_description(oid, 'pg_database')
         FROM pg_database WHERE datname = current_database()",
    ),
];

async fn beside(db: &Db) -> String {
    let mut all = String::new();
    for (what, sql) in BESIDE {
        for row in db.rows(sql, &[]).await.unwrap() {
            all.push_str(&format!("{what}: {}\n", row.get::<_, &str>(0)));
        }
    }
    all
}

async fn assert_equal(pair: &Pair) {
    assert_same("dumps", &dump(&pair.blue), &dump(&pair.green));
    let (blue, green) = (pair.blue.connect(Access::ReadOnly).await, pair.green.connect(Access::ReadOnly).await);
    let (blue, green) = (blue.unwrap(), green.unwrap());
    assert_same("rows", &all_rows(&blue).await, &all_rows(&green).await);
    assert_same("what is beside them", &beside(&blue).await, &beside(&green).await);
    let mut differences = read_structure(&blue).await.unwrap().differences(&read_structure(&green).await.unwrap());
    // A key that a partition got from its parent counts as made there, and a copied collation as given in full: no dump
    // tells them apart, and nothing acts by it.
    let known = [" stage.", "constraint partitions.", "collation texts.plain:"];
    differences.retain(|line| !known.iter().any(|known| line.contains(known)));
    assert_eq!(differences, Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn every_kind_of_object_survives_the_copy_and_green_is_as_before_when_it_is_emptied() {
    let stage = zoo().await;
    let green = stage.pair.on_green().await;
    let fresh = dump(&stage.pair.green);
    let before = "SELECT (SELECT string_agg(a::text, '|' ORDER BY a::text) FROM unnest(datacl) a) FROM pg_database WHERE datname = 'green'";
    green
        .run("ALTER DATABASE green SET work_mem = '5MB'; GRANT TEMPORARY ON DATABASE green TO zoo_owner")
        .await
        .unwrap();
    let acl: Option<String> = green.row(before, &[]).await.unwrap().get(0);
    stage.run(&["apply", "--yes"]).expect(0);
    let journal = stage.read(".migrate/small/journal.jsonl");
    assert!(journal.contains("pg_largeobject"), "the copy says what it brought");
    // What only green had before stays; here it would be in the way of a plain comparison.
    green.run("REVOKE TEMPORARY ON DATABASE green FROM zoo_owner").await.unwrap();
    assert_equal(&stage.pair).await;

    // The proof looks at large objects too.
    let proof = async || {
        let sessions = vec![green_session(&stage).await, green_session(&stage).await];
        teal::validate::digest_beside_tables(sessions).await.unwrap()
    };
    let proved = proof().await;
    for change in [
        "SELECT lo_put(500005, 2999999, '\\x11')",
        "GRANT SELECT ON LARGE OBJECT 500005 TO zoo_reader",
        "COMMENT ON LARGE OBJECT 600300 IS 'x'",
        "SELECT lo_unlink(4294967295)",
    ] {
        let earlier = proof().await;
        green.run(change).await.unwrap();
        assert_ne!(proof().await, earlier, "{change}");
    }
    assert_eq!(proved.len(), 1);

    stage.run(&["abort", "--yes"]).expect(0);
    let emptied = dump(&stage.pair.green);
    // Privileges on what came with the server stay (`empty_green`).
    let of_ours = |text: &str| {
        let stays =
            |line: &str| line.starts_with("--") || line.contains(" pg_catalog.") || line.contains("LANGUAGE sql");
        text.lines().filter(|line| !line.is_empty() && !stays(line)).flat_map(|line| [line, "\n"]).collect::<String>()
    };
    assert_same("an emptied green and a new one", &of_ours(&fresh), &of_ours(&emptied));
    assert_eq!(green.row(before, &[]).await.unwrap().get::<_, Option<String>>(0), acl);
    let left = "SELECT (SELECT count(*) FROM pg_largeobject_metadata) + (SELECT count(*) FROM pg_default_acl)";
    assert_eq!(green.row(left, &[]).await.unwrap().get::<_, i64>(0), 0);
}

async fn green_session(stage: &Stage) -> Db {
    stage.pair.green.connect(Access::ReadOnly).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sequence_that_a_migration_renamed_or_replaced_is_moved_ahead() {
    let schema = "CREATE TABLE t (id serial, n int GENERATED ALWAYS AS IDENTITY); CREATE SEQUENCE a; CREATE SEQUENCE b;
                  CREATE SEQUENCE gone; SELECT setval('t_id_seq', 70), setval('t_n_seq', 80), setval('a', 10), setval('b', 20)";
    let pair = Pair::start(schema).await;
    let (blue, green) = (pair.on_blue().await, pair.on_green().await);
    green.run("CREATE SCHEMA teal; CREATE TABLE teal.applied (event_id int)").await.unwrap();
    green.run("DROP SCHEMA teal CASCADE; CREATE SCHEMA teal").await.unwrap();
    green.run(include_str!("../src/postgres/sql/prepare_green.sql")).await.unwrap();
    green.run(schema).await.unwrap();
    snapshot::remember_sequences(&green).await.unwrap();
    green
        .run(
            "CREATE SCHEMA s; ALTER SEQUENCE t_id_seq RENAME TO token_seq; ALTER TABLE t RENAME TO token;
             ALTER TABLE token RENAME n TO number; ALTER TABLE token ALTER number DROP IDENTITY;
             ALTER TABLE token ALTER number ADD GENERATED ALWAYS AS IDENTITY (SEQUENCE NAME new_seq);
             DROP SEQUENCE a; ALTER SEQUENCE b RENAME TO a; ALTER SEQUENCE a SET SCHEMA s; DROP SEQUENCE gone",
        )
        .await
        .unwrap();
    let set = snapshot::set_sequences(&blue, &green, 1000).await.unwrap();
    let mut moved: Vec<_> = set.iter().map(|s| format!("{} {} {}", s.name.plain(), s.blue, s.green)).collect();
    moved.sort();
    assert_eq!(moved, ["public.new_seq 80 1080", "public.token_seq 70 1070", "s.a 20 1020"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_role_that_is_no_superuser_brings_large_objects_and_other_owners_tables() {
    let server = Server::start(&[]).unwrap();
    // The owner of the tables may create them in `public` by a grant that the dump gives last.
    let schema = "CREATE ROLE app; CREATE ROLE mover LOGIN PASSWORD 'x'; GRANT app, pg_read_all_stats TO mover;
                  ALTER DATABASE blue OWNER TO mover; ALTER DATABASE green OWNER TO mover; CREATE EXTENSION citext;
                  GRANT CREATE ON SCHEMA public TO app; CREATE SCHEMA apart AUTHORIZATION app; SET ROLE app;
                  CREATE TABLE t (id serial PRIMARY KEY, mail citext); INSERT INTO t (mail) VALUES ('A@b');
                  CREATE TABLE apart.t (id serial); SELECT count(lo_from_bytea(0, 'x')) FROM generate_series(1, 250);
                  RESET ROLE; SELECT lo_from_bytea(7, 'of another'); GRANT SELECT ON LARGE OBJECT 7 TO app;
                  ALTER LARGE OBJECT 7 OWNER TO app; ALTER DATABASE blue SET work_mem = '8MB';";
    let owner = "ALTER SCHEMA stage OWNER TO app; ALTER TABLE stage.token OWNER TO app;";
    let stage = stage_of(Pair::on(server, None, "").await, &[schema, include_str!("zoo/stage.sql"), owner]);
    let server = &stage.pair.server;
    let run = |args: &[&str]| {
        let mut command = stage.command(args);
        command.env("BLUE_URL", server.url_as("mover", "x", "blue"));
        command.env("GREEN_URL", server.url_as("mover", "x", "green"));
        support::stage::Ran::of(command.output().unwrap())
    };
    run(&["apply", "--yes"]).expect(0);
    assert_same("dumps", &dump(&stage.pair.blue), &dump(&stage.pair.green));
    let (blue, green) = (stage.pair.on_blue().await, stage.pair.on_green().await);
    let (_, large_objects) = BESIDE[3];
    let objects = async |db: &Db| {
        let rows = db.rows(large_objects, &[]).await.unwrap();
        rows.iter().map(|row| row.get::<_, String>(0)).collect::<Vec<_>>()
    };
    assert_eq!(objects(&blue).await, objects(&green).await);
    assert_eq!(objects(&green).await.len(), 251);
    run(&["abort", "--yes"]).expect(0);
    assert_eq!(objects(&green).await, Vec::<String>::new());
}
