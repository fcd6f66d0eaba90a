//! `[databases]`: blue, green, and further ones for checks.

use std::collections::BTreeMap;

use super::super::excerpt::Problem;
use super::super::file::{PlanFile, Section, Text};
use super::super::secret::shown;
use crate::postgres::Target;

/// Keys of a check that no database may have as its name.
const RESERVED: [&str; 3] = ["name", "sql", "expect"];

/// What `[databases]` names; `None` where the URL is wrong, which is noted.
pub(super) struct Databases {
    pub(super) blue: Option<Target>,
    pub(super) green: Option<Target>,
    pub(super) others: BTreeMap<String, Target>,
    /// All names, also those whose URL is wrong: references to them are right.
    pub(super) names: Vec<String>,
}

/// `in_place`: blue alone; what is called green then is blue after the migrations.
pub(super) fn databases(mut section: Section<'_>, in_place: bool) -> Databases {
    let file = section.file;
    section.required("blue");
    if in_place {
        section.refuse("green", "an in-place plan has no green: blue itself is migrated");
    } else {
        section.required("green");
    }
    let mut urls: Vec<(String, Text)> = Vec::new();
    let mut databases = Databases { blue: None, green: None, others: BTreeMap::new(), names: Vec::new() };
    let keys: Vec<_> = section.keys().collect();
    for key in keys {
        let name = key.get_ref().to_string();
        if misspelled(&section, &name) || (in_place && name == "green") {
            continue;
        }
        let url = match file.stand_ins {
            // The plan's own is not even read: its variable need not be set.
            Some(stand_ins) => {
                let url =
                    [("blue", &stand_ins.blue), ("green", &stand_ins.green)].into_iter().find(|(of, _)| *of == name);
                section.value(&name).zip(url).map(|(value, (_, url))| Text::given(url.clone(), value.span()))
            }
            None => section.text(&name),
        };
        if !is_name(&name) {
            let what = format!(
                "{:?} can't name a database: lowercase letters, digits, \"-\" and \"_\", none of name, sql, expect",
                shown(&name)
            );
            file.problem(Problem::new(key.span(), what));
            continue;
        }
        databases.names.push(name.clone());
        let Some(url) = url else { continue };
        match name.as_str() {
            "blue" => databases.blue = target(file, &name, &url),
            "green" => databases.green = target(file, &name, &url),
            _ => databases.others.extend(target(file, &name, &url).map(|target| (name.clone(), target))),
        }
        urls.push((name, url));
    }
    for name in ["blue", "green"] {
        if !databases.names.iter().any(|there| there == name) {
            databases.names.push(name.to_owned());
        }
    }
    if in_place {
        databases.green.clone_from(&databases.blue);
    }
    same_url(file, urls);
    section.end();
    databases
}

/// A near miss of `blue` or `green` while that one is missing is a slip, not a further database.
fn misspelled(section: &Section<'_>, name: &str) -> bool {
    ["blue", "green"].iter().any(|wanted| !section.has(wanted) && strsim::osa_distance(name, wanted) <= 2)
}

fn is_name(name: &str) -> bool {
    let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '_';
    !name.is_empty() && name.chars().all(fits) && !RESERVED.contains(&name)
}

pub(super) fn target(file: &PlanFile<'_>, name: &str, url: &Text) -> Option<Target> {
    match Target::parse(name, &url.value) {
        Ok(target) => Some(target),
        Err(failure) => {
            let problem = Problem::new(url.span.clone(), failure.what);
            file.problem(match failure.hint {
                Some(hint) => problem.label(hint),
                None => problem,
            });
            None
        }
    }
}

/// One database behind two names; that two different URLs lead to one database is probed on the servers.
fn same_url(file: &PlanFile<'_>, mut urls: Vec<(String, Text)>) {
    urls.sort_by_key(|(_, url)| url.span.start);
    for (at, (name, url)) in urls.iter().enumerate() {
        if let Some((first, _)) = urls.iter().take(at).find(|(_, earlier)| earlier.value == url.value) {
            file.problem(Problem::new(url.span.clone(), format!("{name} has the same URL as {first}")));
        }
    }
}
