//! Our own certificate: whether it may, must not or must be sent; and the passphrase of its key.

use std::fmt;
use std::sync::Arc;

use rustls::SignatureScheme;
use rustls::client::ResolvesClientCert;
use rustls::sign::CertifiedKey;

use super::Witness;

/// `sslcertmode`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::postgres) enum OwnCertificate {
    /// Never sent, even where there is one.
    Disable,
    /// Sent where the server asks and there is one.
    Allow,
    /// No session without.
    Require,
}

impl OwnCertificate {
    pub(in crate::postgres) const WORDS: [(&str, Self); 3] =
        [("disable", Self::Disable), ("allow", Self::Allow), ("require", Self::Require)];

    /// As libpq writes it, since version 16.
    pub(in crate::postgres) fn word(self) -> &'static str {
        Self::WORDS.iter().find(|(_, own)| *own == self).map_or("allow", |(word, _)| word)
    }
}

/// Of a private key. Never shown.
#[derive(Clone, PartialEq, Eq)]
pub(in crate::postgres) struct Passphrase(String);

impl Passphrase {
    pub(in crate::postgres) fn new(text: &str) -> Self {
        Self(text.to_owned())
    }

    pub(in crate::postgres) fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Passphrase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Passphrase")
    }
}

/// Tells the witness that a server asked.
#[derive(Debug)]
pub(super) struct Asked {
    pub(super) of: Arc<dyn ResolvesClientCert>,
    pub(super) witness: Witness,
}

impl ResolvesClientCert for Asked {
    fn resolve(&self, issuers: &[&[u8]], schemes: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        let found = self.of.resolve(issuers, schemes);
        self.witness.was_asked(found.is_some());
        found
    }

    fn has_certs(&self) -> bool {
        self.of.has_certs()
    }
}
