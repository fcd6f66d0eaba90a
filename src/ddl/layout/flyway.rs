//! Flyway: `V1.1__name.sql`, `R__name.sql`, `B1__name.sql`, `U1__name.sql`, and a `.conf` beside a file
//! (Flyway's reference, "Migrations", "Script configuration"; checksums as `ResolverUtils` and `ChecksumCalculator`).

use super::{Bookkeeping, Draft, Entry, Layout, Listing, Part, When, version, without};
use crate::ddl::sql_file::SqlFile;
use crate::ddl::transaction::{Unfit, unfit};
use crate::error::{Failure, Result};

pub(super) static LAYOUT: Layout = Layout {
    name: "flyway",
    tool: "Flyway",
    shape: "V1__name.sql, R__name.sql",
    claims,
    reads,
    apart,
    order: version::by_number,
    is_same: version::same_number,
    bookkeeping: Some(Bookkeeping {
        table: "flyway_schema_history",
        columns: &["installed_rank", "version", "script", "checksum", "success"],
        foreign_columns: &[],
        create: include_str!("../../postgres/sql/create_flyway_history.sql"),
        objects: &[(":pk", "_pk"), (":s_idx", "_s_idx")],
        select: include_str!("../../postgres/sql/select_flyway_history.sql"),
        record: include_str!("../../postgres/sql/insert_flyway_migration.sql"),
        one_row: false,
        refuses_older: Some("outOfOrder=true"),
        repair: "put right what it left, then: flyway repair",
    }),
};

/// SQL callbacks are named after the moment at which Flyway runs them: `afterMigrate.sql`, `beforeEachMigrate__log.sql`.
fn is_callback(file: &str) -> bool {
    let Some(stem) = without(file, ".sql") else { return false };
    let moment = stem.split_once("__").map_or(stem, |(moment, _)| moment);
    let rest = moment.strip_prefix("before").or_else(|| moment.strip_prefix("after"));
    moment == "createSchema" || rest.is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_uppercase()))
}

/// Whether a name has Flyway's or refinery's form, in either case.
pub(super) fn looks_like(file: &str) -> bool {
    let upper = file.to_ascii_uppercase();
    name(&upper).is_some()
}

/// Prefix, version with dots, description as written.
fn name(file: &str) -> Option<(char, String, &str)> {
    let stem = without(file, ".sql")?;
    let (prefixed, description) = stem.split_once("__")?;
    let mut chars = prefixed.chars();
    let prefix = chars.next()?;
    let version = chars.as_str();
    let fits = match prefix {
        'R' => version.is_empty(),
        'V' | 'U' | 'B' => {
            version.starts_with(|c: char| c.is_ascii_digit())
                && version.bytes().all(|b| b.is_ascii_digit() || b == b'.' || b == b'_')
        }
        _ => false,
    };
    fits.then(|| (prefix, version.replace('_', "."), description))
}

fn claims(_: &Listing, entry: &Entry) -> Option<Part> {
    if let Some((prefix, ..)) = name(entry.base()) {
        return Some(if prefix == 'U' { Part::Ignored("an undo migration") } else { Part::Up });
    }
    is_callback(entry.base()).then_some(Part::Ignored("a callback; callbacks are not run"))
}

fn reads(listing: &Listing, entry: &Entry) -> Result<Draft> {
    let Some((prefix, version, written)) = name(entry.base()) else {
        return Err(Failure::usage(format!("{}: no name of Flyway's", entry.path.display())));
    };
    let when = match prefix {
        'R' => When::Repeatable,
        'B' => When::Baseline,
        _ => When::Versioned,
    };
    let settings = Settings::read(listing, entry)?;
    let text = entry.text();
    if settings.placeholders
        && let Some(line) = placeholder_line(&text)
    {
        return Err(Failure::usage(format!(
            "{}:{line}: a placeholder ${{…}}, whose value only Flyway's configuration knows",
            entry.path.display()
        ))
        .hint("write its value into the file, or placeholderReplacement=false into its .conf"));
    }
    Ok(Draft {
        description: written.replace('_', " "),
        checksum: Some(checksum(&text).to_string()),
        when,
        apart: settings.apart,
        ..Draft::new(if when == When::Repeatable { written } else { &version }, written, entry)
    })
}

/// Flyway leaves its transaction by itself where a file has a statement that no transaction can hold.
fn apart(sql: &SqlFile) -> Option<&'static str> {
    let held = |statement| matches!(unfit(statement, &sql.text), Some((Unfit::NotTransactional, _)));
    sql.statements.iter().any(held).then_some("Flyway runs a file with such statements without a transaction")
}

/// CRC-32 over the lines without their ends, the byte order mark left out; as a signed number.
fn checksum(text: &str) -> i32 {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut hasher = crc32fast::Hasher::new();
    // A lone CR ends a line as well (java.io.BufferedReader).
    for line in text.replace("\r\n", "\n").split(['\n', '\r']) {
        hasher.update(line.as_bytes());
    }
    i32::from_ne_bytes(hasher.finalize().to_ne_bytes())
}

fn placeholder_line(text: &str) -> Option<usize> {
    text.lines().position(|line| line.contains("${") && !line.trim_start().starts_with("--")).map(|at| at + 1)
}

/// What `V1__name.sql.conf` says.
struct Settings {
    apart: Option<String>,
    placeholders: bool,
}

impl Settings {
    fn read(listing: &Listing, entry: &Entry) -> Result<Self> {
        let mut settings = Self { apart: None, placeholders: true };
        let Some(conf) = listing.entry(&format!("{}.conf", entry.file)) else { return Ok(settings) };
        for (index, line) in conf.text().lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with(['#', '!']) {
                continue;
            }
            let (key, value) =
                line.split_once(['=', ':']).map_or((line, ""), |(key, value)| (key.trim(), value.trim()));
            match (key, value.to_ascii_lowercase().as_str()) {
                ("executeInTransaction", "false") => settings.apart = Some("executeInTransaction=false".to_owned()),
                ("placeholderReplacement", "false") => settings.placeholders = false,
                ("executeInTransaction" | "placeholderReplacement" | "shouldExecute", "true") => {}
                ("encoding", "utf-8" | "utf8") => {}
                _ => {
                    let place = format!("{}:{}", conf.path.display(), index + 1);
                    return Err(Failure::usage(format!("{place}: {line:?} is not known here")).hint(
                        "known are executeInTransaction, placeholderReplacement, shouldExecute=true, encoding=UTF-8",
                    ));
                }
            }
        }
        Ok(settings)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_cut_as_flyway_cuts_them() {
        assert_eq!(name("V1__init.sql"), Some(('V', "1".to_owned(), "init")));
        assert_eq!(name("V1_1__init.sql"), Some(('V', "1.1".to_owned(), "init")));
        assert_eq!(name("V2024.01__a__b.sql"), Some(('V', "2024.01".to_owned(), "a__b")));
        assert_eq!(name("R__views.sql"), Some(('R', String::new(), "views")));
        assert_eq!(name("view__x.sql"), None);
        assert_eq!(name("R1__x.sql"), None);
        assert_eq!(name("V1_init.sql"), None);
        assert!(looks_like("v1__init.SQL") && !looks_like("001__init.sql") && !looks_like("R__readme.md"));
    }

    #[test]
    fn a_checksum_passes_over_line_ends_and_the_byte_order_mark() {
        // `crc32("SELECT 1;")` of Python's zlib, as a signed number.
        let expected = 78_787_420;
        assert_eq!(checksum("SELECT 1;"), expected);
        assert_eq!(checksum("\u{feff}SELECT 1;\r\n"), expected);
        assert_eq!(checksum("SELECT\n 1;"), expected);
        assert_ne!(checksum("SELECT 2;"), expected);
    }
}
