//! TLS as libpq means it: every `sslmode` against servers whose certificates are good and bad, compared with what psql
//! does in the same place; client certificates; channel binding; what is said where it does not come about.

#![allow(clippy::unwrap_used)] // a test may fail by panicking, its helpers included

#[path = "support/mod.rs"]
mod support;

use std::path::{Path, PathBuf};
use std::process::Command;

use support::stage::{Ran, SCHEMA, Stage};
use support::tls::{Authority, expired, let_in, names, password, secret_file, self_signed, serve, set};
use teal::error::Failure;
use teal::postgres::{Access, Target};
use teal::sandbox::Server;

/// The name that certificates are for; `hostaddr` says where it is.
const HOST: &str = "db.site.example";

/// How a session ends up.
const FULL: &str = "TLSv1.3, verify-full";
const CA: &str = "TLSv1.3, verify-ca";
const ANY: &str = "TLSv1.3, certificate not checked";
const PLAIN: &str = "no TLS";
const NO: &str = "refused";

/// A server, a folder for files, and the certificates' authority.
struct Site {
    server: Server,
    folder: tempfile::TempDir,
    authority: Authority,
}

impl Site {
    fn start() -> Self {
        let site = Self {
            server: Server::start(&[]).unwrap(),
            folder: tempfile::tempdir().unwrap(),
            authority: Authority::new("authority"),
        };
        site.file("root.crt", &site.authority.certificate);
        site
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn file(&self, name: &str, text: &str) -> String {
        secret_file(&self.path(name), text).display().to_string()
    }

    /// The superuser's login with these parameters, in an environment without any file of the user's.
    fn target(&self, parameters: &str) -> Target {
        let url = format!(
            "postgres://postgres:{}@{HOST}:{}/postgres?hostaddr=127.0.0.1&{parameters}",
            password(&self.server),
            self.server.port()
        );
        let home = self.path("nobody");
        Target::parse_in("blue", &url, &move |name| (name == "HOME").then(|| home.display().to_string())).unwrap()
    }

    /// How a session is protected, or that there is none.
    async fn ours(&self, parameters: &str) -> String {
        match self.target(parameters).connect(Access::ReadOnly).await {
            Ok(db) => db.protection().to_string(),
            Err(_) => "refused".to_owned(),
        }
    }

    /// The same of psql, told what `pg_dump` would be told: `TLSv1.3`, `no TLS`, `refused`.
    fn libpq(&self, parameters: &str) -> String {
        let sql = "SELECT coalesce(version, 'no TLS') FROM pg_stat_ssl WHERE pid = pg_backend_pid()";
        let done = Command::new("psql")
            .args(["-X", "-A", "-t", "-c", sql])
            .envs(self.target(parameters).program_env())
            .env("HOME", self.path("nobody"))
            .output()
            .unwrap();
        if done.status.success() {
            String::from_utf8(done.stdout).unwrap().trim().to_owned()
        } else {
            "refused".to_owned()
        }
    }

    async fn failure(&self, parameters: &str) -> Failure {
        Failure::from(self.target(parameters).connect(Access::ReadOnly).await.unwrap_err())
    }

    /// A session is refused, saying this, with a hint that has that.
    async fn refuses(&self, parameters: &str, what: &str, hint: &str) {
        let failure = self.failure(parameters).await;
        let said = failure.hint.clone().unwrap_or_default();
        assert!(failure.what.contains(what) && said.contains(hint), "{parameters}: {failure:#?}");
    }
}

#[tokio::test]
async fn every_sslmode_does_with_every_certificate_what_libpq_does() {
    let site = Site::start();
    let root = format!("&sslrootcert={}", site.path("root.crt").display());
    let columns = [
        ("disable", ""),
        ("allow", ""),
        ("prefer", ""),
        ("prefer", root.as_str()),
        ("require", ""),
        ("require", root.as_str()),
        ("verify-ca", root.as_str()),
        ("verify-full", root.as_str()),
    ];
    let stranger = Authority::new("stranger");
    let named = |host| names(&[host], "server");
    let own = self_signed(names(&[], HOST));
    let rows = [
        ("no TLS", None, [PLAIN, PLAIN, PLAIN, PLAIN, NO, NO, NO, NO]),
        ("good", Some(site.authority.sign(&named(HOST))), [PLAIN, PLAIN, ANY, CA, ANY, CA, CA, FULL]),
        ("common name", Some(site.authority.sign(&names(&[], HOST))), [PLAIN, PLAIN, ANY, CA, ANY, CA, CA, FULL]),
        ("wildcard", Some(site.authority.sign(&named("*.site.example"))), [PLAIN, PLAIN, ANY, CA, ANY, CA, CA, FULL]),
        ("other name", Some(site.authority.sign(&named("other.example"))), [PLAIN, PLAIN, ANY, CA, ANY, CA, CA, NO]),
        ("expired", Some(site.authority.sign(&expired(named(HOST)))), [PLAIN, PLAIN, ANY, PLAIN, ANY, NO, NO, NO]),
        ("stranger's", Some(stranger.sign(&named(HOST))), [PLAIN, PLAIN, ANY, PLAIN, ANY, NO, NO, NO]),
        ("its own root", Some(own), [PLAIN, PLAIN, ANY, CA, ANY, CA, CA, FULL]),
    ];
    for (situation, certificate, expected) in rows {
        if let Some(certificate) = &certificate {
            serve(&site.server, certificate, None).await;
            let roots =
                if situation == "its own root" { &certificate.certificate } else { &site.authority.certificate };
            site.file("root.crt", roots);
        }
        for ((mode, root), expected) in columns.iter().zip(expected) {
            let parameters = format!("sslmode={mode}{root}");
            assert_eq!(site.ours(&parameters).await, expected, "{situation}: {parameters}");
            let (version, _) = expected.split_once(", ").unwrap_or((expected, ""));
            assert_eq!(site.libpq(&parameters), version, "libpq, {situation}: {parameters}");
        }
    }
    // A server that lets nobody in without TLS: `allow` tries it then, and nothing weaker does.
    let_in(&site.server, "hostssl all all all scram-sha-256").await;
    for (mode, expected) in [("disable", NO), ("allow", ANY), ("prefer", ANY)] {
        assert_eq!(site.ours(&format!("sslmode={mode}")).await, expected, "hostssl: {mode}");
    }
    // And one that lets nobody in with it.
    let_in(&site.server, "hostnossl all all all scram-sha-256").await;
    for (mode, expected) in [("disable", PLAIN), ("prefer", PLAIN), ("require", NO)] {
        assert_eq!(site.ours(&format!("sslmode={mode}")).await, expected, "hostnossl: {mode}");
    }
}

#[tokio::test]
async fn what_keeps_tls_from_coming_about_is_said_with_a_way_out() {
    let site = Site::start();
    let root = format!("sslrootcert={}", site.path("root.crt").display());
    let full = format!("sslmode=verify-full&{root}");
    site.refuses("sslmode=require", "the server has no TLS, and sslmode=require demands it", "set ssl = on").await;
    site.refuses("sslmode=verify-full", "and ", "docs/connecting.md").await;
    site.refuses("sslmode=verify-ca&sslrootcert=/nowhere.crt", "root certificate /nowhere.crt: No such file", "TLS")
        .await;

    let other = site.authority.sign(&names(&["other.example", "*.example.org"], "server"));
    serve(&site.server, &other, None).await;
    let says =
        "blue: can't connect: the server's certificate is for other.example, *.example.org, not for db.site.example";
    site.refuses(&full, says, "sslmode=verify-ca").await;

    serve(&site.server, &site.authority.sign(&expired(names(&[HOST], "server"))), None).await;
    site.refuses(&full, "the server's certificate expired 2021-02-03 00:00 UTC", "renew the certificate").await;

    serve(&site.server, &Authority::new("stranger").sign(&names(&[HOST], "server")), None).await;
    site.refuses(&full, "signed by nobody whom the root certificate vouches for", "sslrootcert must hold").await;
    site.refuses("sslrootcert=system", "signed by nobody whom the root certificate vouches for", "sslrootcert").await;

    let mut revoked = names(&[HOST], "server");
    revoked.serial_number = Some(42u64.into());
    serve(&site.server, &site.authority.sign(&revoked), None).await;
    let list = site.file("root.crl", &site.authority.revokes(&[42]));
    site.refuses(&format!("{full}&sslcrl={list}"), "the server's certificate is revoked", "certificate").await;
    let list = site.file("other.crl", &site.authority.revokes(&[43]));
    assert_eq!(site.ours(&format!("{full}&sslcrl={list}")).await, "TLSv1.3, verify-full");
    assert_eq!(site.ours(&format!("{full}&ssl_max_protocol_version=TLSv1.2")).await, "TLSv1.2, verify-full");
    site.refuses(&format!("{full}&sslcrl=/nowhere.crl"), "revocation list /nowhere.crl", "TLS").await;

    set(&site.server, &[("ssl_max_protocol_version", "TLSv1.2".to_owned())]).await;
    let newest = format!("{full}&ssl_min_protocol_version=TLSv1.3");
    site.refuses(&newest, "no version or cipher of TLS in common", "ssl_min_protocol_version").await;
}

#[tokio::test]
async fn client_certificates_and_channel_binding_do_what_the_server_asks() {
    let site = Site::start();
    let clients = Authority::new("clients");
    serve(&site.server, &site.authority.sign(&names(&[HOST], "server")), Some(&clients.certificate)).await;
    let base = format!("sslmode=verify-full&sslrootcert={}", site.path("root.crt").display());
    let with = |name: &str| {
        let (certificate, key) = (site.path(&format!("{name}.crt")), site.path(&format!("{name}.key")));
        format!("{base}&sslcert={}&sslkey={}", certificate.display(), key.display())
    };
    let stranger = Authority::new("stranger");
    for (name, signed) in [
        ("mine", clients.sign(&names(&[], "postgres"))),
        ("other", clients.sign(&names(&[], "somebody"))),
        ("stranger", stranger.sign(&names(&[], "postgres"))),
        ("expired", clients.sign(&expired(names(&[], "postgres")))),
    ] {
        site.file(&format!("{name}.crt"), &signed.certificate);
        site.file(&format!("{name}.key"), &signed.key);
    }

    assert_eq!(site.ours(&format!("{base}&channel_binding=require")).await, "TLSv1.3, verify-full");
    assert_eq!(site.libpq(&format!("{base}&channel_binding=require")), "TLSv1.3");
    site.refuses("sslmode=disable&channel_binding=require", "channel_binding=require demands it", "scram-sha-256")
        .await;

    let_in(&site.server, "hostssl all all all cert").await;
    assert_eq!(site.ours(&with("mine")).await, "TLSv1.3, verify-full");
    assert_eq!(site.libpq(&with("mine")), "TLSv1.3");
    site.refuses(&base, "connection requires a valid client certificate", "sslcert and sslkey").await;
    site.refuses(&with("other"), "certificate authentication failed", "common name must be \"postgres\"").await;
    site.refuses(&with("stranger"), "the server refuses the client certificate (unknown ca)", "ssl_ca_file").await;
    site.refuses(&with("expired"), "the server refuses the client certificate", "ssl_ca_file").await;
    let bound = format!("{}&channel_binding=require", with("mine"));
    site.refuses(&bound, "channel_binding=require demands it", "scram-sha-256").await;

    let mixed =
        format!("{base}&sslcert={}&sslkey={}", site.path("mine.crt").display(), site.path("other.key").display());
    site.refuses(&mixed, "the key is not the certificate's", "TLS").await;
    open_to_all(&site.path("mine.key"));
    site.refuses(&with("mine"), "mine.key: group or others have access; chmod 0600", "TLS").await;
    site.refuses(&with("nowhere"), "nowhere.crt: No such file", "TLS").await;
    assert_eq!(site.libpq(&with("mine")), "refused");
}

/// What OpenSSL says.
fn openssl(args: &[&str]) -> String {
    let done = Command::new("openssl").args(args).output().unwrap();
    assert!(done.status.success(), "openssl {args:?}: {}", String::from_utf8_lossy(&done.stderr));
    String::from_utf8(done.stdout).unwrap().trim().to_owned()
}

#[tokio::test]
async fn keys_with_a_passphrase_are_read_here_and_by_programs_which_are_told_it_where_nobody_sees_it() {
    let site = Site::start();
    let clients = Authority::new("clients");
    serve(&site.server, &site.authority.sign(&names(&[HOST], "server")), Some(&clients.certificate)).await;
    let_in(&site.server, "hostssl all all all cert").await;
    let mine = clients.sign(&names(&[], "postgres"));
    let (certificate, key) = (site.file("mine.crt", &mine.certificate), site.file("plain.key", &mine.key));
    let sealed = |name: &str, how: &[&str]| {
        let file = site.file(name, "");
        openssl(&[how, &["-in", key.as_str(), "-out", file.as_str(), "-passout", "pass:s3cret x"]].concat());
        file
    };
    let base = format!("sslmode=verify-full&sslrootcert={}", site.path("root.crt").display());
    let with = |key: &str, more: &str| format!("{base}&sslcert={certificate}&sslkey={key}{more}");
    let (right, wrong) = ("&sslpassword=s3cret%20x", "&sslpassword=s3kret");
    for (name, how) in [
        ("pbkdf2.key", ["pkcs8", "-topk8", "-v2", "aes-256-cbc"].as_slice()),
        ("scrypt.key", &["pkcs8", "-topk8", "-scrypt"]),
    ] {
        let file = sealed(name, how);
        assert_eq!(site.ours(&with(&file, right)).await, FULL, "{name}");
        assert_eq!(site.libpq(&with(&file, right)), "TLSv1.3", "{name}");
        site.refuses(&with(&file, ""), "it has a passphrase, and there is none: sslpassword", "TLS").await;
        site.refuses(&with(&file, wrong), "sslpassword is not its passphrase", "TLS").await;
        assert_eq!(site.libpq(&with(&file, wrong)), "refused", "{name}");
    }
    // One that needs none is read all the same.
    assert_eq!(site.ours(&with(&key, right)).await, FULL);
    let old = sealed("old.key", &["ec", "-aes256"]);
    site.refuses(&with(&old, right), "old form; bring it into PKCS#8: openssl pkcs8 -topk8", "TLS").await;

    let target = site.target(&with(&key, right));
    let told: Vec<String> = target.program_env().into_iter().map(|(_, value)| value).collect();
    let shown = format!("{target:?} {} {told:?}", target.program_conninfo());
    assert!(!shown.contains("s3cret x"), "{shown}");
}

#[tokio::test]
async fn a_certificate_is_sent_or_kept_back_as_sslcertmode_says() {
    let site = Site::start();
    let clients = Authority::new("clients");
    serve(&site.server, &site.authority.sign(&names(&[HOST], "server")), Some(&clients.certificate)).await;
    let mine = clients.sign(&names(&[], "postgres"));
    let (certificate, key) = (site.file("mine.crt", &mine.certificate), site.file("mine.key", &mine.key));
    let base = format!("sslmode=verify-full&sslrootcert={}", site.path("root.crt").display());
    let mine = format!("{base}&sslcert={certificate}&sslkey={key}");
    for mode in ["disable", "allow", "require"] {
        assert_eq!(site.ours(&format!("{mine}&sslcertmode={mode}")).await, FULL, "{mode}");
        assert_eq!(site.libpq(&format!("{mine}&sslcertmode={mode}")), "TLSv1.3", "{mode}");
    }
    let demands = |how: &str| format!("sslcertmode=require demands our certificate, and {how}");
    site.refuses(&format!("{base}&sslcertmode=require"), &demands("there is none to send"), "ssl_ca_file").await;
    site.refuses("sslmode=disable&sslcertmode=require", &demands("there is no TLS"), "ssl_ca_file").await;

    let_in(&site.server, "hostssl all all all cert").await;
    let kept = format!("{mine}&sslcertmode=disable");
    site.refuses(&kept, "requires a valid client certificate", "sslcert and sslkey").await;
    assert_eq!(site.libpq(&kept), "refused");
    assert_eq!(site.ours(&format!("{mine}&sslcertmode=require")).await, FULL);

    let_in(&site.server, "hostssl all all all scram-sha-256").await;
    set(&site.server, &[("ssl_ca_file", String::new())]).await;
    site.refuses(&format!("{mine}&sslcertmode=require"), &demands("the server did not ask for it"), "ssl_ca_file")
        .await;
}

#[tokio::test]
async fn a_folder_of_revocation_lists_is_looked_into_by_the_names_that_openssl_gives() {
    let site = Site::start();
    let mut server = names(&[HOST], "server");
    server.serial_number = Some(42u64.into());
    serve(&site.server, &site.authority.sign(&server), None).await;
    std::fs::create_dir(site.path("lists")).unwrap();
    let folder = site.path("lists").display().to_string();
    let with = format!("sslmode=verify-full&sslrootcert={}&sslcrldir={folder}", site.path("root.crt").display());
    site.refuses(&with.replace("lists", "nowhere"), "nowhere: No such file", "TLS").await;
    let put = |name: &str, serial: u64| site.file(&format!("lists/{name}"), &site.authority.revokes(&[serial]));
    let file = put("by-its-own-name.pem", 42);
    site.refuses(&with, "holds none by its hash; openssl rehash", "TLS").await;
    assert_eq!(site.libpq(&with), "refused");
    let hash = openssl(&["crl", "-hash", "-noout", "-in", &file]);
    put(&format!("{hash}.r0"), 43);
    assert_eq!((site.ours(&with).await.as_str(), site.libpq(&with).as_str()), (FULL, "TLSv1.3"));
    put(&format!("{hash}.r0"), 42);
    site.refuses(&with, "the server's certificate is revoked", "certificate").await;
    assert_eq!(site.libpq(&with), "refused");
}

fn open_to_all(path: &Path) {
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o644)).unwrap();
}

/// A statement that runs for ever is cancelled over TLS too, where the server takes nothing else.
#[tokio::test]
async fn a_statement_is_cancelled_over_tls() {
    let site = Site::start();
    serve(&site.server, &site.authority.sign(&names(&[HOST], "server")), None).await;
    let_in(&site.server, "hostssl all all all scram-sha-256").await;
    let parameters = format!("sslmode=verify-full&sslrootcert={}", site.path("root.crt").display());
    let db = site.target(&parameters).connect(Access::ReadOnly).await.unwrap();
    let canceller = db.canceller();
    let (slept, ()) = tokio::join!(db.run("SELECT pg_sleep(600)"), async {
        let running = "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE query = 'SELECT pg_sleep(600)')";
        let beside = site.target(&parameters).connect(Access::ReadOnly).await.unwrap();
        support::running::until_sql(&beside, running).await;
        canceller.cancel().await;
    });
    assert!(slept.unwrap_err().is_cancelled());
}

/// The whole of it, with `pg_dump` and an own migrator in between: no password in any URL, argument, log or record.
#[tokio::test]
async fn an_upgrade_goes_through_over_verify_full_with_a_client_certificate_and_pgpass() {
    let stage = Stage::with(SCHEMA, "").await;
    let server = &stage.pair.server;
    let (authority, clients) = (Authority::new("authority"), Authority::new("clients"));
    serve(server, &authority.sign(&names(&[HOST], "server")), Some(&clients.certificate)).await;
    let_in(server, "hostssl all all all scram-sha-256 clientcert=verify-full").await;
    let mine = clients.sign(&names(&[], "postgres"));
    let file = |name: &str, text: &str| secret_file(&stage.path(name), text).display().to_string();
    let pgpass = format!("# of the upgrade\n{HOST}:{}:*:postgres:{}\n", server.port(), password(server));
    let env = [
        ("PGSSLROOTCERT", file("root.crt", &authority.certificate)),
        ("PGSSLCERT", file("client.crt", &mine.certificate)),
        ("PGSSLKEY", file("client.key", &mine.key)),
        ("PGPASSFILE", file("pgpass", &pgpass)),
        // Of other servers, as operators have them.
        ("PGHOST", "nowhere.example".to_owned()),
        ("PGSSLNEGOTIATION", "postgres".to_owned()),
    ];
    let url = |database: &str| {
        format!(
            "postgres://postgres@{HOST}:{}/{database}?hostaddr=127.0.0.1&sslmode=verify-full&channel_binding=require",
            server.port()
        )
    };
    let run = |args: &[&str], pgpass: &str| {
        let mut command = stage.command(args);
        command.envs(env.clone()).env("PGPASSFILE", stage.path(pgpass));
        command.env("BLUE_URL", url("blue")).env("GREEN_URL", url("green"));
        Ran::of(command.output().unwrap())
    };
    // As others may read it, it does not count, and that is said.
    open_to_all(&secret_file(&stage.path("open"), &pgpass));
    let refused = run(&["plan"], "open").expect(1).says("open is ignored: group or others may read it; chmod 0600");
    refused.says("asks for a password").says("Hint: put it into ~/.pgpass");

    let applied = run(&["-vvv", "apply", "--yes"], "pgpass").expect(0);
    let cut_over = run(&["-vvv", "cutover", "--yes"], "pgpass").expect(0);
    let report = run(&["report", "--format", "json"], "pgpass").expect(0);
    assert!(applied.stderr.contains("TLSv1.3, verify-full"), "{}", applied.stderr);
    let journal = stage.read(".migrate/small/journal.jsonl");
    let key = mine.key.lines().nth(1).unwrap();
    for secret in [password(server).as_str(), key] {
        for text in [&applied.stderr, &applied.stdout, &cut_over.stderr, &report.stdout, &journal] {
            assert!(!text.contains(secret), "a secret is shown");
        }
    }
    let log = server.log();
    assert!(!log.contains("no encryption"), "something came without TLS:\n{log}");
}
