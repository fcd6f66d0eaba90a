//! `guard/disk-green`: what the copy takes on green's disk, and what we can learn of the room there.

use std::path::Path;

use super::here::free_bytes;
use super::look::{Look, Side};
use super::topic::Topic;
use crate::catalog::server_is_here;
use crate::error::Result;
use crate::finding::Finding;
use crate::units::show_bytes;

/// What blue's tables take.
struct Space {
    tables: u64,
    indexes: u64,
    dead: u64,
}

impl Space {
    /// Without the rows that are dead: the copy has none.
    fn copied(&self) -> u64 {
        (self.tables + self.indexes).saturating_sub(self.dead)
    }
}

async fn read_space(side: &Side<'_>) -> Result<Space> {
    let row = side.db.row(include_str!("../postgres/sql/select_space.sql"), &[]).await?;
    let bytes = |column: &str| u64::try_from(row.get::<_, i64>(column)).unwrap_or(0);
    Ok(Space { tables: bytes("table_bytes"), indexes: bytes("index_bytes"), dead: bytes("dead_bytes") })
}

pub(super) async fn look_at(look: &Look<'_>) -> Result<Topic> {
    let mut topic = Topic::new("space");
    let Some(blue) = &look.blue else { return Ok(topic) };
    let space = read_space(blue).await?;
    topic.saw(format!(
        "blue {}: tables {}, indexes {}, of which {} are dead rows",
        show_bytes(u64::try_from(blue.server.database_bytes).unwrap_or(0)),
        show_bytes(space.tables),
        show_bytes(space.indexes),
        show_bytes(space.dead)
    ));
    let mut largest: Vec<_> = look.tables.iter().filter(|table| table.holds_rows() && table.bytes > 0).collect();
    largest.sort_by_key(|table| std::cmp::Reverse(table.bytes));
    let named: Vec<String> =
        largest.iter().take(3).map(|t| format!("{} {}", t.name.plain(), show_bytes(t.bytes))).collect();
    if !named.is_empty() {
        topic.saw(format!("largest: {}", named.join(", ")));
    }
    let Some(green) = &look.green else { return Ok(topic) };
    let log = most_log(green, space.copied());
    topic.saw(format!(
        "green needs about {} (blue's size less its dead rows), and {} of log while it is filled",
        show_bytes(space.copied()),
        show_bytes(log)
    ));
    topic.saw("what migrations rewrite comes once more on top; the outbox on blue takes at most 1.0 GB");
    let directory = green.settings.get("data_directory");
    let port = green.settings.get("port").unwrap_or_default();
    let here = directory.filter(|directory| server_is_here(directory, port));
    match here.and_then(|directory| free_bytes(Path::new(directory))) {
        Some(free) => {
            topic.saw(format!("green's disk has {} free", show_bytes(free)));
            topic.found(judge(free, space.copied().saturating_add(log)));
        }
        None => topic.missed(format!("green's free disk: {}", green.provider.free_space(directory))),
    }
    Ok(topic)
}

/// Log that is kept at a time: up to `max_wal_size`, or all of it where it is archived or somebody must fetch it first.
fn most_log(green: &Side<'_>, written: u64) -> u64 {
    let kept = green.settings.get("max_wal_size").and_then(|mb| mb.parse::<u64>().ok()).unwrap_or(1024) << 20;
    let archived = green.settings.get("archive_mode").is_some_and(|mode| mode != "off");
    if archived { kept.max(written) } else { kept.min(written.max(16 << 20)) }
}

fn judge(free: u64, needed: u64) -> Option<Finding> {
    if free >= needed.saturating_mul(2) {
        return None;
    }
    let what = format!("green's disk has {} free, the copy needs about {}", show_bytes(free), show_bytes(needed));
    let finding = if free < needed {
        Finding::blocker("guard/disk-green", "green", what).so_what("the copy would fill it and fail")
    } else {
        Finding::warning("guard/disk-green", "green", what)
            .so_what("a migration that rewrites a large table needs its size once more")
    };
    Some(finding.next("df -h # on green's machine"))
}

#[cfg(test)]
mod tests {
    use super::judge;
    use crate::finding::Severity::{Blocker, Warning};

    #[test]
    fn room_is_judged_by_what_the_copy_needs() {
        let severity = |free, needed| judge(free, needed).map(|finding| finding.severity);
        assert_eq!(severity(100, 50), None);
        assert_eq!(severity(99, 50), Some(Warning));
        assert_eq!(severity(49, 50), Some(Blocker));
    }
}
