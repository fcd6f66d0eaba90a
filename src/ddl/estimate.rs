//! How long a statement keeps others waiting, from the sizes of a live database. An estimate, with what it rests on.

use std::time::Duration;

use super::assess::Touch;
use crate::catalog::{Figures, TableFigures};
use crate::units::{show_bytes, show_millis, thousands};

/// Bytes a second where the server has not measured its disk: a modest SSD, or a cloud volume.
const ASSUMED_BYTES: u64 = 200 << 20;
/// Rows a second that one UPDATE writes with its indexes: 15,000 to 23,000 were measured on an OAuth database.
const ASSUMED_ROWS: u64 = 15_000;

/// An estimate and its basis.
#[derive(Debug, Clone, PartialEq)]
pub struct Estimate {
    /// How long, in seconds.
    pub seconds: f64,
    /// Bytes that are read and written.
    pub bytes: u64,
    /// What it rests on: `reads 12 GB of public.token: about 1 min at 200 MB/s, assumed`.
    pub basis: String,
}

/// What is done to all rows of a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Work {
    /// Read once.
    Scan,
    /// Read, sorted, written into an index.
    Index,
    /// Written anew with all indexes.
    Rewrite,
    /// Written row by row, each with its entry in every index.
    Update,
}

/// Rules whose findings are about time, and the work where a touch alone does not tell it.
const LASTING: [(&str, Option<Work>); 22] = [
    ("index-blocks-writes", Some(Work::Index)),
    ("unique-builds-index", Some(Work::Index)),
    ("exclusion-builds-index", Some(Work::Index)),
    ("reindex-blocks", Some(Work::Index)),
    ("whole-table-write", Some(Work::Update)),
    ("add-column-rewrites", None),
    ("attach-scans", None),
    ("check-validates", None),
    ("cluster-rewrites", None),
    ("default-partition-scans", None),
    ("foreign-key-validates", None),
    ("generated-rewrites", None),
    ("primary-key-sets-not-null", None),
    ("refresh-blocks-reads", None),
    ("set-not-null-scans", None),
    ("set-rewrites", None),
    ("trace-contradicts", None),
    ("traced-blocks", None),
    ("type-rewrites", None),
    ("vacuum-full-rewrites", None),
    ("validates-under-lock", None),
    ("works-under-lock", None),
];

/// How long a finding of this rule lasts: the work on all rows of the tables that its statement touches. `None` where the
/// rule is not about time, or nothing is known of the tables.
pub fn estimate(rule: &str, touches: &[Touch], figures: &Figures) -> Option<Estimate> {
    let (_, work) = LASTING.iter().find(|(lasting, _)| *lasting == rule)?;
    let heavy = touches.iter().filter(|touch| !touch.new && (touch.rewrite || touch.scan));
    let parts = heavy.filter_map(|touch| {
        let table = figures.tables.get(&touch.relation)?;
        let by_touch = if touch.rewrite { Work::Rewrite } else { Work::Scan };
        Some(one(touch, work.unwrap_or(by_touch), table, figures))
    });
    parts.max_by(|a, b| a.seconds.total_cmp(&b.seconds))
}

fn one(touch: &Touch, work: Work, table: &TableFigures, figures: &Figures) -> Estimate {
    let shown = format!("{}.{}", touch.relation.0, touch.relation.1);
    let rate = figures.bytes_per_second.unwrap_or(ASSUMED_BYTES).max(1);
    let by_bytes = |does: &str, bytes: u64| {
        let seconds = bytes as f64 / rate as f64;
        let source = if figures.bytes_per_second.is_some() { "as the server measured it" } else { "assumed" };
        let basis = format!("{does} of {shown}: about {} at {}/s, {source}", shown_time(seconds), show_bytes(rate));
        Estimate { seconds, bytes, basis }
    };
    let mut estimate = match work {
        Work::Scan => by_bytes(&format!("reads {}", show_bytes(table.bytes)), table.bytes),
        Work::Index => {
            let bytes = table.bytes.saturating_mul(2);
            by_bytes(&format!("reads and sorts {}", show_bytes(table.bytes)), bytes)
        }
        Work::Rewrite => {
            let all = table.bytes.saturating_add(table.index_bytes);
            by_bytes(&format!("reads and writes {} with the indexes", show_bytes(all)), all.saturating_mul(2))
        }
        Work::Update => {
            let seconds = table.rows as f64 / ASSUMED_ROWS as f64;
            let basis = format!(
                "writes about {} rows of {shown}: about {} at {} rows/s, assumed",
                thousands(table.rows),
                shown_time(seconds),
                thousands(ASSUMED_ROWS)
            );
            Estimate { seconds, bytes: table.bytes, basis }
        }
    };
    if touch.mode.blocks_writes() && table.writes_per_second >= 0.5 {
        estimate.basis += &format!("; {:.0} row writes/s wait", table.writes_per_second);
    }
    estimate
}

fn shown_time(seconds: f64) -> String {
    let millis = Duration::try_from_secs_f64(seconds).map_or(0, |time| time.as_millis());
    show_millis(u64::try_from(millis).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ddl::lock::LockMode;

    fn touch(rewrite: bool, scan: bool) -> Touch {
        let relation = ("public".to_owned(), "token".to_owned());
        Touch { relation, mode: LockMode::AccessExclusive, rewrite, scan, new: false }
    }

    #[test]
    fn an_estimate_says_what_it_rests_on() {
        let table = TableFigures { bytes: 12 << 30, index_bytes: 4 << 30, rows: 30_000_000, writes_per_second: 120.0 };
        let mut figures = Figures::default();
        figures.tables.insert(touch(false, true).relation, table);
        let scan = estimate("set-not-null-scans", &[touch(false, true)], &figures).unwrap();
        assert!((scan.seconds - 61.44).abs() < 0.01, "{scan:?}");
        assert_eq!(
            scan.basis,
            "reads 12.0 GB of public.token: about 1 min 01 s at 200.0 MB/s, assumed; 120 row writes/s wait"
        );
        let update = estimate("whole-table-write", &[touch(false, true)], &figures).unwrap();
        assert!((update.seconds - 2000.0).abs() < 0.1, "{update:?}");
        figures.bytes_per_second = Some(1 << 30);
        let rewrite = estimate("type-rewrites", &[touch(true, false)], &figures).unwrap();
        assert!(
            (rewrite.seconds - 32.0).abs() < 0.1 && rewrite.basis.contains("as the server measured it"),
            "{rewrite:?}"
        );
        assert_eq!(estimate("drop-breaks-clients", &[touch(true, false)], &figures), None);
        assert!(LASTING.iter().all(|(id, _)| crate::ddl::rule::rule(id).is_some()));
    }
}
