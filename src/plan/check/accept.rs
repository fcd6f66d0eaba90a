//! `[[accept]]`: which finding, and why.

use super::super::accept::{Accept, DEAD_LETTER, never};
use super::super::excerpt::Problem;
use super::super::file::{PlanFile, Section, Text};
use super::twice;

/// The plan's accepts; none where one is wrong, which is noted.
pub(super) fn accepts(top: &mut Section<'_>) -> Option<Vec<Accept>> {
    let read: Vec<Option<(Text, Accept)>> = top.sections("accept", "[[accept]]").into_iter().map(accept).collect();
    twice(top, "accept", read.iter().flatten().map(|(name, _)| name));
    read.into_iter().map(|one| one.map(|(_, accept)| accept)).collect()
}

fn accept(mut section: Section<'_>) -> Option<(Text, Accept)> {
    let finding = section.required_text("finding");
    let why = section.required_text("why");
    let file = section.file;
    section.end();
    let (finding, why) = (finding?, why?);
    let (id, object) = match finding.value.split_once(':') {
        Some((id, object)) => (id, Some(object.to_owned())),
        None => (finding.value.as_str(), None),
    };
    let part =
        |text: &str| !text.is_empty() && text.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-');
    let is_id = id.split_once('/').is_some_and(|(area, slug)| part(area) && part(slug));
    if !is_id || object.as_ref().is_some_and(String::is_empty) {
        let what = format!("{:?} names no finding", finding.shown());
        file.problem(Problem::new(finding.span, what).label("write area/slug, or area/slug:object, as it is shown"));
        return None;
    }
    if let Some(because) = never(id) {
        file.problem(Problem::new(finding.span, format!("{id} can't be accepted: {because}")));
        return None;
    }
    let accept = Accept { id: id.to_owned(), object, why: why.value, line: line_of(file, &finding) };
    if id == DEAD_LETTER && accept.event().is_none() {
        let what = format!("{:?} names no event: each is accepted by itself", finding.shown());
        let label = "write '".to_owned() + DEAD_LETTER + ":event 17 …', as it is shown";
        file.problem(Problem::new(finding.span, what).label(label));
        return None;
    }
    Some((finding, accept))
}

fn line_of(file: &PlanFile<'_>, text: &Text) -> usize {
    file.text.get(..text.span.start).unwrap_or_default().matches('\n').count() + 1
}
