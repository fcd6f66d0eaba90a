//! `guard/encoding`, `guard/locale`, `guard/collation-version`: how text is stored and sorted on both sides.

use super::{Both, first_of};
use crate::catalog::Server;
use crate::error::Result;
use crate::finding::Finding;
use crate::postgres::{Db, Ident, literal};

pub(super) async fn check(both: &Both<'_>) -> Result<Vec<Finding>> {
    let mut found = encoding(both);
    for (db, server) in [(both.blue, &both.blue_server), (both.green, &both.green_server)] {
        found.extend(library(db, server).await?);
    }
    Ok(found)
}

pub(super) fn locale(server: &Server) -> String {
    format!("{}/{} ({})", server.collate, server.ctype, server.locale_provider)
}

fn encoding(both: &Both<'_>) -> Vec<Finding> {
    let (blue, green) = (&both.blue_server, &both.green_server);
    let mut found = Vec::new();
    let remedy = format!(
        "CREATE DATABASE {} TEMPLATE template0 ENCODING {} LC_COLLATE {} LC_CTYPE {};",
        Ident::new(format!("{}_new", both.plan.green.dbname())),
        literal(&blue.encoding),
        literal(&blue.collate),
        literal(&blue.ctype),
    );
    if blue.encoding != green.encoding {
        found.push(
            Finding::blocker(
                "guard/encoding",
                "green",
                format!("green is encoded in {}, blue in {}", green.encoding, blue.encoding),
            )
            .so_what("text is copied byte by byte")
            .next(&remedy),
        );
    }
    if locale(blue) != locale(green) {
        let finding = Finding::warning(
            "guard/locale",
            "green",
            format!("green sorts by {}, blue by {}", locale(green), locale(blue)),
        )
        .so_what("order, LIKE ranges and what counts as equal under ICU may differ after the cutover");
        // Without ICU's parameters the statement would make something else.
        let libc = blue.locale_provider == "c";
        found.push(if libc { finding.next(&remedy) } else { finding });
    }
    found
}

/// Green's indexes are built anew by green's library: only an order that the application keeps elsewhere, and blue's own
/// indexes, are in danger.
async fn library(db: &Db, server: &Server) -> Result<Option<Finding>> {
    let mut changed: Vec<(String, String)> = Vec::new();
    if server.major() >= 15 {
        let row = db.row(include_str!("../postgres/sql/select_database_collation.sql"), &[]).await?;
        let versions = (row.get::<_, Option<String>>("made"), row.get::<_, Option<String>>("now"));
        if let (Some(made), Some(now)) = versions
            && made != now
        {
            changed.push(("the database's own".to_owned(), format!("{made} to {now}")));
        }
    }
    for row in db.rows(include_str!("../postgres/sql/select_collation_versions.sql"), &[]).await? {
        let (made, now): (String, String) = (row.get("made"), row.get("now"));
        changed.push((row.get("object"), format!("{made} to {now}")));
    }
    let Some((_, versions)) = changed.first() else { return Ok(None) };
    let names: Vec<&String> = changed.iter().map(|(name, _)| name).collect();
    let database: String = db.row("SELECT pg_catalog.quote_ident(pg_catalog.current_database())", &[]).await?.get(0);
    Ok(Some(
        Finding::warning(
            "guard/collation-version",
            &db.name,
            format!("the collation library of {} went from {versions}: {}", db.name, first_of(&names, 3)),
        )
        .so_what(
            "its indexes over text may be out of order, and miss rows that are there: those of the copy are made anew",
        )
        .next(format!("REINDEX DATABASE CONCURRENTLY {database};")),
    ))
}
