//! A line of statements on green that sessions take one by one: as many at once as there are jobs, or as green has room for.

use std::future::Future;

use backon::Retryable;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::catalog::{Machine, Share};
use crate::error::{Failure, Result};
use crate::postgres::{Access, Db, Error, Target};
use crate::step::{Notices, Unit};

use super::ends::Ends;
use super::interrupted;
use super::jobs::Jobs;
use super::post_data::SESSION;
use super::sessions::{ATTEMPTS, CONNECTS, PAUSE, fewer, no_room, pauses};

/// How long a lock may take: nobody but the copy should be there. Applies to locks, never to a build or a check itself.
const LOCK_TIMEOUT: &str = "SET lock_timeout = '60s'";
/// How often a full server is asked for the only session, where none of ours will end: over six seconds, in which those that
/// we have closed are gone.
const ASKS: usize = 6;

/// Statements, and which of them may start.
pub(super) trait Line {
    /// One of them.
    type Item: Clone + Send + 'static;
    /// What they do, for messages: `building indexes`.
    const DOING: &'static str;
    /// What progress counts.
    const UNIT: Unit;

    /// How many there are in all.
    fn total(&self) -> u64;
    /// The next one that waits for no other, now under way.
    fn next(&mut self) -> Option<Self::Item>;
    /// One that was given out is not under way after all.
    fn put_back(&mut self, item: Self::Item);
    /// One that was under way has been run. Whether it is whole, or something of it is to come.
    fn done(&mut self, item: &Self::Item) -> bool;
    /// The server refused one, which counts as done where this says so.
    fn refused(&mut self, _: &Self::Item, e: Error) -> Result<()> {
        Err(e.into())
    }
    /// Its name, for progress.
    fn name(item: &Self::Item) -> String;
    /// What it may take of green's machine beside `jobs` - 1 others; none: what the server gives by itself.
    fn share(&self, _: &Self::Item, _: &Machine, _jobs: usize) -> Option<Share> {
        None
    }
    /// Runs one, unless what it makes is there: it may have been run by a session that was lost.
    fn run(session: &Db, item: &Self::Item) -> impl Future<Output = Result<(), Error>> + Send;

    /// Whether something else may let more of them start.
    fn waits(&self) -> bool {
        false
    }
    /// Waits for that. Dropped before it is ready, it has changed nothing.
    fn more(&mut self) -> impl Future<Output = ()> + Send {
        std::future::pending()
    }
}

/// Who works, and who hears of it.
pub(super) struct Crew<'a> {
    pub(super) green: &'a Target,
    pub(super) jobs: Jobs,
    pub(super) notices: &'a Notices,
    pub(super) cancel: &'a CancellationToken,
}

impl Crew<'_> {
    /// Runs all of `line`. What runs on the server ends with the failure, the interruption, or the future.
    pub(super) async fn work_off<L: Line + 'static>(&self, line: L) -> Result<()> {
        let mut ends = Ends::default();
        let worked = tokio::select! {
            worked = self.work(line, &mut ends) => worked,
            () = self.cancel.cancelled() => Err(interrupted(L::DOING)),
        };
        ends.settle(worked).await
    }

    async fn work<L: Line + 'static>(&self, mut line: L, ends: &mut Ends) -> Result<()> {
        let mut jobs = self.jobs.clone();
        let mut seats = Seats { green: self.green, free: Vec::new(), machine: None, lost: 0 };
        let mut under_way = JoinSet::new();
        // As many as green had room for, where that was fewer.
        let mut room = usize::MAX;
        let (mut done, total) = (0, line.total());
        self.notices.progress(done, total, L::UNIT, "");
        while done < total {
            while under_way.len() < jobs.now().min(room) {
                let Some(item) = line.next() else { break };
                match seats.take(under_way.is_empty() && !line.waits(), ends).await {
                    Ok(session) => under_way.spawn(run::<L>(session, seats.settings(&line, &item, jobs.now()), item)),
                    // Sessions of ours are at work, here or beside us, and will end.
                    Err(e) if e.is_full() && (!under_way.is_empty() || line.waits()) => {
                        room = under_way.len();
                        line.put_back(item);
                        if room == 0 {
                            self.notices.waiting(format!("a session for {}: {e}", L::DOING));
                        } else {
                            self.notices.found(fewer(&e, room, jobs.now()));
                        }
                        break;
                    }
                    Err(e) => return Err(no_room(e)),
                };
            }
            tokio::select! {
                Some(ran) = under_way.join_next() => {
                    let (session, item, ran) = ran.map_err(|e| Failure::failed(format!("{}: {e}", L::DOING)))?;
                    match ran {
                        Err(e) if seats.may_replace(&e, jobs.now()) => {
                            self.notices.waiting(format!("a new session for {}: {e}", L::name(&item)));
                            line.put_back(item);
                            // What was lost for us alone may still be at it.
                            Ends::end(&session).await;
                            continue;
                        }
                        Err(e) => line.refused(&item, e)?,
                        Ok(()) => {}
                    }
                    seats.give_back(session);
                    if line.done(&item) {
                        done += 1;
                        self.notices.progress(done, total, L::UNIT, L::name(&item));
                    }
                }
                () = jobs.changed() => room = usize::MAX,
                () = line.more(), if line.waits() => {
                    // Once nothing more can come, those beside us have ended.
                    if room == 0 || !line.waits() {
                        room = usize::MAX;
                    }
                }
                () = tokio::time::sleep(PAUSE), if room == 0 => room = usize::MAX,
            }
        }
        Ok(())
    }
}

async fn run<L: Line>(session: Db, settings: String, item: L::Item) -> (Db, L::Item, Result<(), Error>) {
    let ran = match session.run(&settings).await {
        Ok(()) => L::run(&session, &item).await,
        Err(e) => Err(e),
    };
    (session, item, ran)
}

/// Sessions that do nothing just now, and how to get another one.
struct Seats<'a> {
    green: &'a Target,
    free: Vec<Db>,
    machine: Option<Machine>,
    /// Sessions that were lost since the last one that did its work.
    lost: usize,
}

impl Seats<'_> {
    /// A session. `needed`: without it nothing would go on, so a full server is asked more than once.
    async fn take(&mut self, needed: bool, ends: &mut Ends) -> Result<Db, Error> {
        if let Some(session) = self.free.pop() {
            return Ok(session);
        }
        let lost = self.lost > 0;
        let asks = pauses(if lost { CONNECTS } else { ASKS });
        let again = |e: &Error| lost && e.is_lost() || (lost || needed) && e.is_full();
        let session = (|| connect(self.green)).retry(asks).when(again).await?;
        ends.add(&session);
        if self.machine.is_none() {
            self.machine = Some(Machine::read(&session).await?);
        }
        Ok(session)
    }

    fn give_back(&mut self, session: Db) {
        self.lost = 0;
        self.free.push(session);
    }

    /// What the next statement runs under. What ended a session may have been a machine short of memory: since then the
    /// server's own settings do.
    fn settings<L: Line>(&self, line: &L, item: &L::Item, jobs: usize) -> String {
        let reset = || "RESET maintenance_work_mem; RESET max_parallel_maintenance_workers".to_owned();
        let machine = self.machine.as_ref().filter(|_| self.lost == 0);
        machine.and_then(|machine| line.share(item, machine, jobs)).map_or_else(reset, |share| share.sql())
    }

    /// Whether a session is to be replaced: a server that crashed loses all of them at once, and one that goes on losing
    /// them is beyond us.
    fn may_replace(&mut self, e: &Error, jobs: usize) -> bool {
        if !e.is_lost() {
            return false;
        }
        self.lost += 1;
        self.lost <= ATTEMPTS * jobs
    }
}

/// A session for the dump's statements.
pub(super) async fn connect(green: &Target) -> Result<Db, Error> {
    let session = green.connect(Access::ReadWrite).await?;
    session.run(SESSION).await?;
    session.run(LOCK_TIMEOUT).await?;
    Ok(session)
}
