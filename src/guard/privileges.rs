//! `guard/privileges`: the exact statements that our role lacks, one finding per topic.
//!
//! The TRIGGER privilege makes triggers; ENABLE ALWAYS, DROP TRIGGER and LOCK TABLE in the fence's mode want the owner,
//! or a member of it that inherits its rights (manual, ALTER TABLE and GRANT).

use super::{Both, first_of};
use crate::error::Result;
use crate::finding::Finding;
use crate::postgres::{Db, Ident};

const ID: &str = "guard/privileges";

pub(super) async fn check(both: &Both<'_>) -> Result<Vec<Finding>> {
    let mut found: Vec<Finding> = on_database(both.blue).await?.into_iter().collect();
    found.extend(on_database(both.green).await?);
    found.extend(on_objects(both.blue).await?);
    Ok(found)
}

/// Our own schema is made on both sides.
pub(super) async fn on_database(db: &Db) -> Result<Option<Finding>> {
    let row = db.row(include_str!("../postgres/sql/select_database_privilege.sql"), &[]).await?;
    let may: bool = row.get("may_create");
    let (role, database) = (Ident::new(row.get::<_, String>("role")), Ident::new(row.get::<_, String>("database")));
    Ok((!may).then(|| {
        Finding::blocker(ID, &db.name, format!("{role} may not create a schema on {}", db.name))
            .so_what("the run keeps its own rows in a schema of its own there")
            .next(format!("GRANT CREATE ON DATABASE {database} TO {role};"))
    }))
}

/// What is missing on blue's schemas, tables and sequences: one finding per kind of lack, one statement per object or
/// owner.
pub(super) async fn on_objects(blue: &Db) -> Result<Vec<Finding>> {
    let rows = blue.rows(include_str!("../postgres/sql/select_missing_privileges.sql"), &[]).await?;
    let mut found = Vec::new();
    for lack in LACKS {
        let lacking: Vec<_> = rows.iter().filter(|row| row.get::<_, &str>("lack") == lack.word).collect();
        if lacking.is_empty() {
            continue;
        }
        let objects: Vec<String> = lacking.iter().map(|row| row.get("object")).collect();
        let mut remedies: Vec<String> = lacking.iter().map(|row| row.get("remedy")).collect();
        remedies.dedup();
        let what = format!("{} {}", lack.what, first_of(&objects, 3));
        let finding = if lack.blocks { Finding::blocker(ID, "blue", what) } else { Finding::warning(ID, "blue", what) };
        found.push(finding.so_what(lack.so_what).next(remedies.join("\n")));
    }
    Ok(found)
}

/// One kind of missing right, as `select_missing_privileges.sql` names it.
struct Lack {
    word: &'static str,
    what: &'static str,
    so_what: &'static str,
    blocks: bool,
}

const LACKS: [Lack; 5] = [
    Lack {
        word: "owner",
        what: "our role does not have the rights of the owner of",
        so_what: "only its owner can be the one that fences a table and drops the triggers again",
        blocks: true,
    },
    Lack {
        word: "usage",
        what: "our role has no USAGE of schema",
        so_what: "nothing in it can be read or locked",
        blocks: true,
    },
    Lack { word: "select", what: "our role may not read", so_what: "it can't be copied", blocks: true },
    Lack {
        word: "row security",
        what: "row security hides rows from our role in",
        so_what: "the copy would lack them, and pg_dump refuses such tables",
        blocks: true,
    },
    Lack {
        word: "statistics",
        what: "our role does not see other roles' sessions: it lacks",
        so_what: "the gate before the fence can't tell how old their transactions are",
        blocks: false,
    },
];
