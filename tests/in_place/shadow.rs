//! A type set through a shadow column on the database that serves: refused until its order of columns is accepted, and whole
//! wherever it is killed.

use super::{column, stage};

const ACCEPT: &str = "\n[[accept]]\nfinding = \"lint/column-order\"\nwhy = \"every client names its columns\"\n";

#[tokio::test]
async fn a_type_is_set_through_a_shadow_column_and_killed_anywhere_it_goes_on() {
    let stage = stage("").await;
    let blue = stage.pair.on_blue().await;
    blue.run("CREATE TABLE many (id int PRIMARY KEY, n int NOT NULL DEFAULT 7 CHECK (n > 0)); CREATE INDEX many_n ON many (n); INSERT INTO many SELECT n, n FROM generate_series(1, 3000) n")
        .await
        .unwrap();
    stage.write("migrations/003_owner.sql", "ALTER TABLE many ALTER COLUMN n TYPE bigint;\n");
    let planned = stage.run(&["plan"]).expect(3);
    assert!(planned.stdout.contains("lint/column-order"), "{}", planned.stdout);
    let text = stage.read("plan.toml");
    stage.write("plan.toml", &format!("{text}{ACCEPT}"));
    let planned = stage.run(&["plan"]).expect(0);
    assert!(!planned.stdout.contains("drop-breaks-clients"), "{}", planned.stdout);
    for place in ["live.batch.before_commit", "live.batch.after_commit", "live.before_commit", "live.acted"] {
        stage.crash(&["apply", "--yes"], place);
        // Written between two runs: the trigger is there, or the batches have not been there yet.
        blue.run("UPDATE many SET n = n + 10000 WHERE id IN (5, 1500, 2999)").await.unwrap();
    }
    let mut killed = 0;
    while killed < 20 && stage.crash(&["apply", "--yes"], "live.after_commit").code.is_none() {
        killed += 1;
        blue.run("UPDATE many SET n = n + 10000 WHERE id IN (5, 1500, 2999)").await.unwrap();
    }
    stage.run(&["apply", "--yes"]).expect(0);
    let wrong = format!(
        "SELECT count(*)::text FROM many WHERE n IS DISTINCT FROM id + CASE WHEN id IN (5, 1500, 2999) THEN 10000 * {} ELSE 0 END",
        killed + 4
    );
    assert_eq!(column(&blue, &wrong).await, ["0"]);
    let columns = "SELECT attname || ' ' || atttypid::regtype || ' ' || attnotnull FROM pg_attribute \
                   WHERE attrelid = 'many'::regclass AND attnum > 0 AND NOT attisdropped ORDER BY attnum";
    assert_eq!(column(&blue, columns).await, ["id integer true", "n bigint true"]);
    assert_eq!(
        column(&blue, "SELECT count(*)::text FROM pg_index WHERE indrelid = 'many'::regclass AND indisvalid").await,
        ["2"]
    );
    assert_eq!(column(&blue, "SELECT proname::text FROM pg_proc WHERE proname ~ '_teal_'").await, [] as [&str; 0]);
}
