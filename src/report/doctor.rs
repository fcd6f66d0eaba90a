//! Whether a plan is possible on these databases: `teal.doctor/1`.

use serde::Serialize;

use super::text::{self, count, heading};
use crate::finding::{Finding, Severity, blockers};
use crate::guard::{Throughput, Topic};
use crate::units::{show_bytes, show_millis};

/// What `doctor` looked at and found.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct DoctorDoc {
    /// `teal.doctor/1`.
    pub format: &'static str,
    /// The version of the program.
    pub tool: &'static str,
    /// The plan's name.
    pub plan: String,
    /// `user@host:port/database`.
    pub blue: String,
    /// `user@host:port/database`; empty in place, where there is none.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub green: String,
    /// The run's state by this machine's journal; `new` where there is none.
    pub state: &'static str,
    /// `possible` or `blocked`.
    pub verdict: &'static str,
    /// In the order in which they were looked at.
    pub topics: Vec<TopicDoc>,
    /// All findings, the heaviest first.
    pub findings: Vec<Finding>,
    /// How long the copy takes; none where blue could not be asked.
    pub estimate: Option<CopyEstimate>,
    /// The next command.
    pub next: String,
}

/// One topic.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct TopicDoc {
    /// Its name.
    pub topic: &'static str,
    /// `ok`, `warning`, `blocker`, or `?` where nothing could be seen.
    pub verdict: &'static str,
    /// What was seen.
    pub seen: Vec<String>,
    /// What could not be looked at, and what would let us.
    pub unseen: Vec<String>,
}

/// How long the copy takes, and where the figures come from.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct CopyEstimate {
    /// Tables to copy, in bytes.
    pub bytes: u64,
    /// Rows, indexes and digests, in seconds.
    pub copy_seconds: u64,
    /// Of them, for reading the rows from blue at the rate that was measured; none where it was not.
    pub read_seconds: Option<u64>,
    /// What one connection read from blue in a second; none where it was not measured.
    pub read_bytes_per_second: Option<u64>,
    /// Where the figures come from.
    pub basis: String,
}

/// What the estimate is made from.
pub struct Measured {
    /// Tables to copy, in bytes.
    pub bytes: u64,
    /// By rates known before: copy, indexes, digests.
    pub known_seconds: u64,
    /// What was measured.
    pub throughput: Option<Throughput>,
    /// Connections of the copy.
    pub jobs: usize,
}

/// The longer of what is known of other servers and what this blue gives: no copy is quicker than its reading.
pub fn copy_estimate(measured: &Measured) -> CopyEstimate {
    let Measured { bytes, known_seconds, throughput, jobs } = measured;
    let jobs = u64::try_from((*jobs).max(1)).unwrap_or(1);
    let read_seconds = throughput.as_ref().map(|t| bytes / t.bytes_per_second.max(1).saturating_mul(jobs).max(1));
    let basis = match throughput {
        Some(t) => format!(
            "read from blue at {} a second and connection, measured for {}; the rest by rates of other servers",
            show_bytes(t.bytes_per_second),
            show_millis(t.millis)
        ),
        None => "rates measured on other servers; rehearse for a true figure".to_owned(),
    };
    CopyEstimate {
        bytes: *bytes,
        copy_seconds: (*known_seconds).max(read_seconds.unwrap_or(0)),
        read_seconds,
        read_bytes_per_second: throughput.as_ref().map(|t| t.bytes_per_second),
        basis,
    }
}

impl DoctorDoc {
    /// The findings of all topics, the heaviest first.
    pub fn findings_of(topics: &[Topic]) -> Vec<Finding> {
        let mut findings: Vec<Finding> = topics.iter().flat_map(|topic| topic.findings.clone()).collect();
        findings.sort_by_key(|finding| finding.severity);
        findings
    }
}

impl From<&Topic> for TopicDoc {
    fn from(topic: &Topic) -> Self {
        Self { topic: topic.name, verdict: topic.verdict(), seen: topic.seen.clone(), unseen: topic.unseen.clone() }
    }
}

/// The document as text; notes in one line, unless `all`.
pub fn doctor_text(doc: &DoctorDoc, all: bool) -> String {
    let mut out = format!("Plan {}\n  blue   {}\n", doc.plan, doc.blue);
    if !doc.green.is_empty() {
        out.push_str(&format!("  green  {}\n", doc.green));
    }
    out.push('\n');
    let mut rows = Vec::new();
    for topic in &doc.topics {
        let (mut verdict, mut name) = (topic.verdict, topic.topic);
        for line in &topic.seen {
            rows.push(vec![verdict.to_owned(), name.to_owned(), line.clone()]);
            (verdict, name) = ("", "");
        }
        for line in &topic.unseen {
            rows.push(vec![verdict.to_owned(), name.to_owned(), format!("not seen: {line}")]);
            (verdict, name) = ("", "");
        }
        // What was found before anything could be seen stands below.
        if topic.seen.is_empty() && topic.unseen.is_empty() && verdict != "ok" {
            rows.push(vec![verdict.to_owned(), name.to_owned(), "below".to_owned()]);
        }
    }
    out.push_str(&columns(&rows));
    let (notes, heavy): (Vec<&Finding>, Vec<&Finding>) =
        doc.findings.iter().partition(|finding| finding.severity == Severity::Note && !all);
    if !heavy.is_empty() {
        out.push_str(&heading("Findings"));
        out.push_str(&heavy.iter().map(|finding| text::finding(finding)).collect::<String>());
    }
    out.push('\n');
    if !notes.is_empty() {
        let mut ids: Vec<&str> = notes.iter().map(|note| note.id.as_str()).collect();
        ids.dedup();
        out.push_str(&text::wrapped(
            &format!("{} not shown (-v shows them): {}", count(notes.len(), "note"), ids.join(", ")),
            0,
        ));
    }
    out.push_str(&text::wrapped(&closing(doc), 0));
    out.push_str(&format!("Next: {}\n", doc.next));
    out
}

/// Verdict, topic and what was seen, the last wrapped below itself.
fn columns(rows: &[Vec<String>]) -> String {
    let width =
        |at: usize| rows.iter().filter_map(|row| row.get(at)).map(|cell| cell.chars().count()).max().unwrap_or(0);
    let (first, second) = (width(0), width(1));
    let line = |row: &Vec<String>| {
        let cell = |at: usize| row.get(at).map(String::as_str).unwrap_or_default();
        text::hanging(&format!("{:first$}  {:second$}  ", cell(0), cell(1)), cell(2))
    };
    rows.iter().map(line).collect()
}

fn closing(doc: &DoctorDoc) -> String {
    let severities = |wanted| doc.findings.iter().filter(|finding| finding.severity == wanted).count();
    let unseen = doc.topics.iter().map(|topic| topic.unseen.len()).sum::<usize>();
    let verdict = match blockers(&doc.findings).count() {
        0 => "Possible here".to_owned(),
        n => format!("Not possible yet: {}", count(n, "blocker")),
    };
    let time = doc.estimate.as_ref().map_or_else(String::new, |estimate| {
        let reading = estimate
            .read_seconds
            .map_or_else(String::new, |seconds| format!(", reading alone {}", show_millis(seconds.max(1) * 1000)));
        format!(
            " The copy of {} takes about {}{reading} ({}).",
            show_bytes(estimate.bytes),
            show_millis(estimate.copy_seconds * 1000),
            estimate.basis
        )
    });
    let unseen = if unseen == 0 { String::new() } else { format!(", {} not seen", count(unseen, "thing")) };
    format!("{verdict}; {}{unseen}.{time}", count(severities(Severity::Warning), "warning"))
}

#[cfg(test)]
mod tests {
    use super::{Measured, copy_estimate};
    use crate::guard::Throughput;

    #[test]
    fn no_copy_is_quicker_than_its_reading() {
        let measured = |bytes_per_second| Measured {
            bytes: 1000 << 20,
            known_seconds: 50,
            throughput: Some(Throughput { bytes_per_second, millis: 2000, bytes: 8 << 20 }),
            jobs: 2,
        };
        let slow = copy_estimate(&measured(1 << 20));
        assert_eq!((slow.copy_seconds, slow.read_seconds), (500, Some(500)));
        let quick = copy_estimate(&measured(100 << 20));
        assert_eq!((quick.copy_seconds, quick.read_seconds), (50, Some(5)));
    }
}
