//! Comparing the answers of a check's sides, in constant memory.

use std::collections::BTreeMap;

use super::check::CheckOutcome;
use super::sorted::{Groups, Row, merge};
use super::{Answer, sides_of};
use crate::error::{Context, Failure, Result};
use crate::plan::{Check, Expect};

/// Rows shown of those that differ.
const EXAMPLES: usize = 5;
/// The most characters shown of one row.
const EXAMPLE_LENGTH: usize = 200;

/// Whether the answers of a check's sides are what it expects.
///
/// Fails where a side's answer is missing or can't be read; a check that does not hold is an outcome.
pub fn compare(check: &Check, answers: &BTreeMap<String, Answer>) -> Result<CheckOutcome> {
    judge(check, answers).with_context(|| format!("check {}", check.name))
}

fn judge(check: &Check, answers: &BTreeMap<String, Answer>) -> Result<CheckOutcome> {
    let sides: Vec<(String, &Answer)> = sides_of(check)
        .into_iter()
        .map(|(side, _)| answer_of(answers, &side).map(|answer| (side, answer)))
        .collect::<Result<_>>()?;
    let verdict = match &check.expect {
        Expect::Equal => equal(&sides)?,
        Expect::Within(fraction) => within(&sides, *fraction)?,
        Expect::Empty => empty(&sides)?,
        Expect::In { rows_of, found_in } => {
            included((rows_of, answer_of(answers, rows_of)?), (found_in, answer_of(answers, found_in)?))?
        }
    };
    Ok(CheckOutcome {
        name: check.name.clone(),
        passed: verdict.passed,
        summary: verdict.summary,
        examples: verdict.examples,
        rows: sides.into_iter().map(|(side, answer)| (side, answer.rows)).collect(),
    })
}

struct Verdict {
    passed: bool,
    summary: String,
    examples: Vec<String>,
}

impl Verdict {
    fn new(passed: bool, summary: String) -> Self {
        Self { passed, summary, examples: Vec::new() }
    }
}

fn answer_of<'a>(answers: &'a BTreeMap<String, Answer>, side: &str) -> Result<&'a Answer> {
    answers.get(side).ok_or_else(|| Failure::failed(format!("{side} has not been asked")))
}

/// The same rows as often: every side against the first.
fn equal(sides: &[(String, &Answer)]) -> Result<Verdict> {
    let Some(((first, expected), others)) = sides.split_first().filter(|(_, others)| !others.is_empty()) else {
        return Err(Failure::usage("\"equal\" needs two sides"));
    };
    let mut differences = Vec::new();
    let mut examples = Vec::new();
    for (side, answer) in others {
        let (mut only_first, mut only_side) = (0, 0);
        merge(expected, answer, |row, ours, theirs| {
            only_first += ours.saturating_sub(theirs);
            only_side += theirs.saturating_sub(ours);
            if ours != theirs {
                show(&mut examples, row, if ours > theirs { first } else { side });
            }
        })?;
        let counts = [(first, only_first), (side, only_side)];
        differences.extend(counts.iter().filter(|c| c.1 > 0).map(|(on, n)| format!("{} only on {on}", rows(*n))));
    }
    let values: Vec<Option<String>> = sides.iter().map(|(_, answer)| only_value(answer)).collect::<Result<_>>()?;
    let values: Option<Vec<String>> = values.into_iter().collect();
    Ok(match (differences.is_empty(), values) {
        (true, Some(values)) => Verdict::new(true, values.join(" = ")),
        (true, None) => Verdict::new(true, format!("{} on each side, all the same", rows(expected.rows))),
        (false, Some(values)) => {
            let named = sides.iter().zip(values).map(|((side, _), value)| format!("{value} on {side}"));
            Verdict::new(false, named.collect::<Vec<_>>().join(", "))
        }
        (false, None) => Verdict { passed: false, summary: differences.join(", "), examples },
    })
}

/// One number each; the one within a fraction of the other, which is blue's where blue takes part.
fn within(sides: &[(String, &Answer)], fraction: f64) -> Result<Verdict> {
    let [first, second] = sides else {
        return Err(Failure::usage("\"within\" needs two sides"));
    };
    let (base, other) = if second.0 == "blue" { (second, first) } else { (first, second) };
    let mut numbers = Vec::new();
    for (name, answer) in [base, other] {
        match only_value(answer)? {
            Some(text) if number(&text).is_some() => numbers.push(text),
            Some(text) => return Ok(Verdict::new(false, format!("{name} gave {text}, not a number"))),
            None => return Ok(Verdict::new(false, format!("{name} gave {}, not one number", rows(answer.rows)))),
        }
    }
    let [from, to] = numbers.as_slice() else { return Err(Failure::failed("two numbers expected")) };
    let (change, whole) = distance(from, to);
    let passed = change.abs() <= whole.abs() * fraction;
    let percent = if whole == 0.0 { String::new() } else { format!("{:+.2}%, ", change / whole.abs() * 100.0) };
    let allowed = format!("{percent}allowed ±{}%", fraction * 100.0);
    Ok(Verdict::new(passed, format!("{from} on {}, {to} on {} ({allowed})", base.0, other.0)))
}

/// The change from one number to the other, and the first; exact for whole numbers however large.
fn distance(from: &str, to: &str) -> (f64, f64) {
    let whole = number(from).unwrap_or(f64::NAN);
    let exact = match (from.parse::<i128>(), to.parse::<i128>()) {
        (Ok(a), Ok(b)) => b.checked_sub(a),
        _ => None,
    };
    match exact {
        Some(change) => (change as f64, whole),
        None => (number(to).unwrap_or(f64::NAN) - whole, whole),
    }
}

/// NaN and infinities are no numbers here: nothing is within a fraction of them.
fn number(text: &str) -> Option<f64> {
    text.trim().parse::<f64>().ok().filter(|n| n.is_finite())
}

fn empty(sides: &[(String, &Answer)]) -> Result<Verdict> {
    let mut examples = Vec::new();
    let mut full = Vec::new();
    for (side, answer) in sides.iter().filter(|(_, answer)| answer.rows > 0) {
        full.push(format!("{} on {side}", rows(answer.rows)));
        let mut groups = Groups::open(answer)?;
        while examples.len() < EXAMPLES
            && let Some((row, _)) = groups.next()?
        {
            show(&mut examples, &row, side);
        }
    }
    let summary = if full.is_empty() { "no row".to_owned() } else { format!("{}, none expected", full.join(", ")) };
    Ok(Verdict { passed: full.is_empty(), summary, examples })
}

fn included((of, rows_of): (&str, &Answer), (within, found_in): (&str, &Answer)) -> Result<Verdict> {
    let (mut missing, mut distinct) = (0, 0);
    let mut examples = Vec::new();
    merge(rows_of, found_in, |row, ours, theirs| {
        distinct += u64::from(ours > 0);
        if ours > 0 && theirs == 0 {
            missing += 1;
            show(&mut examples, row, of);
        }
    })?;
    let summary = if missing == 0 {
        format!("{} of {of}, all found in {within}", rows(distinct))
    } else {
        format!("{missing} of {} of {of} not found in {within}", rows(distinct))
    };
    Ok(Verdict { passed: missing == 0, summary, examples })
}

/// The text of the only row; none where there are none or several.
fn only_value(answer: &Answer) -> Result<Option<String>> {
    if answer.rows != 1 {
        return Ok(None);
    }
    Ok(Groups::open(answer)?.next()?.map(|(row, _)| shown(&row)))
}

fn show(examples: &mut Vec<String>, row: &Row, side: &str) {
    if examples.len() < EXAMPLES {
        examples.push(format!("{side}: {}", shown(row)));
    }
}

/// For people: control characters escaped, long rows cut.
fn shown(row: &Row) -> String {
    let Some(bytes) = row else { return "NULL".to_owned() };
    let text = String::from_utf8_lossy(bytes);
    let mut shown: String = text.chars().take(EXAMPLE_LENGTH).flat_map(printable).collect();
    if text.chars().nth(EXAMPLE_LENGTH).is_some() {
        shown.push('…');
    }
    shown
}

fn printable(c: char) -> impl Iterator<Item = char> {
    let (plain, escaped) = if c.is_control() { (None, Some(c.escape_default())) } else { (Some(c), None) };
    plain.into_iter().chain(escaped.into_iter().flatten())
}

fn rows(count: u64) -> String {
    if count == 1 { "1 row".to_owned() } else { format!("{count} rows") }
}
