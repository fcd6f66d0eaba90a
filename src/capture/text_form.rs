//! Which settings decide how a value is written as text, by its type: a trigger function pins those of its table's types
//! and no others, since each SET costs a microsecond in every call.

use std::collections::BTreeSet;

/// Every setting that decides a built-in type's text form, as our own sessions have them (`set_session.sql`).
const ALL: [&str; 5] = [DATE_STYLE, INTERVAL_STYLE, TIME_ZONE, FLOAT_DIGITS, BYTEA_OUTPUT];
const DATE_STYLE: &str = "SET DateStyle = 'ISO, MDY'";
const INTERVAL_STYLE: &str = "SET IntervalStyle = 'postgres'";
const TIME_ZONE: &str = "SET TimeZone = 'UTC'";
const FLOAT_DIGITS: &str = "SET extra_float_digits = 1";
const BYTEA_OUTPUT: &str = "SET bytea_output = 'hex'";

/// The SET clauses of a function that writes values of `types` (as `format_type` names them) as text.
pub(super) fn pinned_settings<'a>(types: impl Iterator<Item = &'a str>) -> String {
    let settings: BTreeSet<&str> = types.flat_map(deciding).copied().collect();
    settings.into_iter().collect::<Vec<_>>().join(" ")
}

/// The settings for one type. A type that isn't known here, such as a domain, an array or a composite, may hold any.
fn deciding(type_name: &str) -> &'static [&'static str] {
    // `timestamp(3) with time zone` is `timestamp with time zone` here.
    let bare = match (type_name.find('('), type_name.find(')')) {
        (Some(open), Some(close)) if open < close => format!("{}{}", &type_name[..open], &type_name[close + 1..]),
        _ => type_name.to_owned(),
    };
    match bare.as_str() {
        "bigint" | "boolean" | "character" | "character varying" | "cidr" | "inet" | "integer" | "json" | "jsonb"
        | "macaddr" | "numeric" | "smallint" | "text" | "uuid" => &[],
        "date" | "timestamp without time zone" => &[DATE_STYLE],
        "timestamp with time zone" => &[DATE_STYLE, TIME_ZONE],
        "interval" => &[INTERVAL_STYLE],
        "double precision" | "real" => &[FLOAT_DIGITS],
        "bytea" => &[BYTEA_OUTPUT],
        _ => &ALL,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_pins_what_its_types_need() {
        let pinned = |types: &[&str]| pinned_settings(types.iter().copied());
        assert_eq!(pinned(&["bigint", "character varying(40)", "numeric(10,2)"]), "");
        assert_eq!(pinned(&["timestamp(3) with time zone", "date"]), format!("{DATE_STYLE} {TIME_ZONE}"));
        assert_eq!(pinned(&["bytea", "real"]), format!("{BYTEA_OUTPUT} {FLOAT_DIGITS}"));
        for unknown in ["bytea[]", "tstzrange", "public.span", "time with time zone", "character varying(3)[]", "a)("] {
            let all: BTreeSet<&str> = ALL.into_iter().collect();
            assert_eq!(pinned(&[unknown]), all.into_iter().collect::<Vec<_>>().join(" "), "{unknown}");
        }
    }
}
