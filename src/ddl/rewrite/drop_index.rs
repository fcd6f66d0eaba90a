//! DROP INDEX, concurrently, one by one.

use super::{Apply, Bit, Case, How, Left, Outcome, Rewrite};
use crate::ddl::name::spelled_name;
use crate::ddl::read::{DropWhat, Reading};

pub(super) const REWRITES: &[Rewrite] = &[Rewrite {
    id: "drop-index",
    when: "DROP INDEX",
    why: "dropped concurrently, it keeps nobody waiting",
    halfway: "the first ones are gone",
    setup: super::index::TOKENS,
    example: "DROP INDEX IF EXISTS token_client, token_gone;",
    apply: Apply::Statement(drop),
}];

fn drop(case: &Case<'_>) -> Option<Outcome> {
    let Reading::Drop(drop) = case.reading else { return None };
    if drop.what != DropWhat::Index || drop.concurrently {
        return None;
    }
    let table = |name| case.known.index(name).map(|index| index.table.clone());
    if drop.names.iter().all(|name| table(name).is_some_and(|table| case.known.is_new(&table))) {
        return None;
    }
    if drop.cascade {
        let why = "DROP INDEX CONCURRENTLY takes no CASCADE";
        return Outcome::refused("drop-index-blocks", why, "drop what depends on it by name, then the index");
    }
    let partitioned = |name| {
        let known = table(name).and_then(|table| case.known.table_at(&table).map(|table| table.partitioned));
        known == Some(true)
    };
    if drop.names.iter().any(partitioned) {
        let why = "the index of a partitioned table can't be dropped concurrently";
        return Outcome::refused("drop-index-blocks", why, "drop it at a quiet time, under a short lock_timeout");
    }
    let exists = if drop.if_exists { "IF EXISTS " } else { "" };
    let step = |name| {
        let sql = format!("DROP INDEX CONCURRENTLY {exists}{}", spelled_name(name));
        Bit::step(sql, How::Concurrent { leaves: Some(Left::Dropping(case.name(name))) })
    };
    Outcome::of(drop.names.iter().map(step).collect())
}
