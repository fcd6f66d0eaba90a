//! `guard/extension-version`, `guard/extension-rights`, `guard/preload-library`, `guard/extension-acts`: what blue's
//! extensions ask of green, and what they do by themselves meanwhile.

use super::Both;
use super::provider::Provider;
use crate::error::Result;
use crate::finding::{Finding, Severity};

/// One of blue's extensions.
struct Installed {
    name: String,
    version: String,
    schema: String,
}

pub(super) async fn check(both: &Both<'_>) -> Result<Vec<Finding>> {
    let rows = both.blue.rows(include_str!("../postgres/sql/select_extensions.sql"), &[]).await?;
    let installed: Vec<Installed> = rows
        .iter()
        .map(|row| Installed { name: row.get("name"), version: row.get("version"), schema: row.get("schema") })
        .collect();
    let mut found = on_green(both, &installed).await?;
    found.extend(preloaded(both, &installed));
    found.extend(installed.iter().filter_map(acts));
    Ok(found)
}

/// `pg_dump` writes CREATE EXTENSION without a version: green gets its server's default.
async fn on_green(both: &Both<'_>, installed: &[Installed]) -> Result<Vec<Finding>> {
    let names: Vec<&str> = installed.iter().map(|extension| extension.name.as_str()).collect();
    let rows = both.green.rows(include_str!("../postgres/sql/select_available_extensions.sql"), &[&names]).await?;
    let mut found = Vec::new();
    for row in rows {
        let (name, default): (String, Option<String>) = (row.get("name"), row.get("version"));
        let Some(extension) = installed.iter().find(|extension| extension.name == name) else { continue };
        let there: bool = row.get("there");
        if let Some(default) = default
            && !there
            && is_older(&default, &extension.version)
        {
            found.push(older(both, extension, &default));
        }
        if row.get("for_superusers") && !there && !both.green_server.superuser {
            found.push(not_ours_to_make(both, &name));
        }
    }
    Ok(found)
}

fn older(both: &Both<'_>, extension: &Installed, default: &str) -> Finding {
    let Installed { name, version, .. } = extension;
    Finding::warning(
        "guard/extension-version",
        format!("green extension {name}"),
        format!("green would get {name} {default}, blue has {version}"),
    )
    .so_what("an older extension may lack functions that blue's schema uses, or read its values differently")
    .next(format!("apt-cache policy postgresql-{}-{name}", both.green_server.major()))
}

/// Managed servers let their customers make some that want a superuser elsewhere, and don't say which in a catalog.
fn not_ours_to_make(both: &Both<'_>, name: &str) -> Finding {
    let object = format!("green extension {name}");
    let what = format!("CREATE EXTENSION {name} wants a superuser on green");
    let so_what = "restoring the schema would fail on it";
    if both.green_provider == Provider::OwnServer {
        return Finding::blocker("guard/extension-rights", object, what)
            .so_what(so_what)
            .next(format!("CREATE EXTENSION {name}; -- on green, as a superuser: it stays"));
    }
    Finding::warning("guard/extension-rights", object, what)
        .so_what("a managed server lets its customers make those of a list; for others restoring the schema would fail")
        .next(format!("CREATE EXTENSION {name}; -- on green; it stays"))
}

/// Whether a version is older, number by number; what is no number decides nothing.
fn is_older(one: &str, other: &str) -> bool {
    let numbers = |text: &str| text.split(['.', '-']).map(|part| part.parse::<u64>().ok()).collect::<Option<Vec<_>>>();
    matches!((numbers(one), numbers(other)), (Some(one), Some(other)) if one < other)
}

/// Extensions that work only where the server loads their library at its start.
const PRELOADED: [&str; 9] = [
    "pg_stat_statements",
    "pg_cron",
    "timescaledb",
    "citus",
    "pglogical",
    "pgaudit",
    "pg_squeeze",
    "pg_wait_sampling",
    "pg_stat_kcache",
];

fn preloaded(both: &Both<'_>, installed: &[Installed]) -> Vec<Finding> {
    // A setting that only superusers and pg_read_all_settings see.
    let Some(on_green) = both.green_settings.list("shared_preload_libraries") else { return Vec::new() };
    let wanted = installed.iter().map(|extension| extension.name.as_str()).filter(|name| PRELOADED.contains(name));
    let missing: Vec<&str> = wanted.filter(|name| !on_green.iter().any(|library| library == name)).collect();
    let Some(first) = missing.first() else { return Vec::new() };
    let all = on_green.iter().map(String::as_str).chain(missing.iter().copied()).collect::<Vec<_>>().join(",");
    let finding = Finding::warning(
        "guard/preload-library",
        format!("green extension {first}"),
        format!("blue has {}, and green's server does not load it at its start", missing.join(", ")),
    )
    .so_what("the extension is made and does nothing, or making it fails")
    .next(both.green_provider.set("shared_preload_libraries", format!("'{all}'")));
    vec![finding]
}

/// What an extension does by itself, and what that means for a run.
struct Acts {
    name: &'static str,
    severity: Severity,
    what: &'static str,
    so_what: &'static str,
    next: &'static str,
}

/// `{schema}` stands for the extension's.
const ACTS: [Acts; 6] = [
    Acts {
        name: "citus",
        severity: Severity::Blocker,
        what: "its tables lie on other servers",
        so_what: "the copy reads this server alone",
        next: "DROP EXTENSION citus; -- where nothing uses it",
    },
    Acts {
        name: "pg_cron",
        severity: Severity::Warning,
        what: "it runs jobs by itself",
        so_what: "a job that writes holds up the fence, is refused behind it, and has to be set up on green",
        next: "SELECT jobid, schedule, command, active FROM cron.job;",
    },
    Acts {
        name: "pg_partman",
        severity: Severity::Warning,
        what: "it makes and drops partitions by itself",
        so_what: "a partition made after the copy closes the cutover's gate: blue's structure has changed",
        next: "UPDATE {schema}.part_config SET automatic_maintenance = 'off'; -- until the cutover",
    },
    Acts {
        name: "pgaudit",
        severity: Severity::Note,
        what: "it may log every statement of the run",
        so_what: "the log grows by the run's statements, the plan's replay with its values among them",
        next: "SHOW pgaudit.log;",
    },
    Acts {
        name: "pglogical",
        severity: Severity::Warning,
        what: "its workers may write to blue",
        so_what: "they fire no statement triggers, and so would write behind the fence",
        next: "SELECT sub_name, sub_enabled FROM pglogical.subscription;",
    },
    Acts {
        name: "timescaledb",
        severity: Severity::Blocker,
        what: "it keeps a catalog of its tables, and makes chunks by itself",
        so_what: "a hypertable is restored by its own procedure alone (timescaledb_pre_restore)",
        next: "DROP EXTENSION timescaledb; -- where nothing uses it",
    },
];

fn acts(extension: &Installed) -> Option<Finding> {
    const ID: &str = "guard/extension-acts";
    let acts = ACTS.iter().find(|acts| acts.name == extension.name)?;
    let (object, what) = (format!("blue extension {}", acts.name), acts.what);
    let finding = match acts.severity {
        Severity::Blocker => Finding::blocker(ID, object, what),
        Severity::Warning => Finding::warning(ID, object, what),
        Severity::Note => Finding::note(ID, object, what),
    };
    Some(finding.so_what(acts.so_what).next(acts.next.replace("{schema}", &extension.schema)))
}

#[cfg(test)]
mod tests {
    use super::{ACTS, Installed, acts, is_older};
    use crate::finding::Severity;

    #[test]
    fn versions_are_compared_number_by_number() {
        assert!(is_older("1.9", "1.10") && is_older("1.6", "1.6.1") && is_older("3.3.2", "3.4.0"));
        assert!(!is_older("1.10", "1.9") && !is_older("1.6", "1.6") && !is_older("2.0dev", "3.0"));
    }

    #[test]
    fn an_extension_that_acts_by_itself_is_told_from_one_that_does_not() {
        let installed = |name: &str| Installed { name: name.into(), version: "1".into(), schema: "partman".into() };
        let partman = acts(&installed("pg_partman")).unwrap();
        assert_eq!(partman.severity, Severity::Warning);
        assert!(partman.next.starts_with("UPDATE partman.part_config SET"), "{}", partman.next);
        assert_eq!(acts(&installed("citext")), None);
        assert!(ACTS.is_sorted_by_key(|acts| acts.name));
    }
}
