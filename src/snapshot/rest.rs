//! What comes after indexes and foreign keys: everything else of the section.

use tokio_postgres::error::SqlState;
use tokio_util::sync::CancellationToken;

use crate::error::{Context, Result};
use crate::postgres::{Db, Error, Target};
use crate::step::{Notices, Unit};

use super::ends::Ends;
use super::interrupted;
use super::line::connect;
use super::post_data::PostData;

/// Runs what remains, in the dump's order: triggers, rules, policies, statistics, comments, REFRESH, marks.
///
/// Green was empty, so an object that is there already (after a crash) is this dump's own: skipped. ALTER, COMMENT, GRANT
/// and REFRESH may run twice.
pub async fn restore_rest(
    green: &Target,
    post: &PostData,
    notices: &Notices,
    cancel: &CancellationToken,
) -> Result<()> {
    let session = connect(green).await?;
    let total = post.rest.len() as u64;
    for (done, sql) in (0..).zip(&post.rest) {
        notices.progress(done, total, Unit::Tables, "");
        run(&session, sql, cancel, || format!("restoring: {}", first_line(sql))).await?;
    }
    notices.progress(total, total, Unit::Tables, "");
    Ok(())
}

/// Runs one statement; ends it on the server too where `cancel` says so.
async fn run<D: std::fmt::Display>(
    session: &Db,
    sql: &str,
    cancel: &CancellationToken,
    doing: impl Fn() -> D,
) -> Result<()> {
    let mut ends = Ends::default();
    ends.add(session);
    let ran = tokio::select! {
        ran = session.run(sql) => match ran {
            Err(e) if is_there(&e) => Ok(()),
            ran => ran.with_context(doing),
        },
        () = cancel.cancelled() => Err(interrupted(&doing().to_string())),
    };
    ends.settle(ran).await
}

fn is_there(e: &Error) -> bool {
    const THERE: [SqlState; 3] = [SqlState::DUPLICATE_OBJECT, SqlState::DUPLICATE_TABLE, SqlState::DUPLICATE_FUNCTION];
    e.code().is_some_and(|code| THERE.contains(code))
}

fn first_line(sql: &str) -> &str {
    sql.lines().next().unwrap_or_default()
}
