//! Foreign keys of the copy: those that share no table in parallel.

use std::collections::{HashMap, HashSet};

use tokio_util::sync::CancellationToken;

use crate::catalog::{Table, read_tables};
use crate::error::Result;
use crate::failpoint::failpoint;
use crate::postgres::{Access, Db, Error, Name, Target};
use crate::step::{Notices, Unit};

use super::indexes::is_constraint;
use super::jobs::Jobs;
use super::line::{Crew, Line};
use super::post_data::{PostData, PostItem};
use super::sessions::no_room;

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
    let tables = read_tables(&green.connect(Access::ReadOnly).await.map_err(no_room)?).await?;
    Crew { green, jobs, notices, cancel }.work_off(ForeignKeys::new(&post.foreign_keys, &tables)).await
}

/// Foreign keys that wait, the largest referring table's first, and the tables that those under way hold.
struct ForeignKeys {
    waiting: Vec<PostItem>,
    roots: HashMap<Name, Name>,
    held: HashSet<Name>,
}

impl ForeignKeys {
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

    /// What stands in `held` for it.
    fn holds(&self, item: &PostItem) -> Vec<Name> {
        if item.refers_to.is_some() { self.locks(item) } else { vec![everything()] }
    }

    fn alone_is_under_way(&self) -> bool {
        self.held.contains(&everything())
    }
}

impl Line for ForeignKeys {
    type Item = PostItem;
    const DOING: &'static str = "adding foreign keys";
    const UNIT: Unit = Unit::Tables;

    fn total(&self) -> u64 {
        self.waiting.len() as u64
    }

    /// The next one that shares no table with those under way; one whose other table is not known goes alone.
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

    fn put_back(&mut self, item: PostItem) {
        self.done(&item);
        self.waiting.insert(0, item);
    }

    fn done(&mut self, item: &PostItem) -> bool {
        for table in self.holds(item) {
            self.held.remove(&table);
        }
        true
    }

    fn name(item: &PostItem) -> String {
        format!("{} {}", item.table.plain(), item.object.0)
    }

    async fn run(session: &Db, item: &PostItem) -> Result<(), Error> {
        add(session, item)
            .await
            .map_err(|e| e.doing(format_args!("adding the foreign key {} on {}", item.object.0, item.table.plain())))
    }
}

async fn add(session: &Db, item: &PostItem) -> Result<(), Error> {
    if !is_constraint(session, item).await? {
        session.run(&item.sql).await?;
        failpoint("snapshot.foreign_key_added");
    }
    Ok(())
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
            btree: false,
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
        let mut line = ForeignKeys::new(&items, &[]);
        line.roots.insert(Name::new("public", "d"), Name::new("public", "part"));
        let next = |line: &mut ForeignKeys| line.next().map(|item| item.object.0);
        assert_eq!(next(&mut line).as_deref(), Some("a_b"));
        assert_eq!(next(&mut line).as_deref(), Some("d_d"));
        assert_eq!(next(&mut line), None);
        line.done(&items[0]);
        assert_eq!(next(&mut line).as_deref(), Some("c_b"));
        assert_eq!(next(&mut line), None, "d is a part of part");
        line.done(&items[2]);
        assert_eq!(next(&mut line).as_deref(), Some("part_a"));
        line.put_back(items[3].clone());
        line.done(&items[1]);
        assert_eq!(next(&mut line).as_deref(), Some("part_a"));
        assert_eq!(next(&mut line), None);
        line.done(&items[3]);
        assert_eq!(next(&mut line).as_deref(), Some("odd"));
        line.waiting.push(items[0].clone());
        assert_eq!(next(&mut line), None, "nobody knows what it locks");
    }
}
