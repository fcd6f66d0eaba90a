//! What of a plan may change at any time without costing a step: in no digest, journaled when it changes.

use std::time::Duration;

use serde_json::{Value, json};

use super::Plan;

impl Plan {
    /// Timeouts, jobs and gates, with units in their names.
    pub fn settings(&self) -> Value {
        let mut settings = json!({
            "jobs": self.jobs,
            "lock_timeout_ms": millis(self.migrations.lock_timeout),
            "max_lag_bytes": self.cutover.max_lag,
            "deadline_ms": millis(self.cutover.deadline),
        });
        if let Some(window) = &self.cutover.window {
            settings["window"] = json!(window.text);
        }
        if let Some(why) = &self.cutover.one_way {
            settings["one_way"] = json!(why);
        }
        for accept in &self.accepts {
            settings["accepts"][accept.shown()] = json!(accept.why);
        }
        for lever in &self.levers {
            let mut one = json!({ "wait_ms": millis(lever.wait), "until": lever.until.word() });
            if let Some(lasts) = lever.lasts {
                one["lasts_ms"] = json!(millis(lasts));
            }
            settings["levers"][lever.name.as_str()] = one;
        }
        settings
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
