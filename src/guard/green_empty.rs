//! `guard/green-not-empty`: the copy goes into an empty database.

use super::{Both, first_of};
use crate::error::Result;
use crate::finding::Finding;
use crate::postgres::{Ident, literal};

/// How many of the objects found are named.
const SHOWN: usize = 5;

pub(super) async fn check(both: &Both<'_>) -> Result<Option<Finding>> {
    let rows = both.green.rows(include_str!("../postgres/sql/select_user_objects.sql"), &[]).await?;
    if rows.is_empty() {
        return Ok(None);
    }
    let objects: Vec<String> = rows.iter().map(|row| row.get("object")).collect();
    let blue = &both.blue_server;
    let name = Ident::new(format!("{}_new", both.plan.green.dbname()));
    let finding =
        Finding::blocker("guard/green-not-empty", "green", format!("green holds {}", first_of(&objects, SHOWN)))
            .so_what("the copy would fail on what is there, or mix with it")
            .next(format!(
                "CREATE DATABASE {name} TEMPLATE template0 ENCODING {} LC_COLLATE {} LC_CTYPE {}",
                literal(&blue.encoding),
                literal(&blue.collate),
                literal(&blue.ctype)
            ));
    Ok(Some(finding))
}
