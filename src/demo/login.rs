//! The users that one client serves: the logins it found at its start and those it made, and what they do next.

use fastrand::Rng;
use tokio_postgres::Row;

use super::ledger::Kind;
use super::operation::{Effect, Operation, Receipt};
use crate::error::{Failure, Result};

/// Logins made by the traffic itself that a client remembers; beyond it, one of them is forgotten.
const MADE_AT_MOST: usize = 500;
/// Of ten operations on a login, so many are on one that was there before the traffic began.
const ON_FOUND: u32 = 7;

/// One login with the keys that were live under it when we last heard. A key leaves when it is used.
#[derive(Debug, Default)]
struct Login {
    session: String,
    consents: Vec<String>,
    access_tokens: Vec<String>,
    refresh_tokens: Vec<String>,
    codes: Vec<String>,
}

/// The users of one client. No other client touches their rows, so that every receipt is the last word on its key.
#[derive(Debug)]
pub(super) struct Users {
    applications: Vec<String>,
    found: Vec<Login>,
    made: Vec<Login>,
    rng: Rng,
}

/// Which login an operation is about, so that its receipt can be taken in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum About {
    /// A new one.
    New,
    Found(usize),
    Made(usize),
}

impl Users {
    /// The users found in the database at the start; `seed` decides what they do.
    pub fn new(applications: Vec<String>, found: &[Row], seed: u64) -> Result<Self> {
        let found = found.iter().map(Login::read).collect::<Result<_>>()?;
        Ok(Self { applications, found, made: Vec::new(), rng: Rng::with_seed(seed) })
    }

    /// What some user does next. Takes the keys it uses up from their login.
    pub fn next(&mut self) -> (Operation, About) {
        let roll = self.rng.u32(0..100);
        let about = self.pick();
        let rng = &mut self.rng;
        let login = match about {
            About::Found(at) => self.found.get_mut(at),
            About::Made(at) => self.made.get_mut(at),
            About::New => None,
        };
        let operation = login.and_then(|login| login.next(roll, rng));
        match operation {
            Some(operation) => (operation, about),
            None => (self.authorize(), About::New),
        }
    }

    /// An operation that changes nothing, where there is a token to ask for.
    pub fn next_read(&mut self) -> Option<Operation> {
        let login = match self.pick() {
            About::Found(at) => self.found.get(at),
            About::Made(at) => self.made.get(at),
            About::New => None,
        };
        Some(Operation::Introspect { token: login?.access_tokens.first()?.clone() })
    }

    /// Takes in what an operation did: new keys, or a login that is gone.
    pub fn take_in(&mut self, about: About, operation: &Operation, receipts: &[Receipt]) {
        match about {
            About::New => {
                let mut login = Login::default();
                login.take_in(receipts);
                if self.made.len() >= MADE_AT_MOST {
                    self.made.swap_remove(self.rng.usize(0..MADE_AT_MOST));
                }
                self.made.push(login);
            }
            About::Found(at) | About::Made(at) => {
                let logins = if about == About::Found(at) { &mut self.found } else { &mut self.made };
                // No row at all: the login isn't known here (any more), and its user has to log in again.
                let gone = receipts.is_empty() && operation.is_write() || matches!(operation, Operation::LogOut { .. });
                if gone && at < logins.len() {
                    logins.swap_remove(at);
                } else if let Some(login) = logins.get_mut(at) {
                    login.take_in(receipts);
                }
            }
        }
    }

    fn pick(&mut self) -> About {
        let on_found = self.rng.u32(0..10) < ON_FOUND;
        match (self.found.len(), self.made.len()) {
            (0, 0) => About::New,
            (found, made) if found > 0 && (on_found || made == 0) => About::Found(self.rng.usize(0..found)),
            (_, made) => About::Made(self.rng.usize(0..made)),
        }
    }

    fn authorize(&mut self) -> Operation {
        let client = self.rng.choice(&self.applications).cloned().unwrap_or_default();
        Operation::Authorize { client, subject: format!("user-{}", self.rng.u32(0..100_000)) }
    }
}

impl Login {
    fn read(row: &Row) -> Result<Self> {
        let wrong = |e: tokio_postgres::Error| Failure::failed(format!("logins: {e}"));
        Ok(Self {
            session: row.try_get(0).map_err(wrong)?,
            consents: row.try_get(1).map_err(wrong)?,
            access_tokens: row.try_get(2).map_err(wrong)?,
            refresh_tokens: row.try_get(3).map_err(wrong)?,
            codes: row.try_get(4).map_err(wrong)?,
        })
    }

    /// What this user does at a roll from 0 to 99; none: nothing that they could, so somebody else logs in.
    fn next(&mut self, roll: u32, rng: &mut Rng) -> Option<Operation> {
        match roll {
            0..30 => rng.choice(&self.access_tokens).cloned().map(|token| Operation::Introspect { token }),
            30..55 => self.refresh_tokens.pop().map(|token| Operation::Refresh { token }),
            55..70 => self.codes.pop().map(|code| Operation::Exchange { code }),
            70..82 => self.access_tokens.pop().map(|token| Operation::RevokeToken { token }),
            82..86 => self.consents.pop().map(|consent| Operation::RevokeConsent { consent }),
            86..90 => Some(Operation::LogOut { session: self.session.clone() }),
            _ => None,
        }
    }

    fn take_in(&mut self, receipts: &[Receipt]) {
        for receipt in receipts {
            let keys = match receipt.kind {
                Kind::LoginSession if receipt.effect == Effect::Wrote => {
                    self.session.clone_from(&receipt.key);
                    continue;
                }
                Kind::LoginSession => continue,
                Kind::Consent => &mut self.consents,
                Kind::AccessToken => &mut self.access_tokens,
                Kind::RefreshToken => &mut self.refresh_tokens,
                Kind::AuthorizationCode => &mut self.codes,
            };
            match receipt.effect {
                Effect::Wrote => keys.push(receipt.key.clone()),
                Effect::Ended | Effect::Removed => keys.retain(|key| *key != receipt.key),
                Effect::Read => {}
            }
        }
    }
}
