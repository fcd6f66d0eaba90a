//! A server's own clock: what several machines can agree on.

use jiff::Timestamp;

use super::{Db, Error};

impl Db {
    /// The time by the server's clock, to the microsecond.
    pub async fn clock(&self) -> Result<Timestamp, Error> {
        let sql = "SELECT (extract(epoch FROM pg_catalog.clock_timestamp()) * 1000000)::int8";
        let micros: i64 = self.row(sql, &[]).await?.get(0);
        // A server's timestamps end long before what an i64 of microseconds holds: this never falls back.
        Ok(Timestamp::from_microsecond(micros).unwrap_or_else(|_| Timestamp::now()))
    }
}
