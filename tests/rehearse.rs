//! `migrate rehearse` as a CI runs it: from a dump and a folder to a verdict, and nothing left behind.

#![allow(clippy::unwrap_used)] // a test may

mod support;

use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use rustix::process::Signal;
use support::running::until;
use support::stage::{Ran, Stage};

/// A stage whose blue is dumped; `BLUE_URL` and `GREEN_URL` are not set, as in a CI.
struct Ground {
    stage: Stage,
    servers: tempfile::TempDir,
}

impl Ground {
    async fn new() -> Self {
        let stage = Stage::new().await;
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
    assert!(report.stdout.contains("Verdict: passed."), "{}", report.stdout);
    // It is no run: a real one begins as if nothing had been.
    ground.stage.run(&["apply", "--yes"]).expect(0);
    let report = ground.stage.run(&["report", "--format", "json"]).expect(0);
    assert_eq!(report.json()["format"], "teal.report/1");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failing_migration_is_shown_at_its_place_and_a_failing_check_by_its_name() {
    let ground = Ground::new().await;
    ground.stage.edit("plan.toml", "\"SELECT count(*) FROM token WHERE state = 'live'\"", "\"SELECT 7\"");
    let ran = ground.run(&["rehearse", "--from", "blue.dump"]).expect(3);
    assert!(ran.stderr.contains("live tokens kept") && ran.stdout.contains("Verdict: failed."), "{}", ran.stdout);

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
