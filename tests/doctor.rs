//! `migrate doctor` on real servers: what it finds, what it says to do about it, and what it could not see.

#![allow(clippy::unwrap_used)] // what can't be set up fails the test

mod support;

use std::collections::BTreeSet;
use std::net::{IpAddr, UdpSocket};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::Value;
use support::Pair;
use support::running::until_sql;
use support::small_disk::SmallDisk;
use support::stage::{Ran, SCHEMA, Stage};
use teal::finding::Severity;
use teal::guard::{self, CHECKS, Examined, Wanted};
use teal::plan::read_plan;
use teal::sandbox::{Binaries, Server};

/// Runs `doctor` with other URLs; gives the document. Its verdict and the exit code always agree.
fn ask(stage: &Stage, urls: &[(&str, &str)]) -> Value {
    let mut command = stage.command(&["doctor", "--format", "json", "--no-measure"]);
    command.envs(urls.iter().copied());
    let ran = Ran::of(command.output().unwrap());
    let document: Value = serde_json::from_str(ran.stdout.lines().next().unwrap()).unwrap();
    ran.expect(if document["verdict"] == "possible" { 0 } else { 3 });
    document
}

#[track_caller]
fn doctor_with(stage: &Stage, urls: &[(&str, &str)], code: i32) -> Value {
    let document = ask(stage, urls);
    assert_eq!(document["verdict"] == "possible", code == 0, "{document:#}");
    document
}

#[track_caller]
fn doctor(stage: &Stage, code: i32) -> Value {
    doctor_with(stage, &[], code)
}

/// The findings of one id: `blocker blue: what`.
fn found(document: &Value, id: &str) -> Vec<String> {
    let text = |finding: &Value, key: &str| finding[key].as_str().unwrap().to_owned();
    let all = document["findings"].as_array().unwrap().iter().filter(|finding| finding["id"] == id);
    all.map(|f| format!("{} {}: {}", text(f, "severity"), text(f, "object"), text(f, "what"))).collect()
}

/// What the findings of one id say to run, without comments.
fn next_of(document: &Value, id: &str) -> Vec<String> {
    let all = document["findings"].as_array().unwrap().iter().filter(|finding| finding["id"] == id);
    let lines = all.flat_map(|finding| finding["next"].as_str().unwrap_or_default().lines());
    lines.map(|line| line.split(" -- ").next().unwrap().to_owned()).collect()
}

/// The ids that are not notes.
fn heavy(document: &Value) -> BTreeSet<&str> {
    let all = document["findings"].as_array().unwrap().iter().filter(|finding| finding["severity"] != "note");
    all.map(|finding| finding["id"].as_str().unwrap()).collect()
}

fn topic<'a>(document: &'a Value, name: &str) -> &'a Value {
    let topics = document["topics"].as_array().unwrap();
    topics.iter().find(|topic| topic["topic"] == name).unwrap_or_else(|| panic!("no topic {name} in {document:#}"))
}

/// The same in the library, with another age from which on a transaction is shown.
async fn examine(stage: &Stage, old_after: Duration) -> Examined {
    let url = |name: &str| match name {
        "BLUE_URL" => Some(stage.pair.server.url("blue")),
        "GREEN_URL" => Some(stage.pair.server.url("green")),
        _ => None,
    };
    let plan = read_plan(&stage.path("plan.toml"), &url).unwrap();
    guard::examine(Wanted { plan: &plan, resuming: false, old_after, measure: false }).await
}

#[tokio::test]
async fn a_fit_pair_is_possible_before_and_during_a_run_and_every_line_fits() {
    let stage = Stage::new().await;
    let before = stage.run(&["doctor"]).expect(0);
    let (wide, told): (Vec<&str>, Vec<&str>) = before.stdout.lines().partition(|line| line.chars().count() > 80);
    assert!(wide.is_empty(), "{wide:#?}");
    assert!(told.contains(&"Next: migrate plan plan.toml"), "{}", before.stdout);
    assert!(before.stdout.contains("Possible here; 0 warnings"), "{}", before.stdout);
    assert!(!before.stdout.contains("://") && before.stderr.is_empty(), "{}", before.stderr);

    stage.ready();
    let document = doctor(&stage, 0);
    assert_eq!(document["verdict"], "possible");
    assert_eq!(document["next"], "migrate cutover plan.toml");
    assert_eq!(topic(&document, "green")["seen"][0], "holds what this run put there");
    assert_eq!(heavy(&document), BTreeSet::new(), "{document:#}");
}

#[tokio::test]
async fn with_one_database_only_the_rest_is_looked_at_and_the_other_is_named() {
    let stage = Stage::new().await;
    // A port that nobody listens on.
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let away = format!("postgres://nobody@127.0.0.1:{port}/away");
    let without_green = doctor_with(&stage, &[("GREEN_URL", &away)], 3);
    assert_eq!(heavy(&without_green), BTreeSet::from(["guard/unreachable"]));
    assert_eq!(next_of(&without_green, "guard/unreachable").len(), 1);
    assert!(topic(&without_green, "space")["seen"][0].as_str().unwrap().starts_with("blue "));
    assert_eq!(topic(&without_green, "events")["verdict"], "ok");
    assert!(!topic(&without_green, "settings")["unseen"].as_array().unwrap().is_empty());

    let without_blue = doctor_with(&stage, &[("BLUE_URL", &away)], 3);
    assert_eq!(heavy(&without_blue), BTreeSet::from(["guard/unreachable"]));
    assert!(topic(&without_blue, "versions")["seen"][0].as_str().unwrap().starts_with("green "));
    assert_eq!(without_blue["estimate"], Value::Null);

    let neither = doctor_with(&stage, &[("BLUE_URL", &away), ("GREEN_URL", &format!("{away}2"))], 3);
    assert_eq!(found(&neither, "guard/unreachable").len(), 2);
    assert_eq!(topic(&neither, "this machine")["verdict"], "ok");
}

#[tokio::test]
async fn a_role_as_amazon_gives_it_is_told_the_exact_grants_and_can_then_go_on() {
    let stage = Stage::with(
        &format!(
            "CREATE ROLE rds_superuser CREATEROLE CREATEDB; GRANT pg_monitor, pg_signal_backend TO rds_superuser;
             CREATE ROLE app; CREATE ROLE mover LOGIN PASSWORD 'x' CREATEROLE CREATEDB; GRANT rds_superuser TO mover;
             CREATE EXTENSION file_fdw; {SCHEMA}
             ALTER TABLE account OWNER TO app; ALTER TABLE token OWNER TO app; ALTER TABLE schema_migration OWNER TO app"
        ),
        "",
    )
    .await;
    let (blue, green) = ["blue", "green"].map(|db| stage.pair.server.url_as("mover", "x", db)).into();
    let urls = [("BLUE_URL", blue.as_str()), ("GREEN_URL", green.as_str())];
    let (on_blue, on_green) = (stage.pair.on_blue().await, stage.pair.on_green().await);
    let mut said = BTreeSet::new();
    let mut document = doctor_with(&stage, &urls, 3);
    assert!(topic(&document, "connection")["seen"][0].as_str().unwrap().ends_with("Amazon RDS"), "{document:#}");
    while !found(&document, "guard/privileges").is_empty() {
        for line in next_of(&document, "guard/privileges") {
            assert!(said.insert(line.clone()), "it was run, and is said again: {line}");
            on_blue.run(&line).await.unwrap();
            on_green.run(&line).await.unwrap();
        }
        document = ask(&stage, &urls);
    }
    assert!(said.contains("GRANT app TO mover;"), "{said:?}");
    // It sees what a monitor sees: settings, sessions, the state of standbys.
    for name in ["activity", "identity"] {
        assert_eq!(topic(&document, name)["unseen"].as_array().unwrap().len(), 0, "{document:#}");
    }
    // Which extensions it may make, Amazon's catalogs don't say.
    let rights = "warning green extension file_fdw: CREATE EXTENSION file_fdw wants a superuser on green";
    assert_eq!(found(&document, "guard/extension-rights"), [rights]);
    assert_eq!(document["verdict"], "possible", "{document:#}");
}

#[tokio::test]
async fn a_bare_role_is_told_what_it_could_not_see_and_which_right_would_let_it() {
    let schema = format!("CREATE ROLE azure_pg_admin; CREATE ROLE bare LOGIN PASSWORD 'x'; {SCHEMA}");
    let stage = Stage::with(&schema, "").await;
    let (blue, green) = ["blue", "green"].map(|db| stage.pair.server.url_as("bare", "x", db)).into();
    let document = doctor_with(&stage, &[("BLUE_URL", &blue), ("GREEN_URL", &green)], 3);
    let unseen = |name: &str| topic(&document, name)["unseen"].to_string();
    assert!(unseen("activity").contains("GRANT pg_read_all_stats TO \\\"bare\\\";"), "{}", unseen("activity"));
    assert!(unseen("settings").contains("GRANT pg_read_all_settings TO \\\"bare\\\";"), "{}", unseen("settings"));
    assert!(unseen("space").contains("storage_free"), "it is said where Azure shows it: {}", unseen("space"));
    assert!(heavy(&document).contains("guard/privileges"));
}

#[tokio::test]
async fn what_is_at_work_on_blue_or_stands_in_the_way_is_named_with_what_ends_it() {
    let settings = [("max_prepared_transactions", "5"), ("wal_level", "logical")];
    let schema = "CREATE EXTENSION IF NOT EXISTS citext;
                  CREATE FUNCTION seen() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN END';
                  CREATE EVENT TRIGGER watch ON ddl_command_end EXECUTE FUNCTION seen();
                  ALTER TABLE token SET UNLOGGED";
    let stage = Stage::on(Pair::start_with(&settings, &format!("{SCHEMA} {schema}")).await, "");
    let blue = stage.pair.on_blue().await;
    let lost = "SELECT pg_create_physical_replication_slot('lost', true)";
    blue.run(lost).await.unwrap();
    blue.run("BEGIN; INSERT INTO account (name) VALUES ('p'); PREPARE TRANSACTION 'it''s'").await.unwrap();
    let report = stage.pair.on_blue().await;
    report.run("SET application_name = 'report'; BEGIN; SELECT * FROM token").await.unwrap();
    blue.run("ALTER SYSTEM SET synchronous_standby_names = 'nobody'").await.unwrap();
    blue.run("SELECT pg_reload_conf()").await.unwrap();
    // A session learns of it in its own time; a new one has it from its beginning.
    let new = async || stage.pair.on_blue().await.row("SHOW synchronous_standby_names", &[]).await.unwrap();
    while new().await.get::<_, String>(0).is_empty() {}

    let examined = examine(&stage, Duration::ZERO).await;
    let all: Vec<_> = examined.topics.iter().flat_map(|topic| &topic.findings).collect();
    let next = |id: &str| all.iter().find(|f| f.id == id).map(|f| (f.severity, f.next.clone())).unwrap();
    let pid = report.backend_pid().await.unwrap();
    assert_eq!(
        next("guard/long-transaction"),
        (Severity::Note, format!("SELECT pg_terminate_backend({pid}); -- or wait"))
    );
    assert_eq!(
        next("guard/prepared-transaction"),
        (Severity::Warning, "ROLLBACK PREPARED 'it''s'; -- or COMMIT PREPARED".to_owned())
    );
    assert_eq!(next("guard/synchronous-commit").0, Severity::Blocker);
    assert_eq!(next("guard/event-trigger").0, Severity::Warning);
    assert_eq!(next("guard/event-unlogged").0, Severity::Warning);
    let (severity, drop_slot) = next("guard/replication-slot");
    assert_eq!(severity, Severity::Warning);
    // What is said ends it.
    report.run("ROLLBACK").await.unwrap();
    for id in ["guard/synchronous-commit", "guard/prepared-transaction"] {
        for statement in next(id).1.split(" -- ").next().unwrap().split_inclusive(';') {
            blue.run(statement).await.unwrap();
        }
    }
    while !new().await.get::<_, String>(0).is_empty() {}
    for statement in [&drop_slot, "DROP EVENT TRIGGER watch", "ALTER TABLE token SET LOGGED"] {
        blue.run(statement).await.unwrap();
    }
    assert_eq!(heavy(&doctor(&stage, 0)), BTreeSet::new());
}

/// The transaction that has ended for good; the server's numbers begin there.
const FAR_ON: u64 = 1_950_000_000;

/// Lets a server that stands still go on with its transaction numbers almost used up, as after years.
fn age(server: &Server) {
    let (data, binaries) = (server.folder().join("data"), Binaries::find_major(server.major()).unwrap());
    // The page of the commit log that holds the number: 2^20 of them are one file.
    let page = data.join(format!("pg_xact/{:04X}", FAR_ON >> 20));
    let owner = std::fs::metadata(&data).unwrap();
    std::fs::write(&page, vec![0; 256 << 10]).unwrap();
    std::os::unix::fs::chown(&page, Some(owner.uid()), Some(owner.gid())).unwrap();
    let mut reset = teal::sandbox::program_as_server_user(&binaries.path("pg_resetwal"));
    let reset = reset.args(["--force", "--next-transaction-id", &FAR_ON.to_string(), "--pgdata"]).arg(&data);
    let done = reset.current_dir("/").output().unwrap();
    assert!(done.status.success(), "{done:?}");
}

/// The address by which others would reach this machine; none where it has no network.
fn own_address() -> Option<IpAddr> {
    let socket = UdpSocket::bind("0.0.0.0:0").ok()?;
    // Nothing is sent: the kernel only chooses a route.
    socket.connect("198.51.100.1:9").ok()?;
    Some(socket.local_addr().ok()?.ip()).filter(|address| !address.is_loopback() && !address.is_unspecified())
}

#[tokio::test]
async fn a_blue_of_great_age_and_what_hangs_on_it_and_on_its_extensions_is_named() {
    let settings = [
        ("wal_level", "logical"),
        ("autovacuum", "off"),
        ("autovacuum_freeze_max_age", "1000000000"),
        // The vacuums by force that come all the same are at the catalogs for long.
        ("autovacuum_max_workers", "1"),
        ("autovacuum_vacuum_cost_delay", "100ms"),
        ("autovacuum_vacuum_cost_limit", "1"),
        ("vacuum_failsafe_age", "2100000000"),
        ("shared_preload_libraries", "pg_stat_statements"),
        ("listen_addresses", "*"),
    ];
    let schema = "CREATE EXTENSION pg_stat_statements; CREATE EXTENSION hstore;
                  UPDATE pg_extension SET extname = 'pg_partman' WHERE extname = 'hstore';
                  CREATE COLLATION german (provider = icu, locale = 'de'); CREATE TABLE word (w text COLLATE german);
                  UPDATE pg_collation SET collversion = '0' WHERE collname = 'german'";
    let disk = SmallDisk::mount(160);
    let green = disk.as_ref().map_or_else(|| Server::start(&[]), |disk| Server::start_in(disk.path(), &[])).unwrap();
    let blue = Server::start(&settings).unwrap();
    let stage = Stage::on(Pair::on(blue, Some(green), &format!("{SCHEMA} {schema}")).await, "");
    let server = &stage.pair.server;
    let blue = stage.pair.on_blue().await;
    blue.run("CREATE TABLE bulk AS SELECT repeat('x', 1000) FROM generate_series(1, 60000)").await.unwrap();
    blue.run("SELECT pg_create_logical_replication_slot('forgotten', 'pgoutput')").await.unwrap();
    blue.run("CHECKPOINT").await.unwrap();
    server.crash().unwrap();
    age(server);
    let hba = server.folder().join("data/pg_hba.conf");
    let more = std::fs::read_to_string(&hba).unwrap() + "host all all samenet scram-sha-256\n";
    std::fs::write(&hba, more).unwrap();
    server.resume().unwrap();
    // Somebody who follows blue's log, as a standby does.
    let mut follower = Command::new("pg_receivewal")
        .args(["--no-loop", "--directory"])
        .arg(stage.path("."))
        .args(["--dbname", &server.url("postgres")])
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let following = "SELECT EXISTS (SELECT FROM pg_stat_replication WHERE state = 'streaming')";
    until_sql(&stage.pair.on_blue().await, following).await;

    let outside = own_address().map(|ip| server.url("blue").replace("127.0.0.1", &ip.to_string()));
    let mut urls = vec![("GREEN_URL", stage.pair.green_on().url("green"))];
    urls.extend(outside.clone().map(|url| ("BLUE_URL", url)));
    let urls: Vec<(&str, &str)> = urls.iter().map(|(name, url)| (*name, url.as_str())).collect();
    if let Some(disk) = &disk {
        stage.edit(
            "plan.toml",
            "[migrations]",
            &format!("[journal]\ndir = \"{}\"\n\n[migrations]", disk.path().display()),
        );
        disk.fill_but(40 << 20);
    }
    let document = doctor_with(&stage, &urls, 3);
    follower.kill().unwrap();
    follower.wait().unwrap();

    let first = |id: &str| found(&document, id).into_iter().next().unwrap_or_else(|| panic!("no {id} in {document:#}"));
    assert!(first("guard/wraparound").starts_with("blocker blue: 1,949,9"), "{}", first("guard/wraparound"));
    assert!(first("guard/horizon-held").contains("slot 'forgotten' has held vacuum back for 1,949,9"), "{document:#}");
    let forced = "warning blue: autovacuum vacuums public.token by force, now or soon, to prevent wraparound";
    assert_eq!(first("guard/vacuum-by-force"), forced);
    assert_eq!(next_of(&document, "guard/vacuum-by-force"), ["VACUUM (FREEZE) public.token;"]);
    assert!(first("guard/collation-version").contains("went from 0 to "), "{document:#}");
    assert!(first("guard/standby").starts_with("note blue: followers of blue: pg_receivewal"), "{document:#}");
    let preload = "warning green extension pg_stat_statements: blue has pg_stat_statements, and green's server does not \
                   load it at its start";
    assert_eq!(first("guard/preload-library"), preload);
    let acts = "warning blue extension pg_partman: it makes and drops partitions by itself";
    assert_eq!(first("guard/extension-acts"), acts);
    if disk.is_some() {
        assert!(first("guard/disk-green").starts_with("blocker green: green's disk has "), "{document:#}");
        assert!(first("guard/disk-here").starts_with("blocker this machine: "), "{document:#}");
    }
    let seen = topic(&document, "connection")["seen"].to_string();
    if outside.is_some() {
        assert_eq!(first("guard/no-tls"), "warning blue: blue is reached without TLS");
        assert!(seen.contains(" ms away, no TLS, "), "{seen}");
    }
    assert!(seen.contains("no TLS (loopback)"), "{seen}");
}

#[tokio::test]
async fn what_greens_server_lacks_of_blues_is_mended_by_what_is_said() {
    let settings = [("timezone", "Europe/Berlin"), ("max_prepared_transactions", "3"), ("work_mem", "9MB")];
    let schema = "CREATE ROLE staff; CREATE ROLE app LOGIN PASSWORD 'x' IN ROLE staff;
                  ALTER ROLE app SET statement_timeout = '7s'; ALTER ROLE app SET search_path = auth, public";
    let stage = Stage::on(Pair::start_with(&settings, &format!("{SCHEMA} {schema}")).await, "");
    // Every column may take TOAST: the schema's restore locks three relations a table.
    let wide = "DO $$ BEGIN FOR i IN 1..660 LOOP EXECUTE format('CREATE TABLE w%s (a text)', i); END LOOP; END $$";
    stage.pair.on_blue().await.run(wide).await.unwrap();
    let other = Pair::start_with(
        &[
            ("shared_buffers", "1MB"),
            ("max_connections", "20"),
            ("max_locks_per_transaction", "10"),
            ("max_prepared_transactions", "0"),
        ],
        "",
    )
    .await;
    let app = teal::postgres::Target::parse("app", &stage.pair.server.url_as("app", "x", "blue")).unwrap();
    let at_work = app.connect(teal::postgres::Access::ReadOnly).await.unwrap();
    at_work.run("SET application_name = 'shop'").await.unwrap();
    let green = other.server.url("green");
    let urls = [("GREEN_URL", green.as_str())];

    let document = doctor_with(&stage, &urls, 3);
    let lacks = ["guard/answers-differ", "guard/client-roles", "guard/locks-per-transaction", "guard/two-phase"];
    assert_eq!(heavy(&document), BTreeSet::from(lacks), "{document:#}");
    assert!(found(&document, "guard/settings-differ")[0].contains("work_mem 9.0 MB → 4.0 MB"), "{document:#}");
    // pg_restore fails there indeed, and not because of anything else.
    let admin = other.on_green().await;
    let in_one = "DO $$ BEGIN FOR i IN 1..660 LOOP EXECUTE format('CREATE TABLE w%s (a text)', i); END LOOP; END $$";
    assert!(admin.run(in_one).await.unwrap_err().message().contains("out of shared memory"));

    // Some lacks hide behind others: a role that is not there has no settings.
    let mut document = document;
    for _ in 0..3 {
        for id in ["guard/answers-differ", "guard/client-roles", "guard/role-settings"] {
            for line in next_of(&document, id) {
                if line.contains("staff") {
                    admin.run("CREATE ROLE staff").await.unwrap();
                }
                admin.run(&line).await.unwrap();
            }
        }
        for id in ["guard/locks-per-transaction", "guard/two-phase"] {
            for line in next_of(&document, id) {
                admin.run(&line).await.unwrap();
            }
        }
        document = ask(&stage, &urls);
    }
    other.server.crash().unwrap();
    other.server.resume().unwrap();
    assert_eq!(heavy(&ask(&stage, &urls)), BTreeSet::new());
    other.on_green().await.run(in_one).await.unwrap();
}

#[tokio::test]
async fn what_this_machine_lacks_is_named() {
    let more = "[journal]\ndir = \"plan.toml/journal\"\n\n[[participant]]\nname = \"conf\"\nkind = \"file\"\n\
                path = \"app.conf\"\ncontent = \"gone.conf\"\n\n[[check]]\nname = \"app\"\nblue = [\"./gone\"]\n\
                green = [\"true\"]\nexpect = \"equal\"\n";
    let stage = Stage::with(SCHEMA, more).await;
    stage.edit("plan.toml", "[databases]\n", "[databases]\nauthz = \"${AUTHZ_URL}\"\n");
    let authz = stage.pair.server.url("nowhere");
    let document = doctor_with(&stage, &[("AUTHZ_URL", &authz)], 3);
    let lacks = [
        "guard/file-missing",
        "guard/journal-folder",
        "guard/program-missing",
        "guard/unanswered",
        "plan/journal-unread",
    ];
    assert_eq!(heavy(&document), BTreeSet::from(lacks), "{document:#}");
    // An environment without the plan's variables is said before any database is asked.
    let unset = stage.run(&["doctor"]).expect(2);
    assert!(unset.stderr.contains("AUTHZ_URL"), "{}", unset.stderr);
}

#[tokio::test]
async fn reading_is_measured_where_there_is_enough_to_read_and_bounded() {
    let rows = "CREATE TABLE big AS SELECT i AS id, repeat('x', 200) AS note FROM generate_series(1, 100000) i";
    let stage = Stage::with(&format!("{SCHEMA} {rows}"), "").await;
    let ran = stage.run(&["doctor", "--format", "json"]).expect(0);
    let estimate = &ran.json()["estimate"];
    assert!(estimate["read_bytes_per_second"].as_u64().unwrap() > 1 << 20, "{estimate:#}");
    assert!(estimate["basis"].as_str().unwrap().starts_with("read from blue at "), "{estimate:#}");
    assert_eq!(doctor(&stage, 0)["estimate"]["read_bytes_per_second"], Value::Null, "--no-measure");
}

/// There is one clock on this machine, so blue is made to tell another time by the function that every session asks for it.
#[tokio::test]
async fn a_server_whose_clock_is_off_is_told_against_ours_and_against_the_other_one() {
    let stage = Stage::new().await;
    let an_hour_ahead = "
        ALTER FUNCTION pg_catalog.clock_timestamp() RENAME TO right_time;
        CREATE FUNCTION pg_catalog.clock_timestamp() RETURNS timestamptz LANGUAGE sql
            AS $$ SELECT pg_catalog.right_time() + interval '1 hour' $$";
    stage.pair.on_blue().await.run(an_hour_ahead).await.unwrap();
    // Such a function is itself one that pg_dump leaves out.
    let document = doctor(&stage, 3);
    assert_eq!(heavy(&document), BTreeSet::from(["guard/clock", "guard/not-carried"]), "{document:#}");
    let told = found(&document, "guard/clock");
    let [ours, other] = told.as_slice() else { panic!("{told:?}") };
    assert!(
        ours.starts_with("warning blue: the clock of blue is 3") && ours.ends_with(" s ahead of that of this machine"),
        "{ours}"
    );
    assert!(
        other.starts_with("warning green: the clock of green is 3") && other.ends_with(" s behind that of blue"),
        "{other}"
    );
}

/// The ids that the guards give, as they stand in the source.
fn ids_of_the_guards() -> BTreeSet<String> {
    let mut ids = BTreeSet::new();
    for entry in std::fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("src/guard")).unwrap() {
        let path = entry.unwrap().path();
        if path.ends_with("checks.rs") {
            continue;
        }
        let text = std::fs::read_to_string(&path).unwrap();
        let literals = text.split('"').skip(1).step_by(2);
        ids.extend(literals.filter(|l| l.starts_with("guard/") && !l.contains(' ')).map(str::to_owned));
    }
    ids
}

#[test]
fn the_table_of_checks_has_every_guard_and_the_page_is_written_from_it() {
    let given = ids_of_the_guards();
    let listed: BTreeSet<String> = CHECKS.iter().map(|check| check.id.to_owned()).collect();
    assert_eq!(listed.len(), CHECKS.len(), "an id stands twice");
    let missing: Vec<_> = given.difference(&listed).collect();
    let stale: Vec<_> = listed.difference(&given).collect();
    assert!(missing.is_empty() && stale.is_empty(), "not in CHECKS: {missing:?}; in no guard: {stale:?}");
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/doctor.md");
    let page = std::fs::read_to_string(&path).unwrap();
    let table: String = page.lines().filter(|line| line.starts_with('|')).flat_map(|line| [line, "\n"]).collect();
    assert_eq!(table, guard::page(), "put this table into docs/doctor.md:\n{}", guard::page());
}
