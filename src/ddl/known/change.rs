//! What the commands of ALTER TABLE and the clauses of CREATE TABLE change of a table.

use super::{Column, Constraint, Table};
use crate::ddl::name::{columns_of, columns_part, made_name, with_column};
use crate::ddl::read::{AlterCommand, ColumnClause, ColumnDef, ConstraintKind, Cursor, TableConstraint};
use crate::postgres::Ident;

pub(super) fn add_column(table: &mut Table, table_name: &str, column: &ColumnDef, text: &str) {
    let made =
        |clause: &ColumnClause| matches!(clause, ColumnClause::Identity | ColumnClause::Stored | ColumnClause::Virtual);
    let known = Column {
        data_type: Some(column.data_type.clone()),
        not_null: Some(column.is_not_null()),
        made: column.clauses.iter().any(made),
    };
    table.columns.insert(column.name.0.clone(), known);
    let name = &column.name;
    for (clause, place) in column.clauses.iter().zip(&column.places) {
        let kind = match clause {
            ColumnClause::Unique => ConstraintKind::Unique(vec![name.clone()]),
            ColumnClause::PrimaryKey => ConstraintKind::PrimaryKey(vec![name.clone()]),
            ColumnClause::Check(expression) => {
                ConstraintKind::Check(normal(text.get(expression.clone()).unwrap_or_default()))
            }
            ColumnClause::References(to) => {
                ConstraintKind::ForeignKey { columns: vec![name.clone()], table: to.clone() }
            }
            // Only under a name of its own is it more than what the column says of itself.
            ColumnClause::NotNull if place.name.is_some() => ConstraintKind::NotNull(name.clone()),
            _ => continue,
        };
        let definition = place.span.clone();
        let constraint = TableConstraint { name: place.name.clone(), kind, not_valid: false, definition };
        add_constraint(table, table_name, &constraint, text);
    }
}

fn normal(expression: &str) -> String {
    Cursor::new(expression).map(|cursor| cursor.normal()).unwrap_or_default()
}

pub(super) fn add_constraint(table: &mut Table, table_name: &str, added: &TableConstraint, text: &str) {
    let columns = |columns: &[Ident]| columns_part(&columns.iter().map(|column| column.0.clone()).collect::<Vec<_>>());
    let (part, label) = match &added.kind {
        ConstraintKind::PrimaryKey(key) => {
            for column in key {
                if let Some(column) = table.columns.get_mut(&column.0) {
                    column.not_null = Some(true);
                }
            }
            (String::new(), "pkey")
        }
        ConstraintKind::Unique(key) => {
            let words = text.get(added.definition.clone()).unwrap_or_default();
            (columns(&[key.clone(), included(words)].concat()), "key")
        }
        ConstraintKind::ForeignKey { columns: key, .. } => (columns(key), "fkey"),
        ConstraintKind::Check(check) => (check_part(check), "check"),
        ConstraintKind::NotNull(column) => (column.0.clone(), "not_null"),
        ConstraintKind::Exclude => (String::new(), "excl"),
        ConstraintKind::UsingIndex { .. } => (String::new(), ""),
    };
    let name = match (&added.name, &added.kind) {
        (Some(name), _) | (None, ConstraintKind::UsingIndex { index: name, .. }) => name.0.clone(),
        (None, _) => {
            let numbered = (1..).map(|number| format!("{label}{number}"));
            let mut names = std::iter::once(label.to_owned()).chain(numbered);
            let free = names.find_map(|label| {
                Some(made_name(table_name, &part, &label)).filter(|name| !table.constraints.contains_key(name))
            });
            free.unwrap_or_default()
        }
    };
    let definition = text.get(added.definition.clone()).unwrap_or_default().to_owned();
    let constraint = Constraint { kind: added.kind.clone(), valid: !added.not_valid, definition };
    table.constraints.insert(name, constraint);
}

pub(super) fn alter_table(table: &mut Table, name: &str, command: &AlterCommand, text: &str) {
    match command {
        AlterCommand::AddColumn { column, .. } => add_column(table, name, column, text),
        AlterCommand::AddConstraint(constraint) => add_constraint(table, name, constraint, text),
        AlterCommand::DropColumn { column, .. } => {
            table.columns.remove(&column.0);
            let named = |constraint: &Constraint| constraint.kind.columns().contains(&column.0);
            table.constraints.retain(|_, constraint| !named(constraint));
        }
        AlterCommand::DropConstraint { name, .. } => {
            table.constraints.remove(&name.0);
        }
        AlterCommand::Validate(name) => {
            if let Some(constraint) = table.constraints.get_mut(&name.0) {
                constraint.valid = true;
            }
        }
        AlterCommand::SetType { column, data_type, .. } => {
            let old = table.columns.get(&column.0);
            let (not_null, made) = old.map_or((None, false), |old| (old.not_null, old.made));
            table.columns.insert(column.0.clone(), Column { data_type: Some(data_type.clone()), not_null, made });
        }
        AlterCommand::AddIdentity(column) => {
            if let Some(column) = table.columns.get_mut(&column.0) {
                column.made = true;
            }
        }
        AlterCommand::SetNotNull(column) => not_null(table, &column.0, true),
        AlterCommand::DropNotNull(column) => not_null(table, &column.0, false),
        AlterCommand::RenameColumn { from, to } => {
            if let Some(column) = table.columns.remove(&from.0) {
                table.columns.insert(to.0.clone(), column);
            }
            for constraint in table.constraints.values_mut() {
                constraint.kind.rename(from, to);
                constraint.definition = with_column(&constraint.definition, &from.0, &to.0).unwrap_or_default();
            }
        }
        AlterCommand::RenameConstraint { from, to } => {
            if let Some(constraint) = table.constraints.remove(&from.0) {
                table.constraints.insert(to.0.clone(), constraint);
            }
        }
        _ => {}
    }
}

/// The columns of INCLUDE: they count in a name that the server chooses.
fn included(definition: &str) -> Vec<Ident> {
    let Some(mut cursor) = Cursor::new(definition) else { return Vec::new() };
    cursor.until(&["INCLUDE"], &[]);
    cursor.takes(&["INCLUDE"]).then(|| cursor.columns()).flatten().unwrap_or_default()
}

/// A check that names one column has it in its name (`AddRelationNewConstraints`).
fn check_part(expression: &str) -> String {
    match columns_of(expression).as_deref() {
        Some([column]) => column.clone(),
        _ => String::new(),
    }
}

fn not_null(table: &mut Table, column: &str, is: bool) {
    let column =
        table.columns.entry(column.to_owned()).or_insert(Column { data_type: None, not_null: None, made: false });
    column.not_null = Some(is);
}
