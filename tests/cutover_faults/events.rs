//! Events whose replay fails.

use super::{SCHEMA, participant, stage, state, take_log};

#[tokio::test]
async fn a_dead_letter_holds_its_key_and_the_cutover_until_it_is_mended() {
    let stage = stage(SCHEMA, &participant("one", "")).await;
    let right = "SET state = 'ended' WHERE signature = :signature";
    let wrong = "SET state = CASE WHEN :signature = 't7' THEN (1 / (length(:signature) - 2))::text ELSE 'ended' END \
                 WHERE signature = :signature";
    stage.edit("plan.toml", right, wrong);
    stage.ready();
    let blue = stage.pair.on_blue().await;
    let end = |token: &str| format!("UPDATE token SET active = false WHERE signature = '{token}'");
    for sql in [&end("t7"), &end("t8"), "UPDATE token SET active = true WHERE signature = 't7'", &end("t7"), &end("t9")]
    {
        blue.run(sql).await.unwrap();
    }

    stage.run(&["apply", "--yes"]).expect(3).says("dead-letter").says("division by zero");
    let green = stage.pair.on_green().await;
    let receipts = async || {
        let sql = "SELECT key ->> 'signature' || ' ' || outcome || coalesce(' ' || error, '') FROM teal.applied ORDER BY event_id";
        let rows = green.rows(sql, &[]).await.unwrap();
        rows.iter().map(|row| row.get::<_, String>(0)).collect::<Vec<_>>()
    };
    let [first, t8, second, t9] = receipts().await.try_into().unwrap();
    assert!(first.starts_with("t7 dead letter green: division by zero"), "{first}");
    assert!(second.starts_with("t7 dead letter an earlier event of the same key is a dead letter"), "{second}");
    assert_eq!([t8, t9], ["t8 applied", "t9 applied"]);
    stage.run(&["cutover", "--yes"]).expect(3).says("cutover/dead-letter").says("mend its replay in the plan");
    assert_eq!(take_log(&stage), [""; 0]);
    let tally = &stage.run(&["status", "--format", "json"]).expect(0).json()["events"];
    assert_eq!((&tally["captured"], &tally["applied"], &tally["dead"]), (&4.into(), &2.into(), &2.into()));

    stage.edit("plan.toml", wrong, right);
    stage.run(&["apply", "--yes"]).expect(0);
    assert_eq!(receipts().await, ["t7 applied", "t8 applied", "t7 applied", "t9 applied"]);

    // What is wrong may also lie on green: the plan stays as it is, and `apply` tries again.
    green
        .run(
            "CREATE FUNCTION public.no() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RAISE EXCEPTION $$not today$$; END';
             CREATE TRIGGER no BEFORE UPDATE ON token FOR EACH ROW WHEN (old.signature = 't10') EXECUTE FUNCTION public.no()",
        )
        .await
        .unwrap();
    blue.run(&end("t10")).await.unwrap();
    for _ in 0..2 {
        stage.run(&["apply", "--yes"]).expect(3).says("dead-letter").says("not today");
    }
    green.run("DROP FUNCTION public.no() CASCADE").await.unwrap();
    stage.run(&["apply", "--yes"]).expect(0);
    assert_eq!(state(&stage), "ready");
    stage.run(&["cutover", "--yes"]).expect(0);
    let report = stage.run(&["report", "--format", "json"]).expect(0).json();
    assert_eq!(report["verdict"], "passed", "{report:#}");
    let tally = &report["events"]["tally"];
    assert_eq!((&tally["captured"], &tally["applied"], &tally["dead"]), (&5.into(), &5.into(), &0.into()));
}

#[tokio::test]
async fn a_dead_letter_whose_loss_the_plan_accepts_is_given_up_for_good_and_told() {
    let stage = stage(SCHEMA, "").await;
    stage.ready();
    let (blue, green) = (stage.pair.on_blue().await, stage.pair.on_green().await);
    green
        .run(
            "CREATE FUNCTION public.no() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RAISE EXCEPTION $$not today$$; END';
             CREATE TRIGGER no BEFORE UPDATE ON token FOR EACH ROW WHEN (old.signature IN ('t7', 't8'))
             EXECUTE FUNCTION public.no()",
        )
        .await
        .unwrap();
    let end = |token: &str| format!("UPDATE token SET active = false WHERE signature = '{token}'");
    for sql in [&end("t7"), "UPDATE token SET active = true WHERE signature = 't7'", &end("t7"), &end("t8")] {
        blue.run(sql).await.unwrap();
    }
    let said = stage.run(&["apply", "--yes"]).expect(3).says("migrate explain event/dead-letter");
    let sql = "SELECT event_id, 'event ' || event_id || ' ' || event || ' ' || key::text FROM teal.applied \
               WHERE outcome = 'dead letter' ORDER BY event_id";
    let letters: Vec<(i64, String)> =
        green.rows(sql, &[]).await.unwrap().iter().map(|row| (row.get(0), row.get(1))).collect();
    assert_eq!(letters.len(), 3, "two of t7, one of t8");
    said.says(&letters[0].1);
    let accept =
        |object: &str| format!("[[accept]]\nfinding = 'event/dead-letter:{object}'\nwhy = \"revoked by hand\"\n");
    let outcomes = async || {
        let sql = "SELECT outcome FROM teal.applied ORDER BY event_id";
        green.rows(sql, &[]).await.unwrap().iter().map(|row| row.get::<_, String>(0)).collect::<Vec<_>>()
    };

    // Another key of that number is another event. The second event of t7 waits for the first, not for its acceptance.
    let append = |more: &str| stage.write("plan.toml", &(stage.read("plan.toml") + more));
    append(&accept(&letters[0].1.replace("t7", "t6")));
    stage.run(&["apply", "--yes"]).expect(3);
    assert_eq!(outcomes().await, ["dead letter"; 3]);
    append(&accept(&letters[0].1));
    // Only `apply` gives it up: until then it is none that the cutover passes.
    stage.run(&["cutover", "--yes"]).expect(3).says("cutover/dead-letter").says(&letters[0].1);
    stage.run(&["apply", "--yes"]).expect(3).says("accepted").says("revoked by hand");
    assert_eq!(outcomes().await, ["given up", "dead letter", "dead letter"]);

    // What was in the way is gone: the later event of its key goes on, the one given up stays so, accepted or not.
    green.run("DROP FUNCTION public.no() CASCADE").await.unwrap();
    stage.edit("plan.toml", &accept(&letters[0].1), "");
    stage.run(&["apply", "--yes"]).expect(0);
    assert_eq!(outcomes().await, ["given up", "applied", "applied"]);
    let validated = stage.run(&["validate", "--format", "json"]).expect(0).json();
    assert_eq!(validated["tally"]["given_up"], 1, "{validated:#}");
    stage.run(&["cutover", "--yes"]).expect(0);
    let report = stage.run(&["report", "--format", "json"]).expect(0).json();
    assert_eq!(
        (&report["verdict"], &report["events"]["tally"]["given_up"]),
        (&"passed".into(), &1.into()),
        "{report:#}"
    );
    let accepted = report["accepted"].as_array().unwrap();
    assert!(accepted.iter().any(|one| one["id"] == "event/dead-letter" && one["object"] == letters[0].1), "{report:#}");
    let text = stage.run(&["report"]).expect(0).stdout.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(text.contains("1 given up") && text.contains("revoked by hand"), "{text}");
}
