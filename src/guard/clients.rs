//! `guard/client-roles` and `guard/role-settings`: whether those who work on blue can log in to green, and find there
//! what they are used to. Roles, their passwords and `ALTER ROLE … SET` belong to the server, not to the database.

use std::collections::{BTreeMap, BTreeSet};

use super::{Both, first_of};
use crate::error::Result;
use crate::finding::Finding;
use crate::postgres::{Db, Ident, literal};

pub(super) async fn check(both: &Both<'_>) -> Result<Vec<Finding>> {
    let clients = roles_at_work(both.blue).await?;
    if clients.is_empty() {
        return Ok(Vec::new());
    }
    let known = logins(both.green, &clients).await?;
    let mut found: Vec<Finding> = cannot_log_in(&clients, &known).into_iter().collect();
    let both_know: Vec<String> = clients.iter().filter(|role| known.contains_key(*role)).cloned().collect();
    found.extend(memberships(both, &clients, &known).await?);
    found.extend(settings(both, &both_know).await?);
    Ok(found)
}

/// Roles with a session in blue right now.
pub(super) async fn roles_at_work(blue: &Db) -> Result<Vec<String>> {
    let rows = blue.rows(include_str!("../postgres/sql/select_client_roles.sql"), &[]).await?;
    Ok(rows.iter().map(|row| row.get("role")).collect())
}

async fn logins(db: &Db, roles: &[String]) -> Result<BTreeMap<String, bool>> {
    let rows = db.rows(include_str!("../postgres/sql/select_logins.sql"), &[&roles]).await?;
    Ok(rows.iter().map(|row| (row.get("role"), row.get("may_login"))).collect())
}

fn cannot_log_in(clients: &[String], known: &BTreeMap<String, bool>) -> Option<Finding> {
    let refused: Vec<&String> = clients.iter().filter(|role| known.get(*role) != Some(&true)).collect();
    // No password: it would be on a screen. `\password` asks for it.
    let line = |role: &&String| {
        let verb = if known.contains_key(*role) { "ALTER" } else { "CREATE" };
        format!("{verb} ROLE {} LOGIN; -- and its password: \\password {}", Ident::new(*role), Ident::new(*role))
    };
    (!refused.is_empty()).then(|| {
        Finding::warning(
            "guard/client-roles",
            "green",
            format!("{} work on blue now and can't log in to green", first_of(&refused, 5)),
        )
        .so_what("their applications would be refused after the cutover")
        .next(refused.iter().map(line).collect::<Vec<_>>().join("\n"))
    })
}

type Memberships = BTreeSet<(String, String)>;

async fn memberships(both: &Both<'_>, clients: &[String], known: &BTreeMap<String, bool>) -> Result<Option<Finding>> {
    let read = async |db: &Db| -> Result<Memberships> {
        let rows = db.rows(include_str!("../postgres/sql/select_role_memberships.sql"), &[&clients]).await?;
        Ok(rows.iter().map(|row| (row.get("granted"), row.get("member"))).collect())
    };
    let (blue, green) = (read(both.blue).await?, read(both.green).await?);
    // A superuser has every right without being a member; one that is missing altogether is named above.
    let missing: Vec<&(String, String)> =
        blue.difference(&green).filter(|(_, member)| known.contains_key(member)).collect();
    let names: Vec<String> = missing.iter().map(|(granted, member)| format!("{member} of {granted}")).collect();
    let line =
        |(granted, member): &&(String, String)| format!("GRANT {} TO {};", Ident::new(granted), Ident::new(member));
    Ok((!missing.is_empty()).then(|| {
        Finding::warning(
            "guard/client-roles",
            "green",
            format!("roles are members on blue and not on green: {}", first_of(&names, 5)),
        )
        .so_what("what they may do by that membership they could not do after the cutover")
        .next(missing.iter().map(line).collect::<Vec<_>>().join("\n"))
    }))
}

async fn settings(both: &Both<'_>, roles: &[String]) -> Result<Option<Finding>> {
    type Kept = BTreeMap<(String, String), String>;
    let read = async |db: &Db| -> Result<Kept> {
        let rows = db.rows(include_str!("../postgres/sql/select_role_settings.sql"), &[&roles]).await?;
        Ok(rows.iter().map(|row| ((row.get("role"), row.get("name")), row.get("value"))).collect())
    };
    let (blue, green) = (read(both.blue).await?, read(both.green).await?);
    let differing: Vec<_> = blue.iter().filter(|(key, value)| green.get(*key) != Some(value)).collect();
    let names: Vec<String> = differing.iter().map(|((role, name), value)| format!("{role} {name}={value}")).collect();
    // A list such as search_path is stored as it is written.
    let written = |name: &str, value: &str| if name == "search_path" { value.to_owned() } else { literal(value) };
    let line = |((role, name), value): &(&(String, String), &String)| {
        format!("ALTER ROLE {} SET {name} = {};", Ident::new(role), written(name, value))
    };
    Ok((!differing.is_empty()).then(|| {
        Finding::warning(
            "guard/role-settings",
            "green",
            format!("blue's server sets for roles what green's does not: {}", first_of(&names, 4)),
        )
        .so_what("their sessions on green would begin with other settings; those of the database itself are copied")
        .next(differing.iter().map(line).collect::<Vec<_>>().join("\n"))
    }))
}
