//! REFRESH MATERIALIZED VIEW, and partitions that leave.

use std::ops::Range;

use super::{Apply, Bit, Case, How, Left, Outcome, Rewrite};
use crate::ddl::name::{spelled, spelled_name};
use crate::ddl::read::{AlterCommand, Cursor, Reading};
use crate::postgres::Ident;

pub(super) const REWRITES: &[Rewrite] = &[
    Rewrite {
        id: "refresh",
        when: "REFRESH MATERIALIZED VIEW of a view with a unique index",
        why: "refreshed concurrently, it keeps no reader waiting",
        halfway: "",
        setup: "CREATE TABLE token (id int PRIMARY KEY, used int);\nINSERT INTO token SELECT n, n FROM generate_series(1, 50) n;\nCREATE MATERIALIZED VIEW usage AS SELECT id, used FROM token;\nCREATE UNIQUE INDEX usage_id ON usage (id);",
        example: "REFRESH MATERIALIZED VIEW usage;",
        apply: Apply::Statement(refresh),
    },
    Rewrite {
        id: "detach",
        when: "ALTER TABLE … DETACH PARTITION",
        why: "detached concurrently, it keeps nobody waiting; the check that this leaves on the partition is dropped",
        halfway: "the partition is detached and still has a check that says its bounds",
        setup: super::attach::YEARS,
        example: "ALTER TABLE year DETACH PARTITION year_2024;",
        apply: Apply::Command(detach),
    },
];

fn refresh(case: &Case<'_>) -> Option<Outcome> {
    let Reading::Refresh { view, concurrently: false } = case.reading else { return None };
    if case.is_new(view) {
        return None;
    }
    let mut cursor = Cursor::new(case.text)?;
    cursor.expect(&["REFRESH", "MATERIALIZED", "VIEW"])?;
    let at = cursor.taken_to();
    if cursor.words().windows(3).any(|words| words == ["with", "no", "data"]) {
        let why = "WITH NO DATA takes the rows away from its readers";
        return Outcome::refused("refresh-blocks-reads", why, "drop the view once nobody reads it");
    }
    let relation = case.known.relation(view);
    if !case.known.indexes_of(&relation).any(|(_, index)| index.unique && index.plain && !index.partial) {
        return Outcome::refused(
            "refresh-blocks-reads",
            "no unique index on plain columns of the view is known, and CONCURRENTLY needs one",
            "make one (CREATE UNIQUE INDEX CONCURRENTLY), or give a --schema in which it is",
        );
    }
    let sql = format!("{} CONCURRENTLY{}", case.text.get(..at)?, case.text.get(at..)?);
    Outcome::of(vec![Bit::step(sql, How::Long)])
}

fn detach(case: &Case<'_>, command: &AlterCommand, span: &Range<usize>) -> Option<Outcome> {
    let AlterCommand::Detach { partition, concurrently: false } = command else { return None };
    let table = case.table()?;
    if case.is_new(table) || case.is_new(partition) {
        return None;
    }
    let refuse = |why: &str, instead: &str| Outcome::refused("detach-blocks", why, instead);
    let Some((parent, part)) = case.known.table(table).zip(case.known.table(partition)) else {
        return refuse(
            "neither the bounds nor the checks of the partition are known here, and a concurrent detach leaves a check behind",
            "give a --schema in which both tables are",
        );
    };
    if parent.default_partition.is_some() {
        return refuse("beside a default partition nothing can be detached concurrently", "do it at a quiet time");
    }
    let Some(key) = parent.partition_key.as_ref().filter(|_| part.made_in.is_some()) else {
        return refuse("what its rows are divided by is not known here", "give a --schema in which the table is");
    };
    // The server names the check that it adds as any other (`DetachAddConstraintIfNeeded`).
    let column = match key.columns.as_slice() {
        [column] => column.0.as_str(),
        _ => "",
    };
    let check = Ident::new(case.known.chosen_name(&case.known.relation(partition), column, "check"));
    let leaves = Some(Left::Detaching { parent: case.name(table), partition: case.name(partition) });
    let drop = format!("ALTER TABLE {} DROP CONSTRAINT IF EXISTS {}", spelled_name(partition), spelled(&check));
    Outcome::of(vec![
        Bit::Alone(format!("{} CONCURRENTLY", case.words(span)), How::Concurrent { leaves }),
        Bit::brief(drop),
    ])
}
