//! Where the server programs are, and as whom they run.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::error::{Failure, Result};

/// Debian keeps every major version's programs in a folder of its own, off PATH.
const DEBIAN: &str = "/usr/lib/postgresql";
/// Where `.ci/servers` puts what it fetches when it runs as root; else below the user's cache folder.
const FETCHED: &str = "/var/cache/teal/servers";
/// Names a folder of `MAJOR/bin` folders, looked into before the others.
const VARIABLE: &str = "TEAL_SERVERS";
/// The account that servers run as where we are root: Postgres refuses to run as root.
const SERVER_USER: &str = "postgres";

/// A folder with initdb, `pg_ctl` and postgres.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Binaries {
    folder: PathBuf,
    major: u32,
}

impl Binaries {
    /// The system's own: the newest version below `/usr/lib/postgresql`, else what is on PATH, else the newest fetched.
    ///
    /// Those come first because the client programs that read and fill a server are the system's too.
    pub fn find() -> Result<Self> {
        let all = Self::all();
        all.into_iter().next().ok_or_else(|| {
            Failure::failed("sandbox: no Postgres server programs (initdb, pg_ctl, postgres) found")
                .hint("install them: apt-get install postgresql")
        })
    }

    /// Those of one major version.
    pub fn find_major(major: u32) -> Result<Self> {
        let all = Self::all();
        if let Some(found) = all.iter().find(|binaries| binaries.major == major) {
            return Ok(found.clone());
        }
        let mut majors: Vec<u32> = all.iter().map(|binaries| binaries.major).collect();
        majors.sort_unstable();
        majors.dedup();
        let there = majors.iter().map(u32::to_string).collect::<Vec<_>>().join(", ");
        let there = if there.is_empty() { "none at all".to_owned() } else { format!("only of {there}") };
        Err(Failure::failed(format!("sandbox: no server programs of PostgreSQL {major}, {there}")).hint(format!(
            "apt-get install postgresql-{major}, or name a folder that holds {major}/bin in {VARIABLE}; for Teal's own \
             tests: .ci/servers"
        )))
    }

    /// All that there are on this machine, in the order of preference of [`Binaries::find`].
    pub fn all() -> Vec<Self> {
        let on_path = std::env::var_os("PATH").unwrap_or_default();
        let on_path = std::env::split_paths(&on_path).filter_map(|bin| {
            let major = major_of(&bin.join("postgres"))?;
            Self::at(bin, major)
        });
        let fetched = fetched_folders();
        below(Path::new(DEBIAN))
            .into_iter()
            .chain(on_path)
            .chain(fetched.iter().flat_map(|folder| below(folder)))
            .collect()
    }

    /// Those in a folder, where all of them are there.
    pub fn at(folder: PathBuf, major: u32) -> Option<Self> {
        let complete = ["initdb", "pg_ctl", "postgres"].iter().all(|program| folder.join(program).is_file());
        complete.then_some(Self { folder, major })
    }

    /// The major version: 15.
    pub fn major(&self) -> u32 {
        self.major
    }

    /// The path of one program.
    pub fn path(&self, program: &str) -> PathBuf {
        self.folder.join(program)
    }
}

/// The versions in a folder of `MAJOR/bin` folders, the newest first.
fn below(folder: &Path) -> Vec<Binaries> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let mut found: Vec<Binaries> = entries
        .filter_map(|entry| Binaries::at(entry.path().join("bin"), entry.file_name().to_str()?.parse().ok()?))
        .collect();
    found.sort_by_key(|binaries| std::cmp::Reverse(binaries.major));
    found
}

fn fetched_folders() -> Vec<PathBuf> {
    let variable = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let cache = variable("XDG_CACHE_HOME").or_else(|| variable("HOME").map(|home| home.join(".cache")));
    let cache = cache.map(|cache| cache.join("teal/servers"));
    variable(VARIABLE).into_iter().chain([PathBuf::from(FETCHED)]).chain(cache).collect()
}

/// What `postgres --version` says: `postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)`, `… 18beta1`.
fn major_of(postgres: &Path) -> Option<u32> {
    if !postgres.is_file() {
        return None;
    }
    let said = Command::new(postgres).arg("--version").output().ok()?;
    let said = String::from_utf8_lossy(&said.stdout);
    let version = said.split_once("(PostgreSQL) ")?.1;
    let digits = version.find(|c: char| !c.is_ascii_digit()).unwrap_or(version.len());
    version.get(..digits)?.parse().ok()
}

/// A command that runs as the server's user: ourselves, or `postgres` where we are root.
pub fn program_as_server_user(program: &Path) -> Command {
    if rustix::process::geteuid().is_root() {
        let mut command = Command::new("setpriv");
        command.args(["--reuid", SERVER_USER, "--regid", SERVER_USER, "--init-groups", "--"]).arg(program);
        command
    } else {
        Command::new(program)
    }
}

/// User and group id that own a cluster, where they are not our own.
pub(super) fn server_user() -> Result<Option<(u32, u32)>> {
    if !rustix::process::geteuid().is_root() {
        return Ok(None);
    }
    let accounts = std::fs::read_to_string("/etc/passwd")?;
    let ids = accounts.lines().find_map(|line| {
        let mut fields = line.split(':');
        (fields.next()? == SERVER_USER).then_some(())?;
        Some((fields.nth(1)?.parse().ok()?, fields.next()?.parse().ok()?))
    });
    ids.map(Some).ok_or_else(|| {
        Failure::failed("sandbox: no account `postgres` to run servers as")
            .hint("install the server package, which makes it: apt-get install postgresql")
    })
}
