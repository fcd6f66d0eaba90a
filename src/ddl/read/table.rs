//! Column definitions, constraints, and CREATE TABLE.

use std::ops::Range;

use super::cursor::{Cursor, Written};
use super::data_type::{DataType, read_type};
use crate::postgres::Ident;

/// A column as CREATE TABLE and ADD COLUMN define it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ColumnDef {
    /// Its name.
    pub name: Ident,
    /// Its type.
    pub data_type: DataType,
    /// What follows the type.
    pub clauses: Vec<ColumnClause>,
    /// Where its name and type stand.
    pub typed: Range<usize>,
    /// Where each of the clauses stands.
    pub places: Vec<ClauseAt>,
}

/// A clause's place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClauseAt {
    /// `CONSTRAINT name` before it included.
    pub span: Range<usize>,
    /// The name that it is given.
    pub name: Option<Ident>,
}

impl ColumnDef {
    /// Whether it refuses NULL by its own words: NOT NULL, PRIMARY KEY, identity, serial.
    pub fn is_not_null(&self) -> bool {
        self.data_type.serial
            || self.clauses.iter().any(|clause| {
                matches!(clause, ColumnClause::NotNull | ColumnClause::PrimaryKey | ColumnClause::Identity)
            })
    }

    /// Its DEFAULT expression.
    pub fn default(&self) -> Option<&Range<usize>> {
        self.clauses.iter().find_map(|clause| match clause {
            ColumnClause::Default(expression) => Some(expression),
            _ => None,
        })
    }
}

/// What may follow a column's type. Spans are of the expression alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ColumnClause {
    /// `NOT NULL`.
    NotNull,
    /// `DEFAULT expression`.
    Default(Range<usize>),
    /// `GENERATED ALWAYS AS (…) STORED`.
    Stored,
    /// `GENERATED ALWAYS AS (…) VIRTUAL` (18).
    Virtual,
    /// `GENERATED … AS IDENTITY`.
    Identity,
    /// `CHECK (expression)`.
    Check(Range<usize>),
    /// `UNIQUE`.
    Unique,
    /// `PRIMARY KEY`.
    PrimaryKey,
    /// `REFERENCES table`.
    References(Written),
    /// What says nothing that matters here: NULL, COLLATE, STORAGE, DEFERRABLE, …
    Other,
}

/// A constraint of a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableConstraint {
    /// Its name, where one is given.
    pub name: Option<Ident>,
    /// What it demands.
    pub kind: ConstraintKind,
    /// Whether it is added without looking at the rows that are there.
    pub not_valid: bool,
    /// Where it stands without its name and NOT VALID.
    pub definition: Range<usize>,
}

/// What a constraint demands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ConstraintKind {
    /// `CHECK (expression)`, with the expression's normal form.
    Check(String),
    /// `NOT NULL column` (18).
    NotNull(Ident),
    /// `UNIQUE (columns)`.
    Unique(Vec<Ident>),
    /// `PRIMARY KEY (columns)`.
    PrimaryKey(Vec<Ident>),
    /// `UNIQUE USING INDEX index`, or PRIMARY KEY.
    UsingIndex {
        /// Whether it is the primary key.
        primary: bool,
        /// The index.
        index: Ident,
    },
    /// `EXCLUDE`.
    Exclude,
    /// `FOREIGN KEY (columns) REFERENCES table`.
    ForeignKey {
        /// The referencing columns.
        columns: Vec<Ident>,
        /// The referenced table.
        table: Written,
    },
}

impl ConstraintKind {
    /// The columns of the table that it is about, as far as its text tells them.
    pub fn columns(&self) -> Vec<String> {
        match self {
            Self::Check(check) => crate::ddl::name::columns_of(check).unwrap_or_default(),
            Self::NotNull(column) => vec![column.0.clone()],
            Self::Unique(columns) | Self::PrimaryKey(columns) | Self::ForeignKey { columns, .. } => {
                columns.iter().map(|column| column.0.clone()).collect()
            }
            Self::UsingIndex { .. } | Self::Exclude => Vec::new(),
        }
    }

    /// Follows a column to its new name.
    pub(in crate::ddl) fn rename(&mut self, from: &Ident, to: &Ident) {
        match self {
            Self::Check(check) => {
                *check = crate::ddl::name::with_column(check, &from.0, &to.0).unwrap_or_default();
            }
            Self::NotNull(column) if column == from => *column = to.clone(),
            Self::Unique(columns) | Self::PrimaryKey(columns) | Self::ForeignKey { columns, .. } => {
                for column in columns.iter_mut().filter(|column| *column == from) {
                    *column = to.clone();
                }
            }
            _ => {}
        }
    }
}

/// What the rows of a partitioned table are divided by; only where these are columns and no expressions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartitionKey {
    /// `range`, `list` or `hash`.
    pub strategy: String,
    /// The columns.
    pub columns: Vec<Ident>,
}

/// CREATE TABLE.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(clippy::struct_excessive_bools)] // words that stand there or do not
pub struct CreateTable {
    /// Its name.
    pub name: Written,
    /// Whether nobody else can see it.
    pub temporary: bool,
    /// Whether it says nothing where there is one.
    pub if_not_exists: bool,
    /// Its columns; empty for `AS`, `OF` and partitions.
    pub columns: Vec<ColumnDef>,
    /// Its table constraints.
    pub constraints: Vec<TableConstraint>,
    /// `PARTITION OF parent`.
    pub partition_of: Option<Written>,
    /// Whether it is the default partition.
    pub default_partition: bool,
    /// `PARTITION BY`.
    pub partitioned: bool,
    /// What its rows are divided by.
    pub partition_key: Option<PartitionKey>,
    /// `INHERITS (parents)`.
    pub inherits: Vec<Written>,
    /// `LIKE table`.
    pub like: Vec<Written>,
    /// Whether it is filled by a query.
    pub from_query: bool,
}

const END_OF_CLAUSE: [&str; 14] = [
    "NOT",
    "NULL",
    "CHECK",
    "UNIQUE",
    "PRIMARY",
    "REFERENCES",
    "CONSTRAINT",
    "GENERATED",
    "DEFAULT",
    "COLLATE",
    "STORAGE",
    "COMPRESSION",
    "DEFERRABLE",
    "INITIALLY",
];

/// Reads a column's definition up to its end: `symbols` are what may follow it (`,` and `)`).
pub(super) fn read_column(cursor: &mut Cursor<'_>) -> Option<ColumnDef> {
    let start = cursor.offset();
    let name = cursor.ident()?;
    let data_type = read_type(cursor)?;
    let typed = start..cursor.taken_to();
    let (mut clauses, mut places) = (Vec::new(), Vec::new());
    while let Some(token) = cursor.peek() {
        if [",", ")"].iter().any(|end| cursor.text(token.span()) == *end) {
            break;
        }
        let start = cursor.offset();
        let name = if cursor.takes(&["CONSTRAINT"]) { Some(cursor.ident()?) } else { None };
        clauses.push(read_clause(cursor)?);
        places.push(ClauseAt { span: start..cursor.taken_to(), name });
    }
    Some(ColumnDef { name, data_type, clauses, typed, places })
}

/// One clause.
fn read_clause(cursor: &mut Cursor<'_>) -> Option<ColumnClause> {
    let clause = if cursor.takes(&["NOT", "NULL"]) {
        cursor.takes(&["NO", "INHERIT"]);
        ColumnClause::NotNull
    } else if cursor.takes(&["NULL"]) {
        return Some(ColumnClause::Other);
    } else if cursor.takes(&["DEFAULT"]) {
        // The expression may itself begin with one of the words that end it: DEFAULT NULL, DEFAULT NOT …
        let start = cursor.offset();
        if cursor.group().is_none() {
            cursor.advance()?;
        }
        let rest = cursor.until(&END_OF_CLAUSE, &[",", ")"]);
        ColumnClause::Default(start..if rest.is_empty() { cursor.taken_to() } else { rest.end })
    } else if cursor.takes(&["GENERATED"]) {
        return read_generated(cursor);
    } else if cursor.takes(&["CHECK"]) {
        let expression = cursor.group()?;
        cursor.takes(&["NO", "INHERIT"]);
        ColumnClause::Check(expression)
    } else if cursor.takes(&["UNIQUE"]) {
        nulls(cursor);
        index_parameters(cursor)?;
        ColumnClause::Unique
    } else if cursor.takes(&["PRIMARY", "KEY"]) {
        index_parameters(cursor)?;
        ColumnClause::PrimaryKey
    } else if cursor.takes(&["REFERENCES"]) {
        let table = cursor.name()?;
        references_rest(cursor)?;
        ColumnClause::References(table)
    } else if cursor.takes(&["COLLATE"]) {
        cursor.name()?;
        return Some(ColumnClause::Other);
    } else if cursor.takes_one(&[&["STORAGE"], &["COMPRESSION"]]).is_some() {
        cursor.ident()?;
        return Some(ColumnClause::Other);
    } else if deferrable(cursor) {
        return Some(ColumnClause::Other);
    } else {
        return None;
    };
    Some(clause)
}

fn read_generated(cursor: &mut Cursor<'_>) -> Option<ColumnClause> {
    cursor.takes_one(&[&["ALWAYS"], &["BY", "DEFAULT"]])?;
    cursor.expect(&["AS"])?;
    if cursor.takes(&["IDENTITY"]) {
        cursor.group();
        return Some(ColumnClause::Identity);
    }
    cursor.group()?;
    match cursor.takes_one(&[&["STORED"], &["VIRTUAL"]]) {
        Some(0) => Some(ColumnClause::Stored),
        // Without a word it is an error before 18, and virtual since.
        _ => Some(ColumnClause::Virtual),
    }
}

fn nulls(cursor: &mut Cursor<'_>) {
    cursor.takes_one(&[&["NULLS", "NOT", "DISTINCT"], &["NULLS", "DISTINCT"]]);
}

fn index_parameters(cursor: &mut Cursor<'_>) -> Option<()> {
    if cursor.takes(&["INCLUDE"]) {
        cursor.group()?;
    }
    if cursor.takes(&["WITH"]) {
        cursor.group()?;
    }
    if cursor.takes(&["USING", "INDEX", "TABLESPACE"]) {
        cursor.ident()?;
    }
    Some(())
}

fn deferrable(cursor: &mut Cursor<'_>) -> bool {
    cursor
        .takes_one(&[
            &["NOT", "DEFERRABLE"],
            &["DEFERRABLE"],
            &["INITIALLY", "DEFERRED"],
            &["INITIALLY", "IMMEDIATE"],
            &["NOT", "ENFORCED"],
            &["ENFORCED"],
        ])
        .is_some()
}

fn references_rest(cursor: &mut Cursor<'_>) -> Option<()> {
    cursor.group();
    loop {
        if cursor.takes(&["MATCH"]) {
            cursor.ident()?;
        } else if cursor.takes(&["ON"]) {
            cursor.takes_one(&[&["DELETE"], &["UPDATE"]])?;
            let action = cursor.takes_one(&[
                &["NO", "ACTION"],
                &["RESTRICT"],
                &["CASCADE"],
                &["SET", "NULL"],
                &["SET", "DEFAULT"],
            ])?;
            if action >= 3 {
                cursor.group();
            }
        } else {
            return Some(());
        }
    }
}

/// Reads a table constraint, `CONSTRAINT name` before it included; `None` where none begins here.
pub(super) fn read_constraint(cursor: &mut Cursor<'_>) -> Option<TableConstraint> {
    let name = if cursor.takes(&["CONSTRAINT"]) { Some(cursor.ident()?) } else { None };
    let start = cursor.offset();
    let kind = read_kind(cursor)?;
    let mut definition = start..cursor.taken_to();
    let mut not_valid = false;
    loop {
        if cursor.takes(&["NOT", "VALID"]) {
            not_valid = true;
        } else if deferrable(cursor) || cursor.takes(&["NO", "INHERIT"]) {
            definition.end = cursor.taken_to();
        } else {
            return Some(TableConstraint { name, kind, not_valid, definition });
        }
    }
}

fn read_kind(cursor: &mut Cursor<'_>) -> Option<ConstraintKind> {
    Some(if cursor.takes(&["CHECK"]) {
        let expression = cursor.group()?;
        ConstraintKind::Check(cursor.inside(&expression).normal())
    } else if cursor.takes(&["NOT", "NULL"]) {
        ConstraintKind::NotNull(cursor.ident()?)
    } else if cursor.takes(&["UNIQUE"]) {
        nulls(cursor);
        match using_index(cursor) {
            Some(index) => ConstraintKind::UsingIndex { primary: false, index },
            None => ConstraintKind::Unique(key(cursor)?),
        }
    } else if cursor.takes(&["PRIMARY", "KEY"]) {
        match using_index(cursor) {
            Some(index) => ConstraintKind::UsingIndex { primary: true, index },
            None => ConstraintKind::PrimaryKey(key(cursor)?),
        }
    } else if cursor.takes(&["EXCLUDE"]) {
        if cursor.takes(&["USING"]) {
            cursor.ident()?;
        }
        cursor.group()?;
        index_parameters(cursor)?;
        if cursor.takes(&["WHERE"]) {
            cursor.group()?;
        }
        ConstraintKind::Exclude
    } else if cursor.takes(&["FOREIGN", "KEY"]) {
        let columns = cursor.columns()?;
        cursor.expect(&["REFERENCES"])?;
        let table = cursor.name()?;
        references_rest(cursor)?;
        ConstraintKind::ForeignKey { columns, table }
    } else {
        return None;
    })
}

fn key(cursor: &mut Cursor<'_>) -> Option<Vec<Ident>> {
    let columns = cursor.columns()?;
    index_parameters(cursor)?;
    Some(columns)
}

fn using_index(cursor: &mut Cursor<'_>) -> Option<Ident> {
    if cursor.takes(&["USING", "INDEX"]) { cursor.ident() } else { None }
}

/// Whether a table element is a constraint and no column.
pub(super) fn sees_constraint(cursor: &Cursor<'_>) -> bool {
    let words: [&[&str]; 6] =
        [&["CONSTRAINT"], &["CHECK"], &["UNIQUE"], &["PRIMARY", "KEY"], &["EXCLUDE"], &["FOREIGN", "KEY"]];
    words.iter().any(|words| cursor.sees(words))
}

/// Reads what follows `CREATE … TABLE`.
pub(super) fn read_create_table(cursor: &mut Cursor<'_>, temporary: bool) -> Option<CreateTable> {
    let if_not_exists = cursor.takes(&["IF", "NOT", "EXISTS"]);
    let mut create = CreateTable {
        name: cursor.name()?,
        temporary,
        if_not_exists,
        columns: Vec::new(),
        constraints: Vec::new(),
        partition_of: None,
        default_partition: false,
        partitioned: false,
        partition_key: None,
        inherits: Vec::new(),
        like: Vec::new(),
        from_query: false,
    };
    if cursor.takes(&["PARTITION", "OF"]) {
        create.partition_of = Some(cursor.name()?);
        cursor.group();
        create.default_partition = cursor.takes(&["DEFAULT"]);
        if !create.default_partition {
            cursor.expect(&["FOR", "VALUES"])?;
            cursor.until(&["PARTITION", "USING", "TABLESPACE"], &[]);
            // WITH stands in the bounds as well: (MODULUS …).
        }
    } else if cursor.takes(&["OF"]) {
        cursor.name()?;
        cursor.group();
    } else if cursor.sees_symbol("(") && !is_column_list_of_query(cursor) {
        let elements = cursor.group()?;
        read_elements(&mut cursor.inside(&elements), &mut create)?;
    } else {
        cursor.group();
    }
    read_create_rest(cursor, create)
}

/// `CREATE TABLE t (a, b) AS SELECT`: names alone.
fn is_column_list_of_query(cursor: &Cursor<'_>) -> bool {
    let mut ahead = cursor.clone();
    ahead.columns().is_some() && (ahead.sees(&["AS"]) || ahead.sees(&["WITH"]) && ahead.has_word("AS"))
}

fn read_elements(cursor: &mut Cursor<'_>, create: &mut CreateTable) -> Option<()> {
    while !cursor.is_done() {
        if cursor.takes(&["LIKE"]) {
            create.like.push(cursor.name()?);
            cursor.until(&[], &[","]);
        } else if sees_constraint(cursor) {
            create.constraints.push(read_constraint(cursor)?);
        } else {
            create.columns.push(read_column(cursor)?);
        }
        if !cursor.takes_symbol(",") {
            return cursor.is_done().then_some(());
        }
    }
    Some(())
}

fn read_create_rest(cursor: &mut Cursor<'_>, mut create: CreateTable) -> Option<CreateTable> {
    loop {
        if cursor.takes(&["INHERITS"]) {
            let parents = cursor.group()?;
            create.inherits = cursor.inside(&parents).names()?;
        } else if cursor.takes(&["PARTITION", "BY"]) {
            let strategy = cursor.ident()?.0;
            let key = cursor.group()?;
            let columns = super::index::plain_columns(&mut cursor.inside(&key));
            let whole = columns.len() == 1 + cursor.text(key).matches(',').count();
            create.partition_key = whole.then_some(PartitionKey { strategy, columns });
            create.partitioned = true;
        } else if cursor.takes_one(&[&["USING"], &["TABLESPACE"]]).is_some() {
            cursor.ident()?;
        } else if cursor.takes(&["WITHOUT", "OIDS"]) {
        } else if cursor.takes(&["WITH"]) {
            cursor.group()?;
        } else if cursor.takes(&["ON", "COMMIT"]) {
            cursor.takes_one(&[&["PRESERVE", "ROWS"], &["DELETE", "ROWS"], &["DROP"]])?;
        } else if cursor.takes(&["AS"]) {
            create.from_query = true;
            return Some(create);
        } else {
            return cursor.is_done().then_some(create);
        }
    }
}
