//! Every tool's folder: what is pending on a database that the tool has been at, what is recorded, and, where the tool can
//! be had, that it looks at the result and finds nothing to do. The others are held to the table that they document.

#![allow(clippy::unwrap_used)] // a test may fail by panicking, its helpers included

mod support;

use std::fs;
use std::path::Path;
use std::time::Duration;

use support::Pair;
use teal::ddl::{Folder, Standing, findings, standings};
use teal::migrate::{self, FileFacts, Order};
use teal::plan::{MigrationSource, Migrations};
use teal::postgres::{Access, Db, Target};
use teal::replay::prepare_green;
use teal::sandbox::Server;
use teal::step::{Notices, Phase, StepId};
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

/// A database of its own on a shared server, and a folder.
struct Bench {
    target: Target,
    dir: TempDir,
    plan: Migrations,
}

impl Bench {
    async fn new(server: &Server, name: &str, files: &[(&str, &str)]) -> Self {
        let admin = Target::parse("admin", &server.url("postgres")).unwrap().connect(Access::ReadWrite).await.unwrap();
        admin.run(&format!("CREATE DATABASE {name}")).await.unwrap();
        let target = Target::parse("green", &server.url(name)).unwrap();
        let db = target.connect(Access::ReadWrite).await.unwrap();
        db.run(include_str!("../src/postgres/sql/create_run.sql")).await.unwrap();
        prepare_green(&db).await.unwrap();
        let dir = tempfile::tempdir().unwrap();
        let plan = Migrations {
            source: MigrationSource::Folder(dir.path().to_owned()),
            layout: None,
            table: None,
            applied: None,
            record: None,
            lock_timeout: Duration::from_millis(500),
        };
        let bench = Self { target, dir, plan };
        bench.write(files);
        bench
    }

    fn layout(mut self, name: &str) -> Self {
        self.plan.layout = Some(name.to_owned());
        self
    }

    fn write(&self, files: &[(&str, &str)]) {
        for (file, text) in files {
            let path = self.dir.path().join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
    }

    async fn db(&self) -> Db {
        self.target.connect(Access::ReadWrite).await.unwrap()
    }

    async fn folder(&self) -> Folder {
        migrate::read_migrations(self.dir.path(), &self.plan, &async || Ok(self.db().await)).await.unwrap()
    }

    /// Each file and where it stands.
    async fn standings(&self) -> Vec<(String, Standing)> {
        let folder = self.folder().await;
        let recorded = migrate::read_recorded(&self.db().await, &self.plan, folder.layout).await.unwrap();
        let standings = standings(&folder.migrations, &recorded);
        folder.migrations.iter().map(|m| m.file.clone()).zip(standings).collect()
    }

    async fn pending(&self) -> Vec<String> {
        let pending = self.standings().await.into_iter().filter(|(_, standing)| standing.is_pending());
        pending.map(|(file, _)| file).collect()
    }

    /// Findings about the bookkeeping, by id and object.
    async fn found(&self) -> Vec<String> {
        let folder = self.folder().await;
        let recorded = migrate::read_recorded(&self.db().await, &self.plan, folder.layout).await.unwrap();
        let found = teal::ddl::pending::findings(folder.layout, &folder.migrations, &recorded, "books");
        found.iter().map(|f| format!("{} {}", f.id, f.object)).collect()
    }

    /// Runs what is pending, as the engine does.
    async fn run(&self) -> Vec<FileFacts> {
        let folder = self.folder().await;
        let pending = self.pending().await;
        let mut all = Vec::new();
        for migration in folder.migrations.iter().filter(|m| pending.contains(&m.file)) {
            assert_eq!(findings(migration), [], "{}", migration.file);
            let step = StepId::new(Phase::Migrate, &migration.file);
            let order = Order { migration, plan: &self.plan, step: &step, digest: &migration.checksum };
            let notices = Notices::new(step.clone(), None);
            all.push(migrate::run_file(&self.target, &order, &notices, &CancellationToken::new()).await.unwrap());
        }
        assert_eq!(self.pending().await, Vec::<String>::new(), "nothing is pending afterwards");
        // As if another release came: receipts are by step, and a repeatable file has one step.
        self.db().await.run("TRUNCATE teal.migrated, teal.piece").await.unwrap();
        all
    }

    async fn rows(&self, sql: &str) -> Vec<String> {
        let rows = self.db().await.rows(&format!("SELECT r::text FROM ({sql}) r"), &[]).await.unwrap();
        rows.iter().map(|row| row.get(0)).collect()
    }
}

const BOM_CRLF: &str =
    "\u{feff}-- it's a comment; with all of it\r\nCREATE TABLE a (id int);\r\nINSERT INTO a VALUES (1)";

#[tokio::test]
async fn flyway_is_recorded_with_rank_checksum_and_flag() {
    let server = Server::start(&[]).unwrap();
    let bench = Bench::new(
        &server,
        "flyway",
        &[
            ("V1__first_table.sql", BOM_CRLF),
            ("V1.2__Nothing.sql", "-- nothing but; a comment\n"),
            ("V1_10__index.sql", "CREATE INDEX CONCURRENTLY a_id ON a (id);\n"),
            ("U1__first_table.sql", "DROP TABLE a;"),
            ("B1__base.sql", "SELECT nonsense"),
            ("sub/R__view of a.sql", "CREATE OR REPLACE VIEW v AS SELECT id FROM a;"),
            ("V2__whole.sql", "SELECT nothing FROM a"),
            ("afterMigrate.sql", "SELECT nonsense"),
        ],
    )
    .await;
    // A baseline is for databases where nothing is in, so this one begins with a row.
    let db = bench.db().await;
    assert_eq!(bench.pending().await[0], "B1__base.sql", "on an empty database the baseline comes first");
    fs::remove_file(bench.dir.path().join("B1__base.sql")).unwrap();
    bench.write(&[("V2__whole.sql", "BEGIN;\nINSERT INTO a VALUES (2);\nCOMMIT;\n")]);
    let order =
        ["V1__first_table.sql", "V1.2__Nothing.sql", "V1_10__index.sql", "V2__whole.sql", "sub/R__view of a.sql"];
    assert_eq!(bench.pending().await, order);
    let folder = bench.folder().await;
    let ignored: Vec<_> = folder.ignored.iter().map(|i| (i.file.as_str(), i.why)).collect();
    let callback = ("afterMigrate.sql", "a callback; callbacks are not run");
    assert_eq!(ignored, [("U1__first_table.sql", "an undo migration"), callback]);
    bench.run().await;
    let sql = "SELECT installed_rank, version, description, type, script, checksum, installed_by = session_user AS by, \
               installed_on > now() - interval '1 hour' AS lately, execution_time >= 0 AS timed, success \
               FROM flyway_schema_history ORDER BY 1";
    // The checksums are zlib's crc32 of the lines without their ends, as a signed number.
    assert_eq!(
        bench.rows(sql).await,
        [
            "(1,1,\"first table\",SQL,V1__first_table.sql,1022653574,t,t,t,t)",
            "(2,1.2,Nothing,SQL,V1.2__Nothing.sql,-609444204,t,t,t,t)",
            "(3,1.10,index,SQL,V1_10__index.sql,1206963239,t,t,t,t)",
            "(4,2,whole,SQL,V2__whole.sql,-1575979104,t,t,t,t)",
            "(5,,\"view of a\",SQL,\"sub/R__view of a.sql\",-883864728,t,t,t,t)",
        ]
    );
    // A newer release: an older version, an edited repeatable, a released file that was edited.
    bench.write(&[
        ("V1.5__late.sql", "INSERT INTO a VALUES (3);"),
        ("sub/R__view of a.sql", "CREATE OR REPLACE VIEW v AS SELECT id FROM a WHERE id > 0;"),
        ("V2__whole.sql", "SELECT 1;"),
    ]);
    let standings = bench.standings().await;
    let late = ("V1.5__late.sql".to_owned(), Standing::OutOfOrder);
    assert!(standings.contains(&late) && standings.contains(&("V2__whole.sql".to_owned(), Standing::Edited)));
    assert_eq!(bench.pending().await, ["V1.5__late.sql", "sub/R__view of a.sql"]);
    let found = ["migration/out-of-order V1.5__late.sql", "migration/edited V2__whole.sql"];
    assert_eq!(bench.found().await, found);
    bench.run().await;
    // A failed row blocks; a baseline covers what is below it.
    db.run("UPDATE flyway_schema_history SET success = false WHERE version = '2'").await.unwrap();
    assert_eq!(bench.found().await[0], "migration/failed-before blue books");
    db.run(
        "DELETE FROM flyway_schema_history WHERE installed_rank <> 1;
         UPDATE flyway_schema_history SET type = 'BASELINE', version = '1.7', checksum = NULL",
    )
    .await
    .unwrap();
    let standings = bench.standings().await;
    assert_eq!(standings.iter().filter(|(_, standing)| *standing == Standing::BelowBaseline).count(), 3);
    assert_eq!(bench.pending().await, ["V1_10__index.sql", "V2__whole.sql", "sub/R__view of a.sql"]);
}

#[tokio::test]
async fn golang_migrate_keeps_one_row_and_pop_knows_dialects_and_old_versions() {
    let server = Server::start(&[]).unwrap();
    let files: &[(&str, &str)] = &[
        ("000001_a.up.sql", BOM_CRLF),
        ("000001_a.down.sql", "DROP TABLE a"),
        ("000003_index.up.sql", "CREATE INDEX CONCURRENTLY a_id ON a (id)"),
    ];
    let bench = Bench::new(&server, "golang", files).await;
    let ambiguous = migrate::read_migrations(bench.dir.path(), &bench.plan, &async || Ok(bench.db().await)).await;
    let ambiguous = ambiguous.unwrap_err();
    assert!(ambiguous.what.ends_with(
        "its files fit \"golang-migrate\" and \"pop\" and \"sqlx\", and no bookkeeping table on blue tells which"
    ));
    let mut bench = bench.layout("golang-migrate");
    bench.run().await;
    assert_eq!(bench.rows("SELECT * FROM schema_migrations").await, ["(3,f)"]);
    // The table tells from now on. One row: what is older counts as in.
    bench.plan.layout = None;
    bench.write(&[("000002_late.up.sql", "SELECT nonsense"), ("000004_d.up.sql", "INSERT INTO a VALUES (4)")]);
    assert_eq!(bench.pending().await, ["000004_d.up.sql"]);
    bench.run().await;
    assert_eq!(bench.rows("SELECT * FROM schema_migrations").await, ["(4,f)"]);
    bench.db().await.run("UPDATE schema_migrations SET dirty = true").await.unwrap();
    assert_eq!(bench.found().await, ["migration/failed-before blue books"]);

    let files: &[(&str, &str)] = &[
        ("20200101000000000001_a.up.sql", "SELECT nonsense"),
        ("20200101000000000001_a.postgres.up.sql", "CREATE TABLE a (id int)"),
        ("20200101000000000001_a.mysql.up.sql", "SELECT `nonsense`"),
        ("20200101000000000001_a.down.sql", ""),
        ("20200102000000000002_b.postgres.autocommit.up.sql", "CREATE INDEX CONCURRENTLY ON a (id); VACUUM a;"),
        ("20200103000000000003_c.up.sql", "-- only\n"),
    ];
    let bench = Bench::new(&server, "pop", files).await;
    let folder = bench.folder().await;
    assert_eq!((folder.layout.name, folder.ignored.len()), ("pop", 3));
    bench.run().await;
    let rows = ["(20200101000000000001,0)", "(20200102000000000002,0)", "(20200103000000000003,0)"];
    assert_eq!(bench.rows("SELECT * FROM schema_migration ORDER BY 1").await, rows);
    // A database of the time of 14 digits.
    bench.db().await.run("UPDATE schema_migration SET version = left(version, 14)").await.unwrap();
    assert_eq!(bench.pending().await, Vec::<String>::new());
    bench.write(&[("20200104000000_d.up.fizz", "add_column()")]);
    let fizz = migrate::read_migrations(bench.dir.path(), &bench.plan, &async || Ok(bench.db().await)).await;
    assert!(fizz.unwrap_err().what.ends_with("20200104000000_d.up.fizz: fizz, which only pop itself understands"));
}

#[tokio::test]
async fn goose_dbmate_and_diesel_are_recorded_as_they_do_it() {
    let server = Server::start(&[]).unwrap();
    let files: &[(&str, &str)] = &[
        (
            "00001_a.sql",
            "-- +goose Up\n-- +goose StatementBegin\nCREATE FUNCTION f() RETURNS int LANGUAGE plpgsql AS $$ BEGIN RETURN 1; END $$;\n\
             -- +goose StatementEnd\nCREATE TABLE a (id int);\n-- +goose Down\nDROP TABLE 'nonsense;\n",
        ),
        ("00003_index.sql", "-- +goose NO TRANSACTION\n-- +goose Up\nCREATE INDEX CONCURRENTLY a_id ON a (id);\n"),
    ];
    let bench = Bench::new(&server, "goose", files).await;
    bench.run().await;
    let sql = "SELECT id, version_id, is_applied FROM goose_db_version ORDER BY 1";
    assert_eq!(bench.rows(sql).await, ["(1,0,t)", "(2,1,t)", "(3,3,t)"]);
    bench.db().await.run("INSERT INTO goose_db_version (version_id, is_applied) VALUES (3, false)").await.unwrap();
    bench.write(&[("00000000002_late.sql", "-- +goose Up\nSELECT 1")]);
    assert_eq!(bench.pending().await, ["00000000002_late.sql", "00003_index.sql"], "the last row of a version counts");

    let files: &[(&str, &str)] = &[
        ("20240101_a.sql", "\u{feff}-- migrate:up\nCREATE TABLE a (id int);\n-- migrate:down\nDROP TABLE a\n"),
        ("20240102_b.sql", "-- migrate:up transaction:false\nCREATE INDEX CONCURRENTLY ON a (id);\n-- migrate:down\n"),
    ];
    let bench = Bench::new(&server, "dbmate", files).await;
    bench.run().await;
    assert_eq!(bench.rows("SELECT * FROM schema_migrations ORDER BY 1").await, ["(20240101)", "(20240102)"]);
    looked_at_by_dbmate(bench.dir.path(), &server.url("dbmate"));

    let files: &[(&str, &str)] = &[
        ("2024-01-01-000000_a/up.sql", "CREATE TABLE a (id int)"),
        ("2024-01-01-000000_a/down.sql", "DROP TABLE a"),
        ("2024-01-02-000000_b/up.sql", "CREATE INDEX CONCURRENTLY ON a (id)"),
        ("2024-01-02-000000_b/metadata.toml", "run_in_transaction = false\n"),
    ];
    let bench = Bench::new(&server, "diesel", files).await;
    bench.run().await;
    let sql = "SELECT version, run_on > now() - interval '1 day' AS lately FROM __diesel_schema_migrations ORDER BY 1";
    assert_eq!(bench.rows(sql).await, ["(20240101000000,t)", "(20240102000000,t)"]);
}

/// dbmate itself, where npm can fetch it; said where not.
#[allow(clippy::print_stderr)]
fn looked_at_by_dbmate(dir: &Path, url: &str) {
    let tools = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/tools");
    let dbmate = tools.join("node_modules/@dbmate/linux-x64/bin/dbmate");
    if !dbmate.exists() {
        fs::create_dir_all(&tools).unwrap();
        let mut npm = std::process::Command::new("npm");
        npm.args(["install", "--silent", "--prefix"]).arg(&tools).arg("dbmate@2.36.0");
        if !npm.status().is_ok_and(|status| status.success()) || !dbmate.exists() {
            eprintln!("npm can't fetch dbmate here: its documented table alone was compared");
            return;
        }
    }
    let url = format!("{url}{}sslmode=disable", if url.contains('?') { "&" } else { "?" });
    let ran = std::process::Command::new(&dbmate)
        .args(["--no-dump-schema", "--migrations-dir"])
        .arg(dir)
        .args(["--url", &url, "status", "--exit-code"])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&ran.stdout);
    assert!(ran.status.success() && said.contains("Pending: 0"), "{said}{}", String::from_utf8_lossy(&ran.stderr));
}

#[tokio::test]
async fn sqlx_itself_finds_nothing_to_do() {
    let server = Server::start(&[]).unwrap();
    let files: &[(&str, &str)] = &[
        ("0001_first_table.sql", BOM_CRLF),
        ("0002_index.sql", "-- no-transaction\nCREATE INDEX CONCURRENTLY a_id ON a (id)"),
        ("0003_nothing.sql", "-- it's; nothing"),
    ];
    let mut bench = Bench::new(&server, "sqlx", files).await.layout("sqlx");
    bench.run().await;
    let pool = sqlx::PgPool::connect(&server.url("sqlx")).await.unwrap();
    let migrator = sqlx::migrate::Migrator::new(bench.dir.path()).await.unwrap();
    let sql = "SELECT version, description, success, execution_time > 0 AS timed FROM _sqlx_migrations ORDER BY 1";
    let before = bench.rows(sql).await;
    assert_eq!(before, ["(1,\"first table\",t,t)", "(2,index,t,t)", "(3,nothing,t,t)"]);
    // It compares every checksum with its own, then runs what is pending.
    migrator.run(&pool).await.unwrap();
    assert_eq!(bench.rows(sql).await, before, "sqlx ran nothing");
    bench.plan.layout = None;
    assert_eq!(bench.folder().await.layout.name, "sqlx", "its table tells it from plain files");
    bench.write(&[("0003_nothing.sql", "-- edited")]);
    assert_eq!(bench.found().await, ["migration/edited 0003_nothing.sql"]);
    bench.db().await.run("UPDATE _sqlx_migrations SET success = false WHERE version = 2").await.unwrap();
    assert_eq!(bench.found().await[0], "migration/failed-before blue books");
}

#[tokio::test]
async fn refinery_itself_finds_nothing_to_do() {
    let server = Server::start(&[]).unwrap();
    let files: &[(&str, &str)] = &[
        ("V1__first_table.sql", BOM_CRLF),
        ("V3__more.sql", "INSERT INTO a VALUES (3)"),
        ("U2__any_time.sql", "SELECT 1"),
    ];
    let bench = Bench::new(&server, "refinery", files).await.layout("refinery");
    bench.run().await;
    let (mut client, connection) =
        tokio_postgres::connect(&server.url("refinery"), tokio_postgres::NoTls).await.unwrap();
    tokio::spawn(connection);
    let migrations = refinery::load_sql_migrations(bench.dir.path()).unwrap();
    let report = refinery::Runner::new(&migrations).run_async(&mut client).await.unwrap();
    assert_eq!(report.applied_migrations().len(), 0, "refinery ran nothing");
    let sql = "SELECT version, name FROM refinery_schema_history ORDER BY 1";
    assert_eq!(bench.rows(sql).await, ["(1,first_table)", "(2,any_time)", "(3,more)"]);
    bench.write(&[("V2__late.sql", "SELECT 2")]);
    fs::remove_file(bench.dir.path().join("U2__any_time.sql")).unwrap();
    assert_eq!(bench.found().await, ["migration/edited V2__late.sql"]);
}

#[tokio::test]
async fn a_plan_s_own_books_and_a_table_of_another_name_take_the_tool_s_place() {
    let server = Server::start(&[]).unwrap();
    let mut bench = Bench::new(&server, "named", &[("1_a.up.sql", "CREATE TABLE a (id int)")]).await.layout("pop");
    bench.db().await.run("CREATE SCHEMA ops").await.unwrap();
    bench.plan.table = Some("ops.Versions".to_owned());
    bench.run().await;
    assert_eq!(bench.rows("SELECT version FROM ops.\"Versions\"").await, ["(1)"]);

    let files: &[(&str, &str)] =
        &[("V1__a_b.sql", "CREATE TABLE mine (v text, d text, s text, ms int)"), ("V2__c.sql", "")];
    let mut bench = Bench::new(&server, "own", files).await.layout("flyway");
    bench.plan.applied = Some("SELECT v FROM mine".to_owned());
    bench.plan.record = Some("INSERT INTO mine VALUES (:version, :description, :script, :ms)".to_owned());
    bench.run().await;
    let sql = "SELECT v, d, s FROM mine ORDER BY 1";
    assert_eq!(bench.rows(sql).await, ["(1,\"a b\",V1__a_b.sql)", "(2,c,V2__c.sql)"]);
}

#[tokio::test]
async fn a_half_built_index_is_dropped_and_a_statement_that_failed_may_be_mended() {
    let pair = Pair::start("").await;
    let bench = Bench::new(&pair.server, "apart", &[("1_a.sql", "-- no-transaction\nCREATE TABLE a (id int);\nINSERT INTO a VALUES (1), (1);\nCREATE UNIQUE INDEX CONCURRENTLY i ON a (id);")]).await;
    let run = async || {
        let folder = bench.folder().await;
        let migration = &folder.migrations[0];
        let step = StepId::new(Phase::Migrate, &migration.file);
        let order = Order { migration, plan: &bench.plan, step: &step, digest: &migration.checksum };
        migrate::run_file(&bench.target, &order, &Notices::new(step.clone(), None), &CancellationToken::new()).await
    };
    let failed = run().await.unwrap_err();
    assert!(failed.what.contains("1_a.sql:4: green: could not create unique index"), "{failed}");
    let indexes = "SELECT count(*) FROM pg_index WHERE indrelid = 'a'::regclass";
    assert_eq!(bench.rows(indexes).await, ["(0)"], "what the failed build left is dropped");
    // What is done can't be edited; what failed can.
    let text = "-- no-transaction\nCREATE TABLE a (id int);\nINSERT INTO a VALUES (1), (2);\nCREATE INDEX CONCURRENTLY i ON a (id);";
    bench.write(&[("1_a.sql", text)]);
    let edited = run().await.unwrap_err();
    assert!(edited.what.ends_with("1_a.sql:3: the statement here was begun or done in another form"), "{edited}");
    // As a process leaves it that died in the middle of the build: announced, and an invalid index.
    let text = text.replace("(1), (2)", "(1), (1)");
    bench.write(&[("1_a.sql", &text)]);
    let db = bench.db().await;
    let folder = bench.folder().await;
    let sql = &folder.migrations[0].sql;
    let announced = teal::plan::digest([sql.statements[2].text(&sql.text).as_bytes()]);
    db.execute(
        "INSERT INTO teal.piece (step, number, digest, done, before) VALUES ('migrate/1_a.sql', 2, $1, false, '{}')",
        &[&announced],
    )
    .await
    .unwrap();
    db.run("CREATE UNIQUE INDEX CONCURRENTLY i ON a (id)").await.unwrap_err();
    run().await.unwrap();
    let valid = "SELECT relname, indisvalid, indisunique FROM pg_index JOIN pg_class c ON c.oid = indexrelid WHERE indrelid = 'a'::regclass";
    assert_eq!(bench.rows(valid).await, ["(i,t,f)"]);
    assert_eq!(bench.rows("SELECT count(*) FROM a").await, ["(2)"], "what was done was not done again");
}
