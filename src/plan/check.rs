//! From the file to the plan: references, units, defaults.

mod accept;
mod databases;
mod event;
mod expectation;
mod in_place;
mod lever;
mod migrations;
mod participant;
mod rehearse;
mod request;

pub use migrations::LAYOUT_NAMES;

use std::cell::RefCell;
use std::path::Path;
use std::time::Duration;

use toml::de::DeTable;

use super::excerpt::{Problem, failure};
use super::file::{PlanFile, Section, Text};
use super::secret::Masks;
use super::suggest::not_one_of;
use super::{Cutover, Event, Outline, Plan, Rehearsal, Rehearse, StandIns, Strategy, Window};
use crate::error::{Context, Failure, Result};

/// Reads and checks a plan file; `env` gives the value of `${NAME}`.
///
/// Fails with a usage failure whose detail is an excerpt of the file with the span underlined, one per problem found.
/// Neither ever shows a secret.
pub fn read_plan(path: &Path, env: &dyn Fn(&str) -> Option<String>) -> Result<Plan> {
    read(path, env, None).map(|(plan, _)| plan)
}

/// Reads a plan for a rehearsal on throwaway databases: blue's and green's own URLs are not looked at, wherever the plan
/// takes them from, and what they name means the throwaway ones everywhere in it.
pub fn read_rehearsal(path: &Path, env: &dyn Fn(&str) -> Option<String>, stand_ins: &StandIns) -> Result<Rehearsal> {
    let variables = url_variables(path, stand_ins)?;
    let instead = |name: &str| {
        let found = variables.iter().find(|(variable, _)| variable == name);
        found.map(|(_, url)| url.clone()).or_else(|| env(name))
    };
    let (plan, rehearse) = read(path, &instead, Some(stand_ins))?;
    Rehearsal::of(plan, rehearse, variables, &stand_ins.green)
}

/// The variables that blue's and green's URLs are: `green = "${GREEN_URL}"`, each with the throwaway one.
fn url_variables(path: &Path, stand_ins: &StandIns) -> Result<Vec<(String, String)>> {
    let text = text_of(path)?;
    let (table, _) = DeTable::parse_recoverable(&text);
    let databases = table.get_ref().get("databases").and_then(|value| value.get_ref().as_table());
    let variable = |name: &str| {
        let written = databases?.get(name)?.get_ref().as_str()?;
        written.strip_prefix("${")?.strip_suffix('}').map(str::to_owned)
    };
    let both = [("blue", &stand_ins.blue), ("green", &stand_ins.green)];
    Ok(both.into_iter().filter_map(|(name, url)| Some((variable(name)?, url.clone()))).collect())
}

/// Reads name and journal folder alone.
pub fn read_outline(path: &Path, env: &dyn Fn(&str) -> Option<String>) -> Result<Outline> {
    let text = text_of(path)?;
    with_file(path, &text, env, None, |path, mut top| {
        let name = top.required_text("name").and_then(|name| plan_name(&top, name));
        let journal_dir = journal_dir(&mut top);
        Some(Outline { path: path.to_path_buf(), name: name?, journal_dir: journal_dir? })
    })
}

fn read(path: &Path, env: &dyn Fn(&str) -> Option<String>, stand_ins: Option<&StandIns>) -> Result<(Plan, Rehearse)> {
    with_file(path, &text_of(path)?, env, stand_ins, plan)
}

fn text_of(path: &Path) -> Result<String> {
    std::fs::read_to_string(path).map_err(|e| Failure::usage(format!("{}: {e}", path.display())))
}

fn with_file<T>(
    path: &Path,
    text: &str,
    env: &dyn Fn(&str) -> Option<String>,
    stand_ins: Option<&StandIns>,
    read: impl FnOnce(&Path, Section<'_>) -> Option<T>,
) -> Result<T> {
    let shown = path.display().to_string();
    let path = std::path::absolute(path).with_context(|| shown.clone())?;
    let folder = path.parent().map(Path::to_path_buf).unwrap_or_default();

    let (table, errors) = DeTable::parse_recoverable(text);
    if let Some(error) = errors.first() {
        let span = error.span().unwrap_or_default();
        let problem = Problem::new(span, format!("not TOML: {}", error.message().replace('\n', " ")));
        return Err(failure(&shown, text, &Masks::of_broken(text), vec![problem]));
    }
    let file = PlanFile { text, folder, env, problems: RefCell::default(), stand_ins };
    let plan = read(&path, Section::new(&file, "", 0..0, table.get_ref()));
    let problems = file.problems.take();
    match plan {
        Some(plan) if problems.is_empty() => Ok(plan),
        _ => Err(failure(&shown, text, &Masks::of(text, table.get_ref()), problems)),
    }
}

fn plan(path: &Path, mut top: Section<'_>) -> Option<(Plan, Rehearse)> {
    let name = top.required_text("name").and_then(|name| plan_name(&top, name));
    let strategy = top.required_text("strategy").and_then(|strategy| {
        let word = one_of(&top, "strategy", &strategy, &["blue-green", "in-place"], &[])?;
        Some(if word == Strategy::InPlace.word() { Strategy::InPlace } else { Strategy::BlueGreen })
    });
    let in_place = strategy == Some(Strategy::InPlace);
    if in_place {
        in_place::refuse_sections(&mut top);
    }
    top.required("databases");
    let databases = top.section("databases", "[databases]").map(|section| databases::databases(section, in_place));
    let journal_dir = journal_dir(&mut top);
    top.required("migrations");
    let migrations = top.section("migrations", "[migrations]");
    let migrations = migrations.and_then(|section| migrations::migrations(section, in_place));
    let (events, jobs) = if in_place { (Some(Vec::new()), Some(1)) } else { copied(&mut top) };
    let cutover = cutover(&mut top, in_place);
    let names = databases.as_ref().map(|databases| databases.names.as_slice()).unwrap_or_default();
    let levers = rehearse::levers(&mut top);
    let participants = rehearse::participants(&mut top);
    let rehearse = rehearse::rehearse(&mut top, names, &participants, levers.as_deref());
    let participants = participant::in_order(&top, participants);
    let checks =
        top.sections("check", "[[check]]").into_iter().map(|section| expectation::check(section, names)).collect();
    let checks = expectation::unique(&top, checks);
    let accepts = accept::accepts(&mut top);
    top.end();

    let databases = databases?;
    let plan = Plan {
        path: path.to_path_buf(),
        name: name?,
        strategy: strategy?,
        blue: databases.blue?,
        green: databases.green?,
        others: databases.others,
        journal_dir: journal_dir?,
        migrations: migrations?,
        events: events?,
        jobs: jobs?,
        cutover: cutover?,
        participants: participants?,
        levers: levers?,
        checks: checks?,
        accepts: accepts?,
    };
    Some((plan, rehearse?))
}

/// What is captured, and how many copy: sections of a blue-green plan.
fn copied(top: &mut Section<'_>) -> (Option<Vec<Event>>, Option<usize>) {
    top.required("capture");
    if let Some(capture) = top.section("capture", "[capture]") {
        check_capture(capture);
    }
    let events = top.sections("event", "[[event]]").into_iter().map(event::event).collect();
    (event::unique(top, events), jobs(top))
}

fn plan_name(top: &Section<'_>, name: Text) -> Option<String> {
    let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '_';
    if name.value.chars().all(fits) && name.value.len() <= 40 {
        return Some(name.value);
    }
    let what = "name must be 1 to 40 lowercase letters, digits, \"-\" or \"_\": it becomes part of object names";
    top.file.problem(Problem::new(name.span, what));
    None
}

/// The value, if it is one of `valid`; `later` are values that are designed but not supported yet, with a reason.
fn one_of<'v>(
    section: &Section<'_>,
    key: &str,
    text: &Text,
    valid: &[&'v str],
    later: &[(&'v str, &str)],
) -> Option<&'v str> {
    if let Some(found) = valid.iter().find(|word| **word == text.value) {
        return Some(found);
    }
    section.file.problem(match later.iter().find(|(word, _)| *word == text.value) {
        Some((word, why)) => Problem::new(text.span.clone(), format!("{key} = {word:?} is not supported yet: {why}")),
        None => not_one_of(key, text, valid),
    });
    None
}

fn check_capture(mut capture: Section<'_>) {
    if let Some(writes) = capture.required_text("writes") {
        let later = [("all", "use \"events\" and replay what must not be lost")];
        one_of(&capture, "writes", &writes, &["events"], &later);
    }
    capture.end();
}

fn journal_dir(top: &mut Section<'_>) -> Option<std::path::PathBuf> {
    let default = top.file.folder.join(".migrate");
    let has = top.has("journal");
    let Some(mut journal) = top.section("journal", "[journal]") else { return (!has).then_some(default) };
    let dir = if journal.has("dir") { journal.path("dir") } else { Some(default) };
    journal.value("dir");
    journal.end();
    dir
}

fn jobs(top: &mut Section<'_>) -> Option<usize> {
    const DEFAULT: usize = 4;
    let has = top.has("snapshot");
    let Some(mut snapshot) = top.section("snapshot", "[snapshot]") else { return (!has).then_some(DEFAULT) };
    let jobs = match snapshot.value("jobs") {
        None => Some(DEFAULT),
        Some(value) => {
            let jobs = value.get_ref().as_integer().and_then(|number| number.to_string().parse().ok());
            let jobs = jobs.filter(|jobs| (1..=256).contains(jobs));
            if jobs.is_none() {
                let what = "\"jobs\" must be a whole number from 1 to 256";
                snapshot.file.problem(Problem::new(value.span(), what));
            }
            jobs
        }
    };
    snapshot.end();
    jobs
}

fn cutover(top: &mut Section<'_>, in_place: bool) -> Option<Cutover> {
    let default = Cutover { max_lag: 1 << 20, deadline: Duration::from_secs(5), window: None, one_way: None };
    let has = top.has("cutover");
    let Some(mut cutover) = top.section("cutover", "[cutover]") else { return (!has).then_some(default) };
    if in_place {
        in_place::refuse_cutover(&mut cutover);
    }
    let max_lag = cutover.size("max_lag", default.max_lag);
    let deadline = cutover.duration("deadline", default.deadline);
    let has_window = cutover.has("window");
    let window = cutover.text("window").and_then(|text| top.file.read(&text, Window::parse));
    let one_way = cutover.text("one_way").map(|text| text.value);
    cutover.end();
    Some(Cutover {
        max_lag: max_lag?,
        deadline: deadline?,
        window: if has_window { Some(window?) } else { None },
        one_way,
    })
}

/// Notes every name that stands twice; `kind` is the thing named: `event`.
fn twice<'n>(top: &Section<'_>, kind: &str, names: impl Iterator<Item = &'n Text>) {
    let mut seen = std::collections::BTreeSet::new();
    for name in names {
        if !seen.insert(name.value.as_str()) {
            let what = format!("a second {kind} named {:?}", name.shown());
            top.file.problem(Problem::new(name.span.clone(), what));
        }
    }
}
