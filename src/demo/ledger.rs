//! The independent ledger: what the clients were told, kept in memory and never read from a database.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::time::{Duration, Instant};

use super::operation::{Effect, Operation, Receipt};

/// Keys that the ledger holds at most; once it is full, clients only read.
const KEYS_AT_MOST: usize = 2_000_000;

/// Which database acknowledged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Side {
    /// The one that served before the cutover.
    Blue,
    /// The one that serves after it.
    Green,
}

/// What a key belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// A person who has logged in.
    LoginSession,
    /// What a person allowed an application.
    Consent,
    /// A code not redeemed yet.
    AuthorizationCode,
    /// An active access token.
    AccessToken,
    /// A refresh token not spent yet.
    RefreshToken,
}

impl Kind {
    /// All kinds.
    pub const ALL: [Self; 5] =
        [Self::LoginSession, Self::Consent, Self::AuthorizationCode, Self::AccessToken, Self::RefreshToken];

    /// For people, and in receipts.
    pub fn word(self) -> &'static str {
        match self {
            Self::LoginSession => "login session",
            Self::Consent => "consent",
            Self::AuthorizationCode => "authorization code",
            Self::AccessToken => "access token",
            Self::RefreshToken => "refresh token",
        }
    }

    pub(super) fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.word() == word)
    }
}

/// Something good that a client was told is no more: revoked, spent, redeemed or logged out. It must never be good again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Revocation {
    /// What was ended.
    pub kind: Kind,
    /// Its key, alike on both sides.
    pub key: String,
    /// When it was acknowledged, since the traffic began.
    pub at: Duration,
    /// Who acknowledged it.
    pub side: Side,
}

/// A write from its first attempt to its acknowledgement, as its user saw it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pause {
    /// Which client, from 0.
    pub client: usize,
    /// When it began, since the traffic began.
    pub at: Duration,
    /// How long it lasted.
    pub lasted: Duration,
    /// How often it was tried.
    pub attempts: u32,
}

/// A moment that somebody else named.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mark {
    /// Its name.
    pub name: String,
    /// When, since the traffic began.
    pub at: Duration,
}

/// What one side acknowledged.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Counts {
    /// Requests that changed nothing.
    pub reads: u64,
    /// Requests that changed something.
    pub writes: u64,
    /// Write requests about rows that this side does not know, or that had ended before.
    pub nothing_done: u64,
    /// Rows made, by kind.
    pub made: BTreeMap<Kind, u64>,
    /// Rows ended, by kind.
    pub ended: BTreeMap<Kind, u64>,
}

impl Counts {
    /// Rows made or ended: what the audit calls writes.
    pub fn rows(&self) -> u64 {
        self.made.values().chain(self.ended.values()).sum()
    }
}

/// The counts so far.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LedgerSnapshot {
    /// By side; a side that acknowledged nothing is missing.
    pub sides: BTreeMap<Side, Counts>,
    /// Writes whose session was lost before the answer; nobody knows whether they were done.
    pub in_doubt: u64,
    /// Writes never acknowledged, however often they were tried: refused for good, or the traffic stopped first.
    pub given_up: u64,
    /// Attempts that failed, by SQLSTATE or a word of ours.
    pub errors: BTreeMap<String, u64>,
    /// Writes that had to be tried again and passed.
    pub retried: u64,
    /// The longest pause of all clients so far.
    pub longest_pause: Option<Pause>,
}

/// Every acknowledged write.
#[derive(Debug)]
pub struct Ledger {
    started: Instant,
    pub(super) revocations: Vec<Revocation>,
    /// What `revocations` holds already: the same row may be ended twice (revoked, then its session logged out).
    ended: HashSet<(Kind, String)>,
    /// Rows made and not deleted since.
    pub(super) made: HashMap<(Kind, String), Side>,
    /// Each client's longest write that had to be tried again.
    pauses: BTreeMap<usize, Pause>,
    /// The longest write that passed at the first attempt: it may have waited behind a lock.
    pub(super) longest_write: Duration,
    marks: Vec<Mark>,
    pub(super) counts: LedgerSnapshot,
}

impl Ledger {
    pub(super) fn new() -> Self {
        Self {
            started: Instant::now(),
            revocations: Vec::new(),
            ended: HashSet::new(),
            made: HashMap::new(),
            pauses: BTreeMap::new(),
            longest_write: Duration::ZERO,
            marks: Vec::new(),
            counts: LedgerSnapshot::default(),
        }
    }

    /// Every acknowledged revocation, in the order of their acknowledgements, each row once.
    pub fn revocations(&self) -> &[Revocation] {
        &self.revocations
    }

    /// The keys of the rows that a side made and that were not deleted since.
    pub fn made(&self, side: Side, kind: Kind) -> impl Iterator<Item = &str> {
        self.made.iter().filter(move |((k, _), s)| *k == kind && **s == side).map(|((_, key), _)| key.as_str())
    }

    /// The longest pause of each client that had to try again.
    pub fn pauses(&self) -> impl Iterator<Item = &Pause> {
        self.pauses.values()
    }

    /// The moments that were marked.
    pub fn marks(&self) -> &[Mark] {
        &self.marks
    }

    /// The counts.
    pub fn counts(&self) -> &LedgerSnapshot {
        &self.counts
    }

    pub(super) fn is_full(&self) -> bool {
        self.made.len() + self.revocations.len() >= KEYS_AT_MOST
    }

    pub(super) fn mark(&mut self, name: &str) {
        self.marks.push(Mark { name: name.to_owned(), at: self.started.elapsed() });
    }

    /// An operation was acknowledged by `side`.
    pub(super) fn acknowledge(&mut self, side: Side, operation: &Operation, receipts: &[Receipt]) {
        let counts = self.counts.sides.entry(side).or_default();
        match (operation.is_write(), receipts.is_empty()) {
            (false, _) => counts.reads += 1,
            (true, false) => counts.writes += 1,
            (true, true) => counts.nothing_done += 1,
        }
        let deletes = matches!(operation, Operation::LogOut { .. });
        for Receipt { effect, kind, key } in receipts {
            let row = (*kind, key.clone());
            if deletes {
                self.made.remove(&row);
            }
            match effect {
                Effect::Read | Effect::Removed => {}
                Effect::Wrote => {
                    *counts.made.entry(*kind).or_default() += 1;
                    self.made.insert(row, side);
                }
                Effect::Ended => {
                    if self.ended.insert(row) {
                        *counts.ended.entry(*kind).or_default() += 1;
                        let at = self.started.elapsed();
                        self.revocations.push(Revocation { kind: *kind, key: key.clone(), at, side });
                    }
                }
            }
        }
    }

    /// A write that was begun at `began` has been acknowledged at its last of `attempts`.
    pub(super) fn time_write(&mut self, client: usize, began: Instant, attempts: u32) {
        let lasted = began.elapsed();
        if attempts <= 1 {
            self.longest_write = self.longest_write.max(lasted);
            return;
        }
        self.counts.retried += 1;
        let pause = Pause { client, at: began.duration_since(self.started), lasted, attempts };
        if self.pauses.get(&client).is_none_or(|longest| longest.lasted < lasted) {
            self.pauses.insert(client, pause.clone());
        }
        if self.counts.longest_pause.as_ref().is_none_or(|longest| longest.lasted < lasted) {
            self.counts.longest_pause = Some(pause);
        }
    }

    /// A write will not be tried again.
    pub(super) fn give_up(&mut self) {
        self.counts.given_up += 1;
    }

    /// An attempt failed.
    pub(super) fn fail(&mut self, kind: &str, write_in_doubt: bool) {
        *self.counts.errors.entry(kind.to_owned()).or_default() += 1;
        self.counts.in_doubt += u64::from(write_in_doubt);
    }
}
