//! What names usually mean: which columns say that something has ended, which tables hold access.
//!
//! Words alone decide nothing: the column's type must fit, and what is written from them says so in the plan.

/// How much a word says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Sense {
    /// It may be the end, or the usual course of things: `completed`, `expired`.
    Unclear,
    /// It is an end: `revoked`.
    End,
}

/// Past participles of an end, as the name of a flag or of a moment.
const ENDS: [(&str, Sense); 42] = [
    ("revoked", Sense::End),
    ("deleted", Sense::End),
    ("disabled", Sense::End),
    ("deactivated", Sense::End),
    ("inactive", Sense::End),
    ("blocked", Sense::End),
    ("banned", Sense::End),
    ("suspended", Sense::End),
    ("locked", Sense::End),
    ("invalidated", Sense::End),
    ("invalid", Sense::End),
    ("logged_out", Sense::End),
    ("logout", Sense::End),
    ("signed_out", Sense::End),
    ("ended", Sense::End),
    ("terminated", Sense::End),
    ("withdrawn", Sense::End),
    ("rejected", Sense::End),
    ("denied", Sense::End),
    ("cancelled", Sense::End),
    ("canceled", Sense::End),
    ("used", Sense::End),
    ("consumed", Sense::End),
    ("redeemed", Sense::End),
    ("spent", Sense::End),
    ("exchanged", Sense::End),
    ("rotated", Sense::End),
    ("compromised", Sense::End),
    ("discarded", Sense::End),
    ("destroyed", Sense::End),
    ("erased", Sense::End),
    ("anonymized", Sense::End),
    ("removed", Sense::Unclear),
    ("expired", Sense::Unclear),
    ("closed", Sense::Unclear),
    ("archived", Sense::Unclear),
    ("completed", Sense::Unclear),
    ("finished", Sense::Unclear),
    ("left", Sense::Unclear),
    ("replaced", Sense::Unclear),
    ("superseded", Sense::Unclear),
    ("processed", Sense::Unclear),
];

/// Adjectives of what lives, as the name of a flag or the value of a state.
const LIVES: [&str; 13] = [
    "active", "enabled", "valid", "live", "usable", "unused", "granted", "current", "alive", "issued", "approved",
    "accepted", "ok",
];

/// Values of a state that are an end, beyond the sure ones of [`ENDS`]: as a name of a flag they would say less.
const ENDED_VALUES: [&str; 10] =
    ["inactive", "dead", "gone", "expired", "left", "removed", "closed", "archived", "superseded", "replaced"];

/// Which of several ended values is written on green where blue's own can't be known: the first of these.
const STRONGEST: [&str; 8] =
    ["revoked", "ended", "invalidated", "terminated", "disabled", "inactive", "withdrawn", "deleted"];

/// Words of tables that hold access itself.
const ACCESS: [&str; 27] = [
    "token",
    "session",
    "consent",
    "grant",
    "key",
    "credential",
    "code",
    "device",
    "login",
    "secret",
    "password",
    "authorization",
    "authentication",
    "auth",
    "passkey",
    "factor",
    "invite",
    "invitation",
    "challenge",
    "cookie",
    "ticket",
    "certificate",
    // Hydra and its like leave the word token out: `oauth2_access`, `oauth2_pkce`.
    "access",
    "refresh",
    "oauth2",
    "oidc",
    "pkce",
];
/// Words of tables that hold who has access to what.
const IDENTITY: [&str; 11] = [
    "user",
    "account",
    "member",
    "membership",
    "identity",
    "client",
    "role",
    "permission",
    "subject",
    "principal",
    "assignment",
];

/// A column name taken apart: `isActive`, `is_active` → `active`; `revoked_at` → `revoked`, a moment's name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stem {
    /// Without prefix and suffix, in lower case.
    pub word: String,
    /// Whether the suffix says that it is a moment.
    pub moment: bool,
}

/// Takes a column name apart.
pub fn stem(column: &str) -> Stem {
    let snake = snake(column);
    let word = ["is_", "was_", "has_been_", "has_"].iter().find_map(|prefix| snake.strip_prefix(prefix));
    let word = word.unwrap_or(&snake);
    let cut = ["_at", "_on", "_time", "_date", "_ts", "_timestamp"].iter().find_map(|suffix| word.strip_suffix(suffix));
    Stem { word: cut.unwrap_or(word).to_owned(), moment: cut.is_some() }
}

/// What a flag or moment of that name says where it is true or set; the last words count: `token_revoked` is `revoked`.
pub fn end(word: &str) -> Option<Sense> {
    let found = ENDS.iter().find(|(end, _)| word == *end || word.ends_with(&format!("_{end}")));
    found.map(|(_, sense)| *sense)
}

/// Whether a flag of that name, or a state's value, says that the row lives.
pub fn lives(word: &str) -> bool {
    let word = word.to_lowercase();
    LIVES.contains(&word.as_str())
}

/// Whether a state's value says that the row has ended.
pub fn has_ended(value: &str) -> bool {
    let value = snake(value).replace([' ', '-'], "_");
    let sure = ENDS.iter().any(|(end, sense)| *end == value && *sense == Sense::End);
    sure || ENDED_VALUES.contains(&value.as_str())
}

/// Whether a column of that name holds a state.
pub fn is_state(column: &str) -> bool {
    let snake = snake(column);
    ["status", "state"].iter().any(|word| snake == *word || snake.ends_with(&format!("_{word}")))
}

/// The value to write for an end.
pub fn strongest(ended: &[String]) -> Option<&String> {
    let wanted = STRONGEST.iter().find_map(|word| ended.iter().find(|value| snake(value) == *word));
    wanted.or(ended.first())
}

/// How much of access a table of that name holds: 3 access itself, 2 who has it, 0 neither.
pub fn weight(table: &str) -> u8 {
    let snake = snake(table);
    let words: Vec<&str> = snake.split(|c: char| !c.is_alphanumeric()).map(singular).collect();
    let has = |list: &[&str]| words.iter().any(|word| list.contains(word));
    // `pg_stat`-like counters and logs of access are not access.
    if words.iter().any(|word| matches!(*word, "log" | "audit" | "history" | "event" | "archive" | "stat")) {
        0
    } else if has(&ACCESS) {
        3
    } else if has(&IDENTITY) {
        2
    } else {
        0
    }
}

fn singular(word: &str) -> &str {
    match word.strip_suffix("ies") {
        // "identities": only this one is in the lists.
        Some("identit") => "identity",
        _ => word.strip_suffix('s').filter(|rest| !rest.ends_with('s')).unwrap_or(word),
    }
}

/// `isActive` and `IsActive` as `is_active`.
fn snake(name: &str) -> String {
    let mut out = String::with_capacity(name.len() + 4);
    let mut before_is_lower = false;
    for c in name.chars() {
        if c.is_uppercase() && before_is_lower {
            out.push('_');
        }
        before_is_lower = c.is_lowercase() || c.is_ascii_digit();
        out.extend(c.to_lowercase());
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_taken_apart_whatever_their_style() {
        for (column, word, moment) in [
            ("revoked_at", "revoked", true),
            ("revokedAt", "revoked", true),
            ("isActive", "active", false),
            ("is_active", "active", false),
            ("deleted", "deleted", false),
            ("was_used", "used", false),
            ("last_login_date", "last_login", true),
        ] {
            assert_eq!(stem(column), Stem { word: word.to_owned(), moment }, "{column}");
        }
    }

    #[test]
    fn tables_of_access_are_known_by_their_words() {
        for (table, wanted) in [
            ("hydra_oauth2_access", 3),
            ("refresh_tokens", 3),
            ("OfflineUserSession", 3),
            ("user_entity", 2),
            ("identities", 2),
            ("products", 0),
            ("audit_log_entries", 0),
            ("token_audit", 0),
            ("address", 0),
        ] {
            assert_eq!(weight(table), wanted, "{table}");
        }
    }

    #[test]
    fn ends_are_known_as_flags_moments_and_values() {
        assert_eq!(end("revoked"), Some(Sense::End));
        assert_eq!(end("token_revoked"), Some(Sense::End));
        assert_eq!(end("completed"), Some(Sense::Unclear));
        assert_eq!(end("created"), None);
        assert!(lives("ACTIVE") && has_ended("Revoked") && has_ended("LOGGED_OUT") && !has_ended("pending"));
        let ended = ["used", "revoked"].map(str::to_owned);
        assert_eq!(strongest(&ended).unwrap(), "revoked");
    }
}
