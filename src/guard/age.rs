//! `guard/wraparound`, `guard/horizon-held`: transaction numbers that run out, and what keeps vacuum from freeing them.
//! The copy's snapshot holds them back as well, for as long as it lasts.

use super::look::Side;
use crate::error::Result;
use crate::finding::Finding;
use crate::postgres::Ident;
use crate::units::thousands;

/// Where the server refuses to hand out more: 2^31 less three million (`varsup.c`).
const STOPS: i64 = 2_144_483_648;
/// Past this it has been warning for long: nothing may hold vacuum back any more.
const TOO_OLD: i32 = 1_900_000_000;
/// Hours to the end under which a run is a risk.
const HOURS: i64 = 72;

/// How old the database is.
pub(super) struct Age {
    pub(super) xid: i32,
    multixact: i32,
    per_hour: i64,
}

impl Age {
    /// For people.
    pub(super) fn line(&self) -> String {
        format!(
            "{} of 2.1 billion transaction numbers in use, at most {} more an hour",
            shown(self.xid.into()),
            shown(self.per_hour)
        )
    }
}

fn shown(number: i64) -> String {
    thousands(u64::try_from(number).unwrap_or(0))
}

pub(super) async fn read_age(side: &Side<'_>) -> Result<Age> {
    let row = side.db.row(include_str!("../postgres/sql/select_age.sql"), &[]).await?;
    Ok(Age { xid: row.get("xid_age"), multixact: row.get("multixact_age"), per_hour: row.get("per_hour") })
}

pub(super) fn judge(age: &Age, database: &str) -> Option<Finding> {
    let oldest = age.xid.max(age.multixact);
    let hours = ((STOPS - i64::from(oldest)) / age.per_hour.max(1)).max(0);
    // A young database with a burst of traffic behind it is in no danger: vacuum has not even been forced yet.
    let old = oldest > 500_000_000;
    if oldest <= TOO_OLD && !(old && hours < HOURS) {
        return None;
    }
    let kind = if age.multixact > age.xid { "multixact" } else { "transaction" };
    let what = format!(
        "{} of 2.1 billion {kind} numbers are in use; at the rate so far they end in {} h or later",
        shown(oldest.into()),
        shown(hours)
    );
    let finding = if oldest > TOO_OLD {
        Finding::blocker("guard/wraparound", "blue", what)
    } else {
        Finding::warning("guard/wraparound", "blue", what)
    };
    Some(
        finding
            .so_what("the copy's snapshot keeps vacuum from freeing any of them until it is through")
            .next(format!("vacuumdb --freeze --dbname={}", Ident::new(database))),
    )
}

/// Slots, standbys with feedback and old transactions that hold vacuum back already.
pub(super) fn held(holders: &[(String, i32)]) -> Option<Finding> {
    /// Younger than this is the usual.
    const YOUNG: i32 = 10_000_000;
    let (name, age) = holders.iter().filter(|(_, age)| *age > YOUNG).max_by_key(|(_, age)| *age)?;
    Some(
        Finding::warning(
            "guard/horizon-held",
            "blue",
            format!("{name} has held vacuum back for {} transactions", shown((*age).into())),
        )
        .so_what("dead rows pile up on blue already, and more of them while the copy is made")
        .next("SELECT slot_name, active, xmin, catalog_xmin FROM pg_replication_slots;"),
    )
}

#[cfg(test)]
mod tests {
    use super::{Age, held, judge};
    use crate::finding::Severity::{Blocker, Warning};

    #[test]
    fn an_age_is_judged_by_what_is_left_and_how_fast_it_goes() {
        let severity = |xid, multixact, per_hour| judge(&Age { xid, multixact, per_hour }, "db").map(|f| f.severity);
        assert_eq!(severity(190_000_000, 1, 1_000_000), None);
        assert_eq!(severity(100_000, 1, 1_000_000_000), None, "young, whatever its traffic");
        assert_eq!(severity(1_500_000_000, 1, 1_000_000), None);
        assert_eq!(severity(1_500_000_000, 1, 20_000_000), Some(Warning));
        assert_eq!(severity(1_950_000_000, 1, 0), Some(Blocker));
        assert_eq!(severity(1, 1_950_000_000, 0), Some(Blocker));
    }

    #[test]
    fn only_what_holds_vacuum_back_for_long_is_named() {
        assert_eq!(held(&[("slot \"a\"".into(), 9_000_000)]), None);
        let said = held(&[("slot \"a\"".into(), 20_000_000), ("slot \"b\"".into(), 30_000_000)]).unwrap();
        assert_eq!(said.what, "slot \"b\" has held vacuum back for 30,000,000 transactions");
    }
}
