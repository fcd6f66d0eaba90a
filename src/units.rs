//! Sizes and times as people read them.

/// A size for people, 1024-based as Postgres shows it: `2.1 GB`, `640 kB`, `12 bytes`.
pub fn show_bytes(bytes: u64) -> String {
    let units = [("TB", 40), ("GB", 30), ("MB", 20), ("kB", 10)];
    match units.iter().find(|(_, shift)| bytes >> shift > 0) {
        Some((unit, shift)) => format!("{:.1} {unit}", bytes as f64 / (1_u64 << shift) as f64),
        None => format!("{bytes} bytes"),
    }
}

/// A duration for people: `420 ms`, `1.2 s`, `3 min 10 s`, `2 h 05 min`.
pub fn show_millis(millis: u64) -> String {
    let seconds = millis / 1000;
    match seconds {
        0 => format!("{millis} ms"),
        1..=59 => format!("{:.1} s", millis as f64 / 1000.0),
        60..=3599 => format!("{} min {:02} s", seconds / 60, seconds % 60),
        _ => format!("{} h {:02} min", seconds / 3600, seconds / 60 % 60),
    }
}

/// `1 check`, `2 checks`.
pub fn count(n: impl TryInto<u64>, noun: &str) -> String {
    let n: u64 = n.try_into().unwrap_or(u64::MAX);
    if n == 1 { format!("1 {noun}") } else { format!("{} {noun}s", thousands(n)) }
}

/// `1,234,567`.
pub fn thousands(n: u64) -> String {
    let digits = n.to_string();
    let groups: Vec<&str> =
        digits.as_bytes().rchunks(3).rev().filter_map(|group| std::str::from_utf8(group).ok()).collect();
    groups.join(",")
}

#[cfg(test)]
mod tests {
    use super::{count, show_bytes, show_millis, thousands};

    #[test]
    fn sizes_and_times_read_as_people_write_them() {
        assert_eq!([12, 655_360, 2_254_857_830].map(show_bytes), ["12 bytes", "640.0 kB", "2.1 GB"]);
        let times = [420, 1_234, 190_000, 7_500_000].map(show_millis);
        assert_eq!(times, ["420 ms", "1.2 s", "3 min 10 s", "2 h 05 min"]);
    }

    #[test]
    fn numbers_read_as_people_write_them() {
        assert_eq!([0, 999, 1000, 1_234_567].map(thousands), ["0", "999", "1,000", "1,234,567"]);
        assert_eq!((count(1_u64, "check"), count(2000_u64, "row")), ("1 check".to_owned(), "2,000 rows".to_owned()));
    }
}
