//! The queries of `lint --workload`.

use std::path::Path;

use super::files::database;
use crate::ddl::lex::Lexer;
use crate::ddl::read_sql_file;
use crate::ddl::workload::Query;
use crate::error::{Failure, Result};
use crate::postgres::{Access, Ident, Target};

/// Whose queries, for people, and the queries.
pub async fn read(named: &str) -> Result<(String, Vec<Query>)> {
    match database(named, "the workload's database")? {
        Some(target) => Ok((format!("pg_stat_statements of {}", target.address()), ran(&target).await?)),
        None => Ok((named.to_owned(), written(Path::new(named))?)),
    }
}

fn written(path: &Path) -> Result<Vec<Query>> {
    let file = read_sql_file(path)?;
    let query = |statement: &crate::ddl::Statement| Query {
        text: statement.text(&file.text).to_owned(),
        calls: None,
        line: Some(statement.line),
    };
    Ok(file.statements.iter().map(query).collect())
}

/// What ran on a live database. Its literals were replaced by the extension itself.
pub async fn ran(target: &Target) -> Result<Vec<Query>> {
    let db = target.connect(Access::ReadOnly).await?;
    let schema = "SELECT n.nspname::text FROM pg_catalog.pg_extension e \
                  JOIN pg_catalog.pg_namespace n ON n.oid = e.extnamespace WHERE e.extname = 'pg_stat_statements'";
    let Some(schema) = db.maybe_row(schema, &[]).await? else {
        return Err(Failure::failed(format!(
            "{}: it has no pg_stat_statements, so nobody knows what runs there",
            db.name
        ))
        .hint(
            "shared_preload_libraries = 'pg_stat_statements' in its settings, a restart, then in the database: \
                 CREATE EXTENSION pg_stat_statements; or name a file of queries: --workload FILE",
        ));
    };
    let schema: String = schema.get(0);
    db.run(&format!("SET search_path = {}, pg_catalog", Ident::new(schema))).await?;
    let rows = db.rows(include_str!("../postgres/sql/select_workload.sql"), &[]).await.map_err(|e| {
        Failure::from(e)
            .context("reading pg_stat_statements")
            .hint("the library must be loaded too: shared_preload_libraries = 'pg_stat_statements', and a restart")
    })?;
    let hidden = |text: &str| text == "<insufficient privilege>";
    let queries = rows.iter().map(|row| (row.get::<_, String>("query"), row.get::<_, i64>("calls")));
    let queries: Vec<Query> = queries
        .filter(|(text, _)| hidden(text) || asks(text))
        .map(|(text, calls)| Query { text, calls: u64::try_from(calls).ok(), line: None })
        .collect();
    if queries.iter().any(|query| hidden(&query.text)) {
        return Err(Failure::failed(format!("{}: queries of other roles are hidden from {}", db.name, target.user()))
            .context("reading pg_stat_statements")
            .hint(format!("GRANT pg_read_all_stats TO {}", Ident::new(target.user()))));
    }
    Ok(queries)
}

/// Whether it is a query or a call, and no command that sets, locks, copies or changes the schema.
fn asks(text: &str) -> bool {
    const ASK: [&str; 9] = ["SELECT", "INSERT", "UPDATE", "DELETE", "WITH", "MERGE", "VALUES", "CALL", "DO"];
    let mut tokens = Lexer::new(text).map_while(std::result::Result::ok).filter(|token| !token.is_gap());
    tokens.find(|token| !token.is_symbol(text, "(")).is_some_and(|first| ASK.iter().any(|ask| first.is_word(text, ask)))
}
