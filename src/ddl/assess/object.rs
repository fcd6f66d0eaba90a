//! Every statement but ALTER TABLE.

use super::{Judge, Judgement};
use crate::ddl::known::Known;
use crate::ddl::lock::LockMode;
use crate::ddl::read::{
    ColumnClause, ConstraintKind, CreateIndex, CreateTable, DropObjects, DropWhat, Reading, Reindex, Written,
};

/// Judges a statement: `text` is its own, `known` what is known before it.
pub fn assess(reading: &Reading, text: &str, known: &Known) -> Judgement {
    let mut judge = Judge { known, text, judgement: Judgement::default() };
    judge.statement(reading);
    if reaches_children(reading) {
        judge.children();
    }
    judge.judgement
}

/// Whether what is done to a table is done to its partitions and children as well.
fn reaches_children(reading: &Reading) -> bool {
    use crate::ddl::read::AlterCommand as C;
    match reading {
        Reading::Alter(alter) => {
            !alter.only
                && !alter.commands.iter().any(|(command, _)| {
                    matches!(
                        command,
                        C::Rename(_)
                            | C::SetSchema(_)
                            | C::Attach { .. }
                            | C::Detach { .. }
                            | C::Inherit(_)
                            | C::Brief(_)
                            | C::Trigger
                            | C::Mild
                            | C::Rewrite(_)
                            | C::SetTablespace
                    )
                })
        }
        Reading::CreateIndex(create) => !create.only,
        Reading::Drop(drop) => drop.what == DropWhat::Table,
        Reading::Truncate { .. } | Reading::Update { .. } | Reading::Delete { .. } | Reading::Lock { .. } => true,
        _ => false,
    }
}

impl Judge<'_> {
    /// Gives every known partition and child of a touched table the same.
    fn children(&mut self) {
        let mut queue = self.judgement.touches.clone();
        while let Some(touch) = queue.pop() {
            // Of tables that a foreign key points at the children are left alone.
            let Some(table) = self.known.table_at(&touch.relation) else { continue };
            for child in table.children.clone() {
                let below = self.touch_at(child, touch.mode);
                (below.rewrite, below.scan) = (below.rewrite || touch.rewrite, below.scan || touch.scan);
                queue.push(below.clone());
            }
        }
        // A partitioned table holds no rows of its own.
        for touch in &mut self.judgement.touches {
            if self.known.table_at(&touch.relation).is_some_and(|table| table.partitioned) {
                (touch.rewrite, touch.scan) = (false, false);
            }
        }
    }

    fn statement(&mut self, reading: &Reading) {
        let whole = 0..self.text.len();
        match reading {
            Reading::CreateTable(create) => self.create_table(create),
            Reading::Alter(alter) => self.alter(alter),
            Reading::CreateIndex(create) => self.create_index(create),
            Reading::Drop(drop) => self.drop_objects(drop),
            Reading::Reindex(reindex) => self.reindex(reindex),
            Reading::Truncate { tables, cascade } => self.truncate(tables, *cascade),
            Reading::Update { table, condition } => self.whole_table(table, condition.is_none(), "UPDATE"),
            Reading::Delete { table, condition } => self.whole_table(table, condition.is_none(), "DELETE"),
            Reading::Insert { table, .. } => {
                self.touch(table, LockMode::RowExclusive);
            }
            Reading::CreateTrigger { table, .. } => {
                self.touch(table, LockMode::ShareRowExclusive);
            }
            Reading::DropOnTable { table, .. } | Reading::OnTable { table, .. } => {
                self.touch(table, LockMode::AccessExclusive);
            }
            Reading::CreateView { name, materialized, replace } => {
                if *replace && !materialized {
                    self.touch(name, LockMode::AccessExclusive);
                }
            }
            Reading::Refresh { view, concurrently: true } => {
                self.touch(view, LockMode::Exclusive).scan = true;
            }
            Reading::Refresh { view, concurrently: false } => {
                self.touch(view, LockMode::AccessExclusive).rewrite = true;
                if !self.is_new(view) {
                    self.hazard(
                        "refresh-blocks-reads",
                        &whole,
                        format!("readers of {} wait for its query", view.plain()),
                    );
                }
            }
            Reading::Cluster(table) => self.rewritten(table.as_ref(), "cluster-rewrites", "CLUSTER"),
            Reading::Vacuum { tables, full: true } if tables.is_empty() => {
                self.rewritten(None, "vacuum-full-rewrites", "VACUUM FULL");
            }
            Reading::Vacuum { tables, full } => {
                for table in tables {
                    if *full {
                        self.rewritten(Some(table), "vacuum-full-rewrites", "VACUUM FULL");
                    } else {
                        self.touch(table, LockMode::ShareUpdateExclusive);
                    }
                }
            }
            Reading::AlterDomain { name, scans: true } => {
                let what = format!("every row of every column of the domain {} is checked", name.plain());
                self.hazard("domain-scans", &whole, what);
            }
            Reading::RenameType(name) => {
                self.hazard("rename-breaks-clients", &whole, format!("clients know the old name in {}", name.plain()));
            }
            Reading::AlterComposite(name) => {
                let what =
                    format!("every table with a column of type {} is locked, and may be written anew", name.plain());
                self.hazard("composite-reach", &whole, what);
            }
            Reading::Lock { tables, mode } => self.lock(tables, mode),
            Reading::Dynamic(verb) => {
                self.hazard("dynamic-sql", &whole, format!("what {verb} runs does not stand in its text"));
            }
            Reading::Unknown => self.hazard("not-understood", &whole, "this reader does not know the statement"),
            Reading::AlterDomain { scans: false, .. }
            | Reading::CreateDomain { .. }
            | Reading::CreateType(_)
            | Reading::AddEnumValue(_)
            | Reading::Set { .. }
            | Reading::Begin
            | Reading::Commit
            | Reading::Rollback
            | Reading::Quiet(_) => {}
        }
    }

    fn create_table(&mut self, create: &CreateTable) {
        let whole = 0..self.text.len();
        let by_columns = create.columns.iter().flat_map(|column| &column.clauses).filter_map(|clause| match clause {
            ColumnClause::References(to) => Some(to),
            _ => None,
        });
        let by_constraints = create.constraints.iter().filter_map(|constraint| match &constraint.kind {
            ConstraintKind::ForeignKey { table, .. } => Some(table),
            _ => None,
        });
        let referenced: Vec<&Written> = by_columns.chain(by_constraints).filter(|to| **to != create.name).collect();
        for to in referenced {
            self.touch(to, LockMode::ShareRowExclusive);
            if !self.is_new(to) {
                let what = format!("writers of {} wait for the transaction's end", to.plain());
                self.hazard("references-lock", &whole, what);
            }
        }
        for column in &create.columns {
            if column.data_type.base == "json" && column.data_type.schema.is_none() {
                let what = format!("{}.{} is json, which has no equality operator", create.name.plain(), column.name.0);
                self.hazard("json-column", &whole, what);
            }
        }
        for parent in &create.inherits {
            self.touch(parent, LockMode::ShareUpdateExclusive);
        }
        if let Some(parent) = &create.partition_of {
            self.touch(parent, LockMode::AccessExclusive);
            if !self.is_new(parent) {
                let what = format!("readers and writers of {} wait for the transaction's end", parent.plain());
                self.hazard("partition-of-locks", &whole, what);
                self.default_partition(parent, &whole);
            }
        }
    }

    fn create_index(&mut self, create: &CreateIndex) {
        let whole = 0..self.text.len();
        let shown = create.table.plain();
        let partitioned = self.known.table(&create.table).is_some_and(|table| table.partitioned);
        if create.concurrently {
            self.touch(&create.table, LockMode::ShareUpdateExclusive).scan = true;
            if partitioned {
                self.hazard("concurrently-on-partitioned", &whole, format!("the server refuses it on {shown}"));
            }
            return;
        }
        let new = self.is_new(&create.table);
        // On a partitioned table ONLY makes an index that waits for its parts.
        let builds = !(new || partitioned && create.only);
        self.touch(&create.table, LockMode::Share).scan = builds;
        if builds {
            self.hazard("index-blocks-writes", &whole, format!("writers of {shown} wait until the index is built"));
        }
    }

    fn drop_objects(&mut self, drop: &DropObjects) {
        let whole = 0..self.text.len();
        for name in &drop.names {
            let shown = name.plain();
            match drop.what {
                DropWhat::Index => {
                    let table = self.known.index(name).map(|index| index.table.clone());
                    let mode =
                        if drop.concurrently { LockMode::ShareUpdateExclusive } else { LockMode::AccessExclusive };
                    let new = table.as_ref().is_some_and(|table| self.known.is_new(table));
                    if let Some(table) = table {
                        self.touch_at(table, mode);
                    }
                    if !drop.concurrently && !new {
                        let what = format!("readers and writers of the table of {shown} wait");
                        self.hazard("drop-index-blocks", &whole, what);
                    }
                }
                DropWhat::Table | DropWhat::View | DropWhat::MaterializedView | DropWhat::ForeignTable => {
                    let new = self.is_new(name);
                    self.touch(name, LockMode::AccessExclusive);
                    if !new {
                        self.hazard(
                            "drop-breaks-clients",
                            &whole,
                            format!("{shown} is gone for clients that still name it"),
                        );
                    }
                }
                DropWhat::Sequence | DropWhat::Type | DropWhat::Domain | DropWhat::Schema => {
                    self.hazard(
                        "drop-breaks-clients",
                        &whole,
                        format!("{shown} is gone for clients that still name it"),
                    );
                }
            }
        }
        self.cascade(drop.cascade, &whole);
    }

    fn reindex(&mut self, reindex: &Reindex) {
        let whole = 0..self.text.len();
        let table = match &reindex.target {
            Some(target) if reindex.index => self.known.index(target).map(|index| index.table.clone()),
            Some(target) => Some(self.known.relation(target)),
            None => None,
        };
        let mode = if reindex.concurrently { LockMode::ShareUpdateExclusive } else { LockMode::Share };
        if let Some(table) = table {
            self.touch_at(table, mode).scan = true;
        }
        if !reindex.concurrently {
            let what = "writers wait until it is built, and readers that would use the index";
            self.hazard("reindex-blocks", &whole, what);
        }
    }

    fn truncate(&mut self, tables: &[Written], cascade: bool) {
        let whole = 0..self.text.len();
        for table in tables {
            let new = self.is_new(table);
            self.touch(table, LockMode::AccessExclusive).rewrite = true;
            if !new {
                self.hazard("truncate-loses-rows", &whole, format!("all rows of {} are gone", table.plain()));
            }
        }
        if cascade {
            self.hazard("cascade-reach", &whole, "CASCADE empties every table that references it");
        }
    }

    fn whole_table(&mut self, table: &Written, whole_table: bool, verb: &str) {
        let new = self.is_new(table);
        self.touch(table, LockMode::RowExclusive).scan = whole_table;
        if whole_table && !new {
            let what = format!("{verb} takes every row of {} in one transaction", table.plain());
            self.hazard("whole-table-write", &(0..self.text.len()), what);
        }
    }

    fn rewritten(&mut self, table: Option<&Written>, rule: &'static str, verb: &str) {
        let what = match table {
            Some(table) => {
                self.touch(table, LockMode::AccessExclusive).rewrite = true;
                format!("{verb} writes {} anew", table.plain())
            }
            None => format!("{verb} writes every table anew"),
        };
        self.hazard(rule, &(0..self.text.len()), what);
    }

    fn lock(&mut self, tables: &[Written], mode: &str) {
        let mode = LockMode::named(mode).unwrap_or(LockMode::AccessExclusive);
        for table in tables {
            let new = self.is_new(table);
            self.touch(table, mode);
            if mode.blocks_writes() && !new {
                let what = format!("{mode} on {} stops {} until the transaction ends", table.plain(), mode.blocks());
                self.hazard("explicit-lock", &(0..self.text.len()), what);
            }
        }
    }
}
