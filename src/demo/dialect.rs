//! The two versions of the engine's SQL, and the configuration file that says which one is spoken where.

use std::path::Path;

use super::ledger::Side;
use crate::error::{Context, Failure, Result};
use crate::postgres::Target;

/// Which version of the engine a client is: the statements of `sql/1x` or `sql/2x`, alike in parameters and results.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// The schema of `migrations/oauth/1x`, on blue.
    V1,
    /// The schema of `migrations/oauth/2x`, on green.
    V2,
}

/// The statements of one dialect.
pub(super) struct Statements {
    pub authorize: &'static str,
    pub exchange: &'static str,
    pub refresh: &'static str,
    pub introspect: &'static str,
    pub revoke_token: &'static str,
    pub revoke_consent: &'static str,
    pub log_out: &'static str,
    pub select_logins: &'static str,
}

static V1: Statements = Statements {
    authorize: include_str!("sql/1x/authorize.sql"),
    exchange: include_str!("sql/1x/exchange.sql"),
    refresh: include_str!("sql/1x/refresh.sql"),
    introspect: include_str!("sql/1x/introspect.sql"),
    revoke_token: include_str!("sql/1x/revoke_token.sql"),
    revoke_consent: include_str!("sql/1x/revoke_consent.sql"),
    log_out: include_str!("sql/1x/log_out.sql"),
    select_logins: include_str!("sql/1x/select_logins.sql"),
};

static V2: Statements = Statements {
    authorize: include_str!("sql/2x/authorize.sql"),
    exchange: include_str!("sql/2x/exchange.sql"),
    refresh: include_str!("sql/2x/refresh.sql"),
    introspect: include_str!("sql/2x/introspect.sql"),
    revoke_token: include_str!("sql/2x/revoke_token.sql"),
    revoke_consent: include_str!("sql/2x/revoke_consent.sql"),
    log_out: include_str!("sql/2x/log_out.sql"),
    select_logins: include_str!("sql/2x/select_logins.sql"),
};

impl Dialect {
    /// The word in the configuration file.
    pub fn word(self) -> &'static str {
        match self {
            Self::V1 => "1x",
            Self::V2 => "2x",
        }
    }

    /// The database that speaks it.
    pub fn side(self) -> Side {
        match self {
            Self::V1 => Side::Blue,
            Self::V2 => Side::Green,
        }
    }

    pub(super) fn statements(self) -> &'static Statements {
        match self {
            Self::V1 => &V1,
            Self::V2 => &V2,
        }
    }

    fn parse(word: &str) -> Option<Self> {
        [Self::V1, Self::V2].into_iter().find(|dialect| dialect.word() == word)
    }
}

/// What a client reads to find its database.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Conf {
    pub target: Target,
    pub dialect: Dialect,
}

impl Conf {
    /// The file's text. Holds the password: the file must be its owner's alone.
    pub fn text(url: &str, dialect: Dialect) -> String {
        format!(
            "# where the OAuth engine finds its database, read before every request\nurl={url}\ndialect={}\n",
            dialect.word()
        )
    }

    /// Reads the file. No message repeats its text.
    pub async fn read(path: &Path) -> Result<Self> {
        let text = tokio::fs::read_to_string(path).await.with_context(|| path.display())?;
        let value = |key: &str| {
            let given = text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix('='));
            given.ok_or_else(|| Failure::failed(format!("{}: no line {key}=", path.display())))
        };
        let dialect = Dialect::parse(value("dialect")?)
            .ok_or_else(|| Failure::failed(format!("{}: dialect must be 1x or 2x", path.display())))?;
        Ok(Self { target: Target::parse("service", value("url")?)?, dialect })
    }
}
