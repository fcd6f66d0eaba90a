//! Tokens of Postgres' SQL: as fine as needed to know where quotes, comments and statements end.
//!
//! The rules are those of `src/backend/parser/scan.l` with `standard_conforming_strings = on`. Tokens tile the source:
//! nothing lies between them. Every byte is looked at a bounded number of times, whatever the text.

use std::ops::Range;

/// What a token is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TokenKind {
    /// White space, and a byte order mark at the very start.
    Blank,
    /// `-- …` without its line end, or `/* … */` with those nested in it.
    Comment,
    /// A keyword or an unquoted identifier.
    Word,
    /// `"…"` or `U&"…"`.
    QuotedName,
    /// A string of any form: `'…'`, `E'…'`, `B'…'`, `X'…'`, `N'…'`, `U&'…'` with their continuations on further lines,
    /// `$tag$…$tag$`.
    Text,
    /// Digits and dots; an exponent follows as a word.
    Number,
    /// `$1`.
    Parameter,
    /// One ASCII character that is none of the above; `::` and `:=` are one token.
    Symbol,
}

/// One token and the bytes it takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Token {
    /// What it is.
    pub kind: TokenKind,
    /// Its first byte.
    pub start: usize,
    /// The byte after its last one.
    pub end: usize,
}

impl Token {
    /// The token's own text.
    pub fn text<'a>(&self, source: &'a str) -> &'a str {
        source.get(self.span()).unwrap_or_default()
    }

    /// The bytes it takes.
    pub fn span(&self) -> Range<usize> {
        self.start..self.end
    }

    /// Whether it is white space or a comment.
    pub fn is_gap(&self) -> bool {
        matches!(self.kind, TokenKind::Blank | TokenKind::Comment)
    }

    /// Whether it is this keyword, in any case and not quoted.
    pub fn is_word(&self, source: &str, word: &str) -> bool {
        self.kind == TokenKind::Word && self.text(source).eq_ignore_ascii_case(word)
    }

    /// Whether it is this symbol.
    pub fn is_symbol(&self, source: &str, symbol: &str) -> bool {
        self.kind == TokenKind::Symbol && self.text(source) == symbol
    }
}

/// A quote or comment that never ends: where it begins, and which it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unterminated {
    /// Its first byte.
    pub start: usize,
    /// `unterminated string`, …
    pub message: &'static str,
}

/// Reads tokens one by one; ends after the first [`Unterminated`].
#[derive(Debug, Clone)]
pub struct Lexer<'a> {
    source: &'a str,
    at: usize,
}

const BYTE_ORDER_MARK: &str = "\u{feff}";

impl<'a> Lexer<'a> {
    /// Reads `source` from its start.
    pub fn new(source: &'a str) -> Self {
        Self { source, at: 0 }
    }

    /// Reads `source` from byte `start`, which must be the start of a token.
    pub fn starting_at(source: &'a str, start: usize) -> Self {
        Self { source, at: start }
    }

    fn byte(&self, at: usize) -> Option<u8> {
        self.source.as_bytes().get(at).copied()
    }

    fn has(&self, at: usize, what: &str) -> bool {
        self.source.as_bytes().get(at..).is_some_and(|rest| rest.starts_with(what.as_bytes()))
    }

    /// Where the run of accepted bytes that starts at `from` ends.
    fn run(&self, from: usize, accepts: impl Fn(u8) -> bool) -> usize {
        let rest = self.source.as_bytes().get(from..).unwrap_or_default();
        from + rest.iter().take_while(|byte| accepts(**byte)).count()
    }

    fn read(&self, start: usize, first: u8) -> Result<(TokenKind, usize), Unterminated> {
        let quote_next = self.byte(start + 1) == Some(b'\'');
        let token = match first {
            _ if start == 0 && self.has(0, BYTE_ORDER_MARK) => (TokenKind::Blank, BYTE_ORDER_MARK.len()),
            _ if is_blank(first) => (TokenKind::Blank, self.run(start, is_blank)),
            b'-' if self.has(start, "--") => (TokenKind::Comment, self.run(start, |byte| !is_newline(byte))),
            b'/' if self.has(start, "/*") => (TokenKind::Comment, self.block_comment(start)?),
            b'\'' => (TokenKind::Text, self.string(start, start + 1, false)?),
            b'e' | b'E' if quote_next => (TokenKind::Text, self.string(start, start + 2, true)?),
            b'b' | b'B' | b'x' | b'X' | b'n' | b'N' if quote_next => {
                (TokenKind::Text, self.string(start, start + 2, false)?)
            }
            b'u' | b'U' if self.has(start + 1, "&'") => (TokenKind::Text, self.string(start, start + 3, false)?),
            b'u' | b'U' if self.has(start + 1, "&\"") => (TokenKind::QuotedName, self.quoted_name(start, start + 3)?),
            b'"' => (TokenKind::QuotedName, self.quoted_name(start, start + 1)?),
            b'$' => self.dollar(start)?,
            _ if starts_word(first) => (TokenKind::Word, self.run(start, continues_word)),
            b'0'..=b'9' => (TokenKind::Number, self.run(start, |byte| byte.is_ascii_digit() || byte == b'.')),
            b':' if self.has(start, "::") || self.has(start, ":=") => (TokenKind::Symbol, start + 2),
            _ => (TokenKind::Symbol, start + 1),
        };
        Ok(token)
    }

    fn block_comment(&self, start: usize) -> Result<usize, Unterminated> {
        let (mut at, mut depth) = (start, 0_usize);
        loop {
            match (self.byte(at), self.byte(at + 1)) {
                (Some(b'/'), Some(b'*')) => (at, depth) = (at + 2, depth + 1),
                (Some(b'*'), Some(b'/')) if depth == 1 => return Ok(at + 2),
                (Some(b'*'), Some(b'/')) => (at, depth) = (at + 2, depth - 1),
                (Some(_), _) => at += 1,
                (None, _) => return Err(Unterminated { start, message: "unterminated comment" }),
            }
        }
    }

    /// The end of a string whose opening quote is before `at`. A backslash escapes whatever follows only in `E'…'`.
    fn string(&self, start: usize, mut at: usize, escapes: bool) -> Result<usize, Unterminated> {
        loop {
            match self.byte(at) {
                None => return Err(Unterminated { start, message: "unterminated string" }),
                Some(b'\\') if escapes => at += 2,
                Some(b'\'') if self.byte(at + 1) == Some(b'\'') => at += 2,
                Some(b'\'') => match self.continuation(at + 1) {
                    Some(inside) => at = inside,
                    None => return Ok(at + 1),
                },
                Some(_) => at += 1,
            }
        }
    }

    /// A string goes on in its own mode after white space with a line end in it and another quote (manual 4.1.2.1);
    /// `--` comments may lie between. Where it goes on: the byte after that quote.
    fn continuation(&self, from: usize) -> Option<usize> {
        let (mut at, mut newline) = (from, false);
        loop {
            match self.byte(at)? {
                b'\'' if newline => return Some(at + 1),
                byte if is_blank(byte) => (at, newline) = (at + 1, newline || is_newline(byte)),
                b'-' if self.has(at, "--") => at = self.run(at, |byte| !is_newline(byte)),
                _ => return None,
            }
        }
    }

    fn quoted_name(&self, start: usize, mut at: usize) -> Result<usize, Unterminated> {
        loop {
            match self.byte(at) {
                None => return Err(Unterminated { start, message: "unterminated quoted identifier" }),
                Some(b'"') if self.byte(at + 1) == Some(b'"') => at += 2,
                Some(b'"') => return Ok(at + 1),
                Some(_) => at += 1,
            }
        }
    }

    /// A parameter, a dollar-quoted string, or a lone `$`.
    fn dollar(&self, start: usize) -> Result<(TokenKind, usize), Unterminated> {
        let after = start + 1;
        let tag_end = match self.byte(after) {
            Some(b'0'..=b'9') => return Ok((TokenKind::Parameter, self.run(after, |byte| byte.is_ascii_digit()))),
            Some(byte) if starts_word(byte) => self.run(after, |byte| continues_word(byte) && byte != b'$'),
            _ => after,
        };
        if self.byte(tag_end) != Some(b'$') {
            return Ok((TokenKind::Symbol, after));
        }
        let body = tag_end + 1;
        let delimiter = self.source.get(start..body).unwrap_or_default();
        match self.source.get(body..).unwrap_or_default().find(delimiter) {
            Some(length) => Ok((TokenKind::Text, body + length + delimiter.len())),
            None => Err(Unterminated { start, message: "unterminated dollar-quoted string" }),
        }
    }
}

impl Iterator for Lexer<'_> {
    type Item = Result<Token, Unterminated>;

    fn next(&mut self) -> Option<Self::Item> {
        let start = self.at;
        let first = self.byte(start)?;
        Some(match self.read(start, first) {
            Ok((kind, end)) => {
                self.at = end;
                Ok(Token { kind, start, end })
            }
            Err(unterminated) => {
                self.at = self.source.len();
                Err(unterminated)
            }
        })
    }
}

fn is_newline(byte: u8) -> bool {
    matches!(byte, b'\n' | b'\r')
}

/// The vertical tab counts since Postgres 16; before, the server refuses the statement.
fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r' | 0x0b | 0x0c)
}

/// Every byte beyond ASCII may stand in an identifier, no-break spaces included.
fn starts_word(byte: u8) -> bool {
    byte.is_ascii_alphabetic() || byte == b'_' || byte >= 0x80
}

fn continues_word(byte: u8) -> bool {
    starts_word(byte) || byte.is_ascii_digit() || byte == b'$'
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tokens(source: &str) -> Vec<(TokenKind, &str)> {
        Lexer::new(source).map(|token| token.map(|token| (token.kind, token.text(source))).unwrap()).collect()
    }

    #[test]
    fn every_form_of_string_is_one_token() {
        for source in [
            "'it''s'",
            r"'back\'",
            r"E'it\'s; \\'",
            r"e'\é'",
            "B'01'",
            "x'ff'",
            "N'n'",
            r"U&'\0041'",
            "$$it's;$$",
            "$é1$ $$ $é$ $é1$",
            "'a'\n  'b'",
            "E'a' -- comment '\n 'b\\'c'",
        ] {
            assert_eq!(tokens(source), [(TokenKind::Text, source)]);
        }
    }

    #[test]
    fn strings_on_one_line_do_not_join() {
        assert_eq!(tokens("'a' 'b'").len(), 3);
        assert_eq!(tokens("E'a' /* \n */ 'b'").len(), 5);
    }

    #[test]
    fn dollars_in_words_quote_nothing() {
        assert_eq!(tokens("a$$b$$"), [(TokenKind::Word, "a$$b$$")]);
        assert_eq!(tokens("$12"), [(TokenKind::Parameter, "$12")]);
        assert_eq!(tokens("1$$;$$"), [(TokenKind::Number, "1"), (TokenKind::Text, "$$;$$")]);
    }

    #[test]
    fn comments_nest_and_cut_operators() {
        assert_eq!(tokens("/* a /* b */ ' */"), [(TokenKind::Comment, "/* a /* b */ ' */")]);
        assert_eq!(tokens("<--x"), [(TokenKind::Symbol, "<"), (TokenKind::Comment, "--x")]);
        assert_eq!(tokens("--x\ry").len(), 3);
    }

    #[test]
    fn what_never_ends_is_reported_where_it_begins() {
        for (source, start, message) in [
            ("a 'b", 2, "unterminated string"),
            (r"E'b\'", 0, "unterminated string"),
            ("/* /* */", 0, "unterminated comment"),
            ("x \"y\"\"", 2, "unterminated quoted identifier"),
            ("$a$ $b$", 0, "unterminated dollar-quoted string"),
        ] {
            let last = Lexer::new(source).last().unwrap();
            assert_eq!(last, Err(Unterminated { start, message }), "{source}");
        }
    }
}
