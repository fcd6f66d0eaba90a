//! Settings of the database and of roles in it: in no section of the dump.

use crate::error::{Context, Result};
use crate::postgres::{Db, Ident, literal};

/// Settings whose value is a list of names: written as a list, or the server takes it for one name
/// (`variable_is_guc_list_quote` in `dumputils.c`).
const LISTS: [&str; 6] = [
    "local_preload_libraries",
    "search_path",
    "session_preload_libraries",
    "shared_preload_libraries",
    "temp_tablespaces",
    "unix_socket_directories",
];

/// Sets on green's database what `ALTER DATABASE … SET` and `ALTER ROLE … IN DATABASE … SET` set on blue's.
///
/// Roles that green's server lacks are left out. Settings that only green has stay.
pub async fn copy_settings(blue: &Db, green: &Db) -> Result<()> {
    let database: String = green.row("SELECT pg_catalog.current_database()::text", &[]).await?.get(0);
    let database = Ident::new(database);
    let roles = green.rows("SELECT rolname::text FROM pg_catalog.pg_roles", &[]).await?;
    for row in blue.rows(include_str!("../postgres/sql/select_settings.sql"), &[]).await? {
        let (role, name, value): (Option<String>, &str, &str) = (row.get("role"), row.get("name"), row.get("value"));
        let whose = match role {
            None => format!("DATABASE {database}"),
            Some(role) if roles.iter().any(|row| row.get::<_, &str>(0) == role) => {
                format!("ROLE {} IN DATABASE {database}", Ident::new(role))
            }
            Some(_) => continue,
        };
        let sql = format!("ALTER {whose} SET {} TO {}", setting(name), written(name, value));
        green.run(&sql).await.with_context(|| format!("setting {name}"))?;
    }
    Ok(())
}

/// A custom setting's name has two parts.
fn setting(name: &str) -> String {
    name.split('.').map(|part| Ident::new(part).to_string()).collect::<Vec<_>>().join(".")
}

fn written(name: &str, value: &str) -> String {
    if !LISTS.contains(&name) {
        return literal(value);
    }
    let parts: Vec<String> = list(value).iter().map(|part| literal(part)).collect();
    if parts.is_empty() { "''".to_owned() } else { parts.join(", ") }
}

/// The parts of a stored list: divided by commas, quoted like identifiers where they must be.
fn list(value: &str) -> Vec<String> {
    let mut parts = Vec::new();
    let mut part = String::new();
    let mut quoted = false;
    for c in value.chars() {
        match c {
            // A doubled quote closes and opens again at once: taken as one below.
            '"' => {
                quoted = !quoted;
                part.push('"');
            }
            ',' if !quoted => parts.push(std::mem::take(&mut part)),
            _ => part.push(c),
        }
    }
    parts.push(part);
    parts.iter().map(|part| unquoted(part.trim())).filter(|part| !part.is_empty()).collect()
}

fn unquoted(part: &str) -> String {
    match part.strip_prefix('"').and_then(|part| part.strip_suffix('"')) {
        Some(inner) => inner.replace("\"\"", "\""),
        None => part.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_stays_a_list() {
        assert_eq!(written("search_path", r#""$user", public, "a,""b""#), r#"'$user', 'public', 'a,"b'"#);
        assert_eq!(written("search_path", r#""""#), "''");
        assert_eq!(written("work_mem", "64MB, "), "'64MB, '");
        assert_eq!(setting("app.tenant"), r#""app"."tenant""#);
    }
}
