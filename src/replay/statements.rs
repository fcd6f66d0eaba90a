//! The plan's replay and verify statements of one event, bound to its columns and prepared on green.

use std::collections::BTreeMap;

use tokio_postgres::types::ToSql;

use crate::ddl::{Bound, bind};
use crate::error::{Failure, Result};
use crate::plan::Event;
use crate::postgres::{Db, Text};

/// A row's image: text per column, `None` for NULL.
pub type Image = BTreeMap<String, Option<String>>;

/// One statement, prepared.
struct Prepared {
    statement: tokio_postgres::Statement,
    columns: Vec<String>,
}

impl Prepared {
    async fn new(green: &Db, event: &str, what: &str, sql: &str) -> Result<Self> {
        let context = || format!("event {event:?}: {what}");
        let Bound { sql, params } = bind(sql).map_err(|e| Failure::usage(format!("{}: {e}", context())))?;
        let statement = green
            .prepare(&sql)
            .await
            .map_err(|e| Failure::from(green.error(e).doing(context())).detail(sql.clone()))?;
        Ok(Self { statement, columns: params })
    }

    fn values(&self, event: &str, image: &Image) -> Result<Vec<Text>> {
        let value = |column: &String| match image.get(column) {
            Some(value) => Ok(Text(value.clone())),
            None => Err(Failure::usage(format!("event {event:?}: its table has no column {column:?}"))),
        };
        self.columns.iter().map(value).collect()
    }
}

/// The statements of one event, prepared on one session of green.
pub struct Statements {
    event: String,
    replay: Vec<Prepared>,
    verify: Prepared,
}

impl Statements {
    /// Binds and prepares them: names and types are checked by green itself, before any event needs them.
    pub async fn prepare(green: &Db, event: &Event) -> Result<Self> {
        let mut replay = Vec::with_capacity(event.replay.len());
        for sql in &event.replay {
            replay.push(Prepared::new(green, &event.name, "its replay", sql).await?);
        }
        let verify = Prepared::new(green, &event.name, "its verify", &event.verify).await?;
        Ok(Self { event: event.name.clone(), replay, verify })
    }

    /// The columns that the statements name.
    pub fn columns(&self) -> impl Iterator<Item = &str> {
        self.replay.iter().chain([&self.verify]).flat_map(|p| p.columns.iter().map(String::as_str))
    }

    /// Runs the replay in the session's open transaction; gives the number of rows that it touched.
    pub async fn replay(&self, green: &Db, image: &Image) -> Result<u64, ReplayError> {
        let mut touched = 0;
        for prepared in &self.replay {
            let values = prepared.values(&self.event, image).map_err(ReplayError::Plan)?;
            touched += green
                .execute_raw(&prepared.statement, values.iter().map(|v| v as &dyn ToSql))
                .await
                .map_err(|e| ReplayError::Server(green.error(e)))?;
        }
        Ok(touched)
    }

    /// Whether green shows the event: its verify returns no row.
    pub async fn holds(&self, green: &Db, image: &Image) -> Result<bool> {
        let values = self.verify.values(&self.event, image)?;
        let params: Vec<&(dyn ToSql + Sync)> = values.iter().map(|v| v as &(dyn ToSql + Sync)).collect();
        let rows = green
            .query(&self.verify.statement, &params)
            .await
            .map_err(|e| green.error(e).doing(format!("event {:?}: verifying it", self.event)))?;
        Ok(rows.is_empty())
    }
}

/// Why a replay did not happen.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    /// The plan's statement names what the event has not.
    #[error("{0}")]
    Plan(Failure),
    /// Another process took the run over.
    #[error("lost the lease: another process took the run over")]
    LostLease,
    /// Green refused, or is gone.
    #[error("{0}")]
    Server(crate::postgres::Error),
}

impl ReplayError {
    /// Whether it says nothing about the event: the session is gone, or the run is another's.
    pub fn ends_the_run(&self) -> bool {
        match self {
            Self::Plan(_) => false,
            Self::LostLease => true,
            Self::Server(e) => e.is_lost(),
        }
    }
}

impl From<ReplayError> for Failure {
    fn from(e: ReplayError) -> Self {
        match e {
            ReplayError::Plan(failure) => failure,
            ReplayError::LostLease => Self::failed(e.to_string()).hint("migrate status"),
            ReplayError::Server(e) => e.into(),
        }
    }
}
