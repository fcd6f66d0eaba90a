//! Names in expressions: which are columns, and whose.

use std::collections::BTreeSet;

use super::asked::{Read, Reader};
use super::scope::{Env, Has, Source, What};
use super::words::RESERVED;
use crate::ddl::lex::TokenKind;
use crate::ddl::read::Cursor;

/// Words that begin a query, in parentheses too.
const QUERY: [&str; 4] = ["SELECT", "WITH", "VALUES", "TABLE"];

impl Reader<'_> {
    /// Every name and subquery of an expression, or of several.
    pub(super) fn expression(&mut self, mut cursor: Cursor<'_>, env: &Env<'_>) -> Read<()> {
        let (mut before, mut call) = (String::new(), String::new());
        while let Some(token) = cursor.peek() {
            if begins_query(&cursor) && cursor.sees_symbol("(") {
                let inner = cursor.group().ok_or("its parentheses do not match")?;
                let output = self.query(cursor.inside(&inner), env)?;
                if before != "exists" {
                    self.counts(&output);
                }
                ")".clone_into(&mut before);
                continue;
            }
            let word = cursor.text(token.span()).to_lowercase();
            let Some(first) = cursor.ident() else {
                cursor.advance();
                before = word;
                continue;
            };
            let (mut parts, mut star) = (vec![first.0], false);
            while !star && cursor.takes_symbol(".") {
                star = cursor.takes_symbol("*");
                if !star && let Some(part) = cursor.ident() {
                    parts.push(part.0);
                }
            }
            let alone = parts.len() == 1 && !star;
            let keyword = alone && token.kind == TokenKind::Word && RESERVED.contains(&word.as_str());
            if keyword {
                before = word;
                continue;
            }
            if matches!(before.as_str(), "::" | "as" | "collate" | "over" | "constraint") {
                while ["PRECISION", "VARYING", "WITH", "WITHOUT", "TIME", "ZONE"]
                    .iter()
                    .any(|word| cursor.takes(&[word]))
                {}
            } else if cursor.sees_symbol("(") {
                if word == "extract" {
                    cursor.advance();
                    cursor.advance();
                }
                call.clone_from(&word);
            } else if star {
                if !(call == "count" && before == "(") {
                    let all = env.named(&parts).map(Source::all).unwrap_or_default();
                    self.counts(&all);
                }
            } else if !(alone && is_literal_or_argument(&cursor)) {
                self.column(&parts, env);
            }
            before = word;
        }
        Ok(())
    }

    /// A column, with what stands before it.
    pub(super) fn column(&mut self, parts: &[String], env: &Env<'_>) {
        match parts {
            [name] => self.bare(name, env),
            [qualifier @ .., name] => {
                let Some(source) = env.named(qualifier) else { return };
                if let Has::Yes(tables) | Has::Maybe(tables) = source.has(name, self.known) {
                    let certain = tables.len() == 1;
                    self.asked.columns.extend(tables.into_iter().map(|table| (table, name.clone(), certain)));
                }
            }
            [] => {}
        }
    }

    /// A name that stands alone is looked for from the inside out; the first scope that has it decides.
    pub(super) fn bare(&mut self, name: &str, env: &Env<'_>) {
        let (mut passed, mut doubtful, mut elsewhere) = (BTreeSet::new(), Vec::new(), 0);
        let mut found = None;
        for scope in env.outwards() {
            for source in scope.sources.iter().filter(|source| !source.only_qualified) {
                let has = source.has(name, self.known);
                if let (What::Table(relation), Has::No | Has::Maybe(_)) = (&source.what, &has) {
                    passed.insert(relation.clone());
                }
                match has {
                    Has::Yes(tables) => found = Some(tables),
                    Has::Maybe(tables) => {
                        elsewhere += 1;
                        doubtful.extend(tables);
                    }
                    Has::No => {}
                }
            }
            if found.is_some() {
                break;
            }
        }
        let certain = found.is_none() && elsewhere == 1;
        // A table that gains the name takes it from whoever has it now.
        let has_it_now = usize::from(found.is_some()) + elsewhere;
        for table in passed {
            if has_it_now > usize::from(doubtful.contains(&table)) {
                self.asked.bare.insert((table, name.to_owned()));
            }
        }
        self.asked.columns.extend(found.into_iter().flatten().map(|table| (table, name.to_owned(), true)));
        self.asked.columns.extend(doubtful.into_iter().map(|table| (table, name.to_owned(), certain)));
    }
}

/// Whether a query begins here, perhaps in parentheses.
pub(super) fn begins_query(cursor: &Cursor<'_>) -> bool {
    let mut ahead = cursor.clone();
    while ahead.takes_symbol("(") {}
    QUERY.iter().any(|word| ahead.sees(&[word]))
}

/// After a word: `date '…'`, and `name => …` in a call.
pub(super) fn is_literal_or_argument(cursor: &Cursor<'_>) -> bool {
    let mut ahead = cursor.clone();
    ahead.peek().is_some_and(|next| matches!(next.kind, TokenKind::Text | TokenKind::Parameter))
        || ahead.sees_symbol(":=")
        || (ahead.takes_symbol("=") && ahead.sees_symbol(">"))
}
