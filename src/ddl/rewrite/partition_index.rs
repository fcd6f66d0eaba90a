//! Indexes of partitioned tables: on the table alone, on each partition concurrently, attached.

use super::{Apply, Bit, Case, How, Left, Outcome, Rewrite};
use crate::ddl::known::Relation;
use crate::ddl::name::{columns_part, spelled};
use crate::ddl::read::{Cursor, Reading};
use crate::postgres::Ident;

pub(super) const REWRITES: &[Rewrite] = &[Rewrite {
    id: "partition-index",
    when: "CREATE INDEX on a partitioned table",
    why: "on the partitioned table alone it is made in a moment; each partition's own is built concurrently and attached, under the names that the server would have chosen",
    halfway: "the index of the partitioned table is there, INVALID until every partition's is attached",
    setup: super::attach::YEARS,
    example: "CREATE INDEX year_at ON year (at, id) WHERE what <> '';",
    apply: Apply::Statement(create),
}];

fn create(case: &Case<'_>) -> Option<Outcome> {
    let Reading::CreateIndex(create) = case.reading else { return None };
    let table = &create.table;
    if create.only || create.concurrently || case.is_new(table) || !case.is_partitioned(table) {
        return None;
    }
    let refuse = |why: &str, instead: &str| Outcome::refused("index-blocks-writes", why, instead);
    let by_hand = "make it ON ONLY the table, concurrently on each partition, and attach these";
    let relation = case.known.relation(table);
    let mut parts = Vec::new();
    if !descend(case, &relation, &mut parts) || case.known.table(table)?.made_in.is_none() {
        return refuse("the partitions are not known here", "give a --schema in which they are");
    }
    if !create.plain {
        return refuse(
            "it is over expressions: what the partitions' indexes would be called can't be told here",
            by_hand,
        );
    }
    let columns: Vec<String> = create.columns.iter().map(|column| column.0.clone()).collect();
    let has = |part: &Relation| case.known.indexes_of(part).any(|(_, index)| index.columns == columns);
    if parts.iter().any(|(part, _)| has(part)) || create.if_not_exists {
        return refuse("a partition may have such an index, which would be taken over", by_hand);
    }
    let rest = Rest::read(case.text.get(create.after_index..)?)?;
    let mut named = columns.clone();
    named.extend(rest.included);
    let addition = columns_part(&named);
    let name = match &create.name {
        Some(name) => name.0.clone(),
        None => case.known.chosen_name(&relation, &addition, "idx"),
    };
    let kind = case.text.get(..create.after_index)?;
    let schema = |(schema, object): &Relation| {
        let object = spelled(&Ident::new(object.clone()));
        if table.schema.is_some() || *schema != relation.0 {
            format!("{}.{object}", spelled(&Ident::new(schema.clone())))
        } else {
            object
        }
    };
    let spelt = |name: &str| spelled(&Ident::new(name));
    let mut bits = vec![Bit::brief(format!("{kind} {} ON ONLY {}{}", spelt(&name), schema(&relation), rest.text))];
    let mut attach = Vec::new();
    let mut names = std::collections::BTreeMap::from([(relation.clone(), name)]);
    for (part, parent) in &parts {
        let index = case.known.chosen_name(part, &addition, "idx");
        let partitioned = case.known.table_at(part).is_some_and(|table| table.partitioned);
        bits.push(if partitioned {
            Bit::brief(format!("{kind} {} ON ONLY {}{}", spelt(&index), schema(part), rest.text))
        } else {
            let leaves = Some(Left::Index(crate::postgres::Name::new(part.0.clone(), index.clone())));
            let sql = format!("{kind} CONCURRENTLY {} ON {}{}", spelt(&index), schema(part), rest.text);
            Bit::step(sql, How::Concurrent { leaves })
        });
        let above = names.get(parent)?;
        let beside = |at: &Relation, name: &str| schema(&(at.0.clone(), name.to_owned()));
        attach.push(Bit::brief(format!(
            "ALTER INDEX {} ATTACH PARTITION {}",
            beside(parent, above),
            beside(part, &index)
        )));
        names.insert(part.clone(), index);
    }
    // The lowest first: an index is valid once all below it are.
    bits.extend(attach.into_iter().rev());
    Outcome::of(bits)
}

/// All partitions below, each after its parent; `false` where one is not known.
pub(super) fn descend(case: &Case<'_>, at: &Relation, parts: &mut Vec<(Relation, Relation)>) -> bool {
    let Some(table) = case.known.table_at(at) else { return false };
    table.children.iter().all(|child| {
        parts.push((child.clone(), at.clone()));
        case.known.table_at(child).is_some_and(|known| !known.partitioned || descend(case, child, parts))
    })
}

/// What follows the table's name.
struct Rest {
    text: String,
    included: Vec<String>,
}

impl Rest {
    fn read(text: &str) -> Option<Self> {
        let mut cursor = Cursor::new(text)?;
        cursor.takes(&["IF", "NOT", "EXISTS"]);
        if !cursor.sees(&["ON"]) {
            cursor.name()?;
        }
        cursor.expect(&["ON"])?;
        cursor.name()?;
        let rest = text.get(cursor.taken_to()..)?.to_owned();
        if cursor.takes(&["USING"]) {
            cursor.ident()?;
        }
        cursor.group()?;
        let mut included = Vec::new();
        if cursor.takes(&["INCLUDE"]) {
            let group = cursor.group()?;
            included = cursor.inside(&group).names()?.into_iter().map(|name| name.object.0).collect();
        }
        Some(Self { text: rest, included })
    }
}
