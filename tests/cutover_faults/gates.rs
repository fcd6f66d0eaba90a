//! What must be true before a cutover touches anything.

use std::fs::File;
use std::process::Command;

use teal::catalog::read_structure;

use super::{Running, SCHEMA, WAIT_FOR_TEST, assert_put_back, assert_retired, participant, stage, take_log, until};

#[tokio::test]
async fn green_refuses_everybody_until_decide_and_who_forces_it_open_closes_the_gate() {
    let stage = stage(
        &format!("{SCHEMA}CREATE ROLE app; GRANT ALL ON ALL TABLES IN SCHEMA public TO app;"),
        &participant("one", ""),
    )
    .await;
    stage.ready();
    let green = stage.pair.on_green().await;
    for who in ["SET ROLE app", "RESET ROLE", "SET session_replication_role = replica"] {
        for write in [
            "UPDATE token SET state = 'x'",
            "DELETE FROM account",
            "INSERT INTO owner VALUES (900, 'x')",
            "TRUNCATE owner",
        ] {
            green.run(&format!("RESET ROLE; GRANT ALL ON ALL TABLES IN SCHEMA public TO app; {who}")).await.unwrap();
            let refused = green.run(write).await.expect_err(write).to_string();
            assert!(refused.contains("this database takes no writes yet"), "{who}: {write}: {refused}");
        }
    }
    green.run("RESET ALL; RESET ROLE").await.unwrap();
    stage.run(&["cutover", "--dry-run"]).expect(0);

    // Forced open after the gates were asked: found under the fence.
    stage.write("one.prepare", WAIT_FOR_TEST);
    let cutover = Running::start(&stage, &["cutover", "--yes"]);
    until("the prepare", async || stage.path("waits").exists()).await;
    green.run("ALTER TABLE owner DISABLE TRIGGER teal_gate").await.unwrap();
    stage.write("go", "");
    cutover.end().await.expect(5).says("public.owner on green takes writes from anybody");
    assert_eq!(take_log(&stage), ["one prepare", "one abort"]);
    assert_put_back(&stage).await;

    for sql in ["SELECT 1", "ALTER TABLE owner ENABLE TRIGGER teal_gate", "DROP TRIGGER teal_gate ON owner"] {
        green.run(sql).await.unwrap();
        stage.run(&["cutover", "--yes"]).expect(3).says("cutover/green-open").says("public.owner");
    }
    assert_eq!(take_log(&stage), [""; 0]);
}

#[tokio::test]
async fn a_blue_whose_structure_changed_since_the_copy_closes_the_gate() {
    let schema = "
        CREATE TABLE audit (at date, what text) PARTITION BY RANGE (at);
        CREATE TABLE audit_2026 PARTITION OF audit FOR VALUES FROM ('2026-01-01') TO ('2027-01-01');";
    let stage = stage(&format!("{SCHEMA}{schema}"), "").await;
    stage.ready();
    let blue = stage.pair.on_blue().await;
    for (change, back, named) in [
        ("ALTER TABLE account ADD COLUMN x int", "ALTER TABLE account DROP COLUMN x", "public.account"),
        ("CREATE INDEX late ON account (name)", "DROP INDEX late", "public.late"),
        (
            "CREATE TABLE audit_2027 PARTITION OF audit FOR VALUES FROM ('2027-01-01') TO ('2028-01-01')",
            "DROP TABLE audit_2027",
            "public.audit_2027",
        ),
    ] {
        blue.run(change).await.unwrap();
        stage.run(&["cutover", "--yes"]).expect(3).says("cutover/structure-changed").says(named);
        blue.run(back).await.unwrap();
        stage.run(&["cutover", "--dry-run"]).expect(0);
    }
    assert_put_back(&stage).await;
}

#[tokio::test]
async fn a_dry_run_changes_nothing_nor_does_a_cutover_with_nobody_to_ask_and_a_no_puts_everything_back() {
    let stage = stage(SCHEMA, &participant("one", "")).await;
    stage.ready();
    let (blue, green) = (stage.pair.on_blue().await, stage.pair.on_green().await);
    blue.run("UPDATE token SET active = false WHERE signature = 't1'").await.unwrap();
    let facts = async || {
        let waiting: i64 =
            blue.row("SELECT count(*) FROM teal.event WHERE taken_at IS NULL", &[]).await.unwrap().get(0);
        let receipts: i64 = green.row("SELECT count(*) FROM teal.applied", &[]).await.unwrap().get(0);
        let structures = (read_structure(&blue).await.unwrap(), read_structure(&green).await.unwrap());
        format!("{waiting} waiting, {receipts} receipts, {structures:?}")
    };
    let (before, journal) = (facts().await, stage.journal());
    stage.run(&["cutover", "--dry-run"]).expect(0);
    assert_eq!(facts().await, before);
    assert_eq!(stage.journal(), [journal, vec!["lease_taken".to_owned()]].concat());
    assert_eq!(take_log(&stage), [""; 0]);

    stage.run(&["cutover"]).expect(3).says("there is no terminal to ask at").says("Hint: run it again with --yes");
    assert_eq!((facts().await, take_log(&stage)), (before, Vec::new()));

    // `script` gives the program a terminal.
    let script = |answer: &str| {
        let program = stage.command(&["cutover"]);
        let mut script = Command::new("script");
        for (name, value) in program.get_envs().filter_map(|(name, value)| Some((name, value?))) {
            script.env(name, value);
        }
        let typed = File::open(stage.path(answer)).unwrap();
        let command = format!("{} cutover", program.get_program().display());
        script.args(["-qec", &command, "/dev/null"]).current_dir(stage.path("")).stdin(typed).status().unwrap().code()
    };
    stage.write("no", "no\n");
    assert_eq!(script("no"), Some(5));
    assert_eq!(take_log(&stage), ["one prepare", "one abort"]);
    assert_put_back(&stage).await;
    stage.write("yes", "yes\n");
    assert_eq!(script("yes"), Some(0));
    assert_retired(&stage).await;
}
