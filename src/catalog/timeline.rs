//! Which cluster a database lies in and on which timeline it writes: a failover shows here, and a restored backup.
//!
//! What a copy knows of blue (its snapshot, its log position) holds on one timeline only. A standby that takes over may
//! lack the last commits, and gives their transaction ids out once more: by the copy's snapshot a new revocation would
//! then look like one that is in the copy already (E, 15.18: a promoted clone that lacked 40 transactions began again
//! with the ids of those). The same goes for green's receipts, which blue's marks rely on. A crash and a restart stay on
//! their timeline.

use serde::{Deserialize, Serialize};
use tokio_postgres::error::SqlState;

use crate::error::{Context, Failure, Result};
use crate::postgres::Db;

/// The history that a server goes on with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Timeline {
    /// Set by initdb.
    pub system_identifier: i64,
    /// From 1; a promotion begins a new one. `None` on a standby.
    pub timeline: Option<i32>,
}

/// Both servers' as they were when the copy was made. `None` where a server can't tell: Aurora has no log files.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Timelines {
    /// Blue's.
    pub blue: Option<Timeline>,
    /// Green's.
    pub green: Option<Timeline>,
}

impl Timelines {
    /// Both, as they are now.
    pub async fn read(blue: &Db, green: &Db) -> Result<Self> {
        Ok(Self { blue: read_timeline(blue).await?, green: read_timeline(green).await? })
    }

    /// What has failed over since, one line a database: `blue has failed over since the copy (timeline 1, now 2)`.
    pub fn failovers(&self, now: &Self) -> Vec<String> {
        let sides = [("blue", self.blue, now.blue), ("green", self.green, now.green)];
        sides.into_iter().filter_map(|(name, then, now)| failover(name, then?, now?)).collect()
    }

    /// A failure where one has: nothing that rests on the copy may go on.
    pub fn refuse_failover(&self, now: &Self) -> Result<()> {
        match self.failovers(now).first() {
            None => Ok(()),
            Some(what) => Err(Failure::blocked(format!("{what}: its last commits may be lost"))
                .state("blue serves; green is not in use")
                .hint("make the copy again: migrate apply --redo snapshot/copy")),
        }
    }
}

fn failover(name: &str, then: Timeline, now: Timeline) -> Option<String> {
    if then.system_identifier != now.system_identifier {
        return Some(format!("{name} is another server than at the copy (its system identifier differs)"));
    }
    let shown = |timeline: Option<i32>| timeline.map_or("none: a standby".to_owned(), |number| number.to_string());
    (then.timeline != now.timeline).then(|| {
        let (then, now) = (shown(then.timeline), shown(now.timeline));
        format!("{name} has failed over since the copy (timeline {then}, now {now})")
    })
}

/// The server's now.
pub async fn read_timeline(db: &Db) -> Result<Option<Timeline>> {
    match db.row(include_str!("../postgres/sql/select_timeline.sql"), &[]).await {
        Ok(row) => {
            Ok(Some(Timeline { system_identifier: row.get("system_identifier"), timeline: row.get("timeline") }))
        }
        Err(e) if e.code().is_some_and(cannot_tell) => Ok(None),
        Err(e) => Err(e).context("reading the server's timeline"),
    }
}

fn cannot_tell(code: &SqlState) -> bool {
    [SqlState::FEATURE_NOT_SUPPORTED, SqlState::INSUFFICIENT_PRIVILEGE, SqlState::UNDEFINED_FUNCTION].contains(code)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failover_is_another_timeline_or_another_server_and_nothing_else() {
        let at = |system_identifier, timeline| Some(Timeline { system_identifier, timeline });
        let copy = Timelines { blue: at(7, Some(1)), green: at(8, Some(3)) };
        assert_eq!(copy.failovers(&copy), Vec::<String>::new());
        let now = Timelines { blue: at(7, Some(2)), green: at(9, Some(3)) };
        assert_eq!(
            copy.failovers(&now),
            [
                "blue has failed over since the copy (timeline 1, now 2)",
                "green is another server than at the copy (its system identifier differs)",
            ]
        );
        let now = Timelines { blue: at(7, None), green: None };
        assert_eq!(copy.failovers(&now), ["blue has failed over since the copy (timeline 1, now none: a standby)"]);
    }
}
