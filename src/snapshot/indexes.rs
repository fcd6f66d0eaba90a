//! Indexes of the copy: each table's as soon as its rows are in, in parallel.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};

use tokio::sync::mpsc::UnboundedReceiver;
use tokio_util::sync::CancellationToken;

use crate::catalog::{Machine, Relkind, Share, Table};
use crate::error::Result;
use crate::failpoint::failpoint;
use crate::postgres::{Db, Error, Name, Target};
use crate::step::{Notices, Unit};

use super::jobs::Jobs;
use super::line::{Crew, Line, connect};
use super::post_data::{PostData, PostItem};

/// Builds what `post` lists as indexes, on up to `jobs` sessions, then attaches the parts of partitioned ones.
///
/// `tables` are blue's, for their sizes: of what may start, the largest goes first. The indexes of a table that holds rows
/// start when its name comes out of `ready`, those of partitioned parents and materialized views, which hold none yet, at
/// once; when the sender is gone, all may start. So `ready` may also be a channel that is closed already, as on a resume.
///
/// What is there is skipped; an invalid index of a table that holds rows is dropped and built again.
pub async fn build_indexes(
    green: &Target,
    post: &PostData,
    tables: &[Table],
    ready: UnboundedReceiver<Name>,
    jobs: Jobs,
    notices: &Notices,
    cancel: &CancellationToken,
) -> Result<()> {
    let line = Indexes::new(&post.indexes, tables, ready);
    Crew { green, jobs, notices, cancel }.work_off(line).await?;
    let session = connect(green).await?;
    for attach in &post.attaches {
        // Attaching what is attached already does nothing (ATExecAttachPartitionIdx).
        session.run(attach).await.map_err(|e| e.doing("attaching an index"))?;
    }
    Ok(())
}

/// Indexes that wait for their table's rows, and those that may start, the largest table's first.
///
/// CREATE INDEX takes SHARE, so several of one table may be built at once. ADD CONSTRAINT takes ACCESS EXCLUSIVE: beside
/// another build of its table it would wait in the lock queue, and past `lock_timeout` fail, for as long as that one lasts.
/// So a table's constraints come after its indexes, one by one; where Postgres allows it, a constraint's own index is built
/// among these, and taking it over is a matter of a moment.
struct Indexes {
    /// Tables whose rows are in; none once all are.
    from: Option<UnboundedReceiver<Name>>,
    waiting: HashMap<Name, VecDeque<PostItem>>,
    /// By size of the table, so that the last entry is the largest.
    ready: BTreeMap<(u64, Name), VecDeque<PostItem>>,
    sizes: HashMap<Name, u64>,
    /// Builds under way, by table.
    under_way: HashMap<Name, usize>,
    /// Tables on which a constraint is being added.
    exclusive: HashSet<Name>,
}

impl Indexes {
    fn new(items: &[PostItem], tables: &[Table], from: UnboundedReceiver<Name>) -> Self {
        let sizes = tables.iter().filter(|t| t.kind == Relkind::Table).map(|t| (t.name.clone(), t.bytes)).collect();
        let mut line = Self {
            from: Some(from),
            waiting: HashMap::new(),
            ready: BTreeMap::new(),
            sizes,
            under_way: HashMap::new(),
            exclusive: HashSet::new(),
        };
        let items: Vec<PostItem> = items.iter().map(|item| line.fit(item)).collect();
        let (alone, together): (Vec<_>, Vec<_>) = items.into_iter().partition(is_exclusive);
        for item in together.into_iter().chain(alone) {
            line.waiting.entry(item.table.clone()).or_default().push_back(item);
        }
        let empty: Vec<Name> = line.waiting.keys().filter(|name| !line.sizes.contains_key(name)).cloned().collect();
        for name in &empty {
            line.start(name);
        }
        line
    }

    /// Partitioned tables refuse USING INDEX; only those that hold rows have a size here.
    fn fit(&self, item: &PostItem) -> PostItem {
        let apart = item.apart.clone().filter(|_| self.sizes.contains_key(&item.table));
        PostItem { apart, ..item.clone() }
    }

    fn start(&mut self, table: &Name) {
        if let Some(items) = self.waiting.remove(table) {
            self.ready.insert(self.key(table), items);
        }
    }

    fn key(&self, table: &Name) -> (u64, Name) {
        (self.sizes.get(table).copied().unwrap_or(0), table.clone())
    }

    fn start_all(&mut self) {
        let tables: Vec<Name> = self.waiting.keys().cloned().collect();
        for table in &tables {
            self.start(table);
        }
    }

    fn leave(&mut self, item: &PostItem) {
        if let Some(number) = self.under_way.get_mut(&item.table) {
            *number -= 1;
        }
        if is_exclusive(item) {
            self.exclusive.remove(&item.table);
        }
    }
}

impl Line for Indexes {
    type Item = PostItem;
    const DOING: &'static str = "building indexes";
    const UNIT: Unit = Unit::Indexes;

    fn total(&self) -> u64 {
        self.waiting.values().chain(self.ready.values()).map(|items| items.len() as u64).sum()
    }

    fn next(&mut self) -> Option<PostItem> {
        let (under_way, exclusive) = (&self.under_way, &self.exclusive);
        let may_start = |item: &PostItem| {
            let alone = under_way.get(&item.table).is_none_or(|number| *number == 0);
            if is_exclusive(item) { alone } else { !exclusive.contains(&item.table) }
        };
        let key = self.ready.iter().rev().find(|(_, items)| items.front().is_some_and(may_start))?.0.clone();
        let items = self.ready.get_mut(&key)?;
        let item = items.pop_front()?;
        if items.is_empty() {
            self.ready.remove(&key);
        }
        *self.under_way.entry(item.table.clone()).or_default() += 1;
        if is_exclusive(&item) {
            self.exclusive.insert(item.table.clone());
        }
        Some(item)
    }

    fn put_back(&mut self, item: PostItem) {
        self.leave(&item);
        self.ready.entry(self.key(&item.table)).or_default().push_front(item);
    }

    /// A constraint's index has the constraint to come.
    fn done(&mut self, item: &PostItem) -> bool {
        self.leave(item);
        let Some(apart) = &item.apart else { return true };
        let adopt = PostItem { sql: apart.adopt.clone(), apart: None, ..item.clone() };
        self.ready.entry(self.key(&item.table)).or_default().push_back(adopt);
        false
    }

    fn name(item: &PostItem) -> String {
        item.object.0.clone()
    }

    fn share(&self, item: &PostItem, machine: &Machine, jobs: usize) -> Option<Share> {
        Some(match self.sizes.get(&item.table) {
            Some(bytes) if item.btree => machine.sorting(*bytes, jobs),
            _ => machine.share(jobs),
        })
    }

    async fn run(session: &Db, item: &PostItem) -> Result<(), Error> {
        build(session, item)
            .await
            .map_err(|e| e.doing(format_args!("building {} on {}", item.object.0, item.table.plain())))
    }

    fn waits(&self) -> bool {
        self.from.is_some()
    }

    async fn more(&mut self) {
        let table = match &mut self.from {
            Some(from) => from.recv().await,
            None => None,
        };
        if let Some(table) = table {
            self.start(&table);
        } else {
            self.from = None;
            self.start_all();
        }
    }
}

/// Whether it needs its table for itself.
fn is_exclusive(item: &PostItem) -> bool {
    item.constraint && item.apart.is_none()
}

async fn build(session: &Db, item: &PostItem) -> Result<(), Error> {
    if is_built(session, item).await? {
        return Ok(());
    }
    session.run(item.apart.as_ref().map_or(&item.sql, |apart| &apart.index)).await?;
    if item.apart.is_some() {
        failpoint("snapshot.index_before_constraint");
    }
    Ok(())
}

/// Whether it is there and usable. An invalid index is dropped; on a partitioned table it only waits for its parts.
async fn is_built(session: &Db, item: &PostItem) -> Result<bool, Error> {
    if item.constraint {
        let there = is_constraint(session, item).await?;
        if there || is_exclusive(item) {
            return Ok(there);
        }
    }
    let sql = include_str!("../postgres/sql/select_index_state.sql");
    let Some(row) = session.maybe_row(sql, &[&item.table.schema.0, &item.object.0]).await? else {
        return Ok(false);
    };
    let usable = row.get::<_, bool>("valid") || row.get::<_, bool>("partitioned");
    if !usable {
        let index = Name { schema: item.table.schema.clone(), object: item.object.clone() };
        session.run(&format!("DROP INDEX {index}")).await?;
    }
    Ok(usable)
}

/// Whether the table has the constraint. One that is there is whole: ADD CONSTRAINT is one transaction.
pub(super) async fn is_constraint(session: &Db, item: &PostItem) -> Result<bool, Error> {
    let sql = include_str!("../postgres/sql/select_constraint.sql");
    let names = [&item.table.schema.0, &item.table.object.0, &item.object.0];
    Ok(session.maybe_row(sql, &[&names[0], &names[1], &names[2]]).await?.is_some())
}

#[cfg(test)]
mod tests {
    use super::super::post_data::Apart;
    use super::*;
    use crate::postgres::Ident;

    fn item(table: &str, object: &str, constraint: bool) -> PostItem {
        let (table, object) = (Name::new("public", table), Ident::new(object));
        PostItem { table, object, constraint, refers_to: None, apart: None, btree: true, sql: String::new() }
    }

    fn line(items: &[PostItem]) -> Indexes {
        Indexes::new(items, &[], tokio::sync::mpsc::unbounded_channel().1)
    }

    #[test]
    fn a_constraint_is_added_alone_and_after_the_plain_indexes_of_its_table() {
        let items = [
            item("t", "t_pkey", true),
            item("t", "t_key", true),
            item("t", "t_a", false),
            item("t", "t_b", false),
            item("u", "u_pkey", true),
        ];
        let mut line = line(&items);
        let next = |line: &mut Indexes| line.next().map(|item| item.object.0);
        // The names alone decide here: no table has a size.
        assert_eq!(next(&mut line).as_deref(), Some("u_pkey"));
        assert_eq!(next(&mut line).as_deref(), Some("t_a"));
        assert_eq!(next(&mut line).as_deref(), Some("t_b"));
        assert_eq!(next(&mut line), None, "t is being read");
        assert!(line.done(&items[2]));
        assert_eq!(next(&mut line), None);
        line.done(&items[3]);
        assert_eq!(next(&mut line).as_deref(), Some("t_pkey"));
        assert_eq!(next(&mut line), None, "t is locked");
        line.done(&items[0]);
        assert_eq!(next(&mut line).as_deref(), Some("t_key"));
        line.put_back(items[1].clone());
        assert_eq!(next(&mut line).as_deref(), Some("t_key"));
        line.done(&items[1]);
        assert_eq!(next(&mut line), None);
    }

    #[test]
    fn a_constraint_s_index_is_built_beside_the_others_and_taken_over_when_all_are_there() {
        let apart = Some(Apart { index: "CREATE".to_owned(), adopt: "ALTER".to_owned() });
        let key = PostItem { apart, ..item("t", "t_pkey", true) };
        let mut line = line(&[key, item("t", "t_a", false)]);
        line.sizes.insert(Name::new("public", "t"), 1);
        let items = line.ready.remove(&(0, Name::new("public", "t"))).unwrap();
        assert!(items.iter().all(|item| item.apart.is_none()), "no size: partitioned");

        line.waiting.insert(
            Name::new("public", "t"),
            VecDeque::from([
                PostItem {
                    apart: Some(Apart { index: "CREATE".to_owned(), adopt: "ALTER".to_owned() }),
                    ..item("t", "t_pkey", true)
                },
                item("t", "t_a", false),
            ]),
        );
        line.start_all();
        let (key, plain) = (line.next().unwrap(), line.next().unwrap());
        assert!(!line.done(&key), "the constraint is to come");
        assert_eq!(line.next(), None, "t is being read");
        assert!(line.done(&plain));
        let adopt = line.next().unwrap();
        assert_eq!((adopt.sql.as_str(), &adopt.apart), ("ALTER", &None));
        assert!(line.done(&adopt));
        assert_eq!(line.next(), None);
    }
}
