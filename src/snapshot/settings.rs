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
/// The database's comment and privileges come along where our role may set them. Roles that green's server lacks are left
/// out; settings and privileges that only green has stay, but for PUBLIC's privileges, which become blue's. What is there
/// already is not set again: somebody else may have done for us what our role may not.
pub async fn copy_settings(blue: &Db, green: &Db) -> Result<()> {
    let database = database(green).await?;
    let roles = green.rows("SELECT rolname::text FROM pg_catalog.pg_roles", &[]).await?;
    let is_role = |role: &str| roles.iter().any(|row| row.get::<_, &str>(0) == role);
    let there = read_settings(green).await?;
    for setting in read_settings(blue).await? {
        if there.contains(&setting) || setting.role.as_deref().is_some_and(|role| !is_role(role)) {
            continue;
        }
        let doing = || format!("setting {}", setting.name);
        green.run(&setting.statement(&database)).await.with_context(doing)?;
    }
    let may: bool = green.row(include_str!("../postgres/sql/select_owns_database.sql"), &[]).await?.get(0);
    if may {
        for row in blue.rows(include_str!("../postgres/sql/select_database_grants.sql"), &[]).await? {
            let (role, sql): (Option<&str>, &str) = (row.get("role"), row.get("sql"));
            if role.is_none_or(is_role) {
                green
                    .run(&sql.replace("%DATABASE%", &database.to_string()))
                    .await
                    .context("privileges of the database")?;
            }
        }
    }
    Ok(())
}

/// The name of a session's database.
pub(super) async fn database(db: &Db) -> Result<Ident> {
    let name: String = db.row("SELECT pg_catalog.current_database()::text", &[]).await?.get(0);
    Ok(Ident::new(name))
}

/// A setting of the database, or of a role in it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Setting {
    role: Option<String>,
    name: String,
    value: String,
}

impl Setting {
    /// What sets it on a database.
    pub(super) fn statement(&self, database: &Ident) -> String {
        let whose = match &self.role {
            None => format!("DATABASE {database}"),
            Some(role) => format!("ROLE {} IN DATABASE {database}", Ident::new(role)),
        };
        format!("ALTER {whose} SET {} TO {}", setting(&self.name), written(&self.name, &self.value))
    }
}

pub(super) async fn read_settings(db: &Db) -> Result<Vec<Setting>> {
    let rows = db.rows(include_str!("../postgres/sql/select_settings.sql"), &[]).await?;
    let one =
        |row: &tokio_postgres::Row| Setting { role: row.get("role"), name: row.get("name"), value: row.get("value") };
    Ok(rows.iter().map(one).collect())
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
