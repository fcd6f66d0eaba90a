//! `guard/settings-differ`, `guard/answers-differ`, `guard/two-phase`: what green's server is told and blue's is not.
//!
//! Compared is what a new session of our role begins with (`reset_val`), so a setting of our role counts like one of the
//! server. What blue's database itself sets is copied, and left out.

use super::look::Setting;
use super::{Both, first_of};
use crate::finding::Finding;
use crate::postgres::{Ident, literal};
use crate::units::show_bytes;

/// Settings that change what a statement of an application gives or does; the rest is speed, size or logging.
const ANSWERS: [&str; 30] = [
    "DateStyle",
    "IntervalStyle",
    "TimeZone",
    "array_nulls",
    "backslash_quote",
    "bytea_output",
    "check_function_bodies",
    "client_encoding",
    "default_tablespace",
    "default_text_search_config",
    "default_toast_compression",
    "default_transaction_deferrable",
    "default_transaction_isolation",
    "default_transaction_read_only",
    "extra_float_digits",
    "idle_in_transaction_session_timeout",
    "idle_session_timeout",
    "lc_monetary",
    "lc_numeric",
    "lc_time",
    "lock_timeout",
    "row_security",
    "search_path",
    "session_replication_role",
    "standard_conforming_strings",
    "statement_timeout",
    "synchronous_commit",
    "transform_null_equals",
    "xmlbinary",
    "xmloption",
];

/// Categories of settings that belong to a machine or its operation, and say nothing about the other's.
const OF_THE_MACHINE: [&str; 9] = [
    "Connections and Authentication",
    "Developer Options",
    "Error Handling",
    "File Locations",
    "Preset Options",
    "Process Title",
    "Replication",
    "Reporting and Logging",
    "Write-Ahead Log / Arch",
];

/// A setting that differs: its name, and what both sides have.
struct Difference<'a> {
    name: &'a str,
    blue: &'a Setting,
    green: Option<&'a Setting>,
}

pub(super) fn check(both: &Both<'_>) -> Vec<Finding> {
    let differing = differences(both);
    let (answers, rest): (Vec<_>, Vec<_>) = differing.iter().partition(|one| matters(one));
    let mut found: Vec<Finding> = answers_differ(both, &answers).into_iter().collect();
    found.extend(two_phase(both));
    if !rest.is_empty() {
        let list: Vec<String> = rest.iter().map(|one| one.line()).collect();
        found.push(
            Finding::note("guard/settings-differ", "green", format!("blue and green differ in {}", list.join(", ")))
                .so_what("speed and limits may differ after the cutover; a newer major version has other defaults"),
        );
    }
    found
}

/// What would change an application's answers: worth a place in `plan` too.
pub(super) fn answers(both: &Both<'_>) -> Vec<Finding> {
    let differing = differences(both);
    let answers: Vec<&Difference<'_>> = differing.iter().filter(|one| matters(one)).collect();
    answers_differ(both, &answers).into_iter().chain(two_phase(both)).collect()
}

fn matters(one: &Difference<'_>) -> bool {
    ANSWERS.contains(&one.name) || (one.blue.about == "Customized Options" && one.green.is_none())
}

fn differences<'a>(both: &'a Both<'_>) -> Vec<Difference<'a>> {
    let green = &both.green_settings.0;
    let told = |(name, blue): (&'a String, &'a Setting)| {
        let machine = OF_THE_MACHINE.iter().any(|about| blue.about.starts_with(about));
        let of_the_role = ["database", "user", "database user", "client", "session"].contains(&blue.source.as_str());
        let green = green.get(name);
        // One that green's version does not know is no difference; a setting of the application's own is.
        let gone = green.is_none() && !(blue.about == "Customized Options" && blue.settable);
        let same = green.is_some_and(|green| green.value == blue.value);
        // What the cutover and the copy need is looked at by guards of their own.
        let elsewhere = ["max_prepared_transactions", "shared_preload_libraries"].contains(&name.as_str());
        let differs = !machine && !of_the_role && !gone && !same && !elsewhere;
        differs.then_some(Difference { name, blue, green })
    };
    both.blue_settings.0.iter().filter_map(told).collect()
}

fn answers_differ(both: &Both<'_>, differing: &[&Difference<'_>]) -> Option<Finding> {
    let database = Ident::new(both.plan.green.dbname());
    let list: Vec<String> = differing.iter().map(|one| one.line()).collect();
    let line = |one: &&&Difference<'_>| {
        // A list of names is stored as it is written.
        let value = if one.name == "search_path" { one.blue.value.clone() } else { literal(&one.blue.value) };
        format!("ALTER DATABASE {database} SET {} = {value};", one.name)
    };
    let remedy: Vec<String> = differing.iter().filter(|one| one.blue.settable).map(|one| line(&one)).collect();
    (!differing.is_empty()).then(|| {
        Finding::warning(
            "guard/answers-differ",
            "green",
            format!("settings that change what statements do differ: {}", first_of(&list, 6)),
        )
        .so_what("an application may get other answers from green than from blue")
        .next(remedy.join("\n"))
    })
}

fn two_phase(both: &Both<'_>) -> Option<Finding> {
    let (blue, green) = (both.blue_server.max_prepared_transactions, both.green_server.max_prepared_transactions);
    (blue > 0 && green == 0).then(|| {
        Finding::warning("guard/two-phase", "green", format!("green takes no prepared transactions, blue takes {blue}"))
            .so_what("an application that commits in two phases would fail after the cutover")
            .next(both.green_provider.set("max_prepared_transactions", blue))
    })
}

impl Difference<'_> {
    fn line(&self) -> String {
        let green = self.green.map_or_else(|| "nothing".to_owned(), shown);
        format!("{} {} → {green}", self.name, shown(self.blue))
    }
}

/// As people write it: `128.0 MB` for 16384 pages of 8 kB.
fn shown(setting: &Setting) -> String {
    let Setting { value, unit, .. } = setting;
    let size = |factor: u64| value.parse::<u64>().ok().map(|n| show_bytes(n.saturating_mul(factor)));
    let size = match unit.as_str() {
        "B" => size(1),
        "kB" => size(1 << 10),
        "8kB" => size(8 << 10),
        "MB" => size(1 << 20),
        _ => None,
    };
    size.unwrap_or_else(|| if value.is_empty() { "''".to_owned() } else { format!("{value}{unit}") })
}

#[cfg(test)]
mod tests {
    use super::{ANSWERS, Setting, shown};

    #[test]
    fn a_setting_is_shown_with_its_unit() {
        let setting = |value: &str, unit: &str| Setting {
            value: value.into(),
            unit: unit.into(),
            source: String::new(),
            settable: true,
            about: String::new(),
        };
        let said =
            [("16384", "8kB"), ("-1", "kB"), ("500", "ms"), ("", ""), ("on", "")].map(|(v, u)| shown(&setting(v, u)));
        assert_eq!(said, ["128.0 MB", "-1kB", "500ms", "''", "on"]);
        assert!(ANSWERS.is_sorted());
    }
}
