//! What is known of a database from the statements read so far: a catalog as far as text can tell it.
//!
//! What isn't here may exist all the same: a lint of a few files sees the end of a long history. So a missing table is
//! unknown, never absent, and a missing column or constraint of a table that was not made here is unknown as well.

use std::collections::{BTreeMap, BTreeSet};

use super::name::{columns_of, columns_part, made_name};
use super::read::{
    Alter, AlterCommand, ColumnClause, ColumnDef, ConstraintKind, CreateIndex, CreateTable, DataType, DropObjects,
    DropWhat, PartitionKey, Reading, Written,
};

/// A relation by schema and name.
pub type Relation = (String, String);

/// Everything known.
#[derive(Debug, Clone)]
pub struct Known {
    tables: BTreeMap<Relation, Table>,
    indexes: BTreeMap<Relation, Index>,
    /// Domains that demand something.
    constrained_domains: BTreeSet<Relation>,
    /// Domains that demand nothing.
    free_domains: BTreeSet<Relation>,
    /// Where unqualified names are made and found.
    schema: String,
    /// Counts the units (files) read: what one made is new to nobody but itself.
    unit: usize,
}

/// A table.
#[derive(Debug, Clone, Default)]
pub struct Table {
    /// The unit that made it; none where only later statements tell of it.
    pub made_in: Option<usize>,
    /// Whether all of its columns are known.
    pub whole: bool,
    /// Its columns.
    pub columns: BTreeMap<String, Column>,
    /// Its constraints that have names, given or made by the server's rule.
    pub constraints: BTreeMap<String, Constraint>,
    /// Whether it is partitioned.
    pub partitioned: bool,
    /// What its rows are divided by, where that is known.
    pub partition_key: Option<PartitionKey>,
    /// Its default partition.
    pub default_partition: Option<Relation>,
    /// Its partitions and children.
    pub children: BTreeSet<Relation>,
    /// Whether it is a temporary one.
    pub temporary: bool,
}

/// A column.
#[derive(Debug, Clone)]
pub struct Column {
    /// Its type; none where it is not known.
    pub data_type: Option<DataType>,
    /// Whether it refuses NULL; none where it is not known.
    pub not_null: Option<bool>,
}

/// A constraint.
#[derive(Debug, Clone)]
pub struct Constraint {
    /// What it demands.
    pub kind: ConstraintKind,
    /// Whether all rows were looked at.
    pub valid: bool,
}

/// An index.
#[derive(Debug, Clone)]
pub struct Index {
    /// Its table.
    pub table: Relation,
    /// Its leading plain columns.
    pub columns: Vec<String>,
    /// Whether it refuses duplicates, and has plain columns alone.
    pub unique: bool,
    /// Whether it holds a part of the rows.
    pub partial: bool,
}

impl Default for Known {
    fn default() -> Self {
        Self {
            tables: BTreeMap::new(),
            indexes: BTreeMap::new(),
            constrained_domains: BTreeSet::new(),
            free_domains: BTreeSet::new(),
            schema: "public".to_owned(),
            unit: 0,
        }
    }
}

impl Known {
    /// A next unit begins: what the ones before made is live to it.
    pub fn next_unit(&mut self) {
        self.unit += 1;
        "public".clone_into(&mut self.schema);
    }

    /// The relation that a name means.
    pub fn relation(&self, written: &Written) -> Relation {
        let schema = written.schema.as_ref().map_or_else(|| self.schema.clone(), |schema| schema.0.clone());
        (schema, written.object.0.clone())
    }

    /// A table, if anything is known of it.
    pub fn table(&self, written: &Written) -> Option<&Table> {
        self.tables.get(&self.relation(written))
    }

    /// A table by its relation.
    pub fn table_at(&self, relation: &Relation) -> Option<&Table> {
        self.tables.get(relation)
    }

    /// Whether a table has a column; none where not all of its columns are known.
    pub fn has_column(&self, relation: &Relation, column: &str) -> Option<bool> {
        let table = self.tables.get(relation)?;
        if table.columns.contains_key(column) { Some(true) } else { table.whole.then_some(false) }
    }

    /// The table of an index, if the index is known.
    pub fn index(&self, written: &Written) -> Option<&Index> {
        self.indexes.get(&self.relation(written))
    }

    /// Whether nobody but this unit can have used it: it was made in it, or is temporary.
    pub fn is_new(&self, relation: &Relation) -> bool {
        self.tables.get(relation).is_some_and(|table| table.temporary || table.made_in == Some(self.unit))
    }

    /// Whether some known index of the table, not a partial one, begins with these columns in any order.
    pub fn is_indexed(&self, table: &Relation, columns: &[String]) -> bool {
        let wanted: BTreeSet<&String> = columns.iter().collect();
        let begins = |key: &[String]| {
            key.get(..columns.len()).is_some_and(|leading| leading.iter().collect::<BTreeSet<_>>() == wanted)
        };
        let by_constraint = self.tables.get(table).is_some_and(|table| {
            table.constraints.values().any(|constraint| match &constraint.kind {
                ConstraintKind::PrimaryKey(key) | ConstraintKind::Unique(key) => {
                    begins(&key.iter().map(|column| column.0.clone()).collect::<Vec<_>>())
                }
                _ => false,
            })
        });
        by_constraint
            || self.indexes.values().any(|index| index.table == *table && !index.partial && begins(&index.columns))
    }

    /// Whether a column is known to hold no NULL: it refuses them, or a validated check does.
    pub fn proves_not_null(&self, table: &Written, column: &str) -> bool {
        let Some(known) = self.table(table) else { return false };
        if known.columns.get(column).and_then(|column| column.not_null) == Some(true) {
            return true;
        }
        let wanted = [format!("{column} is not null"), format!("\"{column}\" is not null")];
        known.constraints.values().any(|constraint| match &constraint.kind {
            ConstraintKind::Check(check) => constraint.valid && wanted.contains(&unwrapped(check)),
            _ => false,
        })
    }

    /// The name that the server gives an index or constraint without one: the first that is free, as far as is known.
    pub fn chosen_name(&self, table: &Relation, columns: &str, label: &str) -> String {
        let taken = |name: &String| {
            let there = |(schema, object): &Relation| *schema == table.0 && object == name;
            self.tables.keys().any(there)
                || self.indexes.keys().any(there)
                || self.tables.iter().any(|(at, known)| at.0 == table.0 && known.constraints.contains_key(name))
        };
        let numbered = (1..).map(|number| format!("{label}{number}"));
        let mut names =
            std::iter::once(label.to_owned()).chain(numbered).map(|label| made_name(&table.1, columns, &label));
        names.find(|name| !taken(name)).unwrap_or_default()
    }

    /// The indexes of a table, by relation.
    pub fn indexes_of<'a>(&'a self, table: &'a Relation) -> impl Iterator<Item = (&'a Relation, &'a Index)> {
        self.indexes.iter().filter(move |(_, index)| index.table == *table)
    }

    /// Whether a type is a domain that demands something; `None` where the type is not known.
    pub fn is_constrained_domain(&self, data_type: &DataType) -> Option<bool> {
        let relation = self.relation(&data_type.written());
        if self.constrained_domains.contains(&relation) {
            Some(true)
        } else if self.free_domains.contains(&relation) {
            Some(false)
        } else {
            None
        }
    }

    /// Takes in what a statement makes, changes or drops.
    pub fn take(&mut self, reading: &Reading, text: &str) {
        match reading {
            Reading::CreateTable(create) => self.create_table(create),
            Reading::CreateIndex(create) => self.create_index(create),
            Reading::Alter(alter) => self.alter(alter),
            Reading::Drop(drop) => self.drop_objects(drop),
            Reading::CreateDomain { name, constrained } => {
                let relation = self.relation(name);
                let domains = if *constrained { &mut self.constrained_domains } else { &mut self.free_domains };
                domains.insert(relation);
            }
            Reading::CreateType(name) => {
                self.free_domains.insert(self.relation(name));
            }
            Reading::CreateView { name, materialized: true, .. } => {
                let table = Table { made_in: Some(self.unit), ..Table::default() };
                self.tables.insert(self.relation(name), table);
            }
            Reading::Set { name, value, .. } if name == "search_path" => {
                let first = text.get(value.clone()).unwrap_or_default().split(',').next().unwrap_or_default();
                let first = first.trim().trim_matches(['\'', '"']);
                if !first.is_empty() && first != "$user" {
                    first.clone_into(&mut self.schema);
                }
            }
            _ => {}
        }
    }

    fn create_table(&mut self, create: &CreateTable) {
        let relation = self.relation(&create.name);
        if create.if_not_exists && self.tables.contains_key(&relation) {
            return;
        }
        let mut table = Table {
            // It may have been there before.
            made_in: (!create.if_not_exists).then_some(self.unit),
            whole: create.like.is_empty()
                && create.inherits.is_empty()
                && create.partition_of.is_none()
                && !create.from_query,
            partitioned: create.partitioned,
            partition_key: create.partition_key.clone(),
            temporary: create.temporary,
            ..Table::default()
        };
        for column in &create.columns {
            add_column(&mut table, &relation.1, column);
        }
        for constraint in &create.constraints {
            add_constraint(
                &mut table,
                &relation.1,
                constraint.name.as_ref().map(|name| name.0.as_str()),
                &constraint.kind,
                true,
            );
        }
        for parent in create.inherits.iter().chain(&create.partition_of) {
            let parent = self.relation(parent);
            let parent = self.tables.entry(parent).or_default();
            parent.children.insert(relation.clone());
            if create.default_partition {
                parent.default_partition = Some(relation.clone());
            }
        }
        self.tables.insert(relation, table);
    }

    fn create_index(&mut self, create: &CreateIndex) {
        let table = self.relation(&create.table);
        let columns: Vec<String> = create.columns.iter().map(|column| column.0.clone()).collect();
        let name = create
            .name
            .as_ref()
            .map_or_else(|| made_name(&table.1, &columns_part(&columns), "idx"), |name| name.0.clone());
        let index =
            Index { table: table.clone(), columns, unique: create.unique && create.plain, partial: create.partial };
        self.indexes.insert((table.0, name), index);
    }

    fn alter(&mut self, alter: &Alter) {
        let relation = self.relation(&alter.name);
        for (command, _) in &alter.commands {
            match command {
                AlterCommand::Rename(to) => {
                    let renamed = (relation.0.clone(), to.0.clone());
                    self.rename(&relation, renamed);
                    return;
                }
                AlterCommand::SetSchema(to) => {
                    let renamed = (to.0.clone(), relation.1.clone());
                    self.rename(&relation, renamed);
                    return;
                }
                AlterCommand::Attach { partition, default } => {
                    let partition = self.relation(partition);
                    let parent = self.tables.entry(relation.clone()).or_default();
                    parent.children.insert(partition.clone());
                    if *default {
                        parent.default_partition = Some(partition);
                    }
                }
                AlterCommand::Detach { partition, .. } => {
                    let partition = self.relation(partition);
                    let parent = self.tables.entry(relation.clone()).or_default();
                    parent.children.remove(&partition);
                    if parent.default_partition.as_ref() == Some(&partition) {
                        parent.default_partition = None;
                    }
                }
                command if alter.what == "TABLE" => {
                    let table = self.tables.entry(relation.clone()).or_default();
                    alter_table(table, &relation.1, command);
                }
                _ => {}
            }
        }
    }

    fn rename(&mut self, from: &Relation, to: Relation) {
        if let Some(index) = self.indexes.remove(from) {
            self.indexes.insert(to, index);
            return;
        }
        if let Some(table) = self.tables.remove(from) {
            self.tables.insert(to.clone(), table);
        }
        for index in self.indexes.values_mut().filter(|index| index.table == *from) {
            index.table = to.clone();
        }
        for table in self.tables.values_mut() {
            if table.children.remove(from) {
                table.children.insert(to.clone());
            }
            if table.default_partition.as_ref() == Some(from) {
                table.default_partition = Some(to.clone());
            }
        }
    }

    fn drop_objects(&mut self, drop: &DropObjects) {
        for name in &drop.names {
            let relation = self.relation(name);
            match drop.what {
                DropWhat::Index => {
                    self.indexes.remove(&relation);
                }
                DropWhat::Table | DropWhat::MaterializedView => {
                    self.tables.remove(&relation);
                    self.indexes.retain(|_, index| index.table != relation);
                }
                _ => {}
            }
        }
    }
}

fn add_column(table: &mut Table, table_name: &str, column: &ColumnDef) {
    let known = Column { data_type: Some(column.data_type.clone()), not_null: Some(column.is_not_null()) };
    table.columns.insert(column.name.0.clone(), known);
    let name = &column.name;
    for clause in &column.clauses {
        let kind = match clause {
            ColumnClause::Unique => ConstraintKind::Unique(vec![name.clone()]),
            ColumnClause::PrimaryKey => ConstraintKind::PrimaryKey(vec![name.clone()]),
            ColumnClause::Check(_) => continue,
            ColumnClause::References(to) => {
                ConstraintKind::ForeignKey { columns: vec![name.clone()], table: to.clone() }
            }
            _ => continue,
        };
        add_constraint(table, table_name, None, &kind, true);
    }
}

fn add_constraint(table: &mut Table, table_name: &str, name: Option<&str>, kind: &ConstraintKind, valid: bool) {
    let columns = |columns: &[crate::postgres::Ident]| {
        columns_part(&columns.iter().map(|column| column.0.clone()).collect::<Vec<_>>())
    };
    let made = match kind {
        ConstraintKind::PrimaryKey(key) => {
            for column in key {
                if let Some(column) = table.columns.get_mut(&column.0) {
                    column.not_null = Some(true);
                }
            }
            made_name(table_name, "", "pkey")
        }
        ConstraintKind::Unique(key) => made_name(table_name, &columns(key), "key"),
        ConstraintKind::ForeignKey { columns: key, .. } => made_name(table_name, &columns(key), "fkey"),
        ConstraintKind::UsingIndex { index, .. } => index.0.clone(),
        ConstraintKind::Check(check) => made_name(table_name, &check_part(check), "check"),
        ConstraintKind::NotNull(column) => made_name(table_name, &column.0, "not_null"),
        ConstraintKind::Exclude => made_name(table_name, "", "excl"),
    };
    let name = name.map_or(made, str::to_owned);
    table.constraints.insert(name, Constraint { kind: kind.clone(), valid });
}

fn alter_table(table: &mut Table, name: &str, command: &AlterCommand) {
    match command {
        AlterCommand::AddColumn { column, .. } => add_column(table, name, column),
        AlterCommand::AddConstraint(constraint) => {
            let given = constraint.name.as_ref().map(|name| name.0.as_str());
            add_constraint(table, name, given, &constraint.kind, !constraint.not_valid);
        }
        AlterCommand::DropColumn { column, .. } => {
            table.columns.remove(&column.0);
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
            let not_null = table.columns.get(&column.0).and_then(|column| column.not_null);
            table.columns.insert(column.0.clone(), Column { data_type: Some(data_type.clone()), not_null });
        }
        AlterCommand::SetNotNull(column) => not_null(table, &column.0, true),
        AlterCommand::DropNotNull(column) => not_null(table, &column.0, false),
        AlterCommand::RenameColumn { from, to } => {
            if let Some(column) = table.columns.remove(&from.0) {
                table.columns.insert(to.0.clone(), column);
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

/// A check that names one column has it in its name (`AddRelationNewConstraints`).
fn check_part(expression: &str) -> String {
    match columns_of(expression).as_deref() {
        Some([column]) => column.clone(),
        _ => String::new(),
    }
}

fn not_null(table: &mut Table, column: &str, is: bool) {
    let column = table.columns.entry(column.to_owned()).or_insert(Column { data_type: None, not_null: None });
    column.not_null = Some(is);
}

/// A check's normal form without the parentheses around all of it.
fn unwrapped(check: &str) -> String {
    let mut check = check.trim();
    while let Some(inner) = check.strip_prefix('(').and_then(|check| check.strip_suffix(')')) {
        check = inner.trim();
    }
    check.to_owned()
}
