//! `[migrations]`: a folder of files or the application's own migrator.

use std::collections::BTreeMap;
use std::time::Duration;

use super::super::excerpt::Problem;
use super::super::file::Section;
use super::super::{MigrationSource, Migrations};
use super::one_of;

const LOCK_TIMEOUT: Duration = Duration::from_millis(500);

const AUTO: &str = "auto";

/// The layouts of a folder; `crate::ddl::layout` has what each means.
pub const LAYOUT_NAMES: [&str; 9] =
    ["plain", "flyway", "golang-migrate", "pop", "sqlx", "goose", "dbmate", "diesel", "refinery"];

pub(super) fn migrations(mut section: Section<'_>, in_place: bool) -> Option<Migrations> {
    let source = source(&mut section);
    if in_place && section.has("command") {
        section.refuse("command", "an in-place plan needs \"source\": what a program runs can't be rewritten");
    }
    let layout = layout(&mut section);
    let table = section.text("table").map(|text| text.value);
    let applied = section.text("applied").map(|text| text.value);
    let record = section.text("record").map(|text| text.value);
    let lock_timeout = section.duration("lock_timeout", LOCK_TIMEOUT);
    if section.has("command") {
        for key in ["layout", "table"].into_iter().filter(|key| section.has(key)).collect::<Vec<_>>() {
            section.refuse(key, format!("{key:?} is for \"source\": a program keeps its own books"));
        }
    }
    section.end();
    Some(Migrations {
        source: source?,
        layout: layout.filter(|name| name != AUTO),
        table,
        applied,
        record,
        lock_timeout: lock_timeout?,
    })
}

/// The layout's name; `auto`, or left out: it is recognised.
fn layout(section: &mut Section<'_>) -> Option<String> {
    let Some(text) = section.text("layout") else { return Some(AUTO.to_owned()) };
    let valid: Vec<&str> = std::iter::once(AUTO).chain(LAYOUT_NAMES).collect();
    one_of(section, "layout", &text, &valid, &[]).map(str::to_owned)
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
