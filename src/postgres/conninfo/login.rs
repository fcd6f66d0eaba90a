//! What the settings of a connection come to.

use std::net::IpAddr;
use std::num::NonZeroU16;
use std::path::PathBuf;
use std::time::Duration;

use super::passfile::{self, Wanted};
use super::{Environment, Setting, Settings, home};
use crate::error::{Failure, Result};
use crate::postgres::tls::{Mode, OwnCertificate, Passphrase, Roots, Version, Wish};

/// How long one server may take to let us in, where nobody says otherwise. libpq would wait for ever.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(20);
/// The least that libpq takes for a limit.
const LEAST_TIMEOUT: i64 = 2;
/// The port where none is named.
const PORT: u16 = 5432;

/// One place where the database may be.
#[derive(Clone, PartialEq, Eq)]
pub(in crate::postgres) struct Host {
    /// Its name, or its address where it has no name, or the folder of a socket. Certificates are compared with it.
    pub(in crate::postgres) name: String,
    /// Where to connect to instead of looking the name up.
    pub(in crate::postgres) address: Option<IpAddr>,
    pub(in crate::postgres) port: u16,
    /// For this host: `.pgpass` may have another one for each.
    pub(in crate::postgres) password: Option<String>,
}

impl Host {
    /// Whether it is the folder of a socket.
    pub(in crate::postgres) fn is_socket(&self) -> bool {
        self.name.starts_with('/')
    }
}

/// Which kind of server will do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::postgres) enum Attributes {
    Any,
    ReadWrite,
    ReadOnly,
    Primary,
    Standby,
    PreferStandby,
}

impl Attributes {
    const WORDS: [(&str, Self); 6] = [
        ("any", Self::Any),
        ("read-write", Self::ReadWrite),
        ("read-only", Self::ReadOnly),
        ("primary", Self::Primary),
        ("standby", Self::Standby),
        ("prefer-standby", Self::PreferStandby),
    ];

    /// As libpq writes it.
    pub(in crate::postgres) fn word(self) -> &'static str {
        Self::WORDS.iter().find(|(_, attributes)| *attributes == self).map_or("any", |(word, _)| word)
    }
}

/// When a silent peer counts as gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::postgres) struct Keepalive {
    pub(in crate::postgres) idle: Duration,
    pub(in crate::postgres) interval: Duration,
    pub(in crate::postgres) count: u32,
    /// How long sent data may stay unacknowledged (Linux `TCP_USER_TIMEOUT`).
    pub(in crate::postgres) unacknowledged: Duration,
}

/// All that it takes to open a session. Holds passwords: has no `Debug`.
#[derive(Clone, PartialEq, Eq)]
pub(in crate::postgres) struct Login {
    /// At least one.
    pub(in crate::postgres) hosts: Vec<Host>,
    pub(in crate::postgres) user: String,
    pub(in crate::postgres) dbname: String,
    pub(in crate::postgres) passfile: Option<PathBuf>,
    pub(in crate::postgres) attributes: Attributes,
    /// Hosts and their addresses in random order.
    pub(in crate::postgres) shuffled: bool,
    pub(in crate::postgres) tls: Wish,
    /// `None`: where both sides can.
    pub(in crate::postgres) channel_binding: Option<bool>,
    pub(in crate::postgres) timeout: Duration,
    pub(in crate::postgres) keepalive: Keepalive,
    /// Settings for the server, as `-c name=value`.
    pub(in crate::postgres) options: Option<String>,
}

impl Login {
    /// Reads a connection string and what it leaves open; files of passwords and services are read now, those of TLS
    /// when a session needs them.
    pub(in crate::postgres) fn read(text: &str, env: Environment<'_>) -> Result<Self> {
        let settings = Settings::read(text, env)?;
        let required = |name: &str| {
            settings.text(name).map(str::to_owned).ok_or_else(|| {
                Failure::usage("the URL, or its service, must name a host, a user and a database").hint(
                    "PGHOST, PGUSER and PGDATABASE do not stand in: a plan has two databases, and one would be the wrong one",
                )
            })
        };
        if settings.text("hostaddr").is_none() {
            required("host")?;
        }
        let (user, dbname) = (required("user")?, required("dbname")?);
        let in_home = home(env).map(|home| home.join(".pgpass"));
        let passfile = settings.text("passfile").map(PathBuf::from).or(in_home);
        let mut hosts = hosts(&settings)?;
        for host in &mut hosts {
            host.password = settings.text("password").map(str::to_owned).or_else(|| {
                let wanted = Wanted { host: &host.name, port: host.port, dbname: &dbname, user: &user };
                passfile::password(passfile.as_ref()?, wanted).filter(|password| !password.is_empty())
            });
        }
        let on_off = [("disable", Some(false)), ("prefer", None), ("require", Some(true))];
        Ok(Self {
            hosts,
            user,
            dbname,
            passfile,
            attributes: settings.word("target_session_attrs", &Attributes::WORDS)?.unwrap_or(Attributes::Any),
            shuffled: settings.word("load_balance_hosts", &[("disable", false), ("random", true)])?.unwrap_or(false),
            tls: wish(&settings, env)?,
            channel_binding: settings.word("channel_binding", &on_off)?.flatten(),
            timeout: match settings.number("connect_timeout")? {
                Some(seconds) if seconds > 0 => seconds_of(seconds.max(LEAST_TIMEOUT)),
                _ => CONNECT_TIMEOUT,
            },
            keepalive: keepalive(&settings)?,
            options: settings.text("options").map(str::to_owned),
        })
    }
}

fn seconds_of(seconds: i64) -> Duration {
    Duration::from_secs(seconds.unsigned_abs())
}

/// As many places as hosts or addresses are named; one port serves for all.
fn hosts(settings: &Settings) -> Result<Vec<Host>> {
    let list =
        |name: &str| -> Vec<&str> { settings.text(name).map(|text| text.split(',').collect()).unwrap_or_default() };
    let (names, addresses, ports) = (list("host"), list("hostaddr"), list("port"));
    let count = names.len().max(addresses.len());
    let fits = |list: &[&str], name: &str, or_one: bool| match settings.setting(name) {
        Some(setting) if list.len() != count && !(or_one && list.len() == 1) => {
            Err(setting.wrong(format!("{} values of {name} for {count} hosts", list.len())))
        }
        _ => Ok(()),
    };
    fits(&names, "host", false)?;
    fits(&addresses, "hostaddr", false)?;
    fits(&ports, "port", true)?;
    let places = (0..count).map(|at| {
        let address = match addresses.get(at).filter(|address| !address.is_empty()) {
            Some(address) => Some(parsed::<IpAddr>(settings, "hostaddr", address, "an IP address")?),
            None => None,
        };
        let named = names.get(at).copied().unwrap_or_default();
        let name = match address {
            Some(address) if named.is_empty() => address.to_string(),
            _ => named.to_owned(),
        };
        if name.is_empty() || name.starts_with('@') {
            return Err(settings.setting("host").map_or_else(
                || Failure::usage("no host"),
                |setting| setting.wrong("each host is a name, an address or the folder of a socket"),
            ));
        }
        let port = ports.get(at).or(ports.first().filter(|_| ports.len() == 1)).filter(|port| !port.is_empty());
        let port = match port {
            Some(port) => parsed::<NonZeroU16>(settings, "port", port, "a number from 1 to 65535")?.get(),
            None => PORT,
        };
        Ok(Host { name, address, port, password: None })
    });
    places.collect()
}

fn parsed<T: std::str::FromStr>(settings: &Settings, name: &str, text: &str, what: &str) -> Result<T> {
    text.trim().parse().map_err(|_| {
        let what = format!("{name} is {what}");
        settings.setting(name).map_or_else(|| Failure::usage(&what), |setting| setting.wrong(&what))
    })
}

fn wish(settings: &Settings, env: Environment<'_>) -> Result<Wish> {
    let path = |name: &str| settings.text(name).map(PathBuf::from);
    let in_home = |file: &str| home(env).map(|home| home.join(".postgresql").join(file));
    let modes = Mode::WORDS;
    let roots = match settings.text("sslrootcert") {
        Some("system") => Roots::System,
        Some(file) => Roots::Named(PathBuf::from(file)),
        None => Roots::InHome(in_home("root.crt")),
    };
    let mode = settings.word("sslmode", &modes)?;
    if let (Roots::System, Some(mode), Some(setting)) = (&roots, mode, settings.setting("sslmode"))
        && mode != Mode::VerifyFull
    {
        return Err(setting
            .wrong("sslrootcert=system needs sslmode=verify-full")
            .hint("anybody can have a certificate of a public authority: only the name in it says whose it is"));
    }
    let by_default = if roots == Roots::System { Mode::VerifyFull } else { Mode::Prefer };
    let (least, most) = versions(settings)?;
    let lists = path("sslcrldir");
    let in_home_list = if lists.is_some() { None } else { in_home("root.crl") };
    Ok(Wish {
        mode: mode.unwrap_or(by_default),
        roots,
        certificate: path("sslcert"),
        key: path("sslkey"),
        passphrase: passphrase(settings)?,
        own: settings.word("sslcertmode", &OwnCertificate::WORDS)?.unwrap_or(OwnCertificate::Allow),
        in_home: [in_home("postgresql.crt"), in_home("postgresql.key")],
        revoked: path("sslcrl").map(|file| (file, true)).or(in_home_list.map(|file| (file, false))),
        revoked_in: lists,
        least,
        most,
        says_name: settings.word("sslsni", &[("1", true), ("0", false)])?.unwrap_or(true),
    })
}

/// Programs are told it as a line of a service file.
fn passphrase(settings: &Settings) -> Result<Option<Passphrase>> {
    let Some(setting) = settings.setting("sslpassword") else { return Ok(None) };
    if setting.value.contains('\n') || setting.value.trim_end() != setting.value {
        return Err(setting
            .wrong("sslpassword can't hold a line break, nor end in a blank")
            .hint("give the key another passphrase: openssl pkcs8 -topk8 -v2 aes-256-cbc -in KEY -out NEW"));
    }
    Ok(Some(Passphrase::new(&setting.value)))
}

/// The range of TLS versions. Below 1.2 nothing is spoken: as a lower limit 1.0 and 1.1 ask for less than they get.
fn versions(settings: &Settings) -> Result<(Version, Version)> {
    let old = [("TLSv1", None), ("TLSv1.1", None), ("TLSv1.2", Some(Version::V12)), ("TLSv1.3", Some(Version::V13))];
    let least = settings.word("ssl_min_protocol_version", &old)?.flatten().unwrap_or(Version::V12);
    let (name, most) = ("ssl_max_protocol_version", settings.word("ssl_max_protocol_version", &old)?);
    let wrong = |what: &str| settings.setting(name).map_or_else(|| Failure::usage(what), |setting| setting.wrong(what));
    match most {
        Some(None) => Err(wrong("TLS before version 1.2 is not spoken")),
        Some(Some(most)) if most < least => Err(wrong("below ssl_min_protocol_version")),
        most => Ok((least, most.flatten().unwrap_or(Version::V13))),
    }
}

/// A peer that is silent for ten seconds is asked whether it is still there, and again as often: a host that vanished
/// without a word is noticed in well under a minute, not after the system's two hours. The servers are told the same
/// (`set_session.sql`): the lease and the fence of a machine that lost its power must end.
fn keepalive(settings: &Settings) -> Result<Keepalive> {
    if let (Some(0), Some(setting)) = (settings.number("keepalives")?, settings.setting("keepalives")) {
        return Err(off(setting));
    }
    let positive = |name: &str| settings.number(name).map(|number| number.filter(|number| *number > 0));
    let seconds = |name: &str| Ok::<_, Failure>(positive(name)?.map_or(Duration::from_secs(10), seconds_of));
    Ok(Keepalive {
        idle: seconds("keepalives_idle")?,
        interval: seconds("keepalives_interval")?,
        count: positive("keepalives_count")?.and_then(|count| u32::try_from(count).ok()).unwrap_or(3),
        unacknowledged: positive("tcp_user_timeout")?
            .map_or(Duration::from_secs(20), |millis| Duration::from_millis(millis.unsigned_abs())),
    })
}

fn off(setting: &Setting) -> Failure {
    setting
        .wrong("keepalives=0 is not supported")
        .hint("without them a server that vanished would be waited for; leave it out")
}
