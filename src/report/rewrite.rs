//! `rewrite`'s document, as SQL, as a diff, and what is to be known beside it.

use console::Style;
use serde::Serialize;
use similar::{ChangeTag, TextDiff};

use super::text;
use crate::ddl::SqlFile;
use crate::ddl::rewrite::{How, Refused, Rewritten};
use crate::error::Result;

/// What all files have become.
#[derive(Debug, Serialize)]
pub struct RewriteDoc {
    format: &'static str,
    server_major: u32,
    statements: usize,
    rewritten: usize,
    refused: usize,
    accepted: usize,
    files: Vec<FileDoc>,
}

/// One file.
#[derive(Debug, Serialize)]
struct FileDoc {
    file: String,
    /// Whether it has to run in no transaction, statement by statement.
    no_transaction: bool,
    /// Its safe form.
    sql: String,
    /// What is to be told to its tool, where no mark in the file does.
    #[serde(skip_serializing_if = "Option::is_none")]
    tool: Option<String>,
    statements: Vec<StatementDoc>,
    #[serde(skip)]
    source: String,
}

/// One statement of it; those that stay as they are without a word are left out.
#[derive(Debug, Serialize)]
struct StatementDoc {
    line: usize,
    column: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    rewrite: Option<&'static str>,
    steps: Vec<StepDoc>,
    why: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    lost: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    refused: Option<RefusedDoc>,
    /// What of its safe form has to be accepted.
    #[serde(skip_serializing_if = "Option::is_none")]
    condition: Option<RefusedDoc>,
}

#[derive(Debug, Serialize)]
struct StepDoc {
    sql: String,
    how: &'static str,
}

#[derive(Debug, Serialize)]
struct RefusedDoc {
    rule: &'static str,
    why: String,
    instead: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    accepted: Option<String>,
}

impl RefusedDoc {
    fn of(refused: &Refused) -> Self {
        Self {
            rule: refused.rule,
            why: refused.why.clone(),
            instead: refused.instead.clone(),
            accepted: refused.accepted.clone(),
        }
    }
}

impl RewriteDoc {
    /// An empty one, for a server of this major version.
    pub fn new(server_major: u32) -> Self {
        let files = Vec::new();
        Self { format: "teal.rewrite/1", server_major, statements: 0, rewritten: 0, refused: 0, accepted: 0, files }
    }

    /// Takes in a file of this layout.
    ///
    /// Fails where the safe form's text is not what was meant.
    pub fn add(&mut self, file: &SqlFile, rewritten: &Rewritten, layout: &str) -> Result<()> {
        let (mark, tool) = mark(layout);
        let mut sql = rewritten.text(file, mark)?;
        let mut tool = tool.filter(|_| rewritten.apart).map(str::to_owned);
        if rewritten.apart && layout == "dbmate" {
            sql = sql.replacen("-- migrate:up", "-- migrate:up transaction:false", 1);
            tool = None;
        }
        self.statements += rewritten.parts.len();
        let (lines, mut statements) = (file.lines(), Vec::new());
        for part in &rewritten.parts {
            self.rewritten += usize::from(part.rewrite.is_some());
            match part.refused.as_ref().or(part.condition.as_ref()).map(|refused| refused.accepted.is_some()) {
                Some(true) => self.accepted += 1,
                Some(false) => self.refused += 1,
                None => {}
            }
            if part.rewrite.is_none() && part.why.is_empty() && part.refused.is_none() && part.lost.is_none() {
                continue;
            }
            let place = lines.place(part.span.start);
            let steps = part.steps.iter().map(|step| StepDoc { sql: step.sql.clone(), how: word(&step.how) }).collect();
            statements.push(StatementDoc {
                line: place.line,
                column: place.column,
                rewrite: part.rewrite.map(|rewrite| rewrite.id),
                steps,
                why: part.why.clone(),
                lost: part.lost.clone(),
                refused: part.refused.as_ref().map(RefusedDoc::of),
                condition: part.condition.as_ref().map(RefusedDoc::of),
            });
        }
        self.files.push(FileDoc {
            file: file.path.display().to_string(),
            no_transaction: rewritten.apart,
            sql,
            tool,
            statements,
            source: file.text.clone(),
        });
        Ok(())
    }

    /// How many have no safe form and are not accepted.
    pub fn open(&self) -> usize {
        self.refused
    }

    /// The safe form of each file, in their order.
    pub fn texts(&self) -> impl Iterator<Item = &str> {
        self.files.iter().map(|file| file.sql.as_str())
    }
}

/// The line by which a layout's tool knows that a file runs in no transaction, or what has to be done instead.
fn mark(layout: &str) -> (Option<&'static str>, Option<&'static str>) {
    match layout {
        "goose" => (Some("-- +goose NO TRANSACTION"), None),
        "plain" | "sqlx" => (Some("-- no-transaction"), None),
        "flyway" => (None, Some("write executeInTransaction=false into the file's .conf")),
        "pop" => (None, Some("the file's name needs .autocommit before .up.sql")),
        "diesel" => (None, Some("write run_in_transaction = false into the migration's metadata.toml")),
        _ => (None, Some("this tool has no mark for it: run each statement by itself")),
    }
}

fn word(how: &How) -> &'static str {
    match how {
        How::Brief => "brief",
        How::Concurrent { .. } => "concurrent",
        How::Long => "long",
        How::Batches(_) => "batches",
    }
}

/// The safe form, or what changes.
pub fn rewrite_text(doc: &RewriteDoc, diff: bool) -> String {
    let several = doc.files.len() > 1;
    let one = |file: &FileDoc| {
        if diff {
            return unified(file);
        }
        let end = if file.sql.ends_with('\n') { "" } else { "\n" };
        let head = if several { format!("-- file: {}\n", file.file) } else { String::new() };
        format!("{head}{}{end}", file.sql)
    };
    doc.files.iter().map(one).collect()
}

fn unified(file: &FileDoc) -> String {
    let diff = TextDiff::from_lines(&file.source, &file.sql);
    let mut out = String::new();
    for (number, hunk) in diff.unified_diff().context_radius(3).iter_hunks().enumerate() {
        if number == 0 {
            let bold = Style::new().bold();
            out += &format!("{}\n", bold.apply_to(format!("--- {}\n+++ {} (safe)", file.file, file.file)));
        }
        out += &format!("{}\n", Style::new().cyan().apply_to(hunk.header()));
        for change in hunk.iter_changes() {
            let (sign, style) = match change.tag() {
                ChangeTag::Delete => ("-", Style::new().red()),
                ChangeTag::Insert => ("+", Style::new().green()),
                ChangeTag::Equal => (" ", Style::new()),
            };
            let line = change.value().trim_end_matches(['\n', '\r']);
            out += &format!("{}\n", style.apply_to(format!("{sign}{line}")));
        }
    }
    out
}

/// What a person has to know of it: why, what is lost, what has no safe form.
pub fn rewrite_notes(doc: &RewriteDoc) -> String {
    let mut out = String::new();
    for file in &doc.files {
        for statement in &file.statements {
            let id = match (&statement.refused, statement.rewrite) {
                (Some(RefusedDoc { rule, accepted: None, .. }), _) => format!("no safe form (lint/{rule})"),
                (Some(RefusedDoc { rule, .. }), _) => format!("accepted lint/{rule}"),
                (None, Some(id)) => format!("rewrite/{id}"),
                (None, None) => "note".to_owned(),
            };
            out += &format!("{}:{}: {id}\n", file.file, statement.line);
            if statement.condition.is_some() && !statement.why.is_empty() {
                out += &text::wrapped(&statement.why, 2);
            }
            if let Some(condition) = &statement.condition {
                let to = if condition.accepted.is_some() { "accepted" } else { "to be accepted" };
                out += &text::wrapped(&format!("{to} (lint/{}): {}", condition.rule, condition.why), 2);
            }
            if let Some(refused) = statement.refused.as_ref().or(statement.condition.as_ref()) {
                if statement.refused.is_some() {
                    out += &text::wrapped(&refused.why, 2);
                }
                match &refused.accepted {
                    Some(reason) => out += &text::wrapped(&format!("accepted: {reason}"), 2),
                    None => out += &text::wrapped(&format!("instead: {}", refused.instead), 2),
                }
            } else if !statement.why.is_empty() {
                out += &text::wrapped(&statement.why, 2);
            }
            if let Some(lost) = &statement.lost {
                out += &text::wrapped(&format!("lost: {lost}"), 2);
            }
        }
        if let Some(tool) = &file.tool {
            out += &format!("{}: runs in no transaction now\n", file.file);
            out += &text::wrapped(tool, 2);
        }
    }
    let counts = format!(
        "{}, {}: {} rewritten, {} without a safe form{}.",
        text::count(doc.files.len(), "file"),
        text::count(doc.statements, "statement"),
        doc.rewritten,
        doc.refused,
        if doc.accepted > 0 { format!(", {} accepted", doc.accepted) } else { String::new() },
    );
    out + &text::wrapped(&counts, 0)
}
