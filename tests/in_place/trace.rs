//! What `plan` learns from a throwaway server.

use super::*;

/// What `plan` finds when it may start a server: `id severity object`, what it says of it, and its exit code.
fn traced(stage: &Stage) -> (Vec<String>, String, Option<i32>) {
    let ran = stage.command(&["plan", "--format", "json"]).env_remove("MIGRATE_NO_TRACE").output().unwrap();
    let text = String::from_utf8(ran.stdout).unwrap();
    let doc: Value = serde_json::from_str(text.lines().next().unwrap()).unwrap();
    let found = doc["findings"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| ["id", "severity", "object"].map(|key| one[key].as_str().unwrap()).join(" "));
    (found.filter(|one| one.starts_with("lint/") || one.starts_with("plan/not")).collect(), text, ran.status.code())
}

#[tokio::test]
async fn a_plan_tells_what_a_throwaway_server_shows_and_blue_is_only_read() {
    let stage = stage("").await;
    let (blue, owner) = (stage.pair.on_blue().await, "migrations/003_owner.sql");
    assert_eq!(traced(&stage).2, Some(0), "{}", traced(&stage).1);
    let shown = stage.command(&["plan"]).env_remove("MIGRATE_NO_TRACE").output().unwrap();
    let said = String::from_utf8(shown.stderr).unwrap();
    assert!(said.contains("Traced 2 files on a throwaway server with blue's schema, in "), "{said}");
    // What a block hides, beside the blocker that it is from its text: `apply` stops there as well.
    stage.write(
        owner,
        "SET lock_timeout = '1s';\nDO $$ BEGIN EXECUTE 'ALTER TABLE account DROP COLUMN name'; END $$;\n",
    );
    let (found, text, code) = traced(&stage);
    for one in ["dynamic-sql blocker", "drop-breaks-clients blocker", "traced note"] {
        assert!(found.contains(&format!("lint/{one} 003_owner.sql:2")), "{one}: {text}");
    }
    assert_eq!(code, Some(3));
    stage.run(&["plan"]).expect(3);
    // The accept of what only the trace finds is no idle one; one that matches nothing is.
    let plan = stage.read("plan.toml");
    let accept = |id: &str| format!("[[accept]]\nfinding = \"lint/{id}:003_owner.sql\"\nwhy = \"w\"\n");
    let accepts = ["dynamic-sql", "drop-breaks-clients", "trace-failed"].map(accept).concat();
    stage.write("plan.toml", &format!("{plan}{accepts}"));
    let (_, text, code) = traced(&stage);
    assert_eq!(code, Some(0), "{text}");
    let idle =
        ["trace-failed", "drop-breaks-clients"].map(|id| text.contains(&format!("accept lint/{id}:003_owner.sql")));
    assert_eq!(idle, [true, false], "{text}");
    stage.write("plan.toml", &plan);
    // What the server refuses, and what is not run there: it would reach further.
    stage.write(owner, "SET lock_timeout = '1s';\nALTER TABLE account ADD COLUMN name text;\n");
    assert!(traced(&stage).0.contains(&"lint/trace-failed blocker 003_owner.sql:2".to_owned()), "{}", traced(&stage).1);
    stage.write(owner, "COPY account FROM '/nowhere';\n");
    let (found, text, _) = traced(&stage);
    assert!(found.contains(&"plan/not-traced note migrations".to_owned()) && text.contains("it names copy"), "{text}");
    nothing_of_ours(&blue).await;
    assert_eq!(column(&blue, "SELECT version FROM schema_migration").await, ["001"]);
}

#[tokio::test]
async fn for_green_a_file_that_a_throwaway_server_refuses_is_a_warning() {
    let stage = Stage::with(SCHEMA, "").await;
    stage.write("migrations/003_owner.sql", "ALTER TABLE account ADD COLUMN name text;\n");
    let (found, text, code) = traced(&stage);
    assert!(found.contains(&"lint/trace-failed warning 003_owner.sql:1".to_owned()), "{text}");
    assert_eq!((found.len(), code), (1, Some(0)), "{text}");
}
