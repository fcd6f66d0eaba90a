//! From the outbox on blue to green, exactly once, in the order of their ids.
//!
//! Each event's effect and its receipt in `teal.applied` commit together on green; only then is the event marked as
//! taken on blue. Killed in between, the next reader meets the event again, finds the receipt, and only marks it.
//! There is no watermark: ids are handed out before commits, so a smaller id may appear after a larger one
//! (mechanics.md). Per key the order of ids is the order of commits wherever the key is unique: the later writer
//! waited for the earlier one's row.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use futures_util::stream::{self, StreamExt, TryStreamExt};
use tokio_postgres::Row;

use super::statements::{Image, ReplayError, Statements};
use crate::catalog::Timelines;
use crate::error::{Context, Failure, Result};
use crate::failpoint::failpoint;
use crate::plan::Event;
use crate::postgres::{Access, Db, Target};

/// Events per transaction on green: large enough that commits don't count, small enough to be done again one by one.
const BATCH: i64 = 500;
/// Statements under way at once on the one session: the protocol is pipelined.
const PIPELINE: usize = 64;
/// Attempts of a single event that meets deadlocks or lock timeouts before it counts as a dead letter.
const ATTEMPTS: u32 = 5;

/// An event as it lies in the outbox.
struct Waiting {
    id: i64,
    event: String,
    relation: String,
    key: String,
    image: Image,
    in_copy: bool,
}

/// What one pass over the outbox did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Caught {
    /// Events that have a receipt now.
    pub taken: u64,
    /// Of them, dead letters.
    pub dead: u64,
}

/// What replay must know of the copy.
#[derive(Debug, Clone, Default)]
pub struct Copied {
    /// `pg_current_snapshot()` in the copy's snapshot, as text: events that it sees are in the copy.
    pub snapshot: String,
    /// Events that blue itself reversed before the copy was taken.
    pub reversed: Vec<i64>,
    /// Where both servers stood: on another timeline the snapshot says nothing.
    pub timelines: Timelines,
}

/// Reads the outbox and applies it to green. Holds one session on each side.
pub struct Applier {
    blue: Db,
    green: Db,
    statements: BTreeMap<String, Statements>,
    /// `pg_current_snapshot()` of the copy: events that it sees are in the copy.
    snapshot: String,
    /// Events that blue itself reversed before the copy was taken.
    reversed: HashSet<i64>,
    /// `relation key` of dead letters: later events of the same key must not overtake them.
    dead_keys: BTreeSet<String>,
    token: i64,
}

struct Receipt<'a> {
    event: &'a Waiting,
    outcome: &'static str,
    error: Option<String>,
}

impl Applier {
    /// Opens the sessions and prepares every event's statements on green, so that a wrong one is found before any
    /// event needs it. Refuses where a server has failed over since the copy: before anything is marked as taken that is
    /// not in it.
    pub async fn open(blue: &Target, green: &Target, events: &[Event], copied: Copied, token: i64) -> Result<Self> {
        let green = super::pass(green).await?;
        green.run("SET lock_timeout = '5s'; SET application_name = 'teal replay'").await?;
        let blue = blue.connect(Access::ReadWrite).await?;
        copied.timelines.refuse_failover(&Timelines::read(&blue, &green).await?)?;
        let mut statements = BTreeMap::new();
        for event in events {
            statements.insert(event.name.clone(), Statements::prepare(&green, event).await?);
        }
        let rows = green
            .rows("SELECT relation || ' ' || key::text FROM teal.applied WHERE outcome = 'dead letter'", &[])
            .await
            .context("reading the dead letters")?;
        let dead_keys = rows.iter().map(|row| row.get(0)).collect();
        let reversed = copied.reversed.into_iter().collect();
        Ok(Self { blue, green, statements, snapshot: copied.snapshot, reversed, dead_keys, token })
    }

    /// Takes all that is visible now, batch by batch. Events that commit meanwhile are for the next pass.
    pub async fn pass(&mut self) -> Result<Caught> {
        let mut caught = Caught::default();
        let mut after = 0_i64;
        loop {
            let sql = include_str!("../postgres/sql/select_waiting_events.sql");
            let rows = self.blue.rows(sql, &[&self.snapshot, &after, &BATCH]).await.context("reading the outbox")?;
            let batch = rows.iter().map(waiting).collect::<Result<Vec<_>>>()?;
            let Some(last) = batch.last() else { return Ok(caught) };
            after = last.id;
            caught.taken += batch.len() as u64;
            caught.dead += self.take(&batch).await?;
        }
    }

    /// Gives dead letters up for good: they are never tried again, because from now on later events of their keys go on
    /// and must not be overtaken.
    pub async fn give_up(&mut self, ids: &[i64]) -> Result<()> {
        let given_up = async {
            self.begin().await?;
            let sql = "UPDATE teal.applied SET outcome = 'given up', at = pg_catalog.clock_timestamp() \
                       WHERE event_id = ANY ($1) AND outcome = 'dead letter'";
            self.green.execute(sql, &[&ids]).await.map_err(ReplayError::Server)?;
            self.commit().await
        }
        .await;
        if given_up.is_err() {
            let _ = self.green.run("ROLLBACK").await;
        }
        given_up.map_err(|e| Failure::from(e).context("giving up a dead letter"))
    }

    /// Tries every dead letter again, in order; gives what is left of them.
    pub async fn retry_dead_letters(&mut self) -> Result<Caught> {
        let sql = "SELECT event_id FROM teal.applied WHERE outcome = 'dead letter' ORDER BY event_id";
        let ids: Vec<i64> = self.green.rows(sql, &[]).await?.iter().map(|row| row.get(0)).collect();
        self.dead_keys.clear();
        let mut caught = Caught::default();
        for some in ids.chunks(usize::try_from(BATCH).unwrap_or(usize::MAX)) {
            let sql = include_str!("../postgres/sql/select_events_by_id.sql");
            let rows = self.blue.rows(sql, &[&some]).await.context("reading dead letters from the outbox")?;
            for event in rows.iter().map(waiting).collect::<Result<Vec<_>>>()? {
                caught.taken += 1;
                caught.dead += u64::from(self.apply_one(&event).await?);
            }
        }
        Ok(caught)
    }

    /// The session on green, for what must be asked on the same one.
    pub fn green(&self) -> &Db {
        &self.green
    }

    /// Applies a batch and marks it as taken on blue; gives the number of dead letters in it.
    async fn take(&mut self, batch: &[Waiting]) -> Result<u64> {
        let ids: Vec<i64> = batch.iter().map(|event| event.id).collect();
        let receipts = "SELECT event_id, relation || ' ' || key::text FROM teal.applied WHERE event_id = ANY ($1)";
        let done: HashMap<i64, String> =
            self.green.rows(receipts, &[&ids]).await?.iter().map(|row| (row.get(0), row.get(1))).collect();
        if let Some(event) = batch.iter().find(|e| done.get(&e.id).is_some_and(|key| *key != relation_and_key(e))) {
            // A blue that crashed or failed over with asynchronous commit may hand a number out twice.
            return Err(Failure::blocked(format!("event {} is another one than green's receipt says", event.id))
                .state("blue lost what it had acknowledged: green may hold what blue has not")
                .hint("make the copy again: migrate apply --redo snapshot/copy"));
        }
        let fresh: Vec<&Waiting> = batch.iter().filter(|event| !done.contains_key(&event.id)).collect();
        let mut dead = 0;
        match self.apply_together(&fresh).await {
            Ok(()) => {}
            Err(error) if error.ends_the_run() => return Err(Failure::from(error).context("replaying events")),
            Err(_) => {
                // One of them does not go: find it by taking each in a transaction of its own.
                for event in fresh {
                    dead += u64::from(self.apply_one(event).await?);
                }
            }
        }
        let mark = "UPDATE teal.event SET taken_at = pg_catalog.clock_timestamp() WHERE id = ANY ($1)";
        self.blue.execute(mark, &[&ids]).await.context("marking events as taken")?;
        Ok(dead)
    }

    /// The whole batch in one transaction.
    async fn apply_together<'e>(&self, batch: &[&'e Waiting]) -> Result<(), ReplayError> {
        if batch.is_empty() {
            return Ok(());
        }
        let done = async {
            self.begin().await?;
            let mut receipts = Vec::with_capacity(batch.len());
            for run in runs_of_distinct_keys(batch) {
                let effects = stream::iter(run).map(|event| self.effect(event)).buffered(PIPELINE);
                let outcomes: Vec<&'static str> = effects.try_collect().await?;
                let receipt = |(event, outcome): (&&'e Waiting, _)| Receipt { event, outcome, error: None };
                receipts.extend(run.iter().zip(outcomes).map(receipt));
            }
            self.write_receipts(&receipts).await?;
            self.commit().await
        }
        .await;
        if done.is_err() {
            let _ = self.green.run("ROLLBACK").await;
        }
        done
    }

    /// One event in a transaction of its own; true where it ended as a dead letter.
    async fn apply_one(&mut self, event: &Waiting) -> Result<bool> {
        let mut attempt = 1;
        let error = loop {
            let done = async {
                self.begin().await?;
                let outcome = self.effect(event).await?;
                self.write_receipts(&[Receipt { event, outcome, error: None }]).await?;
                self.commit().await
            }
            .await;
            let Err(error) = done else { return Ok(false) };
            let _ = self.green.run("ROLLBACK").await;
            match error {
                error if error.ends_the_run() => return Err(Failure::from(error).context("replaying an event")),
                ReplayError::Server(e) if e.is_transient() && attempt < ATTEMPTS => attempt += 1,
                error => break error,
            }
        };
        self.dead_keys.insert(relation_and_key(event));
        let receipt = Receipt { event, outcome: "dead letter", error: Some(error.to_string()) };
        let written = async {
            self.begin().await?;
            self.write_receipts(&[receipt]).await?;
            self.commit().await
        }
        .await;
        match written {
            Ok(()) => Ok(true),
            Err(e) => {
                let _ = self.green.run("ROLLBACK").await;
                Err(Failure::from(e).context("writing a dead letter"))
            }
        }
    }

    /// What the event does to green, inside the open transaction.
    async fn effect(&self, event: &Waiting) -> Result<&'static str, ReplayError> {
        if event.in_copy || self.reversed.contains(&event.id) {
            return Ok(if self.reversed.contains(&event.id) { "reversed" } else { "in copy" });
        }
        if self.dead_keys.contains(&relation_and_key(event)) {
            let why = "an earlier event of the same key is a dead letter";
            return Err(ReplayError::Plan(Failure::failed(why)));
        }
        let Some(statements) = self.statements.get(&event.event) else {
            return Err(ReplayError::Plan(Failure::failed(format!("the plan has no event {:?}", event.event))));
        };
        let touched = statements.replay(&self.green, &event.image).await?;
        Ok(if touched > 0 { "applied" } else { "nothing to do" })
    }

    /// Opens a transaction on green under our fencing token: a process that was taken over writes nothing more. Were
    /// both to write, the receipts' key would stop the second.
    async fn begin(&self) -> Result<(), ReplayError> {
        let green = &self.green;
        green.run("BEGIN").await.map_err(ReplayError::Server)?;
        let sql = "SELECT EXISTS (SELECT FROM teal.run WHERE token > $1)";
        let taken_over: bool = green.row(sql, &[&self.token]).await.map_err(ReplayError::Server)?.get(0);
        if taken_over {
            return Err(ReplayError::LostLease);
        }
        Ok(())
    }

    async fn commit(&self) -> Result<(), ReplayError> {
        failpoint("replay.before_commit");
        self.green.run("COMMIT").await.map_err(ReplayError::Server)?;
        failpoint("replay.after_commit");
        Ok(())
    }

    async fn write_receipts(&self, receipts: &[Receipt<'_>]) -> Result<(), ReplayError> {
        let ids: Vec<i64> = receipts.iter().map(|r| r.event.id).collect();
        let events: Vec<&str> = receipts.iter().map(|r| r.event.event.as_str()).collect();
        let outcomes: Vec<&str> = receipts.iter().map(|r| r.outcome).collect();
        let relations: Vec<&str> = receipts.iter().map(|r| r.event.relation.as_str()).collect();
        let keys: Vec<&str> = receipts.iter().map(|r| r.event.key.as_str()).collect();
        let errors: Vec<Option<&str>> = receipts.iter().map(|r| r.error.as_deref()).collect();
        let sql = include_str!("../postgres/sql/insert_receipts.sql");
        self.green
            .execute(sql, &[&ids, &events, &outcomes, &relations, &keys, &errors])
            .await
            .map_err(ReplayError::Server)?;
        Ok(())
    }
}

/// Consecutive events in which no key comes twice: within one, statements may be under way at once, in any order.
fn runs_of_distinct_keys<'b, 'e>(batch: &'b [&'e Waiting]) -> Vec<&'b [&'e Waiting]> {
    let mut runs = Vec::new();
    let mut seen = HashSet::new();
    let mut start = 0;
    for (at, event) in batch.iter().enumerate() {
        if !seen.insert((&event.relation, &event.key)) {
            runs.extend(batch.get(start..at));
            seen.clear();
            seen.insert((&event.relation, &event.key));
            start = at;
        }
    }
    runs.extend(batch.get(start..));
    runs
}

fn relation_and_key(event: &Waiting) -> String {
    format!("{} {}", event.relation, event.key)
}

fn waiting(row: &Row) -> Result<Waiting> {
    let image: &str = row.get("image");
    Ok(Waiting {
        id: row.get("id"),
        event: row.get("event"),
        relation: row.get("relation"),
        key: row.get("key"),
        image: serde_json::from_str(image).map_err(Failure::from).context("an event's row image")?,
        in_copy: row.get("in_copy"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(id: i64, key: &str) -> Waiting {
        let (event, relation) = ("e".to_owned(), "public.t".to_owned());
        Waiting { id, event, relation, key: key.to_owned(), image: Image::new(), in_copy: false }
    }

    #[test]
    fn no_key_comes_twice_in_a_run_and_no_event_is_left_out() {
        let events: Vec<Waiting> = ["a", "b", "a", "a", "c", "b"].iter().zip(1..).map(|(k, id)| event(id, k)).collect();
        let batch: Vec<&Waiting> = events.iter().collect();
        let runs = runs_of_distinct_keys(&batch);
        let ids: Vec<Vec<i64>> = runs.iter().map(|run| run.iter().map(|e| e.id).collect()).collect();
        assert_eq!(ids, [vec![1, 2], vec![3], vec![4, 5, 6]]);
    }
}
