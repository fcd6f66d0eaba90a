//! What a server's machine can give to index builds, as far as SQL, or this machine where it is the server's, can tell.
//!
//! Nothing in SQL tells how much memory a machine has. What its operator, or the provider, made of it does: `shared_buffers`
//! is a quarter of it by the manual (20.4.1) and on RDS (`DBInstanceClassMemory/32768` blocks of 8 kB), a third on
//! Cloud SQL; on Aurora, which has no file cache to share with, up to three quarters, and there `effective_cache_size` says
//! that there is nothing beside the buffers. A server with the 128 MB that initdb writes gives 512 MB away, whose eighth
//! is below the default of `maintenance_work_mem`: where nobody has said anything, nothing is changed.
//!
//! More memory is not more speed for a sort. CPU seconds of one index build, Postgres 15.18, 2 million rows, no workers,
//! better of two on a busy machine with 1 MB of L2 cache:
//!
//! | `maintenance_work_mem` | 4 MB | 16 MB | 64 MB | 128 MB | 512 MB | 1 GB |
//! | --- | --- | --- | --- | --- | --- | --- |
//! | B-tree, text of 64 characters, `C.UTF-8` | 4.0 | 4.6 | 5.8 | 7.0 | 9.0 | 7.8 |
//! | the same, collation `"C"` | 2.4 | 1.8 | 1.7 | 1.8 | 2.2 | |
//! | B-tree, timestamptz | 0.9 | 0.8 | 0.9 | 0.8 | 0.8 | |
//! | GIN, 700,000 arrays of four | | 3.4 | 2.6 | (256 MB: 2.5) | | 2.6 |
//!
//! What does not fit the processor's cache costs a miss each time it is compared. So a sort gets what lets it merge its runs in one
//! pass ([`Machine::sorting`]); what keeps its work in memory, as GIN, gets the whole share. The check of a foreign key (2 million
//! rows of the same text) took 3.1 s with 64 MB and 3.3 s with 1 GB: it keeps what the server gives. Two parallel workers did
//! the first index in 5.0 s of CPU in all, none in 5.6 s: their number is raised with the processors and never lowered.

use std::collections::HashMap;
use std::fmt;
use std::path::Path;

use crate::postgres::{Db, Error};
use crate::units::show_bytes;

/// All index builds together take no more than one part in so many of the memory.
const PARTS: u64 = 8;
/// More than this for one build wins nothing; pgcopydb gives each of its own as much.
const MOST: u64 = 1 << 30;

/// What a sort keeps for each of the runs that it merges at once (`TAPE_BUFFER_OVERHEAD` and `MERGE_BUFFER_SIZE` of
/// tuplesort.c, 33 blocks), over the part of its memory that ends up in a run (about 0.6): memory squared over this is
/// how many bytes it sorts with one merge, 64 MB 9 GB of them, 256 MB 150 GB.
const RUN_PER_BYTE: u64 = 33 * 8192 * 10 / 6;
/// Below this for each that takes part, no parallel worker is started (`plan_create_index_workers`).
const WORKER: u64 = 32 << 20;

/// What is known of a server's machine, and what new sessions of our role have there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Machine {
    memory: Memory,
    /// Processors, where the machine is this one.
    processors: Option<u64>,
    /// Parallel workers that all sessions share, where somebody has set it.
    pool: Option<u64>,
    maintenance: Setting,
    workers: Setting,
}

/// The machine's memory in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Memory {
    /// Read on this machine: all of it, and what is available now.
    Here { all: u64, available: u64 },
    /// Deduced from the server's settings.
    Deduced(u64),
}

/// A setting as new sessions of our role begin with it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Setting {
    value: u64,
    /// Somebody set it for this database, our role, or in our URL: it is meant for us.
    for_us: bool,
    /// Nobody set it anywhere.
    default: bool,
}

/// What one of several sessions may take for an index build.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Share {
    /// `maintenance_work_mem`, in bytes: for a build with all its workers (manual 20.4.1).
    pub memory: u64,
    /// `max_parallel_maintenance_workers`.
    pub workers: u64,
}

impl Machine {
    /// Asks the server, and this machine where it is the server's.
    pub async fn read(db: &Db) -> Result<Self, Error> {
        let rows = db.rows(include_str!("../postgres/sql/select_machine.sql"), &[]).await?;
        let settings: HashMap<String, (String, String)> =
            rows.iter().map(|row| (row.get("name"), (row.get("value"), row.get("source")))).collect();
        let text = |name: &str| settings.get(name).map_or("", |(value, _)| value.as_str());
        let here = server_is_here(text("data_directory"), text("port"));
        Ok(Self::of(&settings, here.then(own_memory).flatten(), here.then(own_processors).flatten()))
    }

    fn of(settings: &HashMap<String, (String, String)>, here: Option<Memory>, processors: Option<u64>) -> Self {
        let setting = |name: &str| {
            let (value, source) = settings.get(name).map_or(("", ""), |(v, s)| (v.as_str(), s.as_str()));
            let for_us = matches!(source, "global" | "database" | "user" | "database user" | "client");
            Setting { value: value.parse().unwrap_or(0), for_us, default: source == "default" }
        };
        let block = setting("block_size").value.max(1);
        let (buffers, cache) = (setting("shared_buffers"), setting("effective_cache_size"));
        // The cache of a machine's files counts in: no larger than the buffers, it leaves nothing beside them.
        let alone = !cache.default && cache.value <= buffers.value;
        let deduced = if alone { buffers.value / 3 } else { buffers.value }.saturating_mul(4);
        let maintenance = setting("maintenance_work_mem");
        let pool = setting("max_parallel_workers");
        Self {
            memory: here.unwrap_or(Memory::Deduced(deduced.saturating_mul(block))),
            processors,
            pool: (!pool.default).then(|| pool.value.min(setting("max_worker_processes").value)),
            maintenance: Setting { value: maintenance.value << 10, ..maintenance },
            workers: setting("max_parallel_maintenance_workers"),
        }
    }

    /// The share of each of `jobs` sessions: an eighth of the memory, and the processors, in even parts. What is set
    /// for our role or this database is taken as it is; what the server has is never lowered.
    pub fn share(&self, jobs: usize) -> Share {
        let jobs = jobs.max(1) as u64;
        let all = match self.memory {
            Memory::Here { all, available } => (all / PARTS).min(available / 2),
            Memory::Deduced(memory) => memory / PARTS,
        };
        let Setting { value: memory, for_us, .. } = self.maintenance;
        // Whole MB: nobody reads more.
        let memory = if for_us { memory } else { memory.max((all / jobs).min(MOST) >> 20 << 20) };
        let workers = match (self.workers, self.processors, self.pool) {
            (set, _, _) if set.for_us => set.value,
            (set, Some(processors), _) => set.value.max((processors / jobs).saturating_sub(1)),
            (set, None, Some(pool)) => set.value.max(pool / jobs),
            (set, None, None) => set.value,
        };
        Share { memory, workers }
    }

    /// The share of one that sorts a table of `bytes`: no more memory than it takes to merge the runs in one pass.
    pub fn sorting(&self, bytes: u64, jobs: usize) -> Share {
        let share = self.share(jobs);
        if self.maintenance.for_us {
            return share;
        }
        let together = share.workers + 1;
        let pass = bytes.saturating_mul(RUN_PER_BYTE).saturating_mul(together).isqrt().max(WORKER * together);
        Share { memory: share.memory.min(pass.max(self.maintenance.value)), ..share }
    }
}

impl Share {
    /// Gives it to a session.
    pub fn sql(&self) -> String {
        let Self { memory, workers } = self;
        format!("SET maintenance_work_mem = '{}kB'; SET max_parallel_maintenance_workers = {workers}", memory >> 10)
    }
}

impl fmt::Display for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let workers = match self.workers {
            0 => "no parallel workers".to_owned(),
            1 => "1 parallel worker".to_owned(),
            n => format!("{n} parallel workers"),
        };
        write!(f, "{} and {workers}", show_bytes(self.memory))
    }
}

impl fmt::Display for Machine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.memory {
            Memory::Here { all, .. } => write!(f, "{} of memory, read on this machine", show_bytes(all)),
            Memory::Deduced(memory) => write!(f, "about {} of memory, by its shared_buffers", show_bytes(memory)),
        }
    }
}

/// Whether the server runs on this machine: its own file in the folder that it names tells its port. A loopback address
/// alone may be a tunnel, or a container with a limit of its own.
pub fn server_is_here(data_directory: &str, port: &str) -> bool {
    let pid_file = std::fs::read_to_string(Path::new(data_directory).join("postmaster.pid")).unwrap_or_default();
    !port.is_empty() && pid_file.lines().nth(3) == Some(port) && pid_file.lines().nth(1) == Some(data_directory)
}

/// Of this machine, or of the container that we are in.
fn own_memory() -> Option<Memory> {
    let text = std::fs::read_to_string("/proc/meminfo").ok()?;
    let bytes = |name: &str| {
        let value = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
        value.trim().strip_suffix(" kB")?.parse::<u64>().ok().map(|kb| kb << 10)
    };
    let limit = std::fs::read_to_string("/sys/fs/cgroup/memory.max").ok().and_then(|max| max.trim().parse().ok());
    let limit = limit.unwrap_or(u64::MAX);
    Some(Memory::Here { all: bytes("MemTotal")?.min(limit), available: bytes("MemAvailable")?.min(limit) })
}

/// Those that we may run on, a container's quota counted.
fn own_processors() -> Option<u64> {
    std::thread::available_parallelism().ok().map(|number| number.get() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    const GB: u64 = 1 << 30;
    const MB: u64 = 1 << 20;

    /// A server by `name=value@source`, over what initdb leaves.
    fn settings(set: &[&str]) -> HashMap<String, (String, String)> {
        let plain = [
            "block_size=8192@default",
            "shared_buffers=16384@configuration file",
            "effective_cache_size=524288@default",
            "maintenance_work_mem=65536@default",
            "max_parallel_maintenance_workers=2@default",
            "max_parallel_workers=8@default",
            "max_worker_processes=8@default",
        ];
        let read = |line: &&str| {
            let (name, rest) = line.split_once('=').unwrap();
            let (value, source) = rest.split_once('@').unwrap();
            (name.to_owned(), (value.to_owned(), source.to_owned()))
        };
        plain.iter().chain(set).map(read).collect()
    }

    fn far(set: &[&str], jobs: usize) -> (u64, u64) {
        let share = Machine::of(&settings(set), None, None).share(jobs);
        (share.memory / MB, share.workers)
    }

    #[test]
    fn a_server_of_which_nothing_is_known_keeps_what_it_has() {
        assert_eq!(far(&[], 1), (64, 2));
        assert_eq!(far(&[], 4), (64, 2));
    }

    #[test]
    fn buffers_tell_the_memory_and_the_sessions_share_an_eighth_of_it() {
        // RDS with 16 GB: a quarter for buffers, half for effective_cache_size.
        let rds = [
            "shared_buffers=524288@configuration file",
            "effective_cache_size=1048576@configuration file",
            "maintenance_work_mem=262144@configuration file",
        ];
        assert_eq!(far(&rds, 4), (512, 2));
        assert_eq!(far(&rds, 1), (1024, 2), "more wins nothing");
        assert_eq!(far(&rds, 16), (256, 2), "what is set is never lowered");
        // Aurora with 16 GB: three quarters for buffers and nothing beside.
        let aurora = ["shared_buffers=1572864@configuration file", "effective_cache_size=1572864@configuration file"];
        assert_eq!(far(&aurora, 4), (512, 2));
    }

    #[test]
    fn what_is_set_for_us_is_taken_as_it_is() {
        let buffers = "shared_buffers=524288@configuration file";
        for source in ["user", "database", "database user", "client", "global"] {
            let memory = format!("maintenance_work_mem=32768@{source}");
            let workers = format!("max_parallel_maintenance_workers=7@{source}");
            assert_eq!(far(&[buffers, &memory, &workers], 2), (32, 7), "{source}");
        }
    }

    #[test]
    fn workers_come_from_the_processors_or_from_the_pool_that_somebody_chose() {
        let here = |set: &[&str], processors, jobs| {
            let memory = Memory::Here { all: 24 * GB, available: 20 * GB };
            let share = Machine::of(&settings(set), Some(memory), Some(processors)).share(jobs);
            (share.memory / MB, share.workers)
        };
        assert_eq!(here(&[], 2, 2), (1024, 2));
        assert_eq!(here(&[], 16, 4), (768, 3));
        assert_eq!(far(&["max_parallel_workers=32@configuration file"], 4).1, 2, "max_worker_processes bounds it");
        let both = ["max_parallel_workers=32@configuration file", "max_worker_processes=64@configuration file"];
        assert_eq!(far(&both, 4).1, 8);
    }

    #[test]
    fn a_sort_gets_what_merges_its_runs_in_one_pass() {
        let rds =
            ["shared_buffers=2097152@configuration file", "max_parallel_maintenance_workers=0@configuration file"];
        let sorting = |bytes| Machine::of(&settings(&rds), None, None).sorting(bytes, 4).memory / MB;
        assert_eq!(sorting(GB), 64, "what the server has");
        assert_eq!(sorting(100 * GB), 209);
        assert_eq!(sorting(1 << 60), 1024);
    }

    #[test]
    fn what_is_not_available_now_is_not_given_away() {
        let memory = Memory::Here { all: 24 * GB, available: GB };
        assert_eq!(Machine::of(&settings(&[]), Some(memory), Some(2)).share(2).memory / MB, 256);
    }
}
