//! ADD COLUMN: the column at once, whatever reads or writes all rows apart.

use std::ops::Range;

use super::unique::KeyParts;
use super::{Apply, Bit, Case, Outcome, Rewrite};
use crate::ddl::assess::{Volatility, volatility};
use crate::ddl::name::{made_name, spelled, spelled_name};
use crate::ddl::read::{AlterCommand, ColumnClause, ColumnDef, Cursor, Written, is_builtin};
use crate::postgres::{Ident, literal};

pub(super) const REWRITES: &[Rewrite] = &[Rewrite {
    id: "add-column",
    when: "ADD COLUMN with a volatile default, serial, identity, or inline CHECK, UNIQUE, PRIMARY KEY, REFERENCES with a default",
    why: "the column is there in a moment, empty for old rows; they are filled in batches, its constraints are added as those of a table are",
    halfway: "the column is there, some old rows have no value yet, or a constraint is missing",
    setup: super::index::TOKENS,
    example: "ALTER TABLE token ADD COLUMN number serial UNIQUE, ADD COLUMN age int DEFAULT 1 NOT NULL CHECK (age > 0) REFERENCES client (id);",
    apply: Apply::Command(add),
}];

/// A column that is being added, clause by clause.
struct Adding<'a> {
    case: &'a Case<'a>,
    table: &'a Written,
    column: &'a ColumnDef,
    /// In the words of the statement.
    name: String,
    if_not_exists: bool,
}

fn add(case: &Case<'_>, command: &AlterCommand, _: &Range<usize>) -> Option<Outcome> {
    let AlterCommand::AddColumn { column, if_not_exists } = command else { return None };
    let table = case.table()?;
    if case.is_new(table) || case.alter()?.what != "TABLE" {
        return None;
    }
    let adding = Adding { case, table, column, name: spelled(&column.name), if_not_exists: *if_not_exists };
    if column.clauses.contains(&ColumnClause::Stored) {
        return Outcome::refused(
            "generated-rewrites",
            "a stored generated column can't be added without writing every row under the lock",
            "a plain column, a trigger and a backfill in batches come close",
        );
    }
    let own = column.data_type.schema.is_some() || !is_builtin(&column.data_type.base);
    match case.known.is_constrained_domain(&column.data_type).filter(|_| own) {
        Some(true) => {
            return Outcome::refused(
                "add-column-rewrites",
                "its type is a domain with a constraint, which is checked by writing every row",
                "a column of the domain's own type with a CHECK of the same words",
            );
        }
        None if own && !column.data_type.array && !is_builtin(&column.data_type.base) => {
            return Outcome::refused(
                "add-column-rewrites",
                format!(
                    "what {} is, is not known here: with a constrained domain every row is written",
                    column.data_type
                ),
                "give a --schema in which the type is",
            );
        }
        _ => {}
    }
    let fills = adding.fills();
    let apart = |clause: &ColumnClause| match clause {
        ColumnClause::Check(_) | ColumnClause::Unique | ColumnClause::PrimaryKey => true,
        // Without a default there is nothing to check, and the server knows.
        ColumnClause::References(_) => column.default().is_some(),
        _ => false,
    };
    if !fills && !column.clauses.iter().any(apart) {
        return None;
    }
    let there = case.known.table(table).filter(|table| table.whole && table.made_in.is_some());
    if *if_not_exists && there.is_none_or(|table| table.columns.contains_key(&column.name.0)) {
        return Outcome::refused(
            "add-column-rewrites",
            "where the column is there, IF NOT EXISTS passes over all of it, and the safe form can't",
            "leave IF NOT EXISTS out, or give a --schema in which the table is",
        );
    }
    adding.bits(fills, apart)
}

impl Adding<'_> {
    /// Whether old rows need a value of their own each.
    fn fills(&self) -> bool {
        let volatile =
            self.column.default().is_some_and(|default| volatility(self.case.words(default)) != Volatility::Stable);
        volatile || self.column.data_type.serial || self.column.clauses.contains(&ColumnClause::Identity)
    }

    fn bits(&self, fills: bool, apart: impl Fn(&ColumnClause) -> bool) -> Option<Outcome> {
        let Self { case, table, column, name, .. } = self;
        let relation = case.known.relation(table);
        let serial = column.data_type.serial;
        let mut bits = Vec::new();
        let mut definition =
            if serial { format!("{name} {}", column.data_type) } else { case.words(&column.typed).to_owned() };
        let mut constraint = None;
        for (clause, place) in column.clauses.iter().zip(&column.places) {
            let text = case.words(&place.span);
            let keeps = match clause {
                ColumnClause::Default(_) => !fills,
                // Old rows have no value yet.
                ColumnClause::NotNull => !fills,
                ColumnClause::Identity => false,
                // DEFERRABLE and the like belong to the constraint before them.
                ColumnClause::Other => constraint.is_none() || !is_attribute(text),
                clause => !apart(clause),
            };
            if !(*clause == ColumnClause::Other && is_attribute(text)) {
                constraint = Some(clause).filter(|clause| apart(clause));
            }
            if keeps {
                definition.push(' ');
                definition += text;
            }
        }
        let exists = if self.if_not_exists { "IF NOT EXISTS " } else { "" };
        let add = Bit::Command(format!("ADD COLUMN {exists}{definition}"));
        let identity = column.clauses.iter().zip(&column.places).find(|(clause, _)| **clause == ColumnClause::Identity);
        let sequence = |label| {
            let object = Ident::new(made_name(&relation.1, &column.name.0, label));
            spelled_name(&Written { schema: table.schema.clone(), object })
        };
        let kind = &column.data_type.base;
        if serial || identity.is_some() {
            let made = if serial {
                let object = Ident::new(case.known.chosen_name(&relation, &column.name.0, "seq"));
                spelled_name(&Written { schema: table.schema.clone(), object })
            } else {
                sequence("teal_seq")
            };
            let options = match identity {
                Some((_, place)) => options(case.words(&place.span))?,
                None => String::new(),
            };
            bits.push(Bit::brief(format!("CREATE SEQUENCE {made} AS {kind}{options}")));
            bits.push(add);
            bits.push(Bit::Command(format!("ALTER COLUMN {name} SET DEFAULT nextval({}::regclass)", literal(&made))));
            if serial {
                bits.push(Bit::brief(format!("ALTER SEQUENCE {made} OWNED BY {}.{name}", spelled_name(table))));
            }
        } else {
            bits.push(add);
            if let Some(default) = column.default().filter(|_| fills) {
                bits.push(Bit::Command(format!("ALTER COLUMN {name} SET DEFAULT {}", case.words(default))));
            }
        }
        if fills {
            let update = format!("UPDATE {} SET {name} = DEFAULT WHERE {name} IS NULL", spelled_name(table));
            match super::batches::step(case, &update) {
                Ok(step) => bits.push(Bit::Step(step)),
                Err(why) => {
                    let why = format!("its old rows can't be filled in batches: {why}");
                    return Outcome::refused(
                        "add-column-rewrites",
                        why,
                        "give the table a primary key first, or a --schema in which the table is",
                    );
                }
            }
        }
        let key = column.clauses.contains(&ColumnClause::PrimaryKey);
        if key || fills && column.is_not_null() {
            bits.extend(super::not_null::bits(case, table, &column.name, None));
        }
        if let Some((_, place)) = identity {
            bits.push(self.identity(case.words(&place.span), &sequence("teal_seq")));
        }
        self.constraints(&mut bits, apart)?;
        Outcome::of(bits)
    }

    /// The sequence that has filled the column gives way to that of the identity, with its last number.
    fn identity(&self, generated: &str, sequence: &str) -> Bit {
        let (table, name) = (spelled_name(self.table), &self.name);
        let own = format!("pg_catalog.pg_get_serial_sequence({}, {})", literal(&table), literal(&self.column.name.0));
        Bit::brief(format!(
            "ALTER TABLE {table} ALTER COLUMN {name} DROP DEFAULT, ALTER COLUMN {name} ADD {generated};\n\
             SELECT pg_catalog.setval({own}, last_value, is_called) FROM {sequence};\n\
             DROP SEQUENCE {sequence}"
        ))
    }

    fn constraints(&self, bits: &mut Vec<Bit>, apart: impl Fn(&ColumnClause) -> bool) -> Option<()> {
        let Self { case, table, column, .. } = self;
        let relation = case.known.relation(table);
        let ends = |at: usize| {
            let next = column.clauses.iter().zip(&column.places).skip(at + 1);
            let attributes = next
                .take_while(|(clause, place)| **clause == ColumnClause::Other && is_attribute(case.words(&place.span)));
            attributes.last().map(|(_, place)| place.span.end)
        };
        for (at, (clause, place)) in column.clauses.iter().zip(&column.places).enumerate() {
            if !apart(clause) {
                continue;
            }
            let text = case.words(&(place.span.start..ends(at).unwrap_or(place.span.end)));
            let columns = std::slice::from_ref(&column.name);
            match clause {
                ColumnClause::Unique | ColumnClause::PrimaryKey => {
                    let parts = KeyParts::read(text)?;
                    let primary = *clause == ColumnClause::PrimaryKey;
                    bits.extend(super::unique::key_bits(case, table, columns, place.name.as_ref(), &parts, primary));
                }
                ColumnClause::Check(_) => {
                    let name = || Ident::new(case.known.chosen_name(&relation, &column.name.0, "check"));
                    let missing = place.name.is_none().then(name);
                    let name = place.name.clone().or_else(|| missing.clone())?;
                    bits.extend(super::foreign_key::not_valid(&format!("ADD {text}"), missing.as_ref(), &name));
                }
                ColumnClause::References(_) => {
                    let chosen = || Ident::new(case.known.chosen_name(&relation, &column.name.0, "fkey"));
                    let name = place.name.clone().unwrap_or_else(chosen);
                    let from = text.get(
                        Cursor::new(text).map(|mut c| {
                            c.until(&["REFERENCES"], &[]);
                            c.offset()
                        })?..,
                    )?;
                    let add = format!("ADD CONSTRAINT {} FOREIGN KEY ({}) {from}", spelled(&name), self.name);
                    bits.extend(super::foreign_key::not_valid(&add, None, &name));
                }
                _ => {}
            }
        }
        Some(())
    }
}

/// Whether a clause says something of the constraint before it.
fn is_attribute(text: &str) -> bool {
    Cursor::new(text).is_some_and(|cursor| {
        [&["DEFERRABLE"][..], &["NOT", "DEFERRABLE"], &["INITIALLY"], &["ENFORCED"], &["NOT", "ENFORCED"]]
            .iter()
            .any(|words| cursor.sees(words))
    })
}

/// The options of an identity's sequence; `None` where one of them names it.
fn options(generated: &str) -> Option<String> {
    let mut cursor = Cursor::new(generated)?;
    cursor.until(&["IDENTITY"], &[]);
    cursor.advance();
    let Some(group) = cursor.group() else { return Some(String::new()) };
    let inside = cursor.inside(&group);
    (!inside.has_word("NAME")).then(|| format!(" {}", cursor.text(group)))
}
