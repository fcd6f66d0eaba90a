//! The verdict of a rehearsal: `teal.rehearsal/1`, and the same as text.

use jiff::Timestamp;
use serde::Serialize;

use super::clients::ClientsSeen;
use super::restore::Origin;
use super::traffic::{EventMade, Moment};
use crate::error::Failure;
use crate::finding::{Finding, Severity};
use crate::plan::Strategy;
use crate::report::{RunReport, text};
use crate::units::{count, show_bytes, show_millis, thousands};

/// What a rehearsal showed.
#[derive(Debug, Clone, Serialize)]
pub struct RehearsalDoc {
    /// `teal.rehearsal/1`.
    pub format: &'static str,
    /// The plan's name.
    pub plan: String,
    /// `passed` or `failed`.
    pub verdict: &'static str,
    /// When it began.
    pub begun_at: Timestamp,
    /// How long it took, restore included.
    pub seconds: f64,
    /// Where blue came from.
    pub source: Origin,
    /// The major version of both servers.
    pub server_major: u32,
    /// What was measured, on this machine and at this size.
    pub measured: Measured,
    /// The plan's events: what was made to happen, and what became of it.
    pub events: Vec<EventMade>,
    /// In place: those who worked on the database meanwhile.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub clients: Option<ClientsSeen>,
    /// What of the plan was not rehearsed, each with the reason.
    pub left_out: Vec<String>,
    /// Blockers, warnings and notes, in the order in which they were found.
    pub findings: Vec<Finding>,
    /// Why it failed, where a step did.
    pub failure: Option<FailureDoc>,
    /// The run as `migrate report` tells one; none where it did not begin.
    pub run: Option<RunReport>,
    /// The next command.
    pub next: String,
}

/// What was measured.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Measured {
    /// All that comes before the migrations: capture, copy, indexes, proof.
    pub copy_ms: Option<u64>,
    /// All migrations.
    pub migrations_ms: Option<u64>,
    /// From the request for the locks to the decision.
    pub fence_ms: Option<u64>,
    /// How long a client could write nowhere: from its last write on blue to its first on green.
    pub pause_ms: Option<u64>,
}

/// Why a rehearsal failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FailureDoc {
    /// What failed, at which step.
    pub what: String,
    /// The excerpt, the server's answer.
    pub detail: Option<String>,
    /// The file of the migration, as the plan names its folder.
    pub file: Option<String>,
    /// Its line.
    pub line: Option<usize>,
}

impl From<&Failure> for FailureDoc {
    fn from(failure: &Failure) -> Self {
        Self {
            what: failure.what.clone(),
            detail: failure.detail.clone(),
            file: failure.place.as_ref().map(|place| place.file.display().to_string()),
            line: failure.place.as_ref().map(|place| place.line),
        }
    }
}

impl Measured {
    /// Reads it off the run; the pause is a client's.
    pub fn of(run: &RunReport, pause_ms: Option<u64>) -> Self {
        let sum = |phases: &[&str]| {
            let of = run.steps.iter().filter(|step| phases.iter().any(|phase| step.step.starts_with(phase)));
            let millis: Vec<u64> = of.filter_map(|step| step.millis).collect();
            (!millis.is_empty()).then(|| millis.iter().sum())
        };
        let copies = run.strategy != Strategy::InPlace.word();
        Self {
            copy_ms: copies.then(|| sum(&["prepare/", "capture/", "snapshot/", "validate/copy"])).flatten(),
            migrations_ms: sum(&["migrate/"]),
            fence_ms: run.cutover.as_ref().and_then(|cutover| cutover.fence_millis),
            pause_ms,
        }
    }
}

impl RehearsalDoc {
    /// The events that were never made to happen: nothing is shown about them.
    pub fn events_not_tried(&self) -> impl Iterator<Item = &EventMade> {
        self.events.iter().filter(|event| event.made == 0)
    }
}

/// The document for people.
pub fn rehearsal_text(doc: &RehearsalDoc) -> String {
    let mut out = text::heading(&format!("Rehearsal of plan {}: {}", doc.plan, doc.verdict));
    out.push_str(&text::table(&[], what_rows(doc)));
    if let Some(run) = &doc.run
        && !run.migrations.is_empty()
    {
        out.push_str(&text::heading("Migrations"));
        let rows = run.migrations.iter().map(|file| {
            let rows = file.inserted + file.updated + file.deleted;
            vec![
                file.file.clone(),
                show_millis(file.millis),
                format!("{} written", count(rows, "row")),
                format!("{} WAL", show_bytes(file.wal_bytes)),
            ]
        });
        out.push_str(&text::table(&[], rows));
    }
    if !doc.events.is_empty() {
        out.push_str(&text::heading("Events made to happen on blue"));
        out.push_str(&text::table(&[], doc.events.iter().map(event_row)));
    }
    if let Some(run) = &doc.run
        && !run.checks.is_empty()
    {
        out.push_str(&text::heading("Checks"));
        let word = |passed, binding| {
            if passed {
                "passed"
            } else if binding {
                "FAILED"
            } else {
                "differs"
            }
        };
        let rows = run.checks.iter().map(|check| {
            vec![
                word(check.outcome.passed, check.binding).to_owned(),
                check.moment.clone(),
                check.outcome.name.clone(),
                check.outcome.summary.clone(),
            ]
        });
        out.push_str(&text::table(&[], rows));
    }
    if let Some(failure) = &doc.failure {
        out.push_str(&text::heading("Failed"));
        out.push_str(&text::wrapped(&failure.what, 2));
        for line in failure.detail.iter().flat_map(|detail| detail.lines()) {
            out.push_str(&format!("  {line}\n"));
        }
    }
    let shown: Vec<&Finding> = doc.findings.iter().filter(|finding| finding.severity != Severity::Note).collect();
    if !shown.is_empty() {
        out.push_str(&text::heading("Found"));
        out.push_str(&shown.into_iter().map(text::finding).collect::<String>());
    }
    out.push_str(&text::heading("Not shown by this"));
    for line in limits(doc) {
        out.push_str(&text::hanging("  ", &line));
    }
    out.push_str(&format!("\nVerdict: {}.\nNext: {}\n", doc.verdict, doc.next));
    out
}

fn what_rows(doc: &RehearsalDoc) -> Vec<Vec<String>> {
    let row = |name: &str, value: String| vec![name.to_owned(), value];
    let Origin { kind, of, server_version, database_bytes, snapshot_ms, restore_ms, .. } = &doc.source;
    let mut rows = vec![
        row("from", format!("{kind} {of}, of PostgreSQL {server_version}")),
        row("restored", format!("{} in {}", show_bytes(*database_bytes), show_millis(*restore_ms))),
    ];
    if let Some(millis) = snapshot_ms {
        rows.push(row("on staging", format!("a read-only snapshot was held for {}", show_millis(*millis))));
    }
    let Measured { copy_ms, migrations_ms, fence_ms, pause_ms } = doc.measured;
    let timed =
        [("copied, proved", copy_ms), ("migrated", migrations_ms), ("fence", fence_ms), ("clients' pause", pause_ms)];
    rows.extend(timed.into_iter().filter_map(|(name, millis)| Some(row(name, show_millis(millis?)))));
    if let Some(copy) = doc.run.as_ref().and_then(|run| run.copy.as_ref()) {
        let what = format!("{}, {} equal on green", count(copy.tables as u64, "table"), count(copy.rows, "row"));
        rows.push(row("copy", what));
    }
    if let Some(events) = doc.run.as_ref().and_then(|run| run.events.as_ref()) {
        let verified =
            format!("{} verified, {} lost", thousands(events.verified.holds + events.verified.superseded), events.lost);
        rows.push(row("events", format!("{}; {verified}", events.tally.line())));
    }
    rows.extend(doc.clients.as_ref().map(|clients| row("clients", clients.line())));
    rows.push(row("in all", format!("{} s", doc.seconds)));
    rows
}

fn event_row(event: &EventMade) -> Vec<String> {
    let said = match &event.why_not {
        Some(why) => format!("NOT TRIED: {why}"),
        None if event.made == 0 => "NOT TRIED: too few rows to make it happen on, or the run ended before".to_owned(),
        None => {
            let at: Vec<String> = Moment::ALL
                .iter()
                .filter_map(|moment| Some(format!("{} {}", event.at.get(moment)?, moment.word())))
                .collect();
            format!("{} made ({}), {} captured, {} lost", event.made, at.join(", "), event.captured, event.lost)
        }
    };
    vec![event.event.clone(), said]
}

/// What a rehearsal can't show, in a few lines.
fn limits(doc: &RehearsalDoc) -> Vec<String> {
    let mut lines = vec![
        "Times are those of this machine, this size and no other load; production's are others.".to_owned(),
        "Privileges: everything was done as a superuser. migrate plan asks the real ones.".to_owned(),
    ];
    if doc.clients.is_some() {
        lines.push(
            "Clients locked rows and tables that were there, and changed nothing: what an application's own statements \
             say to the new schema is for migrate lint --workload."
                .to_owned(),
        );
    }
    if !doc.left_out.is_empty() {
        lines.push(format!("Left out: {}.", doc.left_out.join("; ")));
    }
    lines
}
