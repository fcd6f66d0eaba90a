//! Throwaway Postgres servers for the demo and the tests: on a free loopback port, gone afterwards whatever ends us.
//!
//! The crate `pgtemp` was tried first: as root it needs `sudo`, it panics where a server does not start, and its
//! servers outlive a killed parent. Here a guard process (`folder.rs`) stops the server and removes its folder when we end,
//! by whatever signal.

mod binaries;
mod folder;

use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};

use crate::error::{Context, Failure, Result};
use crate::failpoint::failpoint;

pub use binaries::{Binaries, program_as_server_user};
pub use folder::Folder;

/// Attempts at a free port: another process may take it between our look and the server's bind.
const PORT_ATTEMPTS: u32 = 5;
/// The superuser of every throwaway server.
const SUPERUSER: &str = "postgres";

/// A throwaway server. Dropping it stops the server and removes its folder.
#[derive(Debug)]
pub struct Server {
    folder: Folder,
    port: u16,
    password: String,
    binaries: Binaries,
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
        let folder = Folder::of_server(parent).context("sandbox: making a folder")?;
        let password = (0..24).map(|_| fastrand::alphanumeric()).collect();
        let mut server = Self { folder, port: 0, password, binaries };
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
        self.folder.path()
    }

    /// The server's log so far.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.folder().join("log")).unwrap_or_default()
    }

    /// Lets its folder stay when it stops. Gives the file that holds its password for libpq (`PGPASSFILE`), readable by
    /// its owner alone.
    pub fn keep(&self) -> Result<PathBuf> {
        let file = self.folder().join("pgpass");
        std::fs::write(&file, "")?;
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600))?;
        std::fs::write(&file, format!("127.0.0.1:{}:*:{SUPERUSER}:{}\n", self.port, self.password))?;
        std::fs::write(self.folder().join("keep"), "")?;
        Ok(file)
    }

    /// The command that starts it again when its folder was kept.
    pub fn start_command(&self) -> String {
        let program = self.binaries.path("pg_ctl");
        let user = if rustix::process::geteuid().is_root() { "runuser -u postgres -- " } else { "" };
        let (folder, port) = (self.folder().display(), self.port);
        format!("{user}{} -D {folder}/data -l {folder}/log -o '-p {port} -k {folder}' start", program.display())
    }

    /// Stops the server at once, as a crash would (SIGQUIT); its data stay.
    pub fn crash(&self) -> Result<()> {
        self.pg_ctl(&["stop", "--mode=immediate", "--wait"])
    }

    /// Starts the server again on the same port after [`Server::crash`].
    pub fn resume(&self) -> Result<()> {
        let options = format!("-p {} -k {}", self.port, self.folder().display());
        let log = self.folder().join("log");
        self.pg_ctl(&["start", "--wait", "--timeout=30", "--log", &log.to_string_lossy(), "--options", &options])
    }

    fn init(&self) -> Result<()> {
        let secret = self.folder().join("password");
        std::fs::write(&secret, &self.password)?;
        // Into a file: were it a pipe of ours, it would end in the middle where we do.
        let said = self.folder().join("initdb.log");
        let mut command = program_as_server_user(&self.binaries.path("initdb"));
        command
            .arg("--pgdata")
            .arg(self.folder().join("data"))
            .args(["--no-sync", "--no-instructions", "--encoding=UTF8", "--locale=C.UTF-8", "--auth=scram-sha-256"])
            .args(["--username", SUPERUSER, "--pwfile"])
            .arg(&secret)
            .stderr(std::fs::File::create(&said)?);
        let done = self.wait_for(command, "sandbox.initdb")?;
        std::fs::remove_file(&secret)?;
        if done.success() {
            return Ok(());
        }
        Err(Failure::failed(format!("initdb: {done}")).detail(std::fs::read_to_string(said)?.trim()))
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
        std::fs::write(self.folder().join("data/postgresql.auto.conf"), text)?;
        Ok(())
    }

    /// Runs a program that works on the cluster, to its end even where we end before. Out of reach of a Ctrl-C in the
    /// terminal, which would stop it half way.
    fn wait_for(&self, mut command: Command, place: &str) -> Result<ExitStatus> {
        let mut child =
            command.stdin(self.folder.hold()?).stdout(Stdio::null()).current_dir("/").process_group(0).spawn()?;
        failpoint(place);
        Ok(child.wait()?)
    }

    fn pg_ctl(&self, args: &[&str]) -> Result<()> {
        let mut command = program_as_server_user(&self.binaries.path("pg_ctl"));
        // The server keeps pg_ctl's output open: a pipe would never end. Its standard input it does not.
        command.arg("--pgdata").arg(self.folder().join("data")).arg("--silent").args(args).stderr(Stdio::null());
        let done = self.wait_for(command, "sandbox.pg_ctl").context("sandbox: pg_ctl")?;
        if done.success() {
            return Ok(());
        }
        let log = self.log();
        let tail: Vec<&str> = log.lines().rev().take(5).collect();
        let tail = tail.into_iter().rev().collect::<Vec<_>>().join("\n");
        Err(Failure::failed(format!("sandbox: pg_ctl {}: {done}", args.first().unwrap_or(&""))).detail(tail))
    }
}

fn free_port() -> Result<u16> {
    Ok(TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port())
}
