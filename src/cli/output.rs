//! Where words go: results to stdout, the rest to stderr; text or JSON.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::{Arc, OnceLock};

use serde::Serialize;

use super::Format;
use super::next::with_plan;
use crate::error::{Failure, Kind};
use crate::finding::Finding;
use crate::report::text;

/// The two streams, the format of results, and the plan that next commands name.
#[derive(Debug, Clone)]
pub struct Output {
    format: Format,
    /// Set once it is known.
    plan: Arc<OnceLock<PathBuf>>,
}

#[derive(Serialize)]
struct ErrorDoc<'a> {
    format: &'static str,
    kind: &'static str,
    exit_code: u8,
    what: &'a str,
    detail: Option<&'a str>,
    state: Option<&'a str>,
    hint: Option<&'a str>,
}

impl Output {
    pub fn new(format: Format) -> Self {
        Self { format, plan: Arc::default() }
    }

    /// Says which plan the command is about.
    pub fn about(&self, plan: &Path) {
        let _ = self.plan.set(plan.to_owned());
    }

    /// A text whose commands name the plan.
    pub fn named(&self, text: &str) -> String {
        self.plan.get().map_or_else(|| text.to_owned(), |plan| with_plan(text, plan))
    }

    /// A finding whose next command names the plan.
    pub fn finding(&self, finding: &Finding) -> Finding {
        Finding { next: self.named(&finding.next), ..finding.clone() }
    }

    pub fn is_json(&self) -> bool {
        self.format == Format::Json
    }

    /// A result: the document, or the same as text.
    pub fn result(&self, document: &impl Serialize, text: impl FnOnce() -> String) {
        if self.is_json() {
            match serde_json::to_string(document) {
                Ok(line) => write_out(&format!("{line}\n")),
                Err(e) => tracing::error!("writing JSON: {e}"),
            }
        } else {
            write_out(&text());
        }
    }

    /// Something for the operator that is no result; silent where results are for a program.
    pub fn say(&self, text: &str) {
        if !self.is_json() {
            let _ = std::io::stderr().write_all(text.as_bytes());
        }
    }

    /// Ends the program: the failure as text on stderr, and as an object on stdout where results are JSON.
    pub fn fail(&self, failure: &Failure) -> ExitCode {
        let mut failure = failure.clone().hint(usual_hint(failure.kind));
        failure.hint = failure.hint.map(|hint| self.named(&hint));
        failure.detail = failure.detail.map(|detail| self.named(&detail));
        let exit_code = failure.kind.exit_code();
        if self.is_json() {
            let document = ErrorDoc {
                format: "teal.error/1",
                kind: word(failure.kind),
                exit_code,
                what: &failure.what,
                detail: failure.detail.as_deref(),
                state: failure.state.as_deref(),
                hint: failure.hint.as_deref(),
            };
            self.result(&document, String::new);
        }
        let _ = std::io::stderr().write_all(text::failure(&failure).as_bytes());
        ExitCode::from(exit_code)
    }
}

/// Every failure names a next command.
fn usual_hint(kind: Kind) -> &'static str {
    match kind {
        Kind::Usage => "mend it, then run the same command again; migrate --help lists the commands",
        Kind::Failed | Kind::Undone => "run the same command again; with --verbose it says more",
        Kind::Blocked | Kind::InDoubt => "look where it stands with: migrate status",
    }
}

/// A reader that went away (`| head`) is no failure of ours.
fn write_out(text: &str) {
    let _ = std::io::stdout().write_all(text.as_bytes());
}

fn word(kind: Kind) -> &'static str {
    match kind {
        Kind::Failed => "failed",
        Kind::Usage => "usage",
        Kind::Blocked => "blocked",
        Kind::InDoubt => "in_doubt",
        Kind::Undone => "undone",
    }
}
