//! Captured events reach green exactly once, per key in order, and what can't be replayed is kept apart.

#![allow(clippy::unwrap_used)] // a stage that does not come about is a failed test

mod support;

use support::{Pair, event, start_capture};
use teal::plan::{Event, When};
use teal::postgres::Db;
use teal::replay::{self, Applier, dead_letters, read_tally, verify_events};
use teal::step::{Notices, Phase, StepId};

const TOKENS: &str = "
    CREATE TABLE token (signature text PRIMARY KEY, active boolean NOT NULL DEFAULT true, n int NOT NULL DEFAULT 0);
    INSERT INTO token SELECT 't' || i FROM generate_series(1, 2000) i";

/// Blue with capture, green with the same rows; the copy is what blue's snapshot sees now.
struct Replay {
    pair: Pair,
    events: Vec<Event>,
    copy: String,
    blue: Db,
    green: Db,
}

impl Replay {
    async fn start(replay: &str) -> Self {
        let pair = Pair::start(TOKENS).await;
        let mut ended = event("ended", "token", When::Ends("active".to_owned()));
        ended.replay = vec![replay.to_owned()];
        "SELECT 1 FROM token WHERE signature = :signature AND active".clone_into(&mut ended.verify);
        let mut began = event("began", "token", When::Begins("active".to_owned()));
        began.replay = vec!["UPDATE token SET active = true WHERE signature = :signature".to_owned()];
        "SELECT 1 FROM token WHERE signature = :signature AND NOT active".clone_into(&mut began.verify);
        let events = vec![ended, began];
        start_capture(&pair, &events).await;
        let (blue, green) = (pair.on_blue().await, pair.on_green().await);
        green.run(include_str!("../src/postgres/sql/create_run.sql")).await.unwrap();
        green.run(TOKENS).await.unwrap();
        replay::prepare_green(&green).await.unwrap();
        replay::close_green(&green).await.unwrap();
        let copy = blue.row("SELECT pg_current_snapshot()::text", &[]).await.unwrap().get(0);
        Self { pair, events, copy, blue, green }
    }

    async fn applier(&self) -> Applier {
        let Self { pair, events, copy, .. } = self;
        let copied = replay::Copied { snapshot: copy.clone(), ..replay::Copied::default() };
        Applier::open(&pair.blue, &pair.green, events, copied, 1).await.unwrap()
    }

    async fn n(&self, signature: &str) -> i32 {
        self.green.row("SELECT n FROM token WHERE signature = $1", &[&signature]).await.unwrap().get(0)
    }

    async fn verify(&self) -> replay::Verified {
        let notices = Notices::new(StepId::new(Phase::Replay, "test"), None);
        verify_events(&self.blue, &self.green, &self.events, &notices).await.unwrap()
    }
}

const COUNTING: &str = "UPDATE token SET active = false, n = n + 1 WHERE signature = :signature";

#[tokio::test]
async fn an_event_that_is_met_again_is_not_applied_again() {
    let stage = Replay::start(COUNTING).await;
    stage.blue.run("UPDATE token SET active = false").await.unwrap();
    let caught = stage.applier().await.pass().await.unwrap();
    assert_eq!((caught.taken, caught.dead), (2000, 0));
    // Killed between green's commit and blue's mark: the outbox still has them.
    stage.blue.run("UPDATE teal.event SET taken_at = NULL").await.unwrap();
    stage.applier().await.pass().await.unwrap();
    assert_eq!((stage.n("t1").await, stage.n("t2000").await), (1, 1));
    let tally = read_tally(&stage.blue, &stage.green).await.unwrap();
    assert!(tally.is_settled() && tally.applied == 2000, "{tally:?}");
    assert_eq!(stage.verify().await.holds, 2000);
}

#[tokio::test]
async fn a_smaller_number_that_appears_later_is_not_missed() {
    let stage = Replay::start(COUNTING).await;
    let late = stage.pair.on_blue().await;
    late.run("BEGIN; UPDATE token SET active = false WHERE signature = 't1'").await.unwrap();
    stage.blue.run("UPDATE token SET active = false WHERE signature = 't2'").await.unwrap();
    let mut applier = stage.applier().await;
    assert_eq!(applier.pass().await.unwrap().taken, 1);
    late.run("COMMIT").await.unwrap();
    assert_eq!(applier.pass().await.unwrap().taken, 1);
    assert_eq!((stage.n("t1").await, stage.n("t2").await), (1, 1));
}

#[tokio::test]
async fn per_key_the_order_holds_and_an_undone_event_is_superseded() {
    let stage = Replay::start(COUNTING).await;
    for _ in 0..3 {
        stage.blue.run("UPDATE token SET active = false WHERE signature = 't1'").await.unwrap();
        stage.blue.run("UPDATE token SET active = true WHERE signature = 't1'").await.unwrap();
    }
    stage.applier().await.pass().await.unwrap();
    let active: bool = stage.green.row("SELECT active FROM token WHERE signature = 't1'", &[]).await.unwrap().get(0);
    assert!(active, "the last event was that it began");
    let verified = stage.verify().await;
    assert_eq!((verified.asked, verified.holds, verified.superseded, verified.failed), (6, 3, 3, 0));
}

#[tokio::test]
async fn a_dead_letter_holds_back_its_key_alone_and_can_be_retried() {
    let mut stage =
        Replay::start("UPDATE token SET active = false, n = 1 / (n - 7) WHERE signature = :signature").await;
    let pass = replay::pass(&stage.pair.green).await.unwrap();
    pass.run("UPDATE token SET n = 7 WHERE signature = 't1'").await.unwrap();
    stage.blue.run("UPDATE token SET active = false WHERE signature IN ('t1', 't2')").await.unwrap();
    stage.blue.run("UPDATE token SET active = true WHERE signature = 't1'").await.unwrap();
    let caught = stage.applier().await.pass().await.unwrap();
    assert_eq!((caught.taken, caught.dead), (3, 2));
    let letters = dead_letters(&stage.green, 10).await.unwrap();
    assert!(letters[0].error.contains("division by zero"), "{letters:?}");
    assert!(letters[1].error.contains("earlier event of the same key"), "{letters:?}");
    assert!(!read_tally(&stage.blue, &stage.green).await.unwrap().is_settled());

    stage.events[0].replay = vec![COUNTING.to_owned()];
    let caught = stage.applier().await.retry_dead_letters().await.unwrap();
    assert_eq!((caught.taken, caught.dead), (2, 0));
    assert!(read_tally(&stage.blue, &stage.green).await.unwrap().is_settled());
    assert_eq!(stage.n("t1").await, 8);
}

#[tokio::test]
async fn who_lost_the_lease_writes_nothing_more_to_green() {
    let stage = Replay::start(COUNTING).await;
    stage.blue.run("UPDATE token SET active = false WHERE signature = 't1'").await.unwrap();
    let mut applier = stage.applier().await;
    let row = "INSERT INTO teal.run (plan, run, journal_host, journal_path, who, host, pid, token, seq, state)
               VALUES ('p', 'r', 'h', '/j', 'w', 'h', 1, 2, 1, 'ready')";
    stage.green.run(row).await.unwrap();
    let lost = applier.pass().await.unwrap_err();
    assert!(lost.what.contains("another process took the run over"), "{lost}");
    assert_eq!(stage.n("t1").await, 0);
    assert!(dead_letters(&stage.green, 10).await.unwrap().is_empty());
}

#[tokio::test]
async fn green_refuses_every_other_writer_until_it_opens() {
    let stage = Replay::start(COUNTING).await;
    let refused = stage.green.run("UPDATE token SET n = 1").await.unwrap_err();
    assert!(refused.to_string().contains("takes no writes yet"), "{refused}");
    stage.green.run("SET session_replication_role = replica").await.unwrap();
    assert!(stage.green.run("TRUNCATE token").await.is_err());
    assert!(replay::is_closed(&stage.green).await.unwrap().is_ok());
    stage.green.run("ALTER TABLE token DISABLE TRIGGER teal_gate").await.unwrap();
    assert!(replay::is_closed(&stage.green).await.unwrap().is_err());
    replay::open_green(&stage.green).await.unwrap();
    stage.green.run("UPDATE token SET n = 1").await.unwrap();
    replay::drop_gate(&stage.green).await.unwrap();
    let left: i64 =
        stage.green.row("SELECT count(*) FROM pg_trigger WHERE tgname = 'teal_gate'", &[]).await.unwrap().get(0);
    assert_eq!(left, 0);
}
