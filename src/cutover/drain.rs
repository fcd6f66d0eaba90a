//! Under the fence: everything that blue still has to say reaches green.

use crate::catalog::Timelines;
use crate::error::{Context, Failure, Result};
use crate::failpoint::failpoint;
use crate::plan::Event;
use crate::postgres::{Access, Db, Lsn, Target};
use crate::replay::{self, Applier, Tally, Verified, verify_events_taken_after};
use crate::snapshot;
use crate::step::Notices;

/// By how much green's sequences are set ahead of blue's, in values: what a client may have fetched and not used yet.
const SEQUENCE_MARGIN: i64 = 1000;

/// The sessions of the drain, opened before the fence: connecting under it would be time that clients wait.
pub struct Drain {
    applier: Applier,
    blue: Db,
    green: Db,
    /// Will hold green as it is under the fence, for the proof after the decision.
    witness: Option<Db>,
    /// Events taken until this moment of blue's clock were verified before the fence.
    verified_until: String,
}

/// What the drain found.
pub struct Drained {
    /// The position of blue's log under the fence.
    pub lsn: Lsn,
    /// What became of the events.
    pub tally: Tally,
    /// The events taken since the last look, verified.
    pub verified: Verified,
    /// What is wrong with green's gate.
    pub green_open: Option<String>,
    /// Where the servers stand that were drained.
    pub timelines: Timelines,
    /// A session whose snapshot is green as it is now; blue needs none, it stands still behind the fence.
    pub witness: Option<Db>,
}

impl Drain {
    /// Opens the sessions and catches up a first time.
    pub async fn open(
        blue: &Target,
        green: &Target,
        applier: Applier,
        events: &[Event],
        notices: &Notices,
    ) -> Result<Self> {
        let blue = blue.connect(Access::ReadWrite).await?;
        let witness = Some(green.connect(Access::ReadOnly).await?);
        let green = replay::pass(green).await?;
        let mut drain = Self { applier, blue, green, witness, verified_until: "-infinity".to_owned() };
        drain.catch_up(events, notices).await?;
        Ok(drain)
    }

    /// Applies and verifies what is there, so that little is left to do under the fence. Again right before it: the
    /// operator may have taken an hour to approve.
    pub async fn catch_up(&mut self, events: &[Event], notices: &Notices) -> Result<()> {
        self.applier.pass().await?;
        let moment = self.blue.row("SELECT pg_catalog.clock_timestamp()::text", &[]).await?.get(0);
        let verified =
            verify_events_taken_after(&self.blue, &self.green, events, &self.verified_until, notices).await?;
        if verified.failed == 0 {
            // What fails here fails under the fence as well: all of it is asked again there.
            self.verified_until = moment;
        }
        Ok(())
    }

    /// Applies what is left. The fence holds all writers: what is visible now is all there will ever be.
    pub async fn run(&mut self, run: &str, events: &[Event], notices: &Notices) -> Result<Drained> {
        let message = "SELECT pg_catalog.pg_logical_emit_message(true, 'teal', $1)::text";
        let lsn: String = self.blue.row(message, &[&format!("fence {run}")]).await.context("marking the fence")?.get(0);
        self.applier.pass().await?;
        snapshot::set_sequences(&self.blue, &self.green, SEQUENCE_MARGIN).await?;
        let verified =
            verify_events_taken_after(&self.blue, &self.green, events, &self.verified_until, notices).await?;
        let tally = replay::read_tally(&self.blue, &self.green).await?;
        let green_open = replay::is_closed(&self.green).await?.err();
        let timelines = Timelines::read(&self.blue, &self.green).await?;
        let witness = self.witness.take();
        if let Some(witness) = &witness {
            // The first statement takes the snapshot.
            witness.run("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SELECT 1").await?;
        }
        failpoint("drain.applied");
        let lsn = lsn.parse().map_err(Failure::failed)?;
        Ok(Drained { lsn, tally, verified, green_open, timelines, witness })
    }
}
