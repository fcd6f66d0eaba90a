//! The steps in the place of their statements, byte by byte: all that stands between statements stays as it is.

use std::ops::Range;

use super::{Part, Rewritten, SafeStep};
use crate::ddl::lex::Lexer;
use crate::ddl::read::{Reading, read as read_again};
use crate::ddl::sql_file::SqlFile;
use crate::error::{Failure, Result};

/// Puts it together, and reads it again before anybody sees it.
pub(super) fn splice(rewritten: &Rewritten, file: &SqlFile, mark: Option<&str>) -> Result<String> {
    let mut out =
        Out { source: file.text.as_str(), text: String::with_capacity(file.text.len() * 2), kept: Vec::new() };
    let mut meant = Vec::new();
    let mut at = 0;
    if let Some(mark) = mark.filter(|_| rewritten.apart) {
        at = if out.source.starts_with('\u{feff}') { '\u{feff}'.len_utf8() } else { 0 };
        out.keep(0..at);
        out.text += mark;
        out.text += line_end(out.source);
    }
    for part in &rewritten.parts {
        out.keep(at..part.span.start);
        at = part.span.end;
        let written = out.source.get(part.span.clone()).unwrap_or_default();
        match part.steps.as_slice() {
            [] => at = after_semicolon(out.source, part),
            [step] if step.sql == written => {
                out.keep(part.span.clone());
                meant.push(written.to_owned());
            }
            steps => {
                let between = format!(";{}{}", line_end(out.source), indent_of(out.source, part.span.start));
                out.text += &steps.iter().map(|step| shown(step, &between)).collect::<Vec<_>>().join(&between);
                meant.extend(steps.iter().flat_map(statements));
            }
        }
    }
    out.keep(at..out.source.len());
    out.check(rewritten, file, &meant)?;
    Ok(out.text)
}

/// A text that is being put together.
struct Out<'a> {
    source: &'a str,
    text: String,
    /// Bytes of the file, and where they are now.
    kept: Vec<(Range<usize>, usize)>,
}

impl Out<'_> {
    fn keep(&mut self, span: Range<usize>) {
        let kept = self.source.get(span.clone()).unwrap_or_default();
        self.kept.push((span, self.text.len()));
        self.text += kept;
    }

    /// Whether it is what was meant; a text that another reader would take for something else is never shown.
    fn check(&self, rewritten: &Rewritten, file: &SqlFile, meant: &[String]) -> Result<()> {
        let fault = |what: String| {
            Err(Failure::failed(format!("{}: the safe form is not what was meant: {what}", file.path.display()))
                .state("nothing is written")
                .hint("report the file as a fault of this program; rewrite the statement by hand meanwhile"))
        };
        for (span, to) in &self.kept {
            if self.source.get(span.clone()) != self.text.get(*to..*to + span.len()) {
                return fault(format!("bytes {} to {} are not those of the file", span.start, span.end));
            }
        }
        // What is not kept is a statement, or one that went away with its line.
        let mut at = 0;
        for (span, _) in &self.kept {
            let gone = at..span.start;
            let is_statement = |part: &Part| part.span.start == gone.start && part.span.end <= gone.end;
            if !gone.is_empty() && !rewritten.parts.iter().any(is_statement) {
                return fault(format!("bytes {} to {} are gone", gone.start, gone.end));
            }
            at = span.end;
        }
        let again = match SqlFile::from_bytes(&file.path, self.text.clone().into_bytes()) {
            Ok(again) => again,
            Err(e) => return fault(e.to_string()),
        };
        let read: Vec<&str> = again.statements.iter().map(|statement| statement.text(&again.text)).collect();
        for (number, meant) in meant.iter().enumerate() {
            let same = |read: &&str| read.replace("\r\n", "\n") == meant.replace("\r\n", "\n");
            if !read.get(number).is_some_and(same) {
                return fault(format!("it reads otherwise from here on: {meant}"));
            }
        }
        if read.len() != meant.len() {
            return fault(format!("{} statements, and {} were meant", read.len(), meant.len()));
        }
        // Each new statement is read by both readers; only what was not understood before may not be.
        let unread = |step: &SafeStep, sql: &str| {
            let ours = read_again(sql) == Reading::Unknown && step.judged.is_none();
            ours.then(|| sql.to_owned())
        };
        let written = |part: &Part, step: &SafeStep| self.source.get(part.span.clone()) == Some(step.sql.as_str());
        let new = rewritten.parts.iter().flat_map(|part| part.steps.iter().filter(|step| !written(part, step)));
        let unread = new.flat_map(|step| step.statements().into_iter().filter_map(|sql| unread(step, &sql)));
        match unread.collect::<Vec<_>>().first() {
            Some(sql) => fault(format!("this is not understood any more: {sql}")),
            None => Ok(()),
        }
    }
}

/// A step's statements, as they are shown: several are one transaction.
fn statements(step: &SafeStep) -> Vec<String> {
    let mut all = step.statements();
    if all.is_empty() {
        return vec![step.sql.clone()];
    }
    if all.len() > 1 {
        all.insert(0, "BEGIN".to_owned());
        all.push("COMMIT".to_owned());
    }
    all
}

/// A step as a person would run it, its comments before it.
fn shown(step: &SafeStep, between: &str) -> String {
    let line = between.get(1..).unwrap_or_default();
    let comments: String = step.comments.iter().map(|comment| format!("{comment}{line}")).collect();
    let statements = statements(step);
    let sql = if statements.len() > 1 { statements.join(between) } else { step.sql.clone() };
    comments + &sql
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
