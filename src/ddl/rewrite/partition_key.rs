//! UNIQUE, PRIMARY KEY and FOREIGN KEY of partitioned tables: on each partition by itself, then taken over.
//!
//! Asked of 15.18 and 18.4: a key made `ON ONLY` the partitioned table is INVALID until the keys of all partitions are
//! attached to it, by `ALTER INDEX … ATTACH PARTITION`; it takes no bare index, the partition needs the constraint. A valid
//! foreign key of a partition of the same form is taken over by that of the partitioned table, and no row is read again.

use super::partition_index::descend;
use super::unique::{KeyParts, chosen_key_name, index_sql};
use super::{Bit, Case, How, Left, Outcome, SafeStep};
use crate::ddl::known::Relation;
use crate::ddl::name::spelled;
use crate::ddl::read::Written;
use crate::postgres::{Ident, Name};

/// Every partition below with its parent, a partitioned one before its own; `None` where one is not known.
fn partitions(case: &Case<'_>, table: &Written) -> Option<Vec<(Relation, Relation)>> {
    let mut parts = Vec::new();
    let known = case.known.table(table)?.made_in.is_some();
    (descend(case, &case.known.relation(table), &mut parts) && known).then_some(parts)
}

fn unknown(rule: &'static str) -> Option<Outcome> {
    Outcome::refused(rule, "the partitions are not known here", "give a --schema in which they are")
}

/// As the statement would name it.
fn written(table: &Written, own: &Relation, other: &Relation) -> String {
    let object = spelled(&Ident::new(other.1.clone()));
    if table.schema.is_some() || own.0 != other.0 {
        return format!("{}.{object}", spelled(&Ident::new(other.0.clone())));
    }
    object
}

/// What lint would take for the whole of it: the partitions have it already, or nothing is built.
fn brief(sql: String) -> Bit {
    Bit::Step(SafeStep { judged: Some(String::new()), ..SafeStep::new(sql, How::Brief) })
}

/// A foreign key; `definition`: its words without a name.
pub(super) fn foreign_key(case: &Case<'_>, table: &Written, name: &Ident, definition: &str) -> Option<Outcome> {
    let Some(parts) = partitions(case, table) else { return unknown("foreign-key-validates") };
    let own = case.known.relation(table);
    let (name, shown) = (&name.0, spelled(name));
    let mut bits = Vec::new();
    for (part, _) in &parts {
        let known = case.known.table_at(part)?;
        if known.constraints.contains_key(name) {
            return Outcome::refused(
                "foreign-key-validates",
                format!("the partition {} has a constraint of its name", part.1),
                "give it another name",
            );
        }
        if !known.partitioned {
            let part = written(table, &own, part);
            bits.push(Bit::brief(format!("ALTER TABLE {part} ADD CONSTRAINT {shown} {definition} NOT VALID")));
            bits.push(Bit::step(format!("ALTER TABLE {part} VALIDATE CONSTRAINT {shown}"), How::Long));
        }
    }
    bits.push(brief(format!("ALTER TABLE {} ADD CONSTRAINT {shown} {definition}", written(table, &own, &own))));
    Outcome::of(bits)
}

/// A unique or primary key, whose columns refuse NULL already.
pub(super) fn key(
    case: &Case<'_>,
    table: &Written,
    columns: &[Ident],
    name: Option<&Ident>,
    parts: &KeyParts,
    primary: bool,
) -> Option<Outcome> {
    let Some(below) = partitions(case, table) else { return unknown("unique-builds-index") };
    let own = case.known.relation(table);
    let named: Vec<String> = columns.iter().map(|column| column.0.clone()).collect();
    let kind = if primary { "PRIMARY KEY" } else { "UNIQUE" };
    let chosen = |relation: &Relation| chosen_key_name(case, relation, &named, primary);
    let list = columns.iter().map(spelled).collect::<Vec<_>>().join(", ");
    let only = |relation: &Relation, name: &Ident| {
        let (on, name) = (written(table, &own, relation), spelled(name));
        brief(format!("ALTER TABLE ONLY {on} ADD CONSTRAINT {name} {kind} ({list}){}", parts.rest()))
    };
    let name = name.cloned().unwrap_or_else(|| chosen(&own));
    let mut bits = vec![only(&own, &name)];
    let mut names = std::collections::BTreeMap::from([(own.clone(), name)]);
    let mut attach = Vec::new();
    for (part, parent) in &below {
        let name = chosen(part);
        let at = |relation: &Relation, name: &Ident| written(table, &own, &(relation.0.clone(), name.0.clone()));
        let above = at(parent, names.get(parent)?);
        if case.known.table_at(part)?.partitioned {
            bits.push(only(part, &name));
        } else {
            let on = Written {
                schema: Some(Ident::new(part.0.clone())).filter(|_| table.schema.is_some() || part.0 != own.0),
                object: Ident::new(part.1.clone()),
            };
            let leaves = Some(Left::Index(Name::new(part.0.clone(), name.0.clone())));
            bits.push(Bit::step(index_sql(&on, columns, &name, parts), How::Concurrent { leaves }));
            let (on, name) = (written(table, &own, part), spelled(&name));
            let rest = parts.rest();
            bits.push(Bit::brief(format!("ALTER TABLE {on} ADD CONSTRAINT {name} {kind} USING INDEX {name}{rest}")));
        }
        attach.push(Bit::brief(format!("ALTER INDEX {above} ATTACH PARTITION {}", at(part, &name))));
        names.insert(part.clone(), name);
    }
    // The lowest first: a key is valid once all below it are.
    bits.extend(attach.into_iter().rev());
    Outcome::of(bits)
}
