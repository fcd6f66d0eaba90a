//! A program as one side of a check: its lines of output, within a time and a size.

use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::process::{Child, Command};

use crate::error::{Context, Failure, Result};

/// How long a program may take.
const TIMEOUT: Duration = Duration::from_mins(1);
/// The most that a program may print: it is sorted in memory.
const MAX_OUTPUT: usize = 64 << 20;
/// How much of the end of its stderr is shown.
const STDERR_TAIL: usize = 2 << 10;

/// What a program printed.
pub struct Output(Vec<u8>);

impl Output {
    /// Its lines in byte order, without their line feeds.
    pub fn sorted_lines(&self) -> Vec<&[u8]> {
        let text = self.0.strip_suffix(b"\n").unwrap_or(&self.0);
        if self.0.is_empty() {
            return Vec::new();
        }
        let mut lines: Vec<&[u8]> = text.split(|byte| *byte == b'\n').collect();
        lines.sort_unstable();
        lines
    }
}

/// Runs `argv` in `folder` in a process group of its own, killed whole when it takes too long or we stop listening.
///
/// Fails where it can't be started, ends with anything but exit code 0 (with the tail of its stderr), takes over 60 s or
/// prints over 64 MB. A failure shows the program's name, never its arguments or environment: those may hold secrets.
pub async fn run(argv: &[String], folder: &Path) -> Result<Output> {
    let Some((program, arguments)) = argv.split_first() else {
        return Err(Failure::usage("a program needs a name"));
    };
    let mut child = Command::new(located(program, folder))
        .args(arguments)
        .current_dir(folder)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0)
        .kill_on_drop(true)
        .spawn()
        .with_context(|| format!("{program}: can't be started"))?;
    let mut group = Group(child.id().and_then(|id| Pid::from_raw(id.cast_signed())));
    let (output, complaint, status) = tokio::time::timeout(TIMEOUT, read(&mut child))
        .await
        .map_err(|_| Failure::failed(format!("{program}: took longer than {} s", TIMEOUT.as_secs())))?
        .with_context(|| program.clone())?;
    group.0 = None;
    if status.success() {
        return Ok(Output(output));
    }
    let failure = Failure::failed(format!("{program}: {status}"));
    Err(if complaint.is_empty() { failure } else { failure.detail(complaint) })
}

/// A name with a `/` is relative to the plan's folder; any other is looked up on PATH.
fn located(program: &str, folder: &Path) -> PathBuf {
    if program.contains('/') { folder.join(program) } else { PathBuf::from(program) }
}

async fn read(child: &mut Child) -> Result<(Vec<u8>, String, ExitStatus)> {
    let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
    let (output, complaint) = tokio::try_join!(read_bounded(stdout), read_tail(stderr))?;
    Ok((output, complaint, child.wait().await?))
}

async fn read_bounded(from: Option<impl AsyncRead + Unpin>) -> Result<Vec<u8>> {
    let mut output = Vec::new();
    if let Some(from) = from {
        from.take(MAX_OUTPUT as u64 + 1).read_to_end(&mut output).await?;
    }
    if output.len() > MAX_OUTPUT {
        return Err(Failure::failed(format!("printed more than {} MB", MAX_OUTPUT >> 20))
            .hint("print a digest or a sample, or ask the database with a query"));
    }
    Ok(output)
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
