//! A folder that is gone when we are, however we end, and the server in it with it.
//!
//! A guard process waits for the end of a pipe. We hold its other end, and so does every program that we start to make or
//! start the server: the pipe ends when all of them have. Otherwise the guard would remove a cluster that initdb still
//! fills, or look for a server before `pg_ctl` has written down its process.

use std::os::fd::AsFd;
use std::os::unix::fs::{DirBuilderExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::binaries;
use crate::error::{Context, Failure, Result};
use crate::failpoint::failpoint;

/// How long the guard may take to stop the server and remove the folder.
const STOP_TIMEOUT: Duration = Duration::from_secs(20);
/// Letters and digits after the prefix: nobody else has a folder of that name.
const RANDOM: usize = 8;

/// What the guard runs: wait for the end of the pipe, stop the server at once (SIGQUIT), remove its folder ($1).
/// The folder's name reaches it as an argument, never as text of the script.
const GUARD: &str = "cat >/dev/null
pid=$(head -n 1 \"$1/data/postmaster.pid\" 2>/dev/null)
if [ -n \"$pid\" ]; then kill -QUIT \"$pid\" 2>/dev/null; fi
while [ -n \"$pid\" ] && kill -0 \"$pid\" 2>/dev/null; do sleep 0.05; done
[ -e \"$1/keep\" ] || rm -rf \"$1\"";

/// A folder below another one. Dropping it stops the server in it and removes it, unless it is kept.
#[derive(Debug)]
pub struct Folder {
    path: PathBuf,
    guard: Child,
}

impl Folder {
    /// For a server: nobody but its user may enter, sockets and data are nobody else's business.
    pub(super) fn of_server(parent: &Path) -> Result<Self> {
        let folder = Self::new(parent, "teal-")?;
        if let Some((user, group)) = binaries::server_user()? {
            chown(&folder.path, Some(user), Some(group))?;
        }
        Ok(folder)
    }

    /// One that only we may enter.
    pub fn new(parent: &Path, prefix: &str) -> Result<Self> {
        let parent = std::path::absolute(parent)?;
        let random: String = (0..RANDOM).map(|_| fastrand::alphanumeric()).collect();
        let path = parent.join(format!("{prefix}{random}"));
        // The guard first: killed between the two, we leave nothing.
        let mut folder = Self { guard: start_guard(&path).context("starting the guard")?, path };
        failpoint("sandbox.guarded");
        if let Err(e) = std::fs::DirBuilder::new().mode(0o700).create(&folder.path) {
            // It may be somebody else's.
            let _ = folder.dismiss();
            return Err(Failure::from(e).context(folder.path.display()));
        }
        failpoint("sandbox.made");
        Ok(folder)
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Lets it stay.
    pub fn keep(mut self) -> Result<PathBuf> {
        self.dismiss()?;
        Ok(self.path.clone())
    }

    /// What a program that fills the folder must have as its standard input: while it runs, the guard waits. It must
    /// neither read that nor pass it on to a server.
    pub(super) fn hold(&self) -> Result<Stdio> {
        let pipe = self.guard.stdin.as_ref().ok_or_else(|| Failure::failed("the guard's pipe is closed"))?;
        Ok(Stdio::from(pipe.as_fd().try_clone_to_owned()?))
    }

    /// Ends the guard before it removes anything.
    fn dismiss(&mut self) -> Result<()> {
        self.guard.kill()?;
        self.guard.wait()?;
        Ok(())
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        drop(self.guard.stdin.take());
        let deadline = Instant::now() + STOP_TIMEOUT;
        while Instant::now() < deadline {
            match self.guard.try_wait() {
                Ok(None) => std::thread::sleep(Duration::from_millis(10)),
                Ok(Some(_)) | Err(_) => return,
            }
        }
        tracing::warn!(folder = %self.path.display(), "a throwaway server did not stop in time");
    }
}

/// In a process group of its own, so that Ctrl-C in the terminal reaches us and not the guard.
fn start_guard(folder: &Path) -> Result<Child> {
    let guard = Command::new("/bin/sh")
        .args(["-c", GUARD, "teal-sandbox-guard"])
        .arg(folder)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .current_dir("/")
        .process_group(0)
        .spawn()?;
    Ok(guard)
}
