//! The machine a figure is true for, and the programs that were measured.

use std::path::PathBuf;
use std::process::Command;

use serde::Serialize;
use teal::sandbox::Binaries;

/// What decides over speed on this machine.
#[derive(Debug, Serialize)]
pub struct Machine {
    cores: usize,
    memory_bytes: u64,
    cpu: String,
    kernel: String,
    /// Processes that wanted a core before the bench began, over a minute: other work blurs the figures.
    load_before: f64,
}

impl Machine {
    /// As it is now.
    pub fn read() -> Self {
        let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
        let (memory, cpus) = (read("/proc/meminfo"), read("/proc/cpuinfo"));
        let value = |text: &str, key: &str| {
            let line = text.lines().find_map(|line| line.strip_prefix(key)?.split_once(':'));
            line.map_or_else(String::new, |(_, value)| value.trim().to_owned())
        };
        let kilobytes: u64 = value(&memory, "MemTotal").trim_end_matches(" kB").parse().unwrap_or(0);
        Self {
            cores: std::thread::available_parallelism().map_or(0, usize::from),
            memory_bytes: kilobytes * 1024,
            cpu: value(&cpus, "model name"),
            kernel: read("/proc/sys/kernel/osrelease").trim().to_owned(),
            load_before: read("/proc/loadavg").split(' ').next().and_then(|load| load.parse().ok()).unwrap_or(0.0),
        }
    }

    /// In a line.
    pub fn line(&self) -> String {
        let memory = teal::units::show_bytes(self.memory_bytes);
        format!("{} cores, {memory}, {}, load before {:.2}", self.cores, self.cpu, self.load_before)
    }
}

/// A client program: beside the server's own where it is there, else from PATH.
pub fn program(name: &str) -> PathBuf {
    let beside = Binaries::find().map(|binaries| binaries.path(name)).ok().filter(|path| path.is_file());
    beside.unwrap_or_else(|| PathBuf::from(name))
}

/// What a program says of its version; none where it is not there.
pub fn version_of(name: &str) -> Option<String> {
    let done = Command::new(program(name)).arg("--version").output().ok()?;
    let said = String::from_utf8_lossy(&done.stdout).into_owned();
    said.lines().next().map(str::to_owned)
}
