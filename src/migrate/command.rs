//! The application's own migrator, run on green.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Instant;

use serde::{Deserialize, Serialize};
use tokio_util::sync::CancellationToken;

use crate::error::{Context, Failure, Result};
use crate::postgres::{Access, Db, Target};
use crate::program::{Beyond, Program};

/// The most of the migrator's output that is kept in the run's folder, in bytes.
const OUTPUT: usize = 1 << 20;

/// What the migrator did to green, from the server's counters: it works in sessions of its own.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CommandFacts {
    /// Rows inserted, as the statistics have them.
    pub inserted: u64,
    /// Rows updated.
    pub updated: u64,
    /// Rows deleted.
    pub deleted: u64,
    /// Bytes written to the server's log meanwhile.
    pub wal_bytes: u64,
    /// Bytes spilled to temporary files.
    pub temp_bytes: u64,
    /// Transactions committed in the database meanwhile, ours included.
    pub commits: u64,
    /// How long it took.
    pub millis: u64,
}

/// Runs the migrator with its own variables; what it prints is kept in `log`. It is killed when `stop` is cancelled.
///
/// It keeps its own bookkeeping, as every migrator does, so running it again after a crash goes on where it was.
pub async fn run_command(
    green: &Target,
    argv: &[String],
    env: &BTreeMap<String, String>,
    folder: &Path,
    log: &Path,
    stop: &CancellationToken,
) -> Result<CommandFacts> {
    let db = green.connect(Access::ReadOnly).await?;
    let before = counters(&db).await?;
    let begun = Instant::now();
    let program = Program { argv, folder, env, timeout: None, keep: OUTPUT, beyond: Beyond::Drop };
    let ended = tokio::select! {
        ended = program.run() => ended?,
        () = stop.cancelled() => return Err(Failure::failed(format!("{}: interrupted", program.name()))),
    };
    write_log(log, &ended.stdout).with_context(|| log.display().to_string())?;
    ended.success(program.name()).map_err(|e| {
        e.state("what it committed stays on green; the copy stays; blue serves")
            .hint("mend it, then run the same command again: it goes on with the migrator, without a new copy")
    })?;
    let after = counters(&db).await?;
    let grown = |i: usize| after.get(i).zip(before.get(i)).map_or(0, |(after, before)| after.saturating_sub(*before));
    Ok(CommandFacts {
        inserted: grown(0),
        updated: grown(1),
        deleted: grown(2),
        wal_bytes: grown(3),
        temp_bytes: grown(4),
        commits: grown(5),
        millis: u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX),
    })
}

async fn counters(db: &Db) -> Result<Vec<u64>> {
    let row = db.row(include_str!("../postgres/sql/select_database_facts.sql"), &[]).await?;
    let columns = ["inserted", "updated", "deleted", "wal_position", "temp_bytes", "xact_commit"];
    Ok(columns.iter().map(|column| u64::try_from(row.get::<_, i64>(column)).unwrap_or(0)).collect())
}

/// The migrator may print what nobody else should read.
fn write_log(path: &Path, text: &[u8]) -> std::io::Result<()> {
    use std::io::Write;
    use std::os::unix::fs::OpenOptionsExt;
    std::fs::OpenOptions::new().create(true).write(true).truncate(true).mode(0o600).open(path)?.write_all(text)
}
