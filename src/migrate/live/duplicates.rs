//! What would make a unique index fail, looked for before it is built: a concurrent build reads the table twice, and finds
//! the first duplicate at its end, with an invalid index to drop.

use super::run::Work;
use crate::ddl::lex::{Lexer, Token, TokenKind};
use crate::ddl::read::{Reading, read};
use crate::error::{Context, Failure, Result};
use crate::units::{count, thousands};

/// Fails where the index that the statement makes can't be unique. Where its key is not told with certainty, the build finds
/// out.
pub(super) async fn refuse(work: &Work<'_>) -> Result<()> {
    let Some(query) = query(&work.step.sql) else { return Ok(()) };
    work.watch.notices.waiting("a look for duplicates, before the index is built");
    let row = work.watch.db.row(&query, &[]).await.context(format!("{}: looking for duplicates", work.place()))?;
    let (keys, rows): (i64, i64) = (row.get("keys"), row.get("rows"));
    let (keys, rows) = (u64::try_from(keys).unwrap_or(0), u64::try_from(rows).unwrap_or(0));
    if keys == 0 {
        return Ok(());
    }
    let path = work.live.order.migration.path.display();
    let what = format!("{} stand in {} rows", count(keys, "key"), thousands(rows));
    Err(Failure::failed(format!("{path}:{}: blue: the index can't be unique: {what}", work.part.line))
        .at(&work.live.order.migration.path, work.part.line)
        .detail(format!("{}\n{query}", work.step.sql))
        .state("the index was not begun; the statements before it stay; blue serves")
        .hint("remove the duplicates, then run the same command again: it goes on with this statement"))
}

/// Counts the keys that stand there more than once, and their rows.
fn query(sql: &str) -> Option<String> {
    let Reading::CreateIndex(create) = read(sql) else { return None };
    if !create.unique {
        return None;
    }
    let tokens: Vec<Token> = Lexer::new(sql).collect::<Result<_, _>>().ok()?;
    let tokens: Vec<Token> = tokens.into_iter().filter(|token| !token.is_gap()).collect();
    let on = tokens.iter().position(|token| token.is_word(sql, "ON"))?;
    let open = on + tokens.get(on..)?.iter().position(|token| token.is_symbol(sql, "("))?;
    let table = sql.get(tokens.get(on)?.end..tokens.get(open)?.start)?;
    // `USING method` stands between the two.
    let table = tokens
        .get(on..open)?
        .iter()
        .find(|token| token.is_word(sql, "USING"))
        .map_or(table, |using| sql.get(tokens.get(on).map_or(0, |on| on.end)..using.start).unwrap_or(table));
    let table = table.trim().strip_prefix("ONLY ").unwrap_or(table.trim());
    let mut elements = vec![Vec::new()];
    let mut depth = 0;
    let mut close = None;
    for (at, token) in tokens.iter().enumerate().skip(open) {
        if token.is_symbol(sql, "(") {
            depth += 1;
        } else if token.is_symbol(sql, ")") {
            depth -= 1;
        }
        if depth == 0 {
            close = Some(at);
            break;
        }
        if depth == 1 && token.is_symbol(sql, ",") {
            elements.push(Vec::new());
        } else if at > open {
            elements.last_mut()?.push(*token);
        }
    }
    let rest = tokens.get(close? + 1..)?;
    // NULLS NOT DISTINCT (15): NULLs count as alike then.
    let alike = rest.windows(2).any(|pair| pair.iter().zip(["NOT", "DISTINCT"]).all(|(t, word)| t.is_word(sql, word)));
    let condition = rest.iter().find(|token| token.is_word(sql, "WHERE")).and_then(|token| sql.get(token.end..));
    let keys = elements.iter().map(|element| key(sql, element)).collect::<Option<Vec<_>>>()?;
    let mut wanted: Vec<String> =
        if alike { Vec::new() } else { keys.iter().map(|key| format!("({key}) IS NOT NULL")).collect() };
    wanted.extend(condition.map(|condition| format!("({})", condition.trim())));
    let filter = if wanted.is_empty() { String::new() } else { format!(" WHERE {}", wanted.join(" AND ")) };
    Some(format!(
        "SELECT pg_catalog.count(*) AS keys, coalesce(pg_catalog.sum(n), 0)::bigint AS rows FROM \
         (SELECT pg_catalog.count(*) AS n FROM ONLY {table}{filter} GROUP BY {} HAVING pg_catalog.count(*) > 1) AS d",
        keys.join(", ")
    ))
}

/// One element of the key: a column, a call, or an expression in parentheses; none where an operator class or a collation
/// says what counts as alike.
fn key(sql: &str, element: &[Token]) -> Option<String> {
    let order = ["ASC", "DESC", "NULLS", "FIRST", "LAST"];
    let end = element.iter().rposition(|token| !order.iter().any(|word| token.is_word(sql, word)))?;
    let element = element.get(..=end)?;
    let text = sql.get(element.first()?.start..element.last()?.end)?;
    let plain = |token: &Token| matches!(token.kind, TokenKind::Word | TokenKind::QuotedName);
    let grouped = |tokens: &[Token]| {
        let mut depth = 0;
        let closes = tokens.iter().position(|token| {
            depth += i32::from(token.is_symbol(sql, "(")) - i32::from(token.is_symbol(sql, ")"));
            depth == 0
        });
        closes.is_some_and(|at| at > 0 && at + 1 == tokens.len())
    };
    let fits = match element {
        [column] => plain(column),
        [first, ..] if first.is_symbol(sql, "(") => grouped(element),
        [call, rest @ ..] => plain(call) && grouped(rest),
        [] => false,
    };
    // A bare number would be a position in GROUP BY; in an index it can only stand in parentheses.
    fits.then(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::query;

    #[test]
    fn the_key_is_told_or_the_build_finds_out() {
        let of = |sql: &str| query(sql);
        let plain =
            of("CREATE UNIQUE INDEX CONCURRENTLY i ON a.\"T\" USING btree (x DESC NULLS LAST, lower(y)) WHERE z > 1");
        assert_eq!(
            plain.unwrap(),
            "SELECT pg_catalog.count(*) AS keys, coalesce(pg_catalog.sum(n), 0)::bigint AS rows FROM (SELECT \
             pg_catalog.count(*) AS n FROM ONLY a.\"T\" WHERE (x) IS NOT NULL AND (lower(y)) IS NOT NULL AND (z > 1) \
             GROUP BY x, lower(y) HAVING pg_catalog.count(*) > 1) AS d"
        );
        let alike = of("CREATE UNIQUE INDEX CONCURRENTLY i ON t ((a || b)) INCLUDE (c) NULLS NOT DISTINCT").unwrap();
        assert!(alike.contains("ONLY t GROUP BY (a || b) HAVING"), "{alike}");
        assert!(of("CREATE INDEX CONCURRENTLY i ON t (x)").is_none());
        assert!(of("CREATE UNIQUE INDEX CONCURRENTLY i ON t (x COLLATE \"C\")").is_none());
        assert!(of("CREATE UNIQUE INDEX CONCURRENTLY i ON t (x text_pattern_ops)").is_none());
    }
}
