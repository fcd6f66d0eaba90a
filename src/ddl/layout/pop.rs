//! pop (Buffalo, Ory): `VERSION_name[.dialect][.autocommit].up.sql`; the file of our dialect wins over the generic one
//! (gobuffalo/pop and ory/x, `match.go`, `migrator.go`).

use super::{Bookkeeping, DOWN, Draft, Entry, Layout, Listing, Part, version, without};
use crate::error::{Failure, Result};

pub(super) static LAYOUT: Layout = Layout {
    name: "pop",
    tool: "pop",
    shape: "VERSION_name[.postgres][.autocommit].up.sql",
    claims,
    reads,
    apart: super::in_one_transaction,
    order: version::by_text,
    is_same,
    bookkeeping: Some(Bookkeeping {
        table: "schema_migration",
        columns: &["version"],
        foreign_columns: &["dirty"],
        create: include_str!("../../postgres/sql/create_pop_migrations.sql"),
        objects: &[(":version_idx", "_version_idx"), (":self_idx", "_version_self_idx")],
        select: include_str!("../../postgres/sql/select_pop_migrations.sql"),
        record: include_str!("../../postgres/sql/insert_pop_migration.sql"),
        one_row: false,
        refuses_older: None,
        repair: "",
    }),
};

/// Versions were 14 digits once and are 20 now; a database of that time has the first 14.
const LEGACY: usize = 14;

/// What a file's name says.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct PopName<'f> {
    version: &'f str,
    name: &'f str,
    dialect: Option<&'f str>,
    autocommit: bool,
    up: bool,
    fizz: bool,
}

/// `^(\d+)_([^.]+)(\.[a-z0-9]+)?(\.autocommit)?\.(up|down)\.(sql|fizz)$`
pub(super) fn name(file: &str) -> Option<PopName<'_>> {
    let (version, rest) = super::numbered(file)?;
    let mut parts: Vec<&str> = rest.split('.').collect();
    let fizz = match parts.pop()?.to_ascii_lowercase().as_str() {
        "sql" => false,
        "fizz" => true,
        _ => return None,
    };
    let up = match parts.pop()?.to_ascii_lowercase().as_str() {
        "up" => true,
        "down" => false,
        _ => return None,
    };
    let autocommit = parts.last() == Some(&"autocommit");
    if autocommit {
        parts.pop();
    }
    let (name, dialect) = match parts.as_slice() {
        [name] => (*name, None),
        [name, dialect] => (*name, Some(*dialect)),
        _ => return None,
    };
    (!name.is_empty()).then_some(PopName { version, name, dialect, autocommit, up, fizz })
}

impl PopName<'_> {
    /// pop's name of our dialect and its synonyms.
    fn is_postgres(&self) -> bool {
        matches!(self.dialect, Some("postgres" | "postgresql" | "pg"))
    }
}

/// Whether a name has what only pop gives it: a dialect, `.autocommit`, `.fizz`.
pub(super) fn is_special(file: &str) -> bool {
    const DIALECTS: [&str; 14] = [
        "postgres",
        "postgresql",
        "pg",
        "cockroach",
        "cockroachdb",
        "crdb",
        "mysql",
        "mariadb",
        "sqlite",
        "sqlite3",
        "mssql",
        "sqlserver",
        "all",
        "oracle",
    ];
    without(file, ".fizz").is_some()
        || name(file).is_some_and(|name| name.autocommit || name.dialect.is_some_and(|d| DIALECTS.contains(&d)))
}

fn claims(listing: &Listing, entry: &Entry) -> Option<Part> {
    if (!entry.is_sql() && without(entry.base(), ".fizz").is_none()) || entry.base() == "up.sql" {
        return None;
    }
    let name = name(entry.base())?;
    if !name.up {
        return Some(Part::Ignored(DOWN));
    }
    if name.dialect.is_some() && !name.is_postgres() {
        return Some(Part::Ignored("for another dialect"));
    }
    let ours = |other: &Entry| {
        self::name(other.base()).is_some_and(|other| other.up && other.is_postgres() && other.version == name.version)
    };
    if name.dialect.is_none() && listing.entries.iter().any(ours) {
        return Some(Part::Ignored("the file for postgres wins"));
    }
    Some(Part::Up)
}

fn reads(_: &Listing, entry: &Entry) -> Result<Draft> {
    let Some(name) = name(entry.base()) else {
        return Err(Failure::usage(format!("{}: no name of pop's", entry.file)));
    };
    if name.fizz {
        return Err(Failure::usage(format!("{}: fizz, which only pop itself understands", entry.path.display()))
            .hint("let pop run it: command = [\"soda\", \"migrate\", \"up\"] in [migrations]"));
    }
    let apart = name.autocommit.then(|| ".autocommit".to_owned());
    Ok(Draft { apart, ..Draft::new(name.version, name.name, entry) })
}

fn is_same(file: &str, recorded: &str) -> bool {
    file == recorded || (file.len() > LEGACY && file.get(..LEGACY) == Some(recorded))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_as_pop_reads_them() {
        let read = |file| name(file).map(|n| (n.version, n.name, n.dialect, n.autocommit, n.up));
        assert_eq!(read("1_a.up.sql"), Some(("1", "a", None, false, true)));
        assert_eq!(read("1_a.postgres.up.sql"), Some(("1", "a", Some("postgres"), false, true)));
        assert_eq!(read("1_a.postgres.autocommit.down.sql"), Some(("1", "a", Some("postgres"), true, false)));
        assert_eq!(read("1_a.autocommit.up.fizz"), Some(("1", "a", None, true, true)));
        assert_eq!(read("1_a.b.c.up.sql"), None);
        assert_eq!(read("1_a.sql"), None);
        assert!(!is_special("1_a.up.sql") && is_special("1_a.crdb.up.sql") && is_special("1_a.autocommit.up.sql"));
    }

    #[test]
    fn a_version_of_twenty_digits_is_known_by_its_first_fourteen() {
        assert!(is_same("20200101000000000001", "20200101000000"));
        assert!(!is_same("20200101000000", "20200101000000000001"));
        assert!(!is_same("20200101000001000001", "20200101000000"));
    }
}
