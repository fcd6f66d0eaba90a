//! What a session of ours waits for while it works: named at once, and left alone where we would stand in the way.

use std::time::{Duration, Instant};

use crate::catalog::waiting_for;
use crate::ddl::lex::{Lexer, TokenKind};
use crate::error::Result;
use crate::postgres::{Db, Error};
use crate::step::{Notices, Unit};

/// How often it is looked: several times within the shortest sensible `lock_timeout`.
const EVERY: Duration = Duration::from_millis(100);
/// How often the same ones are named again, older by then.
const SAY_AGAIN: Duration = Duration::from_secs(10);
/// Characters of a query that are shown.
const SHOWN: usize = 60;

/// A second session that looks at the first one. It never holds a snapshot longer than a look takes: a concurrent build of
/// ours would wait for it.
pub(super) struct Watch<'a> {
    pub(super) watcher: &'a Db,
    /// The session that works, and its server process.
    pub(super) db: &'a Db,
    pub(super) pid: i32,
    pub(super) notices: &'a Notices,
}

/// How a watched statement ended.
pub(super) struct Watched {
    pub(super) result: Result<(), Error>,
    /// Whoever was in the way the last time that somebody was.
    pub(super) holders: Vec<String>,
    /// We cancelled it: it stood too long in the queue for a table's lock, where others queue behind it.
    pub(super) gave_way: bool,
}

impl Watch<'_> {
    /// Awaits `work`, naming who is in the way. `give_way`: how long it may stand in the queue for a relation's lock, for
    /// statements whose other waits are long by nature, so that `lock_timeout` can't tell them apart.
    pub(super) async fn over(
        &self,
        work: impl Future<Output = Result<(), Error>>,
        give_way: Option<Duration>,
    ) -> Watched {
        let mut work = std::pin::pin!(work);
        let (mut holders, mut gave_way) = (Vec::new(), false);
        let mut said: (Vec<Option<i32>>, Option<Instant>) = (Vec::new(), None);
        let result = loop {
            tokio::select! {
                result = &mut work => break result,
                () = tokio::time::sleep(EVERY) => {}
            }
            // A look that fails is met by the work itself, or by the next look.
            let now = waiting_for(self.watcher, self.pid).await.unwrap_or_default();
            if !now.is_empty() {
                holders = now.iter().map(|holder| with_query(&holder.describe(), &holder.query)).collect();
                let pids: Vec<Option<i32>> = now.iter().map(|holder| holder.pid).collect();
                if said.0 != pids || said.1.is_none_or(|at| at.elapsed() > SAY_AGAIN) {
                    self.notices.waiting(holders.join("; "));
                    said = (pids, Some(Instant::now()));
                }
            }
            if let Some(limit) = give_way
                && self.queued_for().await > limit
            {
                gave_way = true;
                self.db.cancel().await;
            }
            self.tell_progress().await;
        };
        Watched { result, holders, gave_way }
    }

    async fn queued_for(&self) -> Duration {
        let sql = include_str!("../../postgres/sql/select_relation_wait.sql");
        let row = self.watcher.maybe_row(sql, &[&self.pid]).await.ok().flatten();
        row.map_or(Duration::ZERO, |row| Duration::from_millis(u64::try_from(row.get::<_, i64>("millis")).unwrap_or(0)))
    }

    async fn tell_progress(&self) {
        let sql = include_str!("../../postgres/sql/select_build_progress.sql");
        let Ok(Some(row)) = self.watcher.maybe_row(sql, &[&self.pid]).await else { return };
        let number = |column: &str| u64::try_from(row.get::<_, Option<i64>>(column).unwrap_or(0)).unwrap_or(0);
        let object = format!(
            "{}: {}",
            row.get::<_, String>("relation"),
            row.get::<_, Option<String>>("phase").unwrap_or_default()
        );
        let (tuples, of_tuples) = (number("tuples_done"), number("tuples_total"));
        if of_tuples > 0 {
            self.notices.progress(tuples, of_tuples, Unit::Rows, object);
        } else {
            self.notices.progress(number("done"), number("total"), Unit::Bytes, object);
        }
    }
}

/// `pid 4711 (app, psql, idle in transaction for 12 s) holding public.token, last ran: SELECT …`
fn with_query(holder: &str, query: &str) -> String {
    let shown = without_values(query);
    if shown.is_empty() { holder.to_owned() } else { format!("{holder}, last ran: {shown}") }
}

/// A query's text, in one line and without what stands in quotes: values may be secrets, and notices are kept.
fn without_values(query: &str) -> String {
    let mut text = String::new();
    for token in Lexer::new(query) {
        // Cut by the server in the middle of a string: what is left of it is a value.
        let Ok(token) = token else { break };
        match token.kind {
            TokenKind::Blank | TokenKind::Comment => text.push(' '),
            TokenKind::Word | TokenKind::Symbol => text.push_str(token.text(query)),
            TokenKind::QuotedName if token.text(query).starts_with('"') => text.push_str(token.text(query)),
            _ => text.push('…'),
        }
    }
    let words = text.split_whitespace().collect::<Vec<_>>().join(" ");
    if words.chars().count() <= SHOWN {
        return words;
    }
    words.chars().take(SHOWN).collect::<String>() + "…"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_is_shown_without_its_values() {
        assert_eq!(
            without_values("UPDATE \"T\"  SET secret = 'hunter2',\n n = 42 WHERE x = $$a$$ AND y = E'it\\'s"),
            "UPDATE \"T\" SET secret = …, n = … WHERE x = … AND y ="
        );
        assert_eq!(without_values(&"SELECT a ".repeat(20)).chars().count(), SHOWN + 1);
        assert_eq!(without_values(""), "");
    }
}
