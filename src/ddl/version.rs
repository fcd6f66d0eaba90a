//! Words that older servers refuse, with the major version that brought them (release notes 15 to 18, appendix E).

use super::read::Cursor;

const NEWER: [(u32, &[&str], &str); 10] = [
    (15, &["NULLS", "NOT", "DISTINCT"], "NULLS NOT DISTINCT"),
    (15, &["SET", "ACCESS", "METHOD"], "SET ACCESS METHOD"),
    (15, &["TABLES", "IN", "SCHEMA"], "TABLES IN SCHEMA"),
    (15, &["SECURITY_INVOKER"], "security_invoker"),
    (15, &["MERGE", "INTO"], "MERGE"),
    (17, &["SET", "EXPRESSION"], "SET EXPRESSION"),
    (18, &["VIRTUAL"], "VIRTUAL"),
    (18, &["NOT", "ENFORCED"], "NOT ENFORCED"),
    (18, &["WITHOUT", "OVERLAPS"], "WITHOUT OVERLAPS"),
    (18, &["ADD", "NOT", "NULL"], "NOT NULL as a table constraint"),
];

/// What stands in a statement and came after Postgres 14, with its version. Quoted names and strings are no words.
pub fn newer_words(text: &str) -> impl Iterator<Item = (u32, &'static str)> {
    let mut found = Vec::new();
    // What moves rows names columns freely, and has none of these but MERGE.
    let moves_rows = |cursor: &Cursor<'_>| ["SELECT", "INSERT", "UPDATE", "DELETE"].iter().any(|w| cursor.sees(&[w]));
    if let Some(mut cursor) = Cursor::new(text).filter(|cursor| !moves_rows(cursor)) {
        while !cursor.is_done() {
            let here = NEWER.iter().filter(|(_, words, _)| cursor.sees(words));
            found.extend(here.map(|(since, _, shown)| (*since, *shown)));
            cursor.advance();
        }
    }
    found.into_iter()
}

#[cfg(test)]
mod tests {
    use super::newer_words;

    #[test]
    fn words_of_newer_versions_are_found_where_they_are_words() {
        let found = |text| newer_words(text).collect::<Vec<_>>();
        let virtual_column = "ALTER TABLE t ADD a int GENERATED ALWAYS AS (b * 2) VIRTUAL";
        assert_eq!(found(virtual_column), [(18, "VIRTUAL")]);
        assert_eq!(found("ALTER TABLE t ADD \"virtual\" text DEFAULT 'NOT ENFORCED'"), []);
        assert_eq!(found("CREATE UNIQUE INDEX ON t (a) NULLS NOT DISTINCT"), [(15, "NULLS NOT DISTINCT")]);
    }
}
