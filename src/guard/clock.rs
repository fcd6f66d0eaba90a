//! `guard/clock`: three clocks, ours and two servers', that should agree; and how far away the servers are.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

use crate::error::Result;
use crate::finding::Finding;
use crate::postgres::Db;

/// Seconds of difference that show in reports and in what migrations write.
const OFF_SECONDS: f64 = 2.0;
/// Questions asked; the quickest answer counts.
const ROUNDS: usize = 3;

/// One server's clock.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Clock {
    /// Its clock less ours, in seconds.
    pub(super) ahead_seconds: f64,
    /// From question to answer, in milliseconds.
    pub(super) round_trip_ms: f64,
}

pub(super) async fn read_clock(db: &Db) -> Result<Clock> {
    let mut best: Option<Clock> = None;
    for _ in 0..ROUNDS {
        let before = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64();
        let asked = Instant::now();
        let sql = "SELECT extract(epoch FROM pg_catalog.clock_timestamp())::float8";
        let theirs: f64 = db.row(sql, &[]).await?.get(0);
        let took = asked.elapsed().as_secs_f64();
        let clock = Clock { ahead_seconds: theirs - (before + took / 2.0), round_trip_ms: took * 1000.0 };
        if best.is_none_or(|best| clock.round_trip_ms < best.round_trip_ms) {
            best = Some(clock);
        }
    }
    Ok(best.unwrap_or(Clock { ahead_seconds: 0.0, round_trip_ms: 0.0 }))
}

/// `of` are the names of the two clocks compared.
pub(super) fn judge(of: (&str, &str), apart_seconds: f64) -> Option<Finding> {
    (apart_seconds.abs() > OFF_SECONDS).then(|| {
        let (one, other) = of;
        let direction = if apart_seconds > 0.0 { "ahead of" } else { "behind" };
        Finding::warning(
            "guard/clock",
            one,
            format!("the clock of {one} is {:.1} s {direction} that of {other}", apart_seconds.abs()),
        )
        .so_what("what now() writes before and after the cutover would jump by as much: expiry, order, tokens")
        .next(format!("chronyc tracking # on the machine of {one}"))
    })
}

#[cfg(test)]
mod tests {
    use super::judge;

    #[test]
    fn clocks_that_are_apart_are_told_with_their_direction() {
        assert_eq!(judge(("green", "blue"), 1.5), None);
        assert_eq!(judge(("green", "blue"), 3.0).unwrap().what, "the clock of green is 3.0 s ahead of that of blue");
        assert_eq!(
            judge(("blue", "this machine"), -90.0).unwrap().what,
            "the clock of blue is 90.0 s behind that of this machine"
        );
    }
}
