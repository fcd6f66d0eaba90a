//! Foreign keys of the copy: those that share no table in parallel.

use std::collections::{HashMap, HashSet};

use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::catalog::{Table, read_tables};
use crate::error::{Context, Failure, Result};
use crate::postgres::{Db, Name, Target};
use crate::step::{Notices, Unit};

use super::ends::Ends;
use super::indexes::{connect, is_constraint};
use super::interrupted;
use super::jobs::Jobs;
use super::post_data::{PostData, PostItem};
use super::sessions::{fewer, no_room};

/// Adds the foreign keys on up to `jobs` sessions, those of the largest tables first. Each checks all rows, unless blue's
/// own is NOT VALID. What is there is skipped.
///
/// Two that share a table go one after another: each takes SHARE ROW EXCLUSIVE on both of its tables, and two of them
/// deadlocked (mechanics.md). One of a partitioned table takes it on all its parts, so parts count as their root.
///
/// Progress counts foreign keys, under the unit of tables: each is the check of one.
pub async fn add_foreign_keys(
    green: &Target,
    post: &PostData,
    jobs: Jobs,
    notices: &Notices,
    cancel: &CancellationToken,
) -> Result<()> {
    if post.foreign_keys.is_empty() {
        return Ok(());
    }
    let mut ends = Ends::default();
    let added = tokio::select! {
        added = add_all(green, post, jobs, notices, &mut ends) => added,
        () = cancel.cancelled() => Err(interrupted("adding foreign keys")),
    };
    ends.settle(added).await
}

async fn add_all(green: &Target, post: &PostData, mut jobs: Jobs, notices: &Notices, ends: &mut Ends) -> Result<()> {
    let first = connect(green).await.map_err(no_room)?;
    let mut line = Line::new(&post.foreign_keys, &read_tables(&first).await?);
    ends.add(&first);
    let mut sessions = vec![first];
    let mut adding = JoinSet::new();
    // As many as green had room for, where that was fewer.
    let mut room = usize::MAX;
    let (mut done, total) = (0, post.foreign_keys.len() as u64);
    notices.progress(done, total, Unit::Tables, "");
    while done < total {
        while adding.len() < jobs.now().min(room) {
            let Some(item) = line.next() else { break };
            let session = match sessions.pop() {
                Some(session) => session,
                None => match connect(green).await {
                    Ok(session) => {
                        ends.add(&session);
                        session
                    }
                    Err(e) if e.is_full() && !adding.is_empty() => {
                        room = adding.len();
                        notices.found(fewer(&e, room, jobs.now()));
                        line.put_back(item);
                        break;
                    }
                    Err(e) => return Err(no_room(e)),
                },
            };
            adding.spawn(add(session, item));
        }
        tokio::select! {
            Some(added) = adding.join_next() => {
                let (session, item) = added.map_err(|e| Failure::failed(format!("adding a foreign key ended: {e}")))??;
                sessions.push(session);
                line.added(&item);
                done += 1;
                notices.progress(done, total, Unit::Tables, format!("{} {}", item.table.plain(), item.object.0));
            }
            () = jobs.changed() => room = usize::MAX,
        }
    }
    Ok(())
}

async fn add(session: Db, item: PostItem) -> Result<(Db, PostItem)> {
    let doing = || format!("adding the foreign key {} on {}", item.object.0, item.table.plain());
    if !is_constraint(&session, &item).await.with_context(doing)? {
        session.run(&item.sql).await.with_context(doing)?;
    }
    Ok((session, item))
}

/// Foreign keys that wait, the largest referring table's first, and the tables that those under way hold.
struct Line {
    waiting: Vec<PostItem>,
    roots: HashMap<Name, Name>,
    held: HashSet<Name>,
}

impl Line {
    fn new(items: &[PostItem], tables: &[Table]) -> Self {
        let roots: HashMap<Name, Name> =
            tables.iter().filter_map(|table| Some((table.name.clone(), table.partition_of.clone()?))).collect();
        let mut sizes: HashMap<&Name, u64> = HashMap::new();
        for table in tables {
            *sizes.entry(roots.get(&table.name).unwrap_or(&table.name)).or_default() += table.bytes;
        }
        let size = |item: &PostItem| sizes.get(roots.get(&item.table).unwrap_or(&item.table)).copied().unwrap_or(0);
        let mut waiting = items.to_vec();
        waiting.sort_by_key(|item| std::cmp::Reverse(size(item)));
        Self { waiting, roots, held: HashSet::new() }
    }

    /// The tables that it locks, partitions as their root.
    fn locks(&self, item: &PostItem) -> Vec<Name> {
        let root = |table: &Name| self.roots.get(table).unwrap_or(table).clone();
        std::iter::once(&item.table).chain(&item.refers_to).map(root).collect()
    }

    /// The next one that shares no table with those under way, now under way; one whose other table is not known goes alone.
    fn next(&mut self) -> Option<PostItem> {
        let free = |item: &PostItem| match item.refers_to {
            Some(_) => self.locks(item).iter().all(|table| !self.held.contains(table)),
            None => self.held.is_empty(),
        };
        let at = self.waiting.iter().position(free)?;
        // Whoever goes alone holds every table.
        if self.alone_is_under_way() {
            return None;
        }
        let item = self.waiting.remove(at);
        self.held.extend(self.holds(&item));
        Some(item)
    }

    /// What stands in `held` for it.
    fn holds(&self, item: &PostItem) -> Vec<Name> {
        if item.refers_to.is_some() { self.locks(item) } else { vec![everything()] }
    }

    fn alone_is_under_way(&self) -> bool {
        self.held.contains(&everything())
    }

    fn put_back(&mut self, item: PostItem) {
        self.added(&item);
        self.waiting.insert(0, item);
    }

    fn added(&mut self, item: &PostItem) {
        for table in self.holds(item) {
            self.held.remove(&table);
        }
    }
}

/// No table's name: stands for all of them.
fn everything() -> Name {
    Name::new("", "")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::postgres::Ident;

    fn key(object: &str, table: &str, refers_to: Option<&str>) -> PostItem {
        PostItem {
            table: Name::new("public", table),
            object: Ident::new(object),
            constraint: true,
            refers_to: refers_to.map(|table| Name::new("public", table)),
            apart: None,
            sql: String::new(),
        }
    }

    #[test]
    fn those_that_share_a_table_or_its_partitions_wait_for_each_other() {
        let items = [
            key("a_b", "a", Some("b")),
            key("c_b", "c", Some("b")),
            key("d_d", "d", Some("d")),
            key("part_a", "part", Some("a")),
            key("odd", "e", None),
        ];
        let mut line = Line::new(&items, &[]);
        line.roots.insert(Name::new("public", "d"), Name::new("public", "part"));
        let next = |line: &mut Line| line.next().map(|item| item.object.0);
        assert_eq!(next(&mut line).as_deref(), Some("a_b"));
        assert_eq!(next(&mut line).as_deref(), Some("d_d"));
        assert_eq!(next(&mut line), None);
        line.added(&items[0]);
        assert_eq!(next(&mut line).as_deref(), Some("c_b"));
        assert_eq!(next(&mut line), None, "d is a part of part");
        line.added(&items[2]);
        assert_eq!(next(&mut line).as_deref(), Some("part_a"));
        line.put_back(items[3].clone());
        line.added(&items[1]);
        assert_eq!(next(&mut line).as_deref(), Some("part_a"));
        assert_eq!(next(&mut line), None);
        line.added(&items[3]);
        assert_eq!(next(&mut line).as_deref(), Some("odd"));
        line.waiting.push(items[0].clone());
        assert_eq!(next(&mut line), None, "nobody knows what it locks");
    }
}
