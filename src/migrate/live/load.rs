//! When a whole-table write must wait, so that the database has room for its clients and its standbys.

use std::time::{Duration, Instant};

use crate::error::{Context, Result};
use crate::postgres::Db;
use crate::step::Notices;
use crate::units::show_bytes;

/// How far a standby may be behind.
const LAG_SECONDS: f64 = 5.0;
/// Bytes of log a second that are always allowed; above them the server's own pace of checkpoints decides.
const WAL_RATE: u64 = 32 << 20;
/// How long to wait before looking again.
const PAUSE: Duration = Duration::from_secs(1);

/// What a server has to do.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Load {
    lag_seconds: Option<f64>,
    active: u64,
    most: u64,
    wal_position: u64,
    /// Bytes a second beyond which checkpoints come by force, twice as often as by the clock.
    wal_rate: u64,
}

/// Watches the load between batches.
pub(super) struct Throttle<'a> {
    watcher: &'a Db,
    notices: &'a Notices,
    last: Option<(Instant, u64)>,
}

impl<'a> Throttle<'a> {
    pub(super) fn new(watcher: &'a Db, notices: &'a Notices) -> Self {
        Self { watcher, notices, last: None }
    }

    /// Waits until there is room for another batch, saying for what.
    pub(super) async fn wait(&mut self) -> Result<()> {
        loop {
            let load = read(self.watcher).await?;
            if let Some(why) = busy(&load) {
                self.notices.waiting(why);
                tokio::time::sleep(PAUSE).await;
                continue;
            }
            let now = Instant::now();
            if let Some((at, position)) = self.last {
                let pause = too_fast(load.wal_position.saturating_sub(position), now.duration_since(at), load.wal_rate);
                if !pause.is_zero() {
                    self.notices.waiting(format!("the log: no more than {} a second", show_bytes(load.wal_rate)));
                    tokio::time::sleep(pause).await;
                }
            }
            self.last = Some((Instant::now(), load.wal_position));
            return Ok(());
        }
    }
}

async fn read(db: &Db) -> Result<Load> {
    let row =
        db.row(include_str!("../../postgres/sql/select_load.sql"), &[]).await.context("reading the server's load")?;
    let number = |column: &str| u64::try_from(row.get::<_, Option<i64>>(column).unwrap_or(0)).unwrap_or(0);
    let half = (number("checkpoint_seconds") / 2).max(1);
    Ok(Load {
        lag_seconds: row.get("lag_seconds"),
        active: number("active"),
        most: number("most"),
        wal_position: number("wal_position"),
        wal_rate: (number("max_wal_bytes") / half).max(WAL_RATE),
    })
}

/// For whom a batch has to wait; nobody where there is room.
fn busy(load: &Load) -> Option<String> {
    if let Some(lag) = load.lag_seconds.filter(|lag| *lag > LAG_SECONDS) {
        return Some(format!("a standby that is {lag:.0} s behind"));
    }
    // With three quarters of all sessions at work the server is at its end.
    (load.active * 4 > load.most * 3).then(|| format!("{} active sessions of at most {}", load.active, load.most))
}

/// How long to pause so that `bytes` since `passed` ago keep to the rate.
fn too_fast(bytes: u64, passed: Duration, rate: u64) -> Duration {
    let due = Duration::from_millis(bytes.saturating_mul(1000) / rate.max(1));
    due.saturating_sub(passed).min(Duration::from_secs(5))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_waits_for_standbys_sessions_and_the_log() {
        let idle = Load { lag_seconds: None, active: 3, most: 100, wal_position: 0, wal_rate: WAL_RATE };
        assert_eq!(busy(&idle), None);
        assert_eq!(busy(&Load { lag_seconds: Some(4.9), ..idle }), None);
        assert!(busy(&Load { lag_seconds: Some(12.0), ..idle }).unwrap().contains("12 s behind"));
        assert!(busy(&Load { active: 76, ..idle }).unwrap().contains("76 active"));
        assert_eq!(too_fast(WAL_RATE, Duration::from_millis(400), WAL_RATE), Duration::from_millis(600));
        assert_eq!(too_fast(WAL_RATE, Duration::from_secs(2), WAL_RATE), Duration::ZERO);
    }
}
