//! A participant of kind `http` against a service that answers, lies, hangs and is not there.

#![allow(clippy::unwrap_used)] // in the tests' own functions as well

mod support;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use serde_json::json;
use support::service::{Service, Wrong};
use teal::cutover::{AnyParticipant, Participant, Switch, open_participant};
use teal::plan::{self, Answer, Body, ParticipantKind, Request, Requests};

const SECRET: &str = "s3cret";

fn request(method: &str, base: &str, path: &str) -> Request {
    Request {
        method: method.to_owned(),
        url: format!("{base}{path}?key={SECRET}"),
        shown: format!("{base}{path}"),
        headers: vec![("Authorization".to_owned(), format!("Bearer {SECRET}"))],
        body: None,
        status: Vec::new(),
        written: Vec::new(),
    }
}

fn backend(name: &str) -> Answer {
    Answer { status: Vec::new(), json: BTreeMap::from([("/backend/name".to_owned(), json!(name))]) }
}

fn gateway_at(base: &str, timeout_ms: u64, ca: Option<PathBuf>) -> AnyParticipant {
    let requests = Requests {
        prepare: Some(request("POST", base, "/prepare")),
        commit: Request { body: Some(Body::Json(json!({ "to": "v2" }))), ..request("PUT", base, "/switch") },
        committed: request("GET", base, "/backend"),
        switched: backend("v2"),
        not_yet: backend("v1"),
        abort: Some(request("DELETE", base, "/prepare")),
        ca,
    };
    let spec = plan::Participant {
        name: "gateway".to_owned(),
        kind: ParticipantKind::Http(Box::new(requests)),
        timeout: Duration::from_millis(timeout_ms),
        group: None,
    };
    open_participant(&spec, ".".as_ref(), ".".as_ref())
}

fn gateway(service: &Service, timeout_ms: u64) -> AnyParticipant {
    gateway_at(&format!("http://{}", service.address), timeout_ms, None)
}

/// Why it can't say.
async fn doubt(participant: &AnyParticipant) -> String {
    match participant.committed().await {
        Switch::Unknown(why) => {
            assert!(!why.contains(SECRET), "{why}");
            why
        }
        answer => panic!("{answer:?}"),
    }
}

async fn refused(half: impl Future<Output = Result<(), teal::error::Failure>>) -> String {
    let failure = half.await.unwrap_err();
    assert!(!format!("{failure:?}").contains(SECRET), "{failure:?}");
    failure.what
}

#[tokio::test]
async fn each_half_is_one_request_as_the_plan_has_it() {
    let service = Service::start();
    let gateway = gateway(&service, 10_000);
    gateway.prepare().await.unwrap();
    assert_eq!(gateway.committed().await, Switch::NotYet);
    gateway.commit().await.unwrap();
    assert_eq!(gateway.committed().await, Switch::Switched);
    gateway.abort().await.unwrap();
    assert_eq!(service.take_log(), ["POST /prepare", "PUT /switch {\"to\":\"v2\"}", "DELETE /prepare"]);
    let headers = service.headers();
    assert!(headers.contains(&"/switch content-type: application/json".to_owned()), "{headers:?}");
    assert!(headers.contains(&format!("/backend authorization: Bearer {SECRET}")), "{headers:?}");
    assert!(!format!("{gateway:?}").contains(SECRET));
}

#[tokio::test]
async fn whatever_is_no_success_fails_and_nothing_is_sent_twice_or_followed() {
    let service = Service::start();
    let patient = gateway(&service, 10_000);
    for (wrong, why) in [
        (Wrong::Says(500, "trouble"), "answered 500 Internal Server Error"),
        (Wrong::Says(404, ""), "answered 404 Not Found"),
        (Wrong::Redirects, "answered 307 Temporary Redirect, a redirect, which is not followed"),
        (Wrong::DoesAndIsLost, "connection closed before message completed"),
        (Wrong::Floods, "its answer is longer than 1 MB"),
    ] {
        service.goes_wrong("/prepare", &[wrong]);
        let what = refused(patient.prepare()).await;
        assert_eq!(
            what,
            format!("prepare: POST http://{}/prepare{}", service.address, what.rsplit("/prepare").next().unwrap())
        );
        assert!(what.ends_with(why), "{what}");
    }
    let hurried = gateway(&service, 300);
    for wrong in [Wrong::Hangs, Wrong::Trickles] {
        service.goes_wrong("/prepare", &[wrong]);
        let what = refused(hurried.prepare()).await;
        assert!(what.ends_with("no whole answer within 0.3 s"), "{what}");
    }
    assert_eq!(service.take_log(), ["POST /prepare"; 7]);
    assert!(!service.switched());
}

#[tokio::test]
async fn what_is_neither_yes_nor_no_is_a_doubt() {
    let service = Service::start();
    let gateway = gateway(&service, 600);
    for (wrong, why) in [
        (
            Wrong::Says(200, "{\"backend\":{\"name\":\"v3\"}}"),
            "answered 200 OK with \"v3\" at \"/backend/name\": neither",
        ),
        (Wrong::Says(200, "{\"backend\":\"v2\"}"), "answered 200 OK with nothing at \"/backend/name\": neither"),
        (Wrong::Says(200, "v2"), "answered 200 OK, which is no JSON: neither"),
        (Wrong::Says(500, "{\"backend\":{\"name\":\"v2\"}}"), "answered 500 Internal Server Error with \"v2\""),
        (Wrong::Says(401, ""), "answered 401 Unauthorized, which is no JSON"),
        (Wrong::Redirects, "a redirect, which is not followed"),
        (Wrong::Hangs, "no whole answer within 0.6 s"),
        (Wrong::Trickles, "no whole answer within 0.6 s"),
        (Wrong::Floods, "longer than 1 MB"),
    ] {
        service.goes_wrong("/backend", std::slice::from_ref(&wrong));
        let said = doubt(&gateway).await;
        assert!(said.contains(why), "{wrong:?}: {said}");
    }
    let address = service.address;
    drop(service);
    let said = doubt(&gateway_at(&format!("http://{address}"), 300, None)).await;
    assert!(said.contains("can't connect: ") && said.contains("refused"), "{said}");
}

#[tokio::test]
async fn a_moment_of_trouble_is_asked_again_and_is_no_doubt() {
    let service = Service::start();
    let gateway = gateway(&service, 30_000);
    service.goes_wrong("/switch", &[Wrong::DoesAndIsLost]);
    refused(gateway.commit()).await;
    let right = Wrong::Says(200, "{\"backend\":{\"name\":\"v2\"}}");
    let starting = Wrong::Says(200, "{\"backend\":{\"name\":\"starting\"}}");
    service.goes_wrong("/backend", &[Wrong::Says(503, ""), Wrong::DoesAndIsLost, starting, right]);
    assert_eq!(gateway.committed().await, Switch::Switched);
}

#[tokio::test]
async fn a_certificate_is_verified_against_the_machines_authorities_or_the_plans_own() {
    let folder = tempfile::tempdir().unwrap();
    let (service, authority) = Service::start_tls(&["localhost"]);
    let ca = folder.path().join("ca.pem");
    std::fs::write(&ca, authority).unwrap();
    let at = |host: &str| format!("https://{host}:{}", service.address.port());

    let trusted = gateway_at(&at("localhost"), 10_000, Some(ca.clone()));
    trusted.commit().await.unwrap();
    assert_eq!(trusted.committed().await, Switch::Switched);

    let unknown = gateway_at(&at("localhost"), 2000, None);
    assert!(refused(unknown.commit()).await.contains("invalid peer certificate: UnknownIssuer"));
    let another_name = gateway_at(&at("127.0.0.1"), 2000, Some(ca.clone()));
    let said = refused(another_name.commit()).await;
    assert!(said.contains("certificate not valid for name"), "{said}");
    let (_other, others) = Service::start_tls(&["localhost"]);
    std::fs::write(&ca, others).unwrap();
    let said = refused(gateway_at(&at("localhost"), 2000, Some(ca.clone())).commit()).await;
    assert!(said.contains("invalid peer certificate"), "{said}");
    std::fs::write(&ca, "nothing").unwrap();
    let said = refused(gateway_at(&at("localhost"), 2000, Some(ca)).commit()).await;
    assert!(said.contains("no certificate in it"), "{said}");
}
