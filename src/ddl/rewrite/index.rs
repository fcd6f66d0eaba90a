//! CREATE INDEX and REINDEX, concurrently.

use super::{Apply, Bit, Case, How, Left, Outcome, Rewrite};
use crate::ddl::name::{columns_part, spelled};
use crate::ddl::read::{Cursor, Reading};

/// The tables that most examples are about, with rows.
pub(super) const TOKENS: &str = "CREATE TABLE client (id bigint PRIMARY KEY, name text);
CREATE TABLE token (id bigint PRIMARY KEY, client_id bigint, subject text, note varchar(40), used int);
CREATE INDEX token_client ON token (client_id);
INSERT INTO client SELECT n, 'client ' || n FROM generate_series(1, 20) n;
INSERT INTO token SELECT n, n % 20 + 1, 'subject ' || n, 'note', n FROM generate_series(1, 2500) n;
ALTER TABLE token ADD CONSTRAINT used_some CHECK (used > 0) NOT VALID;";

pub(super) const REWRITES: &[Rewrite] = &[
    Rewrite {
        id: "create-index",
        when: "CREATE INDEX, CREATE UNIQUE INDEX",
        why: "built concurrently, it keeps no writer waiting",
        halfway: "",
        setup: TOKENS,
        example: "CREATE UNIQUE INDEX ON token (subject, lower(note)) WHERE used > 0;",
        apply: Apply::Statement(create),
    },
    Rewrite {
        id: "reindex",
        when: "REINDEX INDEX, REINDEX TABLE",
        why: "built concurrently, it keeps nobody waiting",
        halfway: "",
        setup: TOKENS,
        example: "REINDEX TABLE token;",
        apply: Apply::Statement(reindex),
    },
];

fn create(case: &Case<'_>) -> Option<Outcome> {
    let Reading::CreateIndex(create) = case.reading else { return None };
    // ON ONLY of a partitioned table builds nothing.
    if create.concurrently || case.is_new(&create.table) || create.only && case.is_partitioned(&create.table) {
        return None;
    }
    let rest = case.text.get(create.after_index..)?;
    let (name, given) = if let Some(name) = &create.name {
        (name.0.clone(), String::new())
    } else {
        let Some(columns) = column_names(rest) else {
            return Outcome::refused(
                "index-blocks-writes",
                "an index without a name, over expressions: what it would be called can't be told here, so an \
                     interrupted build could not be found again",
                "give it a name",
            );
        };
        let name = case.known.chosen_name(&case.known.relation(&create.table), &columns_part(&columns), "idx");
        let given = format!(" {}", spelled(&crate::postgres::Ident::new(name.clone())));
        (name, given)
    };
    let sql = format!("{} CONCURRENTLY{given}{rest}", case.text.get(..create.after_index)?);
    let leaves = Some(Left::Index(case.beside(&create.table, &name)));
    Outcome::of(vec![Bit::step(sql, How::Concurrent { leaves })])
}

/// What the server calls an index's columns when it makes up its name (`ChooseIndexColumnNames`): plain columns by their
/// names, calls by the function's; `None` for other expressions. those of INCLUDE count as well.
fn column_names(rest: &str) -> Option<Vec<String>> {
    let mut cursor = Cursor::new(rest)?;
    cursor.expect(&["ON"])?;
    cursor.takes(&["ONLY"]);
    cursor.name()?;
    if cursor.takes(&["USING"]) {
        cursor.ident()?;
    }
    let mut names = Vec::new();
    let group = cursor.group()?;
    element_names(&mut cursor.inside(&group), &mut names)?;
    if cursor.takes(&["INCLUDE"]) {
        let group = cursor.group()?;
        element_names(&mut cursor.inside(&group), &mut names)?;
    }
    Some(names)
}

fn element_names(cursor: &mut Cursor<'_>, names: &mut Vec<String>) -> Option<()> {
    loop {
        let name = cursor.name()?.object.0;
        // Words with a grammar of their own (COALESCE, CAST, …) are named otherwise; their calls are in parentheses anyway.
        if cursor.group().is_some() && crate::ddl::rewrite::case_keyword(&name) {
            return None;
        }
        // The second of a name is numbered.
        if names.contains(&name) {
            return None;
        }
        names.push(name);
        cursor.until(&[], &[","]);
        if !cursor.takes_symbol(",") {
            return cursor.is_done().then_some(());
        }
    }
}

fn reindex(case: &Case<'_>) -> Option<Outcome> {
    let Reading::Reindex(reindex) = case.reading else { return None };
    if reindex.concurrently {
        return None;
    }
    let Some(target) = &reindex.target else {
        return Outcome::refused(
            "reindex-blocks",
            "it builds every index of a whole schema or database",
            "REINDEX each table CONCURRENTLY",
        );
    };
    if !reindex.index && case.is_new(target) {
        return None;
    }
    let mut cursor = Cursor::new(case.text)?;
    cursor.expect(&["REINDEX"])?;
    cursor.group();
    cursor.takes_one(&[&["INDEX"], &["TABLE"]])?;
    let at = cursor.taken_to();
    let sql = format!("{} CONCURRENTLY{}", case.text.get(..at)?, case.text.get(at..)?);
    Outcome::of(vec![Bit::step(sql, How::Concurrent { leaves: Some(Left::Copies(case.name(target))) })])
}
