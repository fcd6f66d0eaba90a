//! Every finding and every exit code that the program can give has an explanation, and none is explained that it can't.

#![allow(clippy::unwrap_used)] // a test may

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use teal::error::Kind;

fn explained() -> Vec<(String, String)> {
    let output = Command::new(env!("CARGO_BIN_EXE_migrate")).args(["explain", "--format", "json"]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let document: Value = serde_json::from_slice(&output.stdout).unwrap();
    let list = document["explanations"].as_array().unwrap();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    list.iter().map(|one| (text(&one["id"]), text(&one["what"]))).collect()
}

fn rust_files(folder: &Path, into: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            rust_files(&path, into);
        } else if path.extension().is_some_and(|e| e == "rs") && !path.ends_with("src/finding.rs") {
            into.push(path);
        }
    }
}

/// The string literal that `text` begins with.
fn literal(text: &str) -> Option<&str> {
    text.strip_prefix('"')?.split('"').next()
}

/// The ids given to `Finding::blocker`, `warning` and `note` in one file: literals, or names of literals of that file.
fn ids_in(path: &Path) -> BTreeSet<String> {
    let text = std::fs::read_to_string(path).unwrap();
    let code = text.split("#[cfg(test)]").next().unwrap();
    let mut ids = BTreeSet::new();
    for call in ["Finding::blocker(", "Finding::warning(", "Finding::note("] {
        for (at, _) in code.match_indices(call) {
            let argument = code[at + call.len()..].trim_start();
            let id = literal(argument).unwrap_or_else(|| {
                let name = argument.split(',').next().unwrap().trim();
                let before = &code[..at];
                [format!("const {name}: &str = "), format!("let {name} = ")]
                    .iter()
                    .find_map(|start| before.rfind(start).and_then(|at| literal(&before[at + start.len()..])))
                    .unwrap_or_else(|| panic!("{}: what is {name} in {call}{name}, …)?", path.display()))
            });
            ids.insert(id.to_owned());
        }
    }
    ids
}

#[test]
fn every_finding_of_the_source_is_explained_and_no_other() {
    let mut files = Vec::new();
    rust_files(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut files);
    let given: BTreeSet<String> = files.iter().flat_map(|path| ids_in(path)).collect();
    assert!(given.len() > 25, "the scan lost its calls: {given:?}");
    assert!(given.iter().all(|id| id.split('/').count() == 2), "an id is area/slug: {given:?}");
    let known: BTreeSet<String> = explained().into_iter().map(|(id, _)| id).filter(|id| id.contains('/')).collect();
    let missing: Vec<_> = given.difference(&known).collect();
    let stale: Vec<_> = known.difference(&given).collect();
    assert!(missing.is_empty() && stale.is_empty(), "not explained: {missing:?}; explained, never found: {stale:?}");
}

#[test]
fn every_exit_code_is_explained_once() {
    let kinds = [Kind::Failed, Kind::Usage, Kind::Blocked, Kind::InDoubt, Kind::Undone];
    let mut codes: Vec<String> = kinds.iter().map(|kind| kind.exit_code().to_string()).collect();
    codes.insert(0, "0".to_owned());
    let known: Vec<String> = explained().into_iter().map(|(id, _)| id).filter(|id| !id.contains('/')).collect();
    assert_eq!(known, codes);
}

#[test]
fn no_id_is_explained_twice_or_in_less_than_a_sentence() {
    let all = explained();
    let ids: BTreeSet<&String> = all.iter().map(|(id, _)| id).collect();
    assert_eq!(ids.len(), all.len());
    for (id, what) in &all {
        assert!(what.len() > 30 && what.ends_with('.'), "{id}: {what}");
    }
}
