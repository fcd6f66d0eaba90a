//! What the topics of `doctor` look at: one side, or both.

use std::collections::BTreeMap;

use tokio_postgres::error::SqlState;

use super::Both;
use super::provider::{Provider, read_provider};
use crate::catalog::{Server, Table, read_server};
use crate::error::Result;
use crate::finding::Finding;
use crate::plan::Plan;
use crate::postgres::{Db, Target};

/// One database that was reached, and its server.
pub(super) struct Side<'a> {
    pub(super) target: &'a Target,
    pub(super) db: Db,
    pub(super) server: Server,
    pub(super) provider: Provider,
    pub(super) settings: Settings,
    /// Whether our role sees all sessions (`pg_read_all_stats`).
    pub(super) sees_sessions: bool,
}

/// What the topics look at.
pub(super) struct Look<'a> {
    pub(super) plan: &'a Plan,
    /// This run has been at work on green already.
    pub(super) resuming: bool,
    pub(super) blue: Option<Side<'a>>,
    pub(super) green: Option<Side<'a>>,
    /// Blue's user tables; none where blue could not be asked.
    pub(super) tables: Vec<Table>,
}

/// A setting as new sessions of our role begin with it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Setting {
    pub(super) value: String,
    pub(super) unit: String,
    pub(super) source: String,
    /// By ALTER DATABASE or ALTER ROLE.
    pub(super) settable: bool,
    pub(super) about: String,
}

/// All settings that our role may see, by name.
#[derive(Debug, Clone, Default)]
pub(super) struct Settings(pub(super) BTreeMap<String, Setting>);

impl Settings {
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(|setting| setting.value.as_str())
    }

    /// A list such as `shared_preload_libraries`; none where our role may not see it.
    pub(super) fn list(&self, name: &str) -> Option<Vec<String>> {
        let parts = self.get(name)?.split(',').map(|part| part.trim().trim_matches('"').to_owned());
        Some(parts.filter(|part| !part.is_empty()).collect())
    }
}

/// The driver names a time zone and an encoding of its own when it connects, which hides what the server's is: the
/// catalog and the files tell it to those who may read them, for others it stays unknown.
pub(super) async fn read_settings(db: &Db) -> Result<Settings> {
    let rows = db.rows(include_str!("../postgres/sql/select_all_settings.sql"), &[]).await?;
    let setting = |row: &tokio_postgres::Row| Setting {
        value: row.get("value"),
        unit: row.get("unit"),
        source: row.get("source"),
        settable: row.get("settable"),
        about: row.get("about"),
    };
    let mut settings: BTreeMap<String, Setting> = rows
        .iter()
        .map(|row| (row.get("name"), setting(row)))
        .filter(|(_, s): &(_, Setting)| s.source != "client")
        .collect();
    match db.maybe_row(include_str!("../postgres/sql/select_timezone.sql"), &[]).await {
        Ok(row) => {
            settings.extend(row.map(|row| {
                let setting = Setting {
                    value: row.get("value"),
                    source: row.get("source"),
                    settable: true,
                    ..Setting::default()
                };
                ("TimeZone".to_owned(), setting)
            }));
        }
        Err(e) if e.code() == Some(&SqlState::INSUFFICIENT_PRIVILEGE) => {}
        Err(e) => return Err(e.into()),
    }
    Ok(Settings(settings))
}

impl<'a> Side<'a> {
    pub(super) async fn read(target: &'a Target, db: Db) -> Result<Self> {
        let server = read_server(&db).await?;
        let provider = read_provider(&db).await?;
        let settings = read_settings(&db).await?;
        let sees: bool = db.row("SELECT pg_catalog.pg_has_role('pg_read_all_stats', 'USAGE')", &[]).await?.get(0);
        Ok(Self { target, db, server, provider, settings, sees_sessions: sees })
    }

    pub(super) fn name(&self) -> &str {
        &self.target.name
    }
}

impl<'a> Look<'a> {
    /// The sides that were reached.
    pub(super) fn sides(&self) -> impl Iterator<Item = &Side<'a>> {
        self.blue.iter().chain(&self.green)
    }

    /// What the guards that compare the two work from.
    pub(super) fn both(&self) -> Option<Both<'_>> {
        let (blue, green) = (self.blue.as_ref()?, self.green.as_ref()?);
        Some(Both {
            plan: self.plan,
            blue: &blue.db,
            green: &green.db,
            blue_server: blue.server.clone(),
            green_server: green.server.clone(),
            blue_settings: blue.settings.clone(),
            green_settings: green.settings.clone(),
            blue_provider: blue.provider,
            green_provider: green.provider,
            tables: self.tables.clone(),
        })
    }

    /// What each side shows, in one line: `blue 15.18, green 17.2`.
    pub(super) fn line(&self, of: impl Fn(&Side<'a>) -> String) -> String {
        self.sides().map(|side| format!("{} {}", side.name(), of(side))).collect::<Vec<_>>().join(", ")
    }
}

/// What is wrong, by the number of it: for lines of `seen`.
pub(super) fn none_or(findings: &[Finding], none: &str, some: impl Fn(usize) -> String) -> String {
    if findings.is_empty() { none.to_owned() } else { some(findings.len()) }
}
