//! RENAME and DROP: nobody waits long for them, but clients that know the old name fail.

use std::ops::Range;

use super::{Apply, Case, Outcome, Rewrite};
use crate::ddl::read::{AlterCommand, DropWhat, Reading};

pub(super) const REWRITES: &[Rewrite] = &[
    Rewrite {
        id: "contract-statement",
        when: "DROP TABLE, VIEW, TYPE, …; TRUNCATE; ALTER VIEW … RENAME",
        why: "a contract step: no form of it is safe while clients still use what it takes away",
        halfway: "",
        setup: super::index::TOKENS,
        example: "DROP TABLE token;",
        apply: Apply::Statement(statement),
    },
    Rewrite {
        id: "contract-command",
        when: "ALTER TABLE … DROP COLUMN, RENAME, SET SCHEMA",
        why: "a contract step: no form of it is safe while clients still use what it takes away",
        halfway: "",
        setup: super::index::TOKENS,
        example: "ALTER TABLE token RENAME COLUMN subject TO topic;",
        apply: Apply::Command(command),
    },
];

const RENAME: &str = "a contract step: clients know the old name. Deploy first what knows both, or keep a view of the old \
                      name over the new table in the same transaction";
const DROP: &str = "a contract step: first deploy what names it no more, everywhere, then run this";

fn statement(case: &Case<'_>) -> Option<Outcome> {
    match case.reading {
        Reading::Drop(drop) if drop.what != DropWhat::Index => {
            if drop.names.iter().all(|name| case.is_new(name)) {
                return None;
            }
            let cascade = if drop.cascade { "; CASCADE takes along whatever depends on it" } else { "" };
            Outcome::advice(format!("{DROP}{cascade}"))
        }
        Reading::Truncate { tables, .. } if !tables.iter().all(|table| case.is_new(table)) => {
            Outcome::advice("all rows are gone in a moment, also for those who still read them")
        }
        Reading::RenameType(_) => Outcome::advice(RENAME),
        Reading::Alter(alter) if !matches!(alter.what, "TABLE" | "INDEX") => {
            let renames =
                alter.commands.iter().any(|(c, _)| matches!(c, AlterCommand::Rename(_) | AlterCommand::SetSchema(_)));
            if renames { Outcome::advice(RENAME) } else { None }
        }
        _ => None,
    }
}

fn command(case: &Case<'_>, command: &AlterCommand, _: &Range<usize>) -> Option<Outcome> {
    if case.is_new(case.table()?) {
        return None;
    }
    match command {
        AlterCommand::Rename(_) | AlterCommand::RenameColumn { .. } | AlterCommand::SetSchema(_) => {
            Outcome::advice(RENAME)
        }
        AlterCommand::DropColumn { cascade, .. } => {
            let cascade = if *cascade { "; CASCADE takes along whatever depends on it" } else { "" };
            Outcome::advice(format!("{DROP}{cascade}"))
        }
        _ => None,
    }
}
