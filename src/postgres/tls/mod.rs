//! TLS as libpq means it: which server is trusted, who we are, which versions are spoken.

mod certificate;
mod files;
mod own;
mod verify;

use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

use rustls::ClientConfig;
use rustls::client::Resumption;
use rustls::crypto::CryptoProvider;
use rustls::version::{TLS12, TLS13};
use tokio_postgres_rustls::MakeRustlsConnect;

pub(super) use files::system_roots;
pub(super) use own::{OwnCertificate, Passphrase};
use verify::{Checks, Verifier};

/// `sslmode`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Mode {
    /// No TLS.
    Disable,
    /// TLS only where the server refuses a session without.
    Allow,
    /// TLS where the server has it.
    Prefer,
    /// TLS; the certificate is checked where a file of roots is there.
    Require,
    /// And the certificate leads to a root that is trusted.
    VerifyCa,
    /// And it is for the host's name.
    VerifyFull,
}

impl Mode {
    pub(super) const WORDS: [(&str, Self); 6] = [
        ("disable", Self::Disable),
        ("allow", Self::Allow),
        ("prefer", Self::Prefer),
        ("require", Self::Require),
        ("verify-ca", Self::VerifyCa),
        ("verify-full", Self::VerifyFull),
    ];

    /// As libpq writes it.
    pub(super) fn word(self) -> &'static str {
        Self::WORDS.iter().find(|(_, mode)| *mode == self).map_or("prefer", |(word, _)| word)
    }
}

/// Whom to trust.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Roots {
    /// `sslrootcert=system`: whom this machine trusts.
    System,
    /// A file that somebody named: it must be there.
    Named(PathBuf),
    /// `~/.postgresql/root.crt`, where it is there.
    InHome(Option<PathBuf>),
}

/// A version of TLS. Older ones are not spoken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Version {
    V12,
    V13,
}

impl Version {
    /// As libpq writes it.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::V12 => "TLSv1.2",
            Self::V13 => "TLSv1.3",
        }
    }
}

/// What a connection asks of TLS.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Wish {
    pub(super) mode: Mode,
    pub(super) roots: Roots,
    /// `sslcert`.
    pub(super) certificate: Option<PathBuf>,
    /// `sslkey`.
    pub(super) key: Option<PathBuf>,
    /// `sslpassword`.
    pub(super) passphrase: Option<Passphrase>,
    /// `sslcertmode`.
    pub(super) own: OwnCertificate,
    /// Certificate and key where none are named.
    pub(super) in_home: [Option<PathBuf>; 2],
    /// The list of revoked certificates, and whether it must be there.
    pub(super) revoked: Option<(PathBuf, bool)>,
    /// `sslcrldir`: more of them.
    pub(super) revoked_in: Option<PathBuf>,
    pub(super) least: Version,
    pub(super) most: Version,
    /// Whether the server is told which name it is called by (SNI).
    pub(super) says_name: bool,
}

/// TLS made ready from its files.
#[derive(Debug, Clone)]
pub(super) struct Tls {
    config: Arc<ClientConfig>,
    checks: Checks,
    provider: Arc<CryptoProvider>,
}

impl Tls {
    /// Reads the files. Fails with words for people where one is wrong or missing.
    pub(super) fn prepare(wish: &Wish) -> Result<Self, String> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let checks = Checks::read(wish, &provider)?;
        let spoken: &[_] = match (wish.least, wish.most) {
            (Version::V12, Version::V12) => &[&TLS12],
            (Version::V12, Version::V13) => &[&TLS13, &TLS12],
            (Version::V13, _) => &[&TLS13],
        };
        let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_protocol_versions(spoken)
            .map_err(|e| format!("TLS: {e}"))?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(checks.verifier(&provider, Witness::default())));
        let mut config = match files::identity(wish)? {
            None => builder.with_no_client_auth(),
            Some((chain, key, file)) => builder
                .with_client_auth_cert(chain, key)
                .map_err(|e| format!("client certificate {}: {}", file.display(), certificate::words(&e, "")))?,
        };
        config.enable_sni = wish.says_name;
        // A resumed session would not check the certificate again.
        config.resumption = Resumption::disabled();
        Ok(Self { config: Arc::new(config), checks, provider })
    }

    /// For one connection, which tells `witness` what came of it.
    pub(super) fn connector(&self, witness: &Witness) -> MakeRustlsConnect {
        let mut config = ClientConfig::clone(&self.config);
        let verifier: Verifier = self.checks.verifier(&self.provider, witness.clone());
        config.dangerous().set_certificate_verifier(Arc::new(verifier));
        config.client_auth_cert_resolver =
            Arc::new(own::Asked { of: Arc::clone(&self.config.client_auth_cert_resolver), witness: witness.clone() });
        MakeRustlsConnect::new(config)
    }

    /// What is really checked of a certificate.
    pub(super) fn checked(&self) -> &'static str {
        self.checks.word()
    }
}

/// Sees what `tokio_postgres` does not say: which version a handshake came to, and whether the server asked for a
/// certificate and got one.
#[derive(Debug, Clone, Default)]
pub(super) struct Witness(Arc<Seen>);

#[derive(Debug, Default)]
struct Seen {
    version: OnceLock<Version>,
    sent: OnceLock<bool>,
}

impl Witness {
    fn saw(&self, version: Version) {
        let _ = self.0.version.set(version);
    }

    fn was_asked(&self, sent: bool) {
        let _ = self.0.sent.set(sent);
    }

    /// Whether our certificate was sent; none where the server did not ask for one.
    pub(super) fn sent(&self) -> Option<bool> {
        self.0.sent.get().copied()
    }

    /// The version; none where there was no TLS, or it did not come so far.
    pub(super) fn version(&self) -> Option<Version> {
        self.0.version.get().copied()
    }
}

/// How a session is protected on its way: `TLSv1.3, verify-full`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protection {
    /// A socket of this machine: there is no way to protect.
    Socket,
    /// Nothing is encrypted.
    Plain,
    /// TLS of this version, and what was checked of the server's certificate: `verify-full`, `verify-ca`, or nothing.
    Tls {
        /// `TLSv1.3`.
        version: &'static str,
        /// `verify-full`, `verify-ca`, `certificate not checked`.
        checked: &'static str,
    },
}

impl fmt::Display for Protection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Socket => f.write_str("local socket"),
            Self::Plain => f.write_str("no TLS"),
            Self::Tls { version, checked } => write!(f, "{version}, {checked}"),
        }
    }
}

/// What is wrong with TLS, in words for people, and what to do; none where the error is about something else.
pub(super) fn explain(error: &(dyn std::error::Error + 'static), host: &str) -> Option<(String, &'static str)> {
    let tls = find(error)?;
    Some((certificate::words(tls, host), certificate::hint(tls)))
}

/// The error of rustls somewhere below another one: it comes wrapped in one of I/O, which hides it from `source()`.
fn find<'e>(error: &'e (dyn std::error::Error + 'static)) -> Option<&'e rustls::Error> {
    if let Some(tls) = error.downcast_ref::<rustls::Error>() {
        return Some(tls);
    }
    let below = match error.downcast_ref::<std::io::Error>() {
        Some(io) => io.get_ref().map(|e| e as &(dyn std::error::Error + 'static)),
        None => error.source(),
    };
    find(below?)
}
