//! Where the server programs are, and as whom they run.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::error::{Failure, Result};

/// Debian keeps every major version's programs in a folder of its own, off PATH.
const DEBIAN: &str = "/usr/lib/postgresql";
/// The account that servers run as where we are root: Postgres refuses to run as root.
const SERVER_USER: &str = "postgres";

/// A folder with initdb, `pg_ctl` and postgres.
#[derive(Debug, Clone)]
pub struct Binaries(PathBuf);

impl Binaries {
    /// The newest version below `/usr/lib/postgresql`, else whatever is on PATH.
    pub fn find() -> Result<Self> {
        let major = |folder: &PathBuf| folder.file_name()?.to_str()?.parse::<u32>().ok();
        let mut versions: Vec<PathBuf> =
            std::fs::read_dir(DEBIAN).into_iter().flatten().flatten().map(|entry| entry.path()).collect();
        versions.sort_by_key(|folder| std::cmp::Reverse(major(folder)));
        let on_path = std::env::var_os("PATH").unwrap_or_default();
        versions
            .into_iter()
            .map(|version| version.join("bin"))
            .chain(std::env::split_paths(&on_path))
            .find(|bin| ["initdb", "pg_ctl", "postgres"].iter().all(|program| bin.join(program).exists()))
            .map(Self)
            .ok_or_else(|| {
                Failure::failed("sandbox: no Postgres server programs (initdb, pg_ctl, postgres) found")
                    .hint("install them: apt-get install postgresql")
            })
    }

    /// The path of one program.
    pub fn path(&self, program: &str) -> PathBuf {
        self.0.join(program)
    }
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
