//! `pg_service.conf`, by libpq's rules (`parseServiceInfo` in fe-connect.c): what a connection string leaves open.

use std::path::{Path, PathBuf};

use super::{Environment, Place, Setting, Settings, keyword};
use crate::error::{Failure, Result};

/// Folders that builds of libpq look into where `PGSYSCONFDIR` names none: Debian's, Red Hat's, upstream's.
const SYSTEM_FOLDERS: [&str; 3] = ["/etc/postgresql-common", "/etc/sysconfig/pgsql", "/usr/local/pgsql/etc"];

/// Fills in what the service says and `settings` don't. The user's file comes first; the system's is read where that one
/// has no such service.
pub(super) fn fill(settings: &mut Settings, service: &str, env: Environment<'_>) -> Result<()> {
    for file in files(env) {
        if let Some(found) = read(&file, service)? {
            settings.fill(found);
            return Ok(());
        }
    }
    Err(Failure::usage(format!("service {service} is defined nowhere"))
        .hint("define it in ~/.pg_service.conf, or in the file that PGSERVICEFILE names"))
}

fn files(env: Environment<'_>) -> Vec<PathBuf> {
    let there = |path: &PathBuf| path.exists();
    // A file that somebody names must be there.
    let users = match env("PGSERVICEFILE").filter(|file| !file.is_empty()) {
        Some(file) => Some(PathBuf::from(file)),
        None => super::home(env).map(|home| home.join(".pg_service.conf")).filter(there),
    };
    let system = match env("PGSYSCONFDIR").filter(|folder| !folder.is_empty()) {
        Some(folder) => Some(Path::new(&folder).join("pg_service.conf")).filter(there),
        None => SYSTEM_FOLDERS.iter().map(|folder| Path::new(folder).join("pg_service.conf")).find(there),
    };
    users.into_iter().chain(system).collect()
}

/// The settings of one service; none where the file has no such section. Of a keyword that comes twice the first counts.
fn read(file: &Path, service: &str) -> Result<Option<Settings>> {
    let text =
        std::fs::read_to_string(file).map_err(|e| Failure::usage(format!("service file {}: {e}", file.display())))?;
    let mut found: Option<Settings> = None;
    for (number, line) in text.lines().enumerate().map(|(at, line)| (at + 1, line.trim())) {
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        if let Some(rest) = line.strip_prefix('[') {
            if found.is_some() {
                break;
            }
            found = rest.strip_prefix(service).is_some_and(|rest| rest.starts_with(']')).then(Settings::default);
            continue;
        }
        let Some(found) = &mut found else { continue };
        let place = Place::Line(file.to_owned(), number);
        let (name, value) = keyword_and_value(line).map_err(|what| Failure::usage(format!("{place}: {what}")))?;
        found.0.entry(name).or_insert(Setting { value: value.to_owned(), place });
    }
    Ok(found)
}

fn keyword_and_value(line: &str) -> Result<(&'static str, &str), &'static str> {
    if line.starts_with("ldap") {
        return Err("services are not looked up in LDAP");
    }
    let (key, value) = line.split_once('=').ok_or("neither [service] nor keyword=value")?;
    match keyword::find(key) {
        Some(keyword) if keyword.name == "service" => Err("a service can't name another one"),
        Some(keyword) => Ok((keyword.name, value)),
        None => Err("no such keyword (libpq takes no blanks around the =)"),
    }
}
