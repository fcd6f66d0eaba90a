//! What must switch together with the database.

mod command;
mod file;
mod http;

use std::path::Path;
use std::time::Duration;

use crate::error::Failure;
use crate::plan::{self, ParticipantKind};

pub use command::Command;
pub use file::File;
pub use http::Http;

/// What a participant answers when it is asked whether it has switched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Switch {
    /// It has.
    Switched,
    /// It has not.
    NotYet,
    /// It can't say; a person must look.
    Unknown(String),
}

/// Something that switches in two halves. Every half may be run again after a crash in its middle.
#[allow(async_fn_in_trait)] // implemented in this crate only, never behind `dyn`
pub trait Participant {
    /// The harmless half, before the fence.
    async fn prepare(&self) -> Result<(), Failure>;
    /// The switch, after decide.
    async fn commit(&self) -> Result<(), Failure>;
    /// Whether it has switched; never changes anything.
    async fn committed(&self) -> Switch;
    /// Undoes prepare, before decide.
    async fn abort(&self) -> Result<(), Failure>;
}

/// One of the kinds.
#[derive(Debug)]
pub enum AnyParticipant {
    /// Programs of its own.
    Command(Command),
    /// A file, atomically replaced.
    File(File),
    /// Requests to a service.
    Http(Http),
}

/// A participant with what it needs to run. `keep` is a folder for what must be kept until the run is over.
pub fn open_participant(spec: &plan::Participant, plan_folder: &Path, keep: &Path) -> AnyParticipant {
    let timeout: Duration = spec.timeout;
    match &spec.kind {
        ParticipantKind::Command { prepare, commit, committed, abort } => AnyParticipant::Command(Command {
            folder: plan_folder.to_owned(),
            timeout,
            prepare: prepare.clone(),
            commit: commit.clone(),
            committed: committed.clone(),
            abort: abort.clone(),
        }),
        ParticipantKind::Http(requests) => AnyParticipant::Http(Http { timeout, requests: requests.clone() }),
        ParticipantKind::File { path, content } => AnyParticipant::File(File {
            path: path.clone(),
            content: content.clone(),
            kept: keep.join(format!("{}.before", plan::digest([spec.name.as_bytes()]))),
        }),
    }
}

impl Participant for AnyParticipant {
    async fn prepare(&self) -> Result<(), Failure> {
        match self {
            Self::Command(p) => p.prepare().await,
            Self::File(p) => p.prepare().await,
            Self::Http(p) => p.prepare().await,
        }
    }

    async fn commit(&self) -> Result<(), Failure> {
        match self {
            Self::Command(p) => p.commit().await,
            Self::File(p) => p.commit().await,
            Self::Http(p) => p.commit().await,
        }
    }

    async fn committed(&self) -> Switch {
        match self {
            Self::Command(p) => p.committed().await,
            Self::File(p) => p.committed().await,
            Self::Http(p) => p.committed().await,
        }
    }

    async fn abort(&self) -> Result<(), Failure> {
        match self {
            Self::Command(p) => p.abort().await,
            Self::File(p) => p.abort().await,
            Self::Http(p) => p.abort().await,
        }
    }
}
