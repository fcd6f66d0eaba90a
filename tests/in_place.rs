//! A run in place, with the real program on a real server: statement by statement on the database that serves.

#![allow(clippy::unwrap_used)] // a test may

mod support;

use serde_json::Value;
use support::stage::{PARTICIPANTS, Ran, SCHEMA, Stage};
use teal::postgres::Db;

/// The plan; further text comes behind it.
const PLAN: &str = r#"name = "small"
strategy = "in-place"

[databases]
blue = "${BLUE_URL}"

[migrations]
source = "migrations"
applied = "SELECT version FROM schema_migration"
record = "INSERT INTO schema_migration (version) VALUES (:version)"

[[check]]
name = "accounts kept"
sql = "SELECT id, name FROM account"
expect = "equal"

[[check]]
name = "live tokens kept"
blue = "SELECT count(*) FROM token WHERE active"
green = "SELECT count(*) FROM token WHERE state = 'live'"
expect = "equal"
"#;

/// Brief, long, concurrent and session statements, in their safe form already.
const STATE: &str = "SET search_path = public;
ALTER TABLE token ADD COLUMN state text DEFAULT 'live';
CREATE UNIQUE INDEX CONCURRENTLY token_signature_state ON token (signature, state);
ALTER TABLE token ADD CONSTRAINT state_there CHECK (state IS NOT NULL) NOT VALID;
ALTER TABLE token VALIDATE CONSTRAINT state_there;
";
const OWNER: &str = "CREATE TABLE owner (id bigint PRIMARY KEY, name text);\nINSERT INTO owner SELECT id, name FROM account;\n\
                     REINDEX INDEX CONCURRENTLY token_pkey;\n";

async fn stage(more: &str) -> Stage {
    let stage = Stage::with(SCHEMA, "").await;
    stage.write("plan.toml", &format!("{PLAN}{more}"));
    stage.write("migrations/002_state.sql", STATE);
    stage.write("migrations/003_owner.sql", OWNER);
    stage
}

async fn column(db: &Db, sql: &str) -> Vec<String> {
    db.rows(sql, &[]).await.unwrap().iter().map(|row| row.get(0)).collect()
}

/// What the migrations make, each thing once.
async fn is_migrated(db: &Db) {
    assert_eq!(column(db, "SELECT version FROM schema_migration ORDER BY 1").await, ["001", "002", "003"]);
    assert_eq!(column(db, "SELECT count(*)::text FROM token WHERE state = 'live'").await, ["200"]);
    assert_eq!(column(db, "SELECT count(*)::text FROM owner").await, ["20"]);
    let indexes =
        "SELECT indexrelid::regclass::text FROM pg_index WHERE indrelid = 'token'::regclass AND indisvalid ORDER BY 1";
    assert_eq!(column(db, indexes).await, ["token_pkey", "token_signature_state"]);
    let not_valid = "SELECT count(*)::text FROM pg_index WHERE NOT indisvalid";
    assert_eq!(column(db, not_valid).await, ["0"]);
}

async fn nothing_of_ours(db: &Db) {
    assert_eq!(column(db, "SELECT nspname::text FROM pg_namespace WHERE nspname = 'teal'").await, [] as [&str; 0]);
}

#[track_caller]
fn hint_of(ran: &Ran) -> &str {
    let last = ran.stderr.lines().last().unwrap_or_default();
    last.strip_prefix("Hint: ").unwrap_or_else(|| panic!("no hint at the end of:\n{}", ran.stderr))
}

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

/// As before the first run, on the same server.
async fn begin_again(stage: &Stage, blue: &Db) {
    stage.run(&["abort", "--yes"]).expect(0);
    nothing_of_ours(blue).await;
    blue.run(&format!("DROP SCHEMA public CASCADE; CREATE SCHEMA public; {SCHEMA}")).await.unwrap();
}

#[tokio::test]
async fn killed_anywhere_and_between_any_two_statements_it_ends_as_if_nothing_had_happened() {
    let stage = stage("").await;
    let blue = stage.pair.on_blue().await;
    for place in teal::failpoint::LIVE_PLACES.iter().filter(|place| !place.contains("batch")) {
        // What comes behind a commit is met once for each statement: killed there every time, it gets on by one.
        let again = if place.ends_with("after_commit") { 9 } else { 1 };
        let mut killed = 0;
        while killed < again && stage.crash(&["apply", "--yes"], place).code.is_none() {
            killed += 1;
        }
        assert!(killed > 0, "{place} was never met");
        stage.run(&["apply", "--yes"]).expect(0);
        is_migrated(&blue).await;
        begin_again(&stage, &blue).await;
    }
}

#[tokio::test]
async fn killed_after_any_record_it_goes_on_up_to_the_switch() {
    let stage = stage(PARTICIPANTS).await;
    let blue = stage.pair.on_blue().await;
    stage.run(&["apply", "--yes"]).expect(0);
    let applied = stage.journal().len();
    stage.run(&["cutover", "--yes"]).expect(0);
    let switched = stage.journal().len();
    stage.run(&["finish", "--yes"]).expect(0);
    for record in (2..applied).step_by(5).chain((applied + 1..switched).step_by(4)) {
        stage.write("app.conf", "blue");
        std::fs::remove_file(stage.path("current")).unwrap();
        let _ = std::fs::remove_file(stage.path("prepared"));
        blue.run(&format!("DROP SCHEMA public CASCADE; CREATE SCHEMA public; {SCHEMA}")).await.unwrap();
        let place = format!("journal:{record}");
        if record < applied {
            assert_eq!(stage.crash(&["apply", "--yes"], &place).code, None, "{place}");
        }
        stage.run(&["apply", "--yes"]).expect(0);
        is_migrated(&blue).await;
        if record > applied {
            // An apply between the two has written some records of its own.
            stage.crash(&["cutover", "--yes"], &format!("journal:{record}"));
        }
        stage.run(&["cutover", "--yes"]).expect(0);
        assert_eq!(stage.read("app.conf"), "green", "{place}");
        assert_eq!(stage.run(&["report", "--format", "json"]).expect(0).json()["verdict"], "passed", "{place}");
        stage.run(&["finish", "--yes"]).expect(0);
    }
}

#[tokio::test]
async fn who_is_in_the_way_is_named_and_others_never_queue_behind_us_for_long() {
    let stage = stage("").await;
    let blue = stage.pair.on_blue().await;
    let reader = stage.pair.on_blue().await;
    reader.run("SET application_name = 'a long report'; BEGIN; SELECT 'a secret', count(*) FROM token").await.unwrap();
    let mut run = stage.command(&["apply", "--yes"]).stderr(std::process::Stdio::piped()).spawn().unwrap();
    // Several attempts, each of which has let go: we are in the queue, then we are not, then we are again.
    let queued = "SELECT count(*)::text FROM pg_locks WHERE NOT granted AND relation = 'token'::regclass AND mode = 'AccessExclusiveLock'";
    let (mut turns, mut was) = (0, false);
    while turns < 6 {
        let is = column(&blue, queued).await == ["1"];
        turns += usize::from(is != was);
        was = is;
        if is {
            // The server's own clock: how long we have stood there.
            let longest = "SELECT coalesce(max(extract(epoch FROM clock_timestamp() - waitstart)), 0) < 2 FROM pg_locks
                           WHERE NOT granted AND relation = 'token'::regclass";
            assert!(blue.row(longest, &[]).await.unwrap().get::<_, bool>(0), "longer in the queue than lock_timeout");
        }
    }
    // While the reader reads, a writer comes through between two attempts.
    blue.run("UPDATE token SET issued_at = now() WHERE signature = 't1'").await.unwrap();
    reader.run("COMMIT").await.unwrap();
    assert!(run.wait().unwrap().success());
    let mut said = String::new();
    std::io::Read::read_to_string(&mut run.stderr.take().unwrap(), &mut said).unwrap();
    assert!(said.contains("a long report, idle in transaction"), "{said}");
    assert!(
        said.contains("holding public.token, last ran: BEGIN; SELECT …, count") || said.contains("last ran:"),
        "{said}"
    );
    assert!(!said.contains("a secret"), "{said}");
    is_migrated(&blue).await;
}

#[tokio::test]
async fn an_invalid_index_is_replaced_and_duplicates_are_found_before_one_is_built() {
    let stage = stage("").await;
    let blue = stage.pair.on_blue().await;
    stage.write("migrations/003_owner.sql", "CREATE UNIQUE INDEX CONCURRENTLY token_account ON token (account);\n");
    let refused = stage.run(&["apply", "--yes"]).expect(1).says("the index can't be unique: 20 keys stand in 200 rows");
    assert!(refused.stderr.contains("003_owner.sql:1"), "{}", refused.stderr);
    assert!(hint_of(&refused).contains("remove the duplicates"));
    assert_eq!(column(&blue, "SELECT count(*)::text FROM pg_class WHERE relname = 'token_account'").await, ["0"]);
    // What somebody tried by hand before, with what it left.
    assert!(blue.run("CREATE UNIQUE INDEX CONCURRENTLY token_account ON token (account)").await.is_err());
    blue.run("DELETE FROM token WHERE signature NOT IN (SELECT min(signature) FROM token GROUP BY account)")
        .await
        .unwrap();
    stage.edit("plan.toml", "state = 'live'", "true");
    let run = stage.run(&["apply", "--yes"]);
    assert!(run.code == Some(3) && run.stderr.contains("live tokens kept"), "{}", run.stderr);
    assert_eq!(
        column(&blue, "SELECT indisvalid::text FROM pg_index WHERE indexrelid = 'token_account'::regclass").await,
        ["true"]
    );
}

#[tokio::test]
async fn a_build_that_a_killed_process_left_running_is_waited_for() {
    let stage = stage("").await;
    let blue = stage.pair.on_blue().await;
    let old = stage.pair.on_blue().await;
    old.run("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM account").await.unwrap();
    let mut run = stage.command(&["apply", "--yes"]).stderr(std::process::Stdio::null()).spawn().unwrap();
    let building = "SELECT count(*)::text FROM pg_stat_progress_create_index WHERE phase LIKE 'waiting%'";
    while column(&blue, building).await != ["1"] {}
    run.kill().unwrap();
    run.wait().unwrap();
    assert_eq!(column(&blue, building).await, ["1"], "the server goes on with it");
    let mut run = stage.command(&["apply", "--yes"]).stderr(std::process::Stdio::piped()).spawn().unwrap();
    let waits = "SELECT count(*)::text FROM teal.run WHERE progress LIKE '%an earlier process left running%'";
    while column(&blue, waits).await != ["1"] {}
    old.run("COMMIT").await.unwrap();
    assert!(run.wait().unwrap().success());
    is_migrated(&blue).await;
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

#[tokio::test]
async fn an_abort_says_what_stays_and_a_changed_file_is_refused() {
    let stage = stage("").await;
    let blue = stage.pair.on_blue().await;
    blue.run("ALTER TABLE token ADD COLUMN state text").await.unwrap();
    // The first statement fails: nothing is in.
    let failed = stage.run(&["apply", "--yes"]).expect(1).says("already exists");
    assert!(failed.stderr.contains("002_state.sql:2"), "{}", failed.stderr);
    let aborted = stage.run(&["abort", "--yes"]).expect(0);
    assert!(aborted.stdout.contains("no statement had run"), "{}", aborted.stdout);
    blue.run("ALTER TABLE token DROP COLUMN state").await.unwrap();

    stage.write("migrations/002_state.sql", &STATE.replace("state IS NOT NULL", "state <> 'live'"));
    stage.run(&["apply", "--yes"]).expect(1).says("state_there");
    stage.write("migrations/002_state.sql", STATE);
    let changed = stage.run(&["apply", "--yes"]).expect(3).says("has changed since");
    assert!(hint_of(&changed).contains("migrate abort"), "{}", changed.stderr);
    let aborted = stage.run(&["abort", "--yes"]).expect(0).stdout.split_whitespace().collect::<Vec<_>>().join(" ");
    for said in [
        "of 002_state.sql, which is not recorded",
        "line 2 ALTER TABLE token ADD COLUMN state",
        "line 4 ALTER TABLE token ADD CONSTRAINT",
    ] {
        assert!(aborted.contains(said), "{said:?} is not in: {aborted}");
    }
    assert!(!aborted.contains("line 5"), "{aborted}");
    nothing_of_ours(&blue).await;
}

/// What the statement of a saved plan becomes when it is run in batches along the key.
fn in_batches(head: &str, key: &str) -> Value {
    let end = |from: &str, stop: &str, rows: &str| {
        format!(
            "SELECT ARRAY[max({key})::text] FROM (SELECT {key} FROM many WHERE {from} {key} <= ({stop}::text[])[1]::int \
             ORDER BY {key} LIMIT {rows}) b HAVING count(*) > 0"
        )
    };
    serde_json::json!({
        "how": "batches",
        "table": "many",
        "stop": format!("SELECT ARRAY[max({key})::text] FROM many HAVING count(*) > 0"),
        "first_end": end("", "$1", "$2"),
        "next_end": end(&format!("{key} > ($1::text[])[1]::int AND"), "$2", "$3"),
        "first": format!("{head} WHERE {key} <= ($1::text[])[1]::int"),
        "next": format!("{head} WHERE {key} > ($1::text[])[1]::int AND {key} <= ($2::text[])[1]::int"),
    })
}

#[tokio::test]
async fn batches_go_on_at_the_key_where_they_stopped_and_write_no_row_twice() {
    let stage = stage("").await;
    let blue = stage.pair.on_blue().await;
    blue.run("CREATE TABLE many (id int PRIMARY KEY, n int NOT NULL); INSERT INTO many SELECT i, 0 FROM generate_series(1, 9000) i").await.unwrap();
    let head = "UPDATE many SET n = n + 1";
    stage.write("migrations/003_owner.sql", &format!("{OWNER}{head};\n"));
    stage.run(&["plan", "-o", "saved.json"]).expect(0);
    let mut saved: Value = serde_json::from_str(&stage.read("saved.json")).unwrap();
    let file =
        saved["steps"].as_array_mut().unwrap().iter_mut().find(|step| step["id"] == "migrate/003_owner.sql").unwrap();
    let step = &mut file["action"]["parts"].as_array_mut().unwrap().last_mut().unwrap()["steps"][0];
    let mut batches = in_batches(head, "id");
    batches["sql"] = head.into();
    *step = batches;
    stage.write("saved.json", &saved.to_string());
    assert_eq!(stage.crash(&["apply", "saved.json", "--yes"], "live.batch.before_commit").code, None);
    let written = "SELECT count(*)::text FROM many WHERE n = 1";
    assert_eq!(column(&blue, written).await, ["0"]);
    assert_eq!(stage.crash(&["apply", "--yes"], "live.batch.after_commit").code, None);
    assert_eq!(column(&blue, written).await, ["1000"], "the first batch");
    assert_eq!(stage.crash(&["apply", "--yes"], "live.batch.after_commit").code, None);
    // A row behind where it has come to is a new one's business.
    blue.run("INSERT INTO many VALUES (-1, 5), (9999, 7)").await.unwrap();
    stage.run(&["apply", "--yes"]).expect(0);
    assert_eq!(column(&blue, "SELECT DISTINCT n::text FROM many WHERE id BETWEEN 1 AND 9000").await, ["1"]);
    assert_eq!(column(&blue, "SELECT n::text FROM many WHERE id IN (-1, 9999) ORDER BY id").await, ["5", "7"]);
    let told = stage.run(&["report", "--format", "json"]).json();
    assert!(told["migrations"][1]["commits"].as_u64().unwrap() > 2, "{told}");
    // What the session wrote in the transactions before is not counted again.
    let updated = told["migrations"][1]["updated"].as_u64().unwrap();
    assert!((1..=9000).contains(&updated), "{told}");
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
