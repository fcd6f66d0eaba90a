//! What a participant of kind `http` sends, and what its answers mean.

use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;
use std::path::PathBuf;

use serde_json::Value;

/// All that a participant of kind `http` is made of.
#[derive(Debug, Clone, PartialEq)]
pub struct Requests {
    /// The harmless half, before the fence.
    pub prepare: Option<Request>,
    /// The switch.
    pub commit: Request,
    /// Asks whether it has switched.
    pub committed: Request,
    /// The answer that means yes.
    pub switched: Answer,
    /// The answer that means no; any other is a doubt.
    pub not_yet: Answer,
    /// Undoes prepare, before decide.
    pub abort: Option<Request>,
    /// The one authority whose certificates are believed; none: those that this machine trusts.
    pub ca: Option<PathBuf>,
}

/// One HTTP request. Its address, headers and body may hold secrets: only `shown` is ever shown.
#[derive(Clone, PartialEq)]
pub struct Request {
    /// `POST`.
    pub method: String,
    /// The whole of it, `http` or `https`.
    pub url: String,
    /// For people: `https://gateway:8443/switch`; no user, no query, no path that comes from a variable.
    pub shown: String,
    /// Names and values, both well-formed.
    pub headers: Vec<(String, String)>,
    /// What is sent.
    pub body: Option<Body>,
    /// The answers that mean success; empty: any 2xx.
    pub status: Vec<u16>,
    /// What decides its effect, as the plan has it: variables not expanded, header names without their values.
    pub written: Vec<String>,
}

/// The body of a request.
#[derive(Clone, PartialEq)]
pub enum Body {
    /// As it is; its type, if it has one, stands in the headers.
    Text(String),
    /// Sent as `application/json`.
    Json(Value),
}

/// An answer with a meaning: everything in it must hold.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    /// One of these; empty: any 2xx.
    pub status: Vec<u16>,
    /// What the answer's JSON has at each pointer (RFC 6901).
    pub json: BTreeMap<String, Value>,
}

impl Requests {
    /// All of them.
    pub fn all(&self) -> impl Iterator<Item = &Request> {
        let Self { prepare, commit, committed, abort, .. } = self;
        prepare.iter().chain([commit, committed]).chain(abort)
    }
}

impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Request({self})")
    }
}

impl fmt::Display for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.method, self.shown)
    }
}

impl Request {
    /// Whether anybody on the way can read it and change the answer: not encrypted, and not to this machine.
    pub fn is_open(&self) -> bool {
        let Ok(url) = reqwest::Url::parse(&self.url) else { return true };
        let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
        let here = host == "localhost" || host.parse().is_ok_and(|address: IpAddr| address.is_loopback());
        url.scheme() == "http" && !here
    }
}

impl Answer {
    /// Whether an answer is this one; `body` is its JSON, if it is any.
    pub fn is(&self, status: u16, body: Option<&Value>) -> bool {
        let right_status =
            if self.status.is_empty() { (200..300).contains(&status) } else { self.status.contains(&status) };
        let found = |pointer: &str| body.and_then(|body| body.pointer(pointer));
        right_status && self.json.iter().all(|(pointer, value)| found(pointer) == Some(value))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn an_answer_is_meant_when_its_status_and_every_pointer_agree() {
        let at = |status: &[u16], pointers: &[(&str, Value)]| Answer {
            status: status.to_vec(),
            json: pointers.iter().map(|(pointer, value)| ((*pointer).to_owned(), value.clone())).collect(),
        };
        let body = json!({ "backend": { "name": "v2", "weight": 100 }, "a/b": true });
        let two = at(&[], &[("/backend/name", json!("v2")), ("/backend/weight", json!(100)), ("/a~1b", json!(true))]);
        assert!(two.is(200, Some(&body)) && two.is(204, Some(&body)));
        assert!(!two.is(500, Some(&body)) && !two.is(200, None) && !two.is(200, Some(&json!([]))));
        assert!(!at(&[], &[("/backend/weight", json!("100"))]).is(200, Some(&body)), "a text is no number");
        assert!(at(&[404, 410], &[]).is(410, None) && !at(&[404, 410], &[]).is(200, None));
    }
}
