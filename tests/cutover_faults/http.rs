//! A service that is switched over HTTP, in whole cutovers. What the kind itself does with each answer:
//! `tests/http_participant.rs`.

use super::{SCHEMA, Stage, assert_put_back, assert_retired, stage, state};
use crate::support::service::{Service, Wrong};
use crate::support::site::{Kept, Sides};

/// The gateway of a plan; its key is a variable of the stage, so that its value may stand nowhere.
fn gateway(service: &Service, timeout: &str) -> String {
    let base = format!("http://{}", service.address);
    let headers = "headers = { Authorization = \"Bearer ${GREEN_URL}\" }";
    format!(
        "\n[[participant]]\nname = \"gateway\"\nkind = \"http\"\ntimeout = \"{timeout}\"\n\
         prepare = {{ url = \"{base}/prepare?key=s3cret\", {headers} }}\n\
         commit = {{ method = \"PUT\", url = \"{base}/switch\", {headers}, json = {{ to = \"v2\" }} }}\n\
         committed = {{ url = \"{base}/backend\", switched = {{ json = {{ \"/backend/name\" = \"v2\" }} }}, \
         not_yet = {{ json = {{ \"/backend/name\" = \"v1\" }} }} }}\n\
         abort = {{ method = \"DELETE\", url = \"{base}/prepare\" }}\n"
    )
}

const PREPARE: &str = "POST /prepare";
const COMMIT: &str = "PUT /switch {\"to\":\"v2\"}";
const ABORT: &str = "DELETE /prepare";

fn assert_no_secret(stage: &Stage, said: &str) {
    let key = stage.pair.server.url("green");
    for secret in [key.as_str(), "s3cret", "Bearer"] {
        assert!(!said.contains(secret), "{secret}: {said}");
        assert!(!stage.read(".migrate/small/journal.jsonl").contains(secret), "{secret} in the journal");
    }
}

#[tokio::test]
async fn a_service_that_fails_before_the_decision_is_put_back_and_one_that_lies_after_it_is_not_believed() {
    let service = Service::start();
    let stage = stage(SCHEMA, &gateway(&service, "1s")).await;
    stage.ready();
    for (wrong, said) in [
        (Wrong::Says(500, "s3cret"), "answered 500 Internal Server Error"),
        (Wrong::Hangs, "no whole answer within 1 s"),
    ] {
        service.goes_wrong("/prepare", &[wrong]);
        let prepare = format!("participant gateway: prepare: POST http://{}/prepare", service.address);
        let undone = stage.run(&["-vv", "cutover", "--yes"]).expect(5).says(&prepare).says(said);
        assert_no_secret(&stage, &undone.stderr);
        assert_eq!(service.take_log(), [PREPARE, ABORT]);
        assert_put_back(&stage).await;
    }
    service.goes_right();
    service.goes_wrong("/backend", &[Wrong::Says(404, "")]);
    stage.run(&["cutover", "--yes"]).expect(3).says("cutover/participant-unknown");
    assert_eq!(service.take_log(), [""; 0]);

    // It says yes and does nothing: blue is retired, so that it is tried again and then left to a person.
    service.goes_right();
    service.goes_wrong("/switch", &[Wrong::Says(200, "")]);
    stage.run(&["cutover", "--yes"]).expect(1).says("its commit succeeds, and it says that it has not switched");
    assert_eq!(service.take_log(), [PREPARE, COMMIT, COMMIT, COMMIT]);
    assert_retired(&stage).await;
    // It says no and does it.
    service.goes_wrong("/switch", &[Wrong::DoesAndSays(500)]);
    let done = stage.run(&["-vv", "cutover", "--yes"]).expect(0);
    assert_no_secret(&stage, &done.stderr);
    assert_eq!(service.take_log(), [COMMIT]);
    assert_eq!(state(&stage), "green");
    assert_no_secret(&stage, &stage.run(&["report", "--format", "json"]).stdout);
}

#[tokio::test]
async fn a_service_that_is_gone_since_the_decision_leaves_a_doubt_that_ends_when_it_is_back() {
    let service = Service::start();
    let stage = stage(SCHEMA, &gateway(&service, "1s")).await;
    stage.ready();
    service.goes_wrong("/switch", &[Wrong::DoesAndIsLost]);
    let right = Wrong::Says(200, "{\"backend\":{\"name\":\"v1\"}}");
    // Gates, after prepare, before its commit: right; then nothing that anybody could understand.
    service.goes_wrong("/backend", &[right.clone(), right.clone(), right, Wrong::Says(200, "<html>")]);
    let doubt = stage.run(&["cutover", "--yes"]).expect(4).says("nobody can tell whether it has switched");
    doubt.says("which is no JSON").says("SELECT * FROM teal.decision");
    assert_eq!(state(&stage), "in doubt");
    service.goes_right();
    stage.run(&["cutover", "--yes"]).expect(0);
    assert_eq!(service.take_log(), [PREPARE, COMMIT], "what has switched is not switched again");
}

#[tokio::test]
async fn killed_at_any_place_of_the_cutover_a_service_ends_switched_and_never_before_the_decision() {
    let service = Service::start();
    let stage = stage(SCHEMA, &gateway(&service, "10s")).await;
    stage.ready();
    let ready = Kept::keep(&stage).await;
    for (place, decided) in [
        ("participant.prepared", false),
        ("decide.before_commit", false),
        ("decide.after_commit", true),
        ("green.opened", true),
        ("participant.committed", true),
    ] {
        service.switch_back();
        let site = ready.put_back(&place.replace('.', "_")).await;
        site.killed_at(place, &["cutover", "--yes"]).await;
        assert_eq!(service.switched(), place == "participant.committed", "at {place}");
        let commits = service.take_log().iter().filter(|request| *request == COMMIT).count();
        site.run(&["cutover", "--yes"]).expect(0);
        assert!(service.switched(), "at {place}");
        assert_eq!(site.sides().await, Sides { blue: false, green: true }, "at {place}");
        let log = service.take_log();
        let again = log.iter().filter(|request| *request == COMMIT).count();
        assert_eq!(commits + again, 1, "at {place}: {log:?}");
        assert_eq!(log.iter().any(|request| request == ABORT), !decided, "at {place}: {log:?}");
    }
}
