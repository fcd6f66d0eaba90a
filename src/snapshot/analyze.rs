//! Statistics for the planner: without them green would choose other plans than blue.

use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::catalog::read_tables;
use crate::error::{Failure, Result};
use crate::finding::Finding;
use crate::postgres::{Access, Error, Name, Target};
use crate::step::{Notices, Unit};

use super::ends::Ends;
use super::indexes::LOCK_TIMEOUT;
use super::interrupted;
use super::sessions::open_up_to;

/// Analyses all of green's tables, the largest first, on `jobs` sessions. Repeatable.
///
/// A partitioned table is analysed with its partitions; so each partition comes once.
pub async fn analyze(green: &Target, jobs: usize, notices: &Notices, cancel: &CancellationToken) -> Result<()> {
    let mut ends = Ends::default();
    let analysed = tokio::select! {
        analysed = analyze_all(green, jobs, notices, &mut ends) => analysed,
        () = cancel.cancelled() => Err(interrupted("analysing")),
    };
    ends.settle(analysed).await
}

async fn analyze_all(green: &Target, jobs: usize, notices: &Notices, ends: &mut Ends) -> Result<()> {
    let mut tables = read_tables(&green.connect(Access::ReadOnly).await?).await?;
    tables.retain(|table| table.partition_of.is_none());
    tables.sort_by_key(|table| table.bytes);
    let mut names: Vec<Name> = tables.into_iter().map(|table| table.name).collect();
    let total = names.len() as u64;
    let jobs = jobs.min(names.len());
    let mut sessions = open_up_to(jobs, notices, async || green.connect(Access::ReadWrite).await).await?;
    for session in &sessions {
        session.run(LOCK_TIMEOUT).await?;
        ends.add(session);
    }
    let mut running = JoinSet::new();
    let mut done = 0;
    loop {
        while !sessions.is_empty()
            && let Some(name) = names.pop()
            && let Some(session) = sessions.pop()
        {
            let notices = notices.clone();
            running.spawn(async move {
                match session.run(&format!("ANALYZE {name}")).await {
                    Err(e) if e.is_lost() || e.is_lock() || e.is_cancelled() || e.code().is_none() => {
                        return Err(Failure::from(e).context(format!("analysing {}", name.plain())));
                    }
                    Err(e) => notices.found(unanalysed(&name, &e)),
                    Ok(()) => {}
                }
                Ok::<_, Failure>((session, name))
            });
        }
        let Some(analysed) = running.join_next().await else { return Ok(()) };
        let (session, name) = analysed.map_err(|e| Failure::failed(format!("an ANALYZE ended: {e}")))??;
        sessions.push(session);
        done += 1;
        notices.progress(done, total, Unit::Tables, name.plain());
    }
}

/// Statistics are no part of the data, and where a partition is a foreign table they need the foreign server.
fn unanalysed(name: &Name, e: &Error) -> Finding {
    Finding::warning("snapshot/not-analyzed", format!("green {}", name.plain()), format!("it can't be analysed: {e}"))
        .so_what("queries on it are planned without statistics")
        .next(format!("ANALYZE {name};"))
}
