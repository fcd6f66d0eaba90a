//! `lint`'s document, as text, as SARIF 2.1.0 and as annotations of GitHub Actions.

use std::path::Path;

use console::Style;
use serde::Serialize;
use serde_json::{Value, json};

use super::text;
use crate::ddl::lint::Found;
use crate::ddl::rule::{self, Rule};
use crate::ddl::workload::{Broken, masked};
use crate::ddl::{Estimate, SqlFile};
use crate::error::{Failure, Result};
use crate::finding::{Finding, Severity};
use crate::plan::Accept;

/// What was found in all files.
#[derive(Debug, Serialize)]
pub struct LintDoc {
    format: &'static str,
    files: usize,
    statements: usize,
    blockers: usize,
    warnings: usize,
    notes: usize,
    accepted: usize,
    findings: Vec<LintFinding>,
}

/// One finding and its place.
#[derive(Debug, Serialize)]
pub struct LintFinding {
    /// The rule's id; with its area where it is no rule of lint's own.
    rule: String,
    severity: Severity,
    file: String,
    line: usize,
    column: usize,
    end_line: usize,
    end_column: usize,
    what: String,
    so_what: String,
    instead: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    accepted: Option<String>,
    /// Who accepts it.
    #[serde(skip_serializing_if = "Option::is_none")]
    accepted_by: Option<AcceptedBy>,
    /// The table that a query of clients is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    table: Option<String>,
    /// How often that query was called.
    #[serde(skip_serializing_if = "Option::is_none")]
    calls: Option<u64>,
    /// How long it takes on the database of `--schema`.
    #[serde(skip_serializing_if = "Option::is_none")]
    estimate: Option<EstimateDoc>,
    /// The lines with the span underlined, for people.
    #[serde(skip)]
    excerpt: String,
}

/// Where it is said that a finding is accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum AcceptedBy {
    Comment,
    Plan,
}

/// The reason of the plan for a finding that it accepts, by the finding's id and object.
pub type ByPlan<'a> = &'a mut dyn FnMut(&str, &str) -> Option<String>;

/// An estimate and what it rests on.
#[derive(Debug, Serialize)]
struct EstimateDoc {
    seconds: f64,
    bytes: u64,
    basis: String,
}

impl From<Estimate> for EstimateDoc {
    fn from(Estimate { seconds, bytes, basis }: Estimate) -> Self {
        Self { seconds, bytes, basis }
    }
}

impl LintDoc {
    /// An empty one.
    pub fn new() -> Self {
        Self {
            format: "teal.lint/1",
            files: 0,
            statements: 0,
            blockers: 0,
            warnings: 0,
            notes: 0,
            accepted: 0,
            findings: Vec::new(),
        }
    }

    /// Takes in what was found in a file, which `name` is in the plan's findings.
    pub fn add(&mut self, file: &SqlFile, name: &str, found: Vec<Found>, by_plan: ByPlan<'_>) {
        self.files += 1;
        self.statements += file.statements.len();
        let lines = file.lines();
        for one in found {
            let (start, end) = (lines.place(one.span.start), lines.place(one.span.end));
            let planned = by_plan(&format!("lint/{}", one.rule.id), &format!("{name}:{}", start.line));
            self.push(LintFinding {
                line: start.line,
                column: start.column,
                end_line: end.line,
                end_column: end.column,
                excerpt: lines.excerpt(one.span),
                estimate: one.estimate.map(EstimateDoc::from),
                ..LintFinding::of(one.rule, file.path.display().to_string(), one.what).accepted(one.accepted, planned)
            });
        }
    }

    /// Takes in a file or folder that can't be read, whose failure says the place; gives back any other failure.
    pub fn refuse(&mut self, failure: Failure) -> Result<()> {
        let (Some(place), Some(rule)) = (failure.place.clone(), rule::rule("not-readable")) else {
            return Err(failure);
        };
        self.files += 1;
        let file = place.file.display().to_string();
        // `file:line:column: what`, or what alone.
        let said = failure.what.strip_prefix(&format!("{file}:{}:", place.line));
        let said = said.and_then(|rest| rest.split_once(": "));
        let (column, what) =
            said.map_or((1, failure.what.as_str()), |(column, what)| (column.parse().unwrap_or(1), what));
        let excerpt = failure.detail.clone().unwrap_or_else(|| format!(" --> {file}:{}:{column}", place.line));
        self.push(LintFinding {
            line: place.line,
            column,
            end_line: place.line,
            end_column: column + 1,
            excerpt,
            ..LintFinding::of(rule, file, what.to_owned())
        });
        Ok(())
    }

    /// Takes in an accept of a plan that matches nothing which was found.
    pub fn add_unmatched(&mut self, plan: &Path, accept: &Accept) {
        let Finding { id, severity, what, so_what, next, object, .. } = accept.unmatched();
        let (file, line) = (plan.display().to_string(), accept.line);
        self.push(LintFinding {
            rule: id,
            severity,
            so_what,
            instead: next,
            excerpt: format!(" --> {file}:{line}:1"),
            ..LintFinding::at(file, line, format!("{object}: {what}"))
        });
    }

    /// Takes in what the files break of the queries from `source`.
    pub fn add_workload(&mut self, source: &str, broken: Vec<Broken<'_>>, by_plan: ByPlan<'_>) {
        for Broken { rule, table, query, what } in broken {
            let line = query.line.unwrap_or(1);
            let calls = query.calls.map(|calls| format!("{}: ", text::count(calls, "call"))).unwrap_or_default();
            let table = table.map(|(schema, name)| format!("{schema}.{name}"));
            let planned = by_plan(&format!("lint/{}", rule.id), table.as_deref().unwrap_or("queries"));
            let finding = LintFinding::of(rule, source.to_owned(), what).accepted(None, planned);
            self.push(LintFinding {
                line,
                end_line: line,
                excerpt: text::wrapped(&format!("{source}: {calls}{}", masked(&query.text)), 2),
                table,
                calls: query.calls,
                ..finding
            });
        }
    }

    fn push(&mut self, finding: LintFinding) {
        let count = match (&finding.accepted, finding.severity) {
            (Some(_), _) => &mut self.accepted,
            (None, Severity::Blocker) => &mut self.blockers,
            (None, Severity::Warning) => &mut self.warnings,
            (None, Severity::Note) => &mut self.notes,
        };
        *count += 1;
        self.findings.push(finding);
    }

    /// Blockers that neither a comment nor the plan accepts.
    pub fn blockers(&self) -> usize {
        self.blockers
    }

    fn open(&self) -> impl Iterator<Item = &LintFinding> {
        self.findings.iter().filter(|finding| finding.accepted.is_none())
    }

    /// What GitHub Actions shows beside the lines: one workflow command a finding.
    pub fn annotations(&self) -> String {
        let line = |finding: &LintFinding| {
            let level = match finding.severity {
                Severity::Blocker => "error",
                Severity::Warning => "warning",
                Severity::Note => "notice",
            };
            let LintFinding { file, line, end_line, column, rule, what, so_what, instead, .. } = finding;
            let title = property(&id(rule));
            let file = property(file);
            let lasts = finding.estimate.as_ref().map(|one| format!(" Estimate: {}.", one.basis)).unwrap_or_default();
            let said = data(&format!("{what}: {so_what}.{lasts} Instead: {instead}."));
            format!("::{level} file={file},line={line},endLine={end_line},col={column},title={title}::{said}\n")
        };
        self.open().map(line).collect()
    }

    /// SARIF 2.1.0, as code scanning reads it. What is accepted is there, suppressed, with its reason.
    pub fn sarif(&self) -> Value {
        let rules: Vec<Value> = rule::all()
            .map(|rule| {
                json!({
                    "id": rule.id,
                    "shortDescription": { "text": rule.so_what },
                    "help": { "text": format!("{}\n\nBad:\n{}\n\nGood:\n{}", rule.instead, rule.bad, rule.good) },
                    "defaultConfiguration": { "level": level(rule.severity) },
                })
            })
            .collect();
        let results: Vec<Value> = self.findings.iter().map(sarif_result).collect();
        json!({
            "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
            "version": "2.1.0",
            "runs": [{
                "tool": { "driver": { "name": "teal", "version": env!("CARGO_PKG_VERSION"), "rules": rules } },
                "columnKind": "unicodeCodePoints",
                "results": results,
            }],
        })
    }
}

impl LintFinding {
    /// A finding at the start of a line.
    fn at(file: String, line: usize, what: String) -> Self {
        Self {
            rule: String::new(),
            severity: Severity::Note,
            file,
            line,
            column: 1,
            end_line: line,
            end_column: 1,
            what,
            so_what: String::new(),
            instead: String::new(),
            accepted: None,
            accepted_by: None,
            table: None,
            calls: None,
            estimate: None,
            excerpt: String::new(),
        }
    }

    /// What a rule found in a file.
    fn of(rule: &Rule, file: String, what: String) -> Self {
        Self {
            rule: rule.id.to_owned(),
            severity: rule.severity,
            so_what: rule.so_what.to_owned(),
            instead: rule.instead.to_owned(),
            ..Self::at(file, 1, what)
        }
    }

    /// With the reason that a comment gives, or else the plan.
    fn accepted(mut self, comment: Option<String>, plan: Option<String>) -> Self {
        let by = if comment.is_some() { AcceptedBy::Comment } else { AcceptedBy::Plan };
        self.accepted = comment.or(plan);
        self.accepted_by = self.accepted.as_ref().map(|_| by);
        self
    }
}

/// What findings and accepts are called by: `lint/drop-breaks-clients`.
fn id(rule: &str) -> String {
    if rule.contains('/') { rule.to_owned() } else { format!("lint/{rule}") }
}

impl Default for LintDoc {
    fn default() -> Self {
        Self::new()
    }
}

fn level(severity: Severity) -> &'static str {
    match severity {
        Severity::Blocker => "error",
        Severity::Warning => "warning",
        Severity::Note => "note",
    }
}

fn sarif_result(finding: &LintFinding) -> Value {
    let mut result = json!({
        "ruleId": finding.rule,
        "level": level(finding.severity),
        "message": { "text": format!("{}: {}. Instead: {}.", finding.what, finding.so_what, finding.instead) },
        "locations": [{ "physicalLocation": {
            "artifactLocation": { "uri": finding.file },
            "region": {
                "startLine": finding.line,
                "startColumn": finding.column,
                "endLine": finding.end_line,
                "endColumn": finding.end_column,
            },
        }}],
    });
    if let Some(reason) = &finding.accepted {
        let kind = if finding.accepted_by == Some(AcceptedBy::Plan) { "external" } else { "inSource" };
        result["suppressions"] = json!([{ "kind": kind, "justification": reason }]);
    }
    result
}

/// A workflow command's message (`toolkit/packages/core/src/command.ts`, escapeData).
fn data(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

/// A workflow command's property (escapeProperty).
fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}

/// The same for people: what is open in full, what is accepted in a line.
pub fn lint_text(doc: &LintDoc) -> String {
    let mut out = String::new();
    for finding in &doc.findings {
        let style = match finding.severity {
            Severity::Blocker => Style::new().red().bold(),
            Severity::Warning => Style::new().yellow().bold(),
            Severity::Note => Style::new().bold(),
        };
        let LintFinding { rule, file, line, what, .. } = finding;
        if let Some(reason) = &finding.accepted {
            out += &text::hanging(&format!("accepted {} {file}:{line}: ", id(rule)), reason);
            out.push('\n');
            continue;
        }
        out += &format!("{} {}\n{}\n", style.apply_to(finding.severity.word()), id(rule), finding.excerpt.trim_end());
        out += &text::wrapped(&format!("{what}: {}", finding.so_what), 2);
        if let Some(estimate) = &finding.estimate {
            out += &text::wrapped(&format!("estimate: {}", estimate.basis), 2);
        }
        out += &text::wrapped(&format!("instead: {}", finding.instead), 2);
        out.push('\n');
    }
    let counts = [(doc.blockers, "blocker"), (doc.warnings, "warning"), (doc.notes, "note")];
    let counts: Vec<String> = counts.iter().map(|(number, what)| text::count(*number, what)).collect();
    let accepted = if doc.accepted > 0 { format!(", {} accepted", doc.accepted) } else { String::new() };
    out += &text::wrapped(
        &format!(
            "{}, {}: {}{accepted}.",
            text::count(doc.files, "file"),
            text::count(doc.statements, "statement"),
            counts.join(", ")
        ),
        0,
    );
    out
}
