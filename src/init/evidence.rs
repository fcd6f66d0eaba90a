//! How many rows live, in words: counted where a table is small, else from the planner's statistics.

use super::candidate::Sign;
use super::facts::{Column, TableFacts, count_live};
use crate::postgres::Db;
use crate::units::thousands;

/// `29,904 of 50,000 rows live`.
pub async fn evidence(blue: &Db, table: &TableFacts, sign: &Sign, live: &str) -> String {
    if let Some((rows, live)) = count_live(blue, table, live).await {
        return match sign {
            Sign::Row => format!("{} rows", thousands(rows)),
            _ => format!("{} of {} rows live", thousands(live), thousands(rows)),
        };
    }
    let Some(rows) = table.estimated_rows else { return "never analysed: how many rows live is not known".to_owned() };
    let shown = thousands(rounded(rows as f64));
    match (sign, fraction(table, sign)) {
        (Sign::Row, _) => format!("about {shown} rows, by statistics"),
        (_, Some(live)) => {
            format!("about {} of {shown} rows live, by statistics", thousands(rounded(rows as f64 * live)))
        }
        (_, None) => format!("about {shown} rows, by statistics, which don't say how many live"),
    }
}

/// The part of the rows that lives, from 0 to 1.
fn fraction(table: &TableFacts, sign: &Sign) -> Option<f64> {
    let of = |column: &Column, wanted: &dyn Fn(&str) -> bool| -> Option<f64> {
        (!column.common.is_empty())
            .then(|| column.common.iter().filter(|(value, _)| wanted(value)).map(|(_, share)| share).sum::<f64>())
    };
    match sign {
        Sign::Flag { column, live, .. } => {
            let column = table.numbered(*column)?;
            let ended = if *live { "f" } else { "t" };
            Some(1.0 - of(column, &|value| value == ended)?)
        }
        Sign::Moment { column } => table.numbered(*column)?.null_fraction,
        Sign::State { column, live, ended } => {
            let column = table.numbered(*column)?;
            if live.is_empty() {
                return Some(1.0 - of(column, &|value| ended.iter().any(|ended| ended == value))?);
            }
            of(column, &|value| live.iter().any(|live| live == value))
        }
        Sign::Row => None,
    }
}

/// Two digits: statistics know no more, and another sample of the same rows should say the same.
fn rounded(n: f64) -> u64 {
    let digits = if n >= 1.0 { n.log10().floor() } else { 0.0 };
    let unit = 10_f64.powf((digits - 1.0).max(0.0));
    // Counts of rows: far below 2^53, never negative.
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    let rounded = ((n / unit).round() * unit).max(0.0) as u64;
    rounded
}

#[cfg(test)]
mod tests {
    use super::rounded;

    #[test]
    fn estimates_keep_two_digits() {
        assert_eq!([0.0, 7.4, 34.0, 1_249.0, 34_126.0].map(rounded), [0, 7, 34, 1_200, 34_000]);
    }
}
