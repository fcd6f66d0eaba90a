//! What a statement says, read word by word: names, columns, constraints and the commands of ALTER TABLE, with the spans
//! at which they stand.
//!
//! sqlparser gives no span of an operation, reads a `DROP index CASCADE` as another statement, and misses forms that
//! migrations are full of (ddl-facts.md); so this reader is the first, sqlparser the second (`parse.rs`), and where the two
//! see different things, the statement is unknown. Nothing is guessed: what isn't read to its end is [`Reading::Unknown`].

mod alter;
mod cursor;
mod data_type;
mod index;
mod table;

pub use alter::{Alter, AlterCommand};
pub use cursor::{Cursor, Written};
pub use data_type::{DataType, is_builtin, keeps_rows, read_type};
pub use index::{CreateIndex, DropObjects, DropWhat, Reindex};
pub use table::{ClauseAt, ColumnClause, ColumnDef, ConstraintKind, CreateTable, PartitionKey, TableConstraint};

use std::ops::Range;

use crate::postgres::Ident;

/// What one statement says. Spans are bytes of the statement's own text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reading {
    /// CREATE TABLE in any form.
    CreateTable(CreateTable),
    /// ALTER of a relation.
    Alter(Alter),
    /// CREATE INDEX.
    CreateIndex(CreateIndex),
    /// DROP of what holds or shows rows.
    Drop(DropObjects),
    /// REINDEX.
    Reindex(Reindex),
    /// TRUNCATE.
    Truncate {
        /// The tables.
        tables: Vec<Written>,
        /// Whether those that reference them are emptied as well.
        cascade: bool,
    },
    /// UPDATE of one table.
    Update {
        /// The table.
        table: Written,
        /// The expression after WHERE.
        condition: Option<Range<usize>>,
    },
    /// DELETE of one table's rows.
    Delete {
        /// The table.
        table: Written,
        /// The expression after WHERE.
        condition: Option<Range<usize>>,
    },
    /// INSERT.
    Insert {
        /// The table.
        table: Written,
        /// Whether its rows come from a query.
        from_query: bool,
    },
    /// CREATE TRIGGER.
    CreateTrigger {
        /// Its name.
        name: Ident,
        /// Its table.
        table: Written,
        /// The table of `FROM`, for a constraint trigger.
        other: Option<Written>,
    },
    /// DROP TRIGGER, RULE or POLICY.
    DropOnTable {
        /// `TRIGGER`, `RULE`, `POLICY`.
        what: &'static str,
        /// Its name.
        name: Ident,
        /// Its table.
        table: Written,
    },
    /// CREATE RULE, CREATE POLICY, ALTER POLICY, ALTER TRIGGER: ACCESS EXCLUSIVE for a moment.
    OnTable {
        /// `RULE`, `POLICY`, `TRIGGER`.
        what: &'static str,
        /// Its table.
        table: Written,
    },
    /// CREATE VIEW or MATERIALIZED VIEW.
    CreateView {
        /// Its name.
        name: Written,
        /// Whether it holds rows.
        materialized: bool,
        /// Whether an old one is replaced.
        replace: bool,
    },
    /// REFRESH MATERIALIZED VIEW.
    Refresh {
        /// The view.
        view: Written,
        /// Whether readers go on.
        concurrently: bool,
    },
    /// CLUSTER; of all tables where none is named.
    Cluster(Option<Written>),
    /// VACUUM.
    Vacuum {
        /// The tables; none: all.
        tables: Vec<Written>,
        /// Whether the tables are written anew.
        full: bool,
    },
    /// CREATE DOMAIN.
    CreateDomain {
        /// Its name.
        name: Written,
        /// Whether it demands anything.
        constrained: bool,
    },
    /// CREATE TYPE.
    CreateType(Written),
    /// ALTER DOMAIN.
    AlterDomain {
        /// Its name.
        name: Written,
        /// Whether every row of its columns is looked at.
        scans: bool,
    },
    /// ALTER TYPE … ADD VALUE.
    AddEnumValue(Written),
    /// ALTER TYPE … RENAME, of the type, a value or an attribute.
    RenameType(Written),
    /// ALTER TYPE … of a composite's attributes.
    AlterComposite(Written),
    /// LOCK TABLE.
    Lock {
        /// The tables.
        tables: Vec<Written>,
        /// `ACCESS EXCLUSIVE`, as written, in upper case; empty where none is.
        mode: String,
    },
    /// SET of a setting, SESSION and LOCAL alike.
    Set {
        /// The setting, in lower case.
        name: String,
        /// Its value as written.
        value: Range<usize>,
        /// Whether it ends with the transaction.
        local: bool,
    },
    /// BEGIN, START TRANSACTION.
    Begin,
    /// COMMIT, END.
    Commit,
    /// ROLLBACK, ABORT, but not to a savepoint.
    Rollback,
    /// What takes no lock on a relation that others use, or only one that disturbs nobody.
    Quiet(&'static str),
    /// What runs code that the text doesn't show: DO, CALL, SELECT of a function.
    Dynamic(&'static str),
    /// What this reader doesn't know.
    Unknown,
}

/// Reads one statement's text.
pub fn read(text: &str) -> Reading {
    let Some(mut cursor) = Cursor::new(text) else { return Reading::Unknown };
    let reading = read_statement(&mut cursor);
    reading.unwrap_or(Reading::Unknown)
}

fn read_statement(cursor: &mut Cursor<'_>) -> Option<Reading> {
    type Choice = (&'static [&'static str], fn(&mut Cursor<'_>) -> Option<Reading>);
    let choices: [Choice; 23] = [
        (&["CREATE"], read_create),
        (&["ALTER"], read_alter),
        (&["DROP"], read_drop),
        (&["TRUNCATE"], read_truncate),
        (&["REINDEX"], |c| index::read_reindex(c).map(Reading::Reindex)),
        (&["REFRESH", "MATERIALIZED", "VIEW"], |c| {
            let concurrently = c.takes(&["CONCURRENTLY"]);
            Some(Reading::Refresh { view: c.name()?, concurrently })
        }),
        (&["CLUSTER"], |c| {
            c.group();
            c.takes(&["VERBOSE"]);
            if c.is_done() { Some(Reading::Cluster(None)) } else { Some(Reading::Cluster(Some(c.name()?))) }
        }),
        (&["VACUUM"], |c| index::read_vacuum(c).map(|(tables, full)| Reading::Vacuum { tables, full })),
        (&["UPDATE"], |c| {
            c.takes(&["ONLY"]);
            Some(Reading::Update { table: c.name()?, condition: index::read_where(c) })
        }),
        (&["DELETE", "FROM"], |c| {
            c.takes(&["ONLY"]);
            Some(Reading::Delete { table: c.name()?, condition: index::read_where(c) })
        }),
        (&["INSERT", "INTO"], |c| {
            let table = c.name()?;
            Some(Reading::Insert { table, from_query: c.has_word("SELECT") })
        }),
        (&["LOCK"], read_lock),
        (&["SET"], read_set),
        (&["BEGIN"], |_| Some(Reading::Begin)),
        (&["START", "TRANSACTION"], |_| Some(Reading::Begin)),
        (&["COMMIT"], |c| (!c.sees(&["PREPARED"])).then_some(Reading::Commit)),
        (&["END"], |_| Some(Reading::Commit)),
        (&["ROLLBACK"], |c| Some(if c.has_word("TO") { Reading::Quiet("ROLLBACK TO") } else { Reading::Rollback })),
        (&["ABORT"], |_| Some(Reading::Rollback)),
        (&["DO"], |_| Some(Reading::Dynamic("DO"))),
        (&["CALL"], |_| Some(Reading::Dynamic("CALL"))),
        (&["SELECT"], read_select),
        (&["COMMENT", "ON"], |_| Some(Reading::Quiet("COMMENT"))),
    ];
    if let Some((_, read)) = choices.iter().find(|(words, _)| cursor.takes(words)) {
        return read(cursor);
    }
    let quiet: [(&[&str], &'static str); 10] = [
        (&["GRANT"], "GRANT"),
        (&["REVOKE"], "REVOKE"),
        (&["RESET"], "RESET"),
        (&["SAVEPOINT"], "SAVEPOINT"),
        (&["RELEASE"], "RELEASE"),
        (&["ANALYZE"], "ANALYZE"),
        (&["VALUES"], "VALUES"),
        (&["SHOW"], "SHOW"),
        (&["NOTIFY"], "NOTIFY"),
        (&["DISCARD"], "DISCARD"),
    ];
    quiet.iter().find(|(words, _)| cursor.takes(words)).map(|(_, what)| Reading::Quiet(what))
}

/// A SELECT that calls nothing but what the server ships is quiet.
fn read_select(cursor: &mut Cursor<'_>) -> Option<Reading> {
    const SHIPPED: [&str; 14] = [
        "count",
        "sum",
        "min",
        "max",
        "coalesce",
        "now",
        "set_config",
        "setval",
        "nextval",
        "currval",
        "exists",
        "in",
        "array_agg",
        "values",
    ];
    if cursor.has_word("INTO") {
        return None;
    }
    let calls = cursor.calls();
    let known = |call: &String| SHIPPED.contains(&call.trim_start_matches("pg_catalog."));
    Some(if calls.iter().all(known) { Reading::Quiet("SELECT") } else { Reading::Dynamic("SELECT") })
}

fn read_create(cursor: &mut Cursor<'_>) -> Option<Reading> {
    let replace = cursor.takes(&["OR", "REPLACE"]);
    let temporary = {
        cursor.takes_one(&[&["GLOBAL"], &["LOCAL"]]);
        cursor.takes_one(&[&["TEMPORARY"], &["TEMP"]]).is_some()
    };
    cursor.takes(&["UNLOGGED"]);
    if cursor.takes(&["TABLE"]) {
        return table::read_create_table(cursor, temporary).map(Reading::CreateTable);
    }
    if cursor.takes(&["INDEX"]) {
        return index::read_create_index(cursor, false).map(Reading::CreateIndex);
    }
    if cursor.takes(&["UNIQUE", "INDEX"]) {
        return index::read_create_index(cursor, true).map(Reading::CreateIndex);
    }
    let recursive = cursor.takes(&["RECURSIVE"]);
    if cursor.takes(&["VIEW"]) || recursive {
        return Some(Reading::CreateView { name: cursor.name()?, materialized: false, replace });
    }
    if cursor.takes(&["MATERIALIZED", "VIEW"]) {
        cursor.takes(&["IF", "NOT", "EXISTS"]);
        return Some(Reading::CreateView { name: cursor.name()?, materialized: true, replace });
    }
    let constraint = cursor.takes(&["CONSTRAINT"]);
    if cursor.takes(&["TRIGGER"]) {
        return read_trigger(cursor);
    }
    if constraint {
        return None;
    }
    if let Some(what) = cursor.takes_one(&[&["RULE"], &["POLICY"]]) {
        cursor.ident()?;
        // A rule is written ON event TO table, a policy ON table.
        if what == 0 {
            cursor.until(&["TO"], &[]);
            cursor.expect(&["TO"])?;
            return Some(Reading::OnTable { what: "RULE", table: cursor.name()? });
        }
        cursor.expect(&["ON"])?;
        return Some(Reading::OnTable { what: "POLICY", table: cursor.name()? });
    }
    if cursor.takes(&["DOMAIN"]) {
        let name = cursor.name()?;
        cursor.takes(&["AS"]);
        data_type::read_type(cursor)?;
        let constrained = cursor.has_word("CHECK") || cursor.has_word("NOT");
        return Some(Reading::CreateDomain { name, constrained });
    }
    if cursor.takes(&["TYPE"]) {
        return Some(Reading::CreateType(cursor.name()?));
    }
    read_create_quiet(cursor)
}

/// What makes an object that nobody can have been using.
fn read_create_quiet(cursor: &mut Cursor<'_>) -> Option<Reading> {
    let quiet: [(&[&str], &'static str); 18] = [
        (&["SCHEMA"], "CREATE SCHEMA"),
        (&["SEQUENCE"], "CREATE SEQUENCE"),
        (&["FUNCTION"], "CREATE FUNCTION"),
        (&["PROCEDURE"], "CREATE PROCEDURE"),
        (&["AGGREGATE"], "CREATE AGGREGATE"),
        (&["EXTENSION"], "CREATE EXTENSION"),
        (&["COLLATION"], "CREATE COLLATION"),
        (&["OPERATOR"], "CREATE OPERATOR"),
        (&["CAST"], "CREATE CAST"),
        (&["ROLE"], "CREATE ROLE"),
        (&["USER"], "CREATE USER"),
        (&["GROUP"], "CREATE GROUP"),
        (&["LANGUAGE"], "CREATE LANGUAGE"),
        (&["TEXT", "SEARCH"], "CREATE TEXT SEARCH"),
        (&["SERVER"], "CREATE SERVER"),
        (&["FOREIGN"], "CREATE FOREIGN"),
        (&["CONVERSION"], "CREATE CONVERSION"),
        (&["TRUSTED", "LANGUAGE"], "CREATE LANGUAGE"),
    ];
    let what = quiet.iter().find(|(words, _)| cursor.takes(words))?.1;
    // Elements of CREATE SCHEMA are statements of their own.
    if what == "CREATE SCHEMA" && cursor.has_word("CREATE") {
        return None;
    }
    Some(Reading::Quiet(what))
}

fn read_trigger(cursor: &mut Cursor<'_>) -> Option<Reading> {
    let name = cursor.ident()?;
    cursor.until(&["ON"], &[]);
    cursor.expect(&["ON"])?;
    let table = cursor.name()?;
    let other = if cursor.takes(&["FROM"]) { Some(cursor.name()?) } else { None };
    Some(Reading::CreateTrigger { name, table, other })
}

fn read_alter(cursor: &mut Cursor<'_>) -> Option<Reading> {
    let relations: [(&[&str], &'static str); 6] = [
        (&["TABLE"], "TABLE"),
        (&["INDEX"], "INDEX"),
        (&["VIEW"], "VIEW"),
        (&["MATERIALIZED", "VIEW"], "MATERIALIZED VIEW"),
        (&["SEQUENCE"], "SEQUENCE"),
        (&["FOREIGN", "TABLE"], "FOREIGN TABLE"),
    ];
    if let Some((_, what)) = relations.iter().find(|(words, _)| cursor.takes(words)) {
        return match *what {
            // Its own options are no commands of ALTER TABLE.
            "SEQUENCE" => Some(read_alter_sequence(cursor)),
            what => alter::read_alter(cursor, what).map(Reading::Alter),
        };
    }
    if cursor.takes(&["DOMAIN"]) {
        let name = cursor.name()?;
        let scans = cursor.sees(&["SET", "NOT", "NULL"])
            || cursor.sees(&["VALIDATE"])
            || (cursor.sees(&["ADD"]) && !cursor.words().windows(2).any(|pair| pair == ["not", "valid"]));
        return Some(Reading::AlterDomain { name, scans });
    }
    if cursor.takes(&["TYPE"]) {
        let name = cursor.name()?;
        return Some(if cursor.takes(&["ADD", "VALUE"]) {
            Reading::AddEnumValue(name)
        } else if cursor.takes(&["RENAME"]) {
            Reading::RenameType(name)
        } else if cursor.takes_one(&[&["OWNER"], &["SET", "SCHEMA"]]).is_some() {
            Reading::Quiet("ALTER TYPE")
        } else {
            Reading::AlterComposite(name)
        });
    }
    if let Some(what) = cursor.takes_one(&[&["POLICY"], &["TRIGGER"], &["RULE"]]) {
        cursor.ident()?;
        cursor.expect(&["ON"])?;
        let what = ["POLICY", "TRIGGER", "RULE"].get(what).copied()?;
        return Some(Reading::OnTable { what, table: cursor.name()? });
    }
    let quiet: [&[&str]; 14] = [
        &["SCHEMA"],
        &["FUNCTION"],
        &["PROCEDURE"],
        &["ROUTINE"],
        &["ROLE"],
        &["USER"],
        &["GROUP"],
        &["DATABASE"],
        &["EXTENSION"],
        &["DEFAULT", "PRIVILEGES"],
        &["COLLATION"],
        &["OPERATOR"],
        &["AGGREGATE"],
        &["STATISTICS"],
    ];
    cursor.takes_one(&quiet).map(|_| Reading::Quiet("ALTER"))
}

/// Nobody waits long for a sequence; a new name or schema breaks who calls it by the old one.
fn read_alter_sequence(cursor: &Cursor<'_>) -> Reading {
    let mut ahead = cursor.clone();
    match alter::read_alter(&mut ahead, "SEQUENCE") {
        Some(alter) if alter.commands.iter().any(|(command, _)| is_rename(command)) => Reading::Alter(alter),
        _ => Reading::Quiet("ALTER SEQUENCE"),
    }
}

fn is_rename(command: &AlterCommand) -> bool {
    matches!(command, AlterCommand::Rename(_) | AlterCommand::SetSchema(_))
}

fn read_drop(cursor: &mut Cursor<'_>) -> Option<Reading> {
    if let Some(what) = cursor.takes_one(&[&["TRIGGER"], &["RULE"], &["POLICY"]]) {
        cursor.takes(&["IF", "EXISTS"]);
        let name = cursor.ident()?;
        cursor.expect(&["ON"])?;
        let what = ["TRIGGER", "RULE", "POLICY"].get(what).copied()?;
        return Some(Reading::DropOnTable { what, name, table: cursor.name()? });
    }
    let quiet: [&[&str]; 11] = [
        &["FUNCTION"],
        &["PROCEDURE"],
        &["ROUTINE"],
        &["AGGREGATE"],
        &["EXTENSION"],
        &["ROLE"],
        &["USER"],
        &["OWNED"],
        &["CAST"],
        &["OPERATOR"],
        &["STATISTICS"],
    ];
    if cursor.takes_one(&quiet).is_some() {
        // CASCADE may reach columns, views and indexes that depend on it.
        return if cursor.has_word("CASCADE") { None } else { Some(Reading::Quiet("DROP")) };
    }
    index::read_drop(cursor).map(Reading::Drop)
}

fn read_truncate(cursor: &mut Cursor<'_>) -> Option<Reading> {
    cursor.takes(&["TABLE"]);
    let tables = cursor.names()?;
    cursor.takes_one(&[&["RESTART", "IDENTITY"], &["CONTINUE", "IDENTITY"]]);
    let cascade = cursor.takes(&["CASCADE"]);
    if !cascade {
        cursor.takes(&["RESTRICT"]);
    }
    cursor.is_done().then_some(Reading::Truncate { tables, cascade })
}

fn read_lock(cursor: &mut Cursor<'_>) -> Option<Reading> {
    cursor.takes(&["TABLE"]);
    let tables = cursor.names()?;
    let mut mode = String::new();
    if cursor.takes(&["IN"]) {
        let words = cursor.until(&["MODE"], &[]);
        mode = cursor.inside(&words).words().join(" ").to_uppercase();
    }
    Some(Reading::Lock { tables, mode })
}

fn read_set(cursor: &mut Cursor<'_>) -> Option<Reading> {
    let scope = cursor.takes_one(&[&["LOCAL"], &["SESSION"]]);
    if cursor
        .takes_one(&[&["CONSTRAINTS"], &["TRANSACTION"], &["ROLE"], &["AUTHORIZATION"], &["TIME", "ZONE"]])
        .is_some()
    {
        return Some(Reading::Quiet("SET"));
    }
    let name: Ident = cursor.name()?.object;
    if !cursor.takes_symbol("=") && !cursor.takes(&["TO"]) {
        return Some(Reading::Quiet("SET"));
    }
    let value = cursor.until(&[], &[]);
    Some(Reading::Set { name: name.0, value, local: scope == Some(0) })
}
