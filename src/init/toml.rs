//! Writing TOML by hand: strings in the form that reads best, comments that fit the page.

use std::path::{Component, Path, PathBuf};

/// Comments are wrapped at this width.
const WIDTH: usize = 100;

/// A text as a TOML string: in plain quotes where it needs no escape, else literal, else with escapes.
pub fn string(text: &str) -> String {
    let plain = |c: char| !c.is_control() && c != '"' && c != '\\';
    let printable = text.chars().all(|c| !c.is_control() || c == '\n');
    if text.chars().all(plain) {
        format!("\"{text}\"")
    } else if printable && !text.contains('\n') && !text.contains('\'') {
        format!("'{text}'")
    } else if printable && !text.contains("'''") && !text.ends_with('\'') {
        // The line break after the opening quotes is not part of the text.
        let begin = if text.contains('\n') { "\n" } else { "" };
        format!("'''{begin}{text}'''")
    } else {
        escaped(text)
    }
}

fn escaped(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            c if c.is_control() => out.push_str(&format!("\\u{:04X}", u32::from(c))),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

/// A list of strings.
pub fn list(texts: &[String]) -> String {
    format!("[{}]", texts.iter().map(|text| string(text)).collect::<Vec<_>>().join(", "))
}

/// A comment, wrapped. Control characters would break out of it.
pub fn comment(text: &str) -> String {
    let mut out = String::new();
    let mut line = String::from("#");
    let printable = |word: &str| word.chars().filter(|c| !c.is_control()).collect::<String>();
    for word in text.split_whitespace().map(printable).filter(|word| !word.is_empty()) {
        if line.len() > 1 && line.chars().count() + 1 + word.chars().count() > WIDTH {
            out.push_str(&line);
            out.push('\n');
            line = String::from("#");
        }
        line.push(' ');
        line.push_str(&word);
    }
    out + &line + "\n"
}

/// A folder as the plan file writes it: relative to the plan's own folder where both are near, else absolute.
pub fn relative(folder: &Path, plan: &Path) -> String {
    let absolute = |path: &Path| std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let (folder, plan) = (normal(&absolute(folder)), normal(&absolute(plan)));
    let Some(base) = plan.parent() else { return folder.display().to_string() };
    let common = folder.components().zip(base.components()).take_while(|(a, b)| a == b).count();
    let up = base.components().count() - common;
    // Beyond that the way says less than the place.
    if common <= 1 || up > 3 {
        return folder.display().to_string();
    }
    let mut way: PathBuf = std::iter::repeat_n("..", up).collect();
    way.extend(folder.components().skip(common));
    if way.as_os_str().is_empty() { ".".to_owned() } else { way.display().to_string() }
}

/// Without `.` and `..`, by words alone: no link is followed.
fn normal(path: &Path) -> PathBuf {
    let mut out = PathBuf::new();
    for component in path.components() {
        match component {
            Component::CurDir => {}
            Component::ParentDir => drop(out.pop()),
            other => out.push(other),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_read_back_as_they_were() {
        for text in ["plain", "a \"b\" c", "it's", "\"a\" = 'b'", "two\nlines", "'''", "ends'", "\\", "\u{7}", "\"'\"'"]
        {
            let line = format!("x = {}\n", string(text));
            let read: std::collections::BTreeMap<String, String> = toml::from_str(&line).unwrap();
            assert_eq!(read["x"], text, "{line}");
        }
    }

    #[test]
    fn comments_wrap_and_never_break_out() {
        let text = comment(&"word ".repeat(60));
        assert!(text.lines().all(|line| line.starts_with("# ") && line.len() <= 100), "{text}");
        assert_eq!(comment("a\nb = 1\r\u{7}"), "# a b = 1\n");
    }

    #[test]
    fn a_folder_near_the_plan_is_relative() {
        for (folder, plan, wanted) in [
            ("/srv/app/migrations", "/srv/app/plan.toml", "migrations"),
            ("/srv/app/migrations", "/srv/app/plans/plan.toml", "../migrations"),
            ("/srv/app", "/srv/app/plan.toml", "."),
            ("/var/migrations", "/srv/app/plan.toml", "/var/migrations"),
            ("/srv/app/./x/../migrations", "/srv/app/plan.toml", "migrations"),
        ] {
            assert_eq!(relative(Path::new(folder), Path::new(plan)), wanted);
        }
    }
}
