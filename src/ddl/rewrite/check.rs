//! CHECK: not valid at first, validated afterwards.

use std::ops::Range;

use super::{Apply, Case, Outcome, Rewrite};
use crate::ddl::name::columns_of;
use crate::ddl::read::{AlterCommand, ConstraintKind, Written};
use crate::postgres::Ident;

pub(super) const REWRITES: &[Rewrite] = &[Rewrite {
    id: "check",
    when: "ADD CHECK",
    why: "added NOT VALID it holds for what is written from now on; VALIDATE reads the old rows while readers and writers go on",
    halfway: "the check is there NOT VALID",
    setup: super::index::TOKENS,
    example: "ALTER TABLE token ADD CHECK (used > 0), ADD CONSTRAINT named CHECK (id > 0 AND used < 100000);",
    apply: Apply::Command(add),
}];

fn add(case: &Case<'_>, command: &AlterCommand, span: &Range<usize>) -> Option<Outcome> {
    let AlterCommand::AddConstraint(added) = command else { return None };
    let ConstraintKind::Check(expression) = &added.kind else { return None };
    let table = case.table()?;
    if added.not_valid || case.is_new(table) {
        return None;
    }
    let name = match &added.name {
        Some(name) => name.clone(),
        None => match chosen(case, table, expression) {
            Some(name) => name,
            None => return nameless(),
        },
    };
    let missing = added.name.is_none().then_some(&name);
    Outcome::of(super::foreign_key::not_valid(case.words(span), missing, &name))
}

pub(super) fn nameless() -> Option<Outcome> {
    Outcome::refused(
        "check-validates",
        "a check without a name: what the server would call it can't be told here, and VALIDATE needs its name",
        "give it a name: CONSTRAINT name CHECK (…)",
    )
}

/// The name that the server gives a check: that of its column where it is about one.
pub(super) fn chosen(case: &Case<'_>, table: &Written, expression: &str) -> Option<Ident> {
    let columns = columns_of(expression)?;
    let column = match columns.as_slice() {
        [column] => column.as_str(),
        _ => "",
    };
    Some(Ident::new(case.known.chosen_name(&case.known.relation(table), column, "check")))
}
