//! When nobody can tell what became of a cutover: said with what to look at, and nothing is tried again by itself.

use super::coordinator::Given;
use crate::error::Failure;
use crate::journal::{Record, Recorder, StoreError};
use crate::plan::Plan;

/// Blue refuses writes and green is not open yet: whoever reads this must act at once.
pub(super) const UNWRITTEN: &str = "the fence is committed, but the journal can't be written";

pub(super) fn fall_in_doubt(given: &Given<'_>, recorder: &mut Recorder, what: String) -> Failure {
    let failure = in_doubt(given.plan, &what);
    match recorder.append(Record::FellInDoubt { what }) {
        Ok(()) => failure,
        Err(e) => failure.detail(e.to_string()),
    }
}

/// The journal does not say what blue does; the next process learns it by asking blue.
pub(super) fn unwritten(given: &Given<'_>, e: &StoreError) -> Failure {
    in_doubt(given.plan, &format!("{UNWRITTEN}: {e}"))
}

/// In doubt: exact instructions, and nothing is tried again by itself.
pub fn in_doubt(plan: &Plan, what: &str) -> Failure {
    let first = if plan.is_in_place() {
        "1. Blue serves, and was never held: nothing is lost while you look.".to_owned()
    } else {
        format!(
            "1. Look at blue ({}): SELECT * FROM teal.decision;\n   a row: it was decided, green is the truth; none: it was not, blue is.",
            plan.blue.address()
        )
    };
    let instructions = format!(
        "{first}\n2. Look at what is named above; make it answer 0 (switched) or 1 (not yet).\n\
         3. Run `migrate cutover` again: it asks blue and every participant, and goes on from what they say."
    );
    Failure::in_doubt(what.to_owned())
        .detail(instructions)
        .state("in doubt; nothing more is done until a person has looked")
        .hint("migrate status, then the three steps above")
}
