//! `migrate rehearse` as a CI runs it: from a dump and a folder to a verdict, and nothing left behind.

#![allow(clippy::unwrap_used)] // a test may

mod support;

use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use rustix::process::Signal;
use support::running::until;
use support::shape::shape;
use support::stage::{PARTICIPANTS, Ran, SCHEMA, Stage};

/// A stage whose blue is dumped; `BLUE_URL` and `GREEN_URL` are not set, as in a CI.
struct Ground {
    stage: Stage,
    servers: tempfile::TempDir,
}

impl Ground {
    async fn new() -> Self {
        Self::with(SCHEMA, PARTICIPANTS).await
    }

    async fn with(schema: &str, more: &str) -> Self {
        let stage = Stage::with(schema, more).await;
        let env = stage.pair.blue.program_env();
        let dumped = Command::new("pg_dump")
            .arg("--format=custom")
            .arg("--file")
            .arg(stage.path("blue.dump"))
            .envs(env)
            .status();
        assert!(dumped.unwrap().success());
        let servers = tempfile::Builder::new().prefix("r").tempdir().unwrap();
        // The servers' own user must get through.
        std::fs::set_permissions(servers.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
        Self { stage, servers }
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = self.stage.command(args);
        command.env_remove("BLUE_URL").env_remove("GREEN_URL").env_remove("GITHUB_ACTIONS");
        command.env("TMPDIR", self.servers.path());
        command
    }

    fn run(&self, args: &[&str]) -> Ran {
        Ran::of(self.command(args).output().unwrap())
    }

    /// What the servers left.
    fn left(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.servers.path()).unwrap();
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dump_and_a_folder_lead_to_a_verdict_and_a_report_and_leave_nothing() {
    let ground = Ground::new().await;
    let ran = ground.run(&["rehearse", "--from", "blue.dump", "--format", "json", "--junit", "junit.xml"]).expect(0);
    let doc = ran.json();
    assert_eq!((&doc["format"], &doc["verdict"]), (&"teal.rehearsal/1".into(), &"passed".into()));
    let event = &doc["events"][0];
    assert_eq!((event["lost"].as_u64(), event["made"] == event["captured"]), (Some(0), true), "{event:#}");
    for moment in ["before_copy", "before_migrations", "before_fence", "across_fence"] {
        assert!(event["at"][moment].as_u64() > Some(0), "{moment}: {event:#}");
    }
    assert!(doc["measured"]["fence_ms"].is_u64() && doc["measured"]["pause_ms"].is_u64(), "{doc:#}");
    assert_eq!(doc["left_out"].as_array().unwrap().len(), 2, "both participants are skipped: {doc:#}");
    assert_eq!(ground.stage.read("app.conf"), "blue", "no participant was touched");
    let junit = ground.stage.read("junit.xml");
    assert!(junit.contains("name=\"migrate/002_state.sql\"") && junit.contains("failures=\"0\""), "{junit}");
    assert_eq!(ground.left(), Vec::<String>::new());

    let report = ground.run(&["report"]).expect(0).says("A rehearsal on throwaway servers");
    let last = "Verdict: passed.\nNext: for the real databases: migrate plan plan.toml\n";
    assert!(report.stdout.ends_with(last), "{}", report.stdout);
    // It is no run: a real one begins as if nothing had been.
    ground.stage.run(&["apply", "--yes"]).expect(0);
    let report = ground.stage.run(&["report", "--format", "json"]).expect(0);
    assert_eq!(report.json()["format"], "teal.report/1");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failing_migration_is_shown_at_its_place_and_a_failing_check_by_its_name() {
    let ground = Ground::with(SCHEMA, &format!("{PARTICIPANTS}{LEVERS}")).await;
    ground.stage.edit("plan.toml", "\"SELECT count(*) FROM token WHERE state = 'live'\"", "\"SELECT 7\"");
    let ran = ground.run(&["rehearse", "--from", "blue.dump"]).expect(3);
    assert!(ran.stderr.contains("live tokens kept") && ran.stdout.contains("Verdict: failed."), "{}", ran.stdout);
    assert_eq!(ground.stage.read("lever"), "turned\nback\n", "however it ends");

    ground.stage.edit("migrations/002_state.sql", "DROP COLUMN active", "DROP COLUMN aktive");
    let arguments = ["rehearse", "--from", "blue.dump", "--junit", "junit.xml", "--annotations", "github"];
    let ran = ground.run(&arguments).expect(3).says("column \"aktive\"");
    assert!(ran.stderr.contains("::error file=migrations/002_state.sql,line=4,title="), "{}", ran.stderr);
    assert!(ground.stage.read("junit.xml").contains("<failure message="));
    assert_eq!(ground.left(), Vec::<String>::new());
    ground.run(&["report"]).expect(3).says("the rehearsal's verdict is: failed");
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_in_the_middle_it_leaves_nothing() {
    let ground = Ground::new().await;
    let servers = ground.servers.path().to_str().unwrap().to_owned();
    let url = ground.stage.pair.server.url("blue");
    let mut command = ground.command(&["rehearse", "--from-env", "STAGING_URL"]);
    let mut child = command.env("STAGING_URL", url).stderr(std::process::Stdio::null()).spawn().unwrap();
    until("both servers", async || ground.left().iter().filter(|name| name.starts_with("teal-")).count() == 2).await;
    let pid = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(pid, Signal::KILL).unwrap();
    child.wait().unwrap();
    until(&format!("an empty {servers}"), async || ground.left().is_empty()).await;
}

/// Events of other kinds than "a boolean stops being true": a word of a CHECK, a timestamp that begins, a composite of both,
/// a table without rows, and one that no statement can make happen.
const KINDS: &str = r#"
[[event]]
name = "closed"
table = "ticket"
ends = "state IN ('open', 'waiting')"
replay = "UPDATE ticket SET state = 'closed' WHERE id = :id::bigint"
verify = "SELECT 1 FROM ticket WHERE id = :id::bigint AND state <> 'closed'"

[[event]]
name = "deleted"
table = "ticket"
begins = "deleted_at IS NOT NULL"
replay = "UPDATE ticket SET deleted_at = now() WHERE id = :id::bigint"
verify = "SELECT 1 FROM ticket WHERE id = :id::bigint AND deleted_at IS NULL"

[[event]]
name = "never"
table = "empty"
ends = "live"
replay = "DELETE FROM empty WHERE id = :id::int"
verify = "SELECT 1 FROM empty WHERE id = :id::int"

[[event]]
name = "frozen"
table = "frozen"
ends = "id > 0"
replay = "DELETE FROM frozen WHERE id = :id::int"
verify = "SELECT 1 FROM frozen WHERE id = :id::int"
"#;
/// For the participant of that name.
const STAND_IN: &str = r#"
[rehearse.participant.service]
commit = ["touch", "stood-in"]
committed = ["test", "-e", "stood-in"]
"#;
/// The one has something that stands in for it, the other has nothing.
const LEVERS: &str = r#"
[[lever]]
name = "lifetime"
before = ["false"]
after = ["false"]
wait = "1h"
until = "finish"

[[lever]]
name = "cache"
before = ["false"]

[rehearse.lever.lifetime]
before = ["sh", "-c", "echo turned >> lever"]
after = ["sh", "-c", "echo back >> lever"]
"#;

const KINDS_SCHEMA: &str = "
    CREATE TABLE ticket (id bigserial PRIMARY KEY, deleted_at timestamptz,
                         state text NOT NULL DEFAULT 'open' CHECK (state IN ('open', 'waiting', 'closed')));
    INSERT INTO ticket (state) SELECT 'open' FROM generate_series(1, 300);
    INSERT INTO ticket (deleted_at) SELECT now() FROM generate_series(1, 5);
    CREATE TABLE empty (id int PRIMARY KEY, live boolean NOT NULL);
    CREATE TABLE frozen (id int PRIMARY KEY);
    CREATE TABLE holder (frozen int REFERENCES frozen);
    INSERT INTO frozen SELECT generate_series(1, 50); INSERT INTO holder SELECT id FROM frozen;";

#[tokio::test(flavor = "multi_thread")]
async fn events_of_every_kind_are_made_on_a_staging_s_copy_or_said_not_to_be_and_the_servers_can_be_kept() {
    let ground =
        Ground::with(&format!("{SCHEMA}{KINDS_SCHEMA}"), &format!("{KINDS}{PARTICIPANTS}{LEVERS}{STAND_IN}")).await;
    let url = ground.stage.pair.server.url("blue");
    let mut command = ground.command(&["rehearse", "--from-env", "STAGING_URL", "--keep", "--format", "json"]);
    let ran = Ran::of(command.env("STAGING_URL", &url).output().unwrap()).expect(0);
    let doc = ran.json();
    assert_eq!(doc["source"]["kind"], "staging database");
    assert!(doc["source"]["snapshot_ms"].is_u64() && !ran.stdout.contains(&url), "{doc:#}");
    // What stands in for a participant is prepared, committed and asked as that would be; the other one is skipped.
    assert!(ground.stage.path("stood-in").exists() && !ground.stage.path("current").exists());
    assert_eq!(doc["left_out"], serde_json::json!(["participant \"conf\": skipped", "lever \"cache\": not turned"]));
    assert_eq!(ground.stage.read("lever"), "turned\nback\n");
    let mut shown = doc.clone();
    for event in shown["events"].as_array_mut().unwrap() {
        // Which moments there was time for differs from run to run.
        for counted in ["at", "by", "receipts"] {
            event[counted] = serde_json::json!({ "some word": 1 });
        }
    }
    let mut shown = shape(&shown);
    shown["format"] = doc["format"].clone();
    insta::with_settings!({ omit_expression => true, prepend_module_to_snapshot => false }, {
        insta::assert_snapshot!("rehearsal_json", format!("{shown:#}"));
    });
    let events = doc["events"].as_array().unwrap();
    let of = |name: &str| events.iter().find(|event| event["event"] == name).unwrap();
    for name in ["ended", "closed", "deleted"] {
        let event = of(name);
        // How many there is time for differs; that there are some at each moment that waits for them does not.
        let some = |moment: &str| event["at"][moment].as_u64() > Some(0);
        assert!(["before_copy", "before_migrations", "before_fence"].into_iter().all(some), "{event:#}");
        assert!(event["made"].as_u64() > Some(40) && event["lost"] == 0, "{event:#}");
        assert!(event["by"].as_object().unwrap().len() == 2, "by UPDATE and otherwise: {event:#}");
    }
    assert_eq!(of("never")["why_not"], "public.empty holds no rows");
    let why = of("frozen")["why_not"].as_str().unwrap();
    assert!(why.contains("violates foreign key constraint"), "{why}");

    // Kept: both folders, stopped servers, and a file with which libpq gets in.
    let kept = ground.left();
    assert_eq!(kept.len(), 2, "{kept:?}");
    for folder in kept {
        let path = ground.servers.path().join(folder);
        assert!(path.join("data/PG_VERSION").exists() && !path.join("data/postmaster.pid").exists());
        let mode = std::fs::metadata(path.join("pgpass")).unwrap().permissions().mode();
        assert_eq!(mode & 0o77, 0, "the password is for its owner alone");
    }
    let staging = ground.stage.pair.on_blue().await;
    let ours = "SELECT to_regnamespace('teal') IS NULL";
    assert!(staging.row(ours, &[]).await.unwrap().get::<_, bool>(0), "nothing is written to staging");
}
