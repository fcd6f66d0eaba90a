//! How far the rows are: bytes of blue's tables, true at any moment.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::catalog::Chunk;
use crate::step::{Notices, Unit};

/// The least that a chunk counts, so that empty tables show as well: one page.
const LEAST: u64 = 8192;
/// Between two notices: more often nobody sees.
const INTERVAL: Duration = Duration::from_millis(200);

/// What a chunk counts in the whole.
fn weight(chunk: &Chunk) -> u64 {
    chunk.bytes.max(LEAST)
}

/// Progress of the whole copy, shared by its workers.
///
/// A chunk's size on disk is known beforehand, the size of its stream is not: streamed bytes count up to just below the
/// chunk's size, the rest when it is committed. So 100 % means that all is in. A chunk that is copied again counts again
/// from where it was.
#[derive(Debug)]
pub struct Meter {
    notices: Notices,
    total: u64,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    done: u64,
    /// What was last said: less is never said.
    said: u64,
    sent: Instant,
}

impl Meter {
    /// Nothing done yet of `chunks`.
    pub fn new(chunks: &[Chunk], notices: &Notices) -> Self {
        let total = chunks.iter().map(weight).sum();
        notices.progress(0, total, Unit::Bytes, "");
        let state = State { done: 0, said: 0, sent: Instant::now() };
        Self { notices: notices.clone(), total, state: Mutex::new(state) }
    }

    /// A chunk that is about to stream.
    pub fn chunk(&self, chunk: &Chunk) -> ChunkMeter<'_> {
        ChunkMeter { meter: self, name: chunk.table.name.plain(), weight: weight(chunk), streamed: 0, counted: 0 }
    }

    /// A chunk that was committed and is gone again: it counts again from where it was.
    pub fn lost(&self, chunk: &Chunk) {
        let mut state = self.lock();
        state.done = state.done.saturating_sub(weight(chunk));
    }

    fn add(&self, bytes: u64, object: &str, finished: bool) {
        let mut state = self.lock();
        state.done += bytes;
        if (finished || state.sent.elapsed() >= INTERVAL) && state.done >= state.said {
            state.sent = Instant::now();
            state.said = state.done;
            // Sent under the lock, so that listeners never see it go back.
            self.notices.progress(state.done, self.total, Unit::Bytes, object);
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Progress of one chunk.
#[derive(Debug)]
pub struct ChunkMeter<'a> {
    meter: &'a Meter,
    name: String,
    weight: u64,
    streamed: u64,
    counted: u64,
}

impl ChunkMeter<'_> {
    /// So many more bytes went through.
    pub fn streamed(&mut self, bytes: usize) {
        self.streamed += bytes as u64;
        let counts = self.streamed.min(self.weight - self.weight / 100 - 1);
        self.meter.add(counts - self.counted, &self.name, false);
        self.counted = counts;
    }

    /// The chunk is committed; gives the bytes that went through.
    pub fn finish(self) -> u64 {
        self.meter.add(self.weight - self.counted, &self.name, true);
        self.streamed
    }

    /// The chunk is not on green: what was counted for it counts no more.
    pub fn forget(self) {
        self.meter.lock().done -= self.counted;
    }
}
