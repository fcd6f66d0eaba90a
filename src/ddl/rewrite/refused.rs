//! What has no safe form.

use std::ops::Range;

use super::{Apply, Case, Outcome, Rewrite};
use crate::ddl::read::{AlterCommand, ConstraintKind, Reading};

pub(super) const REWRITES: &[Rewrite] = &[
    Rewrite {
        id: "no-safe-statement",
        when: "VACUUM FULL, CLUSTER, DO, CALL, SELECT of a function, and what is not understood",
        why: "it has no safe form, or can't be looked into: it is as written and has to be accepted",
        halfway: "",
        setup: super::index::TOKENS,
        example: "VACUUM FULL token;",
        apply: Apply::Statement(statement),
    },
    Rewrite {
        id: "no-safe-command",
        when: "ADD EXCLUDE, stored generated columns, SET LOGGED and the like",
        why: "it has no safe form that ends the same: it is as written and has to be accepted",
        halfway: "",
        setup: super::index::TOKENS,
        example: "ALTER TABLE token SET UNLOGGED;",
        apply: Apply::Command(command),
    },
];

fn statement(case: &Case<'_>) -> Option<Outcome> {
    let own = "do it at a quiet time";
    match case.reading {
        Reading::Vacuum { full: true, .. } => Outcome::refused(
            "vacuum-full-rewrites",
            "the table is written anew while nobody can read or write it",
            "plain VACUUM; pg_repack where the space is needed back",
        ),
        Reading::Cluster(table) => {
            if table.as_ref().is_some_and(|table| case.is_new(table)) {
                return None;
            }
            Outcome::refused(
                "cluster-rewrites",
                "the table is written anew while nobody can read or write it",
                "pg_repack, or a partitioned table",
            )
        }
        Reading::AlterComposite(_) => Outcome::refused(
            "composite-reach",
            "every table with a column of the type is locked and may be written anew",
            own,
        ),
        Reading::Lock { tables, mode } => {
            let strong = crate::ddl::lock::LockMode::named(mode).is_none_or(crate::ddl::lock::LockMode::blocks_writes);
            if !strong || tables.iter().all(|table| case.is_new(table)) {
                return None;
            }
            Outcome::refused("explicit-lock", "others wait until its transaction ends", "leave LOCK TABLE out")
        }
        Reading::CreateTable(create) => {
            let parent = create.partition_of.as_ref().filter(|parent| !case.is_new(parent))?;
            case.known.table(parent)?.default_partition.as_ref()?;
            Outcome::refused(
                "default-partition-scans",
                "every row of the default partition is read while nobody can use the table",
                "make the table by itself (LIKE), then ATTACH it: that has a safe form",
            )
        }
        Reading::Dynamic(verb) => Outcome::refused(
            "dynamic-sql",
            format!("what {verb} runs does not stand in its text"),
            "write the statements that it runs",
        ),
        Reading::Unknown => {
            Outcome::refused("not-understood", "this reader does not know the statement", "look at what it does")
        }
        _ => None,
    }
}

fn command(case: &Case<'_>, command: &AlterCommand, _: &Range<usize>) -> Option<Outcome> {
    let table = case.table()?;
    if case.is_new(table) {
        return None;
    }
    let quiet = "do it at a quiet time";
    match command {
        AlterCommand::AddConstraint(added) if added.kind == ConstraintKind::Exclude => Outcome::refused(
            "exclusion-builds-index",
            "an exclusion constraint takes over no index: its own is built under the lock",
            quiet,
        ),
        AlterCommand::SetExpression(_) => {
            Outcome::refused("generated-rewrites", "every row is computed anew under the lock", quiet)
        }
        AlterCommand::Rewrite(what) => {
            Outcome::refused("set-rewrites", format!("{what} writes the table anew under the lock"), quiet)
        }
        AlterCommand::SetTablespace => {
            Outcome::refused("set-rewrites", "the table's files are copied under the lock", "pg_repack can move it")
        }
        _ => None,
    }
}
