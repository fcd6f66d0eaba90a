//! Statistics for the planner: without them green would choose other plans than blue.

use tokio_util::sync::CancellationToken;

use crate::catalog::read_tables;
use crate::error::{Failure, Result};
use crate::finding::Finding;
use crate::postgres::{Access, Db, Error, Name, Target};
use crate::step::{Notices, Unit};

use super::jobs::Jobs;
use super::line::{Crew, Line};
use super::sessions::no_room;

/// Analyses all of green's tables, the largest first, on up to `jobs` sessions. Repeatable.
///
/// A partitioned table is analysed with its partitions; so each partition comes once.
pub async fn analyze(green: &Target, jobs: Jobs, notices: &Notices, cancel: &CancellationToken) -> Result<()> {
    let mut tables = read_tables(&green.connect(Access::ReadOnly).await.map_err(no_room)?).await?;
    tables.retain(|table| table.partition_of.is_none());
    tables.sort_by_key(|table| table.bytes);
    let waiting = tables.into_iter().map(|table| table.name).collect();
    Crew { green, jobs, notices, cancel }.work_off(Analyzes { waiting, notices: notices.clone() }).await
}

/// Tables, the largest last.
struct Analyzes {
    waiting: Vec<Name>,
    notices: Notices,
}

impl Line for Analyzes {
    type Item = Name;
    const DOING: &'static str = "analysing";
    const UNIT: Unit = Unit::Tables;

    fn total(&self) -> u64 {
        self.waiting.len() as u64
    }

    fn next(&mut self) -> Option<Name> {
        self.waiting.pop()
    }

    fn put_back(&mut self, name: Name) {
        self.waiting.push(name);
    }

    fn done(&mut self, _: &Name) -> bool {
        true
    }

    /// Statistics are no part of the data, and where a partition is a foreign table they need the foreign server.
    fn refused(&mut self, name: &Name, e: Error) -> Result<()> {
        if e.is_lost() || e.is_lock() || e.is_cancelled() || e.code().is_none() {
            return Err(Failure::from(e).context(format!("analysing {}", name.plain())));
        }
        self.notices.found(
            Finding::warning(
                "snapshot/not-analyzed",
                format!("green {}", name.plain()),
                format!("it can't be analysed: {e}"),
            )
            .so_what("queries on it are planned without statistics")
            .next(format!("ANALYZE {name};")),
        );
        Ok(())
    }

    fn name(name: &Name) -> String {
        name.plain()
    }

    async fn run(session: &Db, name: &Name) -> Result<(), Error> {
        session.run(&format!("ANALYZE {name}")).await
    }
}
