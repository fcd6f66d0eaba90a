//! What of a plan file's text must never be shown.

use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// Keys whose values are taken for secrets wherever they stand: what holds one of these words.
const SECRET_KEYS: [&str; 13] = [
    "database", "env", "url", "dsn", "password", "passwd", "secret", "token", "header", "authoriz", "cookie", "body",
    "json",
];

/// The parts of a plan file's text that are shown as `"***"`, sorted and apart.
#[derive(Debug, Default)]
pub(super) struct Masks(Vec<(Range<usize>, &'static str)>);

impl Masks {
    /// Reads the secrets off the parsed file: every value of `[databases]` and `[migrations].env`, every value that
    /// holds a password, and comments beside or with one. A value that is nothing but `${NAME}` is no secret.
    pub(super) fn of(text: &str, table: &DeTable) -> Self {
        let mut masks = Self::default();
        masks.table(text, table, false);
        masks.0.sort_by_key(|(range, _)| range.start);
        masks.comments(text);
        masks
    }

    /// Where the text is not TOML, nobody knows where a value ends: from the first line that may hold a secret to the
    /// next header, everything after the first `=` is hidden, and whole lines that have none.
    pub(super) fn of_broken(text: &str) -> Self {
        let mut masks = Vec::new();
        let (mut start, mut secret) = (0, false);
        for line in text.split_inclusive('\n') {
            let shown = line.trim_end();
            let (key, value_at) = shown.split_once('=').map_or((shown, 0), |(key, _)| (key, key.len() + 1));
            let header = is_header(shown);
            // An inline table holds keys of its own.
            let inline = shown.contains('{') && is_secret_key(shown);
            secret = (secret && !header) || is_secret_key(key) || inline || has_secret(shown);
            if secret && (!header || has_secret(shown)) {
                let from = if has_secret(key) { 0 } else { value_at };
                let from = from + shown[from..].len() - shown[from..].trim_start().len();
                masks.extend((from < shown.len()).then_some((start + from..start + shown.len(), "***")));
            }
            start += line.len();
        }
        Self(masks)
    }

    fn table(&mut self, text: &str, table: &DeTable, secret: bool) {
        for (key, value) in table {
            self.value(text, value, secret || is_secret_key(key.get_ref()));
        }
    }

    fn value(&mut self, text: &str, value: &Spanned<DeValue>, secret: bool) {
        let span = value.span();
        match value.get_ref() {
            DeValue::Table(table) => self.table(text, table, secret),
            DeValue::Array(items) => items.iter().for_each(|item| self.value(text, item, secret)),
            leaf => {
                let raw = text.get(span.clone()).unwrap_or_default();
                let parsed = leaf.as_str().unwrap_or_default();
                if (secret && !is_reference(parsed)) || has_secret(raw) || has_secret(parsed) {
                    self.0.push((span.clone(), "\"***\""));
                }
                if secret {
                    self.comment_after(text, span.end);
                }
            }
        }
    }

    /// The old password is often kept beside the new one.
    fn comment_after(&mut self, text: &str, from: usize) {
        let rest = text.get(from..).unwrap_or_default();
        let line = rest.lines().next().unwrap_or_default();
        if let Some(at) = line.find('#') {
            self.0.push((from + at..from + line.len(), "# ***"));
        }
    }

    /// What is left outside values: comments, also those that hold a whole URL.
    fn comments(&mut self, text: &str) {
        let mut start = 0;
        for line in text.split_inclusive('\n') {
            let end = start + line.trim_end().len();
            for (at, _) in line.match_indices('#') {
                let hidden = start + at..end;
                let in_value = self.0.iter().any(|(mask, _)| mask.start <= hidden.start && hidden.start < mask.end);
                if !in_value && text.get(hidden.clone()).is_some_and(has_secret) {
                    self.0.push((hidden, "# ***"));
                    break;
                }
            }
            start += line.len();
        }
        self.0.sort_by_key(|(range, _)| range.start);
        // A mask that begins inside another adds nothing but a wrong offset; where it reaches further, so does the first.
        let mut apart: Vec<(Range<usize>, &'static str)> = Vec::new();
        for (range, shown) in self.0.drain(..) {
            match apart.last_mut() {
                Some((last, _)) if range.start < last.end => last.end = last.end.max(range.end),
                _ => apart.push((range, shown)),
            }
        }
        self.0 = apart;
    }

    /// The masks that touch `range`, in order.
    pub(super) fn within(&self, range: Range<usize>) -> impl Iterator<Item = &(Range<usize>, &'static str)> {
        self.0.iter().filter(move |(mask, _)| mask.start < range.end && range.start < mask.end)
    }
}

fn is_secret_key(key: &str) -> bool {
    let key = key.trim_matches(|c: char| "[] ".contains(c)).to_ascii_lowercase();
    SECRET_KEYS.iter().any(|word| key.contains(word)) || strsim::osa_distance(&key, "databases") <= 3
}

/// `[databases]`, `[[event]]`: what ends the section before it.
fn is_header(line: &str) -> bool {
    let bare = |c: char| c.is_ascii_alphanumeric() || "[]._- ".contains(c);
    line.starts_with('[') && line.ends_with(']') && line.chars().all(bare)
}

/// Nothing but references: `${BLUE_URL}`.
fn is_reference(text: &str) -> bool {
    let name = text.strip_prefix("${").and_then(|rest| rest.strip_suffix('}'));
    name.is_some_and(|name| {
        !name.is_empty() && name.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_')
    })
}

/// A URL with a password, or libpq's `password=`.
pub(super) fn has_secret(text: &str) -> bool {
    let in_url = text.match_indices("://").any(|(at, sep)| {
        let rest = &text[at + sep.len()..];
        rest.rfind('@').is_some_and(|end| rest[..end].contains(':'))
    });
    let lower = text.to_ascii_lowercase();
    in_url || ["password=", "password =", "passwd="].iter().any(|word| lower.contains(word))
}

/// The text for a message, or `***` where it holds a secret.
pub(super) fn shown(text: &str) -> &str {
    if has_secret(text) { "***" } else { text }
}
