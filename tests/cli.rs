//! The program as a person and as a script see it: exit codes, hints, streams, widths, JSON.

#![allow(clippy::unwrap_used)] // a test may

mod support;

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use support::shape::{shape, together};
use support::stage::{Ran, SCHEMA, Stage};

/// The last line of stderr, which is `Hint: …` after every failure.
#[track_caller]
fn hint_of(ran: &Ran) -> &str {
    let last = ran.stderr.lines().last().unwrap_or_default();
    last.strip_prefix("Hint: ").unwrap_or_else(|| panic!("no hint at the end of:\n{}", ran.stderr))
}

/// Runs the program where there is no plan and no server.
fn migrate(folder: &Path, args: &[&str]) -> Ran {
    let mut command = Command::new(env!("CARGO_BIN_EXE_migrate"));
    command.args(args).current_dir(folder).env_remove("MIGRATE_PLAN").env_remove("RUST_LOG").stdin(Stdio::null());
    Ran::of(command.output().unwrap())
}

fn password(stage: &Stage) -> String {
    let url = stage.pair.server.url("blue");
    url.split('@').next().unwrap().rsplit(':').next().unwrap().to_owned()
}

fn snapshot(name: &str, value: &Value) {
    assert!(value["format"].as_str().is_some_and(|f| f.starts_with("teal.") && f.ends_with("/1")), "{name}: {value:#}");
    assert_eq!(value.as_object().unwrap().keys().next().unwrap(), "format", "{name} begins with its format");
    let mut shown = shape(value);
    shown["format"] = value["format"].clone();
    insta::with_settings!({ omit_expression => true, prepend_module_to_snapshot => false }, {
        insta::assert_snapshot!(format!("cli_json_{name}"), format!("{shown:#}"));
    });
}

/// One document on stdout and nothing else there.
#[track_caller]
fn document(ran: &Ran) -> Value {
    assert_eq!(ran.stdout.lines().count(), 1, "{}", ran.stdout);
    ran.json()
}

#[tokio::test]
async fn databases_that_cannot_be_used_are_refused_with_the_reason() {
    let stage = Stage::new().await;
    let (blue, secret) = (stage.pair.server.url("blue"), password(&stage));
    let plan = |variable: &str, url: &str, args: &[&str]| {
        Ran::of(stage.command(&[&["plan"], args].concat()).env(variable, url).output().unwrap())
    };
    for format in ["text", "json"] {
        let args = ["--format", format];
        let wrong = plan("BLUE_URL", &blue.replace(&secret, "wr0ng-pass"), &args).expect(1);
        assert!(wrong.stderr.contains("password authentication failed"), "{}", wrong.stderr);
        assert!(hint_of(&wrong).contains("check the password for role \"postgres\" of `blue`"), "{}", wrong.stderr);
        let said = format!("{}{}", wrong.stdout, wrong.stderr);
        assert!(!said.contains("wr0ng-pass") && !said.contains(&secret) && !said.contains("://"), "{said}");
        assert_eq!(wrong.stdout.is_empty(), format == "text", "{}", wrong.stdout);
    }

    // A port that nobody listens on: we hold it, without a server behind it.
    let held = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let away = format!("postgres://postgres:{secret}@127.0.0.1:{held}/green");
    let unreachable = plan("GREEN_URL", &away, &[]).expect(1);
    assert!(unreachable.stderr.contains("green"), "{}", unreachable.stderr);
    assert!(hint_of(&unreachable).contains(&format!("pg_isready -h 127.0.0.1 -p {held}")), "{}", unreachable.stderr);
    let missing = plan("GREEN_URL", &stage.pair.server.url("nowhere"), &[]).expect(1);
    assert_eq!(hint_of(&missing), "make it: CREATE DATABASE \"nowhere\"");

    let other_name = blue.replace("127.0.0.1", "localhost");
    let same = plan("GREEN_URL", &other_name, &[]).expect(3);
    assert!(same.stdout.contains("guard/same-database"), "{}", same.stdout);
    assert!(!hint_of(&same).is_empty());
    let apply = Ran::of(stage.command(&["apply", "--yes"]).env("GREEN_URL", &other_name).output().unwrap()).expect(3);
    assert!(apply.stderr.contains("blue and green are the same database"), "{}", apply.stderr);

    let green = stage.pair.on_green().await;
    green.run("CREATE TABLE left_over (id int)").await.unwrap();
    let full = stage.run(&["plan"]).expect(3);
    assert!(full.stdout.contains("guard/green-not-empty") && full.stdout.contains("left_over"), "{}", full.stdout);
    stage.run(&["apply", "--yes"]).expect(3).says("guard/green-not-empty").says("State: nothing was done");
    assert!(stage.journal().is_empty());
    let ours = stage.pair.on_blue().await.row("SELECT to_regnamespace('teal') IS NULL", &[]).await.unwrap();
    assert!(ours.get::<_, bool>(0), "a refused apply touches nothing");
}

#[tokio::test]
async fn the_plan_is_found_where_there_is_one_and_named_where_there_are_more() {
    let stage = Stage::new().await;
    let empty = tempfile::tempdir().unwrap();
    let none = migrate(empty.path(), &["plan"]).expect(2).says("no plan named, and this folder holds none");
    assert!(hint_of(&none).contains("MIGRATE_PLAN"));
    let gone = migrate(empty.path(), &["plan", "gone.toml"]).expect(2).says("gone.toml");
    assert!(!hint_of(&gone).is_empty());
    stage.write("unrelated.toml", "[package]\nname = \"x\"\n");
    stage.run(&["plan"]).expect(0);
    stage.write("second.toml", &stage.read("plan.toml").replace("\"small\"", "\"second\""));
    stage
        .run(&["plan"])
        .expect(2)
        .says("this folder holds 2: ")
        .says("plan.toml")
        .says("second.toml")
        .says("Hint: name one");
    let named =
        Ran::of(stage.command(&["plan", "--format", "json"]).env("MIGRATE_PLAN", "second.toml").output().unwrap());
    assert_eq!(named.expect(0).json()["plan"], "second");
    let argument = Ran::of(
        stage.command(&["plan", "plan.toml", "--format", "json"]).env("MIGRATE_PLAN", "second.toml").output().unwrap(),
    );
    assert_eq!(argument.expect(0).json()["plan"], "small", "what is named on the line wins");
}

#[test]
fn wrong_usage_ends_with_two_and_a_hint() {
    let folder = tempfile::tempdir().unwrap();
    let wrong: [&[&str]; 6] = [
        &["plan", "--no-such-flag"],
        &["nonsense"],
        &["plan", "--format", "xml"],
        &["status", "--until", "never"],
        &["demo", "--rows", "many"],
        &[],
    ];
    for args in wrong {
        let ran = migrate(folder.path(), args).expect(2);
        assert!(ran.stdout.is_empty(), "{args:?}: {}", ran.stdout);
        assert!(!hint_of(&ran).is_empty());
    }
    let json = migrate(folder.path(), &["plan", "--no-such-flag", "--format", "json"]).expect(2);
    let error = document(&json);
    assert_eq!(
        (&error["format"], &error["kind"], &error["exit_code"]),
        (&"teal.error/1".into(), &"usage".into(), &2.into())
    );
}

#[test]
fn a_bad_plan_shows_the_place() {
    let folder = tempfile::tempdir().unwrap();
    let write = |text: &str| std::fs::write(folder.path().join("bad.toml"), text).unwrap();
    write("name = \"x\"\nstrategy = blue-green\n");
    let syntax = migrate(folder.path(), &["plan", "bad.toml"]).expect(2).says("bad.toml:2:");
    assert!(syntax.stderr.contains("strategy = blue-green") && syntax.stderr.contains('^'), "{}", syntax.stderr);
    assert!(!hint_of(&syntax).is_empty());
    write("name = \"x\"\nstrateggy = \"blue-green\"\n\n[databases]\nblue = \"postgres://u:s3cr3t@h/d\"\n");
    let key = migrate(folder.path(), &["plan", "bad.toml", "--format", "json"]).expect(2);
    assert!(key.stderr.contains("strateggy = \"blue-green\"") && key.stderr.contains("strategy"), "{}", key.stderr);
    let error = document(&key);
    assert_eq!(error["kind"], "usage");
    assert!(!format!("{}{}", key.stdout, key.stderr).contains("s3cr3t"), "{}", key.stderr);
}

/// Lines that may be longer: they are there to be copied, or hold a path.
fn may_be_long(line: &str) -> bool {
    ["next:", "Next:", "Hint:"].iter().any(|word| line.trim_start().starts_with(word)) || line.contains("/tmp/")
}

#[track_caller]
fn is_plain(what: &str, text: &str) {
    assert!(!text.contains('\u{1b}'), "{what} has escapes: {text:?}");
    for line in text.lines() {
        assert!(console::measure_text_width(line) <= 80 || may_be_long(line), "{what}: too long: {line}");
        assert_eq!(line.trim_end(), line, "{what}: blanks at the end of {line:?}");
    }
}

#[tokio::test]
async fn text_is_plain_and_fits_where_there_is_no_terminal() {
    let stage = Stage::new().await;
    let plain = |args: &[&str], variable: (&str, &str)| {
        Ran::of(stage.command(args).env(variable.0, variable.1).output().unwrap())
    };
    let plan = plain(&["plan"], ("NO_COLOR", "1")).expect(0);
    assert!(plan.stderr.is_empty(), "results only, and they go to stdout: {}", plan.stderr);
    let last = plan.stdout.lines().last().unwrap();
    assert!(last.starts_with("Next: migrate apply ") && last.ends_with("plan.toml"), "{last}");
    assert_eq!(stage.run(&["plan"]).expect(0).stdout, plan.stdout, "no terminal: as with NO_COLOR");
    let mut all = vec![("plan", plan)];
    all.push(("status, new", plain(&["status"], ("TERM", "xterm-256color")).expect(0)));
    all.push(("apply, unasked", plain(&["apply"], ("TERM", "xterm-256color")).expect(3)));
    let apply = plain(&["apply", "--yes"], ("TERM", "xterm-256color")).expect(0);
    assert!(apply.stdout.starts_with("State: ready.") && apply.stdout.lines().count() == 2, "{}", apply.stdout);
    assert!(apply.stderr.contains("snapshot/copy"), "progress goes to stderr: {}", apply.stderr);
    all.push(("apply", apply));
    for args in [
        &["status"] as &[&str],
        &["validate"],
        &["cutover", "--dry-run"],
        &["cutover", "--yes"],
        &["report"],
        &["abort", "--yes"],
        &["finish", "--yes"],
        &["explain"],
        &["explain", "check/failed"],
        &["explain", "no/such"],
    ] {
        all.push(("command", stage.run(args)));
    }
    for (what, ran) in &all {
        is_plain(&format!("{what}, stdout"), &ran.stdout);
        is_plain(&format!("{what}, stderr"), &ran.stderr);
        if ran.code != Some(0) {
            hint_of(ran);
            assert!(ran.stdout.is_empty(), "{what} failed: {}", ran.stdout);
        }
    }
}

#[tokio::test]
async fn status_tells_where_the_run_stands() {
    let stage = Stage::new().await;
    let status = || stage.run(&["status", "--format", "json"]).expect(0).json();
    let before = status();
    assert_eq!((&before["state"], &before["run"], &before["running"]), (&"new".into(), &Value::Null, &false.into()));
    assert!(before["next"].as_str().unwrap().starts_with("migrate plan "));

    let mut waiting =
        stage.command(&["status", "--until", "ready"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    stage.ready();
    let until = Instant::now() + Duration::from_secs(20);
    while waiting.try_wait().unwrap().is_none() {
        if Instant::now() > until {
            waiting.kill().unwrap();
            panic!("`status --until ready` does not see that the run is ready");
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    let waited = Ran::of(waiting.wait_with_output().unwrap()).expect(0);
    assert!(waited.stdout.contains("ready"), "{}", waited.stdout);

    let ready = status();
    assert_eq!(
        (&ready["state"], &ready["source"], &ready["running"]),
        (&"ready".into(), &"blue".into(), &false.into())
    );
    stage.run(&["cutover", "--yes"]).expect(0);
    let green = status();
    assert_eq!((&green["state"], &green["source"]), (&"green".into(), &"green".into()));
    stage.run(&["finish", "--yes"]).expect(0);
    assert_eq!(status()["state"], "finished");
    stage.run(&["finish", "--yes", "--unfence"]).expect(0);
    assert_eq!(status()["state"], "finished");
}

#[tokio::test]
async fn json_keeps_its_shape_on_every_command() {
    let stage = Stage::new().await;
    let json = |args: &[&str], code: i32| stage.run(&[args, &["--format", "json"]].concat()).expect(code);
    snapshot("abort", &document(&json(&["abort", "--yes"], 0)));
    snapshot("plan", &document(&json(&["plan"], 0)));
    // With a finding: an unlogged event's table.
    stage.pair.on_blue().await.run("ALTER TABLE token SET UNLOGGED").await.unwrap();
    snapshot("doctor", &document(&json(&["doctor"], 0)));
    stage.pair.on_blue().await.run("ALTER TABLE token SET LOGGED").await.unwrap();
    snapshot("status_new", &document(&json(&["status"], 0)));
    snapshot("explain", &document(&json(&["explain", "check/failed"], 0)));
    snapshot("error", &document(&json(&["cutover", "--yes"], 3)));
    snapshot("error_usage", &document(&json(&["explain", "check/faild"], 2)));

    let apply = json(&["apply", "--yes"], 0);
    assert!(apply.stderr.is_empty(), "with JSON on stdout there is nothing to tell a person: {}", apply.stderr);
    notices("apply", &apply);
    snapshot("apply", &apply.json());
    stage.pair.on_blue().await.run("UPDATE token SET active = false WHERE signature = 't1'").await.unwrap();
    snapshot("status_ready", &document(&json(&["status"], 0)));
    snapshot("validate", &document(&json(&["validate"], 0)));
    snapshot("cutover_dry_run", &json(&["cutover", "--dry-run"], 0).json());
    let cutover = json(&["cutover", "--yes"], 0);
    notices("cutover", &cutover);
    snapshot("cutover", &cutover.json());
    snapshot("report", &document(&json(&["report"], 0)));
    snapshot("finish", &json(&["finish", "--yes"], 0).json());
    for (name, args) in [("validate", ["validate"]), ("apply", ["apply"])] {
        let refused = json(&args, 3);
        assert_eq!(refused.json()["format"], "teal.error/1", "{name}");
    }
}

/// Each line before the last is a notice; their shapes by kind, of those kinds that every run sends.
fn notices(name: &str, ran: &Ran) {
    let lines: Vec<Value> = ran.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let (_, notices) = lines.split_last().unwrap();
    for kind in ["started", "finished"] {
        let of_kind: Vec<&Value> = notices.iter().filter(|notice| notice["notice"] == kind).collect();
        assert!(!of_kind.is_empty(), "{name} has no notice {kind}");
        let mut all = of_kind.iter().map(|notice| shape(notice)).reduce(together).unwrap();
        all["format"] = of_kind[0]["format"].clone();
        assert!(of_kind.iter().all(|notice| notice.as_object().unwrap().keys().next().unwrap() == "format"));
        insta::with_settings!({ omit_expression => true, prepend_module_to_snapshot => false }, {
            insta::assert_snapshot!(format!("cli_json_notice_{kind}"), format!("{all:#}"));
        });
    }
}

#[test]
fn help_fits_and_names_every_command_and_exit_code() {
    let folder = tempfile::tempdir().unwrap();
    let help = migrate(folder.path(), &["-h"]).expect(0);
    assert!(help.stderr.is_empty());
    let commands = ["plan", "apply", "status", "cutover", "validate", "report", "abort", "finish", "explain", "demo"];
    for command in commands {
        assert!(help.stdout.lines().any(|line| line.trim_start().starts_with(command)), "{command}: {}", help.stdout);
        let own = migrate(folder.path(), &[command, "-h"]).expect(0);
        assert!(own.stdout.contains("Usage: migrate ") && own.stdout.contains("--format"), "{}", own.stdout);
        assert_eq!(migrate(folder.path(), &["help", command]).expect(0).code, Some(0));
        is_plain(command, &own.stdout);
    }
    for code in ["0  done", "1  failed", "2  bad plan", "3  an unaccepted", "4  in doubt", "5  undone"] {
        assert!(help.stdout.contains(code), "{code}: {}", help.stdout);
    }
    is_plain("help", &help.stdout);
    assert!(migrate(folder.path(), &["--version"]).expect(0).stdout.starts_with("migrate "));
}

#[test]
fn explain_knows_ids_and_codes_and_suggests_the_nearest() {
    let folder = tempfile::tempdir().unwrap();
    let explain = |id: &str| migrate(folder.path(), &["explain", id]);
    assert!(explain("guard/green-not-empty").expect(0).stdout.starts_with("guard/green-not-empty\n"));
    assert!(explain("4").expect(0).stdout.contains("In doubt"));
    let typo = explain("guard/green-not-emtpy").expect(2).says("nothing is known by the name guard/green-not-emtpy");
    assert_eq!(hint_of(&typo), "did you mean guard/green-not-empty?");
    assert_eq!(hint_of(&explain("zzz").expect(2)), "see the list: migrate explain");
}

/// Every file below a folder.
fn files(folder: &Path) -> Vec<std::path::PathBuf> {
    let mut all = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { all.extend(files(&path)) } else { all.push(path) }
    }
    all
}

#[tokio::test]
async fn no_password_is_printed_or_written_anywhere() {
    let stage = Stage::with(SCHEMA, support::stage::PARTICIPANTS).await;
    let secret = password(&stage);
    let mut said = Vec::new();
    for args in [
        &["plan", "-o", "plan.json", "-vvv"] as &[&str],
        &["plan", "--format", "json"],
        &["apply", "plan.json", "-vv"],
        &["status", "-vvv"],
        &["status", "--format", "json"],
        &["validate", "-v"],
        &["cutover", "--yes", "--format", "json", "-vvv"],
        &["report"],
        &["report", "-o", "report.txt"],
        &["report", "--format", "json", "-o", "report.json"],
        &["finish", "--yes", "-vvv"],
    ] {
        let ran = stage.run(args).expect(0);
        if args.iter().any(|arg| arg.starts_with("-v")) {
            assert!(ran.stderr.contains("connected"), "--verbose says more: {args:?}: {}", ran.stderr);
        }
        said.push((args.join(" "), ran.stdout + &ran.stderr));
    }
    let folder = stage.path(".");
    for name in ["plan.json", "report.txt", "report.json", ".migrate/small/journal.jsonl"] {
        assert!(stage.path(name).exists(), "{name}");
    }
    let written = files(&folder).into_iter().map(|path| {
        let text = String::from_utf8_lossy(&std::fs::read(&path).unwrap()).into_owned();
        (path.display().to_string(), text)
    });
    for (from, text) in said.into_iter().chain(written) {
        assert!(!text.contains(&secret), "{from} holds the password");
    }
    let journal = std::fs::metadata(stage.path(".migrate/small/journal.jsonl")).unwrap();
    assert_eq!(journal.permissions().mode() & 0o022, 0, "nobody else writes to the journal");
}
