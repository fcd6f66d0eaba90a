//! dbmate: `VERSION_name.sql` with `-- migrate:up` and `-- migrate:down` (`pkg/dbmate/migration.go`).

use super::{Bookkeeping, Draft, Entry, Layout, Listing, Part, version, without};
use crate::error::{Failure, Result};

pub(super) static LAYOUT: Layout = Layout {
    name: "dbmate",
    tool: "dbmate",
    shape: "VERSION_name.sql with -- migrate:up",
    claims,
    reads,
    apart: super::in_one_transaction,
    order: version::by_text,
    is_same: version::same_text,
    bookkeeping: Some(Bookkeeping {
        table: "schema_migrations",
        columns: &["version"],
        foreign_columns: &["dirty", "inserted_at"],
        create: include_str!("../../postgres/sql/create_dbmate_migrations.sql"),
        objects: &[],
        select: include_str!("../../postgres/sql/select_dbmate_migrations.sql"),
        record: include_str!("../../postgres/sql/insert_dbmate_migration.sql"),
        one_row: false,
        refuses_older: None,
        repair: "",
    }),
};

pub(super) fn is_marked(text: &str) -> bool {
    directive(text, "up").is_some() || directive(text, "down").is_some()
}

/// Where a line `-- migrate:up …` begins and ends, and its options: the first of its kind, at the line's start.
fn directive<'t>(text: &'t str, direction: &str) -> Option<(usize, usize, &'t str)> {
    let mut at = 0;
    for line in text.split_inclusive('\n') {
        let begin = at;
        at += line.len();
        let comment = line.trim_start_matches('\u{feff}').strip_prefix("--").map(str::trim_start);
        let rest = comment.and_then(|text| text.strip_prefix("migrate:")).and_then(|text| text.strip_prefix(direction));
        if let Some(rest) = rest
            && rest.trim_start().len() < rest.len().max(1)
        {
            return Some((begin, at, rest.trim()));
        }
    }
    None
}

fn claims(_: &Listing, entry: &Entry) -> Option<Part> {
    if !entry.is_sql() || entry.base() == "up.sql" {
        return None;
    }
    if entry.folder().is_some() {
        return Some(Part::Ignored("in a subfolder"));
    }
    (entry.base().starts_with(|c: char| c.is_ascii_digit()) && is_marked(&entry.text())).then_some(Part::Up)
}

fn reads(_: &Listing, entry: &Entry) -> Result<Draft> {
    let stem = without(entry.base(), ".sql").unwrap_or(entry.base());
    let digits = stem.find(|c: char| !c.is_ascii_digit()).unwrap_or(stem.len());
    let (version, rest) = stem.split_at_checked(digits).unwrap_or((stem, ""));
    let text = entry.text();
    let refuse = |what: &str| {
        Err(Failure::usage(format!("{}: {what}", entry.path.display())).hint("mend the file as dbmate wants it"))
    };
    let Some((begin, start, options)) = directive(&text, "up") else { return refuse("no -- migrate:up in it") };
    let end = directive(&text, "down").map_or(text.len(), |(begin, ..)| begin);
    if end < start {
        return refuse("-- migrate:down before -- migrate:up");
    }
    let before = text.get(..begin).unwrap_or_default().trim_start_matches('\u{feff}');
    if before.lines().any(|line| !line.trim().is_empty() && !line.trim_start().starts_with("--")) {
        return refuse("statements before -- migrate:up");
    }
    let mut apart = None;
    for option in options.split_whitespace() {
        match option {
            "transaction:true" => {}
            "transaction:false" => apart = Some("transaction:false".to_owned()),
            other => return refuse(&format!("the option {other:?} of -- migrate:up is not known here")),
        }
    }
    Ok(Draft { apart, up: start..end, ..Draft::new(version, rest.trim_start_matches('_'), entry) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn directives_stand_at_the_start_of_a_line() {
        assert_eq!(directive("-- migrate:up transaction:false\nA;", "up"), Some((0, 32, "transaction:false")));
        assert_eq!(directive("--migrate:up\r\n", "up"), Some((0, 14, "")));
        assert_eq!(directive("-- migrate:up", "up"), Some((0, 13, "")));
        assert_eq!(directive("x -- migrate:up\n", "up"), None);
        assert_eq!(directive("-- migrate:upwards\n", "up"), None);
    }
}
