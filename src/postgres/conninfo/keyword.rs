//! Every keyword of libpq, and what becomes of it here: nothing that somebody writes is dropped in silence.

/// What becomes of a keyword.
#[derive(Debug, Clone, Copy)]
pub(super) enum Treated {
    /// Does what libpq's manual says, or what docs/connecting.md says instead.
    Honoured,
    /// Without effect on purpose: we set it ourselves, or it has none here.
    Moot,
    /// Refused, unless it has one of the values that ask for nothing.
    Refused { but: &'static [&'static str], why: &'static str },
}
use Treated::{Honoured, Moot, Refused};

/// A keyword of a connection string.
#[derive(Debug)]
pub(super) struct Keyword {
    pub(super) name: &'static str,
    /// The environment variable that stands in where neither the connection string nor the service has it.
    pub(super) variable: Option<&'static str>,
    pub(super) treated: Treated,
}

const fn honoured(name: &'static str, variable: Option<&'static str>) -> Keyword {
    Keyword { name, variable, treated: Honoured }
}

const fn moot(name: &'static str) -> Keyword {
    Keyword { name, variable: None, treated: Moot }
}

const fn refused(
    name: &'static str,
    variable: Option<&'static str>,
    but: &'static [&'static str],
    why: &'static str,
) -> Keyword {
    Keyword { name, variable, treated: Refused { but, why } }
}

/// libpq 18's, by what becomes of them. `PGHOST`, `PGHOSTADDR`, `PGPORT`, `PGUSER` and `PGDATABASE` stand for nothing: a
/// plan names two databases, and one of them would be the wrong one. `PGOPTIONS` neither: a session's settings are ours.
pub(super) const KEYWORDS: &[Keyword] = &[
    honoured("host", None),
    honoured("hostaddr", None),
    honoured("port", None),
    honoured("user", None),
    honoured("dbname", None),
    honoured("password", Some("PGPASSWORD")),
    honoured("passfile", Some("PGPASSFILE")),
    honoured("service", Some("PGSERVICE")),
    honoured("options", None),
    honoured("connect_timeout", Some("PGCONNECT_TIMEOUT")),
    honoured("keepalives", None),
    honoured("keepalives_idle", None),
    honoured("keepalives_interval", None),
    honoured("keepalives_count", None),
    honoured("tcp_user_timeout", None),
    honoured("target_session_attrs", Some("PGTARGETSESSIONATTRS")),
    honoured("load_balance_hosts", Some("PGLOADBALANCEHOSTS")),
    honoured("sslmode", Some("PGSSLMODE")),
    honoured("sslrootcert", Some("PGSSLROOTCERT")),
    honoured("sslcert", Some("PGSSLCERT")),
    honoured("sslkey", Some("PGSSLKEY")),
    honoured("sslpassword", None),
    honoured("sslcertmode", Some("PGSSLCERTMODE")),
    honoured("sslcrl", Some("PGSSLCRL")),
    honoured("sslcrldir", Some("PGSSLCRLDIR")),
    honoured("sslsni", Some("PGSSLSNI")),
    honoured("ssl_min_protocol_version", Some("PGSSLMINPROTOCOLVERSION")),
    honoured("ssl_max_protocol_version", Some("PGSSLMAXPROTOCOLVERSION")),
    honoured("channel_binding", Some("PGCHANNELBINDING")),
    moot("application_name"),
    moot("fallback_application_name"),
    moot("client_encoding"),
    moot("sslcompression"),
    moot("krbsrvname"),
    moot("gsslib"),
    moot("gssdelegation"),
    refused("gssencmode", Some("PGGSSENCMODE"), &["disable", "prefer"], "there is no GSSAPI here; use TLS"),
    refused(
        "sslnegotiation",
        Some("PGSSLNEGOTIATION"),
        &["postgres"],
        "TLS begins with a request, as before version 17",
    ),
    refused("sslkeylogfile", None, &[""], "session keys are never written anywhere"),
    refused("requirepeer", Some("PGREQUIREPEER"), &[""], "the owner of a socket's server is not looked at"),
    // pg_dump of version 15 would not obey it, and our client does not say how it was let in.
    refused("require_auth", Some("PGREQUIREAUTH"), &[""], "use channel_binding=require, which only scram can give"),
    refused("min_protocol_version", Some("PGMINPROTOCOLVERSION"), &["3.0"], "protocol 3.0 is spoken, no other"),
    refused(
        "max_protocol_version",
        Some("PGMAXPROTOCOLVERSION"),
        &["3.0", "latest"],
        "protocol 3.0 is spoken, no other",
    ),
    refused("replication", None, &["", "false", "off", "no", "0"], "ordinary sessions are needed"),
    refused("scram_client_key", None, &[""], "use a password"),
    refused("scram_server_key", None, &[""], "use a password"),
    refused("oauth_issuer", None, &[""], "use a password or a client certificate"),
    refused("oauth_client_id", None, &[""], "use a password or a client certificate"),
    refused("oauth_client_secret", None, &[""], "use a password or a client certificate"),
    refused("oauth_scope", None, &[""], "use a password or a client certificate"),
];

/// The keyword of this name.
pub(super) fn find(name: &str) -> Option<&'static Keyword> {
    KEYWORDS.iter().find(|keyword| keyword.name == name)
}
