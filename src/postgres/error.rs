//! What a server, or the way to it, said.

use std::fmt;

use tokio_postgres::error::{DbError, ErrorPosition, SqlState};

use crate::error::Failure;

/// An error of a server or of the connection to it, with the database and what we were doing.
#[derive(Debug)]
pub struct Error {
    /// The database as the plan names it: `blue`, `green`, `authz`.
    pub database: String,
    /// What we were doing, as a lowercase fragment; may be empty.
    pub doing: String,
    cause: Box<Cause>,
}

/// What happened, and what is known about it.
#[derive(Debug)]
struct Cause {
    source: Source,
    /// In our own words, where the client's don't say it well.
    said: Option<String>,
    /// What to do about it, where that is known.
    hint: Option<String>,
    /// Whether it is about TLS: another way in may do.
    tls: bool,
}

/// What happened.
#[derive(Debug)]
enum Source {
    /// The server, or the connection to it.
    Client(tokio_postgres::Error),
    /// There was no answer in time.
    NoAnswer,
    /// No server was found that would do; one may come.
    Unreachable(String),
    /// What we were told can't work, whatever the server says.
    Unfit(String),
}

impl Error {
    /// Says on which database it happened.
    pub fn new(database: &str, source: tokio_postgres::Error) -> Self {
        Self::of(database, Source::Client(source))
    }

    /// A server that accepts and never answers.
    pub fn no_answer(database: &str) -> Self {
        Self::of(database, Source::NoAnswer)
    }

    pub(super) fn unreachable(database: &str, what: impl Into<String>) -> Self {
        Self::of(database, Source::Unreachable(what.into()))
    }

    pub(super) fn unfit(database: &str, what: impl Into<String>) -> Self {
        Self::of(database, Source::Unfit(what.into()))
    }

    fn of(database: &str, source: Source) -> Self {
        let cause = Box::new(Cause { source, said: None, hint: None, tls: false });
        Self { database: database.to_owned(), doing: String::new(), cause }
    }

    /// Says it in our own words.
    #[must_use]
    pub(super) fn said(mut self, words: String) -> Self {
        self.cause.said = Some(words);
        self
    }

    /// Marks it as one of TLS.
    #[must_use]
    pub(super) fn of_tls(mut self) -> Self {
        self.cause.tls = true;
        self
    }

    /// Says what to do about it.
    #[must_use]
    pub(super) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.cause.hint = Some(hint.into());
        self
    }

    /// Whether TLS did not come about.
    pub fn is_tls(&self) -> bool {
        self.cause.tls
    }

    fn client(&self) -> Option<&tokio_postgres::Error> {
        match &self.cause.source {
            Source::Client(source) => Some(source),
            _ => None,
        }
    }

    /// Says what we were doing.
    #[must_use]
    pub fn doing(mut self, doing: impl fmt::Display) -> Self {
        self.doing = if self.doing.is_empty() { doing.to_string() } else { format!("{doing}: {}", self.doing) };
        self
    }

    /// The server's own error, where it was the server that refused.
    pub fn server(&self) -> Option<&DbError> {
        self.client()?.as_db_error()
    }

    /// The SQLSTATE, where it was the server that refused.
    pub fn code(&self) -> Option<&SqlState> {
        self.client()?.code()
    }

    /// Whether the session is gone: the outcome of what was under way is unknown.
    pub fn is_lost(&self) -> bool {
        let source = match &self.cause.source {
            Source::Client(source) => source,
            Source::NoAnswer | Source::Unreachable(_) => return true,
            Source::Unfit(_) => return false,
        };
        if self.cause.tls {
            return false;
        }
        source.is_closed()
            || match self.code() {
                Some(code) => {
                    *code == SqlState::ADMIN_SHUTDOWN
                        || *code == SqlState::CRASH_SHUTDOWN
                        || *code == SqlState::IDLE_IN_TRANSACTION_SESSION_TIMEOUT
                        || *code == SqlState::CANNOT_CONNECT_NOW
                        || code.code().starts_with("08")
                }
                None => std::error::Error::source(source).is_some_and(<dyn std::error::Error>::is::<std::io::Error>),
            }
    }

    /// Whether a lock was not to be had in time, or a deadlock broken: let go and try again.
    pub fn is_lock(&self) -> bool {
        self.code().is_some_and(|c| *c == SqlState::LOCK_NOT_AVAILABLE || *c == SqlState::T_R_DEADLOCK_DETECTED)
    }

    /// Whether the server, this database or this role has no room for another session.
    pub fn is_full(&self) -> bool {
        self.code() == Some(&SqlState::TOO_MANY_CONNECTIONS)
    }

    /// Whether the same statement may pass when tried again: locks and serialization failures.
    pub fn is_transient(&self) -> bool {
        self.is_lock() || self.code().is_some_and(|c| *c == SqlState::T_R_SERIALIZATION_FAILURE)
    }

    /// Whether a statement ran into `statement_timeout` or was cancelled by somebody.
    pub fn is_cancelled(&self) -> bool {
        self.code() == Some(&SqlState::QUERY_CANCELED)
    }

    /// What a person must do before the same command can pass, where the server has run out of something.
    fn remedy(&self) -> Option<String> {
        let code = self.code()?;
        let make = if *code == SqlState::DISK_FULL {
            "make room on the disk of"
        } else if *code == SqlState::OUT_OF_MEMORY && self.message().contains("shared memory") {
            "raise max_locks_per_transaction and restart the server of"
        } else {
            return None;
        };
        Some(format!("{make} {}, then run the same command again", self.database))
    }

    /// The position of the error in the statement, in characters from 1, where the server gave one.
    pub fn position(&self) -> Option<usize> {
        match self.server()?.position()? {
            ErrorPosition::Original(at) => usize::try_from(*at).ok(),
            ErrorPosition::Internal { .. } => None,
        }
    }

    /// The server's message alone, or the connection's.
    pub fn message(&self) -> String {
        if let Some(words) = &self.cause.said {
            return words.clone();
        }
        let source = match &self.cause.source {
            Source::Client(source) => source,
            Source::NoAnswer => return "no answer in time".to_owned(),
            Source::Unreachable(what) | Source::Unfit(what) => return what.clone(),
        };
        match (self.server(), std::error::Error::source(source)) {
            (Some(db), _) => db.message().to_owned(),
            (None, Some(cause)) => {
                format!("{}: {cause}", source.to_string().trim_end_matches(&format!(": {cause}")))
            }
            (None, None) => source.to_string(),
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.database)?;
        if !self.doing.is_empty() {
            write!(f, "{}: ", self.doing)?;
        }
        f.write_str(&self.message())?;
        if let Some(code) = self.code() {
            write!(f, " ({})", code.code())?;
        }
        Ok(())
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.client().map(|source| source as &(dyn std::error::Error + 'static))
    }
}

impl From<Error> for Failure {
    fn from(e: Error) -> Self {
        let mut lines = Vec::new();
        if let Some(db) = e.server() {
            lines.extend(db.detail().map(|d| format!("detail: {d}")));
            lines.extend(db.hint().map(|h| format!("server's hint: {h}")));
            lines.extend(db.where_().map(|w| format!("where: {w}")));
        }
        let mut failure = Failure::failed(e.to_string());
        failure.hint = e.cause.hint.clone().or_else(|| e.remedy());
        if lines.is_empty() { failure } else { failure.detail(lines.join("\n")) }
    }
}
