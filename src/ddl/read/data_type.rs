//! Types as column definitions name them.

use std::fmt;

use super::cursor::{Cursor, Written};
use crate::postgres::Ident;

/// A type with its modifiers: `numeric(10,2)`, `text[]`, `auth.state`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DataType {
    /// The one name that the catalog has for it: `integer` for `int4`; a type of the application as written.
    pub base: String,
    /// The schema, where one is written and it is not `pg_catalog`.
    pub schema: Option<Ident>,
    /// `(10,2)`; empty where there are none.
    pub modifiers: Vec<i64>,
    /// Whether it is an array.
    pub array: bool,
    /// Whether it was written `serial`, `bigserial` or `smallserial`: an integer, a sequence, a default and NOT NULL.
    pub serial: bool,
}

impl DataType {
    /// The type as a relation of the application, for looking it up among domains and enums.
    pub fn written(&self) -> Written {
        Written { schema: self.schema.clone(), object: Ident::new(self.base.clone()) }
    }
}

impl fmt::Display for DataType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(schema) = &self.schema {
            write!(f, "{}.", schema.0)?;
        }
        f.write_str(&self.base)?;
        if !self.modifiers.is_empty() {
            let modifiers: Vec<String> = self.modifiers.iter().map(ToString::to_string).collect();
            write!(f, "({})", modifiers.join(","))?;
        }
        if self.array { f.write_str("[]") } else { Ok(()) }
    }
}

/// Other names of the server's own types (`SystemTypeName` in `gram.y`, and the catalog's names).
const ALIASES: [(&str, &str); 15] = [
    ("int", "integer"),
    ("int4", "integer"),
    ("int2", "smallint"),
    ("int8", "bigint"),
    ("bool", "boolean"),
    ("varchar", "character varying"),
    ("char", "character"),
    ("bpchar", "character"),
    ("nchar", "character"),
    ("decimal", "numeric"),
    ("dec", "numeric"),
    ("float4", "real"),
    ("float8", "double precision"),
    ("float", "double precision"),
    ("varbit", "bit varying"),
];

const SERIALS: [(&str, &str); 6] = [
    ("serial", "integer"),
    ("serial4", "integer"),
    ("bigserial", "bigint"),
    ("serial8", "bigint"),
    ("smallserial", "smallint"),
    ("serial2", "smallint"),
];

/// Reads a type; `None` where it is written in a way that this reader doesn't know.
pub fn read_type(cursor: &mut Cursor<'_>) -> Option<DataType> {
    cursor.takes(&["SETOF"]);
    let quoted = cursor.peek()?.kind == crate::ddl::lex::TokenKind::QuotedName;
    let mut name = cursor.name()?;
    if name.schema.as_ref().is_some_and(|schema| schema.0 == "pg_catalog") {
        name.schema = None;
    }
    let plain = !quoted && name.schema.is_none();
    let (mut base, mut serial) = (name.object.0, false);
    if plain {
        base = second_words(cursor, base);
        if let Some((_, alias)) = ALIASES.iter().find(|(other, _)| *other == base) {
            (*alias).clone_into(&mut base);
        }
        if let Some((_, integer)) = SERIALS.iter().find(|(other, _)| *other == base) {
            (base, serial) = ((*integer).to_owned(), true);
        }
    }
    let modifiers = modifiers(cursor)?;
    if plain && matches!(base.as_str(), "timestamp" | "time") {
        if cursor.takes(&["WITH", "TIME", "ZONE"]) {
            base += "tz";
        } else {
            cursor.takes(&["WITHOUT", "TIME", "ZONE"]);
        }
    }
    if base == "interval" {
        interval_fields(cursor);
    }
    let mut array = cursor.takes(&["ARRAY"]);
    while cursor.takes_symbol("[") {
        cursor.until(&[], &["]"]);
        cursor.takes_symbol("]").then_some(())?;
        array = true;
    }
    Some(DataType { base, schema: name.schema, modifiers, array, serial })
}

/// Types of two words.
fn second_words(cursor: &mut Cursor<'_>, first: String) -> String {
    let varying = |cursor: &mut Cursor<'_>| cursor.takes(&["VARYING"]);
    match first.as_str() {
        "double" if cursor.takes(&["PRECISION"]) => "double precision".to_owned(),
        "character" | "char" | "nchar" if varying(cursor) => "character varying".to_owned(),
        "bit" if varying(cursor) => "bit varying".to_owned(),
        "national" if cursor.takes_one(&[&["CHARACTER"], &["CHAR"]]).is_some() => {
            if varying(cursor) { "character varying" } else { "character" }.to_owned()
        }
        _ => first,
    }
}

fn modifiers(cursor: &mut Cursor<'_>) -> Option<Vec<i64>> {
    let Some(span) = cursor.group() else { return Some(Vec::new()) };
    let text = cursor.text(span);
    text.split(',').map(|modifier| modifier.trim().parse().ok()).collect()
}

fn interval_fields(cursor: &mut Cursor<'_>) {
    const FIELDS: [&[&str]; 6] = [&["YEAR"], &["MONTH"], &["DAY"], &["HOUR"], &["MINUTE"], &["SECOND"]];
    if cursor.takes_one(&FIELDS).is_some() && cursor.takes(&["TO"]) {
        cursor.takes_one(&FIELDS);
    }
    cursor.group();
}

/// Whether changing `from` to `to` leaves the rows as they are on disk (`ATColumnChangeRequiresRewrite` and the cast's own
/// length coercion). `None`: it depends on what can't be seen here.
pub fn keeps_rows(from: &DataType, to: &DataType) -> Option<bool> {
    if from.schema.is_some() || to.schema.is_some() {
        return if from == to { Some(true) } else { None };
    }
    if from.array != to.array {
        return Some(false);
    }
    if from.base == to.base {
        return Some(same_base(from, to));
    }
    if from.array {
        return None;
    }
    let unlimited = |data_type: &DataType| data_type.modifiers.is_empty();
    Some(match (from.base.as_str(), to.base.as_str()) {
        ("character varying", "text") => true,
        ("text", "character varying") => unlimited(to),
        ("cidr", "inet") | ("xml", "text") => true,
        // Free where the session's TimeZone is UTC (since 12).
        ("timestamp", "timestamptz") | ("timestamptz", "timestamp") => return None,
        (from, to) if is_builtin(from) && is_builtin(to) => false,
        _ => return None,
    })
}

/// Widening, or a limit taken away.
fn same_base(from: &DataType, to: &DataType) -> bool {
    match from.base.as_str() {
        "character varying" | "bit varying" => match (from.modifiers.first(), to.modifiers.first()) {
            (_, None) => true,
            (Some(from), Some(to)) => to >= from,
            (None, Some(_)) => false,
        },
        "numeric" => match (from.modifiers.as_slice(), to.modifiers.as_slice()) {
            (_, []) => true,
            ([from, from_scale @ ..], [to, to_scale @ ..]) => {
                to >= from && from_scale.first().unwrap_or(&0) == to_scale.first().unwrap_or(&0)
            }
            ([], _) => false,
        },
        "timestamp" | "timestamptz" | "time" | "timetz" => {
            let precision = |data_type: &DataType| data_type.modifiers.first().copied().unwrap_or(6);
            precision(to) >= precision(from)
        }
        _ => from.modifiers == to.modifiers,
    }
}

/// Types of the server itself whose casts into each other are known to go through every row.
pub fn is_builtin(base: &str) -> bool {
    const BUILTIN: [&str; 34] = [
        "smallint",
        "integer",
        "bigint",
        "numeric",
        "real",
        "double precision",
        "money",
        "boolean",
        "text",
        "character",
        "character varying",
        "bytea",
        "date",
        "time",
        "timetz",
        "timestamp",
        "timestamptz",
        "interval",
        "uuid",
        "json",
        "jsonb",
        "xml",
        "inet",
        "cidr",
        "macaddr",
        "bit",
        "bit varying",
        "point",
        "box",
        "circle",
        "tsvector",
        "tsquery",
        "name",
        "oid",
    ];
    BUILTIN.contains(&base)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> DataType {
        let mut cursor = Cursor::new(text).unwrap();
        let read = read_type(&mut cursor).unwrap();
        assert!(cursor.is_done(), "{text}");
        read
    }

    #[test]
    fn types_have_one_name() {
        for (written, shown) in [
            ("int4", "integer"),
            ("VarChar(20)", "character varying(20)"),
            ("character varying (20) []", "character varying(20)[]"),
            ("timestamp(3) with time zone", "timestamptz(3)"),
            ("double precision", "double precision"),
            ("numeric(10, 2)", "numeric(10,2)"),
            ("pg_catalog.int8", "bigint"),
            ("auth.\"State\"", "auth.State"),
            ("interval day to second(3)", "interval"),
            ("text ARRAY[4]", "text[]"),
            ("bigserial", "bigint"),
        ] {
            assert_eq!(of(written).to_string(), shown, "{written}");
        }
        assert!(of("bigserial").serial);
    }

    #[test]
    fn what_keeps_the_rows_is_known() {
        for (from, to, keeps) in [
            ("varchar(10)", "varchar(20)", Some(true)),
            ("varchar(20)", "varchar(10)", Some(false)),
            ("varchar(20)", "text", Some(true)),
            ("text", "varchar", Some(true)),
            ("text", "varchar(10)", Some(false)),
            ("numeric(10,2)", "numeric(12,2)", Some(true)),
            ("numeric(10,2)", "numeric(12,3)", Some(false)),
            ("numeric(10,2)", "numeric", Some(true)),
            ("int", "bigint", Some(false)),
            ("timestamp", "timestamptz", None),
            ("timestamp(3)", "timestamp", Some(true)),
            ("timestamp", "timestamp(3)", Some(false)),
            ("text", "citext", None),
            ("int[]", "int", Some(false)),
            ("char(10)", "char(20)", Some(false)),
        ] {
            assert_eq!(keeps_rows(&of(from), &of(to)), keeps, "{from} to {to}");
        }
    }
}
