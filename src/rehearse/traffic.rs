//! What an application would do to blue meanwhile: the plan's events at every moment at which they could get lost, and
//! a client that notes how long it must wait at the fence.

use std::collections::{BTreeMap, HashSet};
use std::time::{Duration, Instant};

use serde::Serialize;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::event::{Made, Maker};
use crate::catalog::{Table, read_tables};
use crate::error::{Context, Failure, Result};
use crate::plan::Event;
use crate::postgres::{Access, Db, Error, Name, Target};

/// The most events of one name at one moment.
const MOST: usize = 20;
/// Between two events while migrations run and across the fence.
const PAUSE: Duration = Duration::from_millis(20);
/// Between two writes of the client that waits at the fence.
const BEAT: Duration = Duration::from_millis(2);
/// What a write may take: longer than any fence.
const STATEMENT_TIMEOUT: &str = "SET statement_timeout = '120s'; SET lock_timeout = '120s'";

/// When events are made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Moment {
    /// Captured, and in the copy already.
    BeforeCopy,
    /// The copy does not have them, and green's schema is still blue's.
    BeforeMigrations,
    /// Meanwhile.
    DuringMigrations,
    /// What the drain finds.
    BeforeFence,
    /// Until blue refuses them.
    AcrossFence,
}

impl Moment {
    /// All, in their order.
    pub const ALL: [Self; 5] =
        [Self::BeforeCopy, Self::BeforeMigrations, Self::DuringMigrations, Self::BeforeFence, Self::AcrossFence];

    /// For people.
    pub fn word(self) -> &'static str {
        match self {
            Self::BeforeCopy => "before the copy",
            Self::BeforeMigrations => "before the migrations",
            Self::DuringMigrations => "during them",
            Self::BeforeFence => "before the fence",
            Self::AcrossFence => "across the fence",
        }
    }
}

/// What became of one event of the plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct EventMade {
    /// Its name.
    pub event: String,
    /// How often it was made to happen and acknowledged.
    pub made: u64,
    /// Of these, at each moment.
    pub at: BTreeMap<Moment, u64>,
    /// Of these, by UPDATE, DELETE or INSERT.
    pub by: BTreeMap<&'static str, u64>,
    /// In blue's outbox: what was made, and what came with it, by cascades.
    pub captured: u64,
    /// Receipts on green by outcome: `applied`, `in copy`, …
    pub receipts: BTreeMap<String, u64>,
    /// Acknowledged and not captured.
    pub lost: u64,
    /// Why it could not be made to happen.
    pub why_not: Option<String>,
}

struct Client {
    db: Db,
    makers: Vec<Maker>,
    made: Vec<(Moment, Made)>,
}

/// The application.
pub struct Traffic {
    blue: Target,
    client: Option<Client>,
    running: Option<(CancellationToken, JoinHandle<Client>)>,
}

impl Traffic {
    /// Finds out how each event can be made to happen.
    pub async fn new(blue: &Target, events: &[Event]) -> Result<Self> {
        let db = blue.connect(Access::ReadWrite).await?;
        db.run(STATEMENT_TIMEOUT).await?;
        let tables = read_tables(&db).await?;
        let (mut makers, mut taken) = (Vec::new(), HashSet::new());
        for event in events {
            makers.push(Maker::new(&db, event, &tables, &mut taken).await?);
        }
        Ok(Self { blue: blue.clone(), client: Some(Client { db, makers, made: Vec::new() }), running: None })
    }

    /// Makes a share of each event happen, now.
    pub async fn make(&mut self, moment: Moment) -> Result<()> {
        let Some(client) = &mut self.client else { return Ok(()) };
        for at in 0..client.makers.len() {
            let share = client.makers.get(at).map_or(0, |maker| maker.share(Moment::ALL.len(), MOST));
            for _ in 0..share {
                if !client.make(at, moment).await.context("writing to blue as an application would")? {
                    break;
                }
            }
        }
        Ok(())
    }

    /// Goes on making them until [`Traffic::settle`], or until blue refuses.
    pub fn start(&mut self, moment: Moment) {
        let Some(mut client) = self.client.take() else { return };
        let stop = CancellationToken::new();
        let asked = stop.clone();
        let work = async move {
            // Across the fence whatever is left: nobody knows when it closes.
            let moments = if moment == Moment::AcrossFence { 1 } else { Moment::ALL.len() };
            let most = if moment == Moment::AcrossFence { usize::MAX } else { MOST };
            let shares: Vec<usize> = client.makers.iter().map(|maker| maker.share(moments, most)).collect();
            let most = shares.iter().copied().max().unwrap_or(0);
            'all: for round in 0..most {
                for (at, share) in shares.iter().enumerate() {
                    if asked.is_cancelled() {
                        break 'all;
                    }
                    // A refusal is what the fence is for; the events before it were acknowledged.
                    if round < *share && client.make(at, moment).await.is_err() {
                        break 'all;
                    }
                }
                tokio::time::sleep(PAUSE).await;
            }
            client
        };
        self.running = Some((stop, tokio::spawn(work)));
    }

    /// Whether what [`Traffic::start`] began has not been waited for.
    pub fn is_at_work(&self) -> bool {
        self.running.is_some()
    }

    /// Waits for the end of what [`Traffic::start`] began.
    pub async fn settle(&mut self) -> Result<()> {
        let Some((stop, running)) = self.running.take() else { return Ok(()) };
        stop.cancel();
        self.client = Some(running.await.map_err(|e| Failure::failed(format!("the rehearsal's client: {e}")))?);
        Ok(())
    }

    /// What became of them, asked on both sides; before `finish`, which takes outbox and receipts away.
    pub async fn count(&mut self, green: &Target) -> Result<Vec<EventMade>> {
        self.settle().await?;
        let Some(client) = &self.client else { return Ok(Vec::new()) };
        let (blue, green) = (self.blue.connect(Access::ReadOnly).await?, green.connect(Access::ReadOnly).await?);
        let mut counted = Vec::new();
        for maker in &client.makers {
            let made: Vec<&(Moment, Made)> = client.made.iter().filter(|(_, made)| made.event == maker.event).collect();
            let keys: Vec<&str> = made.iter().map(|(_, made)| made.key.as_str()).collect();
            let sql = "SELECT count(*) FROM unnest($2::text[]) k (key) \
                       WHERE NOT EXISTS (SELECT FROM teal.event e WHERE e.event = $1 AND e.key = k.key::jsonb)";
            let lost: i64 = blue.row(sql, &[&maker.event, &keys]).await?.get(0);
            let captured = "SELECT count(*) FROM teal.event WHERE event = $1";
            let captured: i64 = blue.row(captured, &[&maker.event]).await?.get(0);
            let receipts = "SELECT outcome, count(*) FROM teal.applied WHERE event = $1 GROUP BY outcome";
            let receipts = green.rows(receipts, &[&maker.event]).await?;
            let (mut at, mut by) = (BTreeMap::new(), BTreeMap::new());
            for (moment, made) in &made {
                *at.entry(*moment).or_insert(0) += 1;
                *by.entry(made.by).or_insert(0) += 1;
            }
            counted.push(EventMade {
                event: maker.event.clone(),
                made: made.len() as u64,
                at,
                by,
                captured: u64::try_from(captured).unwrap_or(0),
                receipts: receipts.iter().map(|row| (row.get(0), number(row.get(1)))).collect(),
                lost: number(lost),
                why_not: maker.why_not.clone(),
            });
        }
        Ok(counted)
    }
}

impl Client {
    /// Whether one was made.
    async fn make(&mut self, at: usize, moment: Moment) -> Result<bool, Error> {
        let Some(maker) = self.makers.get_mut(at) else { return Ok(false) };
        let made = maker.make(&self.db).await?;
        let was = made.is_some();
        self.made.extend(made.map(|made| (moment, made)));
        Ok(was)
    }
}

fn number(count: i64) -> u64 {
    u64::try_from(count).unwrap_or(0)
}

/// A client that writes all the while, to blue until it refuses and then to green: how long it could write nowhere.
pub struct Pause {
    running: JoinHandle<Option<Duration>>,
}

impl Pause {
    /// Begins on blue. Its write touches no row, and is held and refused like every other.
    pub async fn start(blue: &Target, green: &Target, stop: CancellationToken) -> Result<Self> {
        let (on_blue, on_green) = (writer(blue).await?, writer(green).await?);
        let work = async move {
            let mut last = Instant::now();
            while on_blue.0.run(&on_blue.1).await.is_ok() {
                last = Instant::now();
                tokio::time::sleep(BEAT).await;
            }
            while !stop.is_cancelled() {
                if on_green.0.run(&on_green.1).await.is_ok() {
                    return Some(last.elapsed());
                }
                tokio::time::sleep(BEAT).await;
            }
            None
        };
        Ok(Self { running: tokio::spawn(work) })
    }

    /// How long it was; none where green never took a write.
    pub async fn end(self) -> Option<Duration> {
        tokio::time::timeout(Duration::from_secs(10), self.running).await.ok()?.ok()?
    }
}

/// A session and a write that touches no row.
async fn writer(target: &Target) -> Result<(Db, String)> {
    let db = target.connect(Access::ReadWrite).await?;
    db.run(STATEMENT_TIMEOUT).await?;
    let tables = read_tables(&db).await?;
    let table: Option<&Name> = tables.iter().find(|table: &&Table| table.holds_rows()).map(|table| &table.name);
    let table = table.ok_or_else(|| Failure::failed(format!("{} holds no table", target.name)))?;
    Ok((db, format!("DELETE FROM {table} WHERE false")))
}
