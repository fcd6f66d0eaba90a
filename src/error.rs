//! What every fallible part of Teal returns: a [`Failure`] whose kind decides the exit code.

use std::fmt;
use std::path::PathBuf;

/// The result of everything that can fail in a way an operator sees.
pub type Result<T, E = Failure> = std::result::Result<T, E>;

/// Why a command could not end well. Each kind is one exit code (`migrate explain exit-codes`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Failed or interrupted at a safe point; the same command goes on from there. Exit code 1.
    Failed,
    /// The plan or the command line is wrong; nothing was done. Exit code 2.
    Usage,
    /// An unaccepted blocker or a closed gate. Exit code 3.
    Blocked,
    /// Nobody can tell what happened; a person must look. Exit code 4.
    InDoubt,
    /// The cutover was tried and everything was put back. Exit code 5.
    Undone,
}

impl Kind {
    /// The process exit code of this kind.
    pub fn exit_code(self) -> u8 {
        match self {
            Self::Failed => 1,
            Self::Usage => 2,
            Self::Blocked => 3,
            Self::InDoubt => 4,
            Self::Undone => 5,
        }
    }
}

/// A failure as the operator sees it: what failed and where, what state everything is in, what to do next.
///
/// Messages are lowercase fragments, context joined by `: `, the object named with its schema. No message may hold
/// a password or a connection URL.
#[derive(Debug, Clone)]
pub struct Failure {
    /// Decides the exit code.
    pub kind: Kind,
    /// What failed, on which database, at which step; context is put before it with [`Failure::context`].
    pub what: String,
    /// Further lines shown below, as they are: an excerpt of the source, the server's detail.
    pub detail: Option<String>,
    /// What state everything is in now ("blue is open for writes; nothing was changed").
    pub state: Option<String>,
    /// The next command, shown after `Hint:`.
    pub hint: Option<String>,
    /// The place in a file of the operator's that it is about, for annotations; `what` names it as well.
    pub place: Option<Box<Place>>,
}

/// A place in a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The file.
    pub file: PathBuf,
    /// The line, from 1.
    pub line: usize,
}

impl Failure {
    /// A failure of `kind`; the other constructors name the usual kinds.
    pub fn new(kind: Kind, what: impl Into<String>) -> Self {
        Self { kind, what: what.into(), detail: None, state: None, hint: None, place: None }
    }

    /// [`Kind::Failed`]: safe to run again.
    pub fn failed(what: impl Into<String>) -> Self {
        Self::new(Kind::Failed, what)
    }

    /// [`Kind::Usage`]: a bad plan or command line.
    pub fn usage(what: impl Into<String>) -> Self {
        Self::new(Kind::Usage, what)
    }

    /// [`Kind::Blocked`]: a blocker or a closed gate.
    pub fn blocked(what: impl Into<String>) -> Self {
        Self::new(Kind::Blocked, what)
    }

    /// [`Kind::InDoubt`]: a person must look.
    pub fn in_doubt(what: impl Into<String>) -> Self {
        Self::new(Kind::InDoubt, what)
    }

    /// [`Kind::Undone`]: everything was put back.
    pub fn undone(what: impl Into<String>) -> Self {
        Self::new(Kind::Undone, what)
    }

    /// Puts `context: ` before the message.
    #[must_use]
    pub fn context(mut self, context: impl fmt::Display) -> Self {
        self.what = format!("{context}: {}", self.what);
        self
    }

    /// Sets the next command, unless a more specific one is there already.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint.get_or_insert_with(|| hint.into());
        self
    }

    /// Sets the state that everything is in, unless a more specific one is there already.
    #[must_use]
    pub fn state(mut self, state: impl Into<String>) -> Self {
        self.state.get_or_insert_with(|| state.into());
        self
    }

    /// Says which place in a file it is about.
    #[must_use]
    pub fn at(mut self, file: impl Into<PathBuf>, line: usize) -> Self {
        self.place = Some(Box::new(Place { file: file.into(), line }));
        self
    }

    /// Adds lines shown below the message.
    #[must_use]
    pub fn detail(mut self, detail: impl Into<String>) -> Self {
        self.detail.get_or_insert_with(|| detail.into());
        self
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)
    }
}

impl std::error::Error for Failure {}

/// Puts context before the message of whatever failed.
pub trait Context<T> {
    /// `context: message`.
    fn context(self, context: impl fmt::Display) -> Result<T>;
    /// Like [`Context::context`], built only on failure.
    fn with_context<D: fmt::Display>(self, context: impl FnOnce() -> D) -> Result<T>;
}

impl<T, E: Into<Failure>> Context<T> for Result<T, E> {
    fn context(self, context: impl fmt::Display) -> Result<T> {
        self.map_err(|e| e.into().context(context))
    }

    fn with_context<D: fmt::Display>(self, context: impl FnOnce() -> D) -> Result<T> {
        self.map_err(|e| e.into().context(context()))
    }
}

impl From<std::io::Error> for Failure {
    fn from(e: std::io::Error) -> Self {
        Self::failed(e.to_string())
    }
}

impl From<serde_json::Error> for Failure {
    fn from(e: serde_json::Error) -> Self {
        Self::failed(e.to_string())
    }
}
