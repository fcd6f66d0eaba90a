//! Durations, sizes and percentages as a plan writes them, and `${NAME}`.

use std::ops::Range;
use std::time::Duration;

/// Postgres keeps its timeouts in 32-bit milliseconds: about 24 days.
const LONGEST: Duration = Duration::from_hours(24 * 24);

/// `500ms`, `5s`, `1h30m`: at least 1 ms, at most 24 days.
pub(super) fn duration(text: &str) -> Result<Duration, String> {
    let bad = || format!("{text:?} is no duration: write it like \"500ms\", \"5s\", \"10m\" or \"1h30m\"");
    let (mut rest, mut total) = (text.trim(), Duration::ZERO);
    if rest.is_empty() {
        return Err(bad());
    }
    while !rest.is_empty() {
        let (number, after) = rest.split_at(rest.find(|c: char| !c.is_ascii_digit()).ok_or_else(bad)?);
        let (unit, after) = after.split_at(after.find(|c: char| c.is_ascii_digit()).unwrap_or(after.len()));
        let millis = match unit.trim() {
            "ms" => 1,
            "s" => 1000,
            "m" | "min" => 60_000,
            "h" => 3_600_000,
            "d" => 86_400_000,
            _ => return Err(bad()),
        };
        let number: u64 = number.parse().map_err(|_| bad())?;
        let part = Duration::from_millis(number.checked_mul(millis).ok_or_else(bad)?);
        total = total.checked_add(part).ok_or_else(bad)?;
        rest = after;
    }
    if total.is_zero() {
        return Err("a duration here must be longer than 0".to_owned());
    }
    if total > LONGEST {
        return Err("a duration is at most 24 days: Postgres keeps no longer timeouts".to_owned());
    }
    Ok(total)
}

/// `1MB`, `64kB`, `1GiB` in bytes; 1 kB is 1024 bytes, as in Postgres (manual 20.1.1).
pub(super) fn size(text: &str) -> Result<u64, String> {
    let bad = || format!("{text:?} is no size: write it like \"64kB\", \"1MB\" or \"1GB\"");
    let text_trimmed = text.trim();
    let (number, unit) =
        text_trimmed.split_at(text_trimmed.find(|c: char| !c.is_ascii_digit()).unwrap_or(text_trimmed.len()));
    let factor: u64 = match unit.trim() {
        "B" => 1,
        "kB" | "KiB" => 1 << 10,
        "MB" | "MiB" => 1 << 20,
        "GB" | "GiB" => 1 << 30,
        "TB" | "TiB" => 1 << 40,
        _ => return Err(bad()),
    };
    number.parse::<u64>().ok().and_then(|number| number.checked_mul(factor)).ok_or_else(bad)
}

/// `1%` as the fraction 0.01, from 0% to 100%.
pub(super) fn percent(text: &str) -> Result<f64, String> {
    let bad = || format!("{text:?} is no percentage from 0% to 100%: write it like \"1%\" or \"0.5%\"");
    let number = text.trim().strip_suffix('%').ok_or_else(bad)?;
    let plain = number.chars().all(|c| c.is_ascii_digit() || c == '.');
    let percent: f64 = number.parse().ok().filter(|_| plain).ok_or_else(bad)?;
    if (0.0..=100.0).contains(&percent) { Ok(percent / 100.0) } else { Err(bad()) }
}

/// Why `${…}` has no value: the reference as the text has it, and what is wrong.
pub(super) struct Unexpanded {
    /// Bytes of the value's text.
    pub(super) range: Range<usize>,
    /// What is wrong.
    pub(super) what: String,
}

/// How the complaint about an unset variable begins.
pub(super) const UNSET: &str = "the environment variable";

/// Puts the environment's values for `${NAME}`; `$${` is a plain `${`.
pub(super) fn expand(text: &str, env: &dyn Fn(&str) -> Option<String>) -> Result<String, Unexpanded> {
    let (mut out, mut at) = (String::with_capacity(text.len()), 0);
    while let Some(found) = text[at..].find("${") {
        let dollar = at + found;
        if text[at..dollar].ends_with('$') {
            out.push_str(&text[at..dollar - 1]);
            out.push_str("${");
            at = dollar + 2;
            continue;
        }
        out.push_str(&text[at..dollar]);
        let Some(length) = text[dollar..].find('}') else {
            return Err(Unexpanded { range: dollar..dollar + 2, what: "\"${\" without its \"}\"".to_owned() });
        };
        let (name, end) = (&text[dollar + 2..dollar + length], dollar + length + 1);
        if name.is_empty() || !name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') {
            let what = "a variable's name has letters, digits and _ only (write \"$${\" for a plain \"${\")".to_owned();
            return Err(Unexpanded { range: dollar..end, what });
        }
        let Some(value) = env(name) else {
            let what = format!("{UNSET} {name} is not set");
            return Err(Unexpanded { range: dollar..end, what });
        };
        out.push_str(&value);
        at = end;
    }
    out.push_str(&text[at..]);
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_add_up() {
        assert_eq!(duration("500ms"), Ok(Duration::from_millis(500)));
        assert_eq!(duration("1h30m"), Ok(Duration::from_mins(90)));
        for bad in ["", "5", "s", "-5s", "5 parsecs", "0s", "0h0m", "25d", "99999999999999999999h", "1.5s"] {
            assert!(duration(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn sizes_count_in_1024() {
        assert_eq!(size("64kB"), Ok(65_536));
        assert_eq!(size("1 MB"), Ok(1 << 20));
        assert_eq!(size("1GiB"), Ok(1 << 30));
        for bad in ["", "1", "MB", "1kb", "-1MB", "99999999999TB"] {
            assert!(size(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn percentages_are_fractions_up_to_one() {
        assert_eq!(percent("1%"), Ok(0.01));
        assert_eq!(percent("0.5%"), Ok(0.005));
        for bad in ["1", "%", "101%", "-1%", "NaN%", "inf%", "1e1%"] {
            assert!(percent(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn references_are_expanded_once() {
        let env = |name: &str| (name == "A").then(|| "${B}".to_owned());
        assert_eq!(expand("x${A}y$${A}$z", &env).ok().as_deref(), Some("x${B}y${A}$z"));
        for bad in ["${B}", "${", "${}", "${A B}"] {
            assert!(expand(bad, &env).is_err(), "{bad}");
        }
    }
}
