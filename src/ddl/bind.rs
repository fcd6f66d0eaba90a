//! Named parameters of the plan's SQL: `:name` becomes `$1`.

use std::fmt::Write as _;

use super::lex::{Lexer, Token, TokenKind};
use super::split::{SplitError, split};

/// A statement ready to be prepared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bound {
    /// The statement with `$1`, `$2`, … in the order written, without what stood around it.
    pub sql: String,
    /// The column names that they stand for: `params[0]` for `$1`. Each occurrence has a number of its own, so that the
    /// server may give each its own type.
    pub params: Vec<String>,
}

/// Puts numbers in the place of every `:name` and `:"Quoted name"` outside strings, comments and identifiers.
///
/// Unquoted names are folded to lower case as the server folds identifiers: ASCII letters only. `::` and `:=` are left
/// alone. Between square brackets a colon may also be that of an array slice; there, a colon that touches the operand
/// before it (`a[1:n]`, `a[x]:y`, `a[f(1):n]`) is left alone, and any other one that touches the name after it is a
/// parameter: `ARRAY[:a, :b]`, `a[:n]`, `a[1 : :n]`.
///
/// Refuses what [`split()`] refuses, anything but exactly one statement, and `$1` written by hand.
pub fn bind(sql: &str) -> Result<Bound, SplitError> {
    let statements = split(sql)?;
    let statement = match statements.as_slice() {
        [] => return Err(SplitError::at(sql, 0, "no statement")),
        [only] => only,
        [_, second, ..] => {
            return Err(SplitError::at(sql, second.span.start, "a second statement where one is expected"));
        }
    };
    let text = statement.text(sql);
    let refuse = |token: Token, message: &str| SplitError::at(sql, statement.span.start + token.start, message);

    let mut bound = Bound { sql: String::with_capacity(text.len()), params: Vec::new() };
    let (mut brackets, mut previous) = (0_usize, None);
    // The statement was cut out of a text that could be read to its end, so the lexer can't fail here.
    let mut tokens = Lexer::new(text).map_while(Result::ok).peekable();
    while let Some(token) = tokens.next() {
        if token.kind == TokenKind::Parameter {
            return Err(refuse(token, "a numbered parameter; name the column, as in :name"));
        }
        let sliced = brackets > 0 && previous.is_some_and(|previous| is_operand(previous, text));
        let name = match tokens.peek() {
            Some(next) if token.is_symbol(text, ":") && !sliced => parameter(*next, text),
            _ => None,
        };
        if let Some(name) = name {
            let name = name.map_err(|message| refuse(token, message))?;
            bound.params.push(name);
            let end = tokens.next().map_or(token.end, |name| name.end);
            number(&mut bound, text.get(end..).unwrap_or_default());
        } else {
            brackets = match token.text(text) {
                "[" if token.kind == TokenKind::Symbol => brackets + 1,
                "]" if token.kind == TokenKind::Symbol => brackets.saturating_sub(1),
                _ => brackets,
            };
            bound.sql.push_str(token.text(text));
        }
        previous = Some(token);
    }
    Ok(bound)
}

/// The name that a token right after a colon is, if it is one.
fn parameter(token: Token, text: &str) -> Option<Result<String, &'static str>> {
    let written = token.text(text);
    match token.kind {
        TokenKind::Word => Some(Ok(written.to_ascii_lowercase())),
        TokenKind::QuotedName => {
            let inside = written.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
            Some(inside.map(|name| name.replace("\"\"", "\"")).ok_or("a parameter's name can't be written as U&\"…\""))
        }
        _ => None,
    }
}

/// Whether a token may end an operand. A blank before the colon counts as none, being a token itself.
fn is_operand(token: Token, text: &str) -> bool {
    match token.kind {
        TokenKind::Blank | TokenKind::Comment => false,
        TokenKind::Symbol => matches!(token.text(text), ")" | "]"),
        _ => true,
    }
}

/// Writes the number of the last parameter, kept apart from letters and digits beside it: `OR:a` is not `OR$1`, which
/// would be an identifier.
fn number(bound: &mut Bound, rest: &str) {
    let joins = |c: char| c.is_alphanumeric() || c == '_' || c == '$' || !c.is_ascii();
    if bound.sql.ends_with(joins) {
        bound.sql.push(' ');
    }
    // Writing to a String can't fail.
    let _ = write!(bound.sql, "${}", bound.params.len());
    if rest.starts_with(joins) {
        bound.sql.push(' ');
    }
}
