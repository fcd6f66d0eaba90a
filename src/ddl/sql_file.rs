//! One SQL file with its statements, and how places in it are shown.

use std::fs;
use std::ops::Range;
use std::path::{Path, PathBuf};

use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};

use super::lex::Lexer;
use super::split::{SplitError, Statement, split};
use crate::error::{Context, Failure, Result};

/// How many bytes of a long line an excerpt shows on each side of the place.
const CONTEXT_BYTES: usize = 100;

/// One SQL file, cut into statements.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SqlFile {
    /// Where it lies, as given.
    pub path: PathBuf,
    /// Its text, byte order mark included.
    pub text: String,
    /// Its statements in order; none in a file of nothing but comments.
    pub statements: Vec<Statement>,
}

/// A place in a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// Bytes from the file's start.
    pub offset: usize,
    /// From 1.
    pub line: usize,
    /// In characters, from 1.
    pub column: usize,
}

/// Reads a file and cuts it into statements.
///
/// Invalid UTF-8, and whatever [`split()`] refuses, is a usage failure that begins with `file:line:column`; the latter has
/// an excerpt as its detail.
pub fn read_sql_file(path: &Path) -> Result<SqlFile> {
    let bytes = fs::read(path).with_context(|| path.display())?;
    SqlFile::from_bytes(path, bytes)
}

impl SqlFile {
    /// Cuts what was read from `path` into statements; fails as [`read_sql_file`] does.
    pub fn from_bytes(path: &Path, bytes: Vec<u8>) -> Result<Self> {
        let all = 0..bytes.len();
        Self::from_part(path, bytes, all)
    }

    /// The same for a part of the file, whose bounds lie between lines: what stands elsewhere is not even looked at.
    pub fn from_part(path: &Path, bytes: Vec<u8>, part: Range<usize>) -> Result<Self> {
        let text = String::from_utf8(bytes).map_err(|e| {
            let valid = String::from_utf8_lossy(e.as_bytes().get(..e.utf8_error().valid_up_to()).unwrap_or_default());
            let SplitError { line, column, .. } = SplitError::at(&valid, valid.len(), "");
            Failure::usage(format!("{}:{line}:{column}: not UTF-8", path.display())).at(path, line)
        })?;
        let before = text.get(..part.start).unwrap_or_default();
        let lines = before.bytes().filter(|byte| *byte == b'\n').count();
        let mut statements = split(text.get(part.clone()).unwrap_or_default())
            .map_err(|e| refused(path, &text, &SplitError::at(&text, part.start + e.offset, e.message)))?;
        for statement in &mut statements {
            statement.span = statement.span.start + part.start..statement.span.end + part.start;
            statement.line += lines;
        }
        Ok(Self { path: path.to_owned(), text, statements })
    }

    /// Where the server's error position lies in this file; `position` counts characters of the statement's text from 1.
    /// One past its end ("at end of input") is the statement's end.
    pub fn place(&self, statement: &Statement, position: usize) -> Place {
        let text = statement.text(&self.text);
        let inside = text.char_indices().nth(position.saturating_sub(1)).map_or(text.len(), |(at, _)| at);
        let SplitError { offset, line, column, .. } = SplitError::at(&self.text, statement.span.start + inside, "");
        Place { offset, line, column }
    }

    /// Where the lines of the file begin, for many places in one file.
    pub fn lines(&self) -> Lines<'_> {
        let ends = self.text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n').map(|(at, _)| at + 1);
        Lines { file: self, starts: std::iter::once(0).chain(ends).collect() }
    }

    /// The line of the server's error position with the token there underlined and `label` beside it; without a
    /// position, the statement's first token.
    pub fn excerpt(&self, statement: &Statement, position: Option<usize>, label: &str) -> String {
        let place = self.place(statement, position.unwrap_or(1));
        excerpt(&self.path, &self.text, token_at(&self.text, place.offset), label)
    }
}

/// Places of one file without counting its lines for each of them.
#[derive(Debug)]
pub struct Lines<'a> {
    file: &'a SqlFile,
    starts: Vec<usize>,
}

impl Lines<'_> {
    /// Where a byte of the file lies.
    pub fn place(&self, offset: usize) -> Place {
        let line = self.starts.partition_point(|start| *start <= offset);
        let start = line.checked_sub(1).and_then(|at| self.starts.get(at)).copied().unwrap_or_default();
        let column = 1 + self.file.text.get(start..offset).unwrap_or_default().chars().count();
        Place { offset, line, column }
    }

    /// The line that a span begins in, with as much of it as is in that line underlined.
    pub fn excerpt(&self, span: Range<usize>) -> String {
        drawn(&self.file.path, &self.file.text, self.place(span.start), span.len(), "")
    }
}

fn refused(path: &Path, text: &str, error: &SplitError) -> Failure {
    let SplitError { offset, line, column, message } = error;
    Failure::usage(format!("{}:{line}:{column}: {message}", path.display()))
        .detail(excerpt(path, text, token_at(text, *offset), message))
        .at(path, *line)
}

/// The token that starts at `offset`, or the one character there.
fn token_at(text: &str, offset: usize) -> Range<usize> {
    let character = text.get(offset..).and_then(|rest| rest.chars().next()).map_or(0, char::len_utf8);
    match Lexer::starting_at(text, offset).next() {
        Some(Ok(token)) => token.span(),
        _ => offset..offset + character,
    }
}

/// The line that `span` starts in, with as much of the span as is in it underlined and `label` beside it, plain text.
/// Of a long line, only what is near.
pub fn excerpt(path: &Path, text: &str, span: Range<usize>, label: &str) -> String {
    let SplitError { offset, line, column, .. } = SplitError::at(text, span.start, "");
    drawn(path, text, Place { offset, line, column }, span.len(), label)
}

fn drawn(path: &Path, text: &str, place: Place, length: usize, label: &str) -> String {
    let Place { offset, line, column } = place;
    let before = text.get(..offset).unwrap_or_default();
    let after = text.get(offset..).unwrap_or_default();
    let before = before.get(before.rfind('\n').map_or(0, |at| at + 1)..).unwrap_or_default();
    let after = after.lines().next().unwrap_or_default();
    let before =
        before.get(before.ceil_char_boundary(before.len().saturating_sub(CONTEXT_BYTES))..).unwrap_or_default();
    let after = after.get(..after.floor_char_boundary(CONTEXT_BYTES)).unwrap_or_default();

    let shown = before.len()..before.len() + length.clamp(1, after.len().max(1));
    let source = format!("{before}{after} ");
    // The renderer would count the column in the cut line, so the place is ours.
    let margin = line.to_string().len();
    let place = format!("{:margin$}--> {}:{line}:{column}", "", path.display());
    let group = Group::with_level(Level::ERROR)
        .element(Snippet::source(source).line_start(line).annotation(AnnotationKind::Primary.span(shown).label(label)));
    let drawn = Renderer::plain().render(&[group]);
    std::iter::once(place.as_str()).chain(drawn.lines().map(str::trim_end)).collect::<Vec<_>>().join("\n")
}
