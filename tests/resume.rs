//! Saved plans, plans that change on the way, and migrations that fail in their middle.

#![allow(clippy::unwrap_used)] // a test may

mod support;

use std::collections::BTreeMap;

use serde_json::Value;
use support::stage::{PARTICIPANTS, Ran, SCHEMA, Stage};
use teal::catalog::read_structure;

fn times(stage: &Stage, record: &str) -> usize {
    stage.journal().iter().filter(|one| *one == record).count()
}

fn report(stage: &Stage) -> Value {
    stage.run(&["report", "--format", "json"]).expect(0).json()
}

async fn green_rows(stage: &Stage, sql: &str) -> Vec<String> {
    let rows = stage.pair.on_green().await.rows(sql, &[]).await.unwrap();
    rows.iter().map(|row| row.get(0)).collect()
}

/// Everything that green is: its structure and the rows of its tables.
async fn green_state(stage: &Stage) -> (BTreeMap<String, String>, Vec<String>) {
    let green = stage.pair.on_green().await;
    let structure = read_structure(&green).await.unwrap().0;
    let mut rows = Vec::new();
    for table in ["account", "token", "owner", "schema_migration"] {
        rows.extend(green_rows(stage, &format!("SELECT t::text FROM {table} t ORDER BY t::text")).await);
    }
    (structure, rows)
}

#[track_caller]
fn hint_of(ran: &Ran) -> &str {
    let last = ran.stderr.lines().last().unwrap_or_default();
    last.strip_prefix("Hint: ").unwrap_or_else(|| panic!("no hint at the end of:\n{}", ran.stderr))
}

#[tokio::test]
async fn a_failed_check_stops_until_it_is_accepted_and_then_is_told_everywhere() {
    let stage = Stage::new().await;
    stage.edit("plan.toml", "state = 'live'\"\nexpect", "state = 'none'\"\nexpect");
    let stopped = stage.run(&["apply", "--yes"]).expect(3).says("check/failed");
    assert!(stopped.stderr.contains("live tokens kept"), "{}", stopped.stderr);
    let accept = |object: &str| format!("\n[[accept]]\nfinding = \"check/failed:{object}\"\nwhy = \"a trial\"\n");
    let plan = stage.read("plan.toml");
    stage.write("plan.toml", &format!("{plan}{}", accept("check another")));
    stage.run(&["apply", "--yes"]).expect(3).says("check/failed");
    stage.write(
        "plan.toml",
        &format!(
            "{plan}{}{}",
            accept("check live tokens kept"),
            "\n[[accept]]\nfinding = \"guard/no-such\"\nwhy = \"w\"\n"
        ),
    );
    let planned = stage.run(&["plan"]).expect(0);
    assert!(planned.stdout.contains("accept guard/no-such: it matches no finding"), "{}", planned.stdout);
    stage.ready();
    assert_eq!(times(&stage, "blocker_accepted"), 1);
    stage.run(&["cutover", "--yes"]).expect(0);
    let told = report(&stage);
    assert_eq!(told["verdict"], "passed");
    assert_eq!(
        (&told["accepted"][0]["object"], &told["accepted"][0]["accepted"]),
        (&"check live tokens kept".into(), &"a trial".into())
    );
    let text = stage.run(&["report"]).expect(0).stdout;
    assert!(text.contains("accepted blocker check/failed") && text.contains("accepted by the plan: a trial"), "{text}");
}

#[tokio::test]
async fn a_saved_plan_runs_as_it_was_seen_or_not_at_all() {
    let stage = Stage::new().await;
    let blue = stage.pair.on_blue().await;
    stage.run(&["plan", "-o", "saved.json"]).expect(0);
    let saved: Value = serde_json::from_str(&stage.read("saved.json")).unwrap();
    assert_eq!(saved["next"], "migrate apply saved.json");
    let apply = || stage.run(&["apply", "saved.json", "--yes"]);
    let refused = |what: &str| {
        let ran = apply().expect(3).says("the saved plan no longer holds").says(what).says("State: nothing was done");
        assert!(hint_of(&ran).starts_with("look at it anew: migrate plan"), "{}", ran.stderr);
        let lines = ran.stderr.lines().filter(|line| line.starts_with("  ")).count();
        assert_eq!(lines, 1, "one thing changed, one is named:\n{}", ran.stderr);
    };

    // An event of the plan.
    stage.edit("plan.toml", "ends = \"active\"", "ends = \"active AND account > 3\"");
    refused("plan.toml: changed");
    stage.edit("plan.toml", "ends = \"active AND account > 3\"", "ends = \"active\"");
    // The migrations.
    let owner = stage.read("migrations/003_owner.sql");
    stage.write("migrations/003_owner.sql", &format!("{owner}-- and a comment\n"));
    refused("migration 003_owner.sql: edited");
    std::fs::remove_file(stage.path("migrations/003_owner.sql")).unwrap();
    refused("migration 003_owner.sql: gone");
    stage.write("migrations/003_owner.sql", &owner);
    stage.write("migrations/004_more.sql", "CREATE TABLE more (id int);\n");
    refused("migration 004_more.sql: new");
    std::fs::remove_file(stage.path("migrations/004_more.sql")).unwrap();
    // Blue's structure.
    blue.run("ALTER TABLE account ADD COLUMN note text").await.unwrap();
    refused("blue table public.account: changed");
    blue.run("ALTER TABLE account DROP COLUMN note").await.unwrap();
    assert!(stage.journal().is_empty(), "a refused plan leaves no journal");

    // None of these is drift: rows, sizes, statistics, jobs, timeouts.
    blue.run("INSERT INTO account (name) SELECT 'b' || i FROM generate_series(1, 3000) i; ANALYZE").await.unwrap();
    stage.edit("plan.toml", "jobs = 2", "jobs = 3");
    stage.edit("plan.toml", "[capture]", "lock_timeout = \"900ms\"\n\n[cutover]\ndeadline = \"7s\"\n\n[capture]");
    apply().expect(0);
    let steps: Vec<String> =
        saved["steps"].as_array().unwrap().iter().map(|step| step["id"].as_str().unwrap().to_owned()).collect();
    let prefix = "step_done ";
    let done: Vec<String> =
        stage.journal().iter().filter_map(|record| record.strip_prefix(prefix).map(str::to_owned)).collect();
    assert_eq!(done, steps, "exactly the steps that were saved, in their order");
}

#[tokio::test]
async fn a_migration_that_fails_in_its_middle_says_where_and_is_gone_on_with_once_mended() {
    let stage = Stage::new().await;
    // Unknown column: the server gives a position and a hint.
    stage.write(
        "migrations/003_owner.sql",
        "CREATE TABLE owner (id bigint PRIMARY KEY, name text);\n\nINSERT INTO owner\n  SELECT id, nme\n  FROM account;\n",
    );
    let ran = stage.run(&["apply", "--yes"]).expect(1);
    for text in [
        "step migrate/003_owner.sql",
        "003_owner.sql:4: green: column \"nme\" does not exist (42703)",
        "SELECT id, nme",
        "^^",
        "server's hint: Perhaps you meant to reference the column \"account.name\"",
        "State: the file is rolled back on green; the copy and the files before it stay; blue serves",
    ] {
        assert!(ran.stderr.contains(text), "{text:?} is not in:\n{}", ran.stderr);
    }
    assert!(hint_of(&ran).starts_with("mend the file, then run the same command again"), "{}", ran.stderr);
    let tables =
        "SELECT relname::text FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace ORDER BY 1";
    assert_eq!(green_rows(&stage, tables).await, ["account", "schema_migration", "token"], "003 is rolled back whole");
    let versions = "SELECT version FROM schema_migration ORDER BY 1";
    assert_eq!(green_rows(&stage, versions).await, ["001", "002"]);
    let status = stage.run(&["status", "--format", "json"]).expect(0).json();
    assert_eq!((&status["state"], &status["running"]), (&"applying".into(), &false.into()));

    // A duplicate key: the server gives a detail. The mended file is taken, and fails in another place.
    stage.write(
        "migrations/003_owner.sql",
        "CREATE TABLE owner (id bigint PRIMARY KEY, name text);\nINSERT INTO owner SELECT id, name FROM account;\n\
         INSERT INTO owner SELECT id, name FROM account WHERE id = 7;\n",
    );
    let ran = stage.run(&["apply", "--yes", "--format", "json"]).expect(1);
    let error = ran.json();
    assert_eq!(error["format"], "teal.error/1");
    assert!(error["what"].as_str().unwrap().contains("003_owner.sql:3: green: duplicate key value"), "{error:#}");
    assert!(error["detail"].as_str().unwrap().contains("detail: Key (id)=(7) already exists."), "{error:#}");

    stage.write("migrations/003_owner.sql", "CREATE TABLE owner AS SELECT id, name FROM account;\n");
    stage.run(&["apply", "--yes"]).expect(0).says("Going on with run");
    assert_eq!(times(&stage, "step_done snapshot/copy"), 1, "no copy again: {:?}", stage.journal());
    assert_eq!(times(&stage, "step_done migrate/002_state.sql"), 1);
    assert_eq!(times(&stage, "step_failed migrate/003_owner.sql"), 2);
    assert_eq!(green_rows(&stage, versions).await, ["001", "002", "003"]);
    let report = report(&stage);
    assert_eq!((&report["state"], &report["resumed"]), (&"ready".into(), &2.into()));
    stage.run(&["cutover", "--yes"]).expect(0);
}

/// Green alone is asked, so that it may be edited at any time.
const OWNERS: &str =
    "\n[[check]]\nname = \"owners named\"\ngreen = \"SELECT id FROM owner WHERE name IS NULL\"\nexpect = \"empty\"\n";

#[tokio::test]
async fn a_plan_edited_on_the_way_is_taken_where_nothing_of_it_is_done() {
    let stage = Stage::with(SCHEMA, OWNERS).await;
    let (good, bad) = (stage.read("migrations/003_owner.sql"), "CREATE TABLE owner AS SELECT nothing FROM account;\n");
    stage.write("migrations/003_owner.sql", bad);
    stage.run(&["apply", "--yes"]).expect(1);

    // Timeouts and jobs cost nothing; a pending migration is taken as it is now.
    stage.edit("plan.toml", "jobs = 2", "jobs = 1");
    stage.edit("plan.toml", "[capture]", "lock_timeout = \"900ms\"\n\n[capture]");
    stage.write("migrations/003_owner.sql", &good);
    stage.ready();
    assert_eq!(times(&stage, "settings_changed"), 1);
    assert_eq!(times(&stage, "input_taken"), 1);
    assert_eq!(times(&stage, "step_done snapshot/copy"), 1);

    // A migration that is done.
    let done = stage.read("migrations/002_state.sql");
    stage.write("migrations/002_state.sql", &format!("{done}-- now with a comment\n"));
    let ran =
        stage.run(&["apply", "--yes"]).expect(3).says("step migrate/002_state.sql is done, and its input has changed");
    assert!(hint_of(&ran).contains("migrate apply plan.toml --redo snapshot/copy"), "{}", ran.stderr);
    stage.run(&["cutover", "--yes"]).expect(3).says("step migrate/002_state.sql is done");
    stage.write("migrations/002_state.sql", &done);
    // Gone from the folder.
    std::fs::remove_file(stage.path("migrations/002_state.sql")).unwrap();
    stage.run(&["apply", "--yes"]).expect(3).says("migration 002_state.sql is gone");
    stage.write("migrations/002_state.sql", &done);

    // A file that came after the run began.
    stage.write("migrations/004_more.sql", "CREATE TABLE more (id int);\n");
    let ran =
        stage.run(&["apply", "--yes"]).expect(3).says("migration 004_more.sql of plan small came after the run began");
    assert!(hint_of(&ran).contains("migrate abort"), "{}", ran.stderr);
    std::fs::remove_file(stage.path("migrations/004_more.sql")).unwrap();
    stage.write("migrations/0015_between.sql", "CREATE TABLE between_them (id int);\n");
    stage.run(&["apply", "--yes"]).expect(3).says("migration 0015_between.sql of plan small came after the run began");
    std::fs::remove_file(stage.path("migrations/0015_between.sql")).unwrap();
    // Older than all that are in, as a later release may bring one.
    stage.write("migrations/000_older.sql", "CREATE TABLE older (id int);\n");
    stage.run(&["apply", "--yes"]).expect(3).says("migration 000_older.sql of plan small came after the run began");
    std::fs::remove_file(stage.path("migrations/000_older.sql")).unwrap();
    stage.ready();

    // A check of both sides: blue was not asked in the snapshot.
    let plan = stage.read("plan.toml");
    let late = "\n[[check]]\nname = \"late\"\nsql = \"SELECT count(*) FROM account\"\nexpect = \"equal\"\n";
    stage.write("plan.toml", &format!("{plan}{late}"));
    stage
        .run(&["apply", "--yes"])
        .expect(3)
        .says("check late")
        .says("blue was not asked this when the copy was made")
        .says("make the copy again");
    stage.write("plan.toml", &plan);
    stage.ready();
    // A check of green alone.
    stage.edit("plan.toml", "name IS NULL", "name IS NULL OR name = 'a3'");
    stage.run(&["apply", "--yes"]).expect(3).says("check owners named").says("check/failed");
    stage.edit("plan.toml", "name IS NULL OR name = 'a3'", "name = ''");
    stage.ready();
    // Green's side of a check of both: what blue answered in the snapshot still holds.
    stage.edit("plan.toml", "WHERE state = 'live'", "WHERE state = 'livid'");
    stage.run(&["apply", "--yes"]).expect(3).says("check live tokens kept").says("check/failed");
    stage.edit("plan.toml", "WHERE state = 'livid'", "WHERE state IN ('live')");
    stage.ready();
    assert_eq!(times(&stage, "step_done snapshot/copy"), 1, "none of this cost the copy: {:?}", stage.journal());
    assert_eq!(times(&stage, "became_ready"), 4);
    stage.run(&["cutover", "--yes"]).expect(0);
}

#[tokio::test]
async fn a_copy_made_again_ends_in_the_same_state() {
    let stage = Stage::new().await;
    let blue = stage.pair.on_blue().await;
    stage.ready();
    blue.run("UPDATE token SET active = false WHERE signature IN ('t1', 't2', 't3')").await.unwrap();
    stage.ready();
    // Reversed after it was applied: the first green has it ended, the next one must have it live.
    blue.run("UPDATE token SET active = true WHERE signature = 't3'").await.unwrap();
    let third = "SELECT state FROM token WHERE signature = 't3'";
    assert_eq!(green_rows(&stage, third).await, ["ended"]);
    stage.pair.on_green().await.run("UPDATE teal.gate SET open = true").await.unwrap();
    stage.pair.on_green().await.run("UPDATE token SET state = 'live' WHERE signature = 't3'").await.unwrap();
    stage.pair.on_green().await.run("UPDATE teal.gate SET open = false").await.unwrap();
    let first = green_state(&stage).await;
    assert_eq!(
        report(&stage)["events"]["tally"]["captured"],
        0,
        "the report tells of the validation, not of what came after"
    );

    stage.run(&["apply", "--yes", "--redo", "no/such-step"]).expect(2).says("there is no step no/such-step");
    stage.run(&["apply", "--yes", "--redo", "capture/outbox"]).expect(3).says("can't be done again in the same run");
    stage.run(&["apply", "--yes", "--redo", "snapshot/copy"]).expect(0);
    assert_eq!(times(&stage, "step_done snapshot/copy"), 2);
    assert_eq!(times(&stage, "step_done migrate/002_state.sql"), 2);
    assert_eq!(green_state(&stage).await, first);
    stage.run(&["cutover", "--yes"]).expect(0);
    let tally = report(&stage)["events"]["tally"].clone();
    let counted =
        ["captured", "in_copy", "reversed", "applied", "waiting", "dead"].map(|key| tally[key].as_u64().unwrap());
    assert_eq!(counted, [3, 2, 1, 0, 0, 0], "{tally:#}");
    let live = "SELECT count(*)::text FROM token WHERE state = 'live'";
    assert_eq!(green_rows(&stage, live).await, ["198"]);
}

/// The plan's migrations are a program's business; `{script}` is what its shell runs.
fn with_migrator(stage: &Stage, script: &str) {
    let plan = stage.read("plan.toml");
    let (before, rest) = plan.split_once("[migrations]\n").unwrap();
    let (_, after) = rest.split_once("[capture]").unwrap();
    let script = script.replace('"', "\\\"");
    let migrations = format!(
        "[migrations]\ncommand = [\"sh\", \"-c\", \"{script}\"]\nenv = {{ DSN = \"${{GREEN_URL}}\", API_KEY = \"${{API_KEY}}\" }}\n\n"
    );
    stage.write("plan.toml", &format!("{before}{migrations}[capture]{after}"));
}

#[tokio::test]
async fn an_own_migrator_runs_fails_with_its_own_words_and_is_gone_on_with() {
    let stage = Stage::new().await;
    let psql = "/usr/lib/postgresql/15/bin/psql";
    let psql = if std::path::Path::new(psql).exists() { psql } else { "psql" };
    with_migrator(&stage, &format!("{psql} -X -q -v ON_ERROR_STOP=1 -f migrate.sql \"$DSN\""));
    stage.write(
        "migrate.sql",
        &format!("{}{}", support::stage::MIGRATIONS[1].1, "SELECT no_such_column FROM account;\n"),
    );
    let run = |args: &[&str]| Ran::of(stage.command(args).env("API_KEY", "k3y-of-the-migrator").output().unwrap());
    stage.run(&["plan"]).expect(2).says("API_KEY");
    let plan = run(&["plan"]).expect(0);
    let failed = run(&["apply", "--yes"]).expect(1).says("step migrate/command").says("sh ended with code 3");
    assert!(
        failed.stderr.contains("column \"no_such_column\" does not exist"),
        "the end of its stderr:\n{}",
        failed.stderr
    );
    assert!(failed.stderr.contains("State: what it committed stays on green"), "{}", failed.stderr);
    assert!(hint_of(&failed).contains("without a new copy"), "{}", failed.stderr);

    // The statements before it are in, as psql commits each: the program keeps its own bookkeeping.
    stage.write("migrate.sql", support::stage::MIGRATIONS[2].1);
    let resumed = run(&["apply", "--yes"]).expect(0);
    assert_eq!(times(&stage, "step_done snapshot/copy"), 1);
    let switched = run(&["cutover", "--yes"]).expect(0);
    let report = run(&["report", "--format", "json"]).expect(0);
    assert!(report.json()["migrator"]["commits"].as_u64() >= Some(1), "{}", report.stdout);
    assert_eq!(report.json()["verdict"], "passed");
    for ran in [&plan, &failed, &resumed, &switched, &report] {
        let said = format!("{}{}", ran.stdout, ran.stderr);
        assert!(!said.contains("k3y-of-the-migrator"), "{said}");
    }
    let journal = stage.read(".migrate/small/journal.jsonl");
    assert!(!journal.contains("k3y-of-the-migrator"));
}

#[tokio::test]
async fn a_migration_that_marks_valid_rows_is_caught_by_the_plans_check() {
    let stage = Stage::with(SCHEMA, "").await;
    stage.edit("migrations/002_state.sql", "WHEN active THEN 'live'", "WHEN active AND account > 1 THEN 'live'");
    let ran = stage.run(&["apply", "--yes"]).expect(3);
    for text in ["check/failed", "check live tokens kept: 200 on blue, 190 on green", "step validate/migrated"] {
        assert!(ran.stderr.contains(text), "{text:?} is not in:\n{}", ran.stderr);
    }
    assert_eq!(times(&stage, "became_ready"), 0);
    stage.run(&["cutover", "--yes"]).expect(3);
    // The file is done, so mending it means the copy again.
    stage.edit("migrations/002_state.sql", "WHEN active AND account > 1 THEN 'live'", "WHEN active THEN 'live'");
    stage.run(&["apply", "--yes"]).expect(3).says("--redo snapshot/copy");
    stage.run(&["apply", "--yes", "--redo", "snapshot/copy"]).expect(0);
    stage.run(&["cutover", "--yes"]).expect(0);
}

#[tokio::test]
async fn every_event_is_counted_by_where_it_fell_beside_the_copy() {
    let stage = Stage::with(SCHEMA, PARTICIPANTS).await;
    let blue = stage.pair.on_blue().await;
    let off = |signature: &str| format!("UPDATE token SET active = false WHERE signature = '{signature}';");
    // Before the capture: a row like any other.
    blue.run(&off("t1")).await.unwrap();

    // Between capture and copy.
    let captured = "journal:8";
    assert_eq!(stage.crash(&["apply", "--yes"], captured).code, None);
    assert_eq!(stage.journal().last().unwrap(), "step_done capture/ended", "{:?}", stage.journal());
    blue.run(&off("t2")).await.unwrap();
    blue.run("DELETE FROM token WHERE signature = 't7'").await.unwrap();
    blue.run(&off("t3")).await.unwrap();
    blue.run("UPDATE token SET active = true WHERE signature = 't3'").await.unwrap();
    blue.run("DELETE FROM token WHERE signature = 't8'; INSERT INTO token (signature, account) VALUES ('t8', 8)")
        .await
        .unwrap();

    // Across the copy's snapshot: begun before it, committed after it.
    let across = stage.pair.on_blue().await;
    across.run(&format!("BEGIN; {}", off("t4"))).await.unwrap();
    stage.ready();
    across.run("COMMIT").await.unwrap();

    // After it: a row that green has, one that is deleted, one that came to blue after the copy.
    blue.run(&off("t5")).await.unwrap();
    blue.run("DELETE FROM token WHERE signature = 't6'").await.unwrap();
    blue.run("INSERT INTO token (signature, account) VALUES ('n1', 1)").await.unwrap();
    blue.run(&off("n1")).await.unwrap();
    stage.run(&["cutover", "--yes"]).expect(0);

    let report = report(&stage);
    assert_eq!(report["verdict"], "passed");
    let tally = serde_json::json!({
        "captured": 8, "waiting": 0, "waiting_bytes": 0, "applied": 3, "nothing_to_do": 1, "in_copy": 2, "reversed": 2,
        "dead": 0, "given_up": 0, "overflowed": false,
    });
    assert_eq!(report["events"]["tally"], tally, "{:#}", report["events"]);
    let states = "SELECT signature || ' ' || state FROM token
                  WHERE signature IN ('t1', 't2', 't3', 't4', 't5', 't6', 't7', 't8', 't9', 'n1') ORDER BY 1";
    let expected = ["t1 ended", "t2 ended", "t3 live", "t4 ended", "t5 ended", "t6 ended", "t8 live", "t9 live"];
    assert_eq!(green_rows(&stage, states).await, expected);
}
