//! What of a server's certificate is checked: nothing, that it leads to a trusted root, or that it is the host's as well.
//! That the server has the certificate's key is always checked.

use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{CertificateError, DigitallySignedStruct, Error, SignatureScheme};

use super::{Mode, Version, Wish, Witness, certificate, files};

/// What is checked, ready to be.
#[derive(Debug, Clone)]
pub(super) enum Checks {
    /// Nothing: encryption against who only listens.
    Nothing,
    /// The chain, and with `name` the host's name.
    Chain { verifier: Arc<WebPkiServerVerifier>, trusted: Arc<[CertificateDer<'static>]>, name: bool },
}

impl Checks {
    /// As `sslmode` and the files say. With a root certificate at hand the chain is checked even where nobody asked for it,
    /// as libpq does ("for backward compatibility", says its manual of `require`).
    pub(super) fn read(wish: &Wish, provider: &Arc<CryptoProvider>) -> Result<Self, String> {
        let Some((store, file)) = files::roots(wish)? else { return Ok(Self::Nothing) };
        let revoked = files::revoked(wish)?;
        // With a revocation list a certificate is not trusted for its own sake: the list must be asked.
        let trusted = if revoked.is_empty() { files::certificates(&file, "root certificate")? } else { Vec::new() };
        let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(store), Arc::clone(provider))
            .with_crls(revoked)
            .build()
            .map_err(|e| format!("root certificate {}: {e}", file.display()))?;
        Ok(Self::Chain { verifier, trusted: trusted.into(), name: wish.mode == Mode::VerifyFull })
    }

    pub(super) fn word(&self) -> &'static str {
        match self {
            Self::Nothing => "certificate not checked",
            Self::Chain { name: false, .. } => "verify-ca",
            Self::Chain { name: true, .. } => "verify-full",
        }
    }

    pub(super) fn verifier(&self, provider: &Arc<CryptoProvider>, witness: Witness) -> Verifier {
        Verifier { checks: self.clone(), provider: Arc::clone(provider), witness }
    }

    fn certificate(
        &self,
        certificate: &CertificateDer<'_>,
        others: &[CertificateDer<'_>],
        host: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<(), Error> {
        let Self::Chain { verifier, trusted, name } = self else { return Ok(()) };
        // A self-signed server certificate that is itself the root file: what Postgres' manual tells to make first.
        // webpki refuses it for being an authority's; OpenSSL takes it.
        if trusted.iter().any(|root| root == certificate) {
            certificate::in_its_time(certificate, now)?;
            return if *name { certificate::is_for(certificate, host) } else { Ok(()) };
        }
        match verifier.verify_server_cert(certificate, others, host, ocsp, now) {
            Ok(_) => Ok(()),
            // The chain was checked before the name, and was good.
            Err(Error::InvalidCertificate(
                CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
            )) => {
                if *name {
                    certificate::is_for(certificate, host)
                } else {
                    Ok(())
                }
            }
            Err(e) => Err(e),
        }
    }
}

/// [`Checks`] for one connection.
#[derive(Debug)]
pub(super) struct Verifier {
    checks: Checks,
    provider: Arc<CryptoProvider>,
    witness: Witness,
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        others: &[CertificateDer<'_>],
        host: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        self.checks.certificate(certificate, others, host, ocsp, now)?;
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.witness.saw(Version::V12);
        let algorithms = &self.provider.signature_verification_algorithms;
        rustls::crypto::verify_tls12_signature(message, certificate, signed, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.witness.saw(Version::V13);
        let algorithms = &self.provider.signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, certificate, signed, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
