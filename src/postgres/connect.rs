//! A database of the plan and the way to it: for our own sessions, and for the programs that we start.

use std::fmt;
use std::io::Write;
use std::net::IpAddr;
use std::os::fd::{AsRawFd, OwnedFd};
use std::sync::{Arc, OnceLock};

use super::conninfo::{Attributes, Environment, Host, Login};
use super::tls::{OwnCertificate, Roots, Tls, Version, system_roots};
use super::{Db, Error, reach};
use crate::error::Result;

/// The service of programs, where they need one.
const SERVICE: &str = "teal";

/// One database of the plan: its name there and how to reach it. Never shows its password.
#[derive(Clone)]
pub struct Target {
    /// As the plan names it: `blue`, `green`, `authz`.
    pub name: String,
    pub(super) login: Arc<Login>,
    /// The server that let us in first: a snapshot, a lease and a fence lie on one server, so all later sessions and
    /// programs go there and nowhere else, for as long as this process lives.
    pub(super) answered: Arc<OnceLock<Answered>>,
    /// Read once: a certificate that is renewed serves the next process.
    pub(super) tls: Arc<OnceLock<Arc<Tls>>>,
    /// The service that tells programs the passphrase of our key.
    service: Arc<OnceLock<Option<OwnedFd>>>,
}

/// Which server of those that the URL names, and at which of its addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Answered {
    pub(super) host: usize,
    pub(super) address: Option<IpAddr>,
}

/// What a session may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// The server itself refuses writes (`default_transaction_read_only`).
    ReadOnly,
    /// May write.
    ReadWrite,
}

impl Target {
    /// Reads a connection URL or a libpq key=value string; what it leaves open is in its service, the environment, and
    /// `.pgpass`, as docs/connecting.md says.
    ///
    /// Fails with a usage failure that never repeats the URL.
    pub fn parse(name: &str, url: &str) -> Result<Self> {
        Self::parse_in(name, url, &|variable| std::env::var(variable).ok())
    }

    /// Like [`Target::parse`], in another environment than the process'.
    pub fn parse_in(name: &str, url: &str, env: Environment<'_>) -> Result<Self> {
        let login = Login::read(url, env).map_err(|e| e.context(name))?;
        Ok(Self {
            name: name.to_owned(),
            login: Arc::new(login),
            answered: Arc::default(),
            tls: Arc::default(),
            service: Arc::default(),
        })
    }

    /// For people: `user@host:port/database`, no password; several hosts with commas.
    pub fn address(&self) -> String {
        let place = |host: &Host| format!("{}:{}", host.name, host.port);
        let places: Vec<String> = self.login.hosts.iter().map(place).collect();
        format!("{}@{}/{}", self.user(), places.join(","), self.dbname())
    }

    /// The role that logs in.
    pub fn user(&self) -> &str {
        &self.login.user
    }

    /// The database's own name on its server.
    pub fn dbname(&self) -> &str {
        &self.login.dbname
    }

    /// The host name, address or socket folder: of the server that answered, else the first one.
    pub fn host(&self) -> &str {
        self.place().map_or("", |host| &host.name)
    }

    /// The port, 5432 where the URL names none.
    pub fn port(&self) -> u16 {
        self.place().map_or(0, |host| host.port)
    }

    fn place(&self) -> Option<&Host> {
        self.login.hosts.get(self.answered.get().map_or(0, |answered| answered.host))
    }

    /// The environment with which libpq programs (`pg_dump`, `psql`) reach this database, as well protected as our own
    /// sessions: no secret in `ps`. Once a session of ours was let in it leads to that very server, which alone knows an
    /// exported snapshot.
    ///
    /// Give it to a program that has no `PG…` variables of its own.
    pub fn program_env(&self) -> Vec<(&'static str, String)> {
        let login = &self.login;
        let all: Vec<&Host> = login.hosts.iter().collect();
        let (hosts, addresses): (Vec<&Host>, Vec<Option<IpAddr>>) = match (self.answered.get(), self.place()) {
            (Some(answered), Some(host)) => (vec![host], vec![answered.address]),
            _ => (all, login.hosts.iter().map(|host| host.address).collect()),
        };
        let list = |text: &dyn Fn(&Host) -> String| hosts.iter().map(|host| text(host)).collect::<Vec<_>>().join(",");
        let mut env = vec![
            ("PGHOST", list(&|host| host.name.clone())),
            ("PGPORT", list(&|host| host.port.to_string())),
            ("PGUSER", login.user.clone()),
            ("PGDATABASE", login.dbname.clone()),
            ("PGCONNECT_TIMEOUT", login.timeout.as_secs().to_string()),
            ("PGGSSENCMODE", "disable".to_owned()),
        ];
        if addresses.iter().any(Option::is_some) {
            let texts: Vec<String> = addresses.iter().map(|a| a.map(|a| a.to_string()).unwrap_or_default()).collect();
            env.push(("PGHOSTADDR", texts.join(",")));
        }
        if self.answered.get().is_none() {
            env.push(("PGTARGETSESSIONATTRS", login.attributes.word().to_owned()));
        }
        match hosts.split_first() {
            Some((first, rest)) if rest.iter().all(|host| host.password == first.password) => {
                env.extend(first.password.clone().map(|password| ("PGPASSWORD", password)));
            }
            // Each host has its own: only the file says so to libpq.
            _ => env.extend(login.passfile.as_ref().map(|file| ("PGPASSFILE", file.display().to_string()))),
        }
        env.extend(self.tls_env());
        env
    }

    fn tls_env(&self) -> Vec<(&'static str, String)> {
        let wish = &self.login.tls;
        let mut env = vec![("PGSSLMODE", wish.mode.word().to_owned())];
        let roots = match &wish.roots {
            // `system` itself is known to libpq since version 16 only.
            Roots::System => system_roots(),
            Roots::Named(file) => Some(file.clone()),
            Roots::InHome(_) => None,
        };
        let revoked = wish.revoked.as_ref().filter(|(_, named)| *named).map(|(file, _)| file.clone());
        let certificate = match wish.own {
            // libpq knows sslcertmode since version 16 only, and goes on without a certificate that can't be there.
            OwnCertificate::Disable => Some("/dev/null/none".into()),
            _ => wish.certificate.clone(),
        };
        let files = [
            ("PGSSLROOTCERT", roots),
            ("PGSSLCERT", certificate),
            ("PGSSLKEY", wish.key.clone()),
            ("PGSSLCRL", revoked),
            ("PGSSLCRLDIR", wish.revoked_in.clone()),
        ];
        env.extend(files.into_iter().filter_map(|(name, file)| Some((name, file?.display().to_string()))));
        env.push(("PGSSLCERTMODE", wish.own.word().to_owned()));
        if let Some(file) = self.service_file() {
            env.extend([("PGSERVICE", SERVICE.to_owned()), ("PGSERVICEFILE", file)]);
        }
        env.push(("PGSSLMINPROTOCOLVERSION", wish.least.word().to_owned()));
        if wish.most < Version::V13 {
            env.push(("PGSSLMAXPROTOCOLVERSION", wish.most.word().to_owned()));
        }
        if !wish.says_name {
            env.push(("PGSSLSNI", "0".to_owned()));
        }
        let binding = match self.login.channel_binding {
            Some(true) => "require",
            Some(false) => "disable",
            None => "prefer",
        };
        env.push(("PGCHANNELBINDING", binding.to_owned()));
        env
    }

    /// `sslpassword` has no variable, and arguments are for all to read: it stands in a service file, which is in memory
    /// alone, ours to read and our children's, and gone with us.
    fn service_file(&self) -> Option<String> {
        let passphrase = self.login.tls.passphrase.as_ref()?;
        let file = self.service.get_or_init(|| {
            let text = format!("[{SERVICE}]\nsslpassword={}\n", passphrase.reveal());
            in_memory(text.as_bytes()).inspect_err(|e| tracing::warn!("no service file for programs: {e}")).ok()
        });
        Some(format!("/proc/{}/fd/{}", std::process::id(), file.as_ref()?.as_raw_fd()))
    }

    /// What a program is given as `--dbname`: the database, quoted, since libpq takes a bare name with `=` in it for a
    /// connection string, and what has no variable: when a silent server counts as gone.
    pub fn program_conninfo(&self) -> String {
        let keepalive = &self.login.keepalive;
        format!(
            "dbname='{}' keepalives_idle={} keepalives_interval={} keepalives_count={} tcp_user_timeout={}",
            self.dbname().replace('\\', r"\\").replace('\'', r"\'"),
            keepalive.idle.as_secs(),
            keepalive.interval.as_secs(),
            keepalive.count,
            keepalive.unacknowledged.as_millis()
        )
    }

    /// Settings for the server that the URL asks for (`options`), as `PGOPTIONS` has them.
    pub fn options(&self) -> Option<&str> {
        self.login.options.as_deref()
    }

    /// Opens a session with every timeout set explicitly, so that no role or database default ends it
    /// (an exporting session died of `idle_in_transaction_session_timeout`, mechanics.md), and with the text forms of
    /// all types pinned. Identifies itself as `teal` in `pg_stat_activity`.
    ///
    /// Has an end of its own, `connect_timeout` for each address: a stopped server accepts without ever answering. After
    /// the first session it goes to the same server only.
    pub async fn connect(&self, access: Access) -> Result<Db, Error> {
        Box::pin(reach::session(self, access)).await
    }

    /// Which kind of server the URL asks for.
    pub(super) fn attributes(&self) -> Attributes {
        self.login.attributes
    }
}

/// Not inherited by programs: those that are told open it through us.
fn in_memory(bytes: &[u8]) -> std::io::Result<OwnedFd> {
    let file = rustix::fs::memfd_create("teal-service", rustix::fs::MemfdFlags::CLOEXEC)?;
    let mut written = std::fs::File::from(file);
    written.write_all(bytes)?;
    Ok(written.into())
}

impl PartialEq for Target {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name && self.login == other.login
    }
}

impl Eq for Target {}

impl fmt::Debug for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.name, self.address())
    }
}

#[cfg(test)]
mod tests {
    use super::super::tls::Mode;
    use super::*;

    fn in_env(url: &str, env: &[(&str, &str)]) -> Result<Target> {
        let env = |name: &str| env.iter().find(|(n, _)| *n == name).map(|(_, value)| (*value).to_owned());
        Target::parse_in("blue", url, &env)
    }

    fn refused(url: &str, env: &[(&str, &str)]) -> String {
        in_env(url, env).unwrap_err().what
    }

    #[test]
    fn a_password_is_never_shown() {
        let target = Target::parse("blue", "postgres://app:s3cret@db.example/oauth").unwrap();
        assert_eq!(format!("{target:?}"), "blue (app@db.example:5432/oauth)");
        let bad = Target::parse("blue", "postgres://app:s3cret@db.example:notaport/oauth").unwrap_err();
        assert!(!format!("{bad:?}").contains("s3cret"));
    }

    #[test]
    fn what_can_not_be_given_is_refused_by_name_and_place() {
        let home = ("HOME", "/nowhere");
        for (parameters, env, what) in [
            (
                "sslmode=verify",
                home,
                "character 26 of the connection string: sslmode is one of disable, allow, prefer, require, verify-ca, verify-full",
            ),
            (
                "sslrootcert=system&sslmode=require",
                home,
                "character 45 of the connection string: sslrootcert=system needs sslmode=verify-full",
            ),
            ("", ("PGREQUIREPEER", "postgres"), "PGREQUIREPEER in the environment: requirepeer is not supported"),
            (
                "",
                ("PGSSLMODE", "full"),
                "PGSSLMODE in the environment: sslmode is one of disable, allow, prefer, require, verify-ca, verify-full",
            ),
            ("gssencmode=require", home, "character 29 of the connection string: gssencmode is not supported"),
            (
                "ssl_max_protocol_version=TLSv1.1",
                home,
                "character 43 of the connection string: TLS before version 1.2 is not spoken",
            ),
            ("keepalives=0", home, "character 29 of the connection string: keepalives=0 is not supported"),
            ("hostaddr=10.0.0.256", home, "character 27 of the connection string: hostaddr is an IP address"),
            ("port=0", home, "character 23 of the connection string: port is a number from 1 to 65535"),
            ("port=1,2", home, "character 23 of the connection string: 2 values of port for 1 hosts"),
            ("connect_timeout=soon", home, "character 34 of the connection string: connect_timeout is a whole number"),
        ] {
            assert_eq!(
                refused(&format!("postgres://a@b/c?{parameters}"), &[env]),
                format!("blue: {what}"),
                "{parameters}"
            );
        }
    }

    #[test]
    fn host_user_and_database_do_not_come_from_the_environment() {
        let env = [("PGHOST", "db"), ("PGUSER", "app"), ("PGDATABASE", "oauth")];
        for url in ["postgres://app@/oauth", "postgres://db/oauth", "postgres://app@db"] {
            assert_eq!(refused(url, &env), "blue: the URL, or its service, must name a host, a user and a database");
        }
    }

    #[test]
    fn passwords_and_tls_come_from_the_environment_where_the_url_has_none() {
        let env = [("PGPASSWORD", "s3cret"), ("PGSSLMODE", "verify-full"), ("PGSSLROOTCERT", "/etc/root.crt")];
        let bare = in_env("postgres://app@db/oauth", &env).unwrap();
        assert_eq!(bare.login.hosts[0].password.as_deref(), Some("s3cret"));
        assert_eq!(bare.login.tls.mode, Mode::VerifyFull);
        assert_eq!(bare.login.tls.roots, Roots::Named("/etc/root.crt".into()));
        let said = in_env("postgres://app:other@db/oauth?sslmode=disable", &env).unwrap();
        assert_eq!(said.login.hosts[0].password.as_deref(), Some("other"));
        assert_eq!(said.login.tls.mode, Mode::Disable);
    }

    #[test]
    fn programs_are_told_what_our_own_sessions_are_told() {
        let url = "postgres://app:s3cret@a:1,b:2/oauth?sslmode=verify-ca&sslrootcert=r.crt&sslcert=c.crt&sslkey=c.key&target_session_attrs=primary&channel_binding=require";
        let mut target = in_env(url, &[]).unwrap();
        let env = |target: &Target, name: &str| {
            target.program_env().into_iter().find(|(n, _)| *n == name).map(|(_, value)| value).unwrap_or_default()
        };
        let told = |target: &Target| {
            ["PGHOST", "PGHOSTADDR", "PGPORT", "PGTARGETSESSIONATTRS"].map(|name| env(target, name)).join(" ")
        };
        assert_eq!(told(&target), "a,b  1,2 primary");
        for (name, value) in [
            ("PGPASSWORD", "s3cret"),
            ("PGSSLMODE", "verify-ca"),
            ("PGSSLROOTCERT", "r.crt"),
            ("PGSSLCERT", "c.crt"),
            ("PGSSLKEY", "c.key"),
            ("PGCHANNELBINDING", "require"),
        ] {
            assert_eq!(env(&target, name), value, "{name}");
        }
        let answered = Answered { host: 1, address: Some([10, 0, 0, 2].into()) };
        target.answered = Arc::new(OnceLock::from(answered));
        assert_eq!(told(&target), "b 10.0.0.2 2 ");
        assert_eq!((target.host(), target.port()), ("b", 2));
        assert_eq!(target.address(), "app@a:1,b:2/oauth");
    }

    #[test]
    fn an_odd_database_name_is_quoted() {
        let target = Target::parse("green", r"host=db user=app dbname='a=\'b'").unwrap();
        assert!(target.program_conninfo().starts_with(r"dbname='a=\'b' keepalives_idle=10 "));
    }
}
