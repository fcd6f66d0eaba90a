//! A plan in place, rehearsed on a throwaway copy while clients work on it.

use super::*;

/// What a CI would run: no variable of the plan is set.
fn rehearse(stage: &Stage, args: &[&str]) -> Ran {
    let mut command = stage.command(args);
    command.env_remove("BLUE_URL").env_remove("GITHUB_ACTIONS").env("STAGING_URL", stage.pair.server.url("blue"));
    Ran::of(command.output().unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rehearsal_in_place_runs_under_clients_and_says_how_long_they_waited() {
    let stage = stage(&format!(
        "{PARTICIPANTS}\n[rehearse.participant.service]\ncommit = [\"touch\", \"stood-in\"]\n\
         committed = [\"test\", \"-e\", \"stood-in\"]\n"
    ))
    .await;
    let arguments = ["rehearse", "--from-env", "STAGING_URL"];
    let json = [&arguments[..], &["--format", "json"]].concat();
    let doc = rehearse(&stage, &json).expect(0).json();
    assert_eq!((&doc["format"], &doc["verdict"]), (&"teal.rehearsal/1".into(), &"passed".into()), "{doc:#}");
    assert_eq!(doc["run"]["strategy"], "in-place");
    let clients = &doc["clients"];
    assert_eq!(
        (clients["clients"].as_u64(), clients["refused"].as_array().map(Vec::len)),
        (Some(4), Some(0)),
        "{doc:#}"
    );
    assert!(clients["answers"].as_u64() > Some(0) && clients["longest_wait_ms"].is_u64(), "{doc:#}");
    for nothing in ["copy_ms", "fence_ms", "pause_ms"] {
        assert_eq!(doc["measured"][nothing], Value::Null, "{doc:#}");
    }
    assert!(stage.path("stood-in").exists());
    assert_eq!(
        (stage.read("app.conf").as_str(), doc["left_out"][0].as_str()),
        ("blue", Some("participant \"conf\": skipped"))
    );
    let blue = stage.pair.on_blue().await;
    nothing_of_ours(&blue).await;
    assert_eq!(column(&blue, "SELECT version FROM schema_migration").await, ["001"], "the source is only read");

    std::fs::remove_file(stage.path("stood-in")).unwrap();
    // A table that clients ask for goes away under them, a check fails, a file fails: each is said.
    stage.write("migrations/003_owner.sql", "ALTER TABLE account RENAME TO person;\n");
    let plan = stage.read("plan.toml");
    let accept = "\n[[accept]]\nfinding = \"lint/rename-breaks-clients:003_owner.sql:1\"\nwhy = \"a rehearsal\"\n";
    stage.write(
        "plan.toml",
        &(plan.replace("sql = \"SELECT id, name FROM account\"", "sql = \"SELECT count(*) FROM token\"") + accept),
    );
    let ran = rehearse(&stage, &arguments).expect(0);
    assert!(ran.stdout.contains("rehearse/clients-refused") && ran.stdout.contains("public.account"), "{}", ran.stdout);
    let _ = std::fs::remove_file(stage.path("stood-in"));
    stage.edit("plan.toml", "WHERE state = 'live'\"", "WHERE state = 'none'\"");
    let ran = rehearse(&stage, &arguments).expect(3).says("live tokens kept");
    assert!(ran.stdout.contains("Verdict: failed."), "{}", ran.stdout);
    stage.write("migrations/003_owner.sql", "INSERT INTO owner VALUES (1);\n");
    rehearse(&stage, &arguments).expect(3).says("003_owner.sql:1");
}
