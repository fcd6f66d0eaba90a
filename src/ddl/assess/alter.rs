//! ALTER TABLE: the lock that each command takes (`AlterTableGetLockLevel` in `tablecmds.c`), and what it does under it.

use std::ops::Range;

use super::Judge;
use super::expression::{Volatility, volatility};
use crate::ddl::lock::LockMode;
use crate::ddl::read::{
    Alter, AlterCommand, ColumnClause, ColumnDef, ConstraintKind, DataType, TableConstraint, Written, keeps_rows,
};
use crate::postgres::Ident;

impl Judge<'_> {
    pub(super) fn alter(&mut self, alter: &Alter) {
        for (command, span) in &alter.commands {
            self.command(alter, command, span);
        }
    }

    fn command(&mut self, alter: &Alter, command: &AlterCommand, span: &Range<usize>) {
        use AlterCommand as C;
        let table = &alter.name;
        let shown = table.plain();
        let mode = match command {
            C::Validate(_) | C::Detach { concurrently: true, .. } | C::Attach { .. } => LockMode::ShareUpdateExclusive,
            C::Mild if alter.what == "TABLE" => LockMode::ShareUpdateExclusive,
            C::Rename(_) if alter.what == "INDEX" => LockMode::ShareUpdateExclusive,
            C::Trigger => LockMode::ShareRowExclusive,
            C::AddConstraint(TableConstraint { kind: ConstraintKind::ForeignKey { .. }, .. }) => {
                LockMode::ShareRowExclusive
            }
            _ => LockMode::AccessExclusive,
        };
        self.touch(table, mode);
        if self.is_new(table) {
            // Nobody waits for it; another table that it points at is another matter.
            if let C::AddConstraint(TableConstraint { kind: ConstraintKind::ForeignKey { table: to, .. }, .. }) =
                command
            {
                self.references(table, to, span);
            }
            return;
        }
        match command {
            C::AddColumn { column, .. } => self.add_column(table, column, span),
            C::AddConstraint(constraint) => self.add_constraint(table, constraint, span),
            C::DropColumn { column, cascade } => {
                self.hazard(
                    "drop-breaks-clients",
                    span,
                    format!("column {} of {shown} is gone for clients that still name it", column.0),
                );
                self.cascade(*cascade, span);
            }
            C::DropConstraint { name, cascade } => {
                // Triggers of a foreign key go from both tables.
                let known = self.known.table(table).and_then(|table| table.constraints.get(&name.0));
                if let Some(ConstraintKind::ForeignKey { table: to, .. }) = known.map(|known| known.kind.clone()) {
                    self.touch(&to, LockMode::AccessExclusive);
                }
                self.cascade(*cascade, span);
            }
            C::Validate(name) => self.validate(table, name),
            C::SetType { column, data_type, converted, .. } => {
                self.set_type(table, column, data_type, *converted, span);
            }
            C::SetNotNull(column) => self.set_not_null(table, column, span),
            C::SetExpression(column) => {
                self.touch(table, mode).rewrite = true;
                self.hazard(
                    "generated-rewrites",
                    span,
                    format!("{}.{} is computed anew for every row", shown, column.0),
                );
            }
            C::Rewrite(what) => {
                self.touch(table, mode).rewrite = true;
                self.hazard("set-rewrites", span, format!("{what} writes {shown} anew"));
            }
            C::SetTablespace => {
                self.touch(table, mode).rewrite = true;
                self.hazard("set-rewrites", span, format!("SET TABLESPACE copies the files of {shown}"));
            }
            C::Rename(to) => self.rename(span, &shown, &format!("{} {}", noun(alter.what), to.0)),
            C::RenameColumn { from, to } => self.rename(span, &format!("{shown}.{}", from.0), &to.0),
            C::SetSchema(to) => self.rename(span, &shown, &format!("{}.{}", to.0, table.object.0)),
            C::Attach { partition, .. } => self.attach(table, partition, span),
            C::Detach { partition, concurrently } => {
                // The partition itself: ACCESS EXCLUSIVE in both forms, in the concurrent one when nobody uses it any more.
                self.touch(partition, LockMode::AccessExclusive);
                if !concurrently {
                    self.hazard("detach-blocks", span, format!("{shown} is locked while {} leaves", partition.plain()));
                }
            }
            C::Inherit(parent) => {
                self.touch(parent, LockMode::ShareUpdateExclusive);
            }
            C::DropNotNull(_)
            | C::Default(_)
            | C::DropDefault(_)
            | C::AddIdentity(_)
            | C::RenameConstraint { .. }
            | C::Mild
            | C::Brief(_)
            | C::Trigger => {}
        }
    }

    fn add_column(&mut self, table: &Written, column: &ColumnDef, span: &Range<usize>) {
        let shown = format!("{}.{}", table.plain(), column.name.0);
        let mut rewrites = None;
        let mut sure = true;
        if column.data_type.serial || column.clauses.contains(&ColumnClause::Identity) {
            rewrites = Some("every row takes a number of its sequence");
        } else if column.clauses.contains(&ColumnClause::Stored) {
            self.touch(table, LockMode::AccessExclusive).rewrite = true;
            self.hazard("generated-rewrites", span, format!("{shown} is computed for every row"));
        } else if let Some(default) = column.default() {
            match volatility(self.expression(default)) {
                Volatility::Stable => {}
                Volatility::Volatile => rewrites = Some("its default is another value for every row"),
                Volatility::Unknown => (rewrites, sure) = (Some("its default calls what is not known here"), false),
            }
        }
        if rewrites.is_none() && !column.clauses.contains(&ColumnClause::Stored) {
            match self.domain(&column.data_type) {
                Some(true) => rewrites = Some("its domain's constraint is checked for every row"),
                Some(false) => {}
                None => (rewrites, sure) = (Some("its type may be a domain with a constraint"), false),
            }
        }
        if let Some(why) = rewrites {
            self.touch(table, LockMode::AccessExclusive).rewrite = true;
            let writes = if sure { "writes" } else { "may write" };
            self.hazard("add-column-rewrites", span, format!("adding {shown} {writes} the table anew: {why}"));
        }
        let fills = column.default().is_some()
            || column.data_type.serial
            || column
                .clauses
                .iter()
                .any(|c| matches!(c, ColumnClause::Identity | ColumnClause::Stored | ColumnClause::Virtual));
        if column.is_not_null() && !fills {
            self.hazard("required-column", span, format!("{shown} is NOT NULL and has no default"));
            self.touch(table, LockMode::AccessExclusive).scan = true;
        }
        if column.data_type.base == "json" && column.data_type.schema.is_none() {
            self.hazard("json-column", span, format!("{shown} is json, which has no equality operator"));
        }
        for clause in &column.clauses {
            match clause {
                ColumnClause::Check(_) => {
                    self.touch(table, LockMode::AccessExclusive).scan = true;
                    self.hazard("check-validates", span, format!("the check of {shown} reads every row"));
                }
                ColumnClause::Unique | ColumnClause::PrimaryKey => {
                    self.touch(table, LockMode::AccessExclusive).scan = true;
                    self.hazard("unique-builds-index", span, format!("the index of {shown} is built under the lock"));
                }
                // Every row has NULL there, and the server knows (`transformAlterTableStmt`, skipValidation).
                ColumnClause::References(to) if column.default().is_none() => {
                    self.touch(to, LockMode::ShareRowExclusive);
                }
                ColumnClause::References(to) => {
                    self.touch(table, LockMode::AccessExclusive).scan = true;
                    self.touch(to, LockMode::ShareRowExclusive).scan = true;
                    self.hazard("foreign-key-validates", span, format!("{shown} is checked against {}", to.plain()));
                }
                _ => {}
            }
        }
    }

    /// Whether the type is a domain that demands something; types of the server are none.
    fn domain(&self, data_type: &DataType) -> Option<bool> {
        if data_type.schema.is_none() && crate::ddl::read::is_builtin(&data_type.base) {
            return Some(false);
        }
        self.known.is_constrained_domain(data_type)
    }

    fn add_constraint(&mut self, table: &Written, constraint: &TableConstraint, span: &Range<usize>) {
        let shown = table.plain();
        match &constraint.kind {
            ConstraintKind::Check(_) if constraint.not_valid => {}
            ConstraintKind::Check(_) => {
                self.touch(table, LockMode::AccessExclusive).scan = true;
                self.hazard("check-validates", span, format!("every row of {shown} is checked under the lock"));
            }
            ConstraintKind::NotNull(_) if constraint.not_valid => {}
            ConstraintKind::NotNull(column) => self.set_not_null(table, column, span),
            ConstraintKind::Unique(_) | ConstraintKind::PrimaryKey(_) => {
                self.touch(table, LockMode::AccessExclusive).scan = true;
                self.hazard("unique-builds-index", span, format!("its index is built under the lock on {shown}"));
            }
            ConstraintKind::UsingIndex { primary, index } => self.using_index(table, *primary, index, span),
            ConstraintKind::Exclude => {
                self.touch(table, LockMode::AccessExclusive).scan = true;
                self.hazard("exclusion-builds-index", span, format!("its index is built under the lock on {shown}"));
            }
            ConstraintKind::ForeignKey { columns, table: to } => {
                self.references(table, to, span);
                if !constraint.not_valid {
                    self.touch(table, LockMode::ShareRowExclusive).scan = true;
                    self.touch(to, LockMode::ShareRowExclusive).scan = true;
                    let what = format!("every row of {shown} is checked against {}", to.plain());
                    self.hazard("foreign-key-validates", span, what);
                }
                let relation = self.known.relation(table);
                let columns: Vec<String> = columns.iter().map(|column| column.0.clone()).collect();
                if self.known.table(table).is_some_and(|table| table.whole)
                    && !self.known.is_indexed(&relation, &columns)
                {
                    let what = format!("no index of {shown} begins with {}", columns.join(", "));
                    self.hazard("foreign-key-without-index", span, what);
                }
            }
        }
    }

    /// The lock on the table that a foreign key points at.
    pub(super) fn references(&mut self, table: &Written, to: &Written, span: &Range<usize>) {
        self.touch(to, LockMode::ShareRowExclusive);
        if self.is_new(table) && !self.is_new(to) {
            self.hazard("references-lock", span, format!("writers of {} wait for the transaction's end", to.plain()));
        }
    }

    fn validate(&mut self, table: &Written, name: &Ident) {
        let kind = self.known.table(table).and_then(|table| table.constraints.get(&name.0)).map(|c| c.kind.clone());
        if let Some(ConstraintKind::ForeignKey { table: to, .. }) = kind {
            self.touch(&to, LockMode::RowShare);
        }
        self.touch(table, LockMode::ShareUpdateExclusive).scan = true;
    }

    fn using_index(&mut self, table: &Written, primary: bool, index: &Ident, span: &Range<usize>) {
        if !primary {
            return;
        }
        let written = Written { schema: table.schema.clone(), object: index.clone() };
        let columns = self.known.index(&written).map(|index| index.columns.clone());
        let not_null = |column: &String| {
            let table = self.known.table(table);
            table.and_then(|table| table.columns.get(column)).and_then(|column| column.not_null) == Some(true)
        };
        if columns.is_none_or(|columns| !columns.iter().all(not_null)) {
            self.touch(table, LockMode::AccessExclusive).scan = true;
            let what = format!("a primary key makes its columns NOT NULL: every row of {} is read", table.plain());
            self.hazard("primary-key-sets-not-null", span, what);
        }
    }

    fn set_type(&mut self, table: &Written, column: &Ident, to: &DataType, converted: bool, span: &Range<usize>) {
        let shown = format!("{}.{}", table.plain(), column.0);
        let from = self.known.table(table).and_then(|table| table.columns.get(&column.0));
        let from = from.and_then(|column| column.data_type.clone());
        let keeps = match &from {
            Some(from) if !converted => keeps_rows(from, to),
            // An expression after USING is seldom a mere name.
            Some(_) => Some(false),
            None => None,
        };
        if keeps == Some(true) {
            return;
        }
        self.touch(table, LockMode::AccessExclusive).rewrite = true;
        let what = match (keeps, from) {
            (Some(_), Some(from)) => {
                format!("{shown} goes from {from} to {to}: the table and its indexes are written anew")
            }
            (_, Some(from)) => format!("whether {from} to {to} writes the table of {shown} anew can't be told here"),
            (_, None) => format!("the type that {shown} has is not known: to {to} may write the table anew"),
        };
        self.hazard("type-rewrites", span, what);
    }

    fn set_not_null(&mut self, table: &Written, column: &Ident, span: &Range<usize>) {
        if self.known.proves_not_null(table, &column.0) {
            return;
        }
        self.touch(table, LockMode::AccessExclusive).scan = true;
        let what = format!("every row of {} is read to find a NULL in {}", table.plain(), column.0);
        self.hazard("set-not-null-scans", span, what);
    }

    fn attach(&mut self, table: &Written, partition: &Written, span: &Range<usize>) {
        let new = self.is_new(partition);
        self.touch(partition, LockMode::AccessExclusive).scan = !new;
        if !new {
            let what =
                format!("every row of {} is read, unless a valid CHECK says what the bounds say", partition.plain());
            self.hazard("attach-scans", span, what);
        }
        self.default_partition(table, span);
    }

    /// A new partition next to a default one: whether the default one holds its rows is looked for, under its lock.
    pub(super) fn default_partition(&mut self, parent: &Written, span: &Range<usize>) {
        let default = self.known.table(parent).and_then(|parent| parent.default_partition.clone());
        if let Some(default) = default {
            let shown = default.1.clone();
            self.touch_at(default, LockMode::AccessExclusive).scan = true;
            self.hazard("default-partition-scans", span, format!("every row of the default partition {shown} is read"));
        }
    }

    fn rename(&mut self, span: &Range<usize>, from: &str, to: &str) {
        self.hazard("rename-breaks-clients", span, format!("{from} becomes {to}: clients know the old name"));
    }

    pub(super) fn cascade(&mut self, cascade: bool, span: &Range<usize>) {
        if cascade {
            self.hazard("cascade-reach", span, "CASCADE takes along whatever depends on it");
        }
    }
}

fn noun(what: &str) -> &'static str {
    match what {
        "INDEX" => "index",
        "VIEW" => "view",
        "MATERIALIZED VIEW" => "materialized view",
        "SEQUENCE" => "sequence",
        _ => "table",
    }
}
