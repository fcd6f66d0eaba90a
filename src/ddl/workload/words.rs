//! Words that stand in queries and are no names.

use crate::ddl::lex::TokenKind;

/// Words that are no column where they stand alone: those that Postgres reserves, and those between operands (manual, appendix C).
pub(super) const RESERVED: [&str; 89] = [
    "all",
    "analyse",
    "analyze",
    "and",
    "any",
    "array",
    "as",
    "asc",
    "asymmetric",
    "at",
    "between",
    "both",
    "by",
    "case",
    "cast",
    "check",
    "collate",
    "column",
    "constraint",
    "cross",
    "current",
    "current_catalog",
    "current_date",
    "current_role",
    "current_time",
    "current_timestamp",
    "current_user",
    "default",
    "desc",
    "distinct",
    "do",
    "else",
    "end",
    "escape",
    "except",
    "exists",
    "false",
    "fetch",
    "filter",
    "following",
    "for",
    "from",
    "full",
    "group",
    "having",
    "ilike",
    "in",
    "inner",
    "intersect",
    "into",
    "is",
    "isnull",
    "join",
    "lateral",
    "leading",
    "left",
    "like",
    "limit",
    "localtime",
    "localtimestamp",
    "natural",
    "not",
    "notnull",
    "null",
    "nulls",
    "of",
    "offset",
    "on",
    "or",
    "order",
    "over",
    "overlaps",
    "partition",
    "preceding",
    "returning",
    "right",
    "select",
    "session_user",
    "similar",
    "some",
    "symmetric",
    "then",
    "trailing",
    "true",
    "union",
    "using",
    "values",
    "when",
    "where",
];

/// Whether a word after a table may be its alias.
pub(super) fn is_alias(word: &str) -> bool {
    const NONE: [&str; 7] = ["set", "with", "tablesample", "window", "default", "overriding", ""];
    let is_name = word.starts_with(|c: char| c.is_alphabetic() || c == '_' || c == '"');
    is_name && !NONE.contains(&word) && !RESERVED.contains(&word)
}

/// Whether a value ends with this token, so that a name after it is a label.
pub(super) fn is_operand(kind: TokenKind, word: &str) -> bool {
    const VALUES: [&str; 12] = [
        "end",
        "null",
        "true",
        "false",
        "current_date",
        "current_time",
        "current_timestamp",
        "current_user",
        "session_user",
        "localtime",
        "localtimestamp",
        "current_role",
    ];
    match kind {
        TokenKind::Word => {
            VALUES.contains(&word) || !(RESERVED.contains(&word) || matches!(word, "time" | "zone" | "to"))
        }
        TokenKind::Symbol => matches!(word, ")" | "]"),
        _ => true,
    }
}
