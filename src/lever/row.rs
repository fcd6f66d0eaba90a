//! What blue itself tells of the levers that were turned for it: `teal.lever`.

use jiff::Timestamp;
use serde::Serialize;

use crate::error::{Context, Result};
use crate::postgres::Db;

/// One lever, by blue's clock.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct LeverRow {
    /// Its name in the plan.
    pub name: String,
    /// When `before` was begun: from then on it counts as turned.
    pub turning_at: Timestamp,
    /// When `before` had ended well.
    pub turned_at: Option<Timestamp>,
    /// When `after` had ended well.
    pub back_at: Option<Timestamp>,
}

/// The levers in the order in which they were turned; none where no run has turned any.
pub async fn read_levers(blue: &Db) -> Result<Vec<LeverRow>> {
    let exists: bool = blue.row("SELECT pg_catalog.to_regclass('teal.lever') IS NOT NULL", &[]).await?.get(0);
    if !exists {
        return Ok(Vec::new());
    }
    let rows = blue.rows(include_str!("../postgres/sql/select_levers.sql"), &[]).await.context("the levers")?;
    let time = |micros: i64| Timestamp::from_microsecond(micros).unwrap_or(Timestamp::UNIX_EPOCH);
    let one = |row: &tokio_postgres::Row| LeverRow {
        name: row.get("name"),
        turning_at: time(row.get("turning_at")),
        turned_at: row.get::<_, Option<i64>>("turned_at").map(time),
        back_at: row.get::<_, Option<i64>>("back_at").map(time),
    };
    Ok(rows.iter().map(one).collect())
}

/// To be done before `before` runs: from here on every machine knows that the lever may be turned.
pub(super) async fn note_turning(blue: &Db, lever: &str) -> Result<()> {
    blue.run(include_str!("../postgres/sql/create_lever.sql")).await.context("noting a lever")?;
    blue.execute(include_str!("../postgres/sql/upsert_lever.sql"), &[&lever]).await.context("noting a lever")?;
    Ok(())
}

/// Gives the time by blue's clock, to the microsecond.
pub(super) async fn note_turned(blue: &Db, lever: &str) -> Result<Timestamp> {
    let now = blue.clock().await?;
    let sql = "UPDATE teal.lever SET turned_at = pg_catalog.to_timestamp($2) WHERE name = $1";
    let seconds = now.as_microsecond() as f64 / 1e6;
    blue.execute(sql, &[&lever, &seconds]).await.context("noting a lever")?;
    Ok(now)
}

pub(super) async fn note_back(blue: &Db, lever: &str) -> Result<()> {
    let sql = "UPDATE teal.lever SET back_at = pg_catalog.clock_timestamp() WHERE name = $1";
    blue.execute(sql, &[&lever]).await.context("noting a lever")?;
    Ok(())
}

/// Drops what blue tells of levers, when all of them are back.
pub async fn forget_levers(blue: &Db) -> Result<()> {
    Ok(blue.run("DROP TABLE IF EXISTS teal.lever").await.map_err(|e| e.doing("dropping what it tells of levers"))?)
}
