//! What was judged from a statement's text, held against what it did.

use std::ops::Range;

use super::chain::Step;
use super::witness::{Change, Seen, SeenRelation};
use crate::ddl::assess::Judgement;
use crate::ddl::known::Relation;
use crate::ddl::lint::Found;
use crate::ddl::lock::LockMode;
use crate::ddl::read::Reading;
use crate::ddl::rule::rule;

/// How many of several things are named.
const NAMED: usize = 4;

/// Findings that the text alone can't decide, and that a trace without rewrite or scan refutes.
const REFUTABLE: [&str; 3] = ["add-column-rewrites", "type-rewrites", "set-not-null-scans"];
/// Findings which say that the statement reaches further than its text.
const OPEN: [&str; 3] = ["cascade-reach", "composite-reach", "domain-scans"];
/// Findings which say that the text was not understood.
const BLIND: [&str; 2] = ["dynamic-sql", "not-understood"];

/// Takes the truth about one statement into `found`, which holds what the text alone has shown: doubts that the truth
/// settles go, what it adds comes, and where it is worse than the judgement, that is found as well.
/// `place` gives the byte of a server's position in the statement.
pub fn confront(
    found: &mut Vec<Found>,
    span: &Range<usize>,
    (reading, judgement): (&Reading, &Judgement),
    step: &Step,
    place: impl Fn(usize) -> usize,
) {
    let mut add = |id: &str, span: Range<usize>, what: String| {
        found.extend(rule(id).map(|rule| Found::new(rule, span, what)));
    };
    let seen = match step {
        Step::Seen(seen) => seen,
        Step::Unseen(what) => return add("trace-unseen", span.clone(), format!("{what} runs outside of transactions")),
        Step::Failed { what, position } => {
            let at = position.map_or(span.start, place).min(span.end);
            return add("trace-failed", at..span.end, what.clone());
        }
        Step::NotReached => return,
    };
    let blind = matches!(reading, Reading::Dynamic(_) | Reading::Unknown);
    if blind {
        match &seen.doubt {
            Some(doubt) => {
                for one in found.iter_mut().filter(|one| BLIND.contains(&one.rule.id)) {
                    one.what = format!("{}; the trace can't tell either: {doubt}", one.what);
                }
            }
            None => found.retain(|one| !BLIND.contains(&one.rule.id)),
        }
        return reveal(found, span, seen, &[]);
    }
    let heavy = seen.relations.iter().any(|one| one.rewrite || one.scan);
    if !heavy {
        found.retain(|one| !REFUTABLE.contains(&one.rule.id) || !one.what.contains(" may "));
    }
    let open = judgement.hazards.iter().any(|hazard| OPEN.contains(&hazard.rule));
    if open {
        let judged: Vec<&Relation> = judgement.touches.iter().map(|touch| &touch.relation).collect();
        return reveal(found, span, seen, &judged);
    }
    for (one, why) in seen.relations.iter().filter_map(|one| Some((one, milder(judgement, one)?))) {
        let what = format!("the server {} {}: the judgement {why}", deed(one), plain(&one.relation));
        found.extend(rule("trace-contradicts").map(|rule| Found::new(rule, span.clone(), what)));
    }
}

/// What a statement does that its text doesn't say; relations in `judged` have been spoken of.
fn reveal(found: &mut Vec<Found>, span: &Range<usize>, seen: &Seen, judged: &[&Relation]) {
    let mut add = |id: &str, what: String| {
        found.extend(rule(id).map(|rule| Found::new(rule, span.clone(), what)));
    };
    for one in seen.relations.iter().filter(|one| !judged.contains(&&one.relation)) {
        let blocks = one.mode.is_some_and(LockMode::blocks_writes);
        if blocks && (one.rewrite || one.scan) {
            add("traced-blocks", format!("it {} {}", deed(one), plain(&one.relation)));
        } else if one.scan && one.mode == Some(LockMode::RowExclusive) {
            add("whole-table-write", format!("it reads {} whole and writes to it", plain(&one.relation)));
        }
    }
    for change in &seen.changes {
        let gone = |what: String| ("drop-breaks-clients", format!("{what} is gone for clients that still name it"));
        let (id, what) = match change {
            Change::Dropped(relation) | Change::ColumnDropped(relation, _) if judged.contains(&relation) => continue,
            Change::Dropped(relation) => gone(plain(relation)),
            Change::ColumnDropped(relation, column) => gone(format!("column {column} of {}", plain(relation))),
            Change::Renamed(from, to) => ("rename-breaks-clients", format!("{} becomes {}", plain(from), plain(to))),
            Change::ColumnRenamed(relation, from, to) => {
                ("rename-breaks-clients", format!("{}.{from} becomes {to}", plain(relation)))
            }
            Change::Required(relation, column) => {
                ("required-column", format!("{}.{column} must be given from now on", plain(relation)))
            }
            Change::Retyped(..) | Change::ColumnAdded(..) => continue,
        };
        add(id, what);
    }
    let strong = seen.relations.iter().filter(|one| one.mode > Some(LockMode::ShareUpdateExclusive));
    let locks: Vec<String> =
        strong.filter_map(|one| Some(format!("{} on {}", one.mode?, plain(&one.relation)))).collect();
    let said = [("ran", &seen.ran), ("took along", &seen.took_along), ("locked", &locks)];
    let said: Vec<String> =
        said.iter().filter(|(_, what)| !what.is_empty()).map(|(verb, what)| format!("{verb} {}", some(what))).collect();
    if !said.is_empty() {
        add("traced", format!("on a shadow of the database it {}", said.join("; ")));
    }
}

fn some(all: &[String]) -> String {
    let first = all.iter().take(NAMED).cloned().collect::<Vec<_>>().join(", ");
    match all.len().saturating_sub(NAMED) {
        0 => first,
        more => format!("{first} and {more} more"),
    }
}

/// What the judgement lacks of what was seen. Locks that disturb nobody are passed over, and so are scans that nobody
/// waits for.
fn milder(judgement: &Judgement, seen: &SeenRelation) -> Option<String> {
    let quiet = seen.mode <= Some(LockMode::ShareUpdateExclusive) && !seen.rewrite;
    if quiet {
        return None;
    }
    let Some(judged) = judgement.touches.iter().find(|touch| touch.relation == seen.relation) else {
        return Some("has nothing of it".to_owned());
    };
    if seen.mode > Some(judged.mode) {
        return Some(format!("has {}", judged.mode));
    }
    // What is written anew is read as well.
    let scans = seen.scan && seen.mode.is_some_and(LockMode::blocks_writes) && !judged.scan && !judged.rewrite;
    match (seen.rewrite && !judged.rewrite, scans) {
        (true, _) => Some("has no rewrite".to_owned()),
        (_, true) => Some("has no scan".to_owned()),
        _ => None,
    }
}

fn deed(one: &SeenRelation) -> String {
    let mode = one.mode.map(|mode| format!("takes {mode} and ")).unwrap_or_default();
    match (one.rewrite, one.scan) {
        (true, _) => format!("{mode}writes anew"),
        (_, true) => format!("{mode}reads all rows of"),
        _ => format!("takes {} on", one.mode.map_or("a lock", LockMode::words)),
    }
}

fn plain(relation: &Relation) -> String {
    format!("{}.{}", relation.0, relation.1)
}
