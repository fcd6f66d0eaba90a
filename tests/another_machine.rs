//! A run that dies on one machine and is taken up on another, with its journal, with a stale one, and with none; and a
//! journal whose last line the crash tore.

#![allow(clippy::unwrap_used)] // a test may

mod support;

use support::site::{Kept, Sides, Site, counting_stage};
use teal::postgres::Db;

const APPLY: &[&str] = &["apply", "--yes"];
const CUTOVER: &[&str] = &["cutover", "--yes"];
const ABORT: &[&str] = &["abort", "--yes"];
const FINISH: &[&str] = &["finish", "--yes"];

/// Every object of a database that is not the server's own, ours included.
async fn objects(db: &Db) -> Vec<String> {
    let sql = "
        SELECT 'schema ' || nspname AS object FROM pg_namespace
            WHERE nspname NOT LIKE 'pg\\_%' AND nspname <> 'information_schema'
        UNION ALL SELECT format('relation %s %s', c.oid::regclass, relkind) FROM pg_class c
            WHERE c.oid >= 16384 AND relnamespace::regnamespace::text NOT LIKE 'pg\\_%'
        UNION ALL SELECT format('function %s', p.oid::regprocedure) FROM pg_proc p WHERE p.oid >= 16384
        UNION ALL SELECT format('trigger %s on %s %s', tgname, tgrelid::regclass, tgenabled) FROM pg_trigger
            WHERE NOT tgisinternal
        UNION ALL SELECT format('publication %s', pubname) FROM pg_publication
        UNION ALL SELECT format('slot %s', slot_name) FROM pg_replication_slots
        UNION ALL SELECT format('event trigger %s', evtname) FROM pg_event_trigger
        ORDER BY object";
    db.rows(sql, &[]).await.unwrap().iter().map(|row| row.get(0)).collect()
}

/// Where the run row says that the journal lies.
fn journal_of(site: &Site<'_>) -> String {
    let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
    format!("{host}:{}", site.path(".migrate/small/journal.jsonl").canonicalize().unwrap().display())
}

#[tokio::test]
async fn with_the_journal_another_machine_goes_on_and_the_copy_left_behind_is_stale() {
    let stage = counting_stage().await;
    let first = Site::of(&stage);
    first.revoke(1).await;
    first.killed_at("snapshot.copied", APPLY).await;
    let second = first.elsewhere("second");
    first.revoke(2).await;
    second.killed_at("migrate.after_commit", APPLY).await;

    let right = journal_of(&second);
    first.run(APPLY).expect(3).says("stale").says(&right);
    first.run(CUTOVER).expect(3).says("stale").says(&right);
    first.run(ABORT).expect(3).says("stale").says(&right);
    first.run(&["status"]).expect(0);
    second.run(APPLY).expect(0);
    second.revoke(3).await;
    second.killed_at("fence.taken", CUTOVER).await;

    let third = second.elsewhere("third");
    third.killed_at("decide.after_commit", CUTOVER).await;
    second.run(CUTOVER).expect(3).says("stale").says(&journal_of(&third));
    let fourth = third.elsewhere("fourth");
    fourth.run(CUTOVER).expect(0);
    fourth.is_switched_and_complete().await;
    third.run(CUTOVER).expect(3).says("stale").says(&journal_of(&fourth));
    third.run(FINISH).expect(3).says("stale");
    fourth.run(FINISH).expect(0);
    third.run(CUTOVER).expect(3).says("finished from elsewhere");
    assert_eq!(fourth.sides().await, Sides { blue: false, green: true });
}

#[tokio::test]
async fn without_the_journal_a_machine_is_told_where_it_lies_and_can_only_put_back() {
    let stage = counting_stage().await;
    let site = Site::of(&stage);
    let (blue_before, green_before) = (objects(&site.on_blue().await).await, objects(&site.on_green().await).await);
    for place in ["journal:2", "capture.created", "snapshot.exported", "snapshot.copied", "migrate.after_commit"] {
        site.revoke(1).await;
        site.killed_at(place, APPLY).await;
        let stranger = site.without_journal(&format!("stranger at {place}"));
        let lies = journal_of(&site);
        stranger.run(APPLY).expect(3).says(&lies);
        stranger.run(CUTOVER).expect(3).says(&lies);
        stranger.run(FINISH).expect(3);
        let status = stranger.run(&["status"]).expect(0);
        assert!(status.stdout.contains(&lies), "at {place}:\n{}", status.stdout);
        stranger.run(ABORT).expect(0);
        assert_eq!(objects(&site.on_blue().await).await, blue_before, "at {place}");
        assert_eq!(objects(&site.on_green().await).await, green_before, "at {place}");
        // What the journal tells of is no more.
        site.run(ABORT).expect(0);
        site.on_blue().await.run("UPDATE token SET active = true").await.unwrap();
    }
    stage.ready();
}

#[tokio::test]
async fn a_journal_whose_run_was_put_back_from_elsewhere_goes_no_further_and_touches_no_green_that_is_not_its_own() {
    let stage = counting_stage().await;
    let site = Site::of(&stage);
    let blue_before = objects(&site.on_blue().await).await;
    stage.ready();
    let stranger = site.without_journal("stranger");
    stranger.run(ABORT).expect(0);
    let green = site.on_green().await;
    green.run("CREATE TABLE of_somebody_else ()").await.unwrap();

    site.run(APPLY).expect(3).says("put back from elsewhere").says("migrate abort");
    site.run(CUTOVER).expect(3).says("put back from elsewhere");
    assert_eq!(objects(&site.on_blue().await).await, blue_before);
    // Killed in its middle and run again, the abort must not take its own traces for a green of ours.
    site.killed_at("lease.taken", ABORT).await;
    site.run(ABORT).expect(0);
    assert_eq!(objects(&site.on_blue().await).await, blue_before);
    green.run("DROP TABLE of_somebody_else").await.unwrap();
    stage.ready();
}

#[tokio::test]
async fn without_the_journal_a_cutover_is_put_back_before_the_decision_and_never_since() {
    let stage = counting_stage().await;
    let site = Site::of(&stage);
    let blue_before = objects(&site.on_blue().await).await;
    stage.ready();
    let ready = Kept::keep(&stage).await;
    for place in ["participant.prepared", "fence.taken", "decide.before_commit"] {
        let site = ready.put_back(place).await;
        site.killed_at(place, CUTOVER).await;
        let stranger = site.without_journal(&format!("stranger at {place}"));
        stranger.run(CUTOVER).expect(3).says(&journal_of(&site));
        stranger.run(ABORT).expect(0);
        assert_eq!(objects(&site.on_blue().await).await, blue_before, "at {place}");
        assert_eq!(site.sides().await, Sides { blue: true, green: false });
    }
    for place in ["decide.after_commit", "green.opened", "participant.committed"] {
        let site = ready.put_back(place).await;
        site.killed_at(place, CUTOVER).await;
        let stranger = site.without_journal(&format!("stranger at {place}"));
        stranger.run(ABORT).expect(3).says("decided");
        stranger.run(APPLY).expect(3).says(&journal_of(&site));
        stranger.run(CUTOVER).expect(3).says(&journal_of(&site));
        stranger.run(FINISH).expect(3).says("migrate cutover");
        assert!(!site.sides().await.blue, "at {place}");
        site.run(CUTOVER).expect(0);
        site.is_switched_and_complete().await;
    }
}

#[tokio::test]
async fn without_the_journal_what_has_switched_is_finished() {
    let stage = counting_stage().await;
    let site = Site::of(&stage);
    let blue_before = objects(&site.on_blue().await).await;
    stage.ready();
    site.run(CUTOVER).expect(0);
    // The participants have switched for everybody, wherever the journal lies.
    let stranger = site.without_journal("stranger");
    let status = stranger.run(&["status"]).expect(0);
    assert!(status.stdout.contains("green"), "{}", status.stdout);
    stranger.run(ABORT).expect(3).says("decided");
    stranger.run(FINISH).expect(0);
    assert_eq!(site.sides().await, Sides { blue: false, green: true });
    // The machine with the journal takes it up again as little.
    site.run(CUTOVER).expect(3).says("finished from elsewhere");
    stranger.run(&["finish", "--unfence", "--yes"]).expect(0);
    assert_eq!(objects(&site.on_blue().await).await, blue_before);
    let ours: Vec<_> = objects(&site.on_green().await).await.into_iter().filter(|o| o.contains("teal")).collect();
    assert!(ours.is_empty(), "{ours:?}");
}

/// How many whole records the journal has.
fn records(site: &Site<'_>) -> usize {
    std::fs::read_to_string(site.path(".migrate/small/journal.jsonl")).unwrap_or_default().matches('\n').count()
}

/// Cuts the journal's last line in half, as a crash in the middle of its write would.
fn tear(site: &Site<'_>) -> String {
    let path = site.path(".migrate/small/journal.jsonl");
    let record = site.journal().pop().unwrap();
    let text = std::fs::read_to_string(&path).unwrap();
    assert!(text.ends_with('\n'), "whole until now");
    let last = text.trim_end().rfind('\n').map_or(0, |at| at + 1);
    std::fs::write(&path, &text[..last + (text.len() - last) / 2]).unwrap();
    record
}

#[tokio::test]
async fn a_torn_last_record_counts_as_never_written() {
    let stage = counting_stage().await;
    let site = Site::of(&stage);
    let mut torn = Vec::new();
    // Five records each: the lease, a step begun again and done, the next begun, and the one that is torn.
    loop {
        // What is torn now is written again: the number of whole lines counts.
        let killed = site.kill_at(&format!("journal:{}", records(&site) + 5), APPLY).await;
        if let Some(ran) = killed {
            ran.expect(0);
            break;
        }
        torn.push(tear(&site));
        if torn.len().is_multiple_of(3) {
            site.revoke(torn.len()).await;
        }
    }
    assert!(torn.len() > 5 && torn.iter().any(|record| record.starts_with("step_done")), "{torn:?}");

    let ready = Kept::keep(&stage).await;
    let begun = records(&site);
    for further in 2.. {
        let site = ready.put_back(&format!("torn {further}")).await;
        site.revoke(1).await;
        if let Some(ran) = site.kill_at(&format!("journal:{}", begun + further), CUTOVER).await {
            ran.expect(0);
            break;
        }
        let record = tear(&site);
        site.run(CUTOVER).expect(0);
        site.is_switched_and_complete().await;
        torn.push(record);
    }
    assert!(torn.contains(&"step_done cutover/decide".to_owned()) && torn.contains(&"switched".to_owned()), "{torn:?}");
}
