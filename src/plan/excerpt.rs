//! What is wrong with a plan file, shown on its own lines.

use std::ops::Range;

use annotate_snippets::{AnnotationKind, Group, Level, Origin, Renderer, Snippet};

use super::secret::Masks;
use super::units::UNSET;
use crate::error::Failure;

/// One thing that is wrong, and where.
#[derive(Debug)]
pub(super) struct Problem {
    /// Bytes of the raw file.
    pub(super) span: Range<usize>,
    /// What is wrong, one line, no secret.
    pub(super) what: String,
    /// Shown beside the underline: ``did you mean `blue`?``.
    pub(super) label: Option<String>,
}

impl Problem {
    /// Something wrong at `span`.
    pub(super) fn new(span: Range<usize>, what: impl Into<String>) -> Self {
        Self { span, what: what.into(), label: None }
    }

    /// Says beside the underline how to put it right.
    pub(super) fn label(mut self, label: impl Into<String>) -> Self {
        self.label = Some(label.into());
        self
    }
}

/// A usage failure about all `problems`: the first in `what`, each with its source line in `detail`.
pub(super) fn failure(path: &str, text: &str, masks: &Masks, mut problems: Vec<Problem>) -> Failure {
    problems.sort_by_key(|problem| problem.span.start);
    // A variable that is not set is one thing to put right, however often it is used.
    let mut seen = std::collections::BTreeSet::new();
    problems.retain(|problem| !problem.what.starts_with(UNSET) || seen.insert(problem.what.clone()));
    let what = match problems.as_slice() {
        [] => format!("{path}: not a plan"),
        [first, rest @ ..] => {
            let (line, column) = position(text, first.span.start);
            let more = if rest.is_empty() { String::new() } else { format!(" (and {} more)", rest.len()) };
            format!("{path}:{line}:{column}: {}{more}", first.what)
        }
    };
    let excerpts: Vec<String> =
        problems.iter().enumerate().map(|(n, problem)| excerpt(path, text, masks, problem, n > 0)).collect();
    let failure = Failure::usage(what).detail(excerpts.join("\n\n"));
    match problems.first() {
        Some(first) if first.what.starts_with(UNSET) => failure.hint(
            "export it, then run the same command again; `migrate rehearse PLAN --from DUMP` needs no database of the plan",
        ),
        _ => failure,
    }
}

/// The first problem's message is the failure's own; the others carry theirs as a title.
fn excerpt(path: &str, text: &str, masks: &Masks, problem: &Problem, titled: bool) -> String {
    let line = Line::around(text, masks, &problem.span);
    let (row, column) = position(text, problem.span.start);
    let mut annotation = AnnotationKind::Primary.span(line.span);
    if let Some(label) = &problem.label {
        annotation = annotation.label(label.as_str());
    }
    let group = if titled {
        Group::with_title(Level::ERROR.primary_title(problem.what.as_str()))
    } else {
        Group::with_level(Level::ERROR)
    };
    // The column is the raw file's: before a masked value it differs from the shown line's.
    let group = group
        .element(Origin::path(path).line(row).char_column(column))
        .element(Snippet::source(line.shown).line_start(line.number).annotation(annotation));
    // An origin of our own makes the renderer announce the snippet as from another place, with an empty `:::` line.
    let rendered = Renderer::plain().render(&[group]);
    rendered.lines().filter(|line| line.trim() != ":::").collect::<Vec<_>>().join("\n")
}

/// Line and column of a byte, both from 1, the column in characters.
fn position(text: &str, at: usize) -> (usize, usize) {
    let before = text.get(..at).unwrap_or(text);
    let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
    (before.matches('\n').count() + 1, before.get(line_start..).unwrap_or_default().chars().count() + 1)
}

/// One line as it may be shown. A masked value of several lines is one line here.
struct Line {
    number: usize,
    shown: String,
    span: Range<usize>,
}

impl Line {
    fn around(text: &str, masks: &Masks, span: &Range<usize>) -> Self {
        let (mut start, mut end) = (line_start(text, span.start), line_end(text, span.start));
        for (mask, _) in masks.within(start..end) {
            start = start.min(line_start(text, mask.start));
        }
        for (mask, _) in masks.within(start..end) {
            end = end.max(line_end(text, mask.end));
        }
        let mut shown = String::new();
        let (mut from, mut to) = (None, None);
        let mut at = start;
        for (mask, stand_in) in masks.within(start..end) {
            shown.push_str(text.get(at..mask.start).unwrap_or_default());
            let (before, after) = (shown.len(), shown.len() + stand_in.len());
            if mask.start <= span.start && span.start < mask.end {
                from = Some(before);
            } else if span.start < mask.start {
                from.get_or_insert(before - (mask.start - span.start).min(before));
            }
            if mask.start < span.end && span.end <= mask.end {
                to = Some(after);
            } else if span.end <= mask.start {
                to.get_or_insert(before - (mask.start - span.end).min(before));
            }
            shown.push_str(stand_in);
            at = mask.end;
        }
        let last = shown.len();
        shown.push_str(text.get(at..end).unwrap_or_default());
        let shown = shown.replace('\n', " ");
        let from = from.unwrap_or(last + span.start.saturating_sub(at)).min(shown.len());
        let to = to.unwrap_or(last + span.end.saturating_sub(at)).clamp(from, shown.len());
        Self { number: position(text, start).0, shown, span: from..to }
    }
}

fn line_start(text: &str, at: usize) -> usize {
    text.get(..at).and_then(|before| before.rfind('\n')).map_or(0, |newline| newline + 1)
}

fn line_end(text: &str, at: usize) -> usize {
    text.get(at..).and_then(|after| after.find('\n')).map_or(text.len(), |newline| at + newline)
}
