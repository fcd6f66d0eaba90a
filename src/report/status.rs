//! Where a run stands: `teal.status/1`, from the run row and, where it is here, the journal.

use jiff::Timestamp;
use serde::Serialize;

use super::text;
use crate::journal::RunRow;
use crate::replay::Tally;

/// Where a run stands.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct StatusDoc {
    /// `teal.status/1`.
    pub format: &'static str,
    /// The plan's name.
    pub plan: String,
    /// The state's word; `new` where no run is under way.
    pub state: String,
    /// Whether a process is at it right now.
    pub running: bool,
    /// The run row, from blue or, after the decision, green; none where no run is under way.
    pub run: Option<RunRow>,
    /// Why the last attempt failed, or what is in doubt; from the journal, where it is here.
    pub trouble: Option<String>,
    /// The levers that were turned and are not back, from blue or, where it can't be asked, from the journal.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub levers: Vec<TurnedLever>,
    /// The events, where there is an outbox.
    pub events: Option<Tally>,
    /// Where the figures come from: `blue`, `green`, `journal`.
    pub source: &'static str,
    /// What is wrong with one side, if it could not be asked.
    pub unreachable: Vec<String>,
    /// The next command.
    pub next: String,
}

/// A lever that is turned, or may be.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct TurnedLever {
    /// Its name.
    pub name: String,
    /// Since when.
    pub since: Timestamp,
    /// Until when its effect lasts, says the plan.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lasts_until: Option<Timestamp>,
    /// Whether that has passed.
    pub run_out: bool,
    /// What turns it back.
    pub back: String,
}

/// The same as text.
pub fn status_text(doc: &StatusDoc) -> String {
    let mut rows: Vec<Vec<String>> = Vec::new();
    let mut row = |name: &str, value: String| rows.push(vec![name.to_owned(), value]);
    row("plan", doc.plan.clone());
    row("state", doc.state.clone());
    if let Some(run) = &doc.run {
        row("run", run.run.to_string());
        if !run.step.is_empty() {
            row("step", format!("{} {}", run.step, run.progress).trim_end().to_owned());
        }
        let who = run.whose();
        row(
            "runs now",
            if doc.running {
                format!("{who}, last heard of {:.0} s ago", run.age_seconds)
            } else {
                format!("nobody; last {who}, {:.0} s ago", run.age_seconds)
            },
        );
        row("journal", format!("{}:{} (record {})", run.journal_host, run.journal_path, run.seq));
    }
    if let Some(trouble) = &doc.trouble {
        row("trouble", trouble.clone());
    }
    if let Some(tally) = &doc.events {
        row("events", tally.line());
    }
    for lever in &doc.levers {
        let shown = |at: Timestamp| at.strftime("%Y-%m-%d %H:%M:%S UTC");
        let lasts = match lever.lasts_until {
            Some(at) if lever.run_out => format!("; its effect ENDED {}", shown(at)),
            Some(at) => format!("; its effect lasts until {}", shown(at)),
            None => String::new(),
        };
        let nobody = if doc.running { "" } else { ", and nobody is at it" };
        row(
            "LEVER",
            format!(
                "{}: turned since {}{nobody}{lasts}; turned back by: {}",
                lever.name,
                shown(lever.since),
                lever.back
            ),
        );
    }
    for side in &doc.unreachable {
        row("unreachable", side.clone());
    }
    format!("{}Next: {}\n", text::table(&[], rows), doc.next)
}
