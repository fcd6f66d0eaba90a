//! Transactions around statements that can't run in one any more.

use std::ops::Range;

use super::{How, Part, Refused, SafeStep};
use crate::ddl::read::{Cursor, Reading};
use crate::ddl::sql_file::SqlFile;

const LOST: &str =
    "its transaction is taken apart: what stands before is committed when it begins, and stays if it fails";

/// Takes those transactions apart that hold what can't be in them or what would be done under their locks; says whether the
/// file as a whole can't run in one.
pub(super) fn take_apart(file: &SqlFile, in_transaction: bool, readings: &[Reading], parts: &mut [Part]) -> bool {
    for block in blocks(in_transaction, readings) {
        let inside = block.clone().filter(|at| !matches!(readings.get(*at), Some(Reading::Set { .. })));
        let several =
            inside.filter(|at| !matches!(readings.get(*at), Some(Reading::Begin | Reading::Commit))).count() > 1;
        let inner = parts.get(block.clone()).unwrap_or_default();
        let alone = |how: &How| matches!(how, How::Concurrent { .. } | How::Batches(_)) || several && *how == How::Long;
        if !inner.iter().flat_map(|part| &part.steps).any(|step| alone(&step.how)) {
            continue;
        }
        for at in block {
            let (Some(part), Some(reading)) = (parts.get_mut(at), readings.get(at)) else { continue };
            let text = file.text.get(part.span.clone()).unwrap_or_default();
            take_out(part, reading, text);
            if several && part.steps.iter().any(|step| step.how != How::Brief) {
                let lost = part.lost.take().map_or_else(|| LOST.to_owned(), |lost| format!("{lost}; {LOST}"));
                part.lost = Some(lost);
            }
        }
    }
    in_transaction && parts.iter().flat_map(|part| &part.steps).any(|step| step.how != How::Brief)
}

/// The statements of each transaction, BEGIN and COMMIT included.
fn blocks(in_transaction: bool, readings: &[Reading]) -> Vec<Range<usize>> {
    let mut blocks = Vec::new();
    let mut begun = None;
    for (at, reading) in readings.iter().enumerate() {
        match reading {
            Reading::Begin if begun.is_none() => begun = Some(at),
            Reading::Commit | Reading::Rollback => blocks.extend(begun.take().map(|begin| begin..at + 1)),
            _ => {}
        }
    }
    blocks.extend(begun.map(|begin| begin..readings.len()));
    if blocks.is_empty() && in_transaction {
        blocks.push(0..readings.len());
    }
    blocks
}

fn take_out(part: &mut Part, reading: &Reading, text: &str) {
    let refuse = |rule, why: &str, instead: &str| {
        Some(Refused { rule, why: why.to_owned(), instead: instead.to_owned(), accepted: None })
    };
    match reading {
        Reading::Begin | Reading::Commit => {
            part.steps.clear();
            "the transaction is taken apart".clone_into(&mut part.why);
        }
        Reading::Set { local: true, .. } => {
            if let Some(sql) = without_local(text) {
                part.steps = vec![SafeStep::new(sql, How::Brief)];
                "LOCAL would end with the transaction that is taken apart".clone_into(&mut part.why);
            }
        }
        Reading::Rollback | Reading::Quiet("SAVEPOINT" | "RELEASE" | "ROLLBACK TO") => {
            part.refused = refuse(
                "concurrently-in-transaction",
                "the file undoes what it did, in a transaction that has to be taken apart",
                "put what runs concurrently into a file of its own",
            );
        }
        Reading::Lock { .. } => {
            part.refused = refuse(
                "explicit-lock",
                "the lock would be gone at once: its transaction has to be taken apart",
                "leave LOCK TABLE out, or put what runs concurrently into a file of its own",
            );
        }
        _ => {}
    }
}

/// `SET LOCAL a = b` as `SET a = b`.
fn without_local(text: &str) -> Option<String> {
    let mut cursor = Cursor::new(text)?;
    cursor.expect(&["SET"])?;
    let from = cursor.offset();
    cursor.expect(&["LOCAL"])?;
    Some(format!("{}{}", text.get(..from)?, text.get(cursor.offset()..)?))
}
