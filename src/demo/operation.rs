//! What a client does for its users: seven operations, each one statement whose result is its own receipt.

use tokio_postgres::Row;

use super::dialect::Dialect;
use super::ledger::Kind;
use crate::error::{Failure, Result};

/// One request of a user, with the keys that it is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Operation {
    /// Log in and consent to an application, which gets a code.
    Authorize { client: String, subject: String },
    /// Redeem a code for the first tokens.
    Exchange { code: String },
    /// Spend a refresh token for the next tokens.
    Refresh { token: String },
    /// Ask whether an access token is good.
    Introspect { token: String },
    /// End one access token.
    RevokeToken { token: String },
    /// End a consent and all tokens under it.
    RevokeConsent { consent: String },
    /// Delete a session and everything under it.
    LogOut { session: String },
}

/// What a statement did to one row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Effect {
    /// The row is good; nothing was changed.
    Read,
    /// The row is new.
    Wrote,
    /// The row was good and is no more: revoked, spent, redeemed or deleted.
    Ended,
    /// The row was deleted; it had ended before.
    Removed,
}

/// One row that a statement answered for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Receipt {
    pub effect: Effect,
    pub kind: Kind,
    pub key: String,
}

impl Operation {
    /// Whether it changes anything.
    pub fn is_write(&self) -> bool {
        !matches!(self, Self::Introspect { .. })
    }

    /// The statement in a dialect.
    pub fn sql(&self, dialect: Dialect) -> &'static str {
        let statements = dialect.statements();
        match self {
            Self::Authorize { .. } => statements.authorize,
            Self::Exchange { .. } => statements.exchange,
            Self::Refresh { .. } => statements.refresh,
            Self::Introspect { .. } => statements.introspect,
            Self::RevokeToken { .. } => statements.revoke_token,
            Self::RevokeConsent { .. } => statements.revoke_consent,
            Self::LogOut { .. } => statements.log_out,
        }
    }

    /// The statement's parameters. New keys are drawn at each call: a write in doubt that is tried again must not
    /// collide with itself.
    pub fn parameters(&self) -> Vec<String> {
        match self {
            Self::Authorize { client, subject } => vec![client.clone(), subject.clone(), new_key(32), new_key(64)],
            Self::Exchange { code: key } | Self::Refresh { token: key } => vec![key.clone(), new_key(64), new_key(64)],
            Self::Introspect { token: key }
            | Self::RevokeToken { token: key }
            | Self::RevokeConsent { consent: key }
            | Self::LogOut { session: key } => vec![key.clone()],
        }
    }
}

impl Receipt {
    /// Reads a row `effect, kind, key`.
    pub fn read(row: &Row) -> Result<Self> {
        let column = |at: usize| row.try_get::<_, &str>(at).map_err(|e| Failure::failed(format!("receipt: {e}")));
        let effect = match column(0)? {
            "read" => Effect::Read,
            "wrote" => Effect::Wrote,
            "ended" => Effect::Ended,
            "removed" => Effect::Removed,
            other => return Err(Failure::failed(format!("receipt: no effect {other:?}"))),
        };
        let kind = column(1)?;
        let kind = Kind::parse(kind).ok_or_else(|| Failure::failed(format!("receipt: no kind {kind:?}")))?;
        Ok(Self { effect, kind, key: column(2)?.to_owned() })
    }
}

/// Random hexadecimal digits, never from a client's seed: two runs on one database must not draw the same keys.
fn new_key(digits: usize) -> String {
    (0..digits).map(|_| char::from_digit(fastrand::u32(0..16), 16).unwrap_or('0')).collect()
}
