//! Every way a plan file can be wrong, as the operator sees it, and one of each kind that is right.

#![allow(clippy::unwrap_used)] // in the tests' own functions as well

use std::path::{Path, PathBuf};
use std::time::Duration;

use insta::assert_snapshot;
use proptest::prelude::*;
use teal::error::{Failure, Kind};
use teal::plan::{Expect, MigrationSource, ParticipantKind, Plan, When, read_plan};

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
fn a_secret_of_several_lines_is_masked() {
    let shown = refused(
        &SMALL.replace("\"postgres://app:s3cret@blue.example/oauth\"", "\"\"\"\nhost=h\npassword=s3cret\"\"\""),
    );
    assert!(shown.contains("\"***\""), "{shown}");
}

proptest! {
    #[test]
    fn arbitrary_text_never_panics(text in "\\PC*") {
        let _ = read(&text);
    }

    #[test]
    fn a_plan_cut_and_pasted_anywhere_never_panics_nor_shows_a_secret(at in 0..SMALL.len(), insert in "[\\[\\]{}=\"'#\n$é,. a-c]{0,6}") {
        let text = format!("{}{insert}{}", &SMALL[..at], &SMALL[at..]);
        if let (_folder, Err(failure)) = read(&text) {
            prop_assert!(!format!("{failure:?}").contains("s3cret"), "{failure:?}");
        }
    }
}

#[test]
fn an_unknown_key_names_the_nearest() {
    assert_snapshot!(refused(&SMALL.replace("green =", "gren =")), @r#"
    plan.toml:6:1: unknown key "gren" in [databases]
     --> plan.toml:6:1
      |
    6 | gren = "${GREEN_URL}"
      | ^^^^ did you mean `green`?
    "#);
}

#[test]
fn an_unknown_section_names_the_nearest() {
    assert_snapshot!(refused(&add("[snapshto]\njobs = 2")), @r#"
    plan.toml:14:2: unknown key "snapshto"
      --> plan.toml:14:2
       |
    14 | [snapshto]
       |  ^^^^^^^^ did you mean `snapshot`?
    "#);
}

#[test]
fn a_key_that_nothing_resembles_is_unknown() {
    assert_snapshot!(refused(&add("[cutover]\nfrobnicate = 1")), @r#"
    plan.toml:15:1: unknown key "frobnicate" in [cutover]
      --> plan.toml:15:1
       |
    15 | frobnicate = 1
       | ^^^^^^^^^^
    "#);
}

#[test]
fn all_problems_are_shown_in_one_go() {
    assert_snapshot!(refused(&SMALL.replace("small", "Small!").replace("\"events\"", "7")), @r#"
    plan.toml:1:8: name must be 1 to 40 lowercase letters, digits, "-" or "_": it becomes part of object names (and 1 more)
     --> plan.toml:1:8
      |
    1 | name = "Small!"
      |        ^^^^^^^^

    error: "writes" must be a string, not an integer
      --> plan.toml:12:10
       |
    12 | writes = 7
       |          ^
    "#);
}

#[test]
fn a_missing_key_points_at_its_section() {
    assert_snapshot!(refused(&SMALL.replace("writes = \"events\"", "")), @r#"
    plan.toml:11:1: missing key "writes" in [capture]
      --> plan.toml:11:1
       |
    11 | [capture]
       | ^^^^^^^^^
    "#);
}

#[test]
fn a_missing_section_is_named() {
    assert_snapshot!(refused(&SMALL.replace("[capture]\nwrites = \"events\"\n", "")), @r#"
    plan.toml:1:1: missing key "capture" in the plan
     --> plan.toml:1:1
      |
    1 | name = "small"
      | ^
    "#);
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
fn a_broken_line_hides_its_secret() {
    assert_snapshot!(refused(&SMALL.replace("/oauth\"", "/oauth")), @r#"
    plan.toml:5:49: not TOML: invalid basic string, expected `"`
     --> plan.toml:5:49
      |
    5 | blue = ***
      |           ^
    "#);
}

#[test]
fn a_bad_url_is_masked() {
    assert_snapshot!(refused(&SMALL.replace("blue.example/", "blue.example:port/")), @r#"
    plan.toml:5:8: blue: not a connection URL: character 36: this should be a port; in a password, write / as %2F, @ as %40
     --> plan.toml:5:8
      |
    5 | blue = "***"
      |        ^^^^^
    "#);
}

#[test]
fn a_database_of_the_wrong_type_is_masked() {
    assert_snapshot!(refused(&SMALL.replace("\"${GREEN_URL}\"", "[\"hunter2 s3cret\"]")), @r#"
    plan.toml:6:9: "green" must be a string, not an array
     --> plan.toml:6:9
      |
    6 | green = ["***"]
      |         ^^^^^^^
    "#);
}

#[test]
fn a_secret_before_the_span_is_masked() {
    assert_snapshot!(refused(&SMALL.replace("[databases]\n", "").replace("blue = ", "databases.blue = ").replace("green = \"${GREEN_URL}\"", "databases.green = \"${NO_URL}\" # was s3cret")), @r#"
    plan.toml:5:20: the environment variable NO_URL is not set
     --> plan.toml:5:20
      |
    5 | databases.green = "${NO_URL}" # ***
      |                    ^^^^^^^^^
    "#);
}

#[test]
fn an_inline_table_keeps_the_column() {
    assert_snapshot!(refused(&SMALL.replace("[databases]\n", "databases = {").replace("oauth\"\n", "oauth\", ").replace("green = \"${GREEN_URL}\"", "grene = \"${GREEN_URL}\" }")), @r#"
    plan.toml:4:65: unknown key "grene" in [databases]
     --> plan.toml:4:65
      |
    4 | databases = {blue = "***", grene = "${GREEN_URL}" }
      |                            ^^^^^ did you mean `green`?
    "#);
}

#[test]
fn an_unset_variable_is_named() {
    assert_snapshot!(refused(&SMALL.replace("GREEN_URL", "NO_URL")), @r#"
    plan.toml:6:10: the environment variable NO_URL is not set
     --> plan.toml:6:10
      |
    6 | green = "${NO_URL}"
      |          ^^^^^^^^^
    "#);
}

#[test]
fn an_unset_variable_in_a_text_is_underlined() {
    assert_snapshot!(refused(&SMALL.replace("\"migrations\"", "\"files/${NO_SUCH}/up\"")), @r#"
    plan.toml:9:17: the environment variable NO_SUCH is not set
     --> plan.toml:9:17
      |
    9 | source = "files/${NO_SUCH}/up"
      |                 ^^^^^^^^^^
    "#);
}

#[test]
fn a_variable_s_value_is_never_shown() {
    assert_snapshot!(refused(&SMALL.replace("\"blue-green\"", "\"${GREEN_URL}\"")), @r#"
    plan.toml:2:12: strategy = "${GREEN_URL}" is none of "blue-green", "in-place"
     --> plan.toml:2:12
      |
    2 | strategy = "${GREEN_URL}"
      |            ^^^^^^^^^^^^^^
    "#);
}

#[test]
fn one_url_under_two_names_is_refused() {
    assert_snapshot!(refused(&SMALL.replace("postgres://app:s3cret@blue.example/oauth", "${GREEN_URL}")), @r#"
    plan.toml:6:9: green has the same URL as blue
     --> plan.toml:6:9
      |
    6 | green = "${GREEN_URL}"
      |         ^^^^^^^^^^^^^^
    "#);
}

#[test]
fn a_migrator_s_variables_are_masked() {
    assert_snapshot!(refused(&SMALL.replace("source = \"migrations\"", "command = [\"up\"]\nenv = { A = \"s3cret\", B = 5 }")), @r#"
    plan.toml:10:27: "B" must be a string, not an integer
      --> plan.toml:10:27
       |
    10 | env = { A = "***", B = "***" }
       |                        ^^^^^
    "#);
}

#[test]
fn a_url_in_a_program_is_masked() {
    assert_snapshot!(refused(&SMALL.replace("source = \"migrations\"", "command = \"psql postgres://a:s3cret@h/d\"")), @r#"
    plan.toml:9:11: "command" must be a list: programs are lists, never a shell string
     --> plan.toml:9:11
      |
    9 | command = "***"
      |           ^^^^^ write ["program", "argument", …]
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
fn a_folder_and_a_migrator_exclude_each_other() {
    assert_snapshot!(refused(&SMALL.replace("[capture]", "command = [\"up\"]\n\n[capture]")), @r#"
    plan.toml:11:1: "source" and "command" exclude each other
      --> plan.toml:11:1
       |
    11 | command = ["up"]
       | ^^^^^^^
    "#);
}

#[test]
fn migrations_need_a_source() {
    assert_snapshot!(refused(&SMALL.replace("source = \"migrations\"", "")), @r#"
    plan.toml:8:1: [migrations] needs either "source" (a folder) or "command" (a program)
     --> plan.toml:8:1
      |
    8 | [migrations]
      | ^^^^^^^^^^^^
    "#);
}

#[test]
fn a_folder_takes_no_variables() {
    assert_snapshot!(refused(&SMALL.replace("[capture]", "env = {}\n\n[capture]")), @r#"
    plan.toml:11:1: "env" is for "command": files are run by Teal itself
      --> plan.toml:11:1
       |
    11 | env = {}
       | ^^^
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
    let wrong = ["drop-table", "cutover/capture-gap", "lint/x:"].map(accept).concat();
    assert_snapshot!(refused(&add(&format!("{wrong}{twice}[[accept]]\nfinding = \"guard/encoding\""))), @r#"
    plan.toml:15:11: "drop-table" names no finding (and 4 more)
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

    error: a second accept named "guard/timeouts"
      --> plan.toml:27:11
       |
    27 | finding = "guard/timeouts"
       |           ^^^^^^^^^^^^^^^^

    error: missing key "why" in [[accept]]
      --> plan.toml:29:1
       |
    29 | [[accept]]
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

#[test]
fn an_unknown_value_lists_the_valid_ones() {
    assert_snapshot!(refused(&add("[[participant]]\nname = \"pooler\"\nkind = \"comand\"")), @r#"
    plan.toml:16:8: kind = "comand" is none of "command", "file", "http"
      --> plan.toml:16:8
       |
    16 | kind = "comand"
       |        ^^^^^^^^ did you mean `command`?
    "#);
}

#[test]
fn a_lever_is_read_and_one_that_makes_no_sense_is_refused() {
    const LEVER: &str = "[[lever]]\nname = \"ttl\"\nbefore = [\"./ttl\", \"6h\"]\nafter = [\"./ttl\", \"1h\"]\nwait = \"1h\"\nlasts = \"6h\"\nuntil = \"finish\"";
    let (folder, plan) = read(&add(LEVER));
    let mut plan = plan.unwrap();
    assert_eq!(
        (plan.levers[0].until, plan.levers[0].lasts),
        (teal::plan::Until::Finish, Some(Duration::from_hours(6)))
    );
    let before = plan.fingerprint();
    plan.levers[0].lasts = Some(Duration::from_hours(9));
    assert_eq!(plan.fingerprint(), before, "how long it lasts is a setting");
    plan.levers[0].after = None;
    assert_ne!(plan.fingerprint(), before);
    drop(folder);
    let with = |from: &str, to: &str| {
        let text = LEVER.replace(from, to);
        assert_ne!(text, LEVER, "{from}");
        refused(&add(&text)).lines().next().unwrap().split_once(": ").unwrap().1.to_owned()
    };
    assert_eq!(
        with("\"finish\"", "\"monitor\""),
        "until = \"monitor\" is not supported yet: nothing watches metrics after the cutover yet; use \"finish\""
    );
    assert_eq!(
        with("\"6h\"\nuntil", "\"1h\"\nuntil"),
        "\"lasts\" must be longer than \"wait\": both count from when it was turned"
    );
    assert_eq!(with("after = [\"./ttl\", \"1h\"]\n", ""), "\"until\" says when `after` is run, and there is none");
    assert_eq!(
        with("before = [\"./ttl\", \"6h\"]", "before = \"./ttl 6h\""),
        "\"before\" must be a list: programs are lists, never a shell string"
    );
    assert_eq!(with("before = [\"./ttl\", \"6h\"]\n", ""), "missing key \"before\" in [[lever]]");
}

/// A participant of kind `http` whose parts a test replaces.
const GATEWAY: &str = r#"[[participant]]
name = "gateway"
kind = "http"
commit = { method = "PUT", url = "https://root:s3cret@gw:8443/${AUTHZ_URL}?key=s3cret", headers = { Authorization = "Bearer s3cret" }, json = { to = "v2", weights = [1, 0.5, true] } }
committed = { url = "http://gw/backend", switched = { json = { "/backend" = "v2" } }, not_yet = { status = [404, 410] } }
"#;

fn requests(plan: &Plan) -> &teal::plan::Requests {
    let ParticipantKind::Http(requests) = &plan.participants[0].kind else { panic!("http") };
    requests
}

#[test]
fn requests_are_read_and_shown_without_what_may_be_a_secret() {
    let (_folder, plan) = read(&add(GATEWAY));
    let plan = plan.unwrap();
    let requests = requests(&plan);
    assert_eq!(requests.commit.to_string(), "PUT https://gw:8443/…");
    assert_eq!(requests.committed.to_string(), "GET http://gw/backend");
    assert!(!requests.commit.is_open() && requests.committed.is_open(), "plain HTTP to another machine");
    assert_eq!(requests.not_yet.status, [404, 410]);
    let json = serde_json::json!({ "to": "v2", "weights": [1, 0.5, true] });
    assert!(requests.commit.body == Some(teal::plan::Body::Json(json)));
    let debug = format!("{plan:?}");
    assert!(!debug.contains("s3cret") && !debug.contains("fromEnv"), "{debug}");
}

#[test]
fn passwords_of_requests_are_in_no_fingerprint_and_what_they_do_is() {
    let digest = |text: String| {
        let (_folder, plan) = read(&add(&text));
        let plan = plan.unwrap();
        plan.participant_digest(&plan.participants[0])
    };
    let as_is = digest(GATEWAY.to_owned());
    for same in
        [("root:s3cret@", "root:hunter2@"), ("Bearer s3cret", "Bearer hunter2"), ("kind =", "ca = \"a.pem\"\nkind =")]
    {
        assert_eq!(digest(GATEWAY.replace(same.0, same.1)), as_is, "{same:?}");
    }
    for other in [
        ("PUT", "POST"),
        ("gw:8443", "gw:9443"),
        ("\"v2\", w", "\"v3\", w"),
        ("= \"v2\" } }", "= \"v3\" } }"),
        ("410", "409"),
    ] {
        assert_ne!(digest(GATEWAY.replace(other.0, other.1)), as_is, "{other:?}");
    }
}

#[test]
fn a_request_that_can_not_be_sent_or_understood_is_refused() {
    let with = |from: &str, to: &str| {
        let text = GATEWAY.replace(from, to);
        assert_ne!(text, GATEWAY, "{from}");
        refused(&add(&text)).lines().next().unwrap().split_once(": ").unwrap().1.to_owned()
    };
    assert_eq!(with("https://root", "ftp://root"), "\"url\" must begin with https:// or http://");
    assert_eq!(
        with("http://gw/backend", "gw/backend"),
        "\"url\" is no URL: write it like \"https://gateway:8443/switch\""
    );
    assert_eq!(
        with("Authorization =", "\"Content-Length\" ="),
        "\"Content-Length\" follows from the body: leave it out"
    );
    assert_eq!(
        with("Bearer s3cret", "Bearer\\ns3cret"),
        "\"Authorization\" holds what no header may hold: a line break, or text that is not ASCII"
    );
    assert_eq!(
        with("json = { to", "body = \"s3cret\", json = { to"),
        "\"json\" and \"body\" are two bodies: leave one out"
    );
    assert_eq!(
        with("\"/backend\" =", "\"backend\" ="),
        "this is no JSON pointer: it begins with a slash, \"/backend/name\""
    );
    assert_eq!(with("[404, 410]", "[]"), "\"status\" must be a status from 100 to 599, or a list of them");
    assert_eq!(
        with("not_yet = { status = [404, 410] }", "not_yet = {}"),
        "\"not_yet\" says nothing: name a status, or what the answer's JSON has at a pointer"
    );
    assert_eq!(
        with(", not_yet = { status = [404, 410] }", ""),
        "missing key \"not_yet\" in committed of [[participant]]"
    );
    assert_eq!(
        with("{ status = [404, 410] }", "{ json = { \"/backend\" = \"v2\" } }"),
        "\"not_yet\" is the same answer as \"switched\": nobody could tell them apart"
    );
    assert_eq!(
        with("committed = { url", "committed = { method = \"DELETE\", url"),
        "method = \"DELETE\" is none of \"GET\", \"HEAD\", \"POST\""
    );
    let argv = with("kind = \"http\"", "kind = \"http\"\nabort = [\"x\"]");
    assert_eq!(argv, "\"abort\" must be a request, kind = \"http\"");
    assert_eq!(with("kind = \"http\"", "kind = \"http\"\npath = \"x\""), "\"path\" is for kind = \"file\"");
    // Not TOML at all: nobody knows where a value ends.
    refused(&add(&GATEWAY.replace("committed = {", "committed = {{")));
}

#[test]
fn a_duration_needs_a_unit() {
    assert_snapshot!(refused(&add("[cutover]\ndeadline = \"5\"")), @r#"
    plan.toml:15:12: "5" is no duration: write it like "500ms", "5s", "10m" or "1h30m"
      --> plan.toml:15:12
       |
    15 | deadline = "5"
       |            ^^^
    "#);
}

#[test]
fn a_deadline_of_zero_is_refused() {
    assert_snapshot!(refused(&add("[cutover]\ndeadline = \"0s\"")), @r#"
    plan.toml:15:12: a duration here must be longer than 0
      --> plan.toml:15:12
       |
    15 | deadline = "0s"
       |            ^^^^
    "#);
}

#[test]
fn a_size_needs_a_unit() {
    assert_snapshot!(refused(&add("[cutover]\nmax_lag = \"1Mb\"")), @r#"
    plan.toml:15:11: "1Mb" is no size: write it like "64kB", "1MB" or "1GB"
      --> plan.toml:15:11
       |
    15 | max_lag = "1Mb"
       |           ^^^^^
    "#);
}

#[test]
fn jobs_are_at_least_one() {
    assert_snapshot!(refused(&add("[snapshot]\njobs = 0")), @r#"
    plan.toml:15:8: "jobs" must be a whole number from 1 to 256
      --> plan.toml:15:8
       |
    15 | jobs = 0
       |        ^
    "#);
}

#[test]
fn an_event_either_ends_or_begins() {
    assert_snapshot!(refused(&add("[[event]]\nname = \"e\"\ntable = \"t\"\nends = \"a\"\nbegins = \"b\"\nreplay = []\nverify = \"SELECT 1\"")), @r#"
    plan.toml:18:1: "ends" and "begins" exclude each other (and 1 more)
      --> plan.toml:18:1
       |
    18 | begins = "b"
       | ^^^^^^

    error: "replay" holds no statement
      --> plan.toml:19:10
       |
    19 | replay = []
       |          ^^
    "#);
}

#[test]
fn an_event_has_all_its_parts() {
    assert_snapshot!(refused(&add("[[event]]\nname = \" \"")), @r#"
    plan.toml:14:1: [[event]] needs either "ends" or "begins": the condition whose change is the event (and 4 more)
      --> plan.toml:14:1
       |
    14 | [[event]]
       | ^^^^^^^^^

    error: missing key "table" in [[event]]
      --> plan.toml:14:1
       |
    14 | [[event]]
       | ^^^^^^^^^

    error: missing key "replay" in [[event]]
      --> plan.toml:14:1
       |
    14 | [[event]]
       | ^^^^^^^^^

    error: missing key "verify" in [[event]]
      --> plan.toml:14:1
       |
    14 | [[event]]
       | ^^^^^^^^^

    error: "name" must not be empty
      --> plan.toml:15:8
       |
    15 | name = " "
       |        ^^^
    "#);
}

#[test]
fn two_events_of_one_name_are_refused() {
    assert_snapshot!(refused(&add(&format!("{EVENT}\n{EVENT}"))), @r#"
    plan.toml:22:8: a second event named "gone"
      --> plan.toml:22:8
       |
    22 | name = "gone"
       |        ^^^^^^
    "#);
}

#[test]
fn a_file_participant_takes_no_programs() {
    assert_snapshot!(refused(&add("[[participant]]\nname = \"f\"\nkind = \"file\"\npath = \"a\"\ncommit = [\"x\"]")), @r#"
    plan.toml:14:1: missing key "content" in [[participant]] (and 1 more)
      --> plan.toml:14:1
       |
    14 | [[participant]]
       | ^^^^^^^^^^^^^^^

    error: "commit" is for kind = "command"
      --> plan.toml:18:1
       |
    18 | commit = ["x"]
       | ^^^^^^
    "#);
}

#[test]
fn a_command_participant_needs_commit_and_committed() {
    assert_snapshot!(refused(&add("[[participant]]\nname = \"c\"\nkind = \"command\"\nprepare = []")), @r#"
    plan.toml:14:1: missing key "commit" in [[participant]] (and 2 more)
      --> plan.toml:14:1
       |
    14 | [[participant]]
       | ^^^^^^^^^^^^^^^

    error: missing key "committed" in [[participant]]
      --> plan.toml:14:1
       |
    14 | [[participant]]
       | ^^^^^^^^^^^^^^^

    error: "prepare" names no program
      --> plan.toml:17:11
       |
    17 | prepare = []
       |           ^^
    "#);
}

#[test]
fn members_of_a_group_stand_together() {
    assert_snapshot!(refused(&add(&[member(1, "together"), member(2, "alone"), member(3, "together")].concat())), @r#"
    plan.toml:28:9: group "together" is split: its members commit at once, so they must stand together
      --> plan.toml:28:9
       |
    28 | group = "together"
       |         ^^^^^^^^^^
    "#);
}

#[test]
fn a_side_is_a_database() {
    assert_snapshot!(refused(&check("gren = \"SELECT 1\"\nblue = \"SELECT 1\"\nexpect = \"equal\"")), @r#"
    plan.toml:16:1: "gren" in [[check]] is neither a key nor a name in [databases]
      --> plan.toml:16:1
       |
    16 | gren = "SELECT 1"
       | ^^^^ did you mean `green`?
    "#);
}

#[test]
fn sql_and_sides_exclude_each_other() {
    assert_snapshot!(refused(&check("sql = \"SELECT 1\"\nblue = \"SELECT 1\"\nexpect = \"equal\"")), @r#"
    plan.toml:16:1: "sql" is for both sides: name either it or the sides
      --> plan.toml:16:1
       |
    16 | sql = "SELECT 1"
       | ^^^
    "#);
}

#[test]
fn a_check_needs_a_side() {
    assert_snapshot!(refused(&check("expect = \"equal\"")), @r#"
    plan.toml:14:1: [[check]] needs "sql" (for both sides) or a side per database
      --> plan.toml:14:1
       |
    14 | [[check]]
       | ^^^^^^^^^
    "#);
}

#[test]
fn equal_needs_two_sides() {
    assert_snapshot!(refused(&check("blue = \"SELECT 1\"\nexpect = \"equal\"")), @r#"
    plan.toml:17:10: this expect compares two sides, this check has 1
      --> plan.toml:17:10
       |
    17 | expect = "equal"
       |          ^^^^^^^
    "#);
}

#[test]
fn empty_needs_one_side() {
    assert_snapshot!(refused(&check("blue = \"SELECT 1\"\ngreen = \"SELECT 1\"\nexpect = \"empty\"")), @r#"
    plan.toml:18:10: this expect is about one side, this check has 2
      --> plan.toml:18:10
       |
    18 | expect = "empty"
       |          ^^^^^^^
    "#);
}

#[test]
fn in_names_sides_of_the_check() {
    assert_snapshot!(refused(&check("sql = \"SELECT 1\"\nexpect = \"blue in gren\"")), @r#"
    plan.toml:17:10: expect = "blue in gren" names a side that this check does not have
      --> plan.toml:17:10
       |
    17 | expect = "blue in gren"
       |          ^^^^^^^^^^^^^^ did you mean `green`?
    "#);
}

#[test]
fn a_side_is_not_compared_with_itself() {
    assert_snapshot!(refused(&check("sql = \"SELECT 1\"\nexpect = \"blue in blue\"")), @r#"
    plan.toml:17:10: this expect compares a side with itself
      --> plan.toml:17:10
       |
    17 | expect = "blue in blue"
       |          ^^^^^^^^^^^^^^
    "#);
}

#[test]
fn an_unknown_expectation_lists_the_valid_ones() {
    assert_snapshot!(refused(&check("sql = \"SELECT 1\"\nexpect = \"equals\"")), @r#"
    plan.toml:17:10: expect = "equals" is none of "equal", "empty", "A in B", "{ within = \"1%\" }"
      --> plan.toml:17:10
       |
    17 | expect = "equals"
       |          ^^^^^^^^ did you mean `equal`?
    "#);
}

#[test]
fn within_is_a_percentage() {
    assert_snapshot!(refused(&check("sql = \"SELECT 1\"\nexpect = { within = \"1\" }")), @r#"
    plan.toml:17:21: "1" is no percentage from 0% to 100%: write it like "1%" or "0.5%"
      --> plan.toml:17:21
       |
    17 | expect = { within = "1" }
       |                     ^^^
    "#);
}

#[test]
fn a_database_is_not_named_like_a_key_of_a_check() {
    assert_snapshot!(refused(&SMALL.replace("[migrations]", "sql = \"postgres://a:s3cret@h/d\"\n[migrations]")), @r#"
    plan.toml:8:1: "sql" can't name a database: lowercase letters, digits, "-" and "_", none of name, sql, expect
     --> plan.toml:8:1
      |
    8 | sql = "***"
      | ^^^
    "#);
}

#[test]
fn what_a_url_asks_for_and_can_not_have_is_refused_with_its_place_and_reason() {
    assert_snapshot!(refused(&SMALL.replace("example/oauth", "example/oauth?requirepeer=postgres")), @r#"
    plan.toml:5:8: blue: character 54 of the connection string: requirepeer is not supported
     --> plan.toml:5:8
      |
    5 | blue = "***"
      |        ^^^^^ the owner of a socket's server is not looked at
    "#);
}

#[test]
fn a_broken_section_of_databases_hides_all_values() {
    assert_snapshot!(refused(&SMALL.replace("\"${GREEN_URL}\"", "\"hunter2")), @r#"
    plan.toml:6:17: not TOML: invalid basic string, expected `"`
     --> plan.toml:6:17
      |
    6 | green = ***
      |            ^
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
