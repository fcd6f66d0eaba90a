//! `[[check]]`: what must hold, and over what.

use std::collections::BTreeMap;

use toml::Spanned;
use toml::de::DeValue;

use super::super::excerpt::Problem;
use super::super::file::{PlanFile, Section, Text};
use super::super::secret::shown;
use super::super::suggest::{nearest, not_one_of};
use super::super::{Check, Expect, Sides, Source};
use super::twice;

const OWN_KEYS: [&str; 3] = ["name", "sql", "expect"];

/// A check's name with its span, and the check if all of it is right.
pub(super) struct Read {
    name: Option<Text>,
    check: Option<Check>,
}

pub(super) fn check(mut section: Section<'_>, databases: &[String]) -> Read {
    let name = section.required_text("name");
    let sides = sides(&mut section, databases);
    let expect = section.required("expect").and_then(|value| {
        let expect = expect(section.file, value, sides.as_ref())?;
        sides.as_ref().and_then(|sides| fits(section.file, value, expect, sides))
    });
    section.end();
    let check = (|| Some(Check { name: name.clone()?.value, sides: sides?, expect: expect? }))();
    Read { name, check }
}

/// All checks, if all are right and no name stands twice.
pub(super) fn unique(top: &Section<'_>, checks: Vec<Read>) -> Option<Vec<Check>> {
    twice(top, "check", checks.iter().filter_map(|read| read.name.as_ref()));
    checks.into_iter().map(|read| read.check).collect()
}

fn sides(section: &mut Section<'_>, databases: &[String]) -> Option<Sides> {
    let file = section.file;
    let sql = section.text("sql");
    let (mut each, mut named, mut whole) = (BTreeMap::new(), 0, true);
    let keys: Vec<_> = section.keys().filter(|key| !OWN_KEYS.contains(&key.get_ref().as_ref())).collect();
    for key in keys {
        let name = key.get_ref().as_ref();
        if !databases.iter().any(|database| database == name) {
            section.value(name);
            unknown_side(file, key, databases);
            whole = false;
            continue;
        }
        named += 1;
        let source = section.value(name).and_then(|value| source(file, name, value));
        whole &= source.is_some();
        each.extend(source.map(|source| (name.to_owned(), source)));
    }
    match (section.has("sql"), named) {
        (true, 0) => sql.filter(|_| whole).map(|sql| Sides::Both(sql.value)),
        (true, _) => {
            section.refuse("sql", "\"sql\" is for both sides: name either it or the sides");
            None
        }
        (false, 0) if whole => {
            let what = "[[check]] needs \"sql\" (for both sides) or a side per database";
            file.problem(Problem::new(section.span.clone(), what));
            None
        }
        (false, _) => whole.then_some(Sides::Each(each)),
    }
}

fn unknown_side(file: &PlanFile<'_>, key: &Spanned<std::borrow::Cow<'_, str>>, databases: &[String]) {
    let name = key.get_ref().as_ref();
    let what = format!("{:?} in [[check]] is neither a key nor a name in [databases]", shown(name));
    let problem = Problem::new(key.span(), what);
    let valid = databases.iter().map(String::as_str).chain(OWN_KEYS);
    file.problem(match nearest(name, valid) {
        Some(near) => problem.label(format!("did you mean `{near}`?")),
        None => problem,
    });
}

fn source(file: &PlanFile<'_>, side: &str, value: &Spanned<DeValue<'_>>) -> Option<Source> {
    match value.get_ref() {
        DeValue::Array(_) => file.argv_of(side, value).map(Source::Program),
        DeValue::String(_) => {
            let sql = file.text_of(side, value).and_then(|text| file.filled(side, text))?;
            Some(Source::Sql(sql.value))
        }
        _ => {
            file.wrong_type(side, value, "a query or a program with its arguments");
            None
        }
    }
}

fn expect(file: &PlanFile<'_>, value: &Spanned<DeValue<'_>>, sides: Option<&Sides>) -> Option<Expect> {
    match value.get_ref() {
        DeValue::Table(entries) => {
            let mut section = Section::new(file, "expect", value.span(), entries);
            let within = section.required_percent("within");
            section.end();
            within.map(Expect::Within)
        }
        DeValue::String(_) => words(file, &file.text_of("expect", value)?, sides),
        _ => {
            file.wrong_type("expect", value, "\"equal\", \"empty\", \"A in B\" or { within = \"1%\" }");
            None
        }
    }
}

fn words(file: &PlanFile<'_>, text: &Text, sides: Option<&Sides>) -> Option<Expect> {
    match text.value.split_whitespace().collect::<Vec<_>>().as_slice() {
        ["equal"] => Some(Expect::Equal),
        ["empty"] => Some(Expect::Empty),
        [rows_of, "in", found_in] => {
            let given = sides?.names();
            let unknown = [rows_of, found_in].into_iter().find(|side| !given.contains(side));
            if let Some(side) = unknown {
                let what = format!("expect = {:?} names a side that this check does not have", text.shown());
                let problem = Problem::new(text.span.clone(), what);
                file.problem(match nearest(side, given.iter().copied()) {
                    Some(near) => problem.label(format!("did you mean `{near}`?")),
                    None => problem.label(format!("its sides are {}", given.join(", "))),
                });
                return None;
            }
            Some(Expect::In { rows_of: (*rows_of).to_owned(), found_in: (*found_in).to_owned() })
        }
        _ => {
            file.problem(not_one_of("expect", text, &["equal", "empty", "A in B", "{ within = \"1%\" }"]));
            None
        }
    }
}

/// Whether the expectation can be held against so many sides.
fn fits(file: &PlanFile<'_>, value: &Spanned<DeValue<'_>>, expect: Expect, sides: &Sides) -> Option<Expect> {
    let count = sides.names().len();
    let wrong = match &expect {
        Expect::Empty if count != 1 && matches!(sides, Sides::Each(_)) => {
            format!("is about one side, this check has {count}")
        }
        Expect::In { rows_of, found_in } if rows_of == found_in => "compares a side with itself".to_owned(),
        Expect::Equal | Expect::Within(_) | Expect::In { .. } if count != 2 => {
            format!("compares two sides, this check has {count}")
        }
        _ => return Some(expect),
    };
    file.problem(Problem::new(value.span(), format!("this expect {wrong}")));
    None
}
