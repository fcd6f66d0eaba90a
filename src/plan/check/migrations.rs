//! `[migrations]`: a folder of files or the application's own migrator.

use std::collections::BTreeMap;
use std::time::Duration;

use super::super::excerpt::Problem;
use super::super::file::Section;
use super::super::{MigrationSource, Migrations};
use super::one_of;

const LOCK_TIMEOUT: Duration = Duration::from_millis(500);
const TOOLS: [&str; 8] = ["auto", "flyway", "golang-migrate", "sqlx", "goose", "dbmate", "diesel", "refinery"];

pub(super) fn migrations(mut section: Section<'_>) -> Option<Migrations> {
    let source = source(&mut section);
    if let Some(layout) = section.text("layout") {
        let later = TOOLS.map(|tool| (tool, "only plain SQL files in one folder are read"));
        one_of(&section, "layout", &layout, &["plain"], &later);
    }
    let applied = section.text("applied").map(|text| text.value);
    let record = section.text("record").map(|text| text.value);
    let lock_timeout = section.duration("lock_timeout", LOCK_TIMEOUT);
    section.end();
    Some(Migrations { source: source?, applied, record, lock_timeout: lock_timeout? })
}

fn source(section: &mut Section<'_>) -> Option<MigrationSource> {
    let folder = section.path("source");
    let argv = section.argv("command");
    match (section.has("source"), section.has("command")) {
        (true, true) => {
            section.refuse("command", "\"source\" and \"command\" exclude each other");
            None
        }
        (false, false) => {
            let what = "[migrations] needs either \"source\" (a folder) or \"command\" (a program)";
            section.file.problem(Problem::new(section.span.clone(), what));
            section.value("env");
            None
        }
        (true, false) => {
            section.refuse("env", "\"env\" is for \"command\": files are run by Teal itself");
            folder.map(MigrationSource::Folder)
        }
        (false, true) => {
            let env = env(section);
            Some(MigrationSource::Command { argv: argv?, env: env? })
        }
    }
}

fn env(section: &mut Section<'_>) -> Option<BTreeMap<String, String>> {
    if !section.has("env") {
        section.value("env");
        return Some(BTreeMap::new());
    }
    let mut env = section.section("env", "[migrations].env")?;
    let mut values = BTreeMap::new();
    let mut whole = true;
    let keys: Vec<_> = env.keys().collect();
    for key in keys {
        let name = key.get_ref().to_string();
        // What the operating system takes (environ(7)); an empty value is one.
        if name.is_empty() || name.contains(['=', '\0']) {
            env.refuse(&name, "not the name of a variable");
            continue;
        }
        let value = env.value(&name).and_then(|value| env.file.text_of(&name, value));
        match value {
            Some(value) => drop(values.insert(name, value.value)),
            None => whole = false,
        }
    }
    env.end();
    whole.then_some(values)
}
