//! The steps in the place of their statements, byte by byte: all that stands between statements stays as it is.

use super::{Part, Rewritten, SafeStep};
use crate::ddl::lex::Lexer;
use crate::ddl::sql_file::SqlFile;

pub(super) fn splice(rewritten: &Rewritten, file: &SqlFile, mark: Option<&str>) -> String {
    let source = file.text.as_str();
    let mut out = String::with_capacity(source.len() * 2);
    let mut at = 0;
    if let Some(mark) = mark.filter(|_| rewritten.apart) {
        let after = if source.starts_with('\u{feff}') { '\u{feff}'.len_utf8() } else { 0 };
        out += source.get(..after).unwrap_or_default();
        out += mark;
        out += line_end(source);
        at = after;
    }
    for part in &rewritten.parts {
        out += source.get(at..part.span.start).unwrap_or_default();
        at = part.span.end;
        let written = source.get(part.span.clone()).unwrap_or_default();
        match part.steps.as_slice() {
            [] => at = after_semicolon(source, part),
            [step] if step.sql == written => out += written,
            steps => {
                let indent = indent_of(source, part.span.start);
                let end = line_end(source);
                let between = format!(";{end}{indent}");
                out += &steps.iter().map(|step| shown(step, &between)).collect::<Vec<_>>().join(&between);
            }
        }
    }
    out += source.get(at..).unwrap_or_default();
    out
}

/// A step as a person would run it: several statements stand between BEGIN and COMMIT.
fn shown(step: &SafeStep, between: &str) -> String {
    match step.statements().as_slice() {
        [] | [_] => step.sql.clone(),
        several => format!("BEGIN{between}{}{between}COMMIT", several.join(between)),
    }
}

/// The blanks that a statement's line begins with; none where something else stands before it.
fn indent_of(source: &str, start: usize) -> &str {
    let before = source.get(..start).unwrap_or_default();
    let line = before.get(before.rfind('\n').map_or(0, |at| at + 1)..).unwrap_or_default();
    if line.chars().all(|c| c == ' ' || c == '\t') { line } else { "" }
}

fn line_end(source: &str) -> &'static str {
    if source.contains("\r\n") { "\r\n" } else { "\n" }
}

/// Where what follows a statement that went away begins: after its `;`, and after the line's end if nothing else is there.
fn after_semicolon(source: &str, part: &Part) -> usize {
    let mut tokens = Lexer::starting_at(source, part.span.end).map_while(Result::ok).filter(|token| !token.is_gap());
    let end = tokens.next().filter(|token| token.is_symbol(source, ";")).map_or(part.span.end, |token| token.end);
    let rest = source.get(end..).unwrap_or_default();
    let own_line = indent_of(source, part.span.start).len() == part.span.start - line_start(source, part.span.start);
    match rest.find('\n') {
        Some(newline) if own_line && rest.get(..newline).unwrap_or_default().trim().is_empty() => end + newline + 1,
        _ => end,
    }
}

fn line_start(source: &str, at: usize) -> usize {
    source.get(..at).unwrap_or_default().rfind('\n').map_or(0, |newline| newline + 1)
}
