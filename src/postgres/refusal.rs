//! What keeps us out of a server, in words for people, and what to do about it.

use std::error::Error as _;
use std::io::ErrorKind;

use tokio_postgres::error::SqlState;

use super::connect::Target;
use super::conninfo::Host;
use super::{Error, Ident, tls};

/// An error of connecting, explained.
pub(super) fn explain(target: &Target, host: &Host, e: tokio_postgres::Error) -> Error {
    if let Some((words, hint)) = tls::explain(&e, &host.name) {
        return Error::new(&target.name, e).said(words).of_tls().hint(hint);
    }
    let name = &target.name;
    if let Some(db) = e.as_db_error() {
        let hint = by_code(target, db.code(), db.message());
        return Error::new(name, e).hint(hint);
    }
    let cause = e.source().map(ToString::to_string).unwrap_or_default();
    if let Some((words, hint)) = by_words(target, &cause) {
        let explained = Error::new(name, e).said(words).hint(hint);
        return if cause == NO_TLS { explained.of_tls() } else { explained };
    }
    let hint = by_io(host, e.source().and_then(|cause| cause.downcast_ref::<std::io::Error>()));
    Error::new(name, e).hint(hint)
}

fn by_code(target: &Target, code: &SqlState, message: &str) -> String {
    let (name, user, database) = (&target.name, Ident::new(target.user()), Ident::new(target.dbname()));
    if *code == SqlState::INVALID_PASSWORD {
        return format!(
            "check the password for role {user} of `{name}`: in its URL, its service, PGPASSWORD or \
             ~/.pgpass"
        );
    }
    if *code == SqlState::INVALID_AUTHORIZATION_SPECIFICATION {
        return if message.contains("valid client certificate") {
            "name a client certificate with sslcert and sslkey".to_owned()
        } else if message.contains("certificate authentication failed") {
            format!("the certificate's common name must be {user}, or mapped to it in the server's pg_ident.conf")
        } else if message.contains("no encryption") {
            format!("the server's pg_hba.conf may let {user} in over TLS alone: use sslmode=require or above")
        } else {
            format!("check the role in the URL of `{name}`, that it may log in, and the server's pg_hba.conf")
        };
    }
    if *code == SqlState::INVALID_CATALOG_NAME {
        return format!("make it: CREATE DATABASE {database}");
    }
    if *code == SqlState::TOO_MANY_CONNECTIONS {
        return "close sessions, or raise max_connections of that server".to_owned();
    }
    if *code == SqlState::CANNOT_CONNECT_NOW {
        return "the server is starting or stopping; run the same command again".to_owned();
    }
    format!("see the server's log, and the URL of `{name}`")
}

/// What `tokio_postgres` says where a server has no TLS.
const NO_TLS: &str = "server does not support TLS";

/// What the client says itself, which has no type.
fn by_words(target: &Target, cause: &str) -> Option<(String, &'static str)> {
    let said = match cause {
        NO_TLS => (
            format!("the server has no TLS, and sslmode={} demands it", target.login.tls.mode.word()),
            "set ssl = on at the server; over a trusted network or a tunnel, sslmode=prefer or disable will do",
        ),
        "password missing" => (
            format!("the server asks for a password of role {}, and there is none", Ident::new(target.user())),
            "put it into ~/.pgpass (mode 0600), PGPASSWORD, a service or the URL",
        ),
        "server did not use channel binding" => (
            "the server can't bind the login to its certificate, and channel_binding=require demands it".to_owned(),
            "that takes TLS and a scram-sha-256 password on the server (and no pooler in between)",
        ),
        "unsupported authentication method" => (
            "the server asks for a kind of login that is not spoken here (GSSAPI, SSPI)".to_owned(),
            "let the role in by scram-sha-256 or by certificate in the server's pg_hba.conf",
        ),
        _ => return None,
    };
    Some(said)
}

fn by_io(host: &Host, e: Option<&std::io::Error>) -> String {
    match e.map(std::io::Error::kind) {
        Some(ErrorKind::PermissionDenied) if host.is_socket() => {
            format!("this user may not use the socket in {}: see the server's unix_socket_permissions", host.name)
        }
        _ => format!("see whether a server answers there: pg_isready -h {} -p {}", host.name, host.port),
    }
}
