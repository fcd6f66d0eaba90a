//! SET NOT NULL without reading the table under its lock.

use std::ops::Range;

use super::{Apply, Bit, Case, How, Outcome, Rewrite};
use crate::ddl::name::{made_name, spelled};
use crate::ddl::read::{AlterCommand, ConstraintKind, Written};
use crate::postgres::Ident;

pub(super) const REWRITES: &[Rewrite] = &[Rewrite {
    id: "not-null",
    when: "ALTER COLUMN … SET NOT NULL",
    why: "a validated CHECK proves that there is no NULL, so that SET NOT NULL reads no row (since 12); from 18 on, NOT NULL itself can be NOT VALID",
    halfway: "the check is there: NULLs are refused already",
    setup: super::index::TOKENS,
    example: "ALTER TABLE token ALTER COLUMN client_id SET NOT NULL, ALTER subject SET NOT NULL;",
    apply: Apply::Command(set),
}];

fn set(case: &Case<'_>, command: &AlterCommand, _: &Range<usize>) -> Option<Outcome> {
    let (column, name) = match command {
        AlterCommand::SetNotNull(column) => (column, None),
        AlterCommand::AddConstraint(added) if !added.not_valid => match &added.kind {
            ConstraintKind::NotNull(column) => (column, added.name.clone()),
            _ => return None,
        },
        _ => return None,
    };
    let table = case.table()?;
    if case.is_new(table) || case.known.proves_not_null(table, &column.0) {
        return None;
    }
    Outcome::of(bits(case, table, column, name))
}

/// From a column that may hold NULL to one that refuses it.
pub(super) fn bits(case: &Case<'_>, table: &Written, column: &Ident, name: Option<Ident>) -> Vec<Bit> {
    let relation = case.known.relation(table);
    let shown = spelled(column);
    if case.version >= 18 {
        let name = name.unwrap_or_else(|| Ident::new(case.known.chosen_name(&relation, &column.0, "not_null")));
        let name = spelled(&name);
        return vec![
            Bit::Command(format!("ADD CONSTRAINT {name} NOT NULL {shown} NOT VALID")),
            Bit::Alone(format!("VALIDATE CONSTRAINT {name}"), How::Long),
        ];
    }
    let check = spelled(&Ident::new(made_name(&relation.1, &column.0, "teal_not_null")));
    vec![
        Bit::Command(format!("ADD CONSTRAINT {check} CHECK ({shown} IS NOT NULL) NOT VALID")),
        Bit::Alone(format!("VALIDATE CONSTRAINT {check}"), How::Long),
        // Not in one ALTER TABLE: that drops first, and then has to read the table after all.
        Bit::Alone(format!("ALTER COLUMN {shown} SET NOT NULL"), How::Brief),
        Bit::Alone(format!("DROP CONSTRAINT {check}"), How::Brief),
    ]
}
