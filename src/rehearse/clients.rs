//! Clients of a database that is migrated in place: each locks and writes at random where the application's would, and
//! notes how long it waited for an answer.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde::Serialize;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::catalog::{Table, read_tables};
use crate::error::{Context, Failure, Result};
use crate::finding::Finding;
use crate::postgres::{Access, Db, Error, Target, literal};
use crate::units::{count, show_millis, thousands};

/// How many there are.
const CLIENTS: usize = 4;
/// From an answer to the next request.
const BEAT: Duration = Duration::from_millis(1);
/// Rows of a table that they ask for.
const ROWS: i64 = 50;
/// What an answer may take: longer than any lock of ours.
const STATEMENT_TIMEOUT: &str = "SET statement_timeout = '600s'; SET lock_timeout = 0";
/// What comes on top of `lock_timeout` before a wait is worth a warning: the machine's own.
const MARGIN: Duration = Duration::from_secs(1);

/// What they saw.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct ClientsSeen {
    /// How many there were.
    pub clients: usize,
    /// Answers that they got.
    pub answers: u64,
    /// The longest that any of them waited for one, in milliseconds.
    pub longest_wait_ms: u64,
    /// The table that it had asked for.
    pub longest_wait_at: Option<String>,
    /// Requests that were refused, by table and error.
    pub refused: Vec<Refused>,
}

/// Requests that were refused in one way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Refused {
    /// The table, by the name that it had before.
    pub table: String,
    /// What the server said.
    pub error: String,
    /// How often.
    pub times: u64,
}

impl ClientsSeen {
    /// For people: `4, 12,345 answers, the longest wait 0.5 s (public.token)`.
    pub fn line(&self) -> String {
        let at = self.longest_wait_at.as_ref().map(|table| format!(" ({table})")).unwrap_or_default();
        let refused: u64 = self.refused.iter().map(|refused| refused.times).sum();
        let refused = if refused > 0 { format!(", {} refused", thousands(refused)) } else { String::new() };
        format!(
            "{}, {} answers{refused}, the longest wait {}{at}",
            self.clients,
            thousands(self.answers),
            show_millis(self.longest_wait_ms)
        )
    }

    /// What an application should know: who was refused, and who waited longer than `lock_timeout` explains.
    pub fn findings(&self, lock_timeout: Duration) -> Vec<Finding> {
        let refused = self.refused.iter().map(|refused| {
            let what = format!("{} refused: {}", count(refused.times, "request"), refused.error);
            Finding::warning("rehearse/clients-refused", refused.table.clone(), what)
                .so_what("an application that still asks for it by this name fails as soon as the file is in")
                .next("deploy the version that no longer asks for it first, or leave a view of that name behind")
        });
        let bound = lock_timeout + MARGIN;
        let waited = (u128::from(self.longest_wait_ms) > bound.as_millis()).then(|| {
            let at = self.longest_wait_at.clone().unwrap_or_default();
            let what = format!("a client waited {} for an answer", show_millis(self.longest_wait_ms));
            Finding::warning("rehearse/clients-waited", at, what)
                .so_what(format!(
                    "lock_timeout is {}: what is accepted as written held it up, or this machine was busy",
                    show_millis(u64::try_from(lock_timeout.as_millis()).unwrap_or(u64::MAX))
                ))
                .next("migrate plan says which statement runs as written; look there first")
        });
        refused.chain(waited).collect()
    }
}

/// The clients, until they are told to stop.
pub struct Clients {
    tasks: JoinSet<Result<()>>,
    stop: CancellationToken,
    seen: Arc<Mutex<Seen>>,
}

#[derive(Debug, Default)]
struct Seen {
    answers: u64,
    longest: Option<(Duration, String)>,
    refused: BTreeMap<(String, String), u64>,
}

/// What one request is about, and its text.
struct Request {
    table: String,
    sql: String,
}

impl Clients {
    /// Starts them on the tables that hold rows and have a primary key.
    pub async fn start(blue: &Target) -> Result<Self> {
        let mut requests = Vec::new();
        let db = blue.connect(Access::ReadOnly).await?;
        for table in read_tables(&db).await?.iter().filter(|table| table.holds_rows() && !table.primary_key.is_empty())
        {
            requests.extend(requests_for(&db, table).await?);
        }
        let (requests, seen) = (Arc::new(requests), Arc::new(Mutex::new(Seen::default())));
        let stop = CancellationToken::new();
        let mut tasks = JoinSet::new();
        for _ in 0..if requests.is_empty() { 0 } else { CLIENTS } {
            let db = blue.connect(Access::ReadWrite).await?;
            db.run(STATEMENT_TIMEOUT).await?;
            tasks.spawn(serve(db, Arc::clone(&requests), Arc::clone(&seen), stop.clone()));
        }
        Ok(Self { tasks, stop, seen })
    }

    /// Stops them after the answer that each is waiting for.
    pub async fn stop(mut self) -> Result<ClientsSeen> {
        self.stop.cancel();
        let clients = self.tasks.len();
        while let Some(ended) = self.tasks.join_next().await {
            ended.map_err(|e| Failure::failed(format!("a client of the rehearsal: {e}")))??;
        }
        let seen = std::mem::take(&mut *self.seen.lock().unwrap_or_else(PoisonError::into_inner));
        let (longest, at) = seen.longest.unzip();
        let refused = seen.refused.into_iter().map(|((table, error), times)| Refused { table, error, times });
        Ok(ClientsSeen {
            clients,
            answers: seen.answers,
            longest_wait_ms: longest.map_or(0, |wait| u64::try_from(wait.as_millis()).unwrap_or(u64::MAX)),
            longest_wait_at: at,
            refused: refused.collect(),
        })
    }
}

/// Requests as applications make them, that change nothing: a row is locked as an UPDATE locks it, and the table as every
/// write locks it. So the checks still compare the same rows, and no trigger of a row fires.
async fn requests_for(db: &Db, table: &Table) -> Result<Vec<Request>> {
    let name = &table.name;
    let key: Vec<String> = table.primary_key.iter().map(|column| format!("{column}::text")).collect();
    let sql = format!("SELECT ARRAY[{}] FROM {name} LIMIT {ROWS}", key.join(", "));
    let rows = db.rows(&sql, &[]).await.with_context(|| name.plain())?;
    let request = |values: Vec<String>| {
        let row: Vec<String> = table
            .primary_key
            .iter()
            .zip(&values)
            .map(|(column, value)| format!("{column} = {}", literal(value)))
            .collect();
        let row = row.join(" AND ");
        let sql = format!(
            "BEGIN; SELECT FROM {name} WHERE {row} FOR NO KEY UPDATE; DELETE FROM {name} WHERE {row} AND false; COMMIT"
        );
        Request { table: name.plain(), sql }
    };
    Ok(rows.iter().map(|row| request(row.get(0))).collect())
}

async fn serve(db: Db, requests: Arc<Vec<Request>>, seen: Arc<Mutex<Seen>>, stop: CancellationToken) -> Result<()> {
    while !stop.is_cancelled() {
        let Some(request) = requests.get(fastrand::usize(0..requests.len().max(1))) else { return Ok(()) };
        let since = Instant::now();
        let answer = db.run(&request.sql).await;
        let waited = since.elapsed();
        if let Err(e) = &answer {
            db.run("ROLLBACK").await.context("a client of the rehearsal")?;
            note_refused(&seen, request, e);
        } else {
            let mut seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
            seen.answers += 1;
            if seen.longest.as_ref().is_none_or(|(longest, _)| *longest < waited) {
                seen.longest = Some((waited, request.table.clone()));
            }
        }
        tokio::time::sleep(BEAT).await;
    }
    Ok(())
}

fn note_refused(seen: &Mutex<Seen>, request: &Request, e: &Error) {
    let mut seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
    *seen.refused.entry((request.table.clone(), e.message())).or_insert(0) += 1;
}
