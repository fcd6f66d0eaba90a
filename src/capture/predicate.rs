//! The plan's predicate, resolved by the server itself.
//!
//! The plan says `ends = "active"`; a trigger needs `old.active` or `new.active`. Rewriting SQL by hand would guess at
//! names. Instead the server parses the predicate in a temporary view over the table under the alias that is wanted,
//! and gives it back through `pg_get_viewdef` under an empty `search_path`: with every column behind the alias, and
//! every function, operator and type behind its schema, exact whatever path a later session has.

use crate::ddl::lex::Lexer;
use crate::error::{Context, Failure, Result};
use crate::postgres::{Db, Name};

/// The predicate over `old` and over `new`: conditions, to be used where NULL counts as false or behind `IS TRUE`. They
/// carry none themselves: every node of a trigger's WHEN is read anew by each statement on the table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Predicate {
    /// Over the row before.
    pub old: String,
    /// Over the row after.
    pub new: String,
}

/// The table's alias in the view; replaced afterwards, since a view's own rule already has an `old` and a `new` and the
/// server would call ours `old_1`. No column or function can be meant by it: every column stands behind it.
const ALIAS: &str = "teal_row";

/// Resolves the plan's `predicate` over `table`, in a transaction of its own that leaves nothing behind.
///
/// Found on 15.18: with one table in FROM `pg_get_viewdef` leaves columns bare, with two it puts the alias before every
/// one; hence the second, constant one.
pub async fn resolve_predicate(db: &Db, table: &Name, predicate: &str) -> Result<Predicate> {
    let resolving = || format!("the predicate {predicate:?} over {}", table.plain());
    // The newline ends a comment that the plan's text may end in.
    let view = format!(
        "BEGIN; CREATE TEMP VIEW teal_predicate AS SELECT 1 AS one FROM {table} AS {ALIAS}, \
         (SELECT 1 AS two) AS teal_second WHERE ({predicate}\n); SET LOCAL search_path = ''"
    );
    let text = async {
        db.run(&view).await?;
        let sql = "SELECT pg_catalog.pg_get_viewdef('pg_temp.teal_predicate'::pg_catalog.regclass, false)";
        db.row(sql, &[]).await.map(|row| row.get::<_, String>(0))
    }
    .await;
    db.run("ROLLBACK").await?;
    let text = text.with_context(resolving)?;
    let over = |alias| {
        let text = condition(&text, alias);
        text.ok_or_else(|| Failure::failed("the server gave no condition back").context(resolving()))
    };
    Ok(Predicate { old: over("old")?, new: over("new")? })
}

/// The text behind the last `WHERE` that stands in no parentheses, without the closing semicolon, and with `alias` for
/// [`ALIAS`].
fn condition(view: &str, alias: &str) -> Option<String> {
    let mut depth = 0_i32;
    let mut text = None;
    for token in Lexer::new(view) {
        let token = token.ok()?;
        match token.text(view) {
            "(" => depth += 1,
            ")" => depth -= 1,
            _ => {}
        }
        if depth == 0 && token.is_word(view, "where") {
            text = Some(String::new());
        } else if let Some(text) = &mut text {
            text.push_str(if token.is_word(view, ALIAS) { alias } else { token.text(view) });
        }
    }
    text.map(|text| text.trim().trim_end_matches(';').to_owned())
}

#[cfg(test)]
mod tests {
    use super::condition;

    #[test]
    fn the_condition_is_the_outer_one_over_the_alias_wanted() {
        let view = " SELECT 1 AS one\n FROM t teal_row\n WHERE ((teal_row.a = 'where teal_row;') AND (1 = ( SELECT 2 WHERE true)));";
        let old = "((old.a = 'where teal_row;') AND (1 = ( SELECT 2 WHERE true)))";
        assert_eq!(condition(view, "old").unwrap(), old);
        assert_eq!(condition("SELECT 1;", "old"), None);
    }
}
