//! `guard/pooler`: a session of ours must be one server process from beginning to end.

use std::time::Duration;

use tokio_postgres::SimpleQueryMessage;

use crate::error::{Failure, Result};
use crate::finding::Finding;
use crate::plan::Plan;
use crate::postgres::{Access, Db, Target};

/// How often the two sessions ask; a pooler that hands out its idle processes in turn shows at the second.
const ROUNDS: usize = 3;
/// A pool of one process makes the second session wait for the first.
const TIMEOUT: Duration = Duration::from_secs(10);

pub(super) async fn check(plan: &Plan, blue: &Db, green: &Db) -> Result<Vec<Finding>> {
    let mut found = Vec::new();
    for (target, db) in [(&plan.blue, blue), (&plan.green, green)] {
        found.extend(on_the_way(target, db).await?);
    }
    Ok(found)
}

/// The same for one side.
pub(super) async fn on_the_way(target: &Target, db: &Db) -> Result<Option<Finding>> {
    Ok(is_pooled(target, db).await?.then(|| {
        Finding::blocker("guard/pooler", &db.name, format!("{} is reached through a transaction pooler", db.name))
            .so_what("locks, settings and snapshots of a session would land in processes of other sessions")
            .next(format!("put the server's own host and port into the URL of `{}`", db.name))
    }))
}

/// A second session keeps a process busy in a transaction while the first asks for its own again: behind a transaction
/// pooler both are served by the same idle process at first, and the first has to move.
///
/// Simple protocol only: prepared statements are what breaks first behind a pooler, with messages that mislead.
async fn is_pooled(target: &Target, db: &Db) -> Result<bool> {
    let ask = async {
        let second = target.connect(Access::ReadOnly).await?;
        let mut sightings = Vec::new();
        for _ in 0..ROUNDS {
            let before = process(db).await?;
            second.run("BEGIN").await?;
            let busy = process(&second).await?;
            // Behind a pool of one this would wait for ever; the sighting says enough by itself.
            let after = if busy == before { before.clone() } else { process(db).await? };
            second.run("ROLLBACK").await?;
            sightings.push(Sighting { before, busy, after });
        }
        Ok(sightings)
    };
    match tokio::time::timeout(TIMEOUT, ask).await {
        Ok(sightings) => sightings.map(|seen: Vec<Sighting>| shows_pooler(&seen)),
        Err(_) => Err(Failure::failed(format!("{}: a second session got no answer within 10 s", db.name))
            .hint("see whether a pooler with a full pool stands in between")),
    }
}

/// The processes that served the first session, the second one, and the first again.
struct Sighting {
    before: String,
    busy: String,
    after: String,
}

fn shows_pooler(seen: &[Sighting]) -> bool {
    let Some(first) = seen.first() else { return false };
    seen.iter().any(|s| s.busy == s.before || s.before != first.before || s.after != first.before)
}

async fn process(db: &Db) -> Result<String> {
    let messages = db.simple_query("SELECT pg_catalog.pg_backend_pid()").await.map_err(|e| db.error(e))?;
    let pid = messages.iter().find_map(|message| match message {
        SimpleQueryMessage::Row(row) => row.get(0).map(str::to_owned),
        _ => None,
    });
    pid.ok_or_else(|| Failure::failed(format!("{}: pg_backend_pid gave no row", db.name)))
}

#[cfg(test)]
mod tests {
    use super::{Sighting, shows_pooler};

    fn sighting(before: &str, busy: &str, after: &str) -> Sighting {
        Sighting { before: before.into(), busy: busy.into(), after: after.into() }
    }

    #[test]
    fn a_session_that_keeps_its_process_is_no_pooler() {
        assert!(!shows_pooler(&[sighting("1", "2", "1"), sighting("1", "2", "1")]));
    }

    #[test]
    fn a_shared_or_changing_process_shows_the_pooler() {
        assert!(shows_pooler(&[sighting("1", "1", "1")]));
        assert!(shows_pooler(&[sighting("1", "2", "3")]));
        assert!(shows_pooler(&[sighting("1", "2", "1"), sighting("2", "1", "2")]));
    }
}
