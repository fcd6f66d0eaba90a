//! A statement's tokens without the gaps between them, and the pieces that most statements are made of.

use std::ops::Range;

use crate::ddl::lex::{Lexer, Token, TokenKind};
use crate::postgres::Ident;

/// A relation or type as the statement names it: `token`, `auth.token`. Unquoted parts are in lower case, as the server
/// folds them.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Written {
    /// The schema, where one is written.
    pub schema: Option<Ident>,
    /// The object.
    pub object: Ident,
}

impl Written {
    /// For people: `auth.token`.
    pub fn plain(&self) -> String {
        match &self.schema {
            Some(schema) => format!("{}.{}", schema.0, self.object.0),
            None => self.object.0.clone(),
        }
    }
}

/// Reads a statement token by token. Every method that returns an `Option` leaves the cursor where it was when it gives
/// `None`, unless it says otherwise.
#[derive(Debug, Clone)]
pub struct Cursor<'a> {
    source: &'a str,
    tokens: Vec<Token>,
    at: usize,
}

impl<'a> Cursor<'a> {
    /// The tokens of `source`; `None` where a quote never ends, or a part is written `U&"…"`, whose escapes are not read.
    pub fn new(source: &'a str) -> Option<Self> {
        let mut tokens = Vec::new();
        for token in Lexer::new(source) {
            let token = token.ok()?;
            if token.kind == TokenKind::QuotedName && !token.text(source).starts_with('"') {
                return None;
            }
            if !token.is_gap() {
                tokens.push(token);
            }
        }
        Some(Self { source, tokens, at: 0 })
    }

    /// The token that is next.
    pub fn peek(&self) -> Option<Token> {
        self.tokens.get(self.at).copied()
    }

    fn peek_at(&self, ahead: usize) -> Option<Token> {
        self.tokens.get(self.at + ahead).copied()
    }

    /// Whether nothing is left.
    pub fn is_done(&self) -> bool {
        self.at >= self.tokens.len()
    }

    /// Where the next token begins; the end of the text where there is none.
    pub fn offset(&self) -> usize {
        self.peek().map_or(self.source.len(), |token| token.start)
    }

    /// Where the last token that was taken ends.
    pub fn taken_to(&self) -> usize {
        self.at.checked_sub(1).and_then(|last| self.tokens.get(last)).map_or(0, |token| token.end)
    }

    /// The text of a span, as written.
    pub fn text(&self, span: Range<usize>) -> &'a str {
        self.source.get(span).unwrap_or_default()
    }

    /// Takes whatever is next.
    pub fn advance(&mut self) -> Option<Token> {
        let token = self.peek()?;
        self.at += 1;
        Some(token)
    }

    /// Whether these words are next, in any case, none of them quoted.
    pub fn sees(&self, words: &[&str]) -> bool {
        words.iter().enumerate().all(|(ahead, word)| self.peek_at(ahead).is_some_and(|t| t.is_word(self.source, word)))
    }

    /// Takes these words if they are next.
    pub fn takes(&mut self, words: &[&str]) -> bool {
        let there = self.sees(words);
        if there {
            self.at += words.len();
        }
        there
    }

    /// Takes the first of several word sequences that is next, and says which.
    pub fn takes_one(&mut self, choices: &[&[&str]]) -> Option<usize> {
        choices.iter().position(|words| self.takes(words))
    }

    /// Like [`Cursor::takes`], for a reader that gives up where they are not there.
    pub fn expect(&mut self, words: &[&str]) -> Option<()> {
        self.takes(words).then_some(())
    }

    /// Whether this symbol is next.
    pub fn sees_symbol(&self, symbol: &str) -> bool {
        self.peek().is_some_and(|token| token.is_symbol(self.source, symbol))
    }

    /// Takes this symbol if it is next.
    pub fn takes_symbol(&mut self, symbol: &str) -> bool {
        let there = self.sees_symbol(symbol);
        self.at += usize::from(there);
        there
    }

    /// An identifier: a word or a quoted name. Which words are reserved is not asked.
    pub fn ident(&mut self) -> Option<Ident> {
        let token = self.peek()?;
        let text = token.text(self.source);
        let ident = match token.kind {
            TokenKind::Word => fold(text),
            TokenKind::QuotedName => text.strip_prefix('"')?.strip_suffix('"')?.replace("\"\"", "\""),
            _ => return None,
        };
        self.at += 1;
        Some(Ident::new(ident))
    }

    /// `object` or `schema.object`; a database before them is passed over.
    pub fn name(&mut self) -> Option<Written> {
        let start = self.at;
        let mut parts = vec![self.ident()?];
        while self.takes_symbol(".") {
            let Some(part) = self.ident() else {
                self.at = start;
                return None;
            };
            parts.push(part);
        }
        let object = parts.pop()?;
        Some(Written { schema: parts.pop(), object })
    }

    /// Names divided by commas, `ONLY` and `*` passed over.
    pub fn names(&mut self) -> Option<Vec<Written>> {
        let mut names = Vec::new();
        loop {
            self.takes(&["ONLY"]);
            names.push(self.name()?);
            self.takes_symbol("*");
            if !self.takes_symbol(",") {
                return Some(names);
            }
        }
    }

    /// A group in parentheses, if one is next; gives the span between them.
    pub fn group(&mut self) -> Option<Range<usize>> {
        if !self.sees_symbol("(") {
            return None;
        }
        let start = self.at;
        let inner = self.peek()?.end;
        let mut depth = 0_usize;
        while let Some(token) = self.advance() {
            if token.is_symbol(self.source, "(") {
                depth += 1;
            } else if token.is_symbol(self.source, ")") {
                depth -= 1;
                if depth == 0 {
                    return Some(inner..token.start);
                }
            }
        }
        self.at = start;
        None
    }

    /// Column names in parentheses: `(a, "B")`; `None` where anything else is in them.
    pub fn columns(&mut self) -> Option<Vec<Ident>> {
        let start = self.at;
        let columns = self.columns_or_stop();
        if columns.is_none() {
            self.at = start;
        }
        columns
    }

    fn columns_or_stop(&mut self) -> Option<Vec<Ident>> {
        if !self.takes_symbol("(") {
            return None;
        }
        let mut columns = Vec::new();
        loop {
            columns.push(self.ident()?);
            if self.takes_symbol(")") {
                return Some(columns);
            }
            if !self.takes_symbol(",") {
                return None;
            }
        }
    }

    /// Passes over tokens, groups whole, until one of the words or symbols is next outside of parentheses, or the end.
    /// Gives the span passed over.
    pub fn until(&mut self, words: &[&str], symbols: &[&str]) -> Range<usize> {
        let start = self.offset();
        let mut end = start;
        while let Some(token) = self.peek() {
            let stops = words.iter().any(|word| token.is_word(self.source, word))
                || symbols.iter().any(|symbol| token.is_symbol(self.source, symbol));
            if stops {
                break;
            }
            if self.group().is_none() {
                self.at += 1;
            }
            end = self.taken_to();
        }
        start..end
    }

    /// A cursor over a span of the same text, with spans that mean the same.
    #[must_use]
    pub fn inside(&self, span: &Range<usize>) -> Cursor<'a> {
        let from = self.tokens.partition_point(|token| token.start < span.start);
        let to = self.tokens.partition_point(|token| token.end <= span.end);
        let tokens = self.tokens.get(from..to).unwrap_or_default().to_vec();
        Cursor { source: self.source, tokens, at: 0 }
    }

    /// Whether a word stands anywhere in what is left.
    pub fn has_word(&self, word: &str) -> bool {
        self.tokens.iter().skip(self.at).any(|token| token.is_word(self.source, word))
    }

    /// All words of what is left, in lower case.
    pub fn words(&self) -> Vec<String> {
        let words = self.tokens.iter().skip(self.at).filter(|token| token.kind == TokenKind::Word);
        words.map(|token| token.text(self.source).to_lowercase()).collect()
    }

    /// Words that are followed by an opening parenthesis: functions, and types with a modifier.
    pub fn calls(&self) -> Vec<String> {
        let tokens = self.tokens.get(self.at..).unwrap_or_default();
        let call = |pair: &[Token]| match pair {
            [word, open] if word.kind == TokenKind::Word && open.is_symbol(self.source, "(") => {
                Some(word.text(self.source).to_lowercase())
            }
            _ => None,
        };
        tokens.windows(2).filter_map(call).collect()
    }

    /// What is left as words and symbols with one blank between them, in lower case but for quoted parts: equal for equal
    /// expressions however they are laid out.
    pub fn normal(&self) -> String {
        let part = |token: &Token| match token.kind {
            TokenKind::Word => token.text(self.source).to_lowercase(),
            _ => token.text(self.source).to_owned(),
        };
        self.tokens.iter().skip(self.at).map(part).collect::<Vec<_>>().join(" ")
    }
}

/// As the server folds an unquoted identifier (`downcase_identifier`): ASCII letters only, in a database in UTF-8.
fn fold(word: &str) -> String {
    word.to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_fold_as_the_server_folds_them() {
        let mut cursor = Cursor::new(r#"Auth."Tok""en" , ÄB"#).unwrap();
        let names = cursor.names().unwrap();
        assert_eq!(names[0].schema, Some(Ident::new("auth")));
        assert_eq!(names[0].object, Ident::new("Tok\"en"));
        assert_eq!(names[1].plain(), "Äb");
        assert!(cursor.is_done());
    }

    #[test]
    fn groups_are_passed_over_whole() {
        let mut cursor = Cursor::new("(a, (NOT b)) c NOT NULL").unwrap();
        let passed = cursor.until(&["NOT"], &[]);
        assert_eq!(cursor.text(passed), "(a, (NOT b)) c");
        assert!(cursor.takes(&["NOT", "NULL"]) && cursor.is_done());
        assert_eq!(Cursor::new("(a").unwrap().group(), None);
    }
}
