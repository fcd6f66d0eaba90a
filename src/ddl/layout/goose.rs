//! goose: `VERSION_name.sql` with `-- +goose Up` and its further marks (`internal/sqlparser/parser.go`).

use std::ops::Range;

use super::{Bookkeeping, Draft, Entry, Layout, Listing, Part, mark, numbered, version, without};
use crate::error::{Failure, Result};

pub(super) static LAYOUT: Layout = Layout {
    name: "goose",
    tool: "goose",
    shape: "VERSION_name.sql with -- +goose Up",
    claims,
    reads,
    apart: super::in_one_transaction,
    order: version::by_number,
    is_same: version::same_number,
    bookkeeping: Some(Bookkeeping {
        table: "goose_db_version",
        columns: &["version_id", "is_applied", "tstamp"],
        foreign_columns: &[],
        create: include_str!("../../postgres/sql/create_goose_migrations.sql"),
        objects: &[],
        select: include_str!("../../postgres/sql/select_goose_migrations.sql"),
        record: include_str!("../../postgres/sql/insert_goose_migration.sql"),
        one_row: false,
        refuses_older: Some("-allow-missing"),
        repair: "",
    }),
};

pub(super) fn is_marked(text: &str) -> bool {
    text.lines().filter_map(mark).any(|mark| mark.starts_with("+goose "))
}

fn claims(_: &Listing, entry: &Entry) -> Option<Part> {
    if entry.folder().is_some() {
        return (entry.is_sql() && entry.base() != "up.sql").then_some(Part::Ignored("in a subfolder"));
    }
    if without(entry.base(), ".go").is_some() {
        return numbered(entry.base()).map(|_| Part::Up);
    }
    (entry.is_sql() && numbered(entry.base()).is_some() && is_marked(&entry.text())).then_some(Part::Up)
}

fn reads(_: &Listing, entry: &Entry) -> Result<Draft> {
    let (version, rest) = numbered(entry.base()).unwrap_or_default();
    if without(rest, ".go").is_some() {
        return Err(Failure::usage(format!(
            "{}: a migration in Go, which only goose itself can run",
            entry.path.display()
        ))
        .hint("let your own goose binary run them: command = [\"./goose\", \"up\"] in [migrations]"));
    }
    let text = entry.text();
    let marks = read_marks(&text).map_err(|(line, what)| {
        Failure::usage(format!("{}:{line}: {what}", entry.path.display())).hint("mend the file as goose wants it")
    })?;
    let apart = marks.no_transaction.then(|| "-- +goose NO TRANSACTION".to_owned());
    Ok(Draft { apart, up: marks.up, ..Draft::new(version, without(rest, ".sql").unwrap_or(rest), entry) })
}

#[derive(Debug, PartialEq, Eq)]
struct Marks {
    up: Range<usize>,
    no_transaction: bool,
}

/// The up part's bytes. `StatementBegin` and `StatementEnd` tell goose what it can't see for itself; statements are cut
/// here as the server cuts them, so the two need only be in their places.
fn read_marks(text: &str) -> Result<Marks, (usize, String)> {
    let (mut start, mut end, mut no_transaction) = (None, None, false);
    let mut at = 0;
    for (index, line) in text.split_inclusive('\n').enumerate() {
        let refuse = |what: &str| Err((index + 1, what.to_owned()));
        let (begin, after) = (at, at + line.len());
        at = after;
        // goose wants marks at the line's first character.
        let mark = if line.trim_start_matches('\u{feff}').starts_with("--") { mark(line) } else { None };
        let Some(mark) = mark.and_then(|mark| mark.strip_prefix("+goose")) else { continue };
        match mark.trim().to_ascii_lowercase().as_str() {
            "up" if start.is_none() => start = Some(after),
            "up" => return refuse("a second -- +goose Up"),
            "down" if start.is_none() => return refuse("-- +goose Down before -- +goose Up"),
            "down" => end = end.or(Some(begin)),
            "no transaction" => no_transaction = true,
            "statementbegin" | "statementend" => {}
            mark if mark.starts_with("envsub") && mark.ends_with("on") => {
                return refuse("-- +goose ENVSUB ON: what the variables hold where goose runs is not known here");
            }
            mark if mark.starts_with("envsub") => {}
            _ => return refuse("a mark of goose's that is not known here"),
        }
    }
    let Some(start) = start else { return Err((1, "no -- +goose Up in it".to_owned())) };
    Ok(Marks { up: start..end.unwrap_or(text.len()), no_transaction })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_up_part_ends_where_down_begins() {
        let text = "-- +goose Up\nA;\n-- +goose StatementBegin\nB;\n-- +goose StatementEnd\n-- +goose Down\nC;\n";
        let marks = read_marks(text).unwrap();
        assert_eq!(&text[marks.up], "A;\n-- +goose StatementBegin\nB;\n-- +goose StatementEnd\n");
        let text = "-- +goose NO TRANSACTION\r\n-- +goose up\r\nA;";
        let marks = read_marks(text).unwrap();
        assert!(marks.no_transaction);
        assert_eq!(&text[marks.up], "A;");
        for (text, line) in [
            ("-- +goose Down\n-- +goose Up", 1),
            ("-- +goose Up\n-- +goose Up", 2),
            ("-- +goose Up\n\n-- +goose ENVSUB ON", 3),
            ("SELECT 1; -- +goose Up", 1),
            ("-- +goose Up\n-- +goose Sideways", 2),
        ] {
            assert_eq!(read_marks(text).unwrap_err().0, line, "{text}");
        }
    }
}
