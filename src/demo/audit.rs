//! The audit: green is asked about every acknowledged write, by keys, in the 2x schema.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use super::ledger::{Counts, Kind, Ledger, Revocation, Side};
use crate::error::{Context, Result};
use crate::postgres::{Db, Error};

/// Keys asked for in one query.
const BATCH: usize = 5_000;

/// What the ledger and green say of each other.
#[derive(Debug, Clone, Default)]
pub struct Audit {
    /// Rows that a client was told have ended, each once.
    pub revocations_acknowledged: u64,
    /// Of these, the ones that are still good on green: each a hole. Must be empty.
    pub revocations_lost: Vec<Revocation>,
    /// Of these, the ones whose row is not on green: deleted there as well, or younger than the copy.
    pub revocations_without_row: u64,
    /// Rows made or ended by blue, acknowledged.
    pub blue_writes: u64,
    /// Rows made by blue, acknowledged, not deleted since, and not on green: younger than the copy.
    pub writes_not_travelled: u64,
    /// The same by kind; a kind without any is missing.
    pub not_travelled_by_kind: BTreeMap<Kind, u64>,
    /// Rows made or ended by green, acknowledged.
    pub writes_on_green: u64,
    /// Rows made by green, acknowledged, not deleted since, and not there any more. Must be 0.
    pub green_writes_lost: u64,
    /// The longest write that had to be tried again, in milliseconds, from its first attempt to its acknowledgement.
    pub longest_pause_ms: u64,
    /// The longest write that passed at its first attempt, in milliseconds: waits for locks are in it.
    pub longest_write_ms: u64,
    /// Writes whose session was lost before the answer: in none of the numbers above.
    pub in_doubt: u64,
    /// Writes never acknowledged: refused for good, or the traffic stopped before they passed.
    pub given_up: u64,
    /// Attempts that failed, by SQLSTATE or a word of ours.
    pub errors: BTreeMap<String, u64>,
}

impl Ledger {
    /// Asks `green`, which speaks 2x, about every key. Holds no lock; run it after the traffic has stopped.
    pub async fn audit(&self, green: &Db) -> Result<Audit> {
        let mut audit = Audit {
            revocations_acknowledged: self.revocations.len() as u64,
            blue_writes: self.rows_of(Side::Blue),
            writes_on_green: self.rows_of(Side::Green),
            longest_pause_ms: millis(self.counts.longest_pause.as_ref().map_or(Duration::ZERO, |pause| pause.lasted)),
            longest_write_ms: millis(self.longest_write),
            in_doubt: self.counts.in_doubt,
            given_up: self.counts.given_up,
            errors: self.counts.errors.clone(),
            ..Audit::default()
        };
        for kind in Kind::ALL {
            self.audit_kind(green, kind, &mut audit).await.with_context(|| format!("audit: {}s", kind.word()))?;
        }
        Ok(audit)
    }

    async fn audit_kind(&self, green: &Db, kind: Kind, audit: &mut Audit) -> Result<(), Error> {
        let ended: Vec<&Revocation> = self.revocations.iter().filter(|revocation| revocation.kind == kind).collect();
        for batch in ended.chunks(BATCH) {
            let keys: Vec<&str> = batch.iter().map(|revocation| revocation.key.as_str()).collect();
            let good = state_of(green, kind, &keys).await?;
            for revocation in batch {
                match good.get(&revocation.key) {
                    Some(true) => audit.revocations_lost.push((*revocation).clone()),
                    Some(false) => {}
                    None => audit.revocations_without_row += 1,
                }
            }
        }
        let not_travelled = self.missing(green, kind, Side::Blue).await?;
        if not_travelled > 0 {
            audit.not_travelled_by_kind.insert(kind, not_travelled);
            audit.writes_not_travelled += not_travelled;
        }
        audit.green_writes_lost += self.missing(green, kind, Side::Green).await?;
        Ok(())
    }

    /// How many of the rows that a side made are not on green.
    async fn missing(&self, green: &Db, kind: Kind, side: Side) -> Result<u64, Error> {
        let made: Vec<&str> = self.made(side, kind).collect();
        let mut missing = 0;
        for keys in made.chunks(BATCH) {
            missing += keys.len().saturating_sub(state_of(green, kind, keys).await?.len()) as u64;
        }
        Ok(missing)
    }

    fn rows_of(&self, side: Side) -> u64 {
        self.counts.sides.get(&side).map_or(0, Counts::rows)
    }
}

/// Of the keys, those that are on green, and whether what they name is good there.
async fn state_of(green: &Db, kind: Kind, keys: &[&str]) -> Result<HashMap<String, bool>, Error> {
    let rows = green.rows(select_state(kind), &[&keys]).await?;
    rows.iter().map(|row| Ok((row.try_get(0)?, row.try_get(1)?))).collect::<Result<_, _>>().map_err(|e| green.error(e))
}

/// Takes `$1 text[]`, keys; gives a row for each that is there: the key, and whether what it names is good.
fn select_state(kind: Kind) -> &'static str {
    match kind {
        Kind::LoginSession => "SELECT id::text, true FROM user_session WHERE id = ANY ($1::text[]::uuid[])",
        Kind::Consent => "SELECT id::text, state = 'granted' FROM oauth_grant WHERE id = ANY ($1::text[]::bigint[])",
        Kind::AuthorizationCode => "SELECT code_hash, redeemed_at IS NULL FROM oauth_code WHERE code_hash = ANY ($1)",
        Kind::AccessToken => "SELECT signature, state = 'active' FROM oauth_access_token WHERE signature = ANY ($1)",
        Kind::RefreshToken => "SELECT signature, spent_at IS NULL FROM oauth_refresh_token WHERE signature = ANY ($1)",
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
