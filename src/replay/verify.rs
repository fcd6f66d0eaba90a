//! Every captured event asked for on green, one by one, by the plan's own `verify`.

use std::collections::BTreeMap;

use futures_util::stream::{self, StreamExt, TryStreamExt};
use serde::{Deserialize, Serialize};

use super::statements::{Image, Statements};
use crate::error::{Context, Failure, Result};
use crate::plan::Event;
use crate::postgres::Db;
use crate::step::{Notices, Unit};
use crate::units::thousands;

/// Events per page, in the order of their ids.
const PAGE: i64 = 2000;
/// Questions under way at once on the one session: the protocol is pipelined.
const PIPELINE: usize = 64;
/// Failures that are named; the rest is counted.
const NAMED: usize = 5;

/// What verifying found.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verified {
    /// Events asked for.
    pub asked: u64,
    /// Green shows them.
    pub holds: u64,
    /// Undone by a later event of another name on the same key, or by blue itself before the copy: nothing is left of
    /// them to see.
    pub superseded: u64,
    /// Given up: green is not expected to show them.
    #[serde(default)]
    pub given_up: u64,
    /// Green does not show them.
    pub failed: u64,
    /// The first failures: `revoked {"signature": "t1"}`.
    pub examples: Vec<String>,
}

impl Verified {
    /// One line for people.
    pub fn line(&self) -> String {
        let Self { holds, superseded, given_up, failed, .. } = self;
        let given_up = if *given_up > 0 { format!(", {} given up", thousands(*given_up)) } else { String::new() };
        format!(
            "{} verified on green, {} superseded by later ones{given_up}, {} lost",
            thousands(*holds),
            thousands(*superseded),
            thousands(*failed)
        )
    }
}

/// Asks green for every event that was taken from blue's outbox. It is read in pages: memory does not grow with it.
pub async fn verify_events(blue: &Db, green: &Db, events: &[Event], notices: &Notices) -> Result<Verified> {
    verify_events_taken_after(blue, green, events, "-infinity", notices).await
}

/// Like [`verify_events`], only for those taken after a moment of blue's clock. Their numbers would not do: a smaller
/// one may appear after a larger one.
pub async fn verify_events_taken_after(
    blue: &Db,
    green: &Db,
    events: &[Event],
    moment: &str,
    notices: &Notices,
) -> Result<Verified> {
    let mut statements = BTreeMap::new();
    for event in events {
        statements.insert(event.name.as_str(), Statements::prepare(green, event).await?);
    }
    let count = "SELECT count(*) FROM teal.event WHERE taken_at > $1::text::timestamptz";
    let total: i64 = blue.row(count, &[&moment]).await?.get(0);
    let mut after = 0_i64;
    let mut verified = Verified::default();
    loop {
        let page = blue.rows(include_str!("../postgres/sql/select_event_page.sql"), &[&after, &PAGE, &moment]).await?;
        let Some(last) = page.last() else { return Ok(verified) };
        after = last.get("id");
        let ids: Vec<i64> = page.iter().map(|row| row.get("id")).collect();
        let ended = "SELECT event_id, outcome FROM teal.applied \
                     WHERE event_id = ANY ($1) AND outcome IN ('reversed', 'given up')";
        let ended: BTreeMap<i64, String> =
            green.rows(ended, &[&ids]).await?.iter().map(|row| (row.get(0), row.get(1))).collect();
        let answers: Vec<bool> =
            stream::iter(&page).map(|row| ask(&statements, green, row)).buffered(PIPELINE).try_collect().await?;
        for (row, holds) in page.iter().zip(answers) {
            verified.asked += 1;
            let ended = ended.get(&row.get("id")).map(String::as_str);
            if holds {
                verified.holds += 1;
            } else if ended == Some("given up") {
                verified.given_up += 1;
            } else if row.get("superseded") || ended.is_some() {
                verified.superseded += 1;
            } else {
                verified.failed += 1;
                if verified.examples.len() < NAMED {
                    let (event, key): (&str, &str) = (row.get("event"), row.get("key"));
                    verified.examples.push(format!("{event} {key}"));
                }
            }
        }
        notices.progress(verified.asked, u64::try_from(total).unwrap_or(0), Unit::Events, "");
    }
}

async fn ask(statements: &BTreeMap<&str, Statements>, green: &Db, row: &tokio_postgres::Row) -> Result<bool> {
    let event: &str = row.get("event");
    let statements = statements
        .get(event)
        .ok_or_else(|| Failure::failed(format!("the plan has no event {event:?}, but the outbox has some")))?;
    let image: Image = serde_json::from_str(row.get("image")).map_err(Failure::from).context("an event's row image")?;
    statements.holds(green, &image).await
}
