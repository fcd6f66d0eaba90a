//! ALTER TABLE and its commands.

use std::ops::Range;

use super::cursor::{Cursor, Written};
use super::data_type::{DataType, read_type};
use super::table::{ColumnDef, TableConstraint, read_column, read_constraint, sees_constraint};
use crate::postgres::Ident;

/// ALTER TABLE (or INDEX, VIEW, MATERIALIZED VIEW, SEQUENCE, FOREIGN TABLE: their commands are a part of it).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Alter {
    /// What it alters: `TABLE`, `INDEX`, `VIEW`, `MATERIALIZED VIEW`, `SEQUENCE`.
    pub what: &'static str,
    /// Its name.
    pub name: Written,
    /// Whether children stay as they are.
    pub only: bool,
    /// What is done, each with its span.
    pub commands: Vec<(AlterCommand, Range<usize>)>,
}

/// One command of an ALTER TABLE.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AlterCommand {
    /// `ADD COLUMN`.
    AddColumn {
        /// The column.
        column: ColumnDef,
        /// Whether it says nothing where there is one.
        if_not_exists: bool,
    },
    /// `ADD` a table constraint.
    AddConstraint(TableConstraint),
    /// `DROP COLUMN`.
    DropColumn {
        /// The column.
        column: Ident,
        /// Whether what depends on it goes as well.
        cascade: bool,
    },
    /// `DROP CONSTRAINT`.
    DropConstraint {
        /// The constraint.
        name: Ident,
        /// Whether what depends on it goes as well.
        cascade: bool,
    },
    /// `VALIDATE CONSTRAINT`.
    Validate(Ident),
    /// `ALTER COLUMN … TYPE`.
    SetType {
        /// The column.
        column: Ident,
        /// Its new type.
        data_type: DataType,
        /// Where the type stands, COLLATE included.
        typed: Range<usize>,
        /// The expression after USING.
        using: Option<Range<usize>>,
        /// Whether a USING or COLLATE stands there.
        converted: bool,
    },
    /// `ALTER COLUMN … SET NOT NULL`.
    SetNotNull(Ident),
    /// `ALTER COLUMN … DROP NOT NULL`.
    DropNotNull(Ident),
    /// `ALTER COLUMN … SET DEFAULT`.
    Default(Ident),
    /// `ALTER COLUMN … DROP DEFAULT`.
    DropDefault(Ident),
    /// `ALTER COLUMN … ADD GENERATED … AS IDENTITY`.
    AddIdentity(Ident),
    /// `ALTER COLUMN … SET EXPRESSION` (17): every row is computed anew.
    SetExpression(Ident),
    /// Settings that rewrite nothing and need no more than SHARE UPDATE EXCLUSIVE.
    Mild,
    /// What needs ACCESS EXCLUSIVE for a moment: STORAGE, OWNER, INHERIT, ROW LEVEL SECURITY, rules, REPLICA IDENTITY, …
    Brief(&'static str),
    /// `ENABLE` or `DISABLE TRIGGER`.
    Trigger,
    /// `SET LOGGED`, `SET UNLOGGED`, `SET ACCESS METHOD`: a whole new copy of the table.
    Rewrite(&'static str),
    /// `SET TABLESPACE`: its files are copied.
    SetTablespace,
    /// `RENAME TO`.
    Rename(Ident),
    /// `RENAME COLUMN`.
    RenameColumn {
        /// The old name.
        from: Ident,
        /// The new one.
        to: Ident,
    },
    /// `RENAME CONSTRAINT`.
    RenameConstraint {
        /// The old name.
        from: Ident,
        /// The new one.
        to: Ident,
    },
    /// `SET SCHEMA`.
    SetSchema(Ident),
    /// `ATTACH PARTITION`.
    Attach {
        /// The partition.
        partition: Written,
        /// Whether it becomes the default one.
        default: bool,
    },
    /// `DETACH PARTITION`.
    Detach {
        /// The partition.
        partition: Written,
        /// Whether it gives way to others.
        concurrently: bool,
    },
    /// `INHERIT`: every row is not looked at, the constraints must be there.
    Inherit(Written),
}

/// Reads what follows `ALTER <what>`; `None` where a command is none of those above.
pub(super) fn read_alter(cursor: &mut Cursor<'_>, what: &'static str) -> Option<Alter> {
    cursor.takes(&["IF", "EXISTS"]);
    let only = cursor.takes(&["ONLY"]);
    let name = cursor.name()?;
    cursor.takes_symbol("*");
    let mut commands = Vec::new();
    loop {
        let start = cursor.offset();
        let command = read_command(cursor)?;
        commands.push((command, start..cursor.taken_to()));
        if cursor.is_done() {
            return Some(Alter { what, name, only, commands });
        }
        if !cursor.takes_symbol(",") {
            return None;
        }
    }
}

fn read_command(cursor: &mut Cursor<'_>) -> Option<AlterCommand> {
    if cursor.takes(&["ADD"]) {
        return read_add(cursor);
    }
    if cursor.takes(&["DROP"]) {
        return read_drop(cursor);
    }
    if cursor.takes(&["VALIDATE", "CONSTRAINT"]) {
        return Some(AlterCommand::Validate(cursor.ident()?));
    }
    if cursor.takes(&["ALTER", "CONSTRAINT"]) {
        cursor.ident()?;
        cursor.until(&[], &[","]);
        return Some(AlterCommand::Brief("ALTER CONSTRAINT"));
    }
    if cursor.takes(&["ALTER"]) {
        cursor.takes(&["COLUMN"]);
        return read_column_change(cursor);
    }
    if cursor.takes(&["RENAME"]) {
        return read_rename(cursor);
    }
    if cursor.takes(&["SET"]) {
        return read_set(cursor);
    }
    read_other(cursor)
}

fn read_add(cursor: &mut Cursor<'_>) -> Option<AlterCommand> {
    // A column may have the name of a word that begins a constraint only where COLUMN or quotes say so.
    if sees_constraint(cursor) || cursor.sees(&["NOT", "NULL"]) {
        return Some(AlterCommand::AddConstraint(read_constraint(cursor)?));
    }
    cursor.takes(&["COLUMN"]);
    let if_not_exists = cursor.takes(&["IF", "NOT", "EXISTS"]);
    Some(AlterCommand::AddColumn { column: read_column(cursor)?, if_not_exists })
}

fn read_drop(cursor: &mut Cursor<'_>) -> Option<AlterCommand> {
    let constraint = cursor.takes(&["CONSTRAINT"]);
    if !constraint {
        cursor.takes(&["COLUMN"]);
    }
    cursor.takes(&["IF", "EXISTS"]);
    let name = cursor.ident()?;
    let cascade = cursor.takes(&["CASCADE"]);
    if !cascade {
        cursor.takes(&["RESTRICT"]);
    }
    Some(if constraint {
        AlterCommand::DropConstraint { name, cascade }
    } else {
        AlterCommand::DropColumn { column: name, cascade }
    })
}

/// Words after a column's name, and the command they make.
type Choice = (&'static [&'static str], fn(Ident) -> AlterCommand);

fn read_column_change(cursor: &mut Cursor<'_>) -> Option<AlterCommand> {
    if cursor.peek()?.kind == crate::ddl::lex::TokenKind::Number {
        // ALTER INDEX … ALTER COLUMN 1 SET STATISTICS.
        cursor.advance();
        cursor.expect(&["SET", "STATISTICS"])?;
        cursor.until(&[], &[","]);
        return Some(AlterCommand::Mild);
    }
    let column = cursor.ident()?;
    if cursor.takes_one(&[&["TYPE"], &["SET", "DATA", "TYPE"]]).is_some() {
        let start = cursor.offset();
        let data_type = read_type(cursor)?;
        let collated = cursor.takes(&["COLLATE"]);
        if collated {
            cursor.name()?;
        }
        let typed = start..cursor.taken_to();
        let using = if cursor.takes(&["USING"]) { Some(cursor.until(&[], &[","])) } else { None };
        let converted = collated || using.is_some();
        return Some(AlterCommand::SetType { column, data_type, typed, using, converted });
    }
    let choices: [Choice; 13] = [
        (&["SET", "NOT", "NULL"], AlterCommand::SetNotNull),
        (&["DROP", "NOT", "NULL"], AlterCommand::DropNotNull),
        (&["SET", "DEFAULT"], AlterCommand::Default),
        (&["DROP", "DEFAULT"], AlterCommand::DropDefault),
        (&["ADD", "GENERATED"], AlterCommand::AddIdentity),
        (&["SET", "EXPRESSION"], AlterCommand::SetExpression),
        (&["SET", "STATISTICS"], |_| AlterCommand::Mild),
        (&["RESET"], |_| AlterCommand::Mild),
        (&["SET", "STORAGE"], |_| AlterCommand::Brief("SET STORAGE")),
        (&["SET", "COMPRESSION"], |_| AlterCommand::Brief("SET COMPRESSION")),
        (&["DROP", "EXPRESSION"], |_| AlterCommand::Brief("DROP EXPRESSION")),
        (&["DROP", "IDENTITY"], |_| AlterCommand::Brief("DROP IDENTITY")),
        (&["RESTART"], |_| AlterCommand::Brief("RESTART")),
    ];
    for (words, make) in choices {
        if cursor.takes(words) {
            cursor.until(&[], &[","]);
            return Some(make(column));
        }
    }
    if cursor.takes(&["SET"]) {
        // SET (n_distinct = …), or an identity's options.
        let mild = cursor.sees_symbol("(");
        cursor.until(&[], &[","]);
        return Some(if mild { AlterCommand::Mild } else { AlterCommand::Brief("SET GENERATED") });
    }
    None
}

fn read_rename(cursor: &mut Cursor<'_>) -> Option<AlterCommand> {
    if cursor.takes(&["TO"]) {
        return Some(AlterCommand::Rename(cursor.ident()?));
    }
    let constraint = cursor.takes(&["CONSTRAINT"]);
    if !constraint {
        cursor.takes(&["COLUMN"]);
    }
    let from = cursor.ident()?;
    cursor.expect(&["TO"])?;
    let to = cursor.ident()?;
    Some(if constraint { AlterCommand::RenameConstraint { from, to } } else { AlterCommand::RenameColumn { from, to } })
}

fn read_set(cursor: &mut Cursor<'_>) -> Option<AlterCommand> {
    if cursor.takes(&["SCHEMA"]) {
        return Some(AlterCommand::SetSchema(cursor.ident()?));
    }
    let found = cursor.takes_one(&[
        &["LOGGED"],
        &["UNLOGGED"],
        &["ACCESS", "METHOD"],
        &["TABLESPACE"],
        &["WITHOUT", "CLUSTER"],
        &["WITHOUT", "OIDS"],
    ]);
    let command = match found {
        Some(0) => AlterCommand::Rewrite("SET LOGGED"),
        Some(1) => AlterCommand::Rewrite("SET UNLOGGED"),
        Some(2) => AlterCommand::Rewrite("SET ACCESS METHOD"),
        Some(3) => AlterCommand::SetTablespace,
        Some(4) => AlterCommand::Mild,
        Some(_) => AlterCommand::Brief("SET WITHOUT OIDS"),
        None if cursor.sees_symbol("(") => AlterCommand::Mild,
        None => return None,
    };
    cursor.until(&[], &[","]);
    Some(command)
}

fn read_other(cursor: &mut Cursor<'_>) -> Option<AlterCommand> {
    if cursor.takes(&["ATTACH", "PARTITION"]) {
        let partition = cursor.name()?;
        let default = cursor.takes(&["DEFAULT"]);
        cursor.until(&[], &[]);
        return Some(AlterCommand::Attach { partition, default });
    }
    if cursor.takes(&["DETACH", "PARTITION"]) {
        let partition = cursor.name()?;
        let concurrently = cursor.takes_one(&[&["CONCURRENTLY"], &["FINALIZE"]]).is_some();
        return Some(AlterCommand::Detach { partition, concurrently });
    }
    if cursor.takes(&["INHERIT"]) {
        return Some(AlterCommand::Inherit(cursor.name()?));
    }
    if cursor.takes_one(&[&["ENABLE"], &["DISABLE"]]).is_some() {
        cursor.takes_one(&[&["ALWAYS"], &["REPLICA"]]);
        let trigger = cursor.takes(&["TRIGGER"]);
        let known = trigger || cursor.takes_one(&[&["RULE"], &["ROW", "LEVEL", "SECURITY"]]).is_some();
        if !known {
            return None;
        }
        cursor.until(&[], &[","]);
        return Some(if trigger { AlterCommand::Trigger } else { AlterCommand::Brief("ENABLE or DISABLE") });
    }
    let brief: [(&[&str], &'static str); 8] = [
        (&["OWNER", "TO"], "OWNER TO"),
        (&["NO", "INHERIT"], "NO INHERIT"),
        (&["REPLICA", "IDENTITY"], "REPLICA IDENTITY"),
        (&["FORCE", "ROW", "LEVEL", "SECURITY"], "FORCE ROW LEVEL SECURITY"),
        (&["NO", "FORCE", "ROW", "LEVEL", "SECURITY"], "NO FORCE ROW LEVEL SECURITY"),
        (&["OF"], "OF"),
        (&["NOT", "OF"], "NOT OF"),
        (&["OPTIONS"], "OPTIONS"),
    ];
    let mild: [&[&str]; 2] = [&["RESET"], &["CLUSTER", "ON"]];
    let command = if let Some((_, what)) = brief.iter().find(|(words, _)| cursor.takes(words)) {
        AlterCommand::Brief(what)
    } else {
        cursor.takes_one(&mild)?;
        AlterCommand::Mild
    };
    cursor.until(&[], &[","]);
    Some(command)
}
