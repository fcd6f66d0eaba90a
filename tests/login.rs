//! Who we are and where the server is: `.pgpass`, services, sockets, several hosts; and networks and servers that don't
//! let us in, or stall.

#![allow(clippy::unwrap_used)] // a test may fail by panicking, its helpers included

#[path = "support/mod.rs"]
mod support;

use std::collections::BTreeMap;

use support::proxy::Proxy;
use support::running::{Running, until_sql};
use support::stage::{Ran, SCHEMA, Stage};
use support::tls::{password, secret_file, set, socket_url};
use support::{Pair, admin_of};
use teal::error::Failure;
use teal::postgres::{Access, Db, Target};
use teal::sandbox::Server;

/// An environment of the test's own.
struct Env(BTreeMap<&'static str, String>);

impl Env {
    fn of(folder: &tempfile::TempDir, more: &[(&'static str, &str)]) -> Self {
        let home = ("HOME", folder.path().display().to_string());
        Self(more.iter().map(|(name, value)| (*name, (*value).to_owned())).chain([home]).collect())
    }

    fn target(&self, url: &str) -> Target {
        Target::parse_in("blue", url, &|name| self.0.get(name).cloned()).unwrap()
    }

    async fn connect(&self, url: &str) -> Db {
        self.target(url).connect(Access::ReadOnly).await.unwrap()
    }

    async fn failure(&self, url: &str) -> Failure {
        Failure::from(self.target(url).connect(Access::ReadOnly).await.unwrap_err())
    }
}

async fn asked(db: &Db, sql: &str) -> String {
    db.row(sql, &[]).await.unwrap().get(0)
}

fn says(failure: &Failure, what: &str, hint: &str) {
    let hinted = failure.hint.clone().unwrap_or_default();
    assert!(failure.what.contains(what) && hinted.contains(hint), "{failure:#?}");
}

#[tokio::test]
async fn passwords_and_places_come_from_pgpass_services_and_sockets() {
    let server = Server::start(&[]).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let (port, secret, socket) = (server.port(), password(&server), server.folder().display().to_string());
    let file = |name: &str, text: &str| secret_file(&folder.path().join(name), text);
    let bare = format!("postgres://postgres@127.0.0.1:{port}/postgres");

    // The first line that fits counts, right or wrong; an address is compared as it is written.
    file(".pgpass", &format!("localhost:*:*:*:wrong\n127.0.0.1:{port}:postgres:postgres:{secret}\n*:*:*:*:wrong\n"));
    let env = Env::of(&folder, &[]);
    env.connect(&bare).await;
    let named = format!("postgres://postgres@localhost:{port}/postgres");
    says(&env.failure(&named).await, "password authentication failed", "check the password for role \"postgres\"");
    let other = file("other", &format!("{socket}:{port}:postgres:postgres:{secret}")).display().to_string();
    let over_socket = format!("host={socket} port={port} user=postgres dbname=postgres passfile={other}");
    let db = env.connect(&over_socket).await;
    assert_eq!(db.protection().to_string(), "local socket");
    assert_eq!(asked(&db, "SELECT coalesce(inet_client_addr()::text, 'socket')").await, "socket");
    // Over a socket there is nothing to encrypt, as in libpq.
    env.connect(&format!("{over_socket} sslmode=require")).await;

    // A variable stands in for what is not said; what is said counts.
    let env = Env::of(&folder, &[("PGPASSFILE", "/nowhere"), ("PGPASSWORD", &secret)]);
    env.connect(&bare).await;
    says(
        &env.failure(&bare.replace("postgres@", "postgres:no@")).await,
        "password authentication failed",
        "PGPASSWORD",
    );
    let env = Env::of(&folder, &[("PGPASSFILE", "/nowhere")]);
    says(&env.failure(&bare).await, "the server asks for a password of role \"postgres\"", "~/.pgpass");

    let services = format!(
        "# ours\n[other]\nhost=nowhere\n\n[upgrade]\nhost=127.0.0.1\nport={port}\nuser=postgres\npassword={secret}\n\
         dbname=template1\noptions=-c search_path=upgrade\n[last]\nhost=nowhere\n"
    );
    file(".pg_service.conf", &services);
    let env = Env::of(&folder, &[("PGPASSFILE", "/nowhere")]);
    assert_eq!(asked(&env.connect("service=upgrade").await, "SELECT current_database()::text").await, "template1");
    let db = env.connect("postgres:///postgres?service=upgrade").await;
    assert_eq!(
        asked(&db, "SELECT current_database()::text || current_setting('search_path')").await,
        "postgresupgrade"
    );
    let env = Env::of(&folder, &[("PGSERVICE", "upgrade")]);
    env.connect("postgres://").await;
    let parse = |url: &str, env: &Env| Target::parse_in("blue", url, &|name| env.0.get(name).cloned()).unwrap_err();
    says(&parse("service=none", &env), "blue: service none is defined nowhere", "~/.pg_service.conf");
    let env = Env::of(&folder, &[("PGSERVICEFILE", "/nowhere.conf")]);
    says(&parse("service=upgrade", &env), "blue: service file /nowhere.conf: No such file", "");
    file(".pg_service.conf", "[upgrade]\nhots=secret\n");
    let wrong = parse("service=upgrade", &Env::of(&folder, &[]));
    assert!(
        wrong.what.ends_with(".pg_service.conf:2: no such keyword (libpq takes no blanks around the =)"),
        "{wrong}"
    );
    assert!(!wrong.what.contains("secret"));
}

#[tokio::test]
async fn of_several_hosts_the_one_that_fits_is_taken_and_kept() {
    let (one, two) = (Server::start(&[]).unwrap(), Server::start(&[]).unwrap());
    let folder = tempfile::tempdir().unwrap();
    // Each its own password: `.pgpass` knows both.
    let line = |server: &Server| format!("*:{}:*:*:{}\n", server.port(), password(server));
    secret_file(&folder.path().join(".pgpass"), &(line(&one) + &line(&two)));
    let env = Env::of(&folder, &[]);
    let gone = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let all = format!(
        "postgres://postgres@127.0.0.1:{gone},127.0.0.1:{},127.0.0.1:{}/postgres?target_session_attrs",
        one.port(),
        two.port()
    );
    let port = async |target: &Target| {
        let db = target.connect(Access::ReadOnly).await.unwrap();
        asked(&db, "SELECT inet_server_port()::text").await
    };
    for (attributes, first) in [("any", &one), ("read-write", &one), ("primary", &one), ("prefer-standby", &one)] {
        let target = env.target(&format!("{all}={attributes}"));
        assert_eq!(port(&target).await, first.port().to_string(), "{attributes}");
    }
    // Read-only by its settings: read-write goes on to the second.
    set(&one, &[("default_transaction_read_only", "on".to_owned())]).await;
    let target = env.target(&format!("{all}=read-write"));
    assert_eq!(port(&target).await, two.port().to_string());
    assert_eq!(port(&env.target(&format!("{all}=read-only"))).await, one.port().to_string());
    let none = env.failure(&format!("{all}=standby")).await;
    says(&none, "no server of 3 will do", "target_session_attrs");
    says(&none, "is a primary, and target_session_attrs=standby", "");
    says(&none, "Connection refused", "");

    // pg_dump goes where our own session went.
    let dump = tokio::process::Command::new("psql")
        .args(["-X", "-A", "-t", "-c", "SELECT inet_server_port()", "-d", &target.program_conninfo()])
        .envs(target.program_env())
        .output();
    let dump = dump.await.unwrap();
    assert_eq!(String::from_utf8(dump.stdout).unwrap().trim(), two.port().to_string());

    // The first one serves writers again and the second is gone: this process, and copies of the target, don't move.
    set(&one, &[("default_transaction_read_only", "off".to_owned())]).await;
    two.crash().unwrap();
    let lost = Failure::from(target.clone().connect(Access::ReadOnly).await.unwrap_err());
    says(&lost, "where this process began, and nowhere else: error connecting to server", "pg_isready");
    assert_eq!(port(&env.target(&format!("{all}=read-write"))).await, one.port().to_string());
}

#[tokio::test]
async fn what_keeps_us_out_is_said_with_a_way_out() {
    let server = Server::start(&[("max_connections", "5"), ("superuser_reserved_connections", "1")]).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let env = Env::of(&folder, &[]);
    let admin = admin_of(&server).await;
    admin.run("CREATE ROLE app LOGIN PASSWORD 'app'; CREATE ROLE idle PASSWORD 'idle'").await.unwrap();
    let port = server.port();
    let app = format!("postgres://app:app@127.0.0.1:{port}/postgres");

    let wrong = env.failure(&app.replace(":app@", ":wr0ng@")).await;
    says(&wrong, "blue: can't connect: password authentication failed for user \"app\" (28P01)", "check the password");
    assert!(!format!("{wrong:?}").contains("wr0ng"));
    says(&env.failure(&app.replace("app:app", "idle:idle")).await, "28000", "that it may log in");
    says(
        &env.failure(&app.replace("/postgres", "/none")).await,
        "\"none\" does not exist",
        "make it: CREATE DATABASE \"none\"",
    );
    let nowhere = env.failure("postgres://app:app@no-such-host.invalid/postgres").await;
    says(
        &nowhere,
        "blue: can't connect: host no-such-host.invalid can't be looked up",
        "getent hosts no-such-host.invalid",
    );
    says(
        &env.failure(&format!("host=/nowhere port={port} user=app dbname=postgres")).await,
        "No such file",
        "pg_isready -h /nowhere",
    );
    std::fs::write(
        server.folder().join("data/pg_hba.conf"),
        "local all all scram-sha-256\nhost all postgres all scram-sha-256\n",
    )
    .unwrap();
    set(&server, &[]).await;
    says(&env.failure(&app).await, "no pg_hba.conf entry", "over TLS alone");
    std::fs::write(
        server.folder().join("data/pg_hba.conf"),
        "host all all all scram-sha-256\nlocal all all scram-sha-256\n",
    )
    .unwrap();
    set(&server, &[]).await;

    let mut held = Vec::new();
    let full = loop {
        match env.target(&app).connect(Access::ReadOnly).await {
            Ok(db) => held.push(db),
            Err(e) => break Failure::from(e),
        }
    };
    says(&full, "53300", "max_connections");
    drop(held);

    // A server that only begins: recovery that can't end yet.
    server.crash().unwrap();
    let data = server.folder().join("data");
    std::fs::write(data.join("standby.signal"), "").unwrap();
    let conf = data.join("postgresql.auto.conf");
    let settings = std::fs::read_to_string(&conf).unwrap();
    std::fs::write(&conf, settings + "hot_standby = off\n").unwrap();
    server.resume().unwrap();
    says(&env.failure(&app).await, "57P03", "run the same command again");

    // Accepts and never answers.
    let proxy = Proxy::start(port).await;
    proxy.stall();
    let silent = format!("postgres://app:app@127.0.0.1:{}/postgres?connect_timeout=2", proxy.port);
    says(&env.failure(&silent).await, "blue: can't connect: no answer in time", "says nothing");
}

/// The network to blue stalls while `apply` waits on green: the next connection or heartbeat ends the run at its limit, blue serves on,
/// and with the network back the next `apply` goes on.
#[tokio::test]
async fn a_network_that_stalls_in_the_middle_ends_the_run_and_the_next_one_goes_on() {
    let held = "
        CREATE FUNCTION held() RETURNS boolean LANGUAGE plpgsql AS
        'BEGIN PERFORM pg_catalog.pg_advisory_xact_lock_shared(1); RETURN true; END';
        ALTER TABLE account ADD CONSTRAINT held CHECK (public.held());";
    let stage = Stage::with(&format!("{SCHEMA}{held}"), "").await;
    let proxy = Proxy::start(stage.pair.server.port()).await;
    let direct = stage.pair.server.url("blue");
    let through = direct.replace(&format!(":{}/", stage.pair.server.port()), &format!(":{}/", proxy.port));
    let command = |args: &[&str]| {
        let mut command = stage.command(args);
        command.env("BLUE_URL", format!("{through}?connect_timeout=5"));
        command
    };
    let green = stage.pair.on_green().await;
    green.run("SET application_name = 'somebody'; SELECT pg_advisory_lock(1)").await.unwrap();
    let admin = admin_of(&stage.pair.server).await;
    let apply = Running::of(&stage, command(&["apply", "--yes"]));
    let waits = "SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted AND locktype = 'advisory')";
    until_sql(&admin, waits).await;
    proxy.stall();
    let ended = apply.end().await.expect(1);
    ended.says("blue: ").says("no answer").says("State: blue serves").says("Hint: ");

    let blue = stage.pair.on_blue().await;
    blue.run("SET statement_timeout = '5s'; UPDATE token SET account = account").await.unwrap();
    drop(blue);
    green.run("SELECT pg_advisory_unlock(1)").await.unwrap();
    proxy.go_on();
    let ours = "application_name LIKE 'teal%' AND pid <> pg_backend_pid()";
    until_sql(&admin, &format!("SELECT NOT EXISTS (SELECT FROM pg_stat_activity WHERE {ours})")).await;
    // Not waited for in place: the proxy is in this thread.
    Running::of(&stage, command(&["apply", "--yes"])).end().await.expect(0);
}

/// Sockets, a service and an own migrator, which inherits what the operator's environment says.
#[tokio::test]
async fn an_upgrade_goes_through_over_sockets_and_services() {
    let pair = Pair::start(SCHEMA).await;
    let stage = Stage::on(pair, "");
    let server = &stage.pair.server;
    let services = ["blue", "green"].map(|name| {
        let (socket, port) = (server.folder().display(), server.port());
        format!("[{name}]\nhost={socket}\nport={port}\nuser=postgres\ndbname={name}\n")
    });
    secret_file(&stage.path("services.conf"), &services.concat());
    secret_file(&stage.path("pgpass"), &format!("*:*:*:postgres:{}", password(server)));
    stage.edit("plan.toml", "source = \"migrations\"", "command = [\"sh\", \"migrator\"]");
    let migrations = "cat migrations/002_state.sql migrations/003_owner.sql";
    stage.write("migrator", &format!("{migrations} | psql -X -1 -v ON_ERROR_STOP=1 service=green"));
    let text = stage.read("plan.toml");
    let bookkeeping = |line: &&str| !line.starts_with("applied") && !line.starts_with("record");
    stage.write("plan.toml", &text.lines().filter(bookkeeping).collect::<Vec<_>>().join("\n"));
    let run = |args: &[&str]| {
        let mut command = stage.command(args);
        command.env("PGSERVICEFILE", stage.path("services.conf")).env("PGPASSFILE", stage.path("pgpass"));
        command.env("BLUE_URL", "service=blue").env("GREEN_URL", "postgres://?service=green");
        Ran::of(command.output().unwrap())
    };
    run(&["apply", "--yes"]).expect(0);
    run(&["cutover", "--yes"]).expect(0);
    let green = Target::parse("green", &socket_url(server, "green")).unwrap().connect(Access::ReadOnly).await.unwrap();
    assert_eq!(asked(&green, "SELECT count(*)::text FROM token WHERE state = 'live'").await, "200");
}
