//! The next command, with the plan's path in it. Engine and guards name commands alone (`migrate apply`): how the operator
//! named the plan is nothing to them, and where a folder holds several a command without it is refused.

use std::path::Path;

/// The commands that take a plan.
const COMMANDS: &[&str] =
    &["doctor", "plan", "rehearse", "apply", "status", "cutover", "validate", "report", "abort", "finish"];

/// Puts `plan` behind every command of ours in `text` that has none.
pub fn with_plan(text: &str, plan: &Path) -> String {
    const PROGRAM: &str = "migrate ";
    let path = plan.display().to_string();
    let mut out = String::with_capacity(text.len() + path.len());
    let mut rest = text;
    while let Some(at) = rest.find(PROGRAM) {
        let (before, after) = rest.split_at(at + PROGRAM.len());
        let apart = !before
            .strip_suffix(PROGRAM)
            .unwrap_or_default()
            .ends_with(|c: char| c.is_alphanumeric() || "-_./".contains(c));
        out.push_str(before);
        rest = after;
        let word = after.split(|c: char| !c.is_ascii_lowercase()).next().unwrap_or_default();
        if apart && COMMANDS.contains(&word) {
            rest = after.strip_prefix(word).unwrap_or(after);
            out.push_str(word);
            if !names_a_plan(rest, &path) {
                out.push(' ');
                out.push_str(&path);
            }
        }
    }
    out + rest
}

/// What follows a command: a plan already, or the word that stands for one.
fn names_a_plan(rest: &str, path: &str) -> bool {
    let mut words = rest.strip_prefix(' ').unwrap_or_default().split(' ').skip_while(|word| word.starts_with("--"));
    let next = words.next().unwrap_or_default().trim_end_matches([';', ',', '.', ')', '`']);
    let extension = Path::new(next).extension().and_then(|extension| extension.to_str());
    next == "PLAN" || next == path || Path::new(next).is_absolute() || matches!(extension, Some("toml" | "json"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_of_a_text_gets_the_plan_unless_it_has_one() {
        let with = |text: &str| with_plan(text, Path::new("plans/x.toml"));
        for (text, named) in [
            ("go on with: migrate apply", "go on with: migrate apply plans/x.toml"),
            (
                "mend it, or: migrate apply --redo snapshot/copy",
                "mend it, or: migrate apply plans/x.toml --redo snapshot/copy",
            ),
            (
                "migrate cutover; or put everything back: migrate abort",
                "migrate cutover plans/x.toml; or put everything back: migrate abort plans/x.toml",
            ),
            ("look at `migrate status`", "look at `migrate status plans/x.toml`"),
            (
                "take it down with: migrate finish --unfence)",
                "take it down with: migrate finish plans/x.toml --unfence)",
            ),
        ] {
            assert_eq!(with(text), named);
        }
        for text in [
            "migrate report plans/x.toml, then: migrate finish plans/x.toml",
            "migrate abort --green-gone plans/x.toml",
            "migrate plan /srv/x.toml",
            "name one: migrate <command> PLAN",
            "with its plan: migrate abort PLAN; then",
            "the migrate step, ./migrate apply and golang-migrate status",
            "migrate applying",
            "migrate lint migrations; migrate explain exit-codes",
        ] {
            assert_eq!(with(text), text);
        }
    }
}
