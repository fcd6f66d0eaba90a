//! A small HTTP service that a participant of kind `http` switches from v1 to v2: it logs what it is asked for, and does
//! wrong what a test wants it to.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};

/// What the service does instead of what it is asked for.
#[derive(Debug, Clone, PartialEq)]
pub enum Wrong {
    /// Answers so, and does nothing.
    Says(u16, &'static str),
    /// Does it, and answers so.
    DoesAndSays(u16),
    /// Does it, and closes the connection without an answer.
    DoesAndIsLost,
    /// Sends the same request elsewhere.
    Redirects,
    /// Takes the request and never answers.
    Hangs,
    /// Begins to answer and never ends.
    Trickles,
    /// Answers without end.
    Floods,
}

#[derive(Default)]
struct State {
    switched: bool,
    wrong: BTreeMap<String, Vec<Wrong>>,
    log: Vec<String>,
    headers: Vec<String>,
}

/// The service; its thread ends with it.
pub struct Service {
    pub address: SocketAddr,
    state: Arc<Mutex<State>>,
    over: Arc<AtomicBool>,
}

impl Service {
    pub fn start() -> Self {
        Self::start_with(None)
    }

    /// With a certificate for these names, signed by an authority whose certificate is given back.
    pub fn start_tls(names: &[&str]) -> (Self, String) {
        let authority_key = rcgen::KeyPair::generate().unwrap();
        let mut authority = rcgen::CertificateParams::new(Vec::new()).unwrap();
        authority.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        let certificate = authority.self_signed(&authority_key).unwrap();
        let issuer = rcgen::Issuer::new(authority, authority_key);
        let key = rcgen::KeyPair::generate().unwrap();
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let leaf = rcgen::CertificateParams::new(names).unwrap().signed_by(&key, &issuer).unwrap();
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
        let config = config.with_no_client_auth().with_single_cert(vec![leaf.der().clone()], key).unwrap();
        (Self::start_with(Some(Arc::new(config))), certificate.pem())
    }

    fn start_with(tls: Option<Arc<ServerConfig>>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (state, over) = (Arc::new(Mutex::new(State::default())), Arc::new(AtomicBool::new(false)));
        let service = Self { address, state: Arc::clone(&state), over: Arc::clone(&over) };
        thread::spawn(move || {
            for stream in listener.incoming() {
                if over.load(Ordering::SeqCst) {
                    return;
                }
                let (stream, state, tls) = (stream.unwrap(), Arc::clone(&state), tls.clone());
                thread::spawn(move || match tls {
                    None => serve(stream, &state),
                    Some(config) => serve(StreamOwned::new(ServerConnection::new(config).unwrap(), stream), &state),
                });
            }
        });
        service
    }

    /// Wrong answers to the next requests of a path, one each; the last one stays.
    pub fn goes_wrong(&self, path: &str, wrong: &[Wrong]) {
        self.state.lock().unwrap().wrong.insert(path.to_owned(), wrong.to_vec());
    }

    pub fn goes_right(&self) {
        self.state.lock().unwrap().wrong.clear();
    }

    /// As it was before.
    pub fn switch_back(&self) {
        self.state.lock().unwrap().switched = false;
    }

    pub fn switched(&self) -> bool {
        self.state.lock().unwrap().switched
    }

    /// What changed something or tried to, since the last look: `PUT /switch {"to":"v2"}`.
    pub fn take_log(&self) -> Vec<String> {
        std::mem::take(&mut self.state.lock().unwrap().log)
    }

    /// Every header that came in.
    pub fn headers(&self) -> Vec<String> {
        self.state.lock().unwrap().headers.clone()
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        self.over.store(true, Ordering::SeqCst);
        // Wakes the thread, which lets go of the port.
        let _ = TcpStream::connect(self.address);
    }
}

/// One request, then the end of the connection.
fn serve(stream: impl Read + Write, state: &Mutex<State>) {
    let mut reader = BufReader::new(stream);
    let Some((method, path, body)) = read_request(&mut reader, state) else { return };
    let mut stream = reader.into_inner();
    let wrong = {
        let mut state = state.lock().unwrap();
        if method != "GET" {
            state.log.push(format!("{method} {path} {body}").trim_end().to_owned());
        }
        let next = state.wrong.get_mut(&path);
        let wrong = next.and_then(|all| if all.len() > 1 { Some(all.remove(0)) } else { all.first().cloned() });
        let acts = matches!(wrong, None | Some(Wrong::DoesAndSays(_) | Wrong::DoesAndIsLost));
        if acts && path == "/switch" {
            state.switched = true;
        }
        wrong
    };
    let ok = "HTTP/1.1 200 OK\r\nconnection: close\r\n";
    let whole = |status: u16, body: &str| {
        format!("HTTP/1.1 {status} x\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}", body.len())
    };
    let answer = match wrong {
        None if path == "/backend" => {
            let backend = if state.lock().unwrap().switched { "v2" } else { "v1" };
            whole(200, &format!("{{\"backend\":{{\"name\":\"{backend}\"}}}}"))
        }
        None => whole(200, ""),
        Some(Wrong::Says(status, body)) => whole(status, body),
        Some(Wrong::DoesAndSays(status)) => whole(status, ""),
        Some(Wrong::DoesAndIsLost) => String::new(),
        Some(Wrong::Redirects) => {
            "HTTP/1.1 307 x\r\nlocation: /switch\r\nconnection: close\r\ncontent-length: 0\r\n\r\n".to_owned()
        }
        Some(Wrong::Hangs) => return wait_for_end(stream),
        Some(Wrong::Trickles) => {
            let _ = stream.write_all(format!("{ok}content-length: 1000\r\n\r\n{{\"backend\":").as_bytes());
            let _ = stream.flush();
            return wait_for_end(stream);
        }
        Some(Wrong::Floods) => {
            let _ = stream.write_all(format!("{ok}\r\n").as_bytes());
            while stream.write_all(&[b' '; 4096]).is_ok() {}
            return;
        }
    };
    let _ = stream.write_all(answer.as_bytes());
    let _ = stream.flush();
}

/// Holds the connection until the other side gives up.
fn wait_for_end(mut stream: impl Read) {
    let mut byte = [0];
    while matches!(stream.read(&mut byte), Ok(1)) {}
}

fn read_request(reader: &mut impl BufRead, state: &Mutex<State>) -> Option<(String, String, String)> {
    let mut line = String::new();
    reader.read_line(&mut line).ok()?;
    let mut words = line.split_whitespace();
    let (method, target) = (words.next()?.to_owned(), words.next()?.to_owned());
    let path = target.split('?').next()?.to_owned();
    let mut length = 0;
    loop {
        let mut header = String::new();
        reader.read_line(&mut header).ok()?;
        let header = header.trim_end();
        if header.is_empty() {
            break;
        }
        if let Some(bytes) = header.to_ascii_lowercase().strip_prefix("content-length:") {
            length = bytes.trim().parse().ok()?;
        }
        state.lock().unwrap().headers.push(format!("{path} {header}"));
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    Some((method, path, String::from_utf8(body).ok()?))
}
