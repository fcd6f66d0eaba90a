//! Names and times in a certificate, and what is wrong with one in words.

use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{AlertDescription, CertificateError, Error};
use x509_cert::Certificate;
use x509_cert::der::asn1::ObjectIdentifier;
use x509_cert::der::{Decode, oid::AssociatedOid};
use x509_cert::ext::pkix::SubjectAltName;
use x509_cert::ext::pkix::name::GeneralName;

/// `commonName` of a subject.
const COMMON_NAME: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.4.3");

fn bad() -> Error {
    Error::InvalidCertificate(CertificateError::BadEncoding)
}

/// Whether it is in its time.
pub(super) fn in_its_time(certificate: &CertificateDer<'_>, now: UnixTime) -> Result<(), Error> {
    let read = Certificate::from_der(certificate).map_err(|_| bad())?;
    let validity = read.tbs_certificate.validity;
    let at = |time: x509_cert::time::Time| UnixTime::since_unix_epoch(time.to_unix_duration());
    let (not_before, not_after) = (at(validity.not_before), at(validity.not_after));
    if now < not_before {
        return Err(Error::InvalidCertificate(CertificateError::NotValidYetContext { time: now, not_before }));
    }
    if now > not_after {
        return Err(Error::InvalidCertificate(CertificateError::ExpiredContext { time: now, not_after }));
    }
    Ok(())
}

/// Whether it is for this host: by its alternative names, or, where it has none of them, by its common name, which webpki
/// does not look at and libpq does (`pgtls_verify_peer_name_matches_certificate_guts`).
pub(super) fn is_for(certificate: &CertificateDer<'_>, host: &ServerName<'_>) -> Result<(), Error> {
    let parsed = ParsedCertificate::try_from(certificate)?;
    let Err(refused) = rustls::client::verify_server_name(&parsed, host) else { return Ok(()) };
    let read = Certificate::from_der(certificate).map_err(|_| bad())?;
    let alternatives = alternative_names(&read)?;
    let wanted = host.to_str();
    let fits = match host {
        // An address may stand among the names as text.
        ServerName::IpAddress(_) if alternatives.names.iter().any(|name| *name == wanted) => true,
        ServerName::IpAddress(_) => !alternatives.any() && common_name(&read) == Some(&wanted),
        _ => alternatives.names.is_empty() && common_name(&read).is_some_and(|name| matches(name, &wanted)),
    };
    if fits {
        return Ok(());
    }
    let presented: Vec<String> = match common_name(&read) {
        Some(name) if !alternatives.any() => vec![name.to_owned()],
        _ => alternatives.names.into_iter().chain(alternatives.addresses).collect(),
    };
    match refused {
        Error::InvalidCertificate(_) => Err(Error::InvalidCertificate(CertificateError::NotValidForNameContext {
            expected: host.to_owned(),
            presented,
        })),
        other => Err(other),
    }
}

#[derive(Default)]
struct Alternatives {
    names: Vec<String>,
    addresses: Vec<String>,
}

impl Alternatives {
    fn any(&self) -> bool {
        !self.names.is_empty() || !self.addresses.is_empty()
    }
}

fn alternative_names(certificate: &Certificate) -> Result<Alternatives, Error> {
    let mut found = Alternatives::default();
    let extensions = certificate.tbs_certificate.extensions.iter().flatten();
    for extension in extensions.filter(|extension| extension.extn_id == SubjectAltName::OID) {
        let names = SubjectAltName::from_der(extension.extn_value.as_bytes()).map_err(|_| bad())?;
        for name in names.0 {
            match name {
                GeneralName::DnsName(name) => found.names.push(name.to_string()),
                GeneralName::IpAddress(bytes) => {
                    let bytes = bytes.as_bytes();
                    let v4 = <[u8; 4]>::try_from(bytes).map(std::net::IpAddr::from);
                    let address = v4.or_else(|_| <[u8; 16]>::try_from(bytes).map(std::net::IpAddr::from));
                    found.addresses.extend(address.map(|address| address.to_string()));
                }
                _ => {}
            }
        }
    }
    Ok(found)
}

fn common_name(certificate: &Certificate) -> Option<&str> {
    let parts = certificate.tbs_certificate.subject.0.iter().flat_map(|part| part.0.iter());
    let value = parts.filter(|part| part.oid == COMMON_NAME).map(|part| part.value.value()).next()?;
    // A NUL inside is how a forged name once passed for another one.
    std::str::from_utf8(value).ok().filter(|name| !name.contains('\0'))
}

/// libpq's rule for wildcards: `*.` at the beginning stands for one label.
fn matches(pattern: &str, host: &str) -> bool {
    if pattern.eq_ignore_ascii_case(host) {
        return true;
    }
    let (Some(domain), Some((label, rest))) = (pattern.strip_prefix("*."), host.split_once('.')) else { return false };
    !label.is_empty() && domain.contains('.') && domain.eq_ignore_ascii_case(rest)
}

/// What is wrong, for people.
pub(super) fn words(error: &Error, host: &str) -> String {
    use CertificateError as C;
    let date = |at: &UnixTime| {
        let at = i64::try_from(at.as_secs()).ok().and_then(|at| jiff::Timestamp::from_second(at).ok());
        at.map_or_else(String::new, |at| format!(" {}", at.strftime("%Y-%m-%d %H:%M UTC")))
    };
    match error {
        Error::InvalidCertificate(C::NotValidForNameContext { presented, .. }) if presented.is_empty() => {
            format!("the server's certificate is for no name at all, not for {host}")
        }
        Error::InvalidCertificate(C::NotValidForNameContext { presented, .. }) => {
            format!("the server's certificate is for {}, not for {host}", presented.join(", "))
        }
        Error::InvalidCertificate(C::NotValidForName) => format!("the server's certificate is not for {host}"),
        Error::InvalidCertificate(C::ExpiredContext { not_after, .. }) => {
            format!("the server's certificate expired{}", date(not_after))
        }
        Error::InvalidCertificate(C::Expired) => "the server's certificate has expired".to_owned(),
        Error::InvalidCertificate(C::NotValidYetContext { not_before, .. }) => {
            format!("the server's certificate is not valid before{}", date(not_before))
        }
        Error::InvalidCertificate(C::UnknownIssuer) => {
            "the server's certificate is signed by nobody whom the root certificate vouches for".to_owned()
        }
        Error::InvalidCertificate(C::Revoked) => "the server's certificate is revoked".to_owned(),
        Error::InvalidCertificate(C::UnknownRevocationStatus) => {
            "the revocation list says nothing of those who signed the server's certificate".to_owned()
        }
        Error::InvalidCertificate(other) => format!("the server's certificate: {other}"),
        Error::InconsistentKeys(_) => "the key is not the certificate's".to_owned(),
        Error::AlertReceived(AlertDescription::CertificateRequired) => {
            "the server wants a client certificate".to_owned()
        }
        Error::AlertReceived(alert) if is_about_us(*alert) => {
            format!("the server refuses the client certificate ({})", alert_words(*alert))
        }
        Error::AlertReceived(AlertDescription::ProtocolVersion) | Error::PeerIncompatible(_) => {
            "the server and the settings have no version or cipher of TLS in common".to_owned()
        }
        Error::AlertReceived(alert) => format!("the server ended TLS ({})", alert_words(*alert)),
        other => format!("TLS: {other}"),
    }
}

fn is_about_us(alert: AlertDescription) -> bool {
    use AlertDescription as A;
    matches!(
        alert,
        A::UnknownCA
            | A::BadCertificate
            | A::UnsupportedCertificate
            | A::CertificateRevoked
            | A::CertificateExpired
            | A::CertificateUnknown
            | A::DecryptError
    )
}

/// `UnknownCA` → `unknown ca`.
fn alert_words(alert: AlertDescription) -> String {
    let name = format!("{alert:?}").replace("CA", "Ca");
    let word = |c: char| if c.is_uppercase() { format!(" {}", c.to_lowercase()) } else { c.to_string() };
    name.chars().map(word).collect::<String>().trim().to_owned()
}

/// What to do about it.
pub(super) fn hint(error: &Error) -> &'static str {
    use CertificateError as C;
    match error {
        Error::InvalidCertificate(C::NotValidForName | C::NotValidForNameContext { .. }) => {
            "call the host by a name that is in its certificate (hostaddr says where it is), or use sslmode=verify-ca"
        }
        Error::InvalidCertificate(C::Expired | C::ExpiredContext { .. }) => {
            "renew the certificate on the server, and reload it: SELECT pg_reload_conf()"
        }
        Error::InvalidCertificate(C::NotValidYet | C::NotValidYetContext { .. }) => {
            "compare the clocks of this machine and of the server"
        }
        Error::InvalidCertificate(C::UnknownIssuer) => {
            "sslrootcert must hold the certificate of the authority that signed it (sslrootcert=system: a public one)"
        }
        Error::InvalidCertificate(C::Revoked) => "the server needs another certificate, or sslcrl another list",
        Error::InvalidCertificate(C::UnknownRevocationStatus) => {
            "sslcrl must hold a list of every authority in the chain"
        }
        Error::AlertReceived(AlertDescription::CertificateRequired) => "name one with sslcert and sslkey",
        Error::AlertReceived(alert) if is_about_us(*alert) => {
            "sslcert must be in its time, and signed by who the server's ssl_ca_file names"
        }
        Error::AlertReceived(AlertDescription::ProtocolVersion) | Error::PeerIncompatible(_) => {
            "compare ssl_min_protocol_version here and on the server; nothing older than TLS 1.2 is spoken here"
        }
        _ => "see the server's log for its side of it",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wildcard_stands_for_one_label() {
        for (pattern, host, fits) in [
            ("db.example", "DB.example", true),
            ("*.db.example", "a.db.example", true),
            ("*.db.example", "a.b.db.example", false),
            ("*.db.example", "db.example", false),
            ("*.db.example", ".db.example", false),
            ("*", "db", false),
            ("d*.db.example", "da.db.example", false),
        ] {
            assert_eq!(matches(pattern, host), fits, "{pattern} {host}");
        }
    }

    #[test]
    fn alerts_are_words() {
        assert_eq!(alert_words(AlertDescription::UnknownCA), "unknown ca");
        assert_eq!(alert_words(AlertDescription::CertificateExpired), "certificate expired");
    }
}
