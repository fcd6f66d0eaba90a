//! `[rehearse]`: what stands in for the world around both databases in a rehearsal.

use std::cell::RefCell;

use super::super::excerpt::Problem;
use super::super::file::{PlanFile, Section};
use super::super::units::UNSET;
use super::super::{Lever, ParticipantKind, Rehearse};
use super::databases::target;
use super::lever;
use super::participant::{self, Read};

/// Reads the section; `databases`, `participants` and `levers` are those that the plan has, the last where all are right.
///
/// Outside a rehearsal its variables need not be set: they are those of a CI machine.
pub(super) fn rehearse(
    top: &mut Section<'_>,
    databases: &[String],
    participants: &[Read],
    levers: Option<&[Lever]>,
) -> Option<Rehearse> {
    let file = top.file;
    let env = lenient(file, file.stand_ins.is_none());
    let lenient = PlanFile { env: &env, problems: RefCell::default(), folder: file.folder.clone(), ..*file };
    let has = top.has("rehearse");
    let Some(section) = top.section("rehearse", "[rehearse]") else { return (!has).then(Rehearse::default) };
    let read = read(section.within(&lenient), databases, participants, levers);
    file.problems.borrow_mut().extend(lenient.problems.take());
    Some(read)
}

/// The environment; with something in it for every name where `lenient`.
fn lenient<'f>(file: &'f PlanFile<'f>, lenient: bool) -> impl Fn(&str) -> Option<String> + 'f {
    move |name| (file.env)(name).or_else(|| lenient.then(|| "unset".to_owned()))
}

/// The levers. In a rehearsal none of them is turned itself, so their variables need not be set.
pub(super) fn levers(top: &mut Section<'_>) -> Option<Vec<Lever>> {
    let file = top.file;
    let sections = top.sections("lever", "[[lever]]");
    let env = lenient(file, file.stand_ins.is_some());
    let lenient = PlanFile { env: &env, problems: RefCell::default(), folder: file.folder.clone(), ..*file };
    let levers = lever::levers(&*top, sections.into_iter().map(|section| section.within(&lenient)));
    file.problems.borrow_mut().extend(lenient.problems.take());
    levers
}

fn read(mut section: Section<'_>, databases: &[String], participants: &[Read], levers: Option<&[Lever]>) -> Rehearse {
    let mut rehearse = Rehearse::default();
    let file = section.file;
    if let Some(mut given) = section.section("databases", "[rehearse.databases]") {
        for (name, span) in named(&given) {
            let url = given.text(&name);
            if matches!(name.as_str(), "blue" | "green") || !databases.contains(&name) {
                let what = format!(
                    "{name:?} is no further database of the plan: [databases] names those, and blue and green are made"
                );
                file.problem(Problem::new(span, what));
                continue;
            }
            let url = url.filter(|_| file.stand_ins.is_some());
            rehearse.databases.extend(url.and_then(|url| target(file, &name, &url)).map(|target| (name, target)));
        }
        given.end();
    }
    if let Some(mut given) = section.section("participant", "[rehearse.participant]") {
        for (name, span) in named(&given) {
            let stand_in = given.section(&name, "[rehearse.participant]").and_then(stand_in);
            if !participants.iter().any(|read| read.is_named(&name)) {
                file.problem(Problem::new(span, format!("the plan has no participant {name:?}")));
            }
            rehearse.participants.extend(stand_in.map(|kind| (name, kind)));
        }
        given.end();
    }
    if let Some(mut given) = section.section("lever", "[rehearse.lever]") {
        for (name, span) in named(&given) {
            let stand_in = given.section(&name, "[rehearse.lever]").and_then(|given| lever::stand_in(given, &name));
            if levers.is_some_and(|levers| levers.iter().all(|lever| lever.name != name)) {
                file.problem(Problem::new(span, format!("the plan has no lever {name:?}")));
            }
            rehearse.levers.extend(stand_in.map(|lever| (name, lever)));
        }
        given.end();
    }
    section.end();
    rehearse
}

fn named(section: &Section<'_>) -> Vec<(String, std::ops::Range<usize>)> {
    section.keys().map(|key| (key.get_ref().to_string(), key.span())).collect()
}

fn stand_in(mut section: Section<'_>) -> Option<ParticipantKind> {
    let kind = participant::command(&mut section);
    section.end();
    kind
}

/// The participants. In a rehearsal none of them is touched, so a variable that only they name need not be set; then
/// nothing else of them can be judged either.
pub(super) fn participants(top: &mut Section<'_>) -> Vec<Read> {
    let file = top.file;
    let sections = top.sections("participant", "[[participant]]");
    let scratch = PlanFile { problems: RefCell::default(), folder: file.folder.clone(), ..*file };
    let read = sections.into_iter().map(|section| participant::participant(section.within(&scratch)));
    let read: Vec<Read> = read.collect();
    let problems = scratch.problems.take();
    if file.stand_ins.is_some() && problems.iter().any(|problem| problem.what.starts_with(UNSET)) {
        return read.into_iter().map(Read::by_name_alone).collect();
    }
    file.problems.borrow_mut().extend(problems);
    read
}
