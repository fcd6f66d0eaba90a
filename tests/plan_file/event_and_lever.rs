//! Events, levers, and values with units.

use super::*;

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

#[test]
fn what_stands_in_for_a_lever_in_a_rehearsal_is_named_by_the_plan_and_turned_as_long_as_that() {
    let first = |text: String| refused(&text).lines().next().unwrap().split_once(": ").unwrap().1.to_owned();
    let lever = "[[lever]]\nname = \"ttl\"\nbefore = [\"./${NOWHERE}\"]\nafter = [\"x\"]\nwait = \"1h\"\nlasts = \"2h\"\nuntil = \"finish\"";
    let stand_in = |more: &str| add(&format!("{lever}\n[rehearse.lever.ttl]\n{more}")).replace("${NOWHERE}", "ttl");
    assert_eq!(first(stand_in("after = [\"true\"]")), "missing key \"before\" in [rehearse.lever]");
    let unknown = "before = [\"true\"]\n[rehearse.lever.tll]\nbefore = [\"true\"]";
    assert_eq!(first(stand_in(unknown)), "the plan has no lever \"tll\"");
    assert!(first(stand_in("before = [\"true\"]\nuntil = \"finish\"")).starts_with("unknown key \"until\""));

    let stand_ins = StandIns { blue: "postgres://r@h/blue".into(), green: "postgres://r@h/green".into() };
    let text = add(&format!("{lever}\n[rehearse.lever.ttl]\nbefore = [\"turn\"]\nafter = [\"back\"]"));
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("plan.toml");
    std::fs::write(&path, text).unwrap();
    // What the lever itself takes from the environment need not be there.
    let levers = read_rehearsal(&path, &env, &stand_ins).unwrap().plan.levers;
    let turned = (levers[0].before.join(" "), levers[0].after.clone().unwrap().join(" "));
    assert_eq!(turned, ("turn".to_owned(), "back".to_owned()));
    assert_eq!((levers[0].until, levers[0].wait, levers[0].lasts), (Until::Finish, Duration::ZERO, None));
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
