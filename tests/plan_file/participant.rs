//! Participants: requests, programs, files, groups.

use super::*;

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
