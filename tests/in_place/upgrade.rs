//! Whole runs: what a plan says, does and reports, and the form in which statements run.

use super::*;

#[tokio::test]
async fn a_database_is_migrated_in_place_and_the_participants_switch() {
    let stage = stage(PARTICIPANTS).await;
    let blue = stage.pair.on_blue().await;
    let planned = stage.run(&["plan"]).expect(0);
    for said in [
        "Plan small, in place",
        "concurrent  CREATE UNIQUE INDEX CONCURRENTLY",
        "locks ACCESS EXCLUSIVE on public.token",
        "long        ALTER TABLE token VALIDATE",
    ] {
        assert!(planned.stdout.contains(said), "{said:?} is not in:\n{}", planned.stdout);
    }
    nothing_of_ours(&blue).await;
    let applied = stage.run(&["apply", "--yes"]).expect(0);
    assert!(applied.stdout.contains("State: ready. Blue is migrated"), "{}", applied.stdout);
    is_migrated(&blue).await;
    assert_eq!(stage.run(&["status", "--format", "json"]).expect(0).json()["state"], "ready");
    stage.run(&["validate"]).expect(0);
    stage.run(&["cutover", "--dry-run"]).expect(0);
    assert_eq!(stage.read("app.conf"), "blue");
    let switched = stage.run(&["cutover", "--yes"]).expect(0);
    assert!(switched.stdout.contains("Everybody has switched; blue serves, migrated."), "{}", switched.stdout);
    assert_eq!(stage.read("app.conf"), "green");
    blue.run("INSERT INTO account (name) VALUES ('written after the switch')").await.unwrap();
    let told: Value = stage.run(&["report", "--format", "json"]).expect(0).json();
    assert_eq!((told["verdict"].as_str(), told["strategy"].as_str()), (Some("passed"), Some("in-place")));
    assert_eq!(told["migrations"].as_array().unwrap().len(), 2);
    let finished = stage.run(&["finish", "--yes"]).expect(0);
    assert!(!finished.stdout.contains("green"), "{}", finished.stdout);
    nothing_of_ours(&blue).await;
    assert_eq!(stage.run(&["status", "--format", "json"]).expect(0).json()["state"], "finished");
}

#[tokio::test]
async fn what_holds_others_up_needs_an_accept_and_then_runs_as_it_is_written() {
    let stage = stage("").await;
    let blue = stage.pair.on_blue().await;
    stage
        .write("migrations/003_owner.sql", "ALTER TABLE account ALTER COLUMN id TYPE numeric;\nVACUUM FULL account;\n");
    let stopped = stage.run(&["plan"]).expect(3);
    assert!(stopped.stdout.contains("003_owner.sql:1"), "{}", stopped.stdout);
    stage.run(&["apply", "--yes"]).expect(3).says("nothing was done");
    nothing_of_ours(&blue).await;
    stage.write("migrations/003_owner.sql", "ALTER TABLE account ALTER COLUMN name TYPE varchar(9);\n");
    let planned = stage.run(&["plan", "--format", "json"]).expect(3);
    let planned: Value = serde_json::from_str(planned.stdout.lines().next().unwrap()).unwrap();
    let found = planned["findings"].as_array().unwrap().iter().find(|f| f["severity"] == "blocker").unwrap().clone();
    let (id, object) = (found["id"].as_str().unwrap(), found["object"].as_str().unwrap());
    let plan = stage.read("plan.toml");
    stage.write("plan.toml", &format!("{plan}\n[[accept]]\nfinding = \"{id}:{object}\"\nwhy = \"a small table\"\n"));
    let planned = stage.run(&["plan"]).expect(0);
    assert!(planned.stdout.contains("as written  ALTER TABLE account"), "{}", planned.stdout);
    stage.run(&["apply", "--yes"]).expect(0);
    assert_eq!(stage.run(&["report", "--format", "json"]).json()["accepted"][0]["accepted"], "a small table");
    let kind = "SELECT atttypmod::text FROM pg_attribute WHERE attrelid = 'account'::regclass AND attname = 'name'";
    assert_eq!(column(&blue, kind).await, ["13"]);
}

#[tokio::test]
async fn what_would_hold_others_up_runs_in_its_safe_form() {
    let stage = stage("").await;
    let blue = stage.pair.on_blue().await;
    let file = "CREATE INDEX account_by_name ON account (name);\n\
                ALTER TABLE token ADD CONSTRAINT token_short CHECK (length(signature) < 99);\n\
                UPDATE token SET state = 'kept';\n\
                ALTER TABLE token ALTER COLUMN state SET NOT NULL;\n";
    stage.write("migrations/003_owner.sql", file);
    stage.edit("plan.toml", "state = 'live'", "state = 'kept'");
    let planned = stage.run(&["plan"]);
    println!("{}\n{}", planned.stdout, planned.stderr);
    assert_eq!(planned.code, Some(0));
    for said in ["concurrent  CREATE INDEX CONCURRENTLY", "NOT VALID", "batches     UPDATE token SET state"] {
        assert!(planned.stdout.contains(said), "{said:?} is not in:\n{}", planned.stdout);
    }
    assert_eq!(stage.crash(&["apply", "--yes"], "live.batch.after_commit").code, None);
    stage.run(&["apply", "--yes"]).expect(0);
    assert_eq!(column(&blue, "SELECT DISTINCT state FROM token").await, ["kept"]);
    let made = "SELECT conname::text FROM pg_constraint WHERE conrelid = 'token'::regclass AND contype = 'c' AND convalidated ORDER BY 1";
    assert_eq!(column(&blue, made).await, ["state_there", "token_short"]);
    let required = "SELECT attnotnull::text FROM pg_attribute WHERE attrelid = 'token'::regclass AND attname = 'state'";
    assert_eq!(column(&blue, required).await, ["true"]);
    assert_eq!(
        column(&blue, "SELECT indisvalid::text FROM pg_index WHERE indexrelid = 'account_by_name'::regclass").await,
        ["true"]
    );
}
