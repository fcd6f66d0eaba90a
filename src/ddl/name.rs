//! Names that the server chooses where none is given, and identifiers as a person would write them.

use super::read::{Cursor, Written};
use crate::postgres::Ident;

/// The most bytes of a name that the server keeps (`NAMEDATALEN` - 1).
pub const NAME_BYTES: usize = 63;

/// `makeObjectName`: `one_two_label`, the longer of the first two cut until all of it fits. An empty `two` is left out.
pub fn made_name(one: &str, two: &str, label: &str) -> String {
    let overhead = label.len() + 1 + usize::from(!two.is_empty());
    let room = NAME_BYTES.saturating_sub(overhead);
    let (mut first, mut second) = (one.len(), two.len());
    while first + second > room {
        if first > second { first -= 1 } else { second -= 1 }
    }
    let one = one.get(..one.floor_char_boundary(first)).unwrap_or_default();
    let two = two.get(..two.floor_char_boundary(second)).unwrap_or_default();
    [one, two, label].iter().filter(|part| !part.is_empty()).copied().collect::<Vec<_>>().join("_")
}

/// What stands for several columns in such a name (`ChooseIndexNameAddition`).
pub fn columns_part(columns: &[String]) -> String {
    let mut part = String::new();
    for column in columns {
        if !part.is_empty() {
            part.push('_');
        }
        part += column;
        if part.len() > NAME_BYTES {
            break;
        }
    }
    part
}

/// The columns that an expression names, each once: words and quoted names that are no keyword, no call and no type.
/// `None` where that can't be told.
pub fn columns_of(expression: &str) -> Option<Vec<String>> {
    use super::lex::TokenKind as Kind;
    let mut cursor = Cursor::new(expression)?;
    let mut columns: Vec<String> = Vec::new();
    while let Some(token) = cursor.peek() {
        let text = cursor.text(token.span());
        match token.kind {
            Kind::Symbol if text == "::" => {
                cursor.advance();
                super::read::read_type(&mut cursor)?;
            }
            // CAST (… AS type), COLLATE name, and fields of composites: more than is needed here.
            Kind::Word
                if ["CAST", "COLLATE", "EXTRACT", "OVERLAY", "INTERVAL"]
                    .iter()
                    .any(|w| text.eq_ignore_ascii_case(w)) =>
            {
                return None;
            }
            Kind::Word if EXPRESSION_WORDS.iter().any(|word| text.eq_ignore_ascii_case(word)) => {
                cursor.advance();
            }
            Kind::Word | Kind::QuotedName => {
                let name = cursor.name()?;
                // date '2024-01-01' is a type and its literal.
                let literal = cursor.peek().is_some_and(|next| next.kind == Kind::Text);
                if cursor.sees_symbol("(") || literal || name.schema.is_some() && cursor.sees_symbol(".") {
                    if literal {
                        cursor.advance();
                    }
                } else if !columns.contains(&name.object.0) {
                    columns.push(name.object.0);
                }
            }
            _ => {
                cursor.advance();
            }
        }
    }
    Some(columns)
}

/// A text with another name in the place of a column's; `None` where it can't be told which of its words are columns.
pub fn with_column(text: &str, from: &str, to: &str) -> Option<String> {
    use super::lex::TokenKind as Kind;
    let mut cursor = Cursor::new(text)?;
    let (mut out, mut at) = (String::with_capacity(text.len()), 0);
    while let Some(token) = cursor.peek() {
        let is_type = cursor.takes_symbol("::");
        if is_type {
            super::read::read_type(&mut cursor)?;
            continue;
        }
        if !matches!(token.kind, Kind::Word | Kind::QuotedName) {
            cursor.advance();
            continue;
        }
        // Of a qualified name the last part is the column.
        let mut last = cursor.peek()?;
        let mut name = cursor.ident()?;
        while cursor.takes_symbol(".") {
            last = cursor.peek()?;
            name = cursor.ident()?;
        }
        let called = cursor.sees_symbol("(") || cursor.peek().is_some_and(|next| next.kind == Kind::Text);
        if name.0 == from && !called {
            out += text.get(at..last.start)?;
            out += &spelled(&Ident::new(to));
            at = last.end;
        }
    }
    out += text.get(at..)?;
    Some(out)
}

const EXPRESSION_WORDS: [&str; 35] = [
    "AND",
    "OR",
    "NOT",
    "IS",
    "NULL",
    "TRUE",
    "FALSE",
    "UNKNOWN",
    "IN",
    "BETWEEN",
    "SYMMETRIC",
    "LIKE",
    "ILIKE",
    "SIMILAR",
    "TO",
    "CASE",
    "WHEN",
    "THEN",
    "ELSE",
    "END",
    "DISTINCT",
    "FROM",
    "ANY",
    "SOME",
    "ALL",
    "ARRAY",
    "ISNULL",
    "NOTNULL",
    "ESCAPE",
    "CURRENT_DATE",
    "CURRENT_TIMESTAMP",
    "LOCALTIMESTAMP",
    "CURRENT_USER",
    "OVERLAPS",
    "DEFAULT",
];

/// An identifier with quotes only where it needs them.
pub fn spelled(ident: &Ident) -> String {
    let name = ident.0.as_str();
    let begins = name.starts_with(|c: char| c.is_ascii_lowercase() || c == '_');
    let plain = begins && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
    if plain && !RESERVED.contains(&name) { name.to_owned() } else { ident.to_string() }
}

/// A name with its schema where one was written.
pub fn spelled_name(written: &Written) -> String {
    match &written.schema {
        Some(schema) => format!("{}.{}", spelled(schema), spelled(&written.object)),
        None => spelled(&written.object),
    }
}

/// Words that are names of columns or functions only in quotes (`pg_get_keywords()`, all but the unreserved, 14 to 18).
const RESERVED: [&str; 164] = [
    "all",
    "analyse",
    "analyze",
    "and",
    "any",
    "array",
    "as",
    "asc",
    "asymmetric",
    "authorization",
    "between",
    "bigint",
    "binary",
    "bit",
    "boolean",
    "both",
    "case",
    "cast",
    "char",
    "character",
    "check",
    "coalesce",
    "collate",
    "collation",
    "column",
    "concurrently",
    "constraint",
    "create",
    "cross",
    "current_catalog",
    "current_date",
    "current_role",
    "current_schema",
    "current_time",
    "current_timestamp",
    "current_user",
    "dec",
    "decimal",
    "default",
    "deferrable",
    "desc",
    "distinct",
    "do",
    "else",
    "end",
    "except",
    "exists",
    "extract",
    "false",
    "fetch",
    "float",
    "for",
    "foreign",
    "freeze",
    "from",
    "full",
    "grant",
    "greatest",
    "group",
    "grouping",
    "having",
    "ilike",
    "in",
    "initially",
    "inner",
    "inout",
    "int",
    "integer",
    "intersect",
    "interval",
    "into",
    "is",
    "isnull",
    "join",
    "json",
    "json_array",
    "json_arrayagg",
    "json_exists",
    "json_object",
    "json_objectagg",
    "json_query",
    "json_scalar",
    "json_serialize",
    "json_table",
    "json_value",
    "lateral",
    "leading",
    "least",
    "left",
    "like",
    "limit",
    "localtime",
    "localtimestamp",
    "merge_action",
    "national",
    "natural",
    "nchar",
    "none",
    "normalize",
    "not",
    "notnull",
    "null",
    "nullif",
    "numeric",
    "offset",
    "on",
    "only",
    "or",
    "order",
    "out",
    "outer",
    "overlaps",
    "overlay",
    "placing",
    "position",
    "precision",
    "primary",
    "real",
    "references",
    "returning",
    "right",
    "row",
    "select",
    "session_user",
    "setof",
    "similar",
    "smallint",
    "some",
    "substring",
    "symmetric",
    "system_user",
    "table",
    "tablesample",
    "then",
    "time",
    "timestamp",
    "to",
    "trailing",
    "treat",
    "trim",
    "true",
    "union",
    "unique",
    "user",
    "using",
    "values",
    "varchar",
    "variadic",
    "verbose",
    "when",
    "where",
    "window",
    "with",
    "xmlattributes",
    "xmlconcat",
    "xmlelement",
    "xmlexists",
    "xmlforest",
    "xmlnamespaces",
    "xmlparse",
    "xmlpi",
    "xmlroot",
    "xmlserialize",
    "xmltable",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_names_are_cut_as_the_server_cuts_them() {
        // Asked of 15.18: ALTER TABLE … ADD CHECK, and of a table and a column of 40 letters each.
        let (table, column) = ("t".repeat(40), "c".repeat(40));
        assert_eq!(made_name(&table, &column, "fkey"), format!("{}_{}_fkey", "t".repeat(29), "c".repeat(28)));
        assert_eq!(made_name("t", "", "pkey"), "t_pkey");
        assert_eq!(made_name("t", "a_b", "key"), "t_a_b_key");
    }

    #[test]
    fn columns_of_an_expression_are_told_from_types_and_calls() {
        let of = |text: &str| columns_of(text).unwrap_or_default().join(" ");
        assert_eq!(of("length(a) > 0 AND a <> ''::character varying(3)"), "a");
        assert_eq!(of("t.a > \"B\" OR at < date '2024-01-01'"), "a B at");
        assert_eq!(columns_of("CAST(a AS int) > 0"), None);
    }
}
