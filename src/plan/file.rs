//! The plan file as TOML has it: sections whose keys are asked for by name and type, every value with its span.
//!
//! Reading goes on after an error, so that one look shows all of them. What nobody asked for is an error too: no key is
//! ever accepted in silence.

use std::cell::RefCell;
use std::ops::Range;
use std::path::PathBuf;
use std::time::Duration;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::excerpt::Problem;
use super::later::{later, later_keys};
use super::rehearsal::StandIns;
use super::secret::{has_secret, shown};
use super::suggest::nearest;
use super::units;

/// The file that is being read, and what is wrong with it so far.
pub(super) struct PlanFile<'p> {
    /// Its text.
    pub(super) text: &'p str,
    /// Its folder, absolute: what relative paths start from.
    pub(super) folder: PathBuf,
    /// The value of `${NAME}`.
    pub(super) env: &'p dyn Fn(&str) -> Option<String>,
    /// What is wrong so far.
    pub(super) problems: RefCell<Vec<Problem>>,
    /// The databases of a rehearsal, instead of the plan's own.
    pub(super) stand_ins: Option<&'p StandIns>,
}

impl PlanFile<'_> {
    /// Notes that something is wrong.
    pub(super) fn problem(&self, problem: Problem) {
        self.problems.borrow_mut().push(problem);
    }

    /// A value as text, `${NAME}` expanded.
    pub(super) fn text_of(&self, key: &str, value: &Spanned<DeValue>) -> Option<Text> {
        let span = value.span();
        let Some(raw) = value.get_ref().as_str() else {
            self.wrong_type(key, value, "a string");
            return None;
        };
        match units::expand(raw, self.env) {
            Ok(text) if text.contains('\0') => {
                self.problem(Problem::new(span, format!("{key:?} must not hold a NUL character")));
                None
            }
            Ok(text) => Some(Text { value: text, raw: raw.to_owned(), span }),
            Err(unexpanded) => {
                let reference = raw.get(unexpanded.range).unwrap_or_default();
                // The raw text has it as it is, unless it is written with escapes.
                let found = self.text.get(span.clone()).and_then(|written| written.find(reference));
                let span = found.map_or(span.clone(), |at| span.start + at..span.start + at + reference.len());
                self.problem(Problem::new(span, unexpanded.what));
                None
            }
        }
    }

    /// A program: a list of strings that begins with its name.
    pub(super) fn argv_of(&self, key: &str, value: &Spanned<DeValue>) -> Option<Vec<String>> {
        if value.get_ref().is_str() {
            let what = format!("{key:?} must be a list: programs are lists, never a shell string");
            self.problem(Problem::new(value.span(), what).label("write [\"program\", \"argument\", …]"));
            return None;
        }
        let argv = self.list_of(key, value)?;
        if argv.first().is_none_or(|program| program.value.trim().is_empty()) {
            self.problem(Problem::new(value.span(), format!("{key:?} names no program")));
            return None;
        }
        Some(argv.into_iter().map(|word| word.value).collect())
    }

    /// A list of strings.
    pub(super) fn list_of(&self, key: &str, value: &Spanned<DeValue>) -> Option<Vec<Text>> {
        let Some(items) = value.get_ref().as_array() else {
            self.wrong_type(key, value, "a list of strings");
            return None;
        };
        let texts: Vec<Option<Text>> = items.iter().map(|item| self.text_of(key, item)).collect();
        texts.into_iter().collect()
    }

    /// Notes a value of the wrong type; never repeats the value.
    pub(super) fn wrong_type(&self, key: &str, value: &Spanned<DeValue>, wanted: &str) {
        let found = value.get_ref().type_str();
        self.problem(Problem::new(value.span(), format!("{key:?} must be {wanted}, not {}", article(found))));
    }

    /// A value that must not be blank.
    pub(super) fn filled(&self, key: &str, text: Text) -> Option<Text> {
        if text.value.trim().is_empty() {
            self.problem(Problem::new(text.span, format!("{key:?} must not be empty")));
            return None;
        }
        Some(text)
    }

    /// Reads a text further, noting what is wrong with it. The message may repeat the expanded value only where the
    /// file has it word for word.
    pub(super) fn read<T>(&self, text: &Text, read: impl FnOnce(&str) -> Result<T, String>) -> Option<T> {
        match read(&text.value) {
            Ok(value) => Some(value),
            Err(_) if text.value != text.raw => {
                let what = format!("{:?} does not stand for a value that fits here", shown(&text.raw));
                self.problem(Problem::new(text.span.clone(), what));
                None
            }
            Err(what) => {
                let what = if has_secret(&text.raw) { "not a value that fits here".into() } else { what };
                self.problem(Problem::new(text.span.clone(), what));
                None
            }
        }
    }
}

/// A string of the plan.
#[derive(Debug, Clone)]
pub(super) struct Text {
    /// With `${NAME}` expanded.
    pub(super) value: String,
    /// As written: what messages may show, through [`Text::shown`].
    raw: String,
    /// Where.
    pub(super) span: Range<usize>,
}

impl Text {
    /// A value that does not come from the file.
    pub(super) fn given(value: String, span: Range<usize>) -> Self {
        Self { value, raw: String::new(), span }
    }

    /// As written, variables not expanded. May hold a password.
    pub(super) fn written(&self) -> &str {
        &self.raw
    }

    /// For messages: as written, variables not expanded, no password.
    pub(super) fn shown(&self) -> &str {
        shown(&self.raw)
    }
}

/// One table of the file. Every key is asked for; [`Section::end`] refuses the rest.
pub(super) struct Section<'s> {
    /// The file.
    pub(super) file: &'s PlanFile<'s>,
    /// `[databases]`, `[[event]]`; empty at the top.
    title: &'static str,
    /// Where the section begins.
    pub(super) span: Range<usize>,
    entries: &'s DeTable<'s>,
    asked: Vec<String>,
    missing: Vec<&'static str>,
}

impl<'s> Section<'s> {
    /// The section `title` that begins at `span`.
    pub(super) fn new(file: &'s PlanFile<'s>, title: &'static str, span: Range<usize>, entries: &'s DeTable) -> Self {
        Self { file, title, span, entries, asked: Vec::new(), missing: Vec::new() }
    }

    /// The same section, read as part of another file: with other variables, or problems of its own.
    pub(super) fn within<'t>(self, file: &'t PlanFile<'t>) -> Section<'t>
    where
        's: 't,
    {
        Section {
            file,
            title: self.title,
            span: self.span,
            entries: self.entries,
            asked: self.asked,
            missing: self.missing,
        }
    }

    /// All keys, asked for or not.
    pub(super) fn keys(&self) -> impl Iterator<Item = &'s Spanned<std::borrow::Cow<'s, str>>> {
        self.entries.keys()
    }

    /// The value of `key`, of any type.
    pub(super) fn value(&mut self, key: &str) -> Option<&'s Spanned<DeValue<'s>>> {
        self.asked.push(key.to_owned());
        self.entries.get(key)
    }

    /// The value of a key that must be there.
    pub(super) fn required(&mut self, key: &'static str) -> Option<&'s Spanned<DeValue<'s>>> {
        let value = self.value(key);
        if value.is_none() {
            self.missing.push(key);
        }
        value
    }

    /// A string that may be left out but not blank.
    pub(super) fn text(&mut self, key: &str) -> Option<Text> {
        let value = self.value(key)?;
        self.file.text_of(key, value).and_then(|text| self.file.filled(key, text))
    }

    /// A string that must be there.
    pub(super) fn required_text(&mut self, key: &'static str) -> Option<Text> {
        let value = self.required(key)?;
        self.file.text_of(key, value).and_then(|text| self.file.filled(key, text))
    }

    /// A program that may be left out.
    pub(super) fn argv(&mut self, key: &str) -> Option<Vec<String>> {
        let value = self.value(key)?;
        self.file.argv_of(key, value)
    }

    /// A duration, `default` where left out.
    pub(super) fn duration(&mut self, key: &str, default: Duration) -> Option<Duration> {
        self.unit(key, default, units::duration)
    }

    /// A size in bytes, `default` where left out.
    pub(super) fn size(&mut self, key: &str, default: u64) -> Option<u64> {
        self.unit(key, default, units::size)
    }

    fn unit<T>(&mut self, key: &str, default: T, read: impl FnOnce(&str) -> Result<T, String>) -> Option<T> {
        if !self.has(key) {
            self.asked.push(key.to_owned());
            return Some(default);
        }
        let text = self.text(key)?;
        self.file.read(&text, read)
    }

    /// A percentage as a fraction, required.
    pub(super) fn required_percent(&mut self, key: &'static str) -> Option<f64> {
        let text = self.required_text(key)?;
        self.file.read(&text, units::percent)
    }

    /// A path, absolute; relative ones start from the plan's folder.
    pub(super) fn path(&mut self, key: &'static str) -> Option<PathBuf> {
        self.text(key).map(|text| self.file.folder.join(text.value))
    }

    /// Whether the key is there.
    pub(super) fn has(&self, key: &str) -> bool {
        self.entries.contains_key(key)
    }

    /// The table under `key`.
    pub(super) fn section(&mut self, key: &str, title: &'static str) -> Option<Section<'s>> {
        let value = self.value(key)?;
        let Some(entries) = value.get_ref().as_table() else {
            self.file.wrong_type(key, value, &format!("a section {title}"));
            return None;
        };
        Some(Section::new(self.file, title, value.span(), entries))
    }

    /// The tables under `key`: `[[event]]`.
    pub(super) fn sections(&mut self, key: &str, title: &'static str) -> Vec<Section<'s>> {
        let Some(value) = self.value(key) else { return Vec::new() };
        let Some(items) = value.get_ref().as_array() else {
            self.file.wrong_type(key, value, &format!("sections {title}"));
            return Vec::new();
        };
        let mut sections = Vec::new();
        for item in items {
            match item.get_ref().as_table() {
                Some(entries) => sections.push(Section::new(self.file, title, item.span(), entries)),
                None => self.file.wrong_type(key, item, &format!("a section {title}")),
            }
        }
        sections
    }

    /// Notes something wrong with `key` itself.
    pub(super) fn refuse(&mut self, key: &str, what: impl Into<String>) {
        self.asked.push(key.to_owned());
        if let Some((written, _)) = self.entries.get_key_value(key) {
            self.file.problem(Problem::new(written.span(), what));
        }
    }

    /// Refuses what was not asked for, then what is missing. A missing key that was only misspelled counts once.
    pub(super) fn end(mut self) {
        for key in self.entries.keys() {
            let name = key.get_ref().as_ref();
            if self.asked.iter().any(|asked| asked == name) {
                continue;
            }
            let place = if self.title.is_empty() { String::new() } else { format!(" in {}", self.title) };
            if let Some(later) = later(self.title, name) {
                let what = format!("{name:?}{place} is not supported yet: {}", later.why);
                self.file.problem(Problem::new(key.span(), what));
                continue;
            }
            let mut problem = Problem::new(key.span(), format!("unknown key {:?}{place}", shown(name)));
            let valid = self.asked.iter().map(String::as_str).chain(later_keys(self.title));
            if let Some(near) = nearest(name, valid) {
                problem = problem.label(format!("did you mean `{near}`?"));
                self.missing.retain(|missing| *missing != near);
            }
            self.file.problem(problem);
        }
        for key in &self.missing {
            let place = if self.title.is_empty() { "the plan".to_owned() } else { self.title.to_owned() };
            self.file.problem(Problem::new(self.span.clone(), format!("missing key {key:?} in {place}")));
        }
    }
}

fn article(kind: &str) -> String {
    let an = kind.starts_with(['a', 'e', 'i', 'o', 'u']);
    format!("{} {kind}", if an { "an" } else { "a" })
}
