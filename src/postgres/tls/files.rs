//! The files of TLS: roots, revocation lists, our own certificate and its key.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use rustls::RootCertStore;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, CertificateRevocationListDer, PrivateKeyDer};

use super::{Mode, OwnCertificate, Passphrase, Roots, Wish};

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

/// The lists of revoked certificates that there are.
pub(super) fn revoked(wish: &Wish) -> Result<Vec<CertificateRevocationListDer<'static>>, String> {
    let mut lists = match &wish.revoked {
        Some((file, named)) if *named || file.exists() => lists(file)?,
        _ => Vec::new(),
    };
    if let Some(folder) = &wish.revoked_in {
        let hashed = hashed(folder).map_err(|e| format!("folder of revocation lists {}: {e}", folder.display()))?;
        if hashed.is_empty() {
            return Err(format!(
                "folder of revocation lists {}: holds none by its hash; openssl rehash makes the names",
                folder.display()
            ));
        }
        for file in hashed {
            lists.extend(self::lists(&file)?);
        }
    }
    Ok(lists)
}

/// The files that OpenSSL would look into: the hash of an issuer's name, and `.r0`, `.r1`, …
fn hashed(folder: &Path) -> std::io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        let name = path.file_name().and_then(|name| name.to_str()).and_then(|name| name.split_once(".r"));
        let is_one = |(hash, number): (&str, &str)| {
            hash.len() == 8
                && hash.bytes().all(|b| b.is_ascii_hexdigit())
                && !number.is_empty()
                && number.bytes().all(|b| b.is_ascii_digit())
        };
        found.extend(name.is_some_and(is_one).then_some(path));
    }
    found.sort();
    Ok(found)
}

fn lists(file: &Path) -> Result<Vec<CertificateRevocationListDer<'static>>, String> {
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
    if wish.own == OwnCertificate::Disable {
        return Ok(None);
    }
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
    Ok(Some((chain, private_key(key, wish.passphrase.as_ref())?, certificate.clone())))
}

/// A key that only its owner may read; one of root's also its group (`initialize_SSL` in fe-secure-openssl.c).
fn private_key(file: &Path, passphrase: Option<&Passphrase>) -> Result<PrivateKeyDer<'static>, String> {
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
        Err(e) => match std::fs::read_to_string(file) {
            Ok(text) if text.contains("ENCRYPTED") => decrypted(&text, passphrase).map_err(|e| format!("{what}: {e}")),
            _ => of_der(file).ok_or_else(|| format!("{what}: {}", pem_words(&e))),
        },
    }
}

/// A key with a passphrase, in PKCS#8 as OpenSSL writes it since version 1.1.
fn decrypted(pem: &str, passphrase: Option<&Passphrase>) -> Result<PrivateKeyDer<'static>, String> {
    let Some(passphrase) = passphrase else {
        return Err("it has a passphrase, and there is none: sslpassword in the URL or the service".to_owned());
    };
    if !pem.contains("BEGIN ENCRYPTED PRIVATE KEY") {
        return Err(
            "encrypted in OpenSSL's old form; bring it into PKCS#8: openssl pkcs8 -topk8 -v2 aes-256-cbc".to_owned()
        );
    }
    let wrong = || "sslpassword is not its passphrase".to_owned();
    let unknown = "an encryption that is not known here; encrypt it by: openssl pkcs8 -topk8 -v2 aes-256-cbc";
    let (_, document) = pkcs8::der::SecretDocument::from_pem(pem).map_err(|e| e.to_string())?;
    let sealed = pkcs8::EncryptedPrivateKeyInfo::try_from(document.as_bytes()).map_err(|_| unknown.to_owned())?;
    let key = sealed.decrypt(passphrase.reveal()).map_err(|e| {
        use pkcs8::pkcs5::Error as E;
        match e {
            // A wrong one shows in the padding (which the crate calls a failed encryption), or in what comes out.
            pkcs8::Error::EncryptedPrivateKey(E::DecryptFailed | E::EncryptFailed) | pkcs8::Error::Asn1(_) => wrong(),
            _ => unknown.to_owned(),
        }
    })?;
    PrivateKeyDer::try_from(key.as_bytes().to_vec()).map_err(|_| wrong())
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
