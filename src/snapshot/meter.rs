//! How far the rows are: bytes of blue's tables, true at any moment.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::catalog::Table;
use crate::step::{Notices, Unit};

/// The least that a table counts, so that empty ones show as well: one page.
const LEAST: u64 = 8192;
/// Between two notices: more often nobody sees.
const INTERVAL: Duration = Duration::from_millis(200);

/// What a table counts in the whole.
pub fn weight(table: &Table) -> u64 {
    table.bytes.max(LEAST)
}

/// Progress of the whole copy, shared by its workers.
///
/// A table's size on disk is known beforehand, the size of its stream is not: streamed bytes count up to just below the
/// table's size, the rest when it is committed. So 100 % means that all is in.
#[derive(Debug)]
pub struct Meter {
    notices: Notices,
    total: u64,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    done: u64,
    sent: Instant,
}

impl Meter {
    /// Nothing done yet of `tables`.
    pub fn new(tables: &[&Table], notices: &Notices) -> Self {
        let total = tables.iter().map(|table| weight(table)).sum();
        notices.progress(0, total, Unit::Bytes, "");
        Self { notices: notices.clone(), total, state: Mutex::new(State { done: 0, sent: Instant::now() }) }
    }

    /// A table that is about to stream.
    pub fn table(&self, table: &Table) -> TableMeter<'_> {
        TableMeter { meter: self, name: table.name.plain(), weight: weight(table), streamed: 0, counted: 0 }
    }

    fn add(&self, bytes: u64, object: &str, finished: bool) {
        let mut state = self.lock();
        state.done += bytes;
        if finished || state.sent.elapsed() >= INTERVAL {
            state.sent = Instant::now();
            // Sent under the lock, so that listeners never see it go back.
            self.notices.progress(state.done, self.total, Unit::Bytes, object);
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Progress of one table.
#[derive(Debug)]
pub struct TableMeter<'a> {
    meter: &'a Meter,
    name: String,
    weight: u64,
    streamed: u64,
    counted: u64,
}

impl TableMeter<'_> {
    /// So many more bytes went through.
    pub fn streamed(&mut self, bytes: usize) {
        self.streamed += bytes as u64;
        let counts = self.streamed.min(self.weight - self.weight / 100 - 1);
        self.meter.add(counts - self.counted, &self.name, false);
        self.counted = counts;
    }

    /// The table is committed; gives the bytes that went through.
    pub fn finish(self) -> u64 {
        self.meter.add(self.weight - self.counted, &self.name, true);
        self.streamed
    }
}
