//! What an archive needs of the server that it is restored on, read off its own SQL: a dump holds neither roles nor
//! extensions' files, only statements that fail without them.

use std::collections::BTreeSet;

use crate::ddl::lex::{Lexer, Token, TokenKind};
use crate::error::{Failure, Result};

/// What must be there before the restore.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Needs {
    /// Roles that own, are granted something or stand in a policy, exact as the catalog has them.
    pub roles: BTreeSet<String>,
    /// Extensions by name.
    pub extensions: BTreeSet<String>,
    /// What follows the name in `CREATE DATABASE`: encoding and locale.
    pub database: Option<String>,
    /// What follows `ALTER DATABASE name`, and `ALTER ROLE role IN DATABASE name` with the role: settings.
    pub settings: Vec<Setting>,
}

/// A setting of the database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Setting {
    /// For this role only.
    pub role: Option<String>,
    /// `SET search_path TO 'app', 'public'`.
    pub sql: String,
}

/// Names that stand for whoever asks, not for a role.
const NO_ROLES: [&str; 5] = ["public", "current_user", "current_role", "session_user", "none"];

impl Needs {
    /// Reads the SQL of `pg_restore --schema-only --create`.
    ///
    /// Strings and function bodies are one token each, so what stands in them is never taken for a statement.
    pub fn of(sql: &str) -> Result<Self> {
        // psql's own lines are no SQL; `pg_restore` writes these four.
        let own = ["\\restrict ", "\\unrestrict ", "\\connect ", "\\encoding "];
        let sql: String = sql
            .lines()
            .filter(|line| !own.iter().any(|own| line.starts_with(own)))
            .flat_map(|line| [line, "\n"])
            .collect();
        let mut needs = Self::default();
        let mut statement: Vec<Token> = Vec::new();
        for token in Lexer::new(&sql) {
            let token = token.map_err(|e| Failure::failed(format!("the archive's SQL: {}", e.message)))?;
            if token.is_symbol(&sql, ";") {
                needs.take(&Words { sql: &sql, tokens: &statement });
                statement.clear();
            } else if !token.is_gap() {
                statement.push(token);
            }
        }
        Ok(needs)
    }

    fn take(&mut self, words: &Words) {
        let is = |expected: &[&str]| words.begins(expected);
        if is(&["create", "extension"]) {
            let at = if words.is(2, "if") { 5 } else { 2 };
            self.extensions.extend(words.name(at));
        } else if is(&["create", "database"]) {
            self.database = words.text_from(3);
        } else if is(&["alter", "database"]) && words.is(3, "set") {
            self.settings.extend(words.text_from(3).map(|sql| Setting { role: None, sql }));
        } else if is(&["alter", "role"]) && words.is(3, "in") {
            let role = words.name(2);
            self.roles.extend(role.clone());
            self.settings.extend(words.text_from(6).map(|sql| Setting { role, sql }));
        } else if is(&["alter", "default", "privileges"]) {
            self.roles.extend((words.is(3, "for")).then(|| words.name(5)).flatten());
            self.grantees(words);
        } else if is(&["grant"]) || is(&["revoke"]) {
            self.grantees(words);
        } else if is(&["create", "policy"]) {
            self.roles.extend(words.after("to").map(|at| words.names(at)).unwrap_or_default());
        } else if is(&["alter"]) && words.ends_with(&["owner", "to"]) {
            self.roles.extend(words.name(words.tokens.len() - 1));
        }
        self.roles.retain(|role| !NO_ROLES.contains(&role.as_str()) && !role.starts_with("pg_"));
    }

    /// The list behind the last TO or FROM, and who granted it.
    fn grantees(&mut self, words: &Words) {
        let last = words.last("to").max(words.last("from"));
        self.roles.extend(last.map(|at| words.names(at + 1)).unwrap_or_default());
        self.roles.extend(words.last("by").and_then(|at| words.name(at + 1)));
    }
}

/// One statement's tokens, gaps left out.
struct Words<'a> {
    sql: &'a str,
    tokens: &'a [Token],
}

impl Words<'_> {
    fn is(&self, at: usize, word: &str) -> bool {
        self.tokens.get(at).is_some_and(|token| token.is_word(self.sql, word))
    }

    fn begins(&self, words: &[&str]) -> bool {
        words.iter().enumerate().all(|(at, word)| self.is(at, word))
    }

    /// Whether these words stand right before the last token.
    fn ends_with(&self, words: &[&str]) -> bool {
        let from = self.tokens.len().checked_sub(words.len() + 1);
        from.is_some_and(|from| words.iter().enumerate().all(|(at, word)| self.is(from + at, word)))
    }

    fn after(&self, word: &str) -> Option<usize> {
        (0..self.tokens.len()).find(|at| self.is(*at, word)).map(|at| at + 1)
    }

    fn last(&self, word: &str) -> Option<usize> {
        (0..self.tokens.len()).rev().find(|at| self.is(*at, word))
    }

    /// The identifier at a place, as the catalog has it.
    fn name(&self, at: usize) -> Option<String> {
        let token = self.tokens.get(at)?;
        let text = token.text(self.sql);
        match token.kind {
            TokenKind::Word => Some(text.to_lowercase()),
            TokenKind::QuotedName => {
                let inner = text.strip_prefix('"')?.strip_suffix('"')?;
                Some(inner.replace("\"\"", "\""))
            }
            _ => None,
        }
    }

    /// Identifiers divided by commas; a GROUP before one is noise.
    fn names(&self, from: usize) -> Vec<String> {
        let mut names = Vec::new();
        let mut at = from;
        while let Some(name) = self.name(at) {
            names.push(name);
            if !self.tokens.get(at + 1).is_some_and(|token| token.is_symbol(self.sql, ",")) {
                break;
            }
            at += 2;
        }
        names
    }

    fn text_from(&self, at: usize) -> Option<String> {
        let (first, last) = (self.tokens.get(at)?, self.tokens.last()?);
        self.sql.get(first.start..last.end).map(str::to_owned)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_sql_names_is_needed_and_what_stands_in_strings_is_not() {
        let needs = Needs::of(
            r#"
\restrict abc
CREATE DATABASE "Odd db" WITH TEMPLATE = template0 ENCODING = 'UTF8' LOCALE = 'C.UTF-8';
ALTER DATABASE "Odd db" OWNER TO dba;
\connect -reuse-previous=on "dbname='Odd db'"
ALTER DATABASE "Odd db" SET search_path TO 'app', 'public';
ALTER ROLE reader IN DATABASE "Odd db" SET work_mem TO '5MB';
CREATE EXTENSION IF NOT EXISTS "uuid-ossp" WITH SCHEMA public;
CREATE EXTENSION citext;
ALTER TABLE app.t OWNER TO "App ""owner""";
COMMENT ON TABLE app.t IS 'GRANT x TO y; OWNER TO nobody';
CREATE FUNCTION app.f() RETURNS text LANGUAGE sql AS $_$
ALTER TABLE t OWNER TO nobody; $_$;
CREATE POLICY p ON app.t TO policed, PUBLIC USING ((active));
GRANT SELECT ON TABLE app.t TO reader2 WITH GRANT OPTION;
REVOKE ALL ON SCHEMA public FROM PUBLIC;
SET SESSION AUTHORIZATION DEFAULT;
GRANT USAGE ON SCHEMA app TO pg_monitor, a, "B";
ALTER DEFAULT PRIVILEGES FOR ROLE boss IN SCHEMA app REVOKE ALL ON TABLES  FROM later;
"#,
        )
        .unwrap();
        let roles: Vec<&str> = needs.roles.iter().map(String::as_str).collect();
        assert_eq!(roles, ["App \"owner\"", "B", "a", "boss", "dba", "later", "policed", "reader", "reader2"]);
        let extensions: Vec<&str> = needs.extensions.iter().map(String::as_str).collect();
        assert_eq!(extensions, ["citext", "uuid-ossp"]);
        assert_eq!(needs.database.unwrap(), "WITH TEMPLATE = template0 ENCODING = 'UTF8' LOCALE = 'C.UTF-8'");
        let settings = [
            Setting { role: None, sql: "SET search_path TO 'app', 'public'".into() },
            Setting { role: Some("reader".into()), sql: "SET work_mem TO '5MB'".into() },
        ];
        assert_eq!(needs.settings, settings);
    }
}
