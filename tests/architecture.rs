//! What docs/architecture.md says about the source holds: the direction of imports, a library that neither prints nor
//! exits, one user of sqlparser, SQL files that say their parameters and are all in use, files of a readable length;
//! and the tests that the docs name as proof are there.

#![allow(clippy::unwrap_used)] // helpers of tests

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// The longest a file may get; past it, it wants to be two (style.md).
const MOST_LINES: usize = 500;

/// What would print or end the process.
const FORBIDDEN: [&str; 9] = [
    "println!",
    "print!",
    "eprintln!",
    "eprint!",
    "dbg!",
    "io::stdout",
    "io::stderr",
    "process::exit",
    "process::abort",
];

fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn source() -> PathBuf {
    repository().join("src")
}

/// Every file below `folder` with this extension, as its path from `src`, or from the repository, and its text.
fn files(folder: &Path, extension: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path, extension));
        } else if path.extension().is_some_and(|e| e == extension) {
            let name =
                path.strip_prefix(source()).or(path.strip_prefix(repository())).unwrap().to_str().unwrap().to_owned();
            found.push((name, fs::read_to_string(&path).unwrap()));
        }
    }
    found.sort();
    found
}

/// The module of the crate that a file belongs to: `plan` of `plan/check.rs`, `error` of `error.rs`.
fn module_of(file: &str) -> &str {
    file.split('/').next().unwrap().trim_end_matches(".rs")
}

/// The modules of `lib.rs`, in its order.
fn order(lib: &str) -> Vec<&str> {
    lib.lines().filter_map(|line| line.strip_prefix("pub mod ")?.strip_suffix(';')).collect()
}

/// Whether the text can go on as an identifier.
fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// Rust source without comments, and with its string literals emptied where `strings` is false. Lines stay where they
/// were.
fn code(source: &str, strings: bool) -> String {
    let mut out = String::new();
    let mut rest = source;
    while let Some(c) = rest.chars().next() {
        let (length, keep) = match c {
            '/' if rest.starts_with("//") => (rest.find('\n').unwrap_or(rest.len()), false),
            '/' if rest.starts_with("/*") => (block_comment(rest), false),
            '"' => (string(rest), strings),
            'r' if raw_string(rest).is_some() && !out.ends_with(is_word_not_prefix) => {
                (raw_string(rest).unwrap(), strings)
            }
            '\'' => (character(rest), true),
            c => (c.len_utf8(), true),
        };
        let (token, after) = rest.split_at(length);
        if keep {
            out.push_str(token);
        } else {
            out.extend(token.chars().filter(|c| *c == '\n'));
            out.push(' ');
        }
        rest = after;
    }
    out
}

/// A word before `r"` makes it no raw string, but for the `b` and `c` of `br"` and `cr"`.
fn is_word_not_prefix(c: char) -> bool {
    is_word(c) && c != 'b' && c != 'c'
}

fn block_comment(text: &str) -> usize {
    let mut depth = 0;
    let mut at = 0;
    while at < text.len() {
        if text[at..].starts_with("/*") {
            depth += 1;
            at += 2;
        } else if text[at..].starts_with("*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                return at;
            }
        } else {
            at += text[at..].chars().next().unwrap().len_utf8();
        }
    }
    at
}

fn string(text: &str) -> usize {
    let mut escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        match c {
            '"' if !escaped => return at + 1,
            c => escaped = c == '\\' && !escaped,
        }
    }
    text.len()
}

fn raw_string(text: &str) -> Option<usize> {
    let hashes = text[1..].chars().take_while(|c| *c == '#').count();
    let body = text[1 + hashes..].strip_prefix('"')?;
    let end = format!("\"{}", "#".repeat(hashes));
    Some(2 + hashes + body.find(&end)? + end.len())
}

/// A character literal, or the quote of a lifetime.
fn character(text: &str) -> usize {
    let mut chars = text.char_indices().skip(1);
    match (chars.next(), chars.next(), chars.next()) {
        (Some((_, '\\')), ..) => text[3..].find('\'').map_or(1, |end| end + 4),
        (Some((_, c)), Some((end, '\'')), _) if c != '\'' => end + 1,
        _ => 1,
    }
}

/// The modules that `code` names by a path from the crate's root: `crate::plan::Plan` and `crate::{error, plan::Plan}`
/// give `plan` and `error`.
fn imports(code: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for (at, path) in code.match_indices("crate::") {
        // `$crate::` of a macro and `othercrate::` are not ours.
        if code[..at].ends_with(|c: char| is_word(c) || c == '$') {
            continue;
        }
        let rest = &code[at + path.len()..];
        match rest.strip_prefix('{') {
            Some(group) => found.extend(group_members(group)),
            None => found.extend([rest.chars().take_while(|c| is_word(*c)).collect::<String>()]),
        }
    }
    found
}

/// The first word of each member of `a, b::{c, d}, e as f}`.
fn group_members(group: &str) -> Vec<String> {
    let mut members = vec![String::new()];
    let mut depth = 0;
    let mut in_first = true;
    for c in group.chars() {
        match c {
            '{' => depth += 1,
            '}' if depth == 0 => break,
            '}' => depth -= 1,
            ',' if depth == 0 => {
                members.push(String::new());
                in_first = true;
            }
            c if is_word(c) && in_first => members.last_mut().unwrap().push(c),
            c => in_first &= c.is_whitespace() && members.last().unwrap().is_empty(),
        }
    }
    members.retain(|member| !member.is_empty());
    members
}

/// What of `file` imports against the order of `lib.rs`.
fn against_the_order(order: &[&str], file: &str, source: &str) -> Vec<String> {
    let code = code(source, false);
    let own = module_of(file);
    let place = |module: &str| order.iter().position(|m| *m == module);
    let mut wrong = Vec::new();
    for import in imports(&code) {
        match (place(&import), place(own)) {
            (None, _) => wrong.push(format!("{file}: crate::{import} is no module of lib.rs")),
            (Some(theirs), Some(ours)) if theirs > ours => {
                wrong.push(format!("{file}: {own} imports {import}, which stands below it"));
            }
            _ => {}
        }
    }
    // A module's root reaches its neighbours by `super::` too; said as `crate::`, the check above sees it.
    let is_root = !file.contains('/') || file.ends_with("/mod.rs") && file.matches('/').count() == 1;
    for module in order.iter().filter(|module| is_root && **module != own) {
        if code.contains(&format!("super::{module}::")) && !code.contains(&format!("mod {module};")) {
            wrong.push(format!("{file}: super::{module} leaves the module; write crate::{module}"));
        }
    }
    wrong
}

/// The first forbidden thing on each line.
fn prints_or_exits(file: &str, source: &str) -> Vec<String> {
    let code = code(source, false);
    let says = |line: &str| {
        FORBIDDEN.iter().find(|what| line.match_indices(**what).any(|(at, _)| !line[..at].ends_with(is_word))).copied()
    };
    let lines = code.lines().enumerate();
    lines.filter_map(|(at, line)| says(line).map(|what| format!("{file}:{}: {what}", at + 1))).collect()
}

/// The SQL files that a source file includes, as their paths from `src`.
fn included_sql(file: &str, source: &str) -> Vec<String> {
    let code = code(source, true);
    let mut found = Vec::new();
    for (at, call) in code.match_indices("include_str!(\"") {
        let path = code[at + call.len()..].split('"').next().unwrap();
        let mut parts: Vec<&str> = file.split('/').collect();
        parts.pop();
        for part in path.split('/') {
            if part == ".." { parts.truncate(parts.len().saturating_sub(1)) } else { parts.push(part) }
        }
        found.push(parts.join("/"));
    }
    found
}

/// Whether the file's first line is a comment that says which parameters it takes: `$1 oid`, `names text[]`, none.
fn says_its_parameters(sql: &str) -> bool {
    let types = ["text", "int8", "float8", "oid", "int", "boolean", "regclass", "jsonb", "bigint"];
    let Some(comment) = sql.lines().next().and_then(|line| line.strip_prefix("-- ")) else { return false };
    comment.starts_with("no parameters")
        || comment.split(|c: char| !c.is_ascii_alphanumeric()).any(|word| types.contains(&word))
}

/// What a page names as proof: test functions (in backticks, four words or more) and files below tests/.
fn proofs(page: &str) -> BTreeSet<&str> {
    let is_name = |text: &str| text.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
    let is_test = |text: &str| is_name(text) && text.matches('_').count() >= 3 && !text.ends_with("_timeout");
    page.split('`').skip(1).step_by(2).filter(|text| is_test(text) || is_test_file(text)).collect()
}

fn is_test_file(text: &str) -> bool {
    text.starts_with("tests/") && Path::new(text).extension().is_some_and(|e| e == "rs")
}

fn assert_none(what: &str, wrong: &[String]) {
    assert!(wrong.is_empty(), "{what}:\n{}", wrong.join("\n"));
}

#[test]
fn a_module_imports_only_from_those_above_it() {
    let lib = fs::read_to_string(source().join("lib.rs")).unwrap();
    let order = order(&lib);
    assert!(order.len() > 10, "lib.rs was not understood: {order:?}");
    let files = files(&source(), "rs");
    let files = files.iter().filter(|(file, _)| file != "lib.rs" && file != "main.rs");
    let wrong: Vec<String> = files.flat_map(|(file, text)| against_the_order(&order, file, text)).collect();
    assert_none("against the order of lib.rs", &wrong);
}

#[test]
fn every_file_belongs_to_a_module_of_lib_rs() {
    let lib = fs::read_to_string(source().join("lib.rs")).unwrap();
    let files = files(&source(), "rs");
    let found: BTreeSet<&str> = files.iter().map(|(file, _)| module_of(file)).collect();
    let named: BTreeSet<&str> = order(&lib).into_iter().chain(["lib", "main"]).collect();
    assert_eq!(found, named);
}

#[test]
fn the_library_neither_prints_nor_exits() {
    let files = files(&source(), "rs");
    let library = files.iter().filter(|(file, _)| module_of(file) != "cli" && file != "main.rs");
    let wrong: Vec<String> = library.flat_map(|(file, text)| prints_or_exits(file, text)).collect();
    assert_none("outside cli/", &wrong);
}

#[test]
fn only_one_file_knows_sqlparser() {
    let files = files(&source(), "rs");
    let users: Vec<&str> = files
        .iter()
        .filter(|(_, text)| code(text, false).contains("sqlparser"))
        .map(|(file, _)| file.as_str())
        .collect();
    assert_eq!(users, ["ddl/parse.rs"]);
}

#[test]
fn every_sql_file_says_its_parameters_and_is_in_use() {
    let sql = files(&source(), "sql");
    assert!(sql.len() > 10, "no SQL files were found");
    let unsaid = sql.iter().filter(|(_, text)| !says_its_parameters(text)).map(|(file, _)| file.clone());
    assert_none("first line without parameters", &unsaid.collect::<Vec<_>>());

    let rust = files(&source(), "rs");
    let included: BTreeSet<String> = rust.iter().flat_map(|(file, text)| included_sql(file, text)).collect();
    let unused = sql.iter().filter(|(file, _)| !included.contains(file)).map(|(file, _)| file.clone());
    assert_none("included nowhere", &unused.collect::<Vec<_>>());
}

#[test]
fn no_file_is_too_long() {
    let files = files(&source(), "rs");
    let long = files.iter().map(|(file, text)| (file, text.lines().count())).filter(|(_, lines)| *lines > MOST_LINES);
    let long: Vec<String> = long.map(|(file, lines)| format!("{file}: {lines} lines")).collect();
    assert_none(&format!("more than {MOST_LINES} lines"), &long);
}

#[test]
fn the_docs_name_only_tests_that_exist() {
    let rust: Vec<(String, String)> =
        [source(), repository().join("tests")].iter().flat_map(|f| files(f, "rs")).collect();
    let exists = |proof: &str| {
        let function = format!("fn {proof}(");
        rust.iter().any(|(file, text)| if is_test_file(proof) { file == proof } else { text.contains(&function) })
    };
    let mut missing = Vec::new();
    for page in ["architecture.md", "what-if.md"] {
        let text = fs::read_to_string(repository().join("docs").join(page)).unwrap();
        let proofs = proofs(&text);
        assert!(proofs.len() > 10, "docs/{page} names hardly any test: {proofs:?}");
        missing.extend(proofs.iter().filter(|p| !exists(p)).map(|p| format!("docs/{page}: {p}")));
    }
    assert_none("named as proof, and not there", &missing);
}

mod scanner {
    use super::*;

    const BAD: &str = r##"
//! crate::cli in a doc comment, println!("no")
use crate::{error::{Failure, Result}, plan, step as s};
/* crate::cli /* nested crate::cli */ exit */
fn f<'a>(x: &'a str) -> char {
    let _ = ("crate::cli \" println!", r#"crate::cli " process::exit"#, br"crate::cli", '"', '\'', '\u{41}');
    $crate::cli; mycrate::cli; crate :: no;
    std::process::exit(crate::engine::CODE) // println!
}
fn g() { println!("x"); pretty_print!(); eprint!("y") }
"##;

    #[test]
    fn comments_and_strings_are_no_code_and_lines_stay() {
        let code = code(BAD, false);
        assert!(!code.contains("nested") && !code.contains("doc comment"));
        assert_eq!(code.lines().count(), BAD.lines().count());
        assert!(super::code(BAD, true).contains("br\"crate::cli\""));
    }

    #[test]
    fn imports_are_found_in_groups_and_in_expressions_alone() {
        let found = imports(&code(BAD, false));
        assert_eq!(found.iter().map(String::as_str).collect::<Vec<_>>(), ["engine", "error", "plan", "step"]);
    }

    #[test]
    fn an_import_from_below_is_found() {
        let order = ["error", "plan", "step", "engine", "cli"];
        assert_eq!(against_the_order(&order, "cli/run.rs", BAD), Vec::<String>::new());
        assert_eq!(against_the_order(&order, "step.rs", BAD), ["step.rs: step imports engine, which stands below it"]);
        assert_eq!(against_the_order(&order, "plan/a.rs", BAD).len(), 2);
        assert_eq!(against_the_order(&["plan"], "plan.rs", "use crate::Plan;").len(), 1);
    }

    #[test]
    fn a_way_out_of_a_module_by_super_is_found() {
        let order = ["error", "plan"];
        assert_eq!(against_the_order(&order, "error.rs", "use super::plan::Plan;").len(), 1);
        assert_eq!(against_the_order(&order, "error/mod.rs", "mod plan;\nuse super::plan::Plan;").len(), 0);
    }

    #[test]
    fn prints_and_exits_are_found_with_their_line() {
        assert_eq!(prints_or_exits("a.rs", BAD), ["a.rs:8: process::exit", "a.rs:10: println!"]);
        assert_eq!(prints_or_exits("a.rs", "std::io::stdout().lock(); child.stdout(x)"), ["a.rs:1: io::stdout"]);
    }

    #[test]
    fn included_files_are_named_from_the_source_folder() {
        let source = "f(include_str!(\"../postgres/sql/a.sql\")) // include_str!(\"b.sql\")";
        assert_eq!(included_sql("plan/check.rs", source), ["postgres/sql/a.sql"]);
        assert_eq!(included_sql("demo/a.rs", "include_str!(\"sql/1x/c.sql\")"), ["demo/sql/1x/c.sql"]);
    }

    #[test]
    fn a_first_line_without_parameters_is_told() {
        for good in ["-- no parameters; x", "-- $1 text: y", "-- relation oid; z", "-- names text[]; w"] {
            assert!(says_its_parameters(good), "{good}");
        }
        for bad in ["SELECT 1", "-- the tables of green", "\n-- no parameters"] {
            assert!(!says_its_parameters(bad), "{bad}");
        }
    }

    #[test]
    fn proofs_are_told_from_other_code() {
        let page = "held by `a_torn_tail_is_cut`, `tests/capture.rs`; `teal.run`, `idle_in_transaction_session_timeout`, \
                    a_b_c_d, `src/x.rs`, `go_on`";
        assert_eq!(proofs(page).into_iter().collect::<Vec<_>>(), ["a_torn_tail_is_cut", "tests/capture.rs"]);
    }
}
