//! Running a participant's program: an argv list, never a shell; with an end to it.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::AsyncReadExt;
use tokio::process::Command;

use crate::error::Failure;

/// The most of a program's output that is kept, in bytes; what is beyond is read and dropped.
const OUTPUT: u64 = 4096;

/// How a program ended.
#[derive(Debug)]
pub struct Ended {
    /// Its exit code; `None`: killed by a signal, or by us at the timeout.
    pub code: Option<i32>,
    /// What it wrote on stderr, else stdout: the last line, for people.
    pub said: String,
    /// Whether it had to be killed.
    pub timed_out: bool,
}

/// Runs `argv` in `folder`; kills it and all that it started (its process group) when it takes longer than `timeout`.
///
/// Fails only when it could not be started.
pub async fn run(argv: &[String], folder: &Path, timeout: Duration) -> Result<Ended, Failure> {
    let Some((program, arguments)) = argv.split_first() else {
        return Err(Failure::usage("an empty program"));
    };
    let program_path = if program.contains('/') { folder.join(program) } else { program.into() };
    let mut child = Command::new(&program_path)
        .args(arguments)
        .current_dir(folder)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0)
        .kill_on_drop(true)
        .spawn()
        .map_err(|e| Failure::failed(format!("{program}: {e}")))?;
    let group = child.id().and_then(|id| Pid::from_raw(i32::try_from(id).unwrap_or(0)));
    let (mut out, mut err) = (child.stdout.take(), child.stderr.take());
    let finish = async {
        let (out, err, status) = tokio::join!(read_some(out.as_mut()), read_some(err.as_mut()), child.wait());
        (out, err, status)
    };
    match tokio::time::timeout(timeout, finish).await {
        Ok((out, err, status)) => {
            let status = status.map_err(|e| Failure::failed(format!("{program}: {e}")))?;
            let said = if err.trim().is_empty() { out } else { err };
            let last = said.trim().lines().last().unwrap_or_default().to_owned();
            Ok(Ended { code: status.code(), said: last, timed_out: false })
        }
        Err(_) => {
            if let Some(group) = group {
                let _ = kill_process_group(group, Signal::KILL);
            }
            let _ = child.wait().await;
            Ok(Ended { code: None, said: format!("no end after {} s", timeout.as_secs_f64()), timed_out: true })
        }
    }
}

async fn read_some(stream: Option<&mut (impl tokio::io::AsyncRead + Unpin)>) -> String {
    let Some(stream) = stream else { return String::new() };
    let mut kept = Vec::new();
    let _ = (&mut *stream).take(OUTPUT).read_to_end(&mut kept).await;
    let _ = tokio::io::copy(stream, &mut tokio::io::sink()).await;
    String::from_utf8_lossy(&kept).into_owned()
}

impl Ended {
    /// A failure unless the program ended with code 0.
    pub fn succeeded(self, what: &str, argv: &[String]) -> Result<(), Failure> {
        if self.code == Some(0) {
            return Ok(());
        }
        let program = argv.first().map(String::as_str).unwrap_or_default();
        let how = match (self.timed_out, self.code) {
            (true, _) => "was killed".to_owned(),
            (false, Some(code)) => format!("ended with code {code}"),
            (false, None) => "was killed by a signal".to_owned(),
        };
        let said = if self.said.is_empty() { String::new() } else { format!(": {}", self.said) };
        Err(Failure::failed(format!("{what}: {program} {how}{said}")))
    }
}
