//! How tools compare versions.

use std::cmp::Ordering;

/// As numbers of any length, dots and dashes between parts; what begins with no digit comes after, by its bytes. Never
/// parsed, so that no length is too long.
pub(super) fn by_number(a: &str, b: &str) -> Ordering {
    let numbered = |version: &str| version.starts_with(|c: char| c.is_ascii_digit());
    match (numbered(a), numbered(b)) {
        (true, true) => by_parts(a, b),
        (true, false) => Ordering::Less,
        (false, true) => Ordering::Greater,
        (false, false) => a.cmp(b),
    }
}

fn by_parts(a: &str, b: &str) -> Ordering {
    let (mut a, mut b) = (a.split('.'), b.split('.'));
    loop {
        let order = match (a.next(), b.next()) {
            (None, None) => return Ordering::Equal,
            // 1.0 is 1 (Flyway's MigrationVersion).
            (a, b) => number(a.unwrap_or_default(), b.unwrap_or_default()),
        };
        if order != Ordering::Equal {
            return order;
        }
    }
}

fn number(a: &str, b: &str) -> Ordering {
    let (a, b) = (a.trim_start_matches('0'), b.trim_start_matches('0'));
    a.len().cmp(&b.len()).then_with(|| a.cmp(b))
}

/// As text, byte by byte.
pub(super) fn by_text(a: &str, b: &str) -> Ordering {
    a.cmp(b)
}

/// Equal as numbers: `001` in a file's name is `1` in a column of integers.
pub(super) fn same_number(file: &str, recorded: &str) -> bool {
    by_number(file, recorded) == Ordering::Equal
}

/// Equal as text.
pub(super) fn same_text(file: &str, recorded: &str) -> bool {
    file == recorded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_compare_as_their_tools_do() {
        for (a, b, order) in [
            ("2", "10", Ordering::Less),
            ("001", "1", Ordering::Equal),
            ("1.0", "1", Ordering::Equal),
            ("1.2", "1.10", Ordering::Less),
            ("1.1", "1.1.1", Ordering::Less),
            ("9", "views", Ordering::Less),
            ("99999999999999999999999", "100000000000000000000000", Ordering::Less),
        ] {
            assert_eq!(by_number(a, b), order, "{a} {b}");
            assert_eq!(by_number(b, a), order.reverse(), "{b} {a}");
        }
        assert_eq!(by_text("20200101000000", "20200101000000000001"), Ordering::Less);
    }
}
