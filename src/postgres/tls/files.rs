//! The files of TLS: roots, revocation lists, our own certificate and its key.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use rustls::RootCertStore;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, CertificateRevocationListDer, PrivateKeyDer};

use super::{Mode, Roots, Wish};

/// The file of roots that this machine trusts: OpenSSL's, or what `SSL_CERT_FILE` names.
pub(in crate::postgres) fn system_roots() -> Option<PathBuf> {
    openssl_probe::probe().cert_file
}

/// Whom to trust, with the file's name; none where nobody is named and nobody needs to be.
pub(super) fn roots(wish: &Wish) -> Result<Option<(RootCertStore, PathBuf)>, String> {
    let demanded = wish.mode >= Mode::VerifyCa;
    let file = match &wish.roots {
        Roots::System => {
            system_roots().ok_or("this machine has no file of trusted certificates (package ca-certificates)")?
        }
        Roots::Named(file) => file.clone(),
        Roots::InHome(Some(file)) if file.exists() => file.clone(),
        Roots::InHome(_) if !demanded => return Ok(None),
        Roots::InHome(file) => {
            let file = file.as_ref().map_or_else(|| "~/.postgresql/root.crt".into(), |file| file.display().to_string());
            return Err(format!("sslmode={} needs the root certificate, and {file} is not there", wish.mode.word()));
        }
    };
    let what = format!("root certificate {}", file.display());
    let mut store = RootCertStore::empty();
    let (good, _) = store.add_parsable_certificates(certificates(&file, &what)?);
    if good == 0 {
        return Err(format!("{what}: no certificate in it can be read"));
    }
    Ok(Some((store, file)))
}

/// All certificates of a PEM file; at least one.
pub(super) fn certificates(file: &Path, what: &str) -> Result<Vec<CertificateDer<'static>>, String> {
    let wrong = |e: rustls::pki_types::pem::Error| format!("{what}: {}", pem_words(&e));
    let read: Vec<_> = CertificateDer::pem_file_iter(file).map_err(wrong)?.collect::<Result<_, _>>().map_err(wrong)?;
    if read.is_empty() { Err(format!("{what}: holds no PEM certificate")) } else { Ok(read) }
}

/// The list of revoked certificates, where there is one.
pub(super) fn revoked(wish: &Wish) -> Result<Vec<CertificateRevocationListDer<'static>>, String> {
    let Some((file, named)) = &wish.revoked else { return Ok(Vec::new()) };
    if !named && !file.exists() {
        return Ok(Vec::new());
    }
    // libpq goes on without a list that it can't read. Who names one wants it looked at.
    let wrong = |e: rustls::pki_types::pem::Error| format!("revocation list {}: {}", file.display(), pem_words(&e));
    let read: Vec<_> =
        CertificateRevocationListDer::pem_file_iter(file).map_err(wrong)?.collect::<Result<_, _>>().map_err(wrong)?;
    if read.is_empty() { Err(format!("revocation list {}: holds none in PEM", file.display())) } else { Ok(read) }
}

/// Our certificate with what leads from it to a root, its key, and the certificate's file.
type Identity = (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>, PathBuf);

/// Who we are; none where there is no certificate.
pub(super) fn identity(wish: &Wish) -> Result<Option<Identity>, String> {
    let [certificate_in_home, key_in_home] = &wish.in_home;
    let certificate = match (&wish.certificate, certificate_in_home) {
        // libpq goes on without one that is named and not there, and fails at the server with less of a reason.
        (Some(named), _) => named,
        (None, Some(file)) if file.exists() => file,
        _ => return Ok(None),
    };
    let chain = certificates(certificate, &format!("client certificate {}", certificate.display()))?;
    let Some(key) = wish.key.as_ref().or(key_in_home.as_ref()) else {
        return Err(format!("client certificate {} has no key: name it with sslkey", certificate.display()));
    };
    Ok(Some((chain, private_key(key)?, certificate.clone())))
}

/// A key that only its owner may read; one of root's also its group (`initialize_SSL` in fe-secure-openssl.c).
fn private_key(file: &Path) -> Result<PrivateKeyDer<'static>, String> {
    let what = format!("private key {}", file.display());
    let facts = std::fs::metadata(file).map_err(|e| format!("{what}: {e}"))?;
    if !facts.is_file() {
        return Err(format!("{what}: is no regular file"));
    }
    let others = if facts.uid() == 0 { 0o037 } else { 0o077 };
    if facts.mode() & others != 0 {
        return Err(format!("{what}: group or others have access; chmod 0600 (or 0640 where root owns it) mends that"));
    }
    match PrivateKeyDer::from_pem_file(file) {
        Ok(key) => Ok(key),
        Err(e) => of_der(file).ok_or_else(|| {
            let encrypted = std::fs::read_to_string(file).is_ok_and(|text| text.contains("ENCRYPTED"));
            let decrypt = "it has a passphrase, which can't be asked for; decrypt it: openssl pkey";
            format!("{what}: {}", if encrypted { decrypt.to_owned() } else { pem_words(&e) })
        }),
    }
}

/// libpq takes keys in DER too.
fn of_der(file: &Path) -> Option<PrivateKeyDer<'static>> {
    PrivateKeyDer::try_from(std::fs::read(file).ok()?).ok()
}

fn pem_words(e: &rustls::pki_types::pem::Error) -> String {
    match e {
        rustls::pki_types::pem::Error::Io(e) => e.to_string(),
        rustls::pki_types::pem::Error::NoItemsFound => "holds none in PEM".to_owned(),
        e => e.to_string(),
    }
}
