//! Running a program of the plan: an argv list, never a shell; in a process group of its own, with an end to it.

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::process::{Child, Command};

use crate::error::{Context, Failure, Result};

/// How much of the end of its stderr is kept, in bytes.
const STDERR_TAIL: usize = 4 << 10;

/// A program to run.
#[derive(Debug, Clone)]
pub struct Program<'a> {
    /// Its name and arguments. A name with a `/` is relative to the folder, any other is looked up on PATH.
    pub argv: &'a [String],
    /// Where it runs: the plan file's folder.
    pub folder: &'a Path,
    /// Variables beside those that it inherits. May hold secrets: never shown.
    pub env: &'a BTreeMap<String, String>,
    /// How long it may take; `None`: as long as the caller waits.
    pub timeout: Option<Duration>,
    /// The most of its stdout that is kept, in bytes.
    pub keep: usize,
    /// What becomes of a program that prints more.
    pub beyond: Beyond,
}

/// What becomes of a program that prints more than is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Beyond {
    /// It goes on; the rest is read and dropped.
    Drop,
    /// Nobody reads on: its next write fails.
    Close,
}

/// How a program ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum How {
    /// With this exit code.
    Code(i32),
    /// Killed by a signal.
    Signal,
    /// Killed by us: it took too long.
    Timeout(Duration),
}

/// What became of a program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ended {
    /// How it ended.
    pub how: How,
    /// The beginning of its stdout.
    pub stdout: Vec<u8>,
    /// Whether stdout was longer than what was kept.
    pub cut: bool,
    /// The end of its stderr, trimmed.
    pub stderr: String,
}

impl Program<'_> {
    /// The program's name, for messages: never its arguments, which may hold secrets.
    pub fn name(&self) -> &str {
        self.argv.first().map(String::as_str).unwrap_or_default()
    }

    /// Whether there is such a program: a file that may be executed, by its path or on PATH.
    pub fn is_there(&self) -> bool {
        let executable = |path: &Path| {
            std::fs::metadata(path).is_ok_and(|file| file.is_file() && file.permissions().mode() & 0o111 != 0)
        };
        if self.name().contains('/') {
            return executable(&self.folder.join(self.name()));
        }
        let path = std::env::var_os("PATH").unwrap_or_default();
        std::env::split_paths(&path).any(|folder| executable(&folder.join(self.name())))
    }

    /// Runs it to its end. It and all that it started (its process group) are killed when it takes too long, or when the
    /// returned future is dropped.
    ///
    /// Fails only when it can't be started.
    pub async fn run(&self) -> Result<Ended> {
        let Some((name, arguments)) = self.argv.split_first() else {
            return Err(Failure::usage("a program needs a name"));
        };
        let path = if name.contains('/') { self.folder.join(name) } else { PathBuf::from(name) };
        let mut child = Command::new(path)
            .args(arguments)
            .current_dir(self.folder)
            .envs(self.env)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("{name}: can't be started"))?;
        // Never its arguments, which may hold secrets.
        tracing::info!(program = name, "started");
        let mut group = Group(child.id().and_then(|id| Pid::from_raw(id.cast_signed())));
        let ended = self.read(&mut child);
        let ended = match self.timeout {
            None => Ok(ended.await),
            Some(timeout) => tokio::time::timeout(timeout, ended).await.map_err(|_| timeout),
        };
        match ended {
            Ok(ended) => {
                group.0 = None;
                ended.with_context(|| name.clone())
            }
            Err(timeout) => {
                drop(group);
                let _ = child.wait().await;
                let stderr = String::new();
                Ok(Ended { how: How::Timeout(timeout), stdout: Vec::new(), cut: false, stderr })
            }
        }
    }

    async fn read(&self, child: &mut Child) -> Result<Ended> {
        let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
        let ((stdout, cut), stderr) = tokio::try_join!(read_head(stdout, self.keep, self.beyond), read_tail(stderr))?;
        let how = child.wait().await?.code().map_or(How::Signal, How::Code);
        Ok(Ended { how, stdout, cut, stderr })
    }
}

impl Ended {
    /// A failure unless it ended with code 0; shows the end of its stderr.
    pub fn success(self, name: &str) -> Result<Self> {
        let how = match self.how {
            How::Code(0) => return Ok(self),
            How::Code(code) => format!("ended with code {code}"),
            How::Signal => "was killed by a signal".to_owned(),
            How::Timeout(limit) => format!("was killed after {} s", limit.as_secs_f64()),
        };
        let failure = Failure::failed(format!("{name} {how}"));
        Err(if self.stderr.is_empty() { failure } else { failure.detail(self.stderr) })
    }
}

async fn read_head(from: Option<impl AsyncRead + Unpin>, keep: usize, beyond: Beyond) -> Result<(Vec<u8>, bool)> {
    let mut head = Vec::new();
    let Some(mut from) = from else { return Ok((head, false)) };
    (&mut from).take(keep as u64).read_to_end(&mut head).await?;
    let more = match beyond {
        Beyond::Drop => tokio::io::copy(&mut from, &mut tokio::io::sink()).await?,
        Beyond::Close => tokio::io::copy(&mut from.take(1), &mut tokio::io::sink()).await?,
    };
    Ok((head, more > 0))
}

async fn read_tail(from: Option<impl AsyncRead + Unpin>) -> Result<String> {
    let mut tail = Vec::new();
    if let Some(mut from) = from {
        while from.read_buf(&mut tail).await? > 0 {
            let excess = tail.len().saturating_sub(STDERR_TAIL);
            tail.drain(..excess);
        }
    }
    Ok(String::from_utf8_lossy(&tail).trim().to_owned())
}

/// The process group of a program that is not yet known to have ended.
struct Group(Option<Pid>);

impl Drop for Group {
    fn drop(&mut self) {
        if let Some(pid) = self.0 {
            // The leader is not yet waited for, so its id can't be somebody else's; it may be gone, which is as good.
            let _ = kill_process_group(pid, Signal::KILL);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn run(script: &str, timeout: Option<Duration>, keep: usize) -> Ended {
        let argv = ["sh", "-c", script].map(str::to_owned);
        let env = BTreeMap::from([("SECRET".to_owned(), "s3cret".to_owned())]);
        Program { argv: &argv, folder: Path::new("/"), env: &env, timeout, keep, beyond: Beyond::Drop }
            .run()
            .await
            .unwrap()
    }

    #[tokio::test]
    async fn code_output_and_complaint_are_kept_apart() {
        let ended = run("echo $SECRET; echo why >&2; exit 3", None, 4).await;
        assert_eq!((ended.how.clone(), ended.stdout.as_slice(), ended.cut), (How::Code(3), b"s3cr".as_slice(), true));
        let failure = ended.success("sh").unwrap_err();
        assert_eq!((failure.what.as_str(), failure.detail.as_deref()), ("sh ended with code 3", Some("why")));
    }

    #[tokio::test]
    async fn a_program_that_hangs_is_killed_with_its_children() {
        let ended = run("sleep 1000 & wait", Some(Duration::from_millis(50)), 0).await;
        assert_eq!(ended.how, How::Timeout(Duration::from_millis(50)));
    }
}
