//! Whole-table writes some rows at a time.

use super::support::standby::Follower;
use super::*;

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
async fn batches_wait_for_a_standby_that_is_behind() {
    let pair = Pair::start(&format!(
        "{SCHEMA} CREATE TABLE many (id int PRIMARY KEY, n int NOT NULL); \
         INSERT INTO many SELECT i, 0 FROM generate_series(1, 9000) i; ANALYZE many;"
    ))
    .await;
    let follower = Follower::of(&pair.server).await;
    let stage = stage_on(pair, "");
    stage.write("migrations/003_owner.sql", "UPDATE many SET n = n + 1;\n");
    let (blue, standby) = (stage.pair.on_blue().await, follower.on("blue", &stage.pair.server).await);
    standby.run("SELECT pg_wal_replay_pause()").await.unwrap();
    until_sql(&standby, "SELECT pg_get_wal_replay_pause_state() = 'paused'").await;
    blue.run("UPDATE token SET issued_at = now()").await.unwrap();
    until_sql(&blue, "SELECT coalesce(max(replay_lag) > interval '6 s', false) FROM pg_stat_replication").await;
    let apply = Running::start(&stage, &["apply", "--yes"]);
    apply.says("a standby that is ").await;
    let written = "SELECT count(*)::text FROM many WHERE n > 0";
    assert_eq!(column(&blue, written).await, ["0"], "no batch before the standby is there");
    standby.run("SELECT pg_wal_replay_resume()").await.unwrap();
    apply.end().await.expect(0);
    assert_eq!(column(&blue, "SELECT DISTINCT n::text FROM many").await, ["1"]);
    until_sql(&standby, "SELECT count(*) = 9000 FROM many WHERE n = 1").await;
}
