//! What the pending migrations do to blue's tables, told by running them on a throwaway copy.
//!
//! A migration can do anything, in any words; its text alone is never believed. What it did is read off the catalog: a
//! table keeps its OID and a column its number through every rename, and both are gone when they are dropped.

use std::collections::BTreeSet;

use super::facts::{Column, TableFacts, read_facts};
use crate::ddl::Migration;
use crate::ddl::lex::{Lexer, TokenKind};
use crate::error::{Context, Result};
use crate::postgres::Access;
use crate::postgres::Target;

/// The copy before and after.
#[derive(Debug)]
pub struct Trace {
    /// Its tables before the first pending file.
    pub before: Vec<TableFacts>,
    /// Its tables after the last one.
    pub after: Vec<TableFacts>,
    /// The migrated copy.
    pub green: Target,
    /// Whether it holds blue's rows, not the schema alone.
    pub has_rows: bool,
}

/// What becomes of blue's tables on the way to green.
#[derive(Debug)]
pub enum Fates {
    /// Nothing is pending: green is as blue.
    Same,
    /// The pending migrations were run on a copy.
    Traced(Box<Trace>),
    /// They could not be run.
    Untraced {
        /// Why.
        why: String,
        /// Every word of the pending files; none where they are a program's own.
        words: Option<BTreeSet<String>>,
    },
}

/// What becomes of one table.
#[derive(Debug)]
pub enum Fate<'a> {
    /// It is there on green, whatever its name.
    Kept {
        /// It as it was on the copy.
        before: &'a TableFacts,
        /// It as green has it.
        green: &'a TableFacts,
    },
    /// Dropped; perhaps another table has its name now.
    Dropped,
    /// Nobody can tell; the reason.
    Unknown(String),
}

impl Fates {
    /// Runs `migrate` on the copy that `target` is, and reads the catalog before and after.
    pub async fn trace(target: &Target, has_rows: bool, migrate: impl Future<Output = Result<()>>) -> Result<Self> {
        let read = async || {
            let db = target.connect(Access::ReadOnly).await?;
            read_facts(&db).await.context("the throwaway copy")
        };
        let before = read().await?;
        migrate.await?;
        let after = read().await?;
        Ok(Self::Traced(Box::new(Trace { before, after, green: target.clone(), has_rows })))
    }

    /// What can be said of files that could not be run: what they don't name they don't touch.
    pub fn untraced(why: String, pending: &[&Migration]) -> Self {
        let words = pending.iter().flat_map(|migration| words(&migration.sql.text)).collect();
        Self::Untraced { why, words: Some(words) }
    }

    /// The trace, where there is one.
    pub fn traced(&self) -> Option<&Trace> {
        match self {
            Self::Traced(trace) => Some(trace),
            Self::Same | Self::Untraced { .. } => None,
        }
    }

    /// What becomes of one of blue's tables.
    pub fn of<'a>(&'a self, table: &'a TableFacts) -> Fate<'a> {
        match self {
            Self::Same => Fate::Kept { before: table, green: table },
            Self::Traced(trace) => {
                let Some(before) = trace.before.iter().find(|before| before.name == table.name) else {
                    return Fate::Unknown(format!("{} is not on the throwaway copy", table.plain()));
                };
                match trace.after.iter().find(|after| after.oid == before.oid) {
                    Some(green) => Fate::Kept { before, green },
                    None => Fate::Dropped,
                }
            }
            Self::Untraced { why, words } => {
                let named = words.as_ref().is_none_or(|words| words.contains(&table.name.object.0.to_lowercase()));
                if named { Fate::Unknown(why.clone()) } else { Fate::Kept { before: table, green: table } }
            }
        }
    }
}

/// The column of green that a column of blue has become.
pub fn counterpart<'a>(before: &TableFacts, green: &'a TableFacts, name: &str) -> Option<&'a Column> {
    green.numbered(before.column(name)?.number)
}

/// The columns of green that its table did not have before.
pub fn new_columns<'a>(before: &'a TableFacts, green: &'a TableFacts) -> impl Iterator<Item = &'a Column> {
    green.columns.iter().filter(|column| before.numbered(column.number).is_none())
}

/// Every word and quoted name in a text, in strings and bodies of functions too, in lower case.
fn words(text: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for token in Lexer::new(text).map_while(std::result::Result::ok) {
        if matches!(token.kind, TokenKind::Blank | TokenKind::Comment) {
            continue;
        }
        let parts = token.text(text).split(|c: char| !(c.is_alphanumeric() || c == '_' || c == '$'));
        found.extend(parts.filter(|part| !part.is_empty()).map(str::to_lowercase));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::words;

    #[test]
    fn words_are_found_wherever_they_stand_but_in_comments() {
        let found = words("-- gone\nALTER TABLE \"Token\" ADD x int; DO $$BEGIN EXECUTE 'DROP TABLE consent'; END$$");
        assert!(["token", "consent", "alter"].iter().all(|word| found.contains(*word)));
        assert!(!found.contains("gone"));
    }
}
