//! FOREIGN KEY: not valid at first, validated afterwards.

use std::ops::Range;

use super::{Apply, Bit, Case, How, Outcome, Rewrite};
use crate::ddl::name::{columns_part, spelled};
use crate::ddl::read::{AlterCommand, ConstraintKind};
use crate::postgres::Ident;

pub(super) const REWRITES: &[Rewrite] = &[Rewrite {
    id: "foreign-key",
    when: "ADD FOREIGN KEY",
    why: "added NOT VALID it holds for what is written from now on; VALIDATE looks at the old rows while writers of both tables go on",
    halfway: "the key is there NOT VALID",
    setup: super::index::TOKENS,
    example: "ALTER TABLE token ADD FOREIGN KEY (client_id) REFERENCES client (id) ON DELETE CASCADE;",
    apply: Apply::Command(add),
}];

fn add(case: &Case<'_>, command: &AlterCommand, span: &Range<usize>) -> Option<Outcome> {
    let AlterCommand::AddConstraint(added) = command else { return None };
    let ConstraintKind::ForeignKey { columns, .. } = &added.kind else { return None };
    let table = case.table()?;
    if added.not_valid || case.is_new(table) {
        return None;
    }
    let columns: Vec<String> = columns.iter().map(|column| column.0.clone()).collect();
    let name = added.name.clone().unwrap_or_else(|| {
        Ident::new(case.known.chosen_name(&case.known.relation(table), &columns_part(&columns), "fkey"))
    });
    if case.is_partitioned(table) {
        return super::partition_key::foreign_key(case, table, &name, case.words(&added.definition));
    }
    Outcome::of(not_valid(case.words(span), added.name.is_none().then_some(&name), &name))
}

/// `ADD …` with its name and NOT VALID, and its VALIDATE.
pub(super) fn not_valid(add: &str, missing: Option<&Ident>, name: &Ident) -> Vec<Bit> {
    let add = match missing {
        Some(name) => {
            let rest = add.get(3..).unwrap_or_default().trim_start();
            format!("ADD CONSTRAINT {} {rest}", spelled(name))
        }
        None => add.to_owned(),
    };
    vec![
        Bit::Command(format!("{add} NOT VALID")),
        Bit::Alone(format!("VALIDATE CONSTRAINT {}", spelled(name)), How::Long),
    ]
}
