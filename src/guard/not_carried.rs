//! `guard/not-carried`: what blue has and the copy does not bring, or green can't take.

use tokio_postgres::Row;

use super::{Both, first_of};
use crate::error::Result;
use crate::finding::{Finding, Severity};
use crate::postgres::Ident;

const ID: &str = "guard/not-carried";

/// One kind of object, as `select_not_carried.sql` names it.
struct Kind {
    word: &'static str,
    /// Only a green role that is no superuser meets it.
    needs_superuser: bool,
    severity: Severity,
    what: &'static str,
    so_what: &'static str,
    /// Where the rows have no statement of their own.
    next: &'static str,
}

const SUPERUSER: &str = "give `green` in the plan's [databases] a superuser";

const KINDS: [Kind; 17] = [
    Kind {
        word: "system object",
        needs_superuser: false,
        severity: Severity::Blocker,
        what: "blue has objects of yours in a schema of the system:",
        so_what: "pg_dump leaves them out, and what uses them can't be restored",
        next: "make them in a schema of your own, and drop these",
    },
    Kind {
        word: "language without handler",
        needs_superuser: false,
        severity: Severity::Blocker,
        what: "blue has a language whose handler came with the server:",
        so_what: "pg_dump writes it without its handler, and CREATE LANGUAGE fails",
        next: "",
    },
    Kind {
        word: "type that can't be read",
        needs_superuser: false,
        severity: Severity::Blocker,
        what: "blue has columns of a type whose input refuses every value:",
        so_what: "their rows can be written out and not read in",
        next: "",
    },
    Kind {
        word: "pending detach",
        needs_superuser: false,
        severity: Severity::Blocker,
        what: "on blue a DETACH PARTITION CONCURRENTLY was left halfway:",
        so_what: "the dump can't tell whether it is a partition",
        next: "",
    },
    Kind {
        word: "looser than its parent",
        needs_superuser: false,
        severity: Severity::Warning,
        what: "on blue a column may be NULL where its parent's may not:",
        so_what: "the dump makes it NOT NULL as well, and rows that hold NULL there can't be copied",
        next: "",
    },
    Kind {
        word: "unreadable large object",
        needs_superuser: false,
        severity: Severity::Blocker,
        what: "our role may not read large objects of blue:",
        so_what: "they can't be copied",
        next: "",
    },
    Kind {
        word: "constraint switched off",
        needs_superuser: false,
        severity: Severity::Warning,
        what: "blue has foreign keys that are switched off:",
        so_what: "on green they are switched on: rows that break one fail the run after the copy",
        next: "",
    },
    Kind {
        word: "invalid index",
        needs_superuser: false,
        severity: Severity::Warning,
        what: "blue has invalid indexes:",
        so_what: "pg_dump leaves them out: green will not have them",
        next: "",
    },
    Kind {
        word: "on an extension's table",
        needs_superuser: false,
        severity: Severity::Warning,
        what: "blue has objects of yours on an extension's table:",
        so_what: "pg_dump leaves them out: green will not have them",
        next: "make them again on green, in a migration",
    },
    Kind {
        word: "hidden user mapping",
        needs_superuser: false,
        severity: Severity::Warning,
        what: "our role on blue does not see the options of user mappings:",
        so_what: "they arrive without user and password",
        next: "give `blue` in the plan's [databases] a superuser, or ALTER USER MAPPING on green afterwards",
    },
    Kind {
        word: "security label",
        needs_superuser: false,
        severity: Severity::Warning,
        what: "blue has security labels of provider",
        so_what: "restoring them fails where green's server has not loaded the provider",
        next: "SHOW shared_preload_libraries;",
    },
    Kind {
        word: "large objects",
        needs_superuser: false,
        severity: Severity::Warning,
        what: "blue has large objects, which are copied; their number:",
        so_what: "what is written to them after the copy does not travel, and no fence refuses such writes",
        next: "keep the applications from writing large objects between copy and cutover",
    },
    Kind {
        word: "extension rows",
        needs_superuser: false,
        severity: Severity::Note,
        what: "rows of extensions' own tables are copied:",
        so_what: "what is written there after the copy does not travel, and the fence does not refuse it",
        next: "",
    },
    Kind {
        word: "materialized view",
        needs_superuser: false,
        severity: Severity::Note,
        what: "blue has materialized views:",
        so_what: "green's are computed anew from the copied rows",
        next: "",
    },
    Kind {
        word: "superuser's",
        needs_superuser: true,
        severity: Severity::Blocker,
        what: "only a superuser can make what blue has:",
        so_what: "restoring it would fail in the middle of the run",
        next: SUPERUSER,
    },
    Kind {
        word: "wide publication",
        needs_superuser: true,
        severity: Severity::Blocker,
        what: "only a superuser can make a publication of all tables, or of a schema:",
        so_what: "restoring it would fail in the middle of the run",
        next: SUPERUSER,
    },
    Kind {
        word: "granted by another",
        needs_superuser: true,
        severity: Severity::Blocker,
        what: "privileges on blue were granted by others than the owner:",
        so_what: "only a superuser can grant in their name",
        next: SUPERUSER,
    },
];

/// Objects named of a kind.
const SHOWN: usize = 3;

pub(super) async fn check(both: &Both<'_>) -> Result<Vec<Finding>> {
    let mut found = Vec::new();
    let rows = both.blue.rows(include_str!("../postgres/sql/select_not_carried.sql"), &[]).await?;
    let of_kind = |kind: &str| rows.iter().filter(|row| row.get::<_, &str>("kind") == kind).collect::<Vec<_>>();
    let objects = |kind: &str| of_kind(kind).iter().map(|row| row.get("object")).collect::<Vec<String>>();
    for kind in &KINDS {
        let rows = of_kind(kind.word);
        if !(rows.is_empty() || kind.needs_superuser && both.green_server.superuser) {
            found.push(kind.finding(&rows));
        }
    }
    if !both.green_server.superuser {
        found.extend(extension_rows(both, &of_kind("extension rows")));
    }
    for object in objects("publication") {
        found.push(
            Finding::warning(ID, format!("blue {object}"), "something may be subscribed to blue")
                .so_what("subscribers go on following blue after the cutover")
                .next("SELECT slot_name, active FROM pg_replication_slots;"),
        );
    }
    for object in objects("subscription") {
        found.push(
            Finding::warning(ID, format!("blue subscription {object}"), "blue receives changes from another server")
                .so_what("what arrives after the snapshot does not reach green; the cutover asks for it to be disabled")
                .next("SELECT subname, subenabled FROM pg_subscription;"),
        );
    }
    found.extend(event_triggers(both, &objects("event trigger")));
    found.extend(tablespaces(both, &objects("tablespace")).await?);
    found.extend(extensions(both).await?);
    found.extend(database(both).await?);
    found.extend(collations(both).await?);
    Ok(found)
}

impl Kind {
    fn finding(&self, rows: &[&Row]) -> Finding {
        let objects: Vec<&str> = rows.iter().map(|row| row.get("object")).collect();
        let mut next: Vec<&str> = rows.iter().filter_map(|row| row.get("next")).collect();
        next.dedup();
        let what = format!("{} {}", self.what, first_of(&objects, SHOWN));
        let finding = match self.severity {
            Severity::Blocker => Finding::blocker(ID, "blue", what),
            Severity::Warning => Finding::warning(ID, "blue", what),
            Severity::Note => Finding::note(ID, "blue", what),
        };
        let has_next = !next.is_empty() && self.severity != Severity::Note;
        finding.so_what(self.so_what).next(if has_next { next.join("\n") } else { self.next.to_owned() })
    }
}

/// They belong to who made the extension; a trusted one belongs to the server's first superuser.
fn extension_rows(both: &Both<'_>, rows: &[&Row]) -> Option<Finding> {
    let me = Ident::new(both.plan.green.user());
    let tables: Vec<&str> = rows.iter().map(|row| row.get("object")).collect();
    let grants: Vec<String> = rows.iter().map(|row| format!("{}{me};", row.get::<_, &str>("next"))).collect();
    (!rows.is_empty()).then(|| {
        let what = format!("{me} may have no right to extensions' own tables: {}", first_of(&tables, SHOWN));
        Finding::warning(ID, "green", what)
            .so_what("where blue's rows differ from those that CREATE EXTENSION makes, the copy fails")
            .next(format!("CREATE EXTENSION on green as a superuser, then: {}", grants.join(" ")))
    })
}

fn event_triggers(both: &Both<'_>, triggers: &[String]) -> Vec<Finding> {
    if both.green_server.superuser {
        return Vec::new();
    }
    let finding = |trigger: &String| {
        Finding::blocker(ID, format!("blue {trigger}"), "our role on green can't make event triggers")
            .so_what("restoring it would fail in the middle of the run")
            .next("give `green` in the plan's [databases] a superuser")
    };
    triggers.iter().map(finding).collect()
}

async fn tablespaces(both: &Both<'_>, tablespaces: &[String]) -> Result<Vec<Finding>> {
    let rows = both.green.rows(include_str!("../postgres/sql/select_missing_tablespaces.sql"), &[&tablespaces]).await?;
    let finding = |row: &tokio_postgres::Row| {
        let name: String = row.get("name");
        Finding::blocker(ID, format!("green tablespace {name}"), "green's server has no such tablespace")
            .so_what("tables and indexes of blue lie in it")
            .next(format!("CREATE TABLESPACE {name} LOCATION '/path/on/green';"))
    };
    Ok(rows.iter().map(finding).collect())
}

/// Extensions that green can't make, or has in another place; `extensions.rs` looks at versions and rights.
async fn extensions(both: &Both<'_>) -> Result<Vec<Finding>> {
    let sql = include_str!("../postgres/sql/select_extensions.sql");
    let on_blue = both.blue.rows(sql, &[]).await?;
    let names: Vec<&str> = on_blue.iter().map(|row| row.get("name")).collect();
    let rows = both.green.rows(include_str!("../postgres/sql/select_installed_extensions.sql"), &[&names]).await?;
    let mut found = Vec::new();
    for (wanted, row) in rows.iter().filter_map(|row| {
        let name: &str = row.get("name");
        on_blue.iter().find(|wanted| wanted.get::<_, &str>("name") == name).map(|wanted| (wanted, row))
    }) {
        let name: &str = row.get("name");
        let (quoted, schema): (Ident, &str) = (Ident::new(name), wanted.get("schema"));
        let object = format!("green extension {name}");
        let (available, is): (Option<&str>, Option<&str>) = (row.get("available"), row.get("schema"));
        if available.is_none() {
            found.push(
                Finding::blocker(ID, object.clone(), "green's server does not have this extension")
                    .so_what("the schema can't be restored without it")
                    .next(format!("apt-cache search postgresql-{} | grep -i '{name}'", both.green_server.major())),
            );
        }
        if is.is_some_and(|is| is != schema) {
            let is = is.unwrap_or_default();
            found.push(
                Finding::blocker(ID, object, format!("it is in schema {is} on green, in {schema} on blue"))
                    .so_what("the dump writes its types and functions with blue's schema")
                    .next(format!("DROP EXTENSION {quoted};")),
            );
        }
    }
    Ok(found)
}

/// Settings, comment, privileges and owner of the database: they are in no dump, and want its owner.
async fn database(both: &Both<'_>) -> Result<Vec<Finding>> {
    let sql = include_str!("../postgres/sql/select_settings.sql");
    let (on_blue, on_green) = (both.blue.rows(sql, &[]).await?, both.green.rows(sql, &[]).await?);
    let of = |row: &Row| -> (Option<String>, String, String) { (row.get("role"), row.get("name"), row.get("value")) };
    let there: Vec<_> = on_green.iter().map(of).collect();
    let owns: bool = both.green.row(include_str!("../postgres/sql/select_owns_database.sql"), &[]).await?.get(0);
    let missing = on_blue.iter().map(of).filter(|setting| !there.contains(setting));
    // Another role's settings want CREATEROLE at least, and some parameters a superuser: asked for as one.
    let missing: Vec<_> =
        missing.filter(|(role, ..)| !both.green_server.superuser && (!owns || role.is_some())).collect();
    let mut found = Vec::new();
    let me = Ident::new(both.plan.green.user());
    let database = Ident::new(both.plan.green.dbname());
    if !missing.is_empty() {
        let names: Vec<&str> = missing.iter().map(|(_, name, _)| name.as_str()).collect();
        let next = if missing.iter().any(|(role, ..)| role.is_some()) {
            format!("ALTER ROLE {me} CREATEROLE; ALTER DATABASE {database} OWNER TO {me};")
        } else {
            format!("ALTER DATABASE {database} OWNER TO {me};")
        };
        found.push(
            Finding::warning(
                ID,
                "green",
                format!("{me} may not set what blue's database sets: {}", first_of(&names, 5)),
            )
            .so_what("the run fails where it sets them, unless its role may by then, or they are set already")
            .next(next),
        );
    }
    let sql = include_str!("../postgres/sql/select_database_grants.sql");
    let (grants, there) = (both.blue.rows(sql, &[]).await?, both.green.rows(sql, &[]).await?);
    let is_in =
        |row: &Row, rows: &[Row]| rows.iter().any(|other| other.get::<_, &str>("sql") == row.get::<_, &str>("sql"));
    let is_public = |row: &Row| row.get::<_, &str>("sql").contains(" TO PUBLIC");
    let differ =
        grants.iter().any(|row| !is_in(row, &there)) || there.iter().any(|row| is_public(row) && !is_in(row, &grants));
    if !owns && differ {
        let lines =
            grants.iter().map(|row| row.get::<_, &str>("sql").replace("%DATABASE%", &database.to_string()) + ";");
        found.push(
            Finding::warning(ID, "green", format!("{me} is not the owner of green's database"))
                .so_what("comment and privileges of blue's database are not copied to it")
                .next(lines.collect::<Vec<_>>().join("\n")),
        );
    }
    Ok(found)
}

/// Collations that green's server lacks, and versions of the libraries that sort.
async fn collations(both: &Both<'_>) -> Result<Vec<Finding>> {
    let used = both.blue.rows(include_str!("../postgres/sql/select_used_collations.sql"), &[]).await?;
    let names: Vec<String> = used.iter().map(|row| row.get("name")).collect();
    let missing = both.green.rows(include_str!("../postgres/sql/select_missing_collations.sql"), &[&names]).await?;
    let missing: Vec<String> = missing.iter().map(|row| row.get("name")).collect();
    let mut found = Vec::new();
    if !missing.is_empty() {
        found.push(
            Finding::blocker(ID, "green", format!("green's server has no collation {}", first_of(&missing, SHOWN)))
                .so_what("columns and indexes of blue use it")
                .next("SELECT pg_import_system_collations('pg_catalog'); -- after installing the locale"),
        );
    }
    let sql = include_str!("../postgres/sql/select_library_versions.sql");
    let (blue, green) = (both.blue.rows(sql, &[]).await?, both.green.rows(sql, &[]).await?);
    let version = |rows: &[Row], provider: &str| -> Option<String> {
        rows.iter().find(|row| row.get::<_, &str>("provider") == provider).map(|row| row.get("version"))
    };
    for (provider, library) in [("c", "libc"), ("i", "ICU")] {
        if let (Some(on_blue), Some(on_green)) = (version(&blue, provider), version(&green, provider))
            && on_blue != on_green
        {
            found.push(
                Finding::warning(
                    ID,
                    "green",
                    format!("green's {library} sorts by version {on_green}, blue's by {on_blue}"),
                )
                .so_what("text may sort differently: order of results, ranges, and partitions by text"),
            );
        }
    }
    Ok(found)
}
