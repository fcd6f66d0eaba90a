//! A plan in place as text: what is run of each file, what it locks, how.

use super::migrations::migrations_text;
use super::plan::{PlanDoc, cutover_rows, findings_text, largest_tables, summary_of_findings};
use super::text::{self, heading};
use crate::step::{Action, LivePart};
use crate::units::count;

/// The document as text.
pub(super) fn in_place_text(doc: &PlanDoc) -> String {
    let mut out = format!("Plan {}, in place\n  blue   {}  ({})\n", doc.plan, doc.blue, doc.blue_protection);
    out.push_str(&heading("On blue, while it serves"));
    out.push_str(&text::table(&[], doc.steps.iter().map(|step| vec![step.id.to_string(), step.title.clone()])));
    for step in &doc.steps {
        if let Action::MigrateLive { file, parts } = &step.action {
            out.push_str(&heading(file));
            out.push_str(&parts.iter().map(part_text).collect::<String>());
        }
    }
    out.push_str(&heading("Cutover"));
    out.push_str(&text::table(&[], cutover_rows(doc)));
    out.push_str(&migrations_text(doc.folder.as_ref(), &doc.migrations, true));
    out.push_str(&largest_tables(doc));
    out.push_str(&findings_text(doc));
    out.push('\n');
    out.push_str(&text::wrapped(&summary(doc), 0));
    out.push_str(&format!("Next: {}\n", doc.next));
    out
}

/// `  3  brief       ALTER TABLE …`, its locks below; what was rewritten says why.
fn part_text(part: &LivePart) -> String {
    let mut out = String::new();
    let mut line = part.line.to_string();
    if let Some(rewrite) = &part.rewrite {
        out.push_str(&text::hanging(&format!("{line:>5}  "), &format!("{rewrite}: {}", part.why)));
        line.clear();
    }
    for step in &part.steps {
        let sql = step.sql.split_whitespace().collect::<Vec<_>>().join(" ");
        out.push_str(&text::hanging(&format!("{line:>5}  {:<11} ", step.how.word()), &sql));
        line.clear();
        if !step.locks.is_empty() {
            out.push_str(&text::hanging(
                &format!("{:>5}  {:<11} ", "", ""),
                &format!("locks {}", step.locks.join(", ")),
            ));
        }
    }
    if let Some(lost) = &part.lost {
        out.push_str(&text::hanging(&format!("{:>5}  ", ""), &format!("lost: {lost}")));
    }
    out
}

fn summary(doc: &PlanDoc) -> String {
    let pending = doc.migrations.iter().filter(|m| m.pending).count();
    format!(
        "{}, {}, {}. There is no fence; but for what is accepted, nobody waits longer than lock_timeout at a time. What is done is not undone. {}.",
        count(pending, "migration"),
        count(doc.checks.len(), "check"),
        count(doc.participants.len(), "participant"),
        summary_of_findings(doc)
    )
}
