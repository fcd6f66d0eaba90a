//! Throwaway Postgres servers for the demo and the tests: on a free loopback port, gone afterwards whatever ends us.
//!
//! The crate `pgtemp` was tried first: as root it needs `sudo`, it panics where a server does not start, and its
//! servers outlive a killed parent. Here a guard process waits for the end of a pipe that only we hold: when we end,
//! by whatever signal, the pipe closes, and the guard stops the server and removes its folder.

mod binaries;

use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::error::{Context, Failure, Result};

pub use binaries::{Binaries, program_as_server_user};

/// Attempts at a free port: another process may take it between our look and the server's bind.
const PORT_ATTEMPTS: u32 = 5;
/// How long the guard may take to stop the server and remove the folder.
const STOP_TIMEOUT: Duration = Duration::from_secs(20);
/// The superuser of every throwaway server.
const SUPERUSER: &str = "postgres";

/// What the guard runs: wait for the end of our pipe, stop the server at once (SIGQUIT), remove its folder ($1).
/// The folder's name reaches it as an argument, never as text of the script.
const GUARD: &str = "cat >/dev/null
pid=$(head -n 1 \"$1/data/postmaster.pid\" 2>/dev/null)
if [ -n \"$pid\" ]; then kill -QUIT \"$pid\" 2>/dev/null; fi
while [ -n \"$pid\" ] && kill -0 \"$pid\" 2>/dev/null; do sleep 0.05; done
[ -e \"$1/keep\" ] || rm -rf \"$1\"";

/// A throwaway server. Dropping it stops the server and removes its folder.
#[derive(Debug)]
pub struct Server {
    folder: PathBuf,
    port: u16,
    password: String,
    binaries: Binaries,
    guard: Child,
}

impl Server {
    /// Makes a cluster (UTF-8, locale C.UTF-8, scram passwords) and starts it with `settings` on top of quick, unsafe
    /// ones: no fsync, no full pages. Takes about a second.
    pub fn start(settings: &[(&str, &str)]) -> Result<Self> {
        Self::start_in(&std::env::temp_dir(), settings)
    }

    /// Like [`Server::start`], of one major version; fails where this machine has none of it.
    pub fn start_major(major: u32, settings: &[(&str, &str)]) -> Result<Self> {
        Self::start_with(Binaries::find_major(major)?, &std::env::temp_dir(), settings)
    }

    /// Like [`Server::start`], below a folder of the caller's choice.
    pub fn start_in(parent: &Path, settings: &[(&str, &str)]) -> Result<Self> {
        Self::start_with(Binaries::find()?, parent, settings)
    }

    /// Like [`Server::start_in`], from these programs.
    pub fn start_with(binaries: Binaries, parent: &Path, settings: &[(&str, &str)]) -> Result<Self> {
        let folder = make_folder(parent).context("sandbox: making a folder")?;
        // From here on the guard cleans up, whatever fails.
        let guard = start_guard(&folder).context("sandbox: starting the guard")?;
        let password = (0..24).map(|_| fastrand::alphanumeric()).collect();
        let mut server = Self { folder, port: 0, password, binaries, guard };
        server.init().context("sandbox")?;
        server.configure(settings).context("sandbox: writing the settings")?;
        for attempt in 1..=PORT_ATTEMPTS {
            server.port = free_port().context("sandbox: looking for a free port")?;
            match server.resume() {
                Ok(()) => return Ok(server),
                Err(e) if attempt == PORT_ATTEMPTS || !server.log().contains("could not bind") => return Err(e),
                Err(_) => {}
            }
        }
        Err(Failure::failed("sandbox: no free port"))
    }

    /// The URL of one of its databases for the superuser. Holds the password: never print it.
    pub fn url(&self, database: &str) -> String {
        self.url_as(SUPERUSER, &self.password, database)
    }

    /// The URL of one of its databases for another role.
    pub fn url_as(&self, user: &str, password: &str, database: &str) -> String {
        format!("postgres://{user}:{password}@127.0.0.1:{}/{database}", self.port)
    }

    /// Its major version: 15.
    pub fn major(&self) -> u32 {
        self.binaries.major()
    }

    /// The port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The folder of the cluster, log and settings.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The server's log so far.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.folder.join("log")).unwrap_or_default()
    }

    /// Lets its folder stay when it stops. Gives the file that holds its password for libpq (`PGPASSFILE`), readable by
    /// its owner alone.
    pub fn keep(&self) -> Result<PathBuf> {
        let file = self.folder.join("pgpass");
        std::fs::write(&file, "")?;
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600))?;
        std::fs::write(&file, format!("127.0.0.1:{}:*:{SUPERUSER}:{}\n", self.port, self.password))?;
        std::fs::write(self.folder.join("keep"), "")?;
        Ok(file)
    }

    /// The command that starts it again when its folder was kept.
    pub fn start_command(&self) -> String {
        let program = self.binaries.path("pg_ctl");
        let user = if rustix::process::geteuid().is_root() { "runuser -u postgres -- " } else { "" };
        let (folder, port) = (self.folder.display(), self.port);
        format!("{user}{} -D {folder}/data -l {folder}/log -o '-p {port} -k {folder}' start", program.display())
    }

    /// Stops the server at once, as a crash would (SIGQUIT); its data stay.
    pub fn crash(&self) -> Result<()> {
        self.pg_ctl(&["stop", "--mode=immediate", "--wait"])
    }

    /// Starts the server again on the same port after [`Server::crash`].
    pub fn resume(&self) -> Result<()> {
        let options = format!("-p {} -k {}", self.port, self.folder.display());
        let log = self.folder.join("log");
        self.pg_ctl(&["start", "--wait", "--timeout=30", "--log", &log.to_string_lossy(), "--options", &options])
    }

    fn init(&self) -> Result<()> {
        let secret = self.folder.join("password");
        std::fs::write(&secret, &self.password)?;
        let done = program_as_server_user(&self.binaries.path("initdb"))
            .arg("--pgdata")
            .arg(self.folder.join("data"))
            .args(["--no-sync", "--no-instructions", "--encoding=UTF8", "--locale=C.UTF-8", "--auth=scram-sha-256"])
            .args(["--username", SUPERUSER, "--pwfile"])
            .arg(&secret)
            .current_dir("/")
            .output()?;
        std::fs::remove_file(&secret)?;
        succeeded("initdb", &done)
    }

    fn configure(&self, settings: &[(&str, &str)]) -> Result<()> {
        let quick = [
            ("listen_addresses", "127.0.0.1"),
            ("fsync", "off"),
            ("full_page_writes", "off"),
            ("shared_buffers", "128MB"),
            ("max_wal_size", "2GB"),
            ("log_line_prefix", "%m [%p] %q%a "),
        ];
        let line = |(name, value): &(&str, &str)| format!("{name} = '{}'\n", value.replace('\'', "''"));
        let text: String = quick.iter().chain(settings).map(line).collect();
        // Only the server's user may write into the cluster, but as root so may we.
        std::fs::write(self.folder.join("data/postgresql.auto.conf"), text)?;
        Ok(())
    }

    fn pg_ctl(&self, args: &[&str]) -> Result<()> {
        let done = program_as_server_user(&self.binaries.path("pg_ctl"))
            .arg("--pgdata")
            .arg(self.folder.join("data"))
            .arg("--silent")
            .args(args)
            .current_dir("/")
            // The server keeps pg_ctl's output open: a pipe would never end.
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .context("sandbox: pg_ctl")?;
        if done.success() {
            return Ok(());
        }
        let log = self.log();
        let tail: Vec<&str> = log.lines().rev().take(5).collect();
        let tail = tail.into_iter().rev().collect::<Vec<_>>().join("\n");
        Err(Failure::failed(format!("sandbox: pg_ctl {}: {done}", args.first().unwrap_or(&""))).detail(tail))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.guard.stdin.take());
        let deadline = Instant::now() + STOP_TIMEOUT;
        while Instant::now() < deadline {
            match self.guard.try_wait() {
                Ok(None) => std::thread::sleep(Duration::from_millis(10)),
                Ok(Some(_)) | Err(_) => return,
            }
        }
        tracing::warn!(folder = %self.folder.display(), "a throwaway server did not stop in time");
    }
}

/// A folder that only the server's user may enter: sockets and data are nobody else's business.
fn make_folder(parent: &Path) -> Result<PathBuf> {
    let folder = tempfile::Builder::new().prefix("teal-").tempdir_in(parent)?.keep();
    std::fs::set_permissions(&folder, std::fs::Permissions::from_mode(0o700))?;
    if let Some((user, group)) = binaries::server_user()? {
        std::os::unix::fs::chown(&folder, Some(user), Some(group))?;
    }
    Ok(folder)
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

fn free_port() -> Result<u16> {
    Ok(TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port())
}

fn succeeded(program: &str, done: &std::process::Output) -> Result<()> {
    if done.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&done.stderr).trim().to_owned();
    Err(Failure::failed(format!("{program}: {}", done.status)).detail(said))
}
