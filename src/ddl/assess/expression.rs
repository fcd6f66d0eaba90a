//! What a default expression tells of itself.

use crate::ddl::read::Cursor;

/// Whether an expression gives another value for every row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Volatility {
    /// It does not: constants, and functions that are stable in a statement. A column with such a default needs no rewrite
    /// (since 11).
    Stable,
    /// It does.
    Volatile,
    /// It calls what isn't known here.
    Unknown,
}

/// Functions that the server ships and that are immutable or stable (`pg_proc.provolatile`, 15.18).
const STABLE: [&str; 31] = [
    "now",
    "transaction_timestamp",
    "statement_timestamp",
    "current_setting",
    "to_timestamp",
    "make_interval",
    "make_date",
    "date_trunc",
    "lower",
    "upper",
    "md5",
    "concat",
    "coalesce",
    "nullif",
    "greatest",
    "least",
    "length",
    "timezone",
    "jsonb_build_object",
    "json_build_object",
    "jsonb_build_array",
    "array",
    "row",
    "current_database",
    "to_char",
    "extract",
    "numeric",
    "varchar",
    "char",
    "timestamp",
    "time",
];

/// Functions that the server or its best known extensions ship and that are volatile.
const VOLATILE: [&str; 10] = [
    "random",
    "gen_random_uuid",
    "uuid_generate_v4",
    "uuid_generate_v1",
    "uuidv7",
    "clock_timestamp",
    "timeofday",
    "nextval",
    "gen_random_bytes",
    "setval",
];

/// The volatility of an expression.
pub fn volatility(expression: &str) -> Volatility {
    let Some(cursor) = Cursor::new(expression) else { return Volatility::Unknown };
    let calls = cursor.calls();
    let has = |list: &[&str]| calls.iter().any(|call| list.contains(&call.as_str()));
    if has(&VOLATILE) {
        Volatility::Volatile
    } else if calls.iter().all(|call| STABLE.contains(&call.as_str())) {
        Volatility::Stable
    } else {
        Volatility::Unknown
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn constants_and_the_clock_of_the_transaction_are_stable() {
        for stable in ["0", "'{}'::jsonb", "now()", "CURRENT_TIMESTAMP", "'a'::varchar(10)", "(1 + 2)", "NULL", "true"]
        {
            assert_eq!(volatility(stable), Volatility::Stable, "{stable}");
        }
        assert_eq!(volatility("gen_random_uuid()"), Volatility::Volatile);
        assert_eq!(volatility("lower(random()::text)"), Volatility::Volatile);
        assert_eq!(volatility("app.next_id()"), Volatility::Unknown);
    }
}
