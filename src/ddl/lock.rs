//! Postgres' eight table-level lock modes and who waits for whom (manual 13.3.1, table 13.2).

use std::fmt;

use serde::Serialize;

/// A table-level lock mode, the weakest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs)] // the manual's names
pub enum LockMode {
    AccessShare,
    RowShare,
    RowExclusive,
    ShareUpdateExclusive,
    Share,
    ShareRowExclusive,
    Exclusive,
    AccessExclusive,
}

use LockMode::{
    AccessExclusive, AccessShare, Exclusive, RowExclusive, RowShare, Share, ShareRowExclusive, ShareUpdateExclusive,
};

/// Every mode, the weakest first.
pub const ALL: [LockMode; 8] =
    [AccessShare, RowShare, RowExclusive, ShareUpdateExclusive, Share, ShareRowExclusive, Exclusive, AccessExclusive];

impl LockMode {
    /// As LOCK TABLE spells it: `SHARE ROW EXCLUSIVE`.
    pub fn words(self) -> &'static str {
        match self {
            AccessShare => "ACCESS SHARE",
            RowShare => "ROW SHARE",
            RowExclusive => "ROW EXCLUSIVE",
            ShareUpdateExclusive => "SHARE UPDATE EXCLUSIVE",
            Share => "SHARE",
            ShareRowExclusive => "SHARE ROW EXCLUSIVE",
            Exclusive => "EXCLUSIVE",
            AccessExclusive => "ACCESS EXCLUSIVE",
        }
    }

    /// The mode that LOCK TABLE or `pg_locks` names: `SHARE`, `ShareLock`. Without a word, LOCK TABLE takes the strongest.
    pub fn named(name: &str) -> Option<Self> {
        if name.is_empty() {
            return Some(AccessExclusive);
        }
        let plain = |text: &str| text.replace([' ', '_'], "").to_lowercase();
        let name = plain(name.strip_suffix("Lock").unwrap_or(name));
        ALL.into_iter().find(|mode| plain(mode.words()) == name)
    }

    /// Whether one who wants `other` waits for one who holds this.
    pub fn conflicts(self, other: Self) -> bool {
        let with: &[Self] = match self {
            AccessShare => &[AccessExclusive],
            RowShare => &[Exclusive, AccessExclusive],
            RowExclusive => &[Share, ShareRowExclusive, Exclusive, AccessExclusive],
            ShareUpdateExclusive => &[ShareUpdateExclusive, Share, ShareRowExclusive, Exclusive, AccessExclusive],
            Share => &[RowExclusive, ShareUpdateExclusive, ShareRowExclusive, Exclusive, AccessExclusive],
            ShareRowExclusive => {
                &[RowExclusive, ShareUpdateExclusive, Share, ShareRowExclusive, Exclusive, AccessExclusive]
            }
            Exclusive => {
                &[RowShare, RowExclusive, ShareUpdateExclusive, Share, ShareRowExclusive, Exclusive, AccessExclusive]
            }
            AccessExclusive => &ALL,
        };
        with.contains(&other)
    }

    /// Whether SELECT waits behind it.
    pub fn blocks_reads(self) -> bool {
        self.conflicts(AccessShare)
    }

    /// Whether INSERT, UPDATE and DELETE wait behind it.
    pub fn blocks_writes(self) -> bool {
        self.conflicts(RowExclusive)
    }

    /// What it keeps from going on, for people.
    pub fn blocks(self) -> &'static str {
        if self.blocks_reads() {
            "reads and writes"
        } else if self.blocks_writes() {
            "writes"
        } else {
            "neither reads nor writes"
        }
    }
}

impl fmt::Display for LockMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.words())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conflicts_are_mutual_and_as_the_manual_has_them() {
        let mut conflicts = 0;
        for a in ALL {
            for b in ALL {
                assert_eq!(a.conflicts(b), b.conflicts(a), "{a} {b}");
                conflicts += usize::from(a.conflicts(b));
            }
        }
        assert_eq!(conflicts, 38, "crosses in table 13.2");
        assert_eq!(LockMode::named("ShareRowExclusiveLock"), Some(ShareRowExclusive));
        assert_eq!(LockMode::named("access exclusive"), Some(AccessExclusive));
    }
}
