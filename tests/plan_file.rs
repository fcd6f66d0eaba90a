//! Every way a plan file can be wrong, as the operator sees it, and one of each kind that is right: the file as a whole and
//! what comes later here; names, secrets, participants, checks, and the other sections in files of their own.

#![allow(clippy::unwrap_used)] // in the tests' own functions as well

#[path = "plan_file/check.rs"]
mod check_sections;
#[path = "plan_file/participant.rs"]
mod participant;
#[path = "plan_file/event_and_lever.rs"]
mod event_and_lever;
#[path = "plan_file/names.rs"]
mod names;
#[path = "plan_file/secrets.rs"]
mod secrets;

use std::path::{Path, PathBuf};
use std::time::Duration;

use insta::assert_snapshot;
use proptest::prelude::*;
use teal::error::{Failure, Kind};
use teal::plan::{Expect, MigrationSource, ParticipantKind, Plan, StandIns, Until, When, read_plan, read_rehearsal};

const SMALL: &str = include_str!("fixtures/plan/small.toml");
const EVENT: &str = r#"[[event]]
name = "gone"
table = "t"
ends = "true"
replay = "DELETE FROM t WHERE id = :id"
verify = "SELECT 1 FROM t WHERE id = :id"
"#;

fn env(name: &str) -> Option<String> {
    match name {
        "BLUE_URL" => Some("postgres://app:fromEnv@blue/oauth".to_owned()),
        "GREEN_URL" => Some("postgres://app:fromEnv@green/oauth".to_owned()),
        "AUTHZ_URL" => Some("postgres://app:fromEnv@authz/policies".to_owned()),
        _ => None,
    }
}

fn read(text: &str) -> (tempfile::TempDir, Result<Plan, Failure>) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("plan.toml");
    std::fs::write(&path, text).unwrap();
    let plan = read_plan(&path, &env);
    (folder, plan)
}

/// Message and excerpt of a plan that is refused; never a secret in them.
fn refused(text: &str) -> String {
    let (folder, plan) = read(text);
    let failure = plan.unwrap_err();
    assert_eq!(failure.kind, Kind::Usage);
    let shown = format!("{}\n{}", failure.what, failure.detail.as_deref().unwrap_or_default());
    for secret in ["s3cret", "fromEnv", "hunter2"] {
        assert!(!format!("{failure:?}{shown}").contains(secret), "shows {secret}: {shown}");
    }
    shown.replace(&format!("{}/", folder.path().display()), "")
}

fn add(sections: &str) -> String {
    format!("{SMALL}\n{sections}\n")
}

fn check(lines: &str) -> String {
    add(&format!("[[check]]\nname = \"c\"\n{lines}"))
}

fn member(name: u8, group: &str) -> String {
    format!("[[participant]]\nname = \"{name}\"\ngroup = \"{group}\"\nkind = \"file\"\npath = \"a\"\ncontent = \"b\"\n")
}

fn full() -> Plan {
    read_plan(Path::new("tests/fixtures/plan/full.toml"), &env).unwrap()
}
#[test]
fn the_whole_plan_is_read() {
    let plan = full();
    let folder = std::path::absolute("tests/fixtures/plan").unwrap();
    assert_eq!(plan.name, "oauth-2x");
    assert_eq!(plan.green.address(), "app@green:5432/oauth");
    assert_eq!(plan.others.keys().collect::<Vec<_>>(), ["authz"]);
    assert_eq!(plan.journal_dir, folder.join(".migrate"));
    assert_eq!(plan.migrations.source, MigrationSource::Folder(folder.join("../migrations/oauth/2x")));
    assert_eq!(plan.events.len(), 2);
    assert_eq!(plan.events[0].key, Some(vec!["signature".to_owned()]));
    assert_eq!(plan.events[1].when, When::Begins("granted".to_owned()));
    assert_eq!(plan.events[1].replay.len(), 2);
    let ParticipantKind::File { path, content } = &plan.participants[1].kind else { panic!("a file") };
    assert_eq!((path, content), (&PathBuf::from("/etc/authz/database.toml"), &folder.join("authz.green.toml")));
    assert_eq!(plan.checks[0].expect, Expect::Within(0.01));
    assert_eq!(plan.checks[1].expect, Expect::In { rows_of: "authz".into(), found_in: "green".into() });
}

#[test]
fn what_is_left_out_has_its_default() {
    let (folder, plan) = read(&add("[[participant]]\nname = \"f\"\nkind = \"file\"\npath = \"a\"\ncontent = \"b\""));
    let plan = plan.unwrap();
    assert_eq!(plan.journal_dir, folder.path().join(".migrate"));
    assert_eq!(plan.migrations.lock_timeout, Duration::from_millis(500));
    assert_eq!((plan.jobs, plan.cutover.max_lag), (4, 1 << 20));
    assert_eq!(plan.cutover.deadline, Duration::from_secs(5));
    assert_eq!(plan.participants[0].timeout, Duration::from_secs(10));
}

#[test]
fn a_doubled_dollar_is_a_plain_one() {
    let (folder, plan) = read(&SMALL.replace("\"migrations\"", "\"a$${GREEN_URL}$b\""));
    assert_eq!(plan.unwrap().migrations.source, MigrationSource::Folder(folder.path().join("a${GREEN_URL}$b")));
}

#[test]
fn gates_and_passwords_are_in_no_fingerprint() {
    let text = add("[cutover]\ndeadline = \"9s\"\n[snapshot]\njobs = 2").replace("s3cret", "other");
    let (_folder, changed) = read(&text);
    let (_other, small) = read(SMALL);
    assert_eq!(changed.unwrap().fingerprint(), small.unwrap().fingerprint());
}

#[test]
fn all_that_decides_the_effect_is_in_the_fingerprint() {
    let text = include_str!("fixtures/plan/full.toml");
    let fingerprint = read(text).1.unwrap().fingerprint();
    for (from, to) in [
        ("oauth-2x", "oauth-3x"),
        ("ends = \"active\"", "begins = \"active\""),
        ("key = [\"signature\"]", ""),
        ("AND active\"", "\""),
        ("SET used = true", "SET used = false"),
        ("oauth/2x", "oauth/3x"),
        ("VALUES (:version)", "VALUES (:name)"),
        ("authz.green.toml", "authz.toml"),
        ("1%", "2%"),
        ("authz in green", "green in authz"),
        ("\"${AUTHZ_URL}\"", "\"postgres://app@elsewhere/policies\""),
    ] {
        assert!(text.contains(from), "{from}");
        assert_ne!(read(&text.replacen(from, to, 1)).1.unwrap().fingerprint(), fingerprint, "{from} → {to}");
    }
}

#[test]
fn a_file_that_is_not_there_is_a_usage_failure() {
    let failure = read_plan(Path::new("tests/fixtures/plan/none.toml"), &env).unwrap_err();
    assert_eq!(failure.what, "tests/fixtures/plan/none.toml: No such file or directory (os error 2)");
}

#[test]
fn text_that_is_not_toml_is_shown() {
    assert_snapshot!(refused(&SMALL.replace("strategy =", "strategy ==")), @r#"
    plan.toml:2:11: not TOML: extra `=`, expected nothing
     --> plan.toml:2:11
      |
    2 | strategy == "blue-green"
      |           ^
    "#);
}

#[test]
fn a_shell_string_is_no_program() {
    assert_snapshot!(refused(&SMALL.replace("source = \"migrations\"", "command = \"hydra migrate\"")), @r#"
    plan.toml:9:11: "command" must be a list: programs are lists, never a shell string
     --> plan.toml:9:11
      |
    9 | command = "hydra migrate"
      |           ^^^^^^^^^^^^^^^ write ["program", "argument", …]
    "#);
}

#[test]
fn later_sections_are_not_supported_yet() {
    assert_snapshot!(refused(&add("[[cleanup]]\nname = \"x\"\n[[table]]\n[monitor]\n[[metric]]")), @r#"
    plan.toml:14:3: "cleanup" is not supported yet: rows that violate a constraint must be cleaned by hand before (and 3 more)
      --> plan.toml:14:3
       |
    14 | [[cleanup]]
       |   ^^^^^^^

    error: "table" is not supported yet: only events travel to green, so no table needs a route
      --> plan.toml:16:3
       |
    16 | [[table]]
       |   ^^^^^

    error: "monitor" is not supported yet: watch the application's metrics yourself after the cutover
      --> plan.toml:17:2
       |
    17 | [monitor]
       |  ^^^^^^^

    error: "metric" is not supported yet: watch the application's metrics yourself after the cutover
      --> plan.toml:18:3
       |
    18 | [[metric]]
       |   ^^^^^^
    "#);
}

#[test]
fn an_accept_is_read_and_one_that_names_nothing_or_what_nothing_makes_safe_is_refused() {
    let (_folder, plan) = read(&add(
        "[[accept]]\nfinding = \"guard/timeouts\"\nwhy = \"known\"\n\n[[accept]]\nfinding = \"lint/drop-table:002_a.sql:3\"\nwhy = \"unused\"",
    ));
    let accepts = plan.unwrap().accepts;
    assert_eq!(
        accepts.iter().map(teal::plan::Accept::shown).collect::<Vec<_>>(),
        ["guard/timeouts", "lint/drop-table:002_a.sql:3"]
    );
    assert_eq!(accepts[1].object.as_deref(), Some("002_a.sql:3"));
    let accept = |finding: &str| format!("[[accept]]\nfinding = \"{finding}\"\nwhy = \"w\"\n");
    let twice = accept("guard/timeouts").repeat(2);
    let wrong = ["drop-table", "cutover/capture-gap", "lint/x:", "event/dead-letter"].map(accept).concat();
    assert_snapshot!(refused(&add(&format!("{wrong}{twice}[[accept]]\nfinding = \"guard/encoding\""))), @r#"
    plan.toml:15:11: "drop-table" names no finding (and 5 more)
      --> plan.toml:15:11
       |
    15 | finding = "drop-table"
       |           ^^^^^^^^^^^^ write area/slug, or area/slug:object, as it is shown

    error: cutover/capture-gap can't be accepted: events may have been lost already
      --> plan.toml:18:11
       |
    18 | finding = "cutover/capture-gap"
       |           ^^^^^^^^^^^^^^^^^^^^^

    error: "lint/x:" names no finding
      --> plan.toml:21:11
       |
    21 | finding = "lint/x:"
       |           ^^^^^^^^^ write area/slug, or area/slug:object, as it is shown

    error: "event/dead-letter" names no event: each is accepted by itself
      --> plan.toml:24:11
       |
    24 | finding = "event/dead-letter"
       |           ^^^^^^^^^^^^^^^^^^^ write 'event/dead-letter:event 17 …', as it is shown

    error: a second accept named "guard/timeouts"
      --> plan.toml:30:11
       |
    30 | finding = "guard/timeouts"
       |           ^^^^^^^^^^^^^^^^

    error: missing key "why" in [[accept]]
      --> plan.toml:32:1
       |
    32 | [[accept]]
       | ^^^^^^^^^^
    "#);
}

#[test]
fn a_window_and_a_reason_for_one_way_are_read() {
    let (_folder, plan) = read(&add(
        "[cutover]\nwindow = \" Sat,Sun  22:00-02:00 Europe/Zurich\"\none_way = \"v1 can't read v2's tokens\"",
    ));
    let cutover = plan.unwrap().cutover;
    assert_eq!(cutover.window.unwrap().text, "Sat,Sun 22:00-02:00 Europe/Zurich");
    assert_eq!(cutover.one_way.as_deref(), Some("v1 can't read v2's tokens"));
    assert_snapshot!(refused(&add("[cutover]\nwindow = \"02:00-04:00 CEST\"\none_way = true")), @r#"
    plan.toml:15:10: "CEST" is no time zone: use UTC, an offset like +02:00, or a name like Europe/Zurich (and 1 more)
      --> plan.toml:15:10
       |
    15 | window = "02:00-04:00 CEST"
       |          ^^^^^^^^^^^^^^^^^^

    error: "one_way" must be a string, not a boolean
      --> plan.toml:16:11
       |
    16 | one_way = true
       |           ^^^^
    "#);
}

#[test]
fn a_way_back_is_not_supported_yet() {
    let participant =
        "[[participant]]\nname = \"p\"\nkind = \"command\"\ncommit = [\"a\"]\ncommitted = [\"b\"]\nrevert = [\"c\"]";
    let text = refused(&add(participant));
    assert!(text.contains("\"revert\" in [[participant]] is not supported yet: there is no rollback"), "{text}");
}

#[test]
fn later_values_are_not_supported_yet() {
    assert_snapshot!(refused(&add("[[participant]]\nname = \"pooler\"\nkind = \"pgbouncer\"\nadmin = \"${GREEN_URL}\"").replace("\"events\"", "\"all\"")), @r#"
    plan.toml:12:10: writes = "all" is not supported yet: use "events" and replay what must not be lost (and 1 more)
      --> plan.toml:12:10
       |
    12 | writes = "all"
       |          ^^^^^

    error: kind = "pgbouncer" is not supported yet: switch it with a participant of kind = "command"
      --> plan.toml:16:8
       |
    16 | kind = "pgbouncer"
       |        ^^^^^^^^^^^
    "#);
}

#[test]
fn in_place_there_is_one_database_and_what_is_about_two_is_refused() {
    let plan = "name = \"p\"\nstrategy = \"in-place\"\n[databases]\nblue = \"${BLUE_URL}\"\n[migrations]\nsource = \"migrations\"\n";
    let (_folder, read) =
        read(&format!("{plan}[[check]]\nname = \"c\"\nblue = \"SELECT 1\"\ngreen = \"SELECT 1\"\nexpect = \"equal\""));
    let read = read.unwrap();
    assert!(read.is_in_place() && read.sides().1.is_none());
    assert_eq!(read.blue.address(), read.green.address());
    let wrong = plan
        .replace("[migrations]\nsource = \"migrations\"", "green = \"${GREEN_URL}\"\n[migrations]\ncommand = [\"up\"]");
    assert_snapshot!(refused(&format!("{wrong}[capture]\nwrites = \"events\"\n[snapshot]\njobs = 2\n[cutover]\ndeadline = \"1s\"\n{EVENT}")), @r#"
    plan.toml:5:1: an in-place plan has no green: blue itself is migrated (and 5 more)
     --> plan.toml:5:1
      |
    5 | green = "${GREEN_URL}"
      | ^^^^^

    error: an in-place plan needs "source": what a program runs can't be rewritten
     --> plan.toml:7:1
      |
    7 | command = ["up"]
      | ^^^^^^^

    error: "capture" has no meaning in an in-place plan: there is one database, and every write is in it
     --> plan.toml:8:2
      |
    8 | [capture]
      |  ^^^^^^^

    error: "snapshot" has no meaning in an in-place plan: nothing is copied
      --> plan.toml:10:2
       |
    10 | [snapshot]
       |  ^^^^^^^^

    error: "deadline" has no meaning in an in-place plan: no writer is held: there is no fence
      --> plan.toml:13:1
       |
    13 | deadline = "1s"
       | ^^^^^^^^

    error: "event" has no meaning in an in-place plan: there is one database, so nothing must be carried over
      --> plan.toml:14:3
       |
    14 | [[event]]
       |   ^^^^^
    "#);
}

/// What newcomers copy from must be right.
#[test]
fn every_plan_of_the_repository_reads() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let env = |name: &str| Some(format!("postgres://app@db/{}", name.to_lowercase()));
    for plan in [
        "plans/oauth-2x.toml",
        "examples/flyway/plan.toml",
        "examples/own-migrator/plan.toml",
        "examples/two-services/plan.toml",
    ] {
        if let Err(e) = teal::plan::read_plan(&root.join(plan), &env) {
            panic!("{plan}: {e}\n{}", e.detail.as_deref().unwrap_or_default());
        }
    }
}
