//! The others: `pg_dump` with `pg_restore`, and pgcopydb, as one would use them for speed.

use std::time::Instant;

use teal::error::{Failure, Result};
use teal::postgres::Target;
use tokio::process::Command;

use super::measure::machine::program;
use super::measure::servers::Servers;

/// A directory archive without compression, which would cost more than it saves on one machine, then a restore; both
/// with the same jobs. Seconds.
pub async fn dump_and_restore((blue, green): (&Target, &Target), jobs: usize) -> Result<f64> {
    let folder = tempfile::tempdir()?;
    let archive = folder.path().join("archive");
    let jobs = jobs.to_string();
    let since = Instant::now();
    let mut dump = Command::new(program("pg_dump"));
    dump.envs(blue.program_env())
        .args(["--format=directory", "--compress=0", "--no-sync", "--jobs", &jobs, "--file"])
        .arg(&archive);
    finish(dump).await?;
    let mut restore = Command::new(program("pg_restore"));
    restore
        .envs(green.program_env())
        .args(["--dbname", green.dbname(), "--exit-on-error", "--jobs", &jobs])
        .arg(&archive);
    finish(restore).await?;
    Ok(since.elapsed().as_secs_f64())
}

/// Statistics, as our copy and pgcopydb make them. Seconds.
pub async fn analyze(green: &Target, jobs: usize) -> Result<f64> {
    let since = Instant::now();
    let mut analyze = Command::new(program("vacuumdb"));
    analyze.envs(green.program_env()).args(["--analyze-only", "--quiet", "--jobs", &jobs.to_string()]);
    finish(analyze).await?;
    Ok(since.elapsed().as_secs_f64())
}

/// `pgcopydb clone` with the same jobs for tables and for indexes. Ends with its VACUUM ANALYZE, which it can't leave
/// out. Seconds.
pub async fn pgcopydb(servers: &Servers, jobs: usize) -> Result<f64> {
    let folder = tempfile::tempdir()?;
    let (blue, green) = servers.urls();
    let jobs = jobs.to_string();
    let since = Instant::now();
    let mut clone = Command::new(program("pgcopydb"));
    clone
        .env("PGCOPYDB_SOURCE_PGURI", blue)
        .env("PGCOPYDB_TARGET_PGURI", green)
        .args(["clone", "--table-jobs", &jobs, "--index-jobs", &jobs, "--dir"])
        .arg(folder.path().join("work"));
    finish(clone).await?;
    Ok(since.elapsed().as_secs_f64())
}

async fn finish(mut command: Command) -> Result<()> {
    let done = command.env("LC_MESSAGES", "C").kill_on_drop(true).output().await?;
    if done.status.success() {
        return Ok(());
    }
    let name = command.as_std().get_program().to_string_lossy().into_owned();
    let said = String::from_utf8_lossy(&done.stderr).lines().rev().take(8).collect::<Vec<_>>().join("\n");
    Err(Failure::failed(format!("{name}: {}", done.status)).detail(said))
}
