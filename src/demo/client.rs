//! One client of the engine: finds its database through the configuration file, as a service would.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use tokio_postgres::types::ToSql;

use super::dialect::{Conf, Dialect};
use super::login::Users;
use super::operation::{Operation, Receipt};
use crate::error::{Failure, Result};
use crate::postgres::{Access, Db, Error};

/// How long the server may work on one statement of a client, waits for locks included.
const STATEMENT_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a client waits for an answer before it gives the connection up: somewhat longer, so that it is the server
/// that says no as long as there is one.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(15);
/// Logins that all clients together take over from the database at their start.
const LOGINS_AT_MOST: i64 = 20_000;
/// Applications that users log in to.
const SELECT_APPLICATIONS: &str = "SELECT id FROM oauth_client ORDER BY id LIMIT 1000";

/// A client with its session, which follows the configuration file.
pub(super) struct Client {
    conf_path: PathBuf,
    conf: Option<(Stamp, Conf)>,
    session: Option<Db>,
}

/// Changes whenever the file is replaced or written.
type Stamp = (u64, SystemTime);

/// What a client was told.
pub(super) struct Answer {
    /// Who told it.
    pub dialect: Dialect,
    pub receipts: Vec<Receipt>,
}

/// Why a client was told nothing.
#[derive(Debug)]
pub(super) struct Trouble {
    /// For the count by kind: a SQLSTATE, or a word of ours.
    pub kind: String,
    /// The session was lost before the answer: nobody knows whether it was done.
    pub in_doubt: bool,
    /// The request itself is wrong (SQLSTATE classes 22 and 23): trying again can't help.
    pub hopeless: bool,
}

impl Client {
    pub fn new(conf_path: PathBuf) -> Self {
        Self { conf_path, conf: None, session: None }
    }

    /// The users that this client, `index` of `clients`, will serve.
    pub async fn users(&mut self, index: usize, clients: usize, seed: u64) -> Result<Users, Trouble> {
        let (db, dialect) = self.session().await?;
        let count = |n: usize| i64::try_from(n).unwrap_or(i64::MAX);
        let share = (LOGINS_AT_MOST / count(clients).max(1)).max(1);
        let read = async {
            let applications = db.rows(SELECT_APPLICATIONS, &[]).await?;
            let logins = dialect.statements().select_logins;
            Ok::<_, Error>((applications, db.rows(logins, &[&count(clients), &count(index), &share]).await?))
        };
        let (applications, found) = match tokio::time::timeout(ANSWER_TIMEOUT, read).await {
            Ok(read) => read.map_err(|e| self.refused(&e))?,
            Err(_) => return Err(self.silent()),
        };
        let applications = applications.iter().filter_map(|row| row.try_get(0).ok()).collect();
        Users::new(applications, &found, seed).map_err(|e| Trouble::unreadable(&e))
    }

    /// Asks for one operation, once, of whatever database the configuration file names now.
    pub async fn ask(&mut self, operation: &Operation) -> Result<Answer, Trouble> {
        let (db, dialect) = self.session().await?;
        let parameters = operation.parameters();
        let parameters: Vec<&(dyn ToSql + Sync)> = parameters.iter().map(|text| text as &(dyn ToSql + Sync)).collect();
        let answer = tokio::time::timeout(ANSWER_TIMEOUT, db.rows(operation.sql(dialect), &parameters)).await;
        let rows = match answer {
            Ok(rows) => rows.map_err(|e| self.refused(&e))?,
            Err(_) => return Err(self.silent()),
        };
        let receipts = rows.iter().map(Receipt::read).collect::<Result<_>>();
        Ok(Answer { dialect, receipts: receipts.map_err(|e| Trouble::unreadable(&e))? })
    }

    /// The session, made anew where the configuration names another database or the old one is lost.
    async fn session(&mut self) -> Result<(&Db, Dialect), Trouble> {
        let stamp = stamp(&self.conf_path).await.map_err(|_| Trouble::new("no configuration"))?;
        let conf = match self.conf.take() {
            Some((seen, conf)) if seen == stamp => conf,
            old => {
                let conf = Conf::read(&self.conf_path).await.map_err(|_| Trouble::new("no configuration"))?;
                if old.is_some_and(|(_, old)| old != conf) {
                    self.session = None;
                }
                conf
            }
        };
        let (target, dialect) = (conf.target.clone(), conf.dialect);
        self.conf = Some((stamp, conf));
        let db = match self.session.take().filter(|db| !db.is_closed()) {
            Some(db) => db,
            None => match target.connect(Access::ReadWrite).await {
                Ok(db) => configured(db).await.map_err(|e| Trouble::new(kind(&e)))?,
                Err(e) => return Err(Trouble::new(kind(&e))),
            },
        };
        Ok((self.session.insert(db), dialect))
    }

    /// The server said no, or the session was lost: look at the configuration file again.
    fn refused(&mut self, e: &Error) -> Trouble {
        self.forget_stamp();
        if e.is_lost() {
            self.session = None;
        }
        let kind = kind(e);
        let hopeless = kind.starts_with("22") || kind.starts_with("23");
        Trouble { kind, in_doubt: e.is_lost(), hopeless }
    }

    /// No answer in time: the session is given up.
    fn silent(&mut self) -> Trouble {
        self.forget_stamp();
        self.session = None;
        Trouble { in_doubt: true, ..Trouble::new("no answer") }
    }

    fn forget_stamp(&mut self) {
        if let Some((stamp, _)) = &mut self.conf {
            *stamp = (0, SystemTime::UNIX_EPOCH);
        }
    }
}

impl Trouble {
    fn new(kind: impl Into<String>) -> Self {
        Self { kind: kind.into(), in_doubt: false, hopeless: false }
    }

    /// The statement was carried out, but what it answered is not what its dialect says: never acknowledged.
    fn unreadable(e: &Failure) -> Self {
        tracing::warn!(error = %e, "a client can't read its answer");
        Self { in_doubt: true, hopeless: true, ..Self::new("unreadable answer") }
    }
}

/// A service's session: it names itself, and no statement waits for ever.
async fn configured(db: Db) -> Result<Db, Error> {
    let timeout = STATEMENT_TIMEOUT.as_millis();
    db.run(&format!("SET application_name = 'oauth engine'; SET statement_timeout = {timeout}")).await?;
    Ok(db)
}

fn kind(e: &Error) -> String {
    match e.code() {
        Some(code) => code.code().to_owned(),
        None => "connection lost".to_owned(),
    }
}

async fn stamp(path: &Path) -> std::io::Result<Stamp> {
    let metadata = tokio::fs::metadata(path).await?;
    Ok((metadata.ino(), metadata.modified()?))
}
