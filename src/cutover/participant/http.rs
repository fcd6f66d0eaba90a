//! A participant that is asked over HTTP: a gateway, a flag service, an application's own switch.

use std::error::Error;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBuilder};
use reqwest::{Client, Method, Response, redirect, retry};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};
use serde_json::Value;

use super::{Participant, Switch};
use crate::error::{Context, Failure};
use crate::plan::{Answer, Body, Request, Requests};

/// The most of an answer that is read, in bytes.
const LONGEST_ANSWER: usize = 1 << 20;
/// How much of a value in an answer is shown, in characters.
const SHOWN: usize = 60;

/// The requests. Only `committed` decides whether the switch has happened: an answer to `commit` that is lost says nothing.
#[derive(Debug)]
pub struct Http {
    /// How long each may take, to the end of its answer; for `committed`, with all its repetitions.
    pub timeout: Duration,
    /// What is sent, and what the answers mean.
    pub requests: Box<Requests>,
}

/// What came of asking once.
enum Asked {
    Switched,
    NotYet,
    /// Neither: whether another moment may say more, and why.
    Unclear(bool, String),
}

impl Http {
    /// Sends a request once. An answer is what the plan asks of exactly this address: nothing is followed, tried again, sent
    /// through a proxy of the environment, or over a connection that an earlier request left.
    async fn send(&self, request: &Request) -> Result<Response, Failure> {
        let client = Client::builder()
            .tls_backend_preconfigured(tls(request, self.requests.ca.as_deref())?)
            .redirect(redirect::Policy::none())
            .retry(retry::never())
            .no_proxy()
            .referer(false)
            .pool_max_idle_per_host(0)
            .http1_only()
            .user_agent(concat!("teal/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(|e| failed(request, e))?;
        let method: Method = request.method.parse().map_err(|_| Failure::failed("no HTTP method"))?;
        let mut sent = client.request(method, request.url.as_str());
        sent = match &request.body {
            None => sent,
            Some(Body::Text(text)) => sent.body(text.clone()),
            Some(Body::Json(json)) => sent.header("content-type", "application/json").body(json.to_string()),
        };
        for (name, value) in &request.headers {
            sent = sent.header(name, value);
        }
        tracing::info!(%request, "sent");
        sent.send().await.map_err(|e| failed(request, e))
    }

    /// A request whose answer must be one that means success.
    async fn succeed(&self, what: &str, request: Option<&Request>) -> Result<(), Failure> {
        let Some(request) = request else { return Ok(()) };
        let answered = tokio::time::timeout(self.timeout, async {
            let response = self.send(request).await?;
            let status = response.status().as_u16();
            // Its body says nothing that counts, but a service may still be at work until it has sent it.
            read(request, response).await?;
            Ok(status)
        });
        let status = answered.await.unwrap_or_else(|_| Err(self.too_late(request))).context(what)?;
        let wanted = Answer { status: request.status.clone(), json: [].into() };
        if wanted.is(status, None) {
            return Ok(());
        }
        Err(Failure::failed(format!("{what}: {request} answered {}", shown_status(status))))
    }

    async fn ask(&self) -> Asked {
        let request = &self.requests.committed;
        let response = match self.send(request).await {
            Ok(response) => response,
            Err(e) => return Asked::Unclear(true, e.what),
        };
        let status = response.status().as_u16();
        let body = match read(request, response).await {
            Ok(body) => body,
            Err(e) => return Asked::Unclear(true, e.what),
        };
        let json: Option<Value> = serde_json::from_slice(&body).ok();
        match (self.requests.switched.is(status, json.as_ref()), self.requests.not_yet.is(status, json.as_ref())) {
            (true, false) => Asked::Switched,
            (false, true) => Asked::NotYet,
            (true, true) => {
                let why = format!("{request} answered what is `switched` and `not_yet` at once");
                Asked::Unclear(false, why)
            }
            (false, false) => {
                // A service on its way, or one that is overloaded, may say more in a moment; one that refuses won't.
                let again = (200..300).contains(&status) || status == 429 || status >= 500;
                let found = self.found(json.as_ref());
                let why =
                    format!("{request} answered {}{found}: neither `switched` nor `not_yet`", shown_status(status));
                Asked::Unclear(again, why)
            }
        }
    }

    /// What an answer has where the plan looks.
    fn found(&self, json: Option<&Value>) -> String {
        let pointers = self.requests.switched.json.keys().chain(self.requests.not_yet.json.keys());
        let mut pointers: Vec<&String> = pointers.collect();
        pointers.sort();
        pointers.dedup();
        let Some(json) = json else {
            return if pointers.is_empty() { String::new() } else { ", which is no JSON".to_owned() };
        };
        let one = |pointer: &String| match json.pointer(pointer) {
            Some(value) => format!("{} at {pointer:?}", value.to_string().chars().take(SHOWN).collect::<String>()),
            None => format!("nothing at {pointer:?}"),
        };
        let all: Vec<String> = pointers.into_iter().map(one).collect();
        if all.is_empty() { String::new() } else { format!(" with {}", all.join(", ")) }
    }

    fn too_late(&self, request: &Request) -> Failure {
        Failure::failed(format!("{request}: no whole answer within {} s", self.timeout.as_secs_f64()))
    }
}

impl Participant for Http {
    async fn prepare(&self) -> Result<(), Failure> {
        self.succeed("prepare", self.requests.prepare.as_ref()).await
    }

    async fn commit(&self) -> Result<(), Failure> {
        self.succeed("commit", Some(&self.requests.commit)).await
    }

    /// Asked as often as its timeout allows while nothing clear comes back: a doubt after the decision calls for a person.
    async fn committed(&self) -> Switch {
        let until = tokio::time::Instant::now() + self.timeout;
        let mut last = self.too_late(&self.requests.committed).what;
        let mut waits = ExponentialBuilder::new()
            .with_min_delay(Duration::from_millis(100))
            .with_max_delay(Duration::from_secs(2))
            .without_max_times()
            .with_jitter()
            .build();
        loop {
            match tokio::time::timeout_at(until, self.ask()).await {
                Ok(Asked::Switched) => return Switch::Switched,
                Ok(Asked::NotYet) => return Switch::NotYet,
                Ok(Asked::Unclear(false, why)) => return Switch::Unknown(why),
                Ok(Asked::Unclear(true, why)) => last = why,
                Err(_) => return Switch::Unknown(last),
            }
            let wait = waits.next().unwrap_or_default();
            if tokio::time::Instant::now() + wait >= until {
                return Switch::Unknown(last);
            }
            tokio::time::sleep(wait).await;
        }
    }

    async fn abort(&self) -> Result<(), Failure> {
        self.succeed("abort", self.requests.abort.as_ref()).await
    }
}

/// The whole of an answer, as long as it is not too long.
async fn read(request: &Request, mut response: Response) -> Result<Vec<u8>, Failure> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|e| failed(request, e))? {
        if body.len() + chunk.len() > LONGEST_ANSWER {
            return Err(Failure::failed(format!("{request}: its answer is longer than 1 MB")));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

/// Certificates are always verified. The cryptography is named here: no default of the process decides.
fn tls(request: &Request, ca: Option<&Path>) -> Result<ClientConfig, Failure> {
    let mut roots = RootCertStore::empty();
    if request.url.starts_with("https:") {
        match ca {
            Some(path) => {
                let read = |e: rustls::pki_types::pem::Error| Failure::failed(format!("ca {}: {e}", path.display()));
                for certificate in CertificateDer::pem_file_iter(path).map_err(read)? {
                    roots.add(certificate.map_err(read)?).map_err(|e| Failure::failed(e.to_string()))?;
                }
                if roots.is_empty() {
                    return Err(Failure::failed(format!("ca {}: no certificate in it", path.display())));
                }
            }
            None => {
                roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
            }
        }
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let config = config.map_err(|e| Failure::failed(e.to_string()))?;
    Ok(config.with_root_certificates(roots).with_no_client_auth())
}

/// The innermost reason, without the URL, which may hold secrets.
fn failed(request: &Request, e: reqwest::Error) -> Failure {
    let connecting = e.is_connect();
    let e = e.without_url();
    let mut reason: &dyn Error = &e;
    while let Some(source) = reason.source() {
        reason = source;
    }
    let reason = if connecting { format!("can't connect: {reason}") } else { reason.to_string() };
    Failure::failed(format!("{request}: {reason}"))
}

/// `302 Found, a redirect, which is not followed`.
fn shown_status(status: u16) -> String {
    let known = reqwest::StatusCode::from_u16(status).ok().and_then(|status| status.canonical_reason());
    let redirect = if (300..400).contains(&status) { ", a redirect, which is not followed" } else { "" };
    format!("{status} {}{redirect}", known.unwrap_or_default()).replace(" ,", ",").trim_end().to_owned()
}
