//! What became of the events, counted apart.

use serde::{Deserialize, Serialize};

use crate::capture::{Outbox, read_outbox};
use crate::error::Result;
use crate::postgres::Db;

/// Captured on blue, and what green's receipts say; the two are counted on different servers, so that they prove
/// something about each other.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tally {
    /// Events in blue's outbox.
    pub captured: u64,
    /// Captured, without a receipt on green yet.
    pub waiting: u64,
    /// Their bytes.
    pub waiting_bytes: u64,
    /// Replayed, and rows were touched.
    pub applied: u64,
    /// Replayed, and green has no such row: it came to blue after the copy, or a migration took it away.
    pub nothing_to_do: u64,
    /// Happened before the copy's snapshot.
    pub in_copy: u64,
    /// Happened before the copy's snapshot and reversed by blue itself before it.
    pub reversed: u64,
    /// Could not be replayed.
    pub dead: u64,
    /// Could not be replayed, and the plan accepts their loss.
    #[serde(default)]
    pub given_up: u64,
    /// Capture stopped because the outbox passed its budget.
    pub overflowed: bool,
}

impl Tally {
    /// Whether every captured event has come to an end: a good one, or one that the plan accepts.
    pub fn is_settled(&self) -> bool {
        self.waiting == 0
            && self.dead == 0
            && !self.overflowed
            && self.captured == self.applied + self.nothing_to_do + self.in_copy + self.reversed + self.given_up
    }

    /// One line for people.
    pub fn line(&self) -> String {
        let mut parts = vec![
            format!("{} captured", self.captured),
            format!("{} applied", self.applied),
            format!("{} in the copy already", self.in_copy + self.reversed),
            format!("{} nothing to do", self.nothing_to_do),
        ];
        if self.waiting > 0 {
            parts.push(format!("{} waiting", self.waiting));
        }
        if self.dead > 0 {
            parts.push(format!("{} dead letters", self.dead));
        }
        if self.given_up > 0 {
            parts.push(format!("{} given up", self.given_up));
        }
        parts.join(", ")
    }
}

/// Counts both sides.
pub async fn read_tally(blue: &Db, green: &Db) -> Result<Tally> {
    let Outbox { captured, waiting, waiting_bytes, overflowed } = read_outbox(blue).await?;
    let mut tally = Tally { captured, waiting, waiting_bytes, overflowed, ..Tally::default() };
    for row in green.rows("SELECT outcome, count(*) FROM teal.applied GROUP BY outcome", &[]).await? {
        let count = u64::try_from(row.get::<_, i64>(1)).unwrap_or(0);
        match row.get(0) {
            "applied" => tally.applied = count,
            "nothing to do" => tally.nothing_to_do = count,
            "in copy" => tally.in_copy = count,
            "reversed" => tally.reversed = count,
            "given up" => tally.given_up = count,
            _ => tally.dead = count,
        }
    }
    Ok(tally)
}

/// An event that could not be replayed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeadLetter {
    /// Its number in the outbox.
    pub id: i64,
    /// The event's name.
    pub event: String,
    /// Its key, as JSON.
    pub key: String,
    /// Why.
    pub error: String,
}

impl DeadLetter {
    /// As findings show it: `event 17 token revoked {"signature": "t7"}`.
    pub fn object(&self) -> String {
        format!("event {} {} {}", self.id, self.event, self.key)
    }

    fn of(row: &tokio_postgres::Row) -> Self {
        Self { id: row.get(0), event: row.get(1), key: row.get(2), error: row.get(3) }
    }
}

/// The first `most` dead letters.
pub async fn dead_letters(green: &Db, most: i64) -> Result<Vec<DeadLetter>> {
    let sql = "SELECT event_id, event, key::text, coalesce(error, '') FROM teal.applied \
               WHERE outcome = 'dead letter' ORDER BY event_id LIMIT $1";
    Ok(green.rows(sql, &[&most]).await?.iter().map(DeadLetter::of).collect())
}

/// The dead letters among the events of these numbers.
pub async fn dead_letters_of(green: &Db, ids: &[i64]) -> Result<Vec<DeadLetter>> {
    let sql = "SELECT event_id, event, key::text, coalesce(error, '') FROM teal.applied \
               WHERE outcome = 'dead letter' AND event_id = ANY ($1) ORDER BY event_id";
    Ok(green.rows(sql, &[&ids]).await?.iter().map(DeadLetter::of).collect())
}
