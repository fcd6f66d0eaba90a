//! A participant made of programs: start the new service, move the socket, say whether it moved.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use super::{Participant, Switch};
use crate::error::Failure;
use crate::program::{Beyond, Ended, How, Program};

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
    fn program<'a>(&'a self, argv: &'a [String], env: &'a BTreeMap<String, String>) -> Program<'a> {
        Program { argv, folder: &self.folder, env, timeout: Some(self.timeout), keep: 0, beyond: Beyond::Drop }
    }

    async fn run(&self, argv: &[String]) -> Result<Ended, Failure> {
        self.program(argv, &BTreeMap::new()).run().await
    }

    async fn succeed(&self, what: &str, argv: Option<&Vec<String>>) -> Result<(), Failure> {
        let Some(argv) = argv else { return Ok(()) };
        let name = argv.first().map(String::as_str).unwrap_or_default();
        self.run(argv).await.and_then(|ended| ended.success(name)).map_err(|e| e.context(what))?;
        Ok(())
    }
}

impl Participant for Command {
    /// Its own program, and then a look whether the commit's is there: after decide it would be too late to find that out.
    async fn prepare(&self) -> Result<(), Failure> {
        self.succeed("prepare", self.prepare.as_ref()).await?;
        let env = BTreeMap::new();
        let commit = self.program(&self.commit, &env);
        if commit.is_there() {
            Ok(())
        } else {
            Err(Failure::failed(format!("its commit {} is not there", commit.name())))
        }
    }

    async fn commit(&self) -> Result<(), Failure> {
        self.succeed("commit", Some(&self.commit)).await
    }

    async fn committed(&self) -> Switch {
        match self.run(&self.committed).await {
            Ok(Ended { how: How::Code(0), .. }) => Switch::Switched,
            Ok(Ended { how: How::Code(1), .. }) => Switch::NotYet,
            Ok(ended) => match ended.success("committed") {
                Err(e) => Switch::Unknown(e.what),
                Ok(_) => Switch::Switched,
            },
            Err(e) => Switch::Unknown(e.what),
        }
    }

    async fn abort(&self) -> Result<(), Failure> {
        self.succeed("abort", self.abort.as_ref()).await
    }
}
