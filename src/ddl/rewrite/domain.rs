//! ALTER DOMAIN: what looks at every row of every column of the domain.

use super::{Apply, Bit, Case, How, Outcome, Rewrite};
use crate::ddl::name::spelled;
use crate::ddl::read::{Cursor, Reading};
use crate::postgres::Ident;

pub(super) const REWRITES: &[Rewrite] = &[Rewrite {
    id: "domain",
    when: "ALTER DOMAIN … ADD CHECK (18 and later)",
    why: "added NOT VALID it holds for what is written from now on; VALIDATE reads the old rows, and from 18 on lets writers go on meanwhile",
    halfway: "the check is there NOT VALID",
    setup: "CREATE DOMAIN email AS text;\nCREATE TABLE client (id int PRIMARY KEY, mail email);\nINSERT INTO client VALUES (1, 'a@b');",
    example: "ALTER DOMAIN email ADD CHECK (VALUE LIKE '%@%');",
    apply: Apply::Statement(alter),
}];

fn alter(case: &Case<'_>) -> Option<Outcome> {
    let Reading::AlterDomain { name, scans: true } = case.reading else { return None };
    let mut cursor = Cursor::new(case.text)?;
    cursor.expect(&["ALTER", "DOMAIN"])?;
    cursor.name()?;
    let head = case.text.get(..cursor.offset())?;
    let validates = cursor.sees(&["VALIDATE"]);
    if case.version < 18 && validates {
        return Outcome::refused(
            "domain-scans",
            "before 18, writers of every table with the domain wait while its rows are read",
            "validate it at a quiet time",
        );
    }
    if validates {
        return Outcome::of(vec![Bit::step(case.text, How::Long)]);
    }
    if case.version < 18 || !cursor.takes(&["ADD"]) {
        return Outcome::refused(
            "domain-scans",
            "every row of every column of the domain is read, and writers wait",
            "add a CHECK NOT VALID, which holds for what is written from now on, and validate it at a quiet time",
        );
    }
    let rest = case.text.get(cursor.offset()..)?;
    let given = if cursor.takes(&["CONSTRAINT"]) { Some(cursor.ident()?) } else { None };
    cursor.expect(&["CHECK"])?;
    let chosen = || Ident::new(case.known.chosen_name(&case.known.relation(name), "", "check"));
    let check = spelled(&given.clone().unwrap_or_else(chosen));
    let constraint = if given.is_some() { String::new() } else { format!("CONSTRAINT {check} ") };
    Outcome::of(vec![
        Bit::brief(format!("{head}ADD {constraint}{rest} NOT VALID")),
        Bit::step(format!("{head}VALIDATE CONSTRAINT {check}"), How::Long),
    ])
}
