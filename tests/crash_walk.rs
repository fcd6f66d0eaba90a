//! `kill -9` at every journal record and at every named place, one process after the other: whatever stands then goes on,
//! no event is lost or applied twice, and never do two sides take writes.

mod support;

use std::collections::BTreeSet;

use support::site::{Kept, Sides, Site, counting_stage};
use teal::failpoint::PLACES;

const APPLY: &[&str] = &["apply", "--yes"];
const CUTOVER: &[&str] = &["cutover", "--yes"];
/// The record after which a cutover only goes forward.
const DECIDED: &str = "step_done cutover/decide";

/// A walk over the records of one upgrade, each process killed after the first record that no process was killed after.
struct Walk<'a> {
    site: &'a Site<'a>,
    /// Records after which a process was killed.
    killed_after: BTreeSet<String>,
    /// Tokens revoked on blue while green had no copy yet, and since.
    before_copy: Vec<usize>,
    after_copy: Vec<usize>,
}

impl Walk<'_> {
    /// Runs the program until a run of it is not killed.
    async fn over(&mut self, args: &[&str]) {
        let mut distance = 1;
        loop {
            let begun = self.site.journal().len();
            if let Some(ran) = self.site.kill_at(&format!("journal:{}", begun + distance), args).await {
                ran.expect(0);
                return;
            }
            let journal = self.site.journal();
            assert_eq!(journal.len(), begun + distance, "the record is on disk");
            self.look(&journal).await;
            let is_new = self.killed_after.insert(journal[journal.len() - 1].clone());
            distance = if is_new { self.first_distance(&journal, distance) } else { distance + 1 };
        }
    }

    /// How many records the next process may write: the first that can be a new one. Each writes that it has the lease;
    /// in an attempt at the cutover, which begins anew each time, all that is left is to get one record further.
    fn first_distance(&self, journal: &[String], distance: usize) -> usize {
        let has = |record: &str| journal.iter().any(|r| r == record);
        if !self.killed_after.contains("lease_taken") {
            1
        } else if has("cutover_started") && !has(DECIDED) && self.killed_after.contains("cutover_undone") {
            distance + 1
        } else {
            2
        }
    }

    /// What must hold whenever a process has died; and while blue serves, it takes another revocation.
    async fn look(&mut self, journal: &[String]) {
        let has = |record: &str| journal.iter().any(|r| r == record);
        let sides = self.site.sides().await;
        assert_eq!(sides.blue, !has(DECIDED), "after {journal:#?}");
        // While it is being built green is nobody's yet; its gate is shut before it is ready.
        if has("became_ready") {
            assert!(!(sides.blue && sides.green), "two writable sides after {journal:#?}");
        }
        if sides.blue {
            let number = 1 + self.before_copy.len() + self.after_copy.len();
            self.site.revoke(number).await;
            let class = if has("step_done snapshot/copy") { &mut self.after_copy } else { &mut self.before_copy };
            class.push(number);
        }
    }
}

#[tokio::test]
async fn killed_after_every_record_in_turn_the_upgrade_ends_as_if_nothing_had_happened() {
    let stage = counting_stage().await;
    let site = Site::of(&stage);
    let mut walk = Walk { site: &site, killed_after: BTreeSet::new(), before_copy: Vec::new(), after_copy: Vec::new() };
    walk.over(APPLY).await;
    walk.over(CUTOVER).await;
    site.is_switched_and_complete().await;

    // The same writes without a single crash: what matters of their moment is only whether the copy saw them.
    let calm = counting_stage().await;
    let calm = Site::of(&calm);
    for number in &walk.before_copy {
        calm.revoke(*number).await;
    }
    calm.run(APPLY).expect(0);
    for number in &walk.after_copy {
        calm.revoke(*number).await;
    }
    calm.run(CUTOVER).expect(0);
    calm.is_switched_and_complete().await;
    assert_eq!(site.contents().await, calm.contents().await);

    let records: BTreeSet<String> = calm.journal().into_iter().collect();
    let missed: Vec<_> = records.difference(&walk.killed_after).collect();
    assert!(missed.is_empty(), "no process was killed after {missed:?}");
    assert!(walk.before_copy.len() > 5 && walk.after_copy.len() > 20, "{:?}", (walk.before_copy, walk.after_copy));
    site.run(&["validate"]).expect(0);
    let report = site.run(&["report", "--format", "json"]).expect(0).json();
    assert_eq!(report["verdict"], "passed", "{report:#}");
}

#[tokio::test]
async fn killed_at_every_named_place_in_turn_the_upgrade_ends_well() {
    let stage = counting_stage().await;
    let site = Site::of(&stage);
    for (number, place) in PLACES.iter().enumerate() {
        let decided = PLACES[..=number].contains(&"decide.after_commit");
        if !PLACES[..number].contains(&"decide.after_commit") {
            // So that there is always something to replay.
            site.revoke(number + 1).await;
        }
        let building = PLACES[number..].contains(&"replay.after_commit");
        site.killed_at(place, if building { APPLY } else { CUTOVER }).await;
        let sides = site.sides().await;
        assert_eq!(sides.blue, !decided, "at {place}");
        assert!(!(sides.blue && sides.green) || building, "two writable sides at {place}");
        if place == &"replay.after_commit" {
            site.run(APPLY).expect(0);
        }
        if decided {
            site.run(&["abort", "--yes"]).expect(3).says("decided");
        }
    }
    site.run(CUTOVER).expect(0);
    site.is_switched_and_complete().await;
    site.run(&["validate"]).expect(0);
}

/// How many records a kept upgrade has, which ones its cutover adds when nothing happens to it, and green's contents then.
async fn calm_cutover(ready: &Kept<'_>) -> (usize, Vec<String>, String) {
    let calm = ready.put_back("calm").await;
    let begun = calm.journal().len();
    revoke_some(&calm).await;
    calm.run(CUTOVER).expect(0);
    calm.is_switched_and_complete().await;
    let records = calm.journal().split_off(begun);
    let contents = calm.contents().await;
    (begun, records, contents)
}

async fn revoke_some(site: &Site<'_>) {
    for number in [1, 2, 3] {
        site.revoke(number).await;
    }
}

/// Kills one cutover after each of its records before or since the decision, and lets a plain `cutover` go on.
async fn kill_and_resume(ready: &Kept<'_>, wanted: impl Fn(bool) -> bool) {
    let (begun, records, expected) = calm_cutover(ready).await;
    let decided_at = records.iter().take_while(|record| *record != DECIDED).count();
    assert!(decided_at < records.len(), "{records:?}");
    for (number, record) in records.iter().enumerate() {
        let decided = number >= decided_at;
        if !wanted(decided) {
            continue;
        }
        let site = ready.put_back(&format!("r{number}")).await;
        revoke_some(&site).await;
        site.killed_at(&format!("journal:{}", begun + number + 1), CUTOVER).await;
        assert_eq!(site.journal().last(), Some(record));
        let sides = site.sides().await;
        assert_eq!(sides.blue, !decided, "after {record}");
        assert!(!(sides.blue && sides.green), "two writable sides after {record}");
        site.run(CUTOVER).expect(0);
        site.is_switched_and_complete().await;
        assert_eq!(site.contents().await, expected, "after {record}");
    }
}

#[tokio::test]
async fn killed_once_after_any_record_before_the_decision_a_cutover_goes_on() {
    let stage = counting_stage().await;
    stage.ready();
    kill_and_resume(&Kept::keep(&stage).await, |decided| !decided).await;
}

#[tokio::test]
async fn killed_once_after_any_record_since_the_decision_a_cutover_goes_on() {
    let stage = counting_stage().await;
    stage.ready();
    kill_and_resume(&Kept::keep(&stage).await, |decided| decided).await;
}

/// The places that a cutover comes by.
fn cutover_places() -> impl Iterator<Item = &'static str> {
    let building = ["lever.turned", "capture.", "snapshot.", "migrate."];
    PLACES.iter().copied().filter(move |place| !building.iter().any(|prefix| place.starts_with(prefix)))
}

#[tokio::test]
async fn killed_once_at_any_place_of_the_cutover_it_goes_on_or_back_but_never_back_once_decided() {
    let stage = counting_stage().await;
    stage.ready();
    let ready = Kept::keep(&stage).await;
    let (_, _, expected) = calm_cutover(&ready).await;
    for place in cutover_places() {
        let decided = PLACES.iter().skip_while(|p| **p != "decide.after_commit").any(|p| *p == place);
        let site = ready.put_back(&place.replace('.', "_")).await;
        revoke_some(&site).await;
        site.killed_at(place, CUTOVER).await;
        assert_eq!(
            site.sides().await,
            Sides { blue: !decided, green: ["green.opened", "participant.committed", "lever.back"].contains(&place) },
            "at {place}"
        );
        if decided {
            site.run(&["abort", "--yes"]).expect(3).says("decided");
        }
        site.run(CUTOVER).expect(0);
        site.is_switched_and_complete().await;
        assert_eq!(site.contents().await, expected, "at {place}");
    }
}
