//! Events tried on the migrated copy: their statements are prepared there, and where it holds rows, carried out.

use std::collections::BTreeMap;

use super::event::{Doubt, Draft, Settler};
use super::facts::TableFacts;
use crate::error::Result;
use crate::plan::{Event, When};
use crate::postgres::{Access, Db, Name, Target};
use crate::replay::Statements;
use crate::units::thousands;

/// Rows of each kind that are looked for on green.
const SAMPLE: i64 = 1_000;

/// Settles what can be settled: doubts that rows can prove away go, what the copy refuses comes.
///
/// `blue` holds the same rows as the copy did before its migrations.
pub async fn prove(draft: &mut Draft, table: &TableFacts, blue: &Db, green: &Target, has_rows: bool) -> Result<()> {
    if draft.key_on_blue.is_empty() || draft.is_example() {
        return Ok(());
    }
    let db = green.connect(Access::ReadWrite).await?;
    let event = Event {
        name: draft.name.clone(),
        table: draft.written.clone(),
        when: When::Ends(draft.ends.clone()),
        key: draft.key.clone(),
        replay: vec![draft.replay.clone()],
        verify: draft.verify.clone(),
    };
    let statements = match Statements::prepare(&db, &event).await {
        Ok(statements) => statements,
        Err(e) => {
            draft.doubts.push(Doubt::about_green(format!("the migrated copy refuses it: {}", e.what)));
            return Ok(());
        }
    };
    if !has_rows {
        return Ok(());
    }
    match on_rows(draft, &table.name, blue, &db, &statements).await {
        Ok(Ok(proof)) => {
            draft.doubts.retain(|doubt| doubt.by != Settler::Rows);
            draft.because.push(proof);
        }
        Ok(Err(Some(refuted))) => draft.doubts.push(Doubt::about_green(refuted)),
        // No row to try it on.
        Ok(Err(None)) => {}
        Err(e) => draft.doubts.push(Doubt::about_green(format!("trying it on the migrated copy failed: {}", e.what))),
    }
    Ok(())
}

/// The proof in words; or what refutes it; or nothing, where there is no live row.
async fn on_rows(
    draft: &Draft,
    table: &Name,
    blue: &Db,
    green: &Db,
    statements: &Statements,
) -> Result<Result<String, Option<String>>> {
    let live = sample(draft, table, blue, true).await?;
    let ended = sample(draft, table, blue, false).await?;
    let Some(first) = live.first() else { return Ok(Err(None)) };
    let (live_there, ended_there) =
        (live_on_green(draft, green, &live).await?, live_on_green(draft, green, &ended).await?);
    if live_there != live.len() || ended_there != 0 {
        return Ok(Err(Some(format!(
            "on the migrated copy {live_there} of {} live rows are live, and {ended_there} of {} ended ones",
            live.len(),
            ended.len()
        ))));
    }
    // Only provable doubts ask whether green's words mean the same: without an ended row nobody has shown it.
    if ended.is_empty() && draft.doubts.iter().any(|doubt| doubt.by == Settler::Rows) {
        return Ok(Err(None));
    }
    let image: BTreeMap<String, Option<String>> = first.image.clone();
    green.run("BEGIN").await?;
    let tried = statements.replay(green, &image).await;
    let holds = match &tried {
        Ok(_) => statements.holds(green, &image).await,
        Err(_) => Ok(false),
    };
    green.run("ROLLBACK").await?;
    let rows = match tried {
        Ok(rows) => rows,
        Err(e) => return Ok(Err(Some(format!("the migrated copy refuses the replay: {e}")))),
    };
    if rows != 1 || !holds? {
        return Ok(Err(Some(format!(
            "tried on the migrated copy, the replay touched {rows} rows and verify found one"
        ))));
    }
    let live = thousands(live.len() as u64);
    let and_ended =
        if ended.is_empty() { String::new() } else { format!(" and {} ended", thousands(ended.len() as u64)) };
    Ok(Ok(format!(
        "tried on the migrated copy: {live} live{and_ended} rows of blue are so on green, and the replay ends one"
    )))
}

/// One row of blue: its key as one text, and the key columns as an event has them.
struct Sampled {
    key: String,
    image: BTreeMap<String, Option<String>>,
}

async fn sample(draft: &Draft, table: &Name, blue: &Db, live: bool) -> Result<Vec<Sampled>> {
    let columns: Vec<String> = draft.key_on_blue.iter().map(|column| format!("{column}::pg_catalog.text")).collect();
    let sql = format!(
        "SELECT ROW({})::pg_catalog.text, {} FROM {table} WHERE ({}) IS {} LIMIT {SAMPLE}",
        draft.key_on_blue.join(", "),
        columns.join(", "),
        draft.ends,
        if live { "TRUE" } else { "NOT TRUE" },
    );
    let rows = blue.rows(&sql, &[]).await?;
    let names: Vec<String> = draft.key_on_blue.iter().map(|written| unquoted(written)).collect();
    let one = |row: &tokio_postgres::Row| Sampled {
        key: row.get(0),
        image: names.iter().enumerate().map(|(at, name)| (name.clone(), row.get(at + 1))).collect(),
    };
    Ok(rows.iter().map(one).collect())
}

async fn live_on_green(draft: &Draft, green: &Db, rows: &[Sampled]) -> Result<usize> {
    let keys: Vec<&str> = rows.iter().map(|row| row.key.as_str()).collect();
    let sql = format!(
        "SELECT count(*) FROM {} WHERE ROW({})::pg_catalog.text = ANY ($1) AND ({})",
        draft.green,
        draft.key_on_green.join(", "),
        draft.live_on_green,
    );
    let count: i64 = green.row(&sql, &[&keys]).await?.get(0);
    Ok(usize::try_from(count).unwrap_or(0))
}

/// As the catalog has a name that `quote_ident` wrote.
fn unquoted(written: &str) -> String {
    match written.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) {
        Some(inner) => inner.replace("\"\"", "\""),
        None => written.to_owned(),
    }
}
