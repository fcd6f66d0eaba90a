//! What happened: `teal.report/1`, told from the journal alone, so that it can be read on any day after.

use jiff::Timestamp;
use serde::Serialize;

use super::text::{self, count, heading, thousands};
use crate::catalog::Writes;
use crate::cutover::Outcome;
use crate::engine::{CheckDoc, LiveResult, MigratedResult, ProofResult, Settled, ValidatedResult, result_of};
use crate::error::Result;
use crate::finding::{Finding, blockers};
use crate::journal::{Entry, Record, Run, State, StepStatus};
use crate::migrate::{CommandFacts, FileFacts};
use crate::plan::Strategy;
use crate::replay::{Tally, Verified};
use crate::step::{Action, Phase, Step, StepId};
use crate::units::{show_bytes, show_millis};
use crate::validate::{CheckOutcome, GreenFacts};

/// What happened in one run.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RunReport {
    /// `teal.report/1`.
    pub format: &'static str,
    /// The plan's name.
    pub plan: String,
    /// `blue-green` or `in-place`.
    pub strategy: &'static str,
    /// The run.
    pub run: String,
    /// The state's word.
    pub state: String,
    /// Whether everything that could be proved so far is proved: `passed`, `failed`, or `open` while it is not over.
    pub verdict: &'static str,
    /// When it began.
    pub begun_at: Timestamp,
    /// The last record.
    pub ended_at: Timestamp,
    /// How often it was interrupted and gone on with.
    pub resumed: usize,
    /// Every step, with how it ended.
    pub steps: Vec<StepDoc>,
    /// The copy, proved.
    pub copy: Option<CopyDoc>,
    /// Each migration file, or the migrator.
    pub migrations: Vec<FileFacts>,
    /// The application's own migrator.
    pub migrator: Option<CommandFacts>,
    /// Constraints, indexes and sequences of green when it was validated.
    pub green: Option<GreenFacts>,
    /// In place: constraints and indexes of blue after the migrations.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub blue: Option<GreenFacts>,
    /// What became of the events.
    pub events: Option<EventsDoc>,
    /// The plan's checks, with the moment at which each was asked.
    pub checks: Vec<CheckDoc>,
    /// What was turned before the copy, and back afterwards.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub levers: Vec<TurnedDoc>,
    /// The cutover, once it was decided.
    pub cutover: Option<CutoverDoc>,
    /// Cutovers that were tried and undone, with the reason.
    pub undone: Vec<String>,
    /// What was found in the last validation and is no blocker.
    pub findings: Vec<Finding>,
    /// Blockers that the plan accepted, with its reasons.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub accepted: Vec<Finding>,
}

/// A step.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct StepDoc {
    /// Its id.
    pub step: String,
    /// `done`, `failed`, `started`, `pending`.
    pub status: &'static str,
    /// How long it took; none unless it is done.
    pub millis: Option<u64>,
    /// Why it failed.
    pub error: Option<String>,
}

/// The copy.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct CopyDoc {
    /// Tables whose row count and digest on green equal blue's in the snapshot.
    pub tables: usize,
    /// Their rows.
    pub rows: u64,
}

/// The events.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct EventsDoc {
    /// Counted on blue and green.
    pub tally: Tally,
    /// Each asked for on green.
    pub verified: Verified,
    /// Captured and not to be seen on green.
    pub lost: u64,
}

/// A lever.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct TurnedDoc {
    /// Its name.
    pub name: String,
    /// When `before` was begun the last time.
    pub turning_at: Timestamp,
    /// When it had ended well.
    pub turned_at: Option<Timestamp>,
    /// When `after` had ended well.
    pub back_at: Option<Timestamp>,
}

/// The cutover.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct CutoverDoc {
    /// When the fence was committed.
    pub decided_at: Timestamp,
    /// Which attempt it was.
    pub attempt: u32,
    /// The position of blue's log that green has everything up to; none where the process died right after.
    pub fence_lsn: Option<String>,
    /// From the request for the locks to the COMMIT of the fence; none where the process died right after.
    pub fence_millis: Option<u64>,
    /// From the decision to the last participant's switch; none while one is missing.
    pub switch_millis: Option<u64>,
    /// Blue's writes since the copy, at most so many; of them only the events travelled.
    pub writes_not_travelling: Option<Writes>,
    /// Why the plan forbids a rollback, as it was said at the approval.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub one_way: Option<String>,
}

/// Tells a run from its journal.
pub fn run_report(run: &Run, entries: &[Entry]) -> Result<RunReport> {
    let validated: Option<ValidatedResult> = result_of(run, |a| *a == Action::ValidateGreen)?;
    let migrated: Option<MigratedResult> = result_of(run, |a| *a == Action::CheckMigrated)?;
    let proof: Option<ProofResult> = result_of(run, |a| *a == Action::ProveCopy)?;
    let outcome: Option<Outcome> = cutover_result(run, "decide");
    let settled: Option<Settled> = cutover_result(run, "proof");
    let live: Option<LiveResult> = result_of(run, |a| *a == Action::ValidateBlue)?;
    let mut checks = Vec::new();
    for outcome in migrated.into_iter().flat_map(|result| result.checks) {
        checks.push(check_doc(run, "copy", outcome));
    }
    for outcome in validated.iter().flat_map(|result| result.checks.clone()) {
        checks.push(check_doc(run, "now", outcome));
    }
    checks.extend(live.iter().flat_map(|live| &live.checks).map(|outcome| check_doc(run, "after", outcome.clone())));
    checks.extend(checks_after_the_switch(run));
    checks.extend(settled.iter().flat_map(|settled| settled.checks.clone()));
    let events = settled
        .map(|settled| (settled.tally, settled.verified))
        .or(validated.as_ref().map(|result| (result.tally, result.verified.clone())))
        .map(|(tally, verified)| EventsDoc { lost: verified.failed, tally, verified });
    let mut report = RunReport {
        format: "teal.report/1",
        plan: run.plan.clone(),
        strategy: if run.is_in_place() { Strategy::InPlace.word() } else { Strategy::BlueGreen.word() },
        run: run.id.to_string(),
        state: run.state.word().to_owned(),
        verdict: "open",
        begun_at: run.begun_at,
        ended_at: run.at,
        resumed: entries.iter().filter(|e| matches!(e.record, Record::LeaseTaken { .. })).count().saturating_sub(1),
        steps: steps(run, entries),
        copy: proof.map(|proof| CopyDoc { tables: proof.tables, rows: proof.rows }),
        migrations: file_facts(run),
        migrator: result_of(run, |a| *a == Action::MigrateCommand)?,
        green: validated.as_ref().map(|result| result.green),
        blue: live.as_ref().map(|live| live.blue),
        events,
        checks,
        levers: levers(run, entries),
        cutover: cutover(run, entries, outcome),
        undone: entries
            .iter()
            .filter_map(|entry| match &entry.record {
                Record::CutoverUndone { why } => Some(why.clone()),
                _ => None,
            })
            .collect(),
        findings: validated
            .map(|result| result.findings)
            .or(live.map(|live| live.findings))
            .unwrap_or_default()
            .into_iter()
            .filter(|finding| finding.accepted.is_none())
            .collect(),
        accepted: run.accepted.clone(),
    };
    report.verdict = verdict(run, &report);
    Ok(report)
}

/// In place every check is asked once more when everybody has switched. What compares with before the migrations was held to
/// it then: clients have written since.
fn checks_after_the_switch(run: &Run) -> Vec<CheckDoc> {
    let proof: Option<LiveResult> = if run.is_in_place() { cutover_result(run, "proof") } else { None };
    let Some(LiveResult { checks, findings, .. }) = proof else { return Vec::new() };
    let doc = |outcome: CheckOutcome| {
        let object = format!("check {}", outcome.name);
        let past = findings.iter().any(|finding| finding.id == "check/differs" && finding.object == object);
        let doc = check_doc(run, "switch", outcome);
        CheckDoc { binding: doc.binding && !past, ..doc }
    };
    checks.into_iter().map(doc).collect()
}

/// A check that binds, unless the plan went on with its failure.
fn check_doc(run: &Run, moment: &str, outcome: CheckOutcome) -> CheckDoc {
    let failed = outcome.finding();
    let accepted = failed.and_then(|failed| {
        run.accepted.iter().rfind(|f| f.id == failed.id && f.object == failed.object)?.accepted.clone()
    });
    CheckDoc { moment: moment.to_owned(), binding: accepted.is_none(), accepted, outcome }
}

fn cutover_result<T: serde::de::DeserializeOwned>(run: &Run, object: &str) -> Option<T> {
    run.result(&StepId::new(Phase::Cutover, object)).and_then(|value| serde_json::from_value(value.clone()).ok())
}

/// What became of each lever that was turned, or may have been.
fn levers(run: &Run, entries: &[Entry]) -> Vec<TurnedDoc> {
    let last = |id: &StepId, begun: bool| {
        let is = |entry: &&Entry| match &entry.record {
            Record::StepStarted { step } => begun && step == id,
            Record::StepDone { step, .. } => !begun && step == id,
            _ => false,
        };
        entries.iter().rfind(is).map(|entry| entry.at)
    };
    let one = |step: &Step| {
        let Action::TurnLever { lever } = &step.action else { return None };
        Some(TurnedDoc {
            turning_at: last(&step.id, true)?,
            turned_at: last(&step.id, false),
            back_at: last(&StepId::turn_lever_back(lever), false),
            name: lever.clone(),
        })
    };
    run.steps.iter().filter_map(one).collect()
}

/// The planned steps in their order, then those of the last cutover in the order in which they began.
fn steps(run: &Run, entries: &[Entry]) -> Vec<StepDoc> {
    let doc = |id: &StepId, status: &StepStatus| {
        let (status, millis, error) = match status {
            StepStatus::Pending => ("pending", None, None),
            StepStatus::Started => ("started", None, None),
            StepStatus::Failed { error } => ("failed", None, Some(error.clone())),
            StepStatus::Done { millis, .. } => ("done", Some(*millis), None),
        };
        StepDoc { step: id.to_string(), status, millis, error }
    };
    let planned = run.steps.iter().map(|step| doc(&step.id, run.status(&step.id)));
    let begun =
        |id: &StepId| entries.iter().rposition(|entry| entry.record == Record::StepStarted { step: id.clone() });
    let mut cutover: Vec<_> = run.cutover_steps().chain(run.finish_steps()).collect();
    cutover.sort_by_key(|(id, _)| begun(id));
    planned.chain(cutover.into_iter().map(|(id, status)| doc(id, status))).collect()
}

fn file_facts(run: &Run) -> Vec<FileFacts> {
    let files = run.steps.iter().filter(|step| step.action.file().is_some());
    files.filter_map(|step| serde_json::from_value(run.result(&step.id)?.clone()).ok()).collect()
}

fn cutover(run: &Run, entries: &[Entry], outcome: Option<Outcome>) -> Option<CutoverDoc> {
    let (decided_at, fence_lsn) = run.decided?;
    let switched = entries.iter().find(|e| e.record == Record::Switched).map(|e| e.at);
    Some(CutoverDoc {
        decided_at,
        attempt: run.attempt,
        fence_lsn: fence_lsn.map(|lsn| lsn.to_string()),
        fence_millis: outcome.as_ref().map(|outcome| outcome.fence_ms),
        switch_millis: switched.and_then(|at| u64::try_from(at.duration_since(decided_at).as_millis()).ok()),
        one_way: run.settings.get("one_way").and_then(serde_json::Value::as_str).map(str::to_owned),
        writes_not_travelling: outcome.map(|outcome| outcome.writes),
    })
}

/// Passed: the copy is proved, or in place blue was looked at; every binding check holds, every event is settled and verified. Open: not there yet.
fn verdict(run: &Run, report: &RunReport) -> &'static str {
    let checks_fail = report.checks.iter().any(|check| check.binding && !check.outcome.passed);
    let events_fail = report.events.as_ref().is_some_and(|events| events.lost > 0 || events.tally.dead > 0);
    let step_failed = report.steps.iter().any(|step| step.status == "failed");
    let blocked = blockers(&report.findings).next().is_some();
    if checks_fail
        || events_fail
        || step_failed
        || blocked
        || matches!(run.state, State::InDoubt { .. } | State::Aborted)
    {
        return "failed";
    }
    let settled = report.events.as_ref().is_some_and(|events| events.tally.is_settled());
    let proved = if run.is_in_place() { report.blue.is_some() } else { settled && report.copy.is_some() };
    let over = matches!(run.state, State::Green | State::Finished);
    if over && proved { "passed" } else { "open" }
}

/// The report as text.
pub fn run_text(report: &RunReport) -> String {
    let took = u64::try_from(report.ended_at.duration_since(report.begun_at).as_millis()).unwrap_or(0);
    let resumed = match report.resumed {
        0 => String::new(),
        n => format!(", gone on with {}", count(n, "time")),
    };
    let mut out = format!(
        "Report on {}, run {}\n  {} to {} ({}{resumed})\n  state {}, verdict {}\n",
        report.plan,
        report.run,
        report.begun_at.strftime("%Y-%m-%d %H:%M:%S"),
        report.ended_at.strftime("%H:%M:%S UTC"),
        show_millis(took),
        report.state,
        report.verdict,
    );
    out.push_str(&heading("Proof"));
    out.push_str(&text::table(&[], proof_rows(report)));
    if let Some(cutover) = &report.cutover {
        out.push_str(&heading("Cutover"));
        let in_place = report.strategy == Strategy::InPlace.word();
        out.push_str(&text::table(&[], if in_place { switch_rows(cutover) } else { cutover_rows(cutover) }));
    }
    if !report.levers.is_empty() {
        out.push_str(&heading("Levers"));
        out.push_str(&text::table(&[], report.levers.iter().map(lever_row)));
    }
    if !report.undone.is_empty() {
        out.push_str(&heading("Tried and undone"));
        out.push_str(&report.undone.iter().map(|why| text::wrapped(why, 2)).collect::<String>());
    }
    if !report.checks.is_empty() {
        out.push_str(&heading("Checks"));
        out.push_str(&text::table(&[], report.checks.iter().map(check_row)));
    }
    if !report.migrations.is_empty() {
        out.push_str(&heading("Migrations"));
        let header = ["file", "time", "inserted", "updated", "deleted", "WAL", "temp"];
        out.push_str(&text::table(&header, report.migrations.iter().map(file_row)));
    }
    out.push_str(&heading("Steps"));
    out.push_str(&text::table(&[], report.steps.iter().map(step_row)));
    if !report.accepted.is_empty() {
        out.push_str(&heading("Accepted"));
        out.push_str(&report.accepted.iter().map(text::finding).collect::<String>());
    }
    if !report.findings.is_empty() {
        out.push_str(&heading("Findings"));
        out.push_str(&report.findings.iter().map(text::finding).collect::<String>());
    }
    out
}

fn proof_rows(report: &RunReport) -> Vec<Vec<String>> {
    let mut rows = Vec::new();
    let mut row = |name: &str, value: String| rows.push(vec![name.to_owned(), value]);
    match &report.copy {
        Some(copy) => row(
            "copy",
            format!("{}, {}: counts and digests equal blue's", count(copy.tables, "table"), count(copy.rows, "row")),
        ),
        None if report.strategy == Strategy::InPlace.word() => {}
        None => row("copy", "not proved yet".to_owned()),
    }
    if let Some(EventsDoc { tally, verified, .. }) = &report.events {
        row("events", tally.line());
        row("", verified.line());
    }
    if let Some(green) = &report.green {
        row(
            "green",
            format!(
                "{} of {} constraints validated, {} of {} indexes valid, {} looked at",
                green.validated,
                green.constraints,
                green.valid,
                green.indexes,
                count(green.sequences, "sequence")
            ),
        );
    }
    if let Some(blue) = &report.blue {
        let of = format!("{} of {} constraints validated", blue.validated, blue.constraints);
        row("blue", format!("{of}, {} of {} indexes valid", blue.valid, blue.indexes));
    }
    let (passed, failed): (Vec<_>, Vec<_>) = report.checks.iter().filter(|c| c.binding).partition(|c| c.outcome.passed);
    row("checks", format!("{} passed, {} failed", passed.len(), failed.len()));
    rows
}

/// In place nobody was held, and nothing stayed behind.
fn switch_rows(cutover: &CutoverDoc) -> Vec<Vec<String>> {
    let kept = ["decided", "switched", "way back"];
    cutover_rows(cutover)
        .into_iter()
        .filter(|row| row.first().is_some_and(|name| kept.contains(&name.as_str())))
        .collect()
}

fn cutover_rows(cutover: &CutoverDoc) -> Vec<Vec<String>> {
    let mut rows = Vec::new();
    let mut row = |name: &str, value: String| rows.push(vec![name.to_owned(), value]);
    let unknown = || "not recorded: the process died right after the COMMIT".to_owned();
    row(
        "decided",
        format!("{}, attempt {}", cutover.decided_at.strftime("%Y-%m-%d %H:%M:%S%.3f UTC"), cutover.attempt),
    );
    row("fence", cutover.fence_millis.map_or_else(unknown, |ms| format!("writers held for {}", show_millis(ms))));
    row("position", cutover.fence_lsn.clone().unwrap_or_else(unknown));
    row(
        "switched",
        cutover.switch_millis.map_or_else(
            || "not every participant has".to_owned(),
            |ms| format!("every participant, {} after the decision", show_millis(ms)),
        ),
    );
    if let Some(why) = &cutover.one_way {
        row("way back", format!("none, says the plan: {why}"));
    }
    row("blue's writes", cutover.writes_not_travelling.as_ref().map_or_else(unknown, Writes::line));
    if let Some(Writes::AtMost(tables)) = &cutover.writes_not_travelling {
        for table in tables {
            row("", table.line());
        }
    }
    rows
}

fn lever_row(lever: &TurnedDoc) -> Vec<String> {
    let shown = |at: Timestamp| at.strftime("%Y-%m-%d %H:%M:%S UTC").to_string();
    let turned = match lever.turned_at {
        Some(at) => format!("turned {}", shown(at)),
        None => format!("begun to be turned {}", shown(lever.turning_at)),
    };
    let back = lever.back_at.map_or_else(|| "not turned back".to_owned(), |at| format!("back {}", shown(at)));
    vec![lever.name.clone(), format!("{turned}, {back}")]
}

fn check_row(check: &CheckDoc) -> Vec<String> {
    let verdict = match (check.outcome.passed, check.binding) {
        (true, _) => "passed",
        (false, _) if check.accepted.is_some() => "accepted",
        (false, true) => "FAILED",
        (false, false) => "differs",
    };
    vec![verdict.to_owned(), check.moment.clone(), check.outcome.name.clone(), check.outcome.summary.clone()]
}

fn file_row(file: &FileFacts) -> Vec<String> {
    vec![
        file.file.clone(),
        show_millis(file.millis),
        thousands(file.inserted),
        thousands(file.updated),
        thousands(file.deleted),
        show_bytes(file.wal_bytes),
        show_bytes(file.temp_bytes),
    ]
}

fn step_row(step: &StepDoc) -> Vec<String> {
    let time = step.millis.map(show_millis).unwrap_or_default();
    vec![step.status.to_owned(), step.step.clone(), time, step.error.clone().unwrap_or_default()]
}
