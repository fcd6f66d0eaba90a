//! Which tool a migrations folder was made for, told by the names and first marks of its files.
//!
//! Only plain folders are read. A folder of another layout read as plain would run "down" parts or run a file as one
//! statement list that its own tool cuts differently, so it is refused by name.

use std::path::Path;

use crate::error::Failure;

/// How names end, in lower case, and the tools that name files so. `_up.sql` is none of them: `clean_up` is a name.
const ENDINGS: [(&str, &str); 11] = [
    (".fizz", "pop"),
    (".autocommit.sql", "pop"),
    (".autocommit.up.sql", "pop"),
    (".autocommit.down.sql", "pop"),
    (".up.sql", "golang-migrate, pop or sqlx"),
    (".down.sql", "golang-migrate, pop or sqlx"),
    ("_down.sql", "separate up and down files"),
    ("-down.sql", "separate up and down files"),
    (".undo.sql", "separate up and down files"),
    ("_undo.sql", "separate up and down files"),
    (".rollback.sql", "separate up and down files"),
];

/// Marks in comment lines, and the tools that read them.
const MARKS: [(&str, &str); 5] = [
    ("+goose", "goose"),
    ("+migrate", "sql-migrate"),
    ("migrate:up", "dbmate"),
    ("migrate:down", "dbmate"),
    ("liquibase formatted sql", "Liquibase"),
];

/// The tool that gives files such a name, where it is not the plain layout.
pub(super) fn by_name(file: &str) -> Option<&'static str> {
    if is_flyway(file) {
        return Some("Flyway or refinery");
    }
    let lower = file.to_ascii_lowercase();
    ENDINGS.iter().find(|(ending, _)| lower.ends_with(ending)).map(|(_, tool)| *tool)
}

/// `V1__name.sql`, `U1.1__name.sql`, `R__name.sql`, `B1__name.sql`.
fn is_flyway(file: &str) -> bool {
    let Some((prefix, rest)) = file.split_once("__") else { return false };
    let version = prefix.strip_prefix(['V', 'U', 'B', 'v', 'u', 'b']);
    let versioned = version.is_some_and(|version| version.starts_with(|c: char| c.is_ascii_digit()));
    (versioned || prefix == "R") && Path::new(rest).extension().is_some_and(|end| end.eq_ignore_ascii_case("sql"))
}

/// The tool that reads marks in comments such as this text has.
pub(super) fn by_text(text: &str) -> Option<&'static str> {
    if comment(text.lines().next().unwrap_or_default()).is_some_and(|mark| mark.starts_with("no-transaction")) {
        return Some("sqlx");
    }
    let mut marks = text.lines().filter_map(comment);
    marks.find_map(|line| MARKS.iter().find(|(mark, _)| line.starts_with(mark)).map(|(_, tool)| *tool))
}

/// What a line says after its `--`.
fn comment(line: &str) -> Option<&str> {
    line.trim_start_matches('\u{feff}').trim_start().strip_prefix("--").map(str::trim_start)
}

/// The tool that keeps each migration in a folder of its own, as this one is.
pub(super) fn by_subfolder(folder: &Path) -> Option<&'static str> {
    folder.join("up.sql").is_file().then_some("diesel")
}

/// A refusal that names the tool.
pub(super) fn refused(path: &Path, tool: &str) -> Failure {
    Failure::usage(format!(
        "{}: this looks like the layout of {tool}; layouts other than plain come later",
        path.display()
    ))
    .hint("put the pending up parts into a folder of plain files named VERSION_name.sql")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_other_layouts_are_known() {
        for (file, tool) in [
            ("V1__init.sql", Some("Flyway or refinery")),
            ("U1.2__init.sql", Some("Flyway or refinery")),
            ("R__views.sql", Some("Flyway or refinery")),
            ("001_init.up.sql", Some("golang-migrate, pop or sqlx")),
            ("001_init.DOWN.sql", Some("golang-migrate, pop or sqlx")),
            ("001_init.postgres.autocommit.up.sql", Some("pop")),
            ("001_init.fizz", Some("pop")),
            ("001_init_down.sql", Some("separate up and down files")),
            ("001_init.undo.sql", Some("separate up and down files")),
            ("001_init.sql", None),
            ("001_clean_up.sql", None),
            ("001__views.sql", None),
            ("view__x.sql", None),
            ("README.md", None),
            ("R__readme.md", None),
        ] {
            assert_eq!(by_name(file), tool, "{file}");
        }
    }

    #[test]
    fn marks_of_other_layouts_are_known() {
        for (text, tool) in [
            ("-- a comment\n-- +goose Up\n", Some("goose")),
            ("--+goose Up", Some("goose")),
            ("\u{feff}-- migrate:up\n", Some("dbmate")),
            ("-- no-transaction\nSELECT 1", Some("sqlx")),
            ("SELECT 1; -- +goose\n-- no-transaction", None),
            ("", None),
        ] {
            assert_eq!(by_text(text), tool, "{text}");
        }
    }
}
