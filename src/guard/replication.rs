//! `guard/synchronous-commit`, `guard/replication-slot`, `guard/standby`: who else follows blue and green, and for whom a
//! commit waits.

use super::age;
use super::look::Side;
use crate::error::Result;
use crate::finding::Finding;
use crate::postgres::literal;
use crate::units::{count, show_bytes};

/// What follows one server.
pub(super) struct Followers {
    pub(super) standbys: Vec<Standby>,
    pub(super) slots: Vec<Slot>,
}

/// A session that streams from the server.
pub(super) struct Standby {
    name: String,
    /// Whether our role sees more than that it is there.
    visible: bool,
    state: String,
    sync_state: String,
    lag_bytes: i64,
}

/// A replication slot.
pub(super) struct Slot {
    name: String,
    kind: String,
    here: bool,
    active: bool,
    held_bytes: i64,
    xmin_age: i32,
}

pub(super) async fn read_followers(side: &Side<'_>) -> Result<Followers> {
    let standbys = side.db.rows(include_str!("../postgres/sql/select_standbys.sql"), &[]).await?;
    let slots = side.db.rows(include_str!("../postgres/sql/select_slots.sql"), &[]).await?;
    let standby = |row: &tokio_postgres::Row| Standby {
        name: row.get("name"),
        visible: row.get("visible"),
        state: row.get("state"),
        sync_state: row.get("sync_state"),
        lag_bytes: row.get("lag_bytes"),
    };
    let slot = |row: &tokio_postgres::Row| Slot {
        name: row.get("name"),
        kind: row.get("kind"),
        here: row.get("here"),
        active: row.get("active"),
        held_bytes: row.get("held_bytes"),
        xmin_age: row.get("xmin_age"),
    };
    Ok(Followers { standbys: standbys.iter().map(standby).collect(), slots: slots.iter().map(slot).collect() })
}

impl Followers {
    /// For people: `1 standby, 2 slots`.
    pub(super) fn line(&self) -> String {
        format!("{}, {}", count(self.standbys.len(), "follower"), count(self.slots.len(), "slot"))
    }
}

/// A commit that waits for a standby which is not there waits for ever; ours on blue are the capture and the fence.
pub(super) fn synchronous(side: &Side<'_>, followers: &Followers) -> Option<Finding> {
    let names = side.settings.get("synchronous_standby_names").unwrap_or_default();
    let commit = side.settings.get("synchronous_commit").unwrap_or_default();
    if names.is_empty() || commit == "off" || commit == "local" {
        return None;
    }
    let waits_for = |standby: &Standby| ["sync", "quorum"].contains(&standby.sync_state.as_str());
    let unseen = followers.standbys.iter().any(|standby| !standby.visible);
    let lag = followers.standbys.iter().filter(|s| waits_for(s) && s.state == "streaming").map(|s| s.lag_bytes).max();
    let object = side.name();
    match lag {
        None if !unseen => Some(
            Finding::blocker(
                "guard/synchronous-commit",
                object,
                format!("{object} waits for standbys ({names}) at each commit, and none of them follows"),
            )
            .so_what("every commit of the run would wait for ever, and so does every commit of the applications")
            .next("ALTER SYSTEM SET synchronous_standby_names = ''; SELECT pg_reload_conf();"),
        ),
        _ => Some(
            Finding::note(
                "guard/synchronous-commit",
                object,
                format!("{object} waits for standbys ({names}) at each commit"),
            )
            .so_what(format!(
                "a commit of the fence takes as long as they take; behind by {} now",
                show_bytes(u64::try_from(lag.unwrap_or(0)).unwrap_or(0))
            )),
        ),
    }
}

/// Slots and standbys of blue: they stay with blue.
pub(super) fn on_blue(followers: &Followers) -> Vec<Finding> {
    let mut found = Vec::new();
    for slot in followers.slots.iter().filter(|slot| slot.here) {
        let use_ = if slot.active { "in use" } else { "not in use" };
        let held = show_bytes(u64::try_from(slot.held_bytes).unwrap_or(0));
        let object = format!("blue slot {}", slot.name);
        let what = format!("a {} slot, {use_}, holds {held} of log", slot.kind);
        let finding = if slot.active && slot.kind == "physical" {
            Finding::note("guard/replication-slot", object, what)
                .so_what("its standby goes on following blue, not green")
        } else if slot.active {
            Finding::warning("guard/replication-slot", object, what)
                .so_what("who reads it goes on following blue after the cutover, and gets nothing more")
        } else {
            Finding::warning("guard/replication-slot", object, what)
                .so_what("a slot that nobody reads keeps blue's log until the disk is full")
        };
        let remedy = if slot.active {
            "SELECT slot_name, plugin, active_pid FROM pg_replication_slots;".to_owned()
        } else {
            format!("SELECT pg_drop_replication_slot({}); -- if nobody comes back for it", literal(&slot.name))
        };
        found.push(finding.next(remedy));
    }
    if !followers.standbys.is_empty() {
        let names: Vec<&str> = followers.standbys.iter().map(|standby| standby.name.as_str()).collect();
        found.push(
            Finding::note("guard/standby", "blue", format!("followers of blue: {}", super::first_of(&names, 4)))
                .so_what("they follow blue, not green: replicas for reading and failover have to be made for green"),
        );
    }
    let holders: Vec<(String, i32)> =
        followers.slots.iter().map(|slot| (format!("slot {}", literal(&slot.name)), slot.xmin_age)).collect();
    found.extend(age::held(&holders));
    found
}
