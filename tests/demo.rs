//! The demo as a stranger runs it, and that nothing of it stays, however it ends.

#![allow(clippy::unwrap_used)] // a test may

use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

/// A temporary folder that the servers' own user may enter; everything of the demo lies below it.
struct Ground {
    folder: tempfile::TempDir,
}

impl Ground {
    fn new() -> Self {
        let folder = tempfile::Builder::new().prefix("d").tempdir().unwrap();
        std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
        Self { folder }
    }

    fn demo(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_migrate"));
        command
            .args(["demo", "--rows", "2000", "--format", "json", "--dir"])
            .arg(self.folder.path().join("demo"))
            .env("TMPDIR", self.folder.path())
            .env_remove("RUST_LOG")
            .stdin(Stdio::null())
            .stderr(Stdio::piped())
            .stdout(Stdio::piped())
            // A group of its own, as in a shell.
            .process_group(0);
        command
    }

    /// Servers' folders that are there.
    fn sandboxes(&self) -> Vec<String> {
        let names = std::fs::read_dir(self.folder.path()).unwrap().map(|entry| entry.unwrap().file_name());
        names.filter_map(|name| name.into_string().ok()).filter(|name| name.starts_with("teal-")).collect()
    }

    /// Servers that run from below this folder, their guards included: by command line or working directory.
    fn processes(&self) -> Vec<String> {
        let ours = self.folder.path().to_str().unwrap();
        let below = |entry: std::fs::DirEntry| {
            let of = |name: &str| entry.path().join(name);
            let line = std::fs::read(of("cmdline")).ok()?;
            let line = String::from_utf8_lossy(&line).replace('\0', " ");
            let at = std::fs::read_link(of("cwd")).unwrap_or_default();
            (line.contains(ours) || at.starts_with(ours)).then_some(line)
        };
        std::fs::read_dir("/proc").unwrap().filter_map(Result::ok).filter_map(below).collect()
    }

    #[track_caller]
    fn becomes_empty(&self) {
        let until = Instant::now() + Duration::from_secs(30);
        while !(self.sandboxes().is_empty() && self.processes().is_empty()) {
            assert!(Instant::now() < until, "still there: {:?} {:?}", self.sandboxes(), self.processes());
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

/// Starts the demo and waits until the run has begun, under traffic on both servers.
fn under_way(ground: &Ground) -> (Child, BufReader<ChildStdout>) {
    let mut child = ground.demo().spawn().unwrap();
    let mut out = BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    while !line.contains("snapshot/copy") {
        line.clear();
        assert_ne!(out.read_line(&mut line).unwrap(), 0, "the demo ended before its copy");
    }
    assert_eq!(ground.sandboxes().len(), 2);
    assert!(ground.processes().len() >= 4, "two servers and their guards: {:?}", ground.processes());
    (child, out)
}

fn send(child: &Child, signal: Signal) {
    kill_process(Pid::from_child(child), signal).unwrap();
}

fn keys(value: &Value) -> Vec<&str> {
    value.as_object().unwrap().keys().map(String::as_str).collect()
}

#[test]
fn the_demo_ends_with_one_object_that_says_that_nothing_was_lost() {
    let ground = Ground::new();
    let output = ground.demo().output().unwrap();
    let (stdout, stderr) = (String::from_utf8(output.stdout).unwrap(), String::from_utf8_lossy(&output.stderr));
    assert_eq!(output.status.code(), Some(0), "{stdout}\n{stderr}");
    let objects: Vec<Value> = stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let (last, notices) = objects.split_last().unwrap();
    assert!(notices.iter().all(|notice| notice["format"] == "teal.notice/1"));
    assert_eq!(
        keys(last),
        ["format", "outcome", "seconds", "write_pause_ms", "writes", "events", "checks", "report"],
        "{last:#}"
    );
    assert_eq!(keys(&last["writes"]), ["blue", "lost"]);
    assert_eq!(keys(&last["events"]), ["captured", "replayed", "verified", "lost"]);
    assert_eq!(keys(&last["checks"]), ["passed", "failed"]);
    assert_eq!((&last["format"], &last["outcome"]), (&"teal.demo/1".into(), &"passed".into()));
    assert_eq!((last["events"]["lost"].as_u64(), last["checks"]["failed"].as_u64()), (Some(0), Some(0)));
    assert_eq!(last["events"]["verified"], last["events"]["captured"]);
    assert!(last["writes"]["blue"].as_u64() >= Some(200) && last["seconds"].as_f64() > Some(0.0));
    assert!(std::fs::read_to_string(last["report"].as_str().unwrap()).unwrap().contains("verdict passed"));
    // The program waits for its servers' end: no polling here.
    assert_eq!((ground.sandboxes(), ground.processes()), (vec![], vec![]));
    no_password_lies_about(ground.folder.path(), &[&stdout, &stderr]);
}

/// The service's own configuration files must hold the URL; nothing else may.
fn no_password_lies_about(folder: &Path, said: &[&str]) {
    let demo = folder.join("demo");
    let urls = |text: &str| text.match_indices("://").map(|(at, _)| text[at..].to_owned()).collect::<Vec<_>>();
    let mut passwords = Vec::new();
    let mut rest = Vec::new();
    let mut folders = vec![demo];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let text = String::from_utf8_lossy(&std::fs::read(&path).unwrap()).into_owned();
                let found = urls(&text);
                let secret = |url: &String| url.split('@').next().and_then(|s| s.split(':').nth(2)).map(str::to_owned);
                if path.extension().is_some_and(|e| e == "conf") {
                    passwords.extend(found.iter().filter_map(secret));
                }
                rest.push((path, text));
            }
        }
    }
    passwords.retain(|password| password.len() == 24);
    assert!(!passwords.is_empty(), "the service's config has no URL any more: look for the secret elsewhere");
    for password in &passwords {
        for (path, text) in rest.iter().filter(|(path, _)| path.extension().is_none_or(|e| e != "conf")) {
            // What a participant replaced is kept as it was, readable by its owner only.
            let private = std::fs::metadata(path).unwrap().permissions().mode().trailing_zeros() >= 6;
            assert!(private || !text.contains(password), "{} holds the password", path.display());
        }
        assert!(said.iter().all(|text| !text.contains(password)), "the demo printed a password");
    }
}

#[test]
fn a_demo_that_is_killed_leaves_no_server_behind() {
    let ground = Ground::new();
    let (mut child, _out) = under_way(&ground);
    send(&child, Signal::KILL);
    assert_eq!(child.wait().unwrap().code(), None);
    ground.becomes_empty();
}

#[test]
fn a_demo_that_is_interrupted_says_so_and_leaves_no_server_behind() {
    let ground = Ground::new();
    let (mut child, out) = under_way(&ground);
    send(&child, Signal::INT);
    let last = out.lines().last().unwrap().unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(1));
    assert_eq!((ground.sandboxes(), ground.processes()), (vec![], vec![]));
    let error: Value = serde_json::from_str(&last).unwrap();
    assert_eq!((&error["format"], &error["exit_code"]), (&"teal.error/1".into(), &1.into()), "{error:#}");
    assert!(error["what"].as_str().unwrap().contains("interrupted"), "{error:#}");
    assert!(error["hint"].is_string(), "{error:#}");
}
