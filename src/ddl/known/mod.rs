//! What is known of a database from the statements read so far: a catalog as far as text can tell it.
//!
//! What isn't here may exist all the same: a lint of a few files sees the end of a long history. So a missing table is
//! unknown, never absent, and a missing column or constraint of a table that was not made here is unknown as well.

mod change;
mod mention;

use std::collections::{BTreeMap, BTreeSet};

use super::name::{columns_part, made_name, with_column};
use super::read::{
    Alter, AlterCommand, ConstraintKind, CreateIndex, CreateTable, DataType, DropObjects, DropWhat, PartitionKey,
    Reading, Written,
};
use change::{add_column, add_constraint, alter_table};
use mention::Mention;

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
    /// Views, triggers, policies and the like, which name tables and columns in their text.
    mentions: Vec<Mention>,
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
    /// Whether its values are made by the server: identity, or generated from other columns.
    pub made: bool,
}

/// A constraint.
#[derive(Debug, Clone)]
pub struct Constraint {
    /// What it demands.
    pub kind: ConstraintKind,
    /// Whether all rows were looked at.
    pub valid: bool,
    /// Its words, without its name and NOT VALID.
    pub definition: String,
}

/// An index.
#[derive(Debug, Clone)]
pub struct Index {
    /// Its table.
    pub table: Relation,
    /// Its leading plain columns.
    pub columns: Vec<String>,
    /// Whether it refuses duplicates.
    pub unique: bool,
    /// Whether it has plain columns alone.
    pub plain: bool,
    /// Whether it holds a part of the rows.
    pub partial: bool,
    /// What follows the table's name, in its own words.
    pub rest: String,
}

impl Default for Known {
    fn default() -> Self {
        Self {
            tables: BTreeMap::new(),
            indexes: BTreeMap::new(),
            constrained_domains: BTreeSet::new(),
            free_domains: BTreeSet::new(),
            mentions: Vec::new(),
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

    /// The foreign keys of other tables, or of its own, that reference a table.
    pub fn references(&self, table: &Relation) -> impl Iterator<Item = &str> {
        let constraints = self.tables.values().flat_map(|from| &from.constraints);
        constraints.filter_map(|(name, constraint)| match &constraint.kind {
            ConstraintKind::ForeignKey { table: to, .. } if self.relation(to) == *table => Some(name.as_str()),
            _ => None,
        })
    }

    /// Takes in what a statement makes, changes or drops.
    pub fn take(&mut self, reading: &Reading, text: &str) {
        self.take_mention(reading, text);
        match reading {
            Reading::CreateTable(create) => self.create_table(create, text),
            Reading::CreateIndex(create) => self.create_index(create, text),
            Reading::Alter(alter) => self.alter(alter, text),
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

    fn create_table(&mut self, create: &CreateTable, text: &str) {
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
            add_column(&mut table, &relation.1, column, text);
        }
        for constraint in &create.constraints {
            add_constraint(&mut table, &relation.1, constraint, text);
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

    fn create_index(&mut self, create: &CreateIndex, text: &str) {
        let table = self.relation(&create.table);
        let columns: Vec<String> = create.columns.iter().map(|column| column.0.clone()).collect();
        let name = create
            .name
            .as_ref()
            .map_or_else(|| made_name(&table.1, &columns_part(&columns), "idx"), |name| name.0.clone());
        let index = Index {
            table: table.clone(),
            columns,
            unique: create.unique,
            plain: create.plain,
            partial: create.partial,
            rest: text.get(create.after_table..).unwrap_or_default().to_owned(),
        };
        self.indexes.insert((table.0, name), index);
    }

    fn alter(&mut self, alter: &Alter, text: &str) {
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
                    alter_table(table, &relation.1, command, text);
                    if let AlterCommand::RenameColumn { from, to } = command {
                        self.rename_column(&relation, &from.0, &to.0);
                    }
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
        self.rename_mentioned(&from.1, &to.1);
        for table in self.tables.values_mut() {
            if table.children.remove(from) {
                table.children.insert(to.clone());
            }
            if table.default_partition.as_ref() == Some(from) {
                table.default_partition = Some(to.clone());
            }
        }
    }

    /// What names a column goes on under its new name.
    fn rename_column(&mut self, table: &Relation, from: &str, to: &str) {
        for index in self.indexes.values_mut().filter(|index| index.table == *table) {
            for column in index.columns.iter_mut().filter(|column| *column == from) {
                to.clone_into(column);
            }
            index.rest = with_column(&index.rest, from, to).unwrap_or_default();
        }
        self.rename_mentioned_column(&table.1, from, to);
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

/// A check's normal form without the parentheses around all of it.
fn unwrapped(check: &str) -> String {
    let mut check = check.trim();
    while let Some(inner) = check.strip_prefix('(').and_then(|check| check.strip_suffix(')')) {
        check = inner.trim();
    }
    check.to_owned()
}
