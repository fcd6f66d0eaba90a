//! A program as one side of a check: its lines of output, within a time and a size.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use crate::error::{Failure, Result};
use crate::program::{Beyond, Program};

/// How long a program may take.
const TIMEOUT: Duration = Duration::from_secs(60);
/// The most that a program may print: it is sorted in memory.
const MAX_OUTPUT: usize = 64 << 20;

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

/// Runs `argv` in `folder`. Fails where it ends with anything but exit code 0, takes over 60 s or prints over 64 MB.
pub async fn run(argv: &[String], folder: &Path) -> Result<Output> {
    let env = BTreeMap::new();
    let program = Program { argv, folder, env: &env, timeout: Some(TIMEOUT), keep: MAX_OUTPUT, beyond: Beyond::Close };
    let ended = program.run().await?;
    if ended.cut {
        return Err(Failure::failed(format!("{}: printed more than {} MB", program.name(), MAX_OUTPUT >> 20))
            .hint("print a digest or a sample, or ask the database with a query"));
    }
    Ok(Output(ended.success(program.name())?.stdout))
}
