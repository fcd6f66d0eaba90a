//! What a copy changes on a green database that is no object in it: settings, comment, owner and privileges of the database,
//! and of the schema `public`, which no copy drops. Kept before the first copy, put back when green is emptied.

use crate::error::{Context, Result};
use crate::postgres::Db;

use super::settings::{database, read_settings};

/// Writes down how green's database is before a copy; nothing where that was done already.
pub async fn keep_properties(green: &Db) -> Result<()> {
    let statements = read_properties(green).await?;
    let sql = include_str!("../postgres/sql/insert_before.sql");
    green.execute(sql, &[&statements]).await.context("keeping the settings of green's database")?;
    Ok(())
}

/// Makes green's database what it was when [`keep_properties`] looked; nothing where nobody looked, or nothing changed.
pub async fn put_properties_back(green: &Db) -> Result<()> {
    let kept: bool = green.row("SELECT pg_catalog.to_regclass('teal.before') IS NOT NULL", &[]).await?.get(0);
    if !kept {
        return Ok(());
    }
    let rows = green.rows("SELECT sql FROM teal.before ORDER BY position", &[]).await?;
    let before: Vec<String> = rows.iter().map(|row| row.get(0)).collect();
    if before.is_empty() || before == read_properties(green).await? {
        return Ok(());
    }
    let resets = green.rows(include_str!("../postgres/sql/select_property_resets.sql"), &[]).await?;
    let resets = resets.iter().map(|row| row.get::<_, String>(0));
    // One transaction: our own role may live by what is taken away and given again.
    let script: Vec<String> = resets.chain(before).collect();
    let script = format!("BEGIN;\n{};\nCOMMIT", script.join(";\n"));
    if let Err(e) = green.run(&script).await {
        let _ = green.run("ROLLBACK").await;
        return Err(e.doing("putting back the settings of green's database").into());
    }
    Ok(())
}

/// As statements that make them so after a reset.
async fn read_properties(green: &Db) -> Result<Vec<String>> {
    let database = database(green).await?;
    let rows = green.rows(include_str!("../postgres/sql/select_properties.sql"), &[]).await?;
    let settings = read_settings(green).await?;
    let settings = settings.iter().map(|setting| setting.statement(&database));
    Ok(rows.iter().map(|row| row.get(0)).chain(settings).collect())
}
