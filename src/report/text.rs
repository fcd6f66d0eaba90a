//! How findings, tables and failures read. Colour comes from `console`, which honours `NO_COLOR` and asks whether the
//! stream is a terminal.

use comfy_table::{ColumnConstraint, ContentArrangement, Table, presets};
use console::Style;

use crate::error::Failure;
use crate::finding::{Finding, Severity};
pub use crate::units::{count, thousands};

/// The width that text is laid out for where there is no terminal to ask.
const WIDTH: u16 = 80;

/// A table without borders that fits the terminal, at most 100 columns wide; cells wrap.
pub fn table<R, C>(header: &[&str], rows: R) -> String
where
    R: IntoIterator<Item = Vec<C>>,
    C: std::fmt::Display,
{
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Dynamic).set_width(width());
    if !header.is_empty() {
        table.set_header(header.iter().copied());
    }
    for row in rows {
        table.add_row(row.iter().map(ToString::to_string).collect::<Vec<_>>());
    }
    // Names stay whole where they leave room for the rest.
    let longest = table.column_max_content_widths().first().copied().unwrap_or(0);
    if longest <= width() / 2
        && let Some(first) = table.column_mut(0)
    {
        first.set_constraint(ColumnConstraint::ContentWidth);
    }
    // Trailing blanks would wrap on a narrow terminal.
    table.to_string().lines().map(|line| format!("{}\n", line.trim_end())).collect()
}

fn width() -> u16 {
    console::Term::stdout().size_checked().map_or(WIDTH, |(_, columns)| columns.clamp(40, 100))
}

/// A heading.
pub fn heading(text: &str) -> String {
    format!("\n{}\n", Style::new().bold().apply_to(text))
}

/// A text, wrapped, each line indented by `indent` blanks.
pub fn wrapped(text: &str, indent: usize) -> String {
    let room = usize::from(width()).saturating_sub(indent).max(20);
    let mut out = String::new();
    for paragraph in text.lines() {
        let mut line = String::new();
        for word in paragraph.split(' ') {
            if !line.is_empty() && console::measure_text_width(&line) + 1 + console::measure_text_width(word) > room {
                out.push_str(&format!("{:indent$}{}\n", "", line));
                line.clear();
            }
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(word);
        }
        out.push_str(&format!("{:indent$}{}\n", "", line));
    }
    out
}

/// A text that goes on where `lead` ends, its further lines below its first; below the lead where that leaves no room.
pub fn hanging(lead: &str, text: &str) -> String {
    let indent = console::measure_text_width(lead);
    if indent > usize::from(width()) * 3 / 4 {
        return format!("{}\n{}", lead.trim_end(), wrapped(text, 6));
    }
    format!("{lead}{}", wrapped(text, indent).trim_start())
}

/// One finding: severity, id and object in a line, then what, so-what, next.
pub fn finding(finding: &Finding) -> String {
    let style = match finding.severity {
        Severity::Blocker => Style::new().red().bold(),
        Severity::Warning => Style::new().yellow().bold(),
        Severity::Note => Style::new().bold(),
    };
    let word = finding.severity.word();
    let mut text = match finding.accepted {
        Some(_) => format!("accepted {word} {}\n", finding.id),
        None => format!("{} {}\n", style.apply_to(word), finding.id),
    };
    text.push_str(&wrapped(&format!("{}: {}", finding.object, finding.what), 2));
    if !finding.so_what.is_empty() {
        text.push_str(&wrapped(&finding.so_what, 2));
    }
    if let Some(why) = &finding.accepted {
        return text + &wrapped(&format!("accepted by the plan: {why}"), 2);
    }
    if !finding.next.is_empty() {
        // Never wrapped: it is there to be copied.
        for line in format!("next: {}", finding.next).lines() {
            text.push_str(&format!("  {line}\n"));
        }
    }
    text
}

/// A failure: what, detail, state, hint.
pub fn failure(failure: &Failure) -> String {
    let mut text = format!("{} {}\n", Style::new().for_stderr().red().bold().apply_to("error:"), failure.what);
    for line in failure.detail.iter().flat_map(|detail| detail.lines()) {
        text.push_str(&format!("  {line}\n"));
    }
    if let Some(state) = &failure.state {
        text.push_str(&format!("State: {state}\n"));
    }
    if let Some(hint) = &failure.hint {
        text.push_str(&format!("Hint: {hint}\n"));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_hangs_from_its_lead_and_below_one_that_is_too_long() {
        assert_eq!(hanging("done  ", "short"), "done  short\n");
        let (text, indent) = ("word ".repeat(40), " ".repeat(6));
        let lines = hanging("done  ", text.trim_end());
        assert!(lines.lines().count() > 1 && lines.lines().skip(1).all(|line| line.starts_with(&indent)), "{lines}");
        assert!(hanging(&"x".repeat(90), "end").ends_with("x\n      end\n"));
    }

    #[test]
    fn long_text_is_wrapped_and_indented() {
        let text = wrapped(&"word ".repeat(40), 4);
        assert!(text.lines().all(|line| line.starts_with("    ") && line.len() <= 100), "{text}");
    }
}
