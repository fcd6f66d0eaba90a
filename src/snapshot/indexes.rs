//! Indexes of the copy: each table's as soon as its rows are in, in parallel.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};

use tokio::sync::mpsc::UnboundedReceiver;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::catalog::{Relkind, Table};
use crate::error::{Context, Failure, Result};
use crate::failpoint::failpoint;
use crate::postgres::{Access, Db, Error, Name, Target};
use crate::step::{Notices, Unit};

use super::ends::Ends;
use super::interrupted;
use super::jobs::Jobs;
use super::post_data::{PostData, PostItem, SESSION};
use super::sessions::{fewer, no_room};

/// How long a lock may take: nobody but the copy should be there. Applies to locks, never to the build itself.
pub(super) const LOCK_TIMEOUT: &str = "SET lock_timeout = '60s'";

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
    let mut ends = Ends::default();
    let line = Line::new(&post.indexes, tables);
    let built = tokio::select! {
        built = build_all(green, line, ready, jobs, notices, &mut ends) => built,
        () = cancel.cancelled() => Err(interrupted("building indexes")),
    };
    ends.settle(built).await?;
    let session = connect(green).await?;
    for attach in &post.attaches {
        // Attaching what is attached already does nothing (ATExecAttachPartitionIdx).
        session.run(attach).await.map_err(|e| e.doing("attaching an index"))?;
    }
    Ok(())
}

async fn build_all(
    green: &Target,
    mut line: Line,
    mut ready: UnboundedReceiver<Name>,
    mut jobs: Jobs,
    notices: &Notices,
    ends: &mut Ends,
) -> Result<()> {
    let mut sessions = Vec::new();
    let mut builds = JoinSet::new();
    let mut listening = true;
    // As many as green had room for, where that was fewer.
    let mut room = usize::MAX;
    let (mut done, total) = (0, line.len());
    notices.progress(done, total, Unit::Indexes, "");
    while done < total {
        while builds.len() < jobs.now().min(room) {
            let Some(item) = line.next() else { break };
            let session = match sessions.pop() {
                Some(session) => session,
                None => match connect(green).await {
                    Ok(session) => {
                        ends.add(&session);
                        session
                    }
                    Err(e) if e.is_full() && !builds.is_empty() => {
                        room = builds.len();
                        notices.found(fewer(&e, room, jobs.now()));
                        line.put_back(item);
                        break;
                    }
                    Err(e) => return Err(no_room(e)),
                },
            };
            builds.spawn(build(session, item));
        }
        tokio::select! {
            Some(built) = builds.join_next() => {
                let (session, item) = built.map_err(|e| Failure::failed(format!("an index build ended: {e}")))??;
                sessions.push(session);
                if line.built(&item) {
                    done += 1;
                    notices.progress(done, total, Unit::Indexes, item.object.0);
                }
            }
            () = jobs.changed() => room = usize::MAX,
            table = ready.recv(), if listening => {
                listening = table.is_some();
                match table {
                    Some(table) => line.start(&table),
                    None => line.start_all(),
                }
            }
        }
    }
    Ok(())
}

/// A session for the dump's statements.
pub(super) async fn connect(green: &Target) -> Result<Db, Error> {
    let session = green.connect(Access::ReadWrite).await?;
    session.run(SESSION).await?;
    session.run(LOCK_TIMEOUT).await?;
    Ok(session)
}

/// Indexes that wait for their table's rows, and those that may start, the largest table's first.
///
/// CREATE INDEX takes SHARE, so several of one table may be built at once. ADD CONSTRAINT takes ACCESS EXCLUSIVE: beside
/// another build of its table it would wait in the lock queue, and past `lock_timeout` fail, for as long as that one lasts.
/// So a table's constraints come after its indexes, one by one; where Postgres allows it, a constraint's own index is built
/// among these, and taking it over is a matter of a moment.
struct Line {
    waiting: HashMap<Name, VecDeque<PostItem>>,
    /// By size of the table, so that the last entry is the largest.
    ready: BTreeMap<(u64, Name), VecDeque<PostItem>>,
    sizes: HashMap<Name, u64>,
    /// Builds under way, by table.
    under_way: HashMap<Name, usize>,
    /// Tables on which a constraint is being added.
    exclusive: HashSet<Name>,
}

impl Line {
    fn new(items: &[PostItem], tables: &[Table]) -> Self {
        let sizes = tables.iter().filter(|t| t.kind == Relkind::Table).map(|t| (t.name.clone(), t.bytes)).collect();
        let mut line = Self {
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

    fn len(&self) -> u64 {
        self.waiting.values().chain(self.ready.values()).map(|items| items.len() as u64).sum()
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

    /// The next one that waits for no other, now under way.
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

    /// One that was given out is not under way after all.
    fn put_back(&mut self, item: PostItem) {
        self.leave(&item);
        self.ready.entry(self.key(&item.table)).or_default().push_front(item);
    }

    /// One that was under way is there. Whether it is whole: a constraint's index has the constraint to come.
    fn built(&mut self, item: &PostItem) -> bool {
        self.leave(item);
        let Some(apart) = &item.apart else { return true };
        let adopt = PostItem { sql: apart.adopt.clone(), apart: None, ..item.clone() };
        self.ready.entry(self.key(&item.table)).or_default().push_back(adopt);
        false
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

/// Whether it needs its table for itself.
fn is_exclusive(item: &PostItem) -> bool {
    item.constraint && item.apart.is_none()
}

async fn build(session: Db, item: PostItem) -> Result<(Db, PostItem)> {
    let doing = || format!("building {} on {}", item.object.0, item.table.plain());
    if !is_built(&session, &item).await.with_context(doing)? {
        let sql = item.apart.as_ref().map_or(&item.sql, |apart| &apart.index);
        session.run(sql).await.with_context(doing)?;
        if item.apart.is_some() {
            failpoint("snapshot.index_before_constraint");
        }
    }
    Ok((session, item))
}

/// Whether it is there and usable. An invalid index is dropped; on a partitioned table it only waits for its parts.
async fn is_built(session: &Db, item: &PostItem) -> Result<bool> {
    if is_exclusive(item) || item.constraint && is_constraint(session, item).await? {
        return is_constraint(session, item).await;
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
pub(super) async fn is_constraint(session: &Db, item: &PostItem) -> Result<bool> {
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
        PostItem { table, object, constraint, refers_to: None, apart: None, sql: String::new() }
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
        let mut line = Line::new(&items, &[]);
        let next = |line: &mut Line| line.next().map(|item| item.object.0);
        // The names alone decide here: no table has a size.
        assert_eq!(next(&mut line).as_deref(), Some("u_pkey"));
        assert_eq!(next(&mut line).as_deref(), Some("t_a"));
        assert_eq!(next(&mut line).as_deref(), Some("t_b"));
        assert_eq!(next(&mut line), None, "t is being read");
        assert!(line.built(&items[2]));
        assert_eq!(next(&mut line), None);
        line.built(&items[3]);
        assert_eq!(next(&mut line).as_deref(), Some("t_pkey"));
        assert_eq!(next(&mut line), None, "t is locked");
        line.built(&items[0]);
        assert_eq!(next(&mut line).as_deref(), Some("t_key"));
        line.put_back(items[1].clone());
        assert_eq!(next(&mut line).as_deref(), Some("t_key"));
        line.built(&items[1]);
        assert_eq!(next(&mut line), None);
    }

    #[test]
    fn a_constraint_s_index_is_built_beside_the_others_and_taken_over_when_all_are_there() {
        let apart = Some(Apart { index: "CREATE".to_owned(), adopt: "ALTER".to_owned() });
        let key = PostItem { apart, ..item("t", "t_pkey", true) };
        let mut line = Line::new(&[key, item("t", "t_a", false)], &[]);
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
        assert!(!line.built(&key), "the constraint is to come");
        assert_eq!(line.next(), None, "t is being read");
        assert!(line.built(&plain));
        let adopt = line.next().unwrap();
        assert_eq!((adopt.sql.as_str(), &adopt.apart), ("ALTER", &None));
        assert!(line.built(&adopt));
        assert_eq!(line.next(), None);
    }
}
