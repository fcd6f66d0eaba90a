//! What will happen: `teal.plan/1`.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::migrations::{
    FolderDoc, FolderSeen, MigrationDoc, StatementDoc, folder_doc, migration_doc, migrations_text,
};
use super::plan_in_place::in_place_text;
use super::text::{self, count, heading};
use crate::catalog::{Structure, Table};
use crate::cutover::longest_switch;
use crate::ddl::Migration;
use crate::ddl::rule::is_traced;
use crate::finding::{Finding, Severity, accepted, blockers};
use crate::plan::{Lever, Opening, ParticipantKind, Plan, Strategy, When, Window};
use crate::planner::{Estimate, Seen, estimate};
use crate::postgres::Protection;
use crate::step::Step;
use crate::units::{show_bytes, show_millis};

/// A plan as it was seen against blue, green and the migrations: shown, saved, and run as it stands.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PlanDoc {
    /// `teal.plan/1`.
    pub format: String,
    /// The version of the program.
    pub tool: String,
    /// The plan's name.
    pub plan: String,
    /// `blue-green` or `in-place`.
    #[serde(default = "blue_green")]
    pub strategy: String,
    /// The plan file, absolute.
    pub path: PathBuf,
    /// Of the plan file's meaning: no timeouts, jobs, gates or secrets.
    pub fingerprint: String,
    /// `user@host:port/database`.
    pub blue: String,
    /// `user@host:port/database`.
    pub green: String,
    /// How our session with blue is protected: `TLSv1.3, verify-full`, `no TLS`, `local socket`.
    #[serde(default)]
    pub blue_protection: String,
    /// How our session with green is.
    #[serde(default)]
    pub green_protection: String,
    /// All steps up to `ready`, with the digests of their inputs.
    pub steps: Vec<Step>,
    /// Blue's tables that hold rows, largest first.
    pub tables: Vec<TableSize>,
    /// Whose folder it is, and where what is in is kept; none where an own migrator runs.
    #[serde(default)]
    pub folder: Option<FolderDoc>,
    /// Every file of the folder, in order.
    pub migrations: Vec<MigrationDoc>,
    /// What is captured and replayed.
    pub events: Vec<EventDoc>,
    /// What switches with the database, in order.
    pub participants: Vec<ParticipantDoc>,
    /// What is turned before the copy, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub levers: Vec<LeverDoc>,
    /// The names of the checks.
    pub checks: Vec<String>,
    /// From fence to decide at most, in milliseconds.
    pub deadline_ms: u64,
    /// When it may happen; none: at any time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub window: Option<WindowDoc>,
    /// Why the plan forbids a rollback.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub one_way: Option<String>,
    /// How long it takes to become ready.
    pub estimate: Estimate,
    /// What guards and migrations found.
    pub findings: Vec<Finding>,
    /// Blue's structure, for drift.
    pub structure: Structure,
    /// The next command.
    pub next: String,
}

/// What plans saved before there was another one are.
fn blue_green() -> String {
    Strategy::BlueGreen.word().to_owned()
}

impl PlanDoc {
    /// Whether blue itself is migrated.
    pub fn is_in_place(&self) -> bool {
        self.strategy == Strategy::InPlace.word()
    }
}

/// A table's size.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TableSize {
    /// With its schema.
    pub table: String,
    /// Main fork and TOAST.
    pub bytes: u64,
    /// The planner's estimate; -1 where never analysed.
    pub estimated_rows: i64,
}

/// An event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EventDoc {
    /// Its name.
    pub name: String,
    /// Its table.
    pub table: String,
    /// `ends: active`.
    pub when: String,
}

/// A participant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ParticipantDoc {
    /// Its name.
    pub name: String,
    /// `command`, `file` or `http`.
    pub kind: String,
    /// Its group, if it has one.
    pub group: Option<String>,
}

/// A lever.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeverDoc {
    /// Its name.
    pub name: String,
    /// From when it is turned until it has taken effect.
    pub wait_ms: u64,
    /// From when it is turned until its effect is over.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lasts_ms: Option<u64>,
    /// When it is turned back: `reopen` or `finish`; none: it stays.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub until: Option<String>,
}

/// When the cutover may happen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WindowDoc {
    /// As the plan has it.
    pub window: String,
    /// When it opens next, or has opened, seen from when the plan was made.
    pub opens_at: Timestamp,
    /// When it closes then.
    pub closes_at: Timestamp,
    /// Whether green is ready by then, says the estimate, with time left for the switch.
    pub ready_by_then: bool,
    /// The first moment in any window at which green is ready.
    pub cutover_at: Timestamp,
    /// The same for people, by the window's own clock.
    pub shown: String,
}

/// What a plan document is made from.
pub struct Subject<'a> {
    /// The plan.
    pub plan: &'a Plan,
    /// How the sessions with blue and green are protected.
    pub protections: [Protection; 2],
    /// What was seen.
    pub seen: &'a Seen<'a>,
    /// The folder against blue's bookkeeping.
    pub folder: FolderSeen<'a>,
    /// Blue's tables.
    pub tables: &'a [Table],
    /// Blue's structure.
    pub structure: Structure,
    /// The steps.
    pub steps: Vec<Step>,
    /// What was found.
    pub findings: Vec<Finding>,
    /// When it is made.
    pub now: Timestamp,
    /// When each lever of a run under way was turned.
    pub turned: BTreeMap<String, Timestamp>,
    /// Whether its copy is made.
    pub copied: bool,
}

/// Makes the document.
pub fn plan_doc(subject: Subject<'_>) -> PlanDoc {
    let Subject { plan, protections, seen, folder, tables, structure, steps, mut findings, now, turned, copied } =
        subject;
    let with_standing = folder.migrations.iter().zip(folder.standings);
    let migrations: Vec<MigrationDoc> = with_standing.map(|(m, standing)| migration_doc(m, *standing)).collect();
    let mut sizes: Vec<TableSize> = tables
        .iter()
        .filter(|table| table.holds_rows())
        .map(|t| TableSize { table: t.name.plain(), bytes: t.bytes, estimated_rows: t.estimated_rows })
        .collect();
    sizes.sort_by_key(|size| std::cmp::Reverse(size.bytes));
    let rewritten = rewritten_rows(&migrations, &sizes);
    let mut estimate = estimate(seen.bytes, plan.jobs, rewritten, seen.pending.len());
    estimate.wait_seconds = wait_seconds(plan, &turned, now);
    let ready_at = now.checked_add(if copied { Duration::ZERO } else { estimate.ready_in() }).unwrap_or(Timestamp::MAX);
    let window = plan.cutover.window.as_ref().and_then(|window| window_doc(plan, window, ready_at, now));
    let cutover_at = window.as_ref().map_or(ready_at, |window| window.cutover_at);
    findings.extend(run_out_by(plan, &turned, now, cutover_at));
    plan.accept(&mut findings);
    // Of the text of files for green only `lint` speaks.
    let idle = plan.idle_accepts(&findings, |id| is_asked_here(id) && (plan.is_in_place() || !id.starts_with("lint/")));
    findings.extend(idle.into_iter().filter(|idle| !findings.contains(idle)).collect::<Vec<_>>());
    findings.sort_by_key(|finding| finding.severity);
    let blocked = blockers(&findings).next().is_some();
    let path = plan.path.display();
    PlanDoc {
        format: "teal.plan/1".to_owned(),
        tool: env!("CARGO_PKG_VERSION").to_owned(),
        plan: plan.name.clone(),
        strategy: plan.strategy.word().to_owned(),
        path: plan.path.clone(),
        fingerprint: plan.fingerprint(),
        blue: plan.blue.address(),
        green: plan.green.address(),
        blue_protection: protections[0].to_string(),
        green_protection: protections[1].to_string(),
        window,
        levers: plan.levers.iter().map(lever_doc).collect(),
        one_way: plan.cutover.one_way.clone(),
        estimate,
        steps,
        tables: sizes,
        events: plan.events.iter().map(event_doc).collect(),
        participants: plan.participants.iter().map(participant_doc).collect(),
        checks: plan.checks.iter().map(|check| check.name.clone()).collect(),
        deadline_ms: u64::try_from(plan.cutover.deadline.as_millis()).unwrap_or(u64::MAX),
        next: if blocked {
            format!("clear the blockers above, then: migrate plan {path}")
        } else {
            format!("migrate apply {path}")
        },
        folder: folder_doc(plan, folder),
        migrations,
        findings,
        structure,
    }
}

/// Whether a finding would be found by now; the others are the run's and the cutover's to find.
fn is_asked_here(id: &str) -> bool {
    // What only a trace or the queries of clients tell, `plan` asks by itself.
    !is_traced(id) && ["guard/", "lint/", "migration/", "plan/", "rewrite/"].iter().any(|area| id.starts_with(area))
}

fn lever_doc(lever: &Lever) -> LeverDoc {
    LeverDoc {
        name: lever.name.clone(),
        wait_ms: millis(lever.wait),
        lasts_ms: lever.lasts.map(millis),
        until: lever.after.as_ref().map(|_| lever.until.word().to_owned()),
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

/// Until the last lever has taken effect: they are turned one right after the other.
fn wait_seconds(plan: &Plan, turned: &BTreeMap<String, Timestamp>, now: Timestamp) -> u64 {
    let left = |lever: &Lever| {
        let passed = turned.get(&lever.name).map(|at| now.duration_since(*at));
        lever.wait.saturating_sub(passed.and_then(|passed| passed.try_into().ok()).unwrap_or_default())
    };
    plan.levers.iter().map(left).max().unwrap_or_default().as_secs()
}

/// The levers whose effect is over before the cutover can be.
fn run_out_by(
    plan: &Plan,
    turned: &BTreeMap<String, Timestamp>,
    now: Timestamp,
    cutover_at: Timestamp,
) -> Vec<Finding> {
    let decided = cutover_at.checked_add(plan.cutover.deadline).unwrap_or(Timestamp::MAX);
    let one = |lever: &Lever| {
        let since = turned.get(&lever.name).copied().unwrap_or(now);
        let lasts = lever.lasts?;
        let needed = decided.duration_since(since).unsigned_abs();
        (needed > lasts).then(|| {
            let (lasts, needed) = (show_millis(millis(lasts)), show_millis(millis(needed)));
            Finding::blocker(
                "plan/lever-too-short",
                format!("lever {}", lever.name),
                format!("it lasts {lasts}; from when it is turned to the cutover it takes about {needed}"),
            )
            .so_what("its effect would be over before the switch, and the copy made for nothing")
            .next("let it last longer, or make the way shorter: more jobs, another window")
        })
    };
    plan.levers.iter().filter_map(one).collect()
}

fn window_doc(plan: &Plan, window: &Window, ready_at: Timestamp, now: Timestamp) -> Option<WindowDoc> {
    let next = window.next(now)?;
    let longest = longest_switch(plan);
    let in_time = |opening: &Opening| ready_at.checked_add(longest).is_ok_and(|switched| switched <= opening.to);
    let ready_by_then = in_time(&next);
    let chosen = if ready_by_then { next } else { window.next(ready_at).filter(in_time).or(window.next(next.to))? };
    let (opens, closes) = (window.show(next.from), window.show(next.to));
    let verdict = if ready_by_then {
        "ready by then".to_owned()
    } else {
        format!("not ready by then; the one after that opens {}", window.show(chosen.from))
    };
    let open = if next.is_open(now) { "open until" } else { "opens" };
    let when = if next.is_open(now) { closes } else { opens };
    Some(WindowDoc {
        window: window.text.clone(),
        opens_at: next.from,
        closes_at: next.to,
        ready_by_then,
        cutover_at: chosen.from.max(ready_at),
        shown: format!("{open} {when}; {verdict}"),
    })
}

/// Rows of the tables that pending UPDATE, INSERT and DELETE statements name: the bulk of what migrations cost.
fn rewritten_rows(migrations: &[MigrationDoc], sizes: &[TableSize]) -> u64 {
    let statements = migrations.iter().filter(|m| m.pending).flat_map(|m| &m.statements);
    let writes = statements.filter(|s| matches!(s.verb.as_str(), "UPDATE" | "INSERT" | "DELETE" | "INSERT INTO"));
    let largest = sizes.iter().map(|size| size.estimated_rows).max().unwrap_or(0);
    let rows = |statement: &StatementDoc| {
        let named = statement.relation.as_deref().unwrap_or_default();
        let table = sizes.iter().find(|size| size.table == named || size.table.ends_with(&format!(".{named}")));
        // A table that the migrations renamed is not known by its new name: take the largest, an upper bound.
        u64::try_from(table.map_or(largest, |size| size.estimated_rows)).unwrap_or(0)
    };
    writes.map(rows).sum()
}

fn event_doc(event: &crate::plan::Event) -> EventDoc {
    let when = match &event.when {
        When::Ends(sql) => format!("ends: {sql}"),
        When::Begins(sql) => format!("begins: {sql}"),
    };
    EventDoc { name: event.name.clone(), table: event.table.clone(), when }
}

fn participant_doc(spec: &crate::plan::Participant) -> ParticipantDoc {
    let kind = match spec.kind {
        ParticipantKind::Command { .. } => "command",
        ParticipantKind::File { .. } => "file",
        ParticipantKind::Http(_) => "http",
    };
    ParticipantDoc { name: spec.name.clone(), kind: kind.to_owned(), group: spec.group.clone() }
}

/// What changed since a plan was saved, a line each; empty: it may be run as it stands.
pub fn drift(saved: &PlanDoc, plan: &Plan, migrations: &[Migration], structure: &Structure) -> Vec<String> {
    let mut changes = Vec::new();
    if saved.fingerprint != plan.fingerprint() {
        changes.push(format!("plan {}: changed", plan.path.display()));
    }
    let before: BTreeMap<&str, &str> =
        saved.migrations.iter().map(|m| (m.file.as_str(), m.checksum.as_str())).collect();
    let after: BTreeMap<&str, &str> = migrations.iter().map(|m| (m.file.as_str(), m.checksum.as_str())).collect();
    for (file, checksum) in &before {
        match after.get(file) {
            None => changes.push(format!("migration {file}: gone")),
            Some(now) if now != checksum => changes.push(format!("migration {file}: edited")),
            Some(_) => {}
        }
    }
    changes.extend(after.keys().filter(|f| !before.contains_key(*f)).map(|file| format!("migration {file}: new")));
    changes.extend(saved.structure.differences(structure).into_iter().map(|change| format!("blue {change}")));
    changes
}

/// The document as text.
pub fn plan_text(doc: &PlanDoc) -> String {
    if doc.is_in_place() {
        return in_place_text(doc);
    }
    let side = |name: &str, address: &str, protection: &str| format!("  {name:<6} {address}  ({protection})\n");
    let mut out = format!("Plan {}\n", doc.plan);
    out.push_str(&side("blue", &doc.blue, &doc.blue_protection));
    out.push_str(&side("green", &doc.green, &doc.green_protection));
    out.push_str(&heading("Before the cutover"));
    out.push_str(&text::table(&[], doc.steps.iter().map(|step| vec![step.id.to_string(), step.title.clone()])));
    out.push_str(&heading("Cutover"));
    out.push_str(&text::table(&[], cutover_rows(doc)));
    if !doc.events.is_empty() {
        out.push_str(&heading("Events, captured on blue and replayed on green"));
        let rows = doc.events.iter().map(|event| vec![event.name.clone(), event.table.clone(), event.when.clone()]);
        out.push_str(&text::table(&[], rows));
    }
    out.push_str(&migrations_text(doc.folder.as_ref(), &doc.migrations, false));
    out.push_str(&largest_tables(doc));
    out.push_str(&findings_text(doc));
    out.push('\n');
    out.push_str(&text::wrapped(&summary(doc), 0));
    out.push_str(&format!("Next: {}\n", doc.next));
    out
}

pub(super) fn largest_tables(doc: &PlanDoc) -> String {
    let row = |t: &TableSize| vec![t.table.clone(), show_bytes(t.bytes), show_rows(t.estimated_rows)];
    heading("Largest tables") + &text::table(&[], doc.tables.iter().take(8).map(row))
}

pub(super) fn findings_text(doc: &PlanDoc) -> String {
    if doc.findings.is_empty() {
        return String::new();
    }
    heading("Findings") + &doc.findings.iter().map(text::finding).collect::<String>()
}

pub(super) fn cutover_rows(doc: &PlanDoc) -> Vec<Vec<String>> {
    let row = |a: &str, b: &str| vec![a.to_owned(), b.to_owned()];
    let mut rows = Vec::new();
    if let Some(WindowDoc { window, shown, .. }) = &doc.window {
        rows.push(row("window", &format!("{window}: {shown}")));
    }
    let in_place = doc.is_in_place();
    rows.push(row(
        "gates",
        if in_place { "every check" } else { "events caught up, no long transaction, structure unchanged" },
    ));
    if !in_place {
        rows.push(row("put up", "the fence, open: a trigger on every table of blue, each in a transaction of its own"));
    }
    rows.extend(
        doc.participants.iter().map(|p| row(&format!("prepare {}", p.name), &format!("{}, undone on failure", p.kind))),
    );
    rows.push(row("approval", "a prompt, or --yes"));
    if in_place {
        rows.push(row("decide", "in the journal; before it what was prepared is undone, after it only forward"));
    } else {
        rows.push(row("fence", "one lock, which every writer passes: they end or wait, readers go on"));
        rows.push(row("drain", "the last events, sequences, proof"));
        rows.push(row("decide", "COMMIT of the fence; before it everything is undone, after it only forward"));
    }
    for p in &doc.participants {
        let group = p.group.as_ref().map(|group| format!(", at once with group {group}")).unwrap_or_default();
        rows.push(row(&format!("commit {}", p.name), &format!("{}{group}", p.kind)));
    }
    for LeverDoc { name, until, .. } in &doc.levers {
        let when = match until.as_deref() {
            Some("finish") => "turned back by finish, or an abort",
            Some(_) => "turned back right after the switch, or by an abort",
            None => "stays turned: it has no `after`",
        };
        rows.push(row(&format!("lever {name}"), when));
    }
    if let Some(why) = &doc.one_way {
        rows.push(row("way back", &format!("none, says the plan: {why}")));
    }
    rows
}

fn show_rows(rows: i64) -> String {
    u64::try_from(rows)
        .map_or_else(|_| "rows unknown (never analysed)".to_owned(), |n| format!("about {}", count(n, "row")))
}

/// `2 blockers (and 1 accepted), 3 warnings`.
pub(super) fn summary_of_findings(doc: &PlanDoc) -> String {
    let warnings = doc.findings.iter().filter(|f| f.severity == Severity::Warning).count();
    let accepted = match accepted(&doc.findings).count() {
        0 => String::new(),
        n => format!(" (and {n} accepted)"),
    };
    format!("{}{accepted}, {}", count(blockers(&doc.findings).count(), "blocker"), count(warnings, "warning"))
}

/// `10 migrations, 71 MB, 5 events, 2 participants. Ready in about 8 s; …`
fn summary(doc: &PlanDoc) -> String {
    let bytes: u64 = doc.tables.iter().map(|table| table.bytes).sum();
    let pending = doc.migrations.iter().filter(|m| m.pending).count();
    format!(
        "{}, {}, {}, {}, {}. Ready in about {} ({}); clients wait for the fence and the commits, at worst {} plus commits. \
         Writes other than the events do not travel after the copy. {}.",
        count(pending, "migration"),
        show_bytes(bytes),
        count(doc.events.len(), "event"),
        count(doc.checks.len(), "check"),
        count(doc.participants.len(), "participant"),
        show_millis(millis(doc.estimate.ready_in())),
        doc.estimate.basis,
        show_millis(doc.deadline_ms),
        summary_of_findings(doc),
    )
}
