//! `guard/not-carried`: what blue has and the copy does not bring, or green can't take.

use super::Both;
use crate::error::Result;
use crate::finding::Finding;

const ID: &str = "guard/not-carried";

pub(super) async fn check(both: &Both<'_>) -> Result<Vec<Finding>> {
    let mut found = Vec::new();
    let rows = both.blue.rows(include_str!("../postgres/sql/select_not_carried.sql"), &[]).await?;
    let objects = |kind: &str| -> Vec<String> {
        rows.iter().filter(|row| row.get::<_, &str>("kind") == kind).map(|row| row.get("object")).collect()
    };
    for object in objects("large objects") {
        found.push(
            Finding::blocker(ID, "blue", format!("blue holds {object}"))
                .so_what("large objects belong to no table and are not copied")
                .next("SELECT oid FROM pg_largeobject_metadata;"),
        );
    }
    for object in objects("extension rows") {
        found.push(
            Finding::warning(ID, format!("blue {object}"), "an extension's configuration table may hold rows of yours")
                .so_what("rows of extensions' own tables are not copied")
                .next(format!("SELECT * FROM {object};")),
        );
    }
    for object in objects("publication") {
        found.push(
            Finding::warning(ID, format!("blue publication {object}"), "something may be subscribed to blue")
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
    found.extend(extensions(both, &objects("extension")).await?);
    Ok(found)
}

fn event_triggers(both: &Both<'_>, triggers: &[String]) -> Vec<Finding> {
    if both.green_server.superuser {
        return Vec::new();
    }
    let finding = |trigger: &String| {
        Finding::blocker(ID, format!("blue event trigger {trigger}"), "our role on green can't make event triggers")
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

async fn extensions(both: &Both<'_>, extensions: &[String]) -> Result<Vec<Finding>> {
    let rows = both.green.rows(include_str!("../postgres/sql/select_missing_extensions.sql"), &[&extensions]).await?;
    let finding = |row: &tokio_postgres::Row| {
        let name: String = row.get("name");
        Finding::blocker(ID, format!("green extension {name}"), "green's server does not have this extension")
            .so_what("the schema can't be restored without it")
            .next(format!("apt-cache search postgresql-{} | grep -i '{name}'", both.green_server.major()))
    };
    Ok(rows.iter().map(finding).collect())
}
