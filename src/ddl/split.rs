//! One SQL text into its statements, exactly, or not at all.
//!
//! Where a statement ends is the server's business, and a text that we would cut elsewhere than `psql` does could run
//! something nobody wrote. So whatever can't be cut with certainty is refused: quotes, comments, parentheses and
//! `BEGIN ATOMIC` bodies without an end, psql's own commands, data after `COPY … FROM STDIN`, unrendered templates, and
//! what turns `standard_conforming_strings` off, after which a backslash would end strings elsewhere.
//!
//! Compared with what psql 15 sent to a server for 3,000 texts glued together from quotes, comments and bodies: the same
//! cuts, but where psql put in a variable (`:name`) or took letters right after a number (`1e'…'`, a syntax error) for a
//! part of it, and where a BEGIN without ATOMIC stood in CREATE FUNCTION, which the server refuses.

use std::ops::Range;

use super::lex::{Lexer, Token, TokenKind, Unterminated};

/// How many words [`Statement::head`] holds at most.
const HEAD_WORDS: usize = 6;

/// One statement of a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Statement {
    /// Its bytes, from its first token to its last: no blanks or comments around it, no `;`.
    pub span: Range<usize>,
    /// The line it starts in, from 1. Lines end with `\n` or `\r\n`.
    pub line: usize,
    /// Its first words, at most six: keywords and identifiers in upper case, quoted identifiers as written, with their
    /// quotes, so that `"index"` is never taken for INDEX. What lies between words is left out.
    pub head: Vec<String>,
}

impl Statement {
    /// The statement's own text, given the text that was split.
    pub fn text<'a>(&self, source: &'a str) -> &'a str {
        source.get(self.span.clone()).unwrap_or_default()
    }

    /// Whether the head begins with these words, given in upper case.
    pub fn starts_with(&self, words: &[&str]) -> bool {
        words.len() <= self.head.len() && words.iter().zip(&self.head).all(|(word, head)| word == head)
    }
}

/// Why a text can't be cut into statements, and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}, column {column}: {message}")]
pub struct SplitError {
    /// The byte it is about.
    pub offset: usize,
    /// Its line, from 1.
    pub line: usize,
    /// Its column in characters, from 1.
    pub column: usize,
    /// What is wrong, a lowercase fragment.
    pub message: String,
}

impl SplitError {
    /// An error about the character at byte `offset` of `source`.
    pub fn at(source: &str, offset: usize, message: impl Into<String>) -> Self {
        let before = source.get(..offset).unwrap_or(source);
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        Self {
            offset: before.len(),
            line: 1 + newlines(before),
            column: 1 + before.get(line_start..).unwrap_or_default().chars().count(),
            message: message.into(),
        }
    }
}

fn newlines(text: &str) -> usize {
    text.bytes().filter(|byte| *byte == b'\n').count()
}

/// Cuts a text into its statements. Linear in its length; never recurses.
pub fn split(source: &str) -> Result<Vec<Statement>, SplitError> {
    if let Some(at) = source.find('\0') {
        return Err(SplitError::at(source, at, "a NUL character, which Postgres accepts nowhere"));
    }
    let mut statements = Vec::new();
    let mut open = OpenStatement::new(source);
    let (mut line, mut counted_to) = (1, 0);
    for token in Lexer::new(source) {
        let token = token.map_err(|Unterminated { start, message }| SplitError::at(source, start, message))?;
        if token.is_gap() {
            continue;
        }
        if token.is_symbol(source, ";") && open.may_end() {
            statements.extend(open.finish()?);
            open = OpenStatement::new(source);
            continue;
        }
        if open.previous.is_none() {
            line += newlines(source.get(counted_to..token.start).unwrap_or_default());
            counted_to = token.start;
            open.line = line;
        }
        open.take(token).map_err(|message| SplitError::at(source, token.start, message))?;
    }
    if open.parentheses > 0 {
        return Err(SplitError::at(source, open.outermost, "parenthesis without its closing one"));
    }
    if open.atomic > 0 {
        return Err(SplitError::at(source, open.atomic_start, "BEGIN ATOMIC without its END"));
    }
    statements.extend(open.finish()?);
    Ok(statements)
}

/// A statement whose end has not come yet.
struct OpenStatement<'a> {
    source: &'a str,
    start: usize,
    line: usize,
    head: Vec<String>,
    previous: Option<Token>,
    /// Parentheses open now; a `;` between them ends nothing (CREATE RULE … DO (…; …)).
    parentheses: usize,
    outermost: usize,
    /// BEGIN ATOMIC and the CASEs open in it now.
    atomic: usize,
    atomic_start: usize,
    /// Where it turns `standard_conforming_strings` off.
    old_strings: Option<usize>,
}

impl<'a> OpenStatement<'a> {
    fn new(source: &'a str) -> Self {
        Self {
            source,
            start: 0,
            line: 1,
            head: Vec::new(),
            previous: None,
            parentheses: 0,
            outermost: 0,
            atomic: 0,
            atomic_start: 0,
            old_strings: None,
        }
    }

    fn may_end(&self) -> bool {
        self.parentheses == 0 && self.atomic == 0
    }

    /// The statement, unless there was nothing but blanks and comments.
    fn finish(self) -> Result<Option<Statement>, SplitError> {
        let Some(last) = self.previous else { return Ok(None) };
        if let Some(at) = self.old_strings {
            let message = "standard_conforming_strings is set: strings after it would be read by other rules";
            return Err(SplitError::at(self.source, at, message));
        }
        Ok(Some(Statement { span: self.start..last.end, line: self.line, head: self.head }))
    }

    /// Where a statement sets `standard_conforming_strings` to anything but on. With it off the server takes a backslash
    /// in `'…'` for an escape: a string that ends here would go on there.
    fn sets_strings(&self, token: Token) -> Option<usize> {
        const SETTING: &str = "standard_conforming_strings";
        let written = token.text(self.source).trim_matches(['\'', '"']);
        if token.kind == TokenKind::Text {
            return (self.begins_with("SELECT") && written.eq_ignore_ascii_case(SETTING)).then_some(token.start);
        }
        let set = self.begins_with("SET") && self.head.len() <= 3;
        (set && written.eq_ignore_ascii_case(SETTING)).then_some(token.start)
    }

    /// Takes the next token in, or says why it can't be in a statement.
    fn take(&mut self, token: Token) -> Result<(), &'static str> {
        if self.previous.is_none() {
            self.start = token.start;
        }
        match token.kind {
            TokenKind::Word => {
                self.remember(token, str::to_ascii_uppercase);
                self.word(token)?;
            }
            TokenKind::QuotedName => self.remember(token, str::to_owned),
            TokenKind::Symbol => self.symbol(token)?,
            _ => {}
        }
        // SET … = on is what pg_dump writes; whatever else follows leaves the place.
        if let Some(at) = self.sets_strings(token) {
            self.old_strings = Some(at);
        } else if self.begins_with("SET") && matches!(token.kind, TokenKind::Word | TokenKind::Text) {
            let value = token.text(self.source).trim_matches('\'').to_ascii_lowercase();
            if matches!(value.as_str(), "on" | "true" | "yes" | "1" | "default") {
                self.old_strings = None;
            }
        }
        self.previous = Some(token);
        Ok(())
    }

    fn remember(&mut self, token: Token, form: fn(&str) -> String) {
        if self.head.len() < HEAD_WORDS {
            self.head.push(form(token.text(self.source)));
        }
    }

    fn word(&mut self, token: Token) -> Result<(), &'static str> {
        let is = |word| token.is_word(self.source, word);
        let after = |word| self.previous.is_some_and(|previous| previous.is_word(self.source, word));
        if token.text(self.source).starts_with('\u{feff}') {
            return Err("a byte order mark in the middle of the text");
        }
        if is("STDIN") && after("FROM") && self.parentheses == 0 && self.begins_with("COPY") {
            return Err("COPY … FROM STDIN, whose data is no SQL; use INSERT");
        }
        if self.atomic == 0 {
            if is("ATOMIC") && after("BEGIN") && self.parentheses == 0 && self.creates_routine() {
                self.atomic = 1;
                self.atomic_start = self.previous.map_or(token.start, |begin| begin.start);
            }
        } else if !after("AS") && !self.follows_dot() {
            // Both words are reserved: elsewhere than after AS or a dot they can't be names.
            if is("CASE") {
                self.atomic += 1;
            } else if is("END") {
                self.atomic -= 1;
            }
        }
        Ok(())
    }

    fn symbol(&mut self, token: Token) -> Result<(), &'static str> {
        let rest = self.source.get(token.start..).unwrap_or_default();
        match token.text(self.source) {
            "(" => {
                if self.parentheses == 0 {
                    self.outermost = token.start;
                }
                self.parentheses += 1;
            }
            ")" => self.parentheses = self.parentheses.checked_sub(1).ok_or("parenthesis without its opening one")?,
            "\\" => return Err("a psql command, which only psql understands"),
            "{" | "$" | "<" if self.starts_template(rest) => return Err("an unrendered template"),
            _ => {}
        }
        Ok(())
    }

    /// `{{ … }}`, `{% … %}`, `{# … #}`, `${…}`, `<% … %>`. The last one is an operator of `pg_trgm` as well: it is a
    /// template where no operand stands before it, or with the mark of an ERB tag (`<%=`, `<%-`, `<%#`).
    fn starts_template(&self, rest: &str) -> bool {
        let has = |starts: &[&str]| starts.iter().any(|start| rest.starts_with(start));
        has(&["{{", "{%", "{#", "${", "<%=", "<%-", "<%#"]) || (has(&["<%"]) && !self.follows_operand())
    }

    fn follows_operand(&self) -> bool {
        self.previous.is_some_and(|previous| match previous.kind {
            // The first character of `<<%` is an operator's too.
            TokenKind::Symbol => matches!(previous.text(self.source), ")" | "]" | "<"),
            _ => true,
        })
    }

    fn follows_dot(&self) -> bool {
        self.previous.is_some_and(|previous| previous.is_symbol(self.source, "."))
    }

    fn begins_with(&self, word: &str) -> bool {
        self.head.first().is_some_and(|first| first == word)
    }

    fn creates_routine(&self) -> bool {
        let mut words = self.head.iter().map(String::as_str);
        if words.next() != Some("CREATE") {
            return false;
        }
        let object = match words.next() {
            Some("OR") => words.nth(1),
            object => object,
        };
        matches!(object, Some("FUNCTION" | "PROCEDURE"))
    }
}
