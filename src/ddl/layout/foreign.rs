//! Tools whose folders are known and not read: refused by name before anything is taken for plain SQL.

use super::{Entry, Listing, dbmate, flyway, goose, mark};
use crate::error::{Failure, Result};

/// How names end, in lower case. `_up.sql` is none of them: `clean_up` is a name.
const ENDINGS: [(&str, &str); 5] = [
    ("_down.sql", "separate up and down files"),
    ("-down.sql", "separate up and down files"),
    (".undo.sql", "separate up and down files"),
    ("_undo.sql", "separate up and down files"),
    (".rollback.sql", "separate up and down files"),
];

/// Marks in comment lines.
const MARKS: [(&str, &str); 2] = [("+migrate ", "sql-migrate"), ("liquibase formatted sql", "Liquibase")];

/// Refuses a folder that holds a file of such a tool.
pub(in crate::ddl) fn refuse(listing: &Listing) -> Result<()> {
    let found =
        listing.entries.iter().filter(|entry| entry.is_migration()).find_map(|entry| Some((entry, tool(entry)?)));
    found.map_or(Ok(()), |(entry, tool)| {
        Err(Failure::usage(format!(
            "{}: this looks like the layout of {tool}, which is not read",
            entry.path.display()
        ))
        .hint("put the pending up parts into a folder of plain files named VERSION_name.sql"))
    })
}

fn tool(entry: &Entry) -> Option<&'static str> {
    let (name, text) = (entry.base().to_ascii_lowercase(), entry.text());
    // `V2__slow_down.sql`, or a file that has both its parts marked: named after what it does.
    let is_known = flyway::looks_like(entry.base()) || goose::is_marked(&text) || dbmate::is_marked(&text);
    let by_name = ENDINGS.iter().find(|(ending, _)| name.ends_with(ending) && !is_known);
    let by_text = || {
        let mut marks = text.lines().filter_map(mark);
        marks.find_map(|line| MARKS.iter().find(|(start, _)| line.starts_with(start)))
    };
    by_name.or_else(by_text).map(|(_, tool)| *tool)
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    #[test]
    fn tools_that_are_not_read_are_known() {
        for (file, text, expected) in [
            ("001_init_down.sql", "", Some("separate up and down files")),
            ("001_init.undo.sql", "", Some("separate up and down files")),
            ("001_init.sql", "\u{feff}-- +migrate Up\n", Some("sql-migrate")),
            ("001_init.sql", "--liquibase formatted sql\n", Some("Liquibase")),
            ("001_init.sql", "SELECT 1; -- +migrate Up\n", None),
            ("001_clean_up.sql", "", None),
            ("V2__slow_down.sql", "", None),
            ("002_slow_down.sql", "-- +goose Up\n", None),
        ] {
            let entry = Entry { file: file.to_owned(), path: PathBuf::new(), bytes: text.as_bytes().to_vec() };
            assert_eq!(tool(&entry), expected, "{file}");
        }
    }
}
