//! A cutover, and the run before it, while everything around it fails: participants, transactions, sessions, servers,
//! operators. Run with the real program.

#![allow(clippy::unwrap_used)] // a test may fail by panicking, its helpers included

#[path = "../support/mod.rs"]
mod support;

mod doubt;
mod events;
mod fence;
mod gates;
mod http;
mod operators;
mod participants;
mod sessions;
mod timing;

use support::Pair;
use support::running::{Running, until, until_sql};
use support::stage::{SCHEMA, Stage};
use teal::postgres::Db;

/// `sh act NAME HALF`: logs it, then does what the test wrote into the file NAME.HALF; without an `exit` there, what the
/// half is for.
const ACT: &str = r#"
[ "$2" = committed ] || echo "$1 $2" >> log
if [ -e "$1.$2" ]; then . "./$1.$2"; fi
case $2 in
  commit) touch "$1.on" ;;
  committed) test -e "$1.on" ;;
esac
"#;

/// A prepare that waits until the test lets it go on.
const WAIT_FOR_TEST: &str = "touch waits; until [ -e go ]; do sleep 0.02; done; rm go waits\n";

/// A participant of programs that the test can make fail, hang and lie.
fn participant(name: &str, more: &str) -> String {
    let half = |half: &str| format!("{half} = [\"sh\", \"act\", \"{name}\", \"{half}\"]\n");
    let halves: String = ["prepare", "commit", "committed", "abort"].map(half).concat();
    format!("\n[[participant]]\nname = \"{name}\"\nkind = \"command\"\n{halves}{more}\n")
}

/// A stage whose plan ends in `more`.
async fn stage(schema: &str, more: &str) -> Stage {
    stage_on(Pair::start(schema).await, more)
}

fn stage_on(pair: Pair, more: &str) -> Stage {
    let stage = Stage::on(pair, more);
    stage.write("act", ACT);
    stage
}

/// What the participants were asked for since the last look.
fn take_log(stage: &Stage) -> Vec<String> {
    let log = std::fs::read_to_string(stage.path("log")).unwrap_or_default();
    let _ = std::fs::remove_file(stage.path("log"));
    log.lines().map(str::to_owned).collect()
}

fn remove(stage: &Stage, name: &str) {
    std::fs::remove_file(stage.path(name)).unwrap();
}

/// The run's state as `status` tells it.
fn state(stage: &Stage) -> String {
    stage.run(&["status", "--format", "json"]).expect(0).json()["state"].as_str().unwrap().to_owned()
}

/// Blue takes writes, and nothing is left of a cutover: everything was put back.
async fn assert_put_back(stage: &Stage) {
    let blue = stage.pair.on_blue().await;
    blue.run("SET statement_timeout = '5s'; UPDATE account SET name = name; UPDATE token SET account = account")
        .await
        .unwrap();
    assert_eq!(state(stage), "ready");
}

async fn assert_retired(stage: &Stage) {
    let refused = stage.pair.on_blue().await.run("UPDATE account SET name = name").await.unwrap_err();
    assert!(refused.to_string().contains("retired by an upgrade"), "{refused}");
}

/// A cutover that stands in its drain, under the fence: the event of the token `signature` meets a locked row on green.
/// It goes on when the session that is given back ends. The stage's participant `one` must be there.
async fn stand_in_drain<'a>(stage: &'a Stage, signature: &str) -> (Running<'a>, Db) {
    stage.write("one.prepare", WAIT_FOR_TEST);
    let cutover = Running::start(stage, &["cutover", "--yes"]);
    until("the prepare", async || stage.path("waits").exists()).await;
    let late = session(stage.pair.on_blue().await).await;
    late.run(&format!("BEGIN; UPDATE token SET active = false WHERE signature = '{signature}'")).await.unwrap();
    let hold = session(stage.pair.on_green().await).await;
    hold.run(&format!("BEGIN; SELECT FROM token WHERE signature = '{signature}' FOR UPDATE")).await.unwrap();
    stage.write("go", "");
    // It commits when the last catching up is over: the event is left for the drain.
    cutover.says("waits for locks on blue").await;
    late.run("COMMIT").await.unwrap();
    let admin = admin(&stage.pair).await;
    until_sql(&admin, "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE application_name = 'teal fence' AND state = 'idle in transaction')").await;
    until_sql(&admin, "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE application_name = 'teal replay' AND wait_event_type = 'Lock')").await;
    (cutover, hold)
}

/// A session that is not taken for one of ours.
async fn session(db: Db) -> Db {
    db.run("SET application_name = 'somebody'").await.unwrap();
    db
}

/// A session outside of both databases.
async fn admin(pair: &Pair) -> Db {
    let url = pair.server.url("postgres");
    let target = teal::postgres::Target::parse("admin", &url).unwrap();
    target.connect(teal::postgres::Access::ReadWrite).await.unwrap()
}
