//! The way to a server: hosts and their addresses in turn, TLS as asked, login, and whether it is the kind of server that
//! is wanted. The order of things is libpq's (`PQconnectPoll` in fe-connect.c).

use std::net::IpAddr;
use std::sync::Arc;

use tokio_postgres::config::{ChannelBinding, SslMode};
use tokio_postgres::error::SqlState;
use tokio_postgres::{Config, NoTls};

use super::connect::{Access, Answered, Target};
use super::conninfo::{Attributes, Host};
use super::session::Way;
use super::tls::{Mode, OwnCertificate, Protection, Tls, Witness};
use super::{Db, Error, refusal};

/// How one attempt deals with TLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    /// Without TLS.
    Plain,
    /// TLS where the server has it.
    Either,
    /// With TLS or not at all.
    Tls,
}

/// A session on the server that answered before, else on the first one that lets us in and is of the wanted kind.
pub(super) async fn session(target: &Target, access: Access) -> Result<Db, Error> {
    let db = found(target, access).await.map_err(|e| e.doing("can't connect"))?;
    let protection = db.protection();
    tracing::info!(database = target.name, address = target.address(), %protection, ?access, "connected");
    Ok(db)
}

async fn found(target: &Target, access: Access) -> Result<Db, Error> {
    if let Some(answered) = target.answered.get() {
        return again(target, *answered, access).await;
    }
    let mut failed: Vec<(String, Error)> = Vec::new();
    let passes: &[Attributes] = match target.attributes() {
        Attributes::PreferStandby => &[Attributes::Standby, Attributes::Any],
        _ => &[target.attributes()],
    };
    for wanted in passes {
        for (at, host) in in_order(target) {
            let place = format!("{}:{}", host.name, host.port);
            let addresses = match addresses(target, host).await {
                Ok(addresses) => addresses,
                Err(e) => {
                    failed.push((place, e));
                    continue;
                }
            };
            for address in addresses {
                match admitted(target, host, address, access, *wanted).await {
                    Ok(db) => {
                        let here = Answered { host: at, address };
                        let first = *target.answered.get_or_init(|| here);
                        // Two sessions were opened at once, and the other one was quicker elsewhere.
                        return if first == here { Ok(db) } else { again(target, first, access).await };
                    }
                    Err(e) if ends_the_search(&e) => return Err(e),
                    Err(e) => failed.push((place.clone(), e)),
                }
            }
        }
    }
    Err(summary(target, failed))
}

/// On the server that let us in before; it must still be of the wanted kind.
async fn again(target: &Target, answered: Answered, access: Access) -> Result<Db, Error> {
    let Some(host) = target.login.hosts.get(answered.host) else { return Err(Error::no_answer(&target.name)) };
    let wanted = match target.attributes() {
        Attributes::PreferStandby => Attributes::Any,
        wanted => wanted,
    };
    admitted(target, host, answered.address, access, wanted).await.map_err(|e| match target.login.hosts.len() {
        1 => e,
        _ => e.doing(format!("{}:{}, where this process began, and nowhere else", host.name, host.port)),
    })
}

fn in_order(target: &Target) -> Vec<(usize, &Host)> {
    let mut hosts: Vec<(usize, &Host)> = target.login.hosts.iter().enumerate().collect();
    if target.login.shuffled {
        fastrand::shuffle(&mut hosts);
    }
    hosts
}

/// A socket has none.
async fn addresses(target: &Target, host: &Host) -> Result<Vec<Option<IpAddr>>, Error> {
    if host.is_socket() {
        return Ok(vec![None]);
    }
    if let Some(address) = host.address {
        return Ok(vec![Some(address)]);
    }
    let looked_up =
        tokio::time::timeout(target.login.timeout, tokio::net::lookup_host((host.name.as_str(), host.port)));
    let found = match looked_up.await {
        Ok(Ok(found)) => found.map(|address| address.ip()).collect::<Vec<_>>(),
        Ok(Err(e)) => return Err(unknown_host(target, host, &e.to_string())),
        Err(_) => return Err(unknown_host(target, host, "no answer in time")),
    };
    let mut addresses: Vec<Option<IpAddr>> = Vec::new();
    for address in found {
        if !addresses.contains(&Some(address)) {
            addresses.push(Some(address));
        }
    }
    if target.login.shuffled {
        fastrand::shuffle(&mut addresses);
    }
    if addresses.is_empty() { Err(unknown_host(target, host, "it has no address")) } else { Ok(addresses) }
}

fn unknown_host(target: &Target, host: &Host, why: &str) -> Error {
    let why = why.trim_start_matches("failed to lookup address information: ");
    Error::unreachable(&target.name, format!("host {} can't be looked up: {why}", host.name))
        .hint(format!("check the host in the URL of `{}`: getent hosts {}", target.name, host.name))
}

/// A server that refuses us refuses us; only one that is not there, not yet there, or of another kind sends us on.
fn ends_the_search(e: &Error) -> bool {
    e.code().is_some_and(|code| *code != SqlState::CANNOT_CONNECT_NOW) || !e.is_lost()
}

fn summary(target: &Target, mut failed: Vec<(String, Error)>) -> Error {
    match (failed.len(), failed.pop()) {
        (_, None) => Error::no_answer(&target.name),
        (1, Some((_, e))) => e,
        (_, Some((place, last))) => {
            failed.push((place, last));
            let line = |(place, e): &(String, Error)| format!("{place}: {}", e.message());
            let lines: Vec<String> = failed.iter().map(line).collect();
            Error::unreachable(&target.name, format!("no server of {} will do: {}", failed.len(), lines.join("; ")))
                .hint("check the hosts in the URL, and its target_session_attrs")
        }
    }
}

/// A session that is set up and on the wanted kind of server, in the time that one server has for it.
async fn admitted(
    target: &Target,
    host: &Host,
    address: Option<IpAddr>,
    access: Access,
    wanted: Attributes,
) -> Result<Db, Error> {
    let set_up = async {
        let db = logged_in(target, host, address).await?;
        db.run(include_str!("sql/set_session.sql")).await?;
        if access == Access::ReadOnly {
            db.run("SET default_transaction_read_only = on").await?;
        }
        of_kind(target, host, &db, wanted).await?;
        Ok(db)
    };
    tokio::time::timeout(target.login.timeout, set_up).await.unwrap_or_else(|_| {
        Err(Error::no_answer(&target.name).hint(format!(
            "something accepts connections at {}:{} and says nothing; see what it is: pg_isready -h {0} -p {1}",
            host.name, host.port
        )))
    })
}

async fn of_kind(target: &Target, host: &Host, db: &Db, wanted: Attributes) -> Result<(), Error> {
    if wanted == Attributes::Any {
        return Ok(());
    }
    // `reset_val`: our own read-only sessions have set it already.
    let row = db.row(include_str!("sql/select_server_kind.sql"), &[]).await?;
    let (standby, read_only): (bool, bool) = (row.get("standby"), row.get("read_only"));
    let fits = match wanted {
        Attributes::Any | Attributes::PreferStandby => true,
        Attributes::ReadWrite => !standby && !read_only,
        Attributes::ReadOnly => standby || read_only,
        Attributes::Primary => !standby,
        Attributes::Standby => standby,
    };
    if fits {
        return Ok(());
    }
    let is = match (standby, read_only) {
        (true, _) => "a standby",
        (false, true) => "a primary whose sessions are read-only",
        (false, false) => "a primary",
    };
    let what = format!("{}:{} is {is}, and target_session_attrs={}", host.name, host.port, wanted.word());
    Err(Error::unreachable(&target.name, what).hint("check the hosts in the URL, and its target_session_attrs"))
}

/// Logs in, by the second way where the first is not to be had: with `prefer` without TLS, with `allow` with it. Never
/// by a weaker one than asked for, and never for another reason than TLS or a refusal of this way.
async fn logged_in(target: &Target, host: &Host, address: Option<IpAddr>) -> Result<Db, Error> {
    let mode = if host.is_socket() { Mode::Disable } else { target.login.tls.mode };
    let (first, second) = match mode {
        Mode::Disable => (Step::Plain, None),
        Mode::Allow => (Step::Plain, Some(Step::Tls)),
        Mode::Prefer => (Step::Either, Some(Step::Plain)),
        Mode::Require | Mode::VerifyCa | Mode::VerifyFull => (Step::Tls, None),
    };
    let witness = Witness::default();
    let refused = match by(target, host, address, first, &witness).await {
        Ok(db) => return Ok(db),
        Err(e) => e,
    };
    let unauthorized = refused.code().is_some_and(|code| code.code().starts_with("28"));
    let with_tls = witness.version().is_some() || refused.is_tls();
    match second {
        Some(Step::Plain) if with_tls && (unauthorized || refused.is_tls()) => {
            tracing::warn!("{refused}; sslmode=prefer goes on without TLS");
            by(target, host, address, Step::Plain, &Witness::default()).await.map_err(|_| refused)
        }
        Some(Step::Tls) if unauthorized => {
            by(target, host, address, Step::Tls, &witness).await.map_err(|e| if e.is_tls() { refused } else { e })
        }
        _ => Err(refused),
    }
}

async fn by(target: &Target, host: &Host, address: Option<IpAddr>, way: Step, witness: &Witness) -> Result<Db, Error> {
    let config = config(target, host, address, way);
    let tls = if way == Step::Plain { None } else { Some(prepared(target)?) };
    let explained = |e| refusal::explain(target, host, e);
    let client = match &tls {
        None => {
            let (client, connection) = config.connect(NoTls).await.map_err(explained)?;
            tokio::spawn(drive(target.name.clone(), connection));
            client
        }
        Some(tls) => {
            let (client, connection) = config.connect(tls.connector(witness)).await.map_err(explained)?;
            tokio::spawn(drive(target.name.clone(), connection));
            client
        }
    };
    certified(target, witness)?;
    let protection = match (&tls, witness.version()) {
        _ if host.is_socket() => Protection::Socket,
        (Some(tls), Some(version)) => Protection::Tls { version: version.word(), checked: tls.checked() },
        _ => Protection::Plain,
    };
    Ok(Db { client, name: target.name.clone(), way: Arc::new(Way { protection, tls }) })
}

/// `sslcertmode=require`, looked at where libpq does: once the server has let us in.
fn certified(target: &Target, witness: &Witness) -> Result<(), Error> {
    if target.login.tls.own != OwnCertificate::Require || witness.sent() == Some(true) {
        return Ok(());
    }
    let how = match (witness.version(), witness.sent()) {
        (None, _) => "there is no TLS to send it over",
        (_, None) => "the server did not ask for it",
        _ => "there is none to send: name it with sslcert and sslkey",
    };
    Err(Error::unfit(&target.name, format!("sslcertmode=require demands our certificate, and {how}"))
        .hint("at the server: ssl_ca_file, which makes it ask, and cert or clientcert=verify-full in pg_hba.conf"))
}

async fn drive(name: String, connection: impl Future<Output = Result<(), tokio_postgres::Error>>) {
    if let Err(e) = connection.await {
        tracing::debug!(database = name, error = %e, "connection ended");
    }
}

fn prepared(target: &Target) -> Result<Arc<Tls>, Error> {
    if let Some(tls) = target.tls.get() {
        return Ok(Arc::clone(tls));
    }
    let tls = Tls::prepare(&target.login.tls).map_err(|what| {
        Error::unfit(&target.name, what).hint(format!(
            "check the TLS settings in the URL of `{}`, its service and PGSSL…: docs/connecting.md",
            target.name
        ))
    })?;
    Ok(Arc::clone(target.tls.get_or_init(|| Arc::new(tls))))
}

fn config(target: &Target, host: &Host, address: Option<IpAddr>, way: Step) -> Config {
    let login = &target.login;
    let mut config = Config::new();
    config.user(&login.user).dbname(&login.dbname).port(host.port).application_name("teal");
    if host.is_socket() {
        config.host_path(&host.name)
    } else {
        config.host(&host.name)
    };
    if let Some(address) = address {
        config.hostaddr(address);
    }
    if let Some(password) = &host.password {
        config.password(password);
    }
    if let Some(options) = &login.options {
        config.options(options);
    }
    let keepalive = &login.keepalive;
    config.connect_timeout(login.timeout).tcp_user_timeout(keepalive.unacknowledged);
    config.keepalives_idle(keepalive.idle).keepalives_interval(keepalive.interval).keepalives_retries(keepalive.count);
    config.ssl_mode(match way {
        Step::Plain => SslMode::Disable,
        Step::Either => SslMode::Prefer,
        Step::Tls => SslMode::Require,
    });
    config.channel_binding(match login.channel_binding {
        Some(true) => ChannelBinding::Require,
        Some(false) => ChannelBinding::Disable,
        None => ChannelBinding::Prefer,
    });
    config
}
