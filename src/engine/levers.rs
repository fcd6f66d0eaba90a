//! The steps of a lever: turned, then waited for until it has taken effect.

use std::time::Duration;

use jiff::Timestamp;
use serde_json::json;

use super::act::{Act, Done, done};
use crate::error::{Failure, Result};
use crate::journal::Recorder;
use crate::lever;
use crate::plan::Lever;
use crate::step::{Notices, Unit};
use crate::units::show_millis;

/// How often a wait says how far it is.
const SAY_EVERY: Duration = Duration::from_secs(1);

impl Act<'_> {
    pub(super) async fn turn_lever(&self, name: &str) -> Done {
        let turned_at = lever::turn(self.plan, self.lever(name)?, &self.blue().await?).await?;
        done(json!({ "turned_at": turned_at }), "turned")
    }

    /// Counted from when it was turned, however often the process died since; by blue's clock, so that it makes no
    /// difference on which machine it goes on. Nothing is held meanwhile but the lease.
    pub(super) async fn await_lever(&self, name: &str, recorder: &Recorder, notices: &Notices) -> Done {
        let lever = self.lever(name)?;
        let turned_at = lever::turned_at(recorder.run()).get(name).copied();
        let turned_at = turned_at.ok_or_else(|| Failure::failed(format!("lever {name} was not turned yet")))?;
        let passed = self.blue().await?.clock().await?.duration_since(turned_at).try_into().unwrap_or(Duration::ZERO);
        let until = tokio::time::Instant::now() + lever.wait.saturating_sub(passed);
        let at = turned_at.checked_add(lever.wait).unwrap_or(Timestamp::MAX);
        if lever.wait > passed {
            let left = u64::try_from((lever.wait.saturating_sub(passed)).as_millis()).unwrap_or(u64::MAX);
            let shown = at.strftime("%Y-%m-%d %H:%M:%S UTC");
            notices.waiting(format!("its effect until {shown}, {} more", show_millis(left)));
        }
        loop {
            let left = until.saturating_duration_since(tokio::time::Instant::now());
            notices.progress(lever.wait.saturating_sub(left).as_secs(), lever.wait.as_secs(), Unit::Seconds, "");
            if left.is_zero() {
                break;
            }
            tokio::select! {
                () = tokio::time::sleep(left.min(SAY_EVERY)) => {}
                () = recorder.stop().cancelled() => return Err(recorder.why_stopped()),
            }
        }
        let since = turned_at.strftime("%Y-%m-%d %H:%M:%S UTC");
        done(json!({ "turned_at": turned_at }), &format!("in effect, turned {since}"))
    }

    fn lever(&self, name: &str) -> Result<&Lever> {
        let lever = self.plan.levers.iter().find(|lever| lever.name == name);
        lever.ok_or_else(|| Failure::failed(format!("the plan has no lever {name:?}")))
    }
}
