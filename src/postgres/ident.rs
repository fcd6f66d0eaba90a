//! The only way identifiers and literals reach SQL text.

use std::fmt;

use serde::{Deserialize, Serialize};

/// One identifier, exact as the catalog has it. Displays quoted, always: `"user"`, `"a""b"`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Ident(pub String);

impl Ident {
    /// Takes an identifier exact as the catalog has it, unquoted.
    pub fn new(raw: impl Into<String>) -> Self {
        Self(raw.into())
    }
}

impl fmt::Display for Ident {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{}\"", self.0.replace('"', "\"\""))
    }
}

/// A relation or function with its schema. Displays quoted: `"public"."token"`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Name {
    /// The schema, exact as the catalog has it.
    pub schema: Ident,
    /// The object, exact as the catalog has it.
    pub object: Ident,
}

impl Name {
    /// Takes both parts exact as the catalog has them, unquoted.
    pub fn new(schema: impl Into<String>, object: impl Into<String>) -> Self {
        Self { schema: Ident::new(schema), object: Ident::new(object) }
    }

    /// For people: `public.token`, never for SQL.
    pub fn plain(&self) -> String {
        format!("{}.{}", self.schema.0, self.object.0)
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.schema, self.object)
    }
}

/// A string literal that reads the same whatever `standard_conforming_strings` says (manual 4.1.2.2): `E'...'` as soon
/// as there is a backslash.
pub fn literal(text: &str) -> String {
    let quoted = text.replace('\'', "''");
    if quoted.contains('\\') { format!("E'{}'", quoted.replace('\\', "\\\\")) } else { format!("'{quoted}'") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identifiers_are_always_quoted() {
        assert_eq!(Name::new("public", "we\"ird; DROP").to_string(), "\"public\".\"we\"\"ird; DROP\"");
    }

    #[test]
    fn literals_survive_quotes_and_backslashes() {
        assert_eq!(literal("it's"), "'it''s'");
        assert_eq!(literal("a\\'b"), "E'a\\\\''b'");
    }
}
