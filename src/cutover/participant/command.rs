//! A participant made of programs: start the new service, move the socket, say whether it moved.

use std::path::PathBuf;
use std::time::Duration;

use super::program::run;
use super::{Participant, Switch};
use crate::error::Failure;

/// The programs. Whatever they answer, only `committed` decides whether the switch has happened: a commit that fails or
/// hangs may have switched all the same.
#[derive(Debug)]
pub struct Command {
    /// Where they run.
    pub folder: PathBuf,
    /// How long each may take.
    pub timeout: Duration,
    /// The harmless half.
    pub prepare: Option<Vec<String>>,
    /// The switch.
    pub commit: Vec<String>,
    /// Exit code 0: switched, 1: not yet.
    pub committed: Vec<String>,
    /// Undoes prepare.
    pub abort: Option<Vec<String>>,
}

impl Command {
    async fn run_if_any(&self, what: &str, argv: Option<&Vec<String>>) -> Result<(), Failure> {
        let Some(argv) = argv else { return Ok(()) };
        run(argv, &self.folder, self.timeout).await?.succeeded(what, argv)
    }
}

impl Participant for Command {
    async fn prepare(&self) -> Result<(), Failure> {
        self.run_if_any("prepare", self.prepare.as_ref()).await
    }

    async fn commit(&self) -> Result<(), Failure> {
        self.run_if_any("commit", Some(&self.commit)).await
    }

    async fn committed(&self) -> Switch {
        match run(&self.committed, &self.folder, self.timeout).await {
            Ok(ended) if ended.code == Some(0) => Switch::Switched,
            Ok(ended) if ended.code == Some(1) => Switch::NotYet,
            Ok(ended) => match ended.succeeded("committed", &self.committed) {
                Err(e) => Switch::Unknown(e.what),
                Ok(()) => Switch::Switched,
            },
            Err(e) => Switch::Unknown(e.what),
        }
    }

    async fn abort(&self) -> Result<(), Failure> {
        self.run_if_any("abort", self.abort.as_ref()).await
    }
}
