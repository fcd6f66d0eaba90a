//! What of a column goes over to the one that takes its place: its indexes and constraints.

use super::unique::KeyParts;
use super::{Case, How, Left, SafeStep};
use crate::ddl::known::Table;
use crate::ddl::name::{made_name, spelled, spelled_name, with_column};
use crate::ddl::read::{ConstraintKind, Written};
use crate::postgres::Ident;

/// What is carried, in the order in which it is done.
#[derive(Debug, Default)]
pub(super) struct Carried {
    /// All that depends on the column, as `pg_identify_object` names it.
    pub(super) dependents: Vec<String>,
    /// Checks and foreign keys, and from 18 on NOT NULL.
    pub(super) old: Vec<Ident>,
    /// What they are called on the shadow.
    pub(super) new: Vec<Ident>,
    /// Those of the new ones that are valid.
    pub(super) validated: Vec<Ident>,
    /// Whether NOT NULL is no constraint yet, and has to be set.
    pub(super) not_null: bool,
    /// Indexes, built concurrently.
    pub(super) indexes: Vec<SafeStep>,
    /// What is left to do in the swap, when the old ones are gone with their column.
    pub(super) swapped: Vec<String>,
}

/// Fails with what can't be carried.
pub(super) fn carried(case: &Case<'_>, table: &Written, column: &Ident, shadow: &Ident) -> Result<Carried, String> {
    let relation = case.known.relation(table);
    let Some(known) = case.known.table(table) else { return Err("its table is not known here".to_owned()) };
    let mut carried = Carried::default();
    let place = Place { case, table, column, shadow };
    for (name, constraint) in &known.constraints {
        let (name, new) = (Ident::new(name.clone()), beside(&Ident::new(name.clone())));
        match &constraint.kind {
            ConstraintKind::Exclude => return Err(format!("the exclusion constraint {name} may be about it")),
            ConstraintKind::UsingIndex { .. } => {
                return Err(format!(
                    "what the constraint {name}, which took over an index, is about is not known here"
                ));
            }
            kind @ ConstraintKind::Check(check) => {
                if crate::ddl::name::columns_of(check).is_none() {
                    return Err(format!("whether the check {name} is about it can't be told here"));
                }
                if !kind.columns().contains(&column.0) {
                    continue;
                }
                carried.constraint(name, new, constraint.valid);
            }
            ConstraintKind::ForeignKey { columns, table: to } if columns.contains(column) => {
                if case.known.relation(to) == relation {
                    return Err(format!("the foreign key {name} references its own table"));
                }
                carried.constraint(name, new, constraint.valid);
            }
            kind @ (ConstraintKind::Unique(columns) | ConstraintKind::PrimaryKey(columns))
                if columns.contains(column)
                    || with_column(&constraint.definition, &column.0, &shadow.0)
                        .is_none_or(|other| other != constraint.definition) =>
            {
                if let Some(reference) = case.known.references(&relation).next() {
                    return Err(format!("it is part of a key, and the foreign key {reference} references its table"));
                }
                let primary = matches!(kind, ConstraintKind::PrimaryKey(_));
                let (index, swapped) = place.key(&name, columns, &constraint.definition, primary)?;
                carried.dependents.push(place.constraint(&name));
                carried.indexes.push(index);
                carried.swapped.push(swapped);
            }
            _ => {}
        }
    }
    not_null(case, known, &relation.1, column, &mut carried);
    carried.dependents.extend(carried.old.iter().map(|name| place.constraint(name)));
    let renamed = carried.old.iter().zip(&carried.new);
    let renamed =
        renamed.map(|(old, new)| format!("ALTER TABLE RENAME CONSTRAINT {} TO {}", spelled(new), spelled(old)));
    carried.swapped.extend(renamed);
    for (at, index) in case.known.indexes_of(&relation) {
        let Some(rest) = with_column(&index.rest, &column.0, &shadow.0).filter(|_| !index.rest.is_empty()) else {
            return Err(format!("whether the index {} is about it can't be told here", at.1));
        };
        if rest == index.rest {
            continue;
        }
        let (name, new) = (Ident::new(at.1.clone()), beside(&Ident::new(at.1.clone())));
        let unique = if index.unique { "UNIQUE " } else { "" };
        let sql = format!("CREATE {unique}INDEX CONCURRENTLY {} ON {}{rest}", spelled(&new), spelled_name(table));
        carried.dependents.push(format!("index {}.{}", spelled(&Ident::new(at.0.clone())), spelled(&name)));
        carried.indexes.push(place.built(&new, sql));
        let index = spelled_name(&Written { schema: table.schema.clone(), object: new });
        carried.swapped.push(format!("ALTER INDEX {index} RENAME TO {}", spelled(&name)));
    }
    Ok(carried)
}

impl Carried {
    fn constraint(&mut self, name: Ident, new: Ident, valid: bool) {
        self.validated.extend(valid.then(|| new.clone()));
        self.old.push(name);
        self.new.push(new);
    }
}

/// From 18 on NOT NULL is a constraint like others; its name is the server's own where none is known.
fn not_null(case: &Case<'_>, known: &Table, table: &str, column: &Ident, carried: &mut Carried) {
    if known.columns.get(&column.0).and_then(|column| column.not_null) != Some(true) {
        return;
    }
    if case.version < 18 {
        carried.not_null = true;
        return;
    }
    let named = known.constraints.iter().find(|(_, one)| one.kind == ConstraintKind::NotNull(column.clone()));
    let name = named.map_or_else(|| made_name(table, &column.0, "not_null"), |(name, _)| name.clone());
    let new = Ident::new(made_name(&name, "", "teal"));
    carried.constraint(Ident::new(name), new, named.is_none_or(|(_, one)| one.valid));
}

/// What something is called beside the old one.
fn beside(name: &Ident) -> Ident {
    Ident::new(made_name(&name.0, "", "teal"))
}

struct Place<'a> {
    case: &'a Case<'a>,
    table: &'a Written,
    column: &'a Ident,
    shadow: &'a Ident,
}

impl Place<'_> {
    /// A constraint as `pg_identify_object` names it.
    fn constraint(&self, name: &Ident) -> String {
        let own = self.case.name(self.table);
        format!("table constraint {} on {}.{}", spelled(name), spelled(&own.schema), spelled(&own.object))
    }

    fn built(&self, index: &Ident, sql: String) -> SafeStep {
        let leaves = Some(Left::Index(self.case.beside(self.table, &index.0)));
        SafeStep::new(sql, How::Concurrent { leaves })
    }

    /// The index of a UNIQUE or PRIMARY KEY, and what makes the constraint of it.
    fn key(
        &self,
        name: &Ident,
        columns: &[Ident],
        definition: &str,
        primary: bool,
    ) -> Result<(SafeStep, String), String> {
        let unread = || format!("the constraint {name} is written in a way that can't be read here");
        let column = |column: &Ident| if *column == *self.column { self.shadow.clone() } else { column.clone() };
        let text = with_column(definition, &self.column.0, &self.shadow.0).ok_or_else(unread)?;
        let parts = KeyParts::read(&text).ok_or_else(unread)?;
        let columns: Vec<Ident> = columns.iter().map(column).collect();
        let new = beside(name);
        let sql = super::unique::index_sql(self.table, &columns, &new, &parts);
        let (kind, rest) = (if primary { "PRIMARY KEY" } else { "UNIQUE" }, parts.rest());
        let swapped =
            format!("ALTER TABLE ADD CONSTRAINT {} {kind} USING INDEX {}{rest}", spelled(name), spelled(&new));
        Ok((self.built(&new, sql), swapped))
    }
}
