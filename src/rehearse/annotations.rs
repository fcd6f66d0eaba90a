//! GitHub's workflow commands: a line for each thing that a reviewer should see at its place.

use std::path::Path;

use super::verdict::RehearsalDoc;
use crate::finding::Severity;

/// The lines, each ended. `root` is the folder that paths are shown from: the checked-out repository.
pub fn annotations(doc: &RehearsalDoc, root: &Path) -> String {
    let mut lines = String::new();
    if let Some(failure) = &doc.failure {
        let place = match (&failure.file, failure.line) {
            (Some(file), Some(line)) => {
                let path = Path::new(file);
                let shown = path.strip_prefix(root).unwrap_or(path).display().to_string();
                format!(" file={},line={line},title={}", property(&shown), property(&title(doc)))
            }
            _ => format!(" title={}", property(&title(doc))),
        };
        let detail = failure.detail.as_ref().map(|detail| format!("\n{detail}")).unwrap_or_default();
        lines.push_str(&format!("::error{place}::{}\n", data(&format!("{}{detail}", failure.what))));
    }
    for finding in &doc.findings {
        let level = match finding.severity {
            Severity::Blocker if finding.accepted.is_none() => "error",
            Severity::Blocker => continue,
            Severity::Warning => "warning",
            Severity::Note => continue,
        };
        let message = format!("{}: {}", finding.object, finding.what);
        lines.push_str(&format!("::{level} title={}::{}\n", property(&finding.id), data(&message)));
    }
    for event in doc.events_not_tried() {
        let why = event.why_not.as_deref().unwrap_or("too few rows to make it happen on");
        let title = property("event not rehearsed");
        lines.push_str(&format!("::warning title={title}::{}\n", data(&format!("event {:?}: {why}", event.event))));
    }
    lines
}

fn title(doc: &RehearsalDoc) -> String {
    format!("rehearsal of {}", doc.plan)
}

/// A message may hold line ends, as `%0A` (`actions/toolkit`, `command.ts`).
fn data(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

/// A property ends at `,` and `:`.
fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_would_end_a_command_is_escaped() {
        assert_eq!(data("50 %\nnext: a, b"), "50 %25%0Anext: a, b");
        assert_eq!(property("migrate/x:y, z"), "migrate/x%3Ay%2C z");
    }
}
