//! Guards on real servers: what each one finds, and that it finds nothing where all is well.

#![allow(clippy::unwrap_used)] // what can't be set up fails the test

mod pooler;
mod support;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use support::Pair;
use teal::finding::{Finding, Severity};
use teal::guard;
use teal::plan::{Cutover, Event, MigrationSource, Migrations, Plan, When};
use teal::postgres::{Name, Target};

fn plan(blue: &Target, green: &Target) -> Plan {
    Plan {
        path: PathBuf::from("plan.toml"),
        name: "test".into(),
        strategy: teal::plan::Strategy::BlueGreen,
        blue: blue.clone(),
        green: green.clone(),
        others: BTreeMap::new(),
        journal_dir: PathBuf::from(".migrate"),
        migrations: Migrations {
            source: MigrationSource::Folder(PathBuf::from("migrations")),
            layout: None,
            table: None,
            applied: None,
            record: None,
            lock_timeout: Duration::from_millis(500),
        },
        events: Vec::new(),
        jobs: 2,
        cutover: Cutover { max_lag: 1, deadline: Duration::from_secs(5), window: None, one_way: None },
        participants: Vec::new(),
        levers: Vec::new(),
        checks: Vec::new(),
        accepts: Vec::new(),
    }
}

fn event(table: &str, predicate: &str, key: Option<&[&str]>) -> Event {
    Event {
        name: format!("{table} ends"),
        table: table.into(),
        when: When::Ends(predicate.into()),
        key: key.map(|columns| columns.iter().map(ToString::to_string).collect()),
        replay: vec![],
        verify: "SELECT 1 WHERE false".into(),
    }
}

async fn check(plan: &Plan) -> Vec<Finding> {
    let (blue, green) = guard::connect_both(plan).await.unwrap();
    guard::check(plan, &blue, &green, false).await.unwrap()
}

/// `blocker guard/version: what` of each, notes aside.
fn lines(found: &[Finding]) -> Vec<String> {
    let line = |f: &Finding| format!("{} {}: {}", f.severity.word(), f.id, f.what);
    found.iter().filter(|f| f.severity != Severity::Note).map(line).collect()
}

fn next_of<'a>(found: &'a [Finding], id: &str) -> Vec<&'a str> {
    found.iter().filter(|f| f.id == id).map(|f| f.next.as_str()).collect()
}

const SCHEMA: &str = "CREATE TABLE token (id int PRIMARY KEY, active boolean, client int, note text);
                      CREATE VIEW live AS SELECT 1 AS id;";

#[tokio::test]
async fn two_databases_of_one_server_that_fit_give_no_finding() {
    let pair = Pair::start(SCHEMA).await;
    let mut plan = plan(&pair.blue, &pair.green);
    plan.events = vec![event("token", "active -- not revoked", None)];
    assert_eq!(check(&plan).await, []);
}

#[tokio::test]
async fn what_cannot_be_reached_is_a_failure_with_a_hint() {
    let pair = Pair::start("").await;
    let with = |url: &str| plan(&pair.blue, &Target::parse("green", url).unwrap());
    let wrong_password = with(&pair.server.url_as("postgres", "wr0ng", "green"));
    let failure = guard::connect_both(&wrong_password).await.unwrap_err();
    assert_eq!(failure.kind.exit_code(), 1);
    assert!(failure.what.starts_with("green: can't connect: password authentication failed"), "{failure}");
    assert!(failure.hint.as_ref().unwrap().contains("password for role \"postgres\""), "{failure:?}");
    assert!(!format!("{failure:?}").contains("wr0ng"));

    let failure = guard::connect_both(&with(&pair.server.url("nowhere"))).await.unwrap_err();
    assert_eq!(failure.hint.as_deref(), Some("make it: CREATE DATABASE \"nowhere\""));

    // A port that was free a moment ago.
    let port = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port();
    let failure = guard::connect_both(&with(&format!("postgres://a@127.0.0.1:{port}/b"))).await.unwrap_err();
    assert_eq!(failure.hint, Some(format!("see whether a server answers there: pg_isready -h 127.0.0.1 -p {port}")));
}

#[tokio::test]
async fn one_database_behind_two_names_is_found() {
    let pair = Pair::start(SCHEMA).await;
    let other_name = pair.server.url("blue").replace("127.0.0.1", "localhost");
    let plan = plan(&pair.blue, &Target::parse("green", &other_name).unwrap());
    let found = check(&plan).await;
    assert!(
        lines(&found).contains(&"blocker guard/same-database: blue and green are the same database".to_owned()),
        "{found:?}"
    );
}

#[tokio::test]
async fn a_transaction_pooler_in_the_url_is_found() {
    let pair = Pair::start(SCHEMA).await;
    let port = pooler::start(pair.server.port()).await;
    let url = pair.server.url("blue").replace(&format!(":{}/", pair.server.port()), &format!(":{port}/"));
    let plan = plan(&Target::parse("blue", &url).unwrap(), &pair.green);
    assert_eq!(lines(&check(&plan).await), ["blocker guard/pooler: blue is reached through a transaction pooler"]);
}

#[tokio::test]
async fn a_green_that_holds_something_is_named_unless_the_run_goes_on() {
    let pair = Pair::start("").await;
    pair.on_green()
        .await
        .run(
            "CREATE SCHEMA teal; CREATE TABLE teal.run (id int); CREATE EXTENSION citext; CREATE TABLE a (id serial);
             CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1'; CREATE TYPE mood AS ENUM ('x');
             CREATE SCHEMA s; CREATE VIEW s.v AS SELECT 1 AS one; CREATE DOMAIN d AS int",
        )
        .await
        .unwrap();
    let plan = plan(&pair.blue, &pair.green);
    assert_eq!(
        lines(&check(&plan).await),
        ["blocker guard/green-not-empty: green holds sequence public.a_id_seq, table public.a, view s.v, \
         function public.f, type public.d and 2 more"]
    );
    let (blue, green) = guard::connect_both(&plan).await.unwrap();
    assert_eq!(lines(&guard::check(&plan, &blue, &green, true).await.unwrap()), Vec::<String>::new());
}

#[tokio::test]
async fn the_grants_that_are_named_are_those_that_are_missing() {
    let pair = Pair::start(
        "CREATE ROLE app; CREATE ROLE mover LOGIN PASSWORD 'x'; CREATE SCHEMA auth AUTHORIZATION app;
         CREATE TABLE auth.token (id serial PRIMARY KEY, active boolean); ALTER TABLE auth.token OWNER TO app;
         CREATE TABLE auth.secret (id int); ALTER TABLE auth.secret OWNER TO app;
         ALTER TABLE auth.secret ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
         CREATE TABLE auth.hidden (id int); ALTER TABLE auth.hidden OWNER TO app;
         REVOKE ALL ON auth.hidden FROM app; CREATE SEQUENCE auth.lone; ALTER SEQUENCE auth.lone OWNER TO app",
    )
    .await;
    let as_mover = |name: &str| Target::parse(name, &pair.server.url_as("mover", "x", name)).unwrap();
    let plan = plan(&as_mover("blue"), &as_mover("green"));
    let admin = pair.on_blue().await;
    let green_admin = pair.on_green().await;
    // Some lacks hide behind others: run what is said until nothing more is said.
    let mut said = Vec::new();
    for _ in 0..4 {
        let found = check(&plan).await;
        for finding in found.iter().filter(|f| f.id == "guard/privileges") {
            said.extend(finding.next.lines().map(str::to_owned));
            let on = if finding.object == "green" { &green_admin } else { &admin };
            on.run(&finding.next).await.unwrap();
        }
    }
    said.sort();
    assert_eq!(
        said,
        [
            "ALTER ROLE mover BYPASSRLS;",
            "GRANT \"app\" TO \"mover\";",
            "GRANT CREATE ON DATABASE \"blue\" TO \"mover\";",
            "GRANT CREATE ON DATABASE \"green\" TO \"mover\";",
            "GRANT SELECT ON TABLE auth.hidden TO mover;",
            "GRANT app TO mover;",
            "GRANT pg_read_all_stats TO mover;",
        ]
    );
    assert_eq!(lines(&check(&plan).await), Vec::<String>::new());
}

/// What an earlier run of another role left, or a schema of that name that has nothing to do with us.
#[tokio::test]
async fn a_schema_teal_that_the_role_may_not_read_is_a_finding_and_what_is_said_opens_it() {
    let pair = Pair::start("CREATE ROLE mover LOGIN PASSWORD 'x'; CREATE SCHEMA teal").await;
    let as_mover = |name: &str| Target::parse(name, &pair.server.url_as("mover", "x", name)).unwrap();
    let plan = plan(&as_mover("blue"), &as_mover("green"));
    let retired = async || {
        let (blue, green) = guard::connect_both(&plan).await.unwrap();
        let found = guard::check(&plan, &blue, &green, false).await.unwrap();
        found.into_iter().find(|finding| finding.id == "guard/blue-retired")
    };
    let blue = pair.on_blue().await;
    let open = async |finding: Finding| {
        assert_eq!(finding.severity, Severity::Blocker);
        blue.run(finding.next.split(" -- ").next().unwrap()).await.unwrap();
        finding.what
    };
    let told = "whether an earlier run switched away from blue can't be told: role \"mover\" may not read";
    assert_eq!(open(retired().await.unwrap()).await, format!("{told} schema teal"));
    assert_eq!(retired().await, None);

    blue.run("REVOKE USAGE ON SCHEMA teal FROM mover; CREATE TABLE teal.decision (run text, at timestamptz)")
        .await
        .unwrap();
    let what = format!("{told} teal.decision, where such a run wrote it down");
    assert_eq!(open(retired().await.unwrap()).await, what);
    assert_eq!(retired().await, None, "nothing was decided");
    blue.run("REVOKE SELECT ON teal.decision FROM mover; INSERT INTO teal.decision VALUES ('r1', '2026-01-01')")
        .await
        .unwrap();
    assert_eq!(open(retired().await.unwrap()).await, what);
    let decided = retired().await.unwrap().what;
    assert!(decided.starts_with("blue was retired by run r1 at 2026-01-01 00:00:00"), "{decided}");
}

#[tokio::test]
async fn roles_that_green_lacks_are_made_by_what_is_said() {
    let blue = Pair::start(
        "CREATE ROLE \"App Owner\"; CREATE ROLE reader; CREATE ROLE idle; CREATE TABLE t (id int);
         ALTER TABLE t OWNER TO \"App Owner\"; GRANT SELECT (id) ON t TO reader",
    )
    .await;
    let other = Pair::start("").await;
    let plan = plan(&blue.blue, &other.green);
    let found = check(&plan).await;
    let said = next_of(&found, "guard/roles-missing");
    assert_eq!(said, ["CREATE ROLE \"App Owner\" NOLOGIN;\nCREATE ROLE \"reader\" NOLOGIN;"]);
    other.on_green().await.run(said[0]).await.unwrap();
    assert_eq!(lines(&check(&plan).await), Vec::<String>::new());
}

#[tokio::test]
async fn event_tables_keys_and_predicates_are_tried() {
    let pair = Pair::start(SCHEMA).await;
    pair.on_blue().await.run("CREATE TABLE keyless (a int, b int); CREATE UNIQUE INDEX ON keyless (a)").await.unwrap();
    let parts = "CREATE TABLE part (id int, at date, PRIMARY KEY (id, at)) PARTITION BY RANGE (at);
                 CREATE TABLE part_all PARTITION OF part DEFAULT";
    pair.on_blue().await.run(parts).await.unwrap();
    let mut plan = plan(&pair.blue, &pair.green);
    let mut said = Vec::new();
    // Looked for by what decides the partition, a row that moved would not be found.
    plan.events = vec![Event {
        verify: "SELECT 1 FROM part WHERE id = :id AND at = :at".into(),
        ..event("part", "id > 0", None)
    }];
    let found = check(&plan).await;
    let moved = "blocker guard/event-partition: its statements name :at, which decides the partition of public.part";
    assert_eq!(lines(&found), [moved]);
    assert!(next_of(&found, "guard/event-partition")[0].contains("finding = \"guard/event-partition\""));
    plan.events = vec![Event { verify: "SELECT 1 FROM part WHERE id = :id".into(), ..event("part", "id > 0", None) }];
    assert_eq!(lines(&check(&plan).await), [""; 0]);
    for (table, predicate, key) in [
        ("token", "note = '\"Subplan Name\": x'", None),
        ("keyless", "a > 1", Some(&["b", "a"][..])),
        ("token", "note > now()::text", None),
        ("tokens", "active", None),
        ("not a name", "active", None),
        ("live", "true", None),
        ("keyless", "a > 1", None),
        ("token", "active", Some(&["ident"][..])),
        ("token", "active", Some(&["client"][..])),
        ("token", "activ", None),
        ("token", "client", None),
        ("token", "max(client) > 1", None),
        ("token", "EXISTS (SELECT FROM keyless WHERE a = client)", None),
        ("token", "active); DROP TABLE token; --", None),
    ] {
        plan.events = vec![event(table, predicate, key)];
        said.push(lines(&check(&plan).await).join("; "));
    }
    assert_eq!(
        said,
        [
            "",
            "",
            "warning guard/event-table: its predicate depends on the clock: note > now()::text",
            "blocker guard/event-table: blue has no table tokens",
            "blocker guard/event-table: blue has no table not a name",
            "blocker guard/event-table: blue has no table live",
            "blocker guard/event-table: public.keyless has no primary key",
            "blocker guard/event-table: public.token has no column ident, which its key names",
            "warning guard/event-table: no unique index covers (\"client\") of public.token",
            "blocker guard/event-table: blue refuses its predicate: column \"activ\" does not exist: activ",
            "blocker guard/event-table: blue refuses its predicate: argument of WHERE must be type boolean, not type integer: client",
            "blocker guard/event-table: blue refuses its predicate: aggregate functions are not allowed in WHERE: max(client) > 1",
            "blocker guard/event-table: its predicate holds a subquery: EXISTS (SELECT FROM keyless WHERE a = client)",
            "blocker guard/event-table: blue refuses its predicate: syntax error at or near \")\": active); DROP TABLE token; --",
        ]
    );
    let named = guard::resolve_table(&pair.on_blue().await, "\"token\"").await.unwrap();
    assert_eq!(named, Some(Name::new("public", "token")));
}

#[tokio::test]
async fn a_small_server_lacks_connections_and_locks() {
    let settings = [("max_connections", "12"), ("max_locks_per_transaction", "10"), ("max_prepared_transactions", "0")];
    let pair = Pair::start_with(
        &settings,
        "DO $$ BEGIN FOR i IN 1..65 LOOP EXECUTE format('CREATE TABLE t%s (id int PRIMARY KEY)', i); COMMIT; END LOOP; END $$",
    )
    .await;
    let found = check(&plan(&pair.blue, &pair.green)).await;
    let ids: Vec<_> = found.iter().map(|f| (f.severity, f.id.as_str(), f.object.as_str())).collect();
    assert_eq!(
        ids,
        [
            (Severity::Blocker, "guard/connections", "blue"),
            (Severity::Blocker, "guard/connections", "green"),
            (Severity::Blocker, "guard/locks-per-transaction", "blue"),
        ]
    );
    // What is said is enough.
    for finding in &found[1..] {
        for sql in finding.next.split("; -- ").take(1) {
            pair.on_blue().await.run(sql).await.unwrap();
        }
    }
    pair.server.crash().unwrap();
    pair.server.resume().unwrap();
    assert_eq!(check(&plan(&pair.blue, &pair.green)).await, []);
}

#[tokio::test]
async fn a_connection_limit_of_the_role_is_found_and_lifted_by_what_is_said() {
    let pair =
        Pair::start("CREATE ROLE mover LOGIN PASSWORD 'x' CONNECTION LIMIT 9; GRANT pg_read_all_stats TO mover").await;
    let admin = pair.on_blue().await;
    admin.run("GRANT CREATE ON DATABASE blue TO mover; GRANT CREATE ON DATABASE green TO mover").await.unwrap();
    let as_mover = |name: &str| Target::parse(name, &pair.server.url_as("mover", "x", name)).unwrap();
    let plan = plan(&as_mover("blue"), &as_mover("green"));
    let found = check(&plan).await;
    let said = next_of(&found, "guard/connections");
    assert_eq!(
        said,
        [
            "ALTER ROLE \"mover\" CONNECTION LIMIT -1; ALTER DATABASE \"blue\" CONNECTION LIMIT -1;",
            "ALTER ROLE \"mover\" CONNECTION LIMIT -1; ALTER DATABASE \"green\" CONNECTION LIMIT -1;",
        ]
    );
    admin.run(said[0]).await.unwrap();
    assert_eq!(check(&plan).await, []);
}

#[tokio::test]
async fn a_standby_is_found() {
    let pair = Pair::start("").await;
    pair.server.crash().unwrap();
    // A server that waits for more log is a standby in all that the guard asks.
    std::fs::write(pair.server.folder().join("data/standby.signal"), "").unwrap();
    pair.server.resume().unwrap();
    let found = check(&plan(&pair.blue, &pair.green)).await;
    let standbys: Vec<_> = found.iter().filter(|f| f.id == "guard/in-recovery").map(|f| f.what.as_str()).collect();
    assert_eq!(standbys, ["blue is a standby", "green is a standby"]);
}

#[tokio::test]
async fn timeouts_of_role_or_database_are_noted() {
    let pair =
        Pair::start("ALTER DATABASE blue SET statement_timeout = '5s'; ALTER ROLE postgres SET lock_timeout = '1s'")
            .await;
    let found = check(&plan(&pair.blue, &pair.green)).await;
    let notes: Vec<_> = found.iter().map(|f| (f.severity, f.what.as_str())).collect();
    assert_eq!(
        notes,
        [
            (Severity::Note, "blue sets lock_timeout=1s for role postgres, statement_timeout=5s in this database"),
            (Severity::Note, "green sets lock_timeout=1s for role postgres"),
        ]
    );
}

#[tokio::test]
async fn what_the_copy_does_not_bring_is_named() {
    let pair = Pair::start(
        "SELECT lo_create(0); CREATE PUBLICATION feed FOR ALL TABLES;
         CREATE SUBSCRIPTION \"from\" CONNECTION 'host=nowhere' PUBLICATION p WITH (connect = false);
         CREATE FUNCTION ddl() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN END';
         CREATE EVENT TRIGGER watch ON ddl_command_end EXECUTE FUNCTION ddl(); CREATE ROLE mover LOGIN PASSWORD 'x'",
    )
    .await;
    let admin = pair.on_blue().await;
    admin.run("CREATE DATABASE latin TEMPLATE template0 ENCODING 'LATIN1' LOCALE 'C'").await.unwrap();
    admin.run("GRANT CREATE ON DATABASE latin TO mover; GRANT postgres TO mover").await.unwrap();
    let green = Target::parse("green", &pair.server.url_as("mover", "x", "latin")).unwrap();
    let found = check(&plan(&pair.blue, &green)).await;
    assert_eq!(
        lines(&found),
        [
            "blocker guard/encoding: green is encoded in LATIN1, blue in UTF8",
            "warning guard/locale: green sorts by C/C (c), blue by C.UTF-8/C.UTF-8 (c)",
            "warning guard/not-carried: blue has large objects, which are copied; their number: 1",
            "blocker guard/not-carried: only a superuser can make a publication of all tables, or of a schema: \
             publication feed",
            "warning guard/not-carried: something may be subscribed to blue",
            "warning guard/not-carried: blue receives changes from another server",
            "blocker guard/not-carried: our role on green can't make event triggers",
        ]
    );
}

#[tokio::test]
async fn what_pg_dump_leaves_out_and_what_green_s_role_can_t_make_is_named() {
    let pair = Pair::start(
        "CREATE ROLE mover LOGIN PASSWORD 'x'; CREATE ROLE a; CREATE ROLE b; GRANT a, b TO mover;
         CREATE TABLE odd (t pg_node_tree); CREATE LANGUAGE spoken HANDLER plpgsql_call_handler;
         CREATE TABLE parent (n int NOT NULL); CREATE TABLE child () INHERITS (parent);
         ALTER TABLE child ALTER n DROP NOT NULL;
         CREATE FUNCTION sealed() RETURNS int LANGUAGE sql LEAKPROOF RETURN 1;
         CREATE DOMAIN word AS text; CREATE TYPE span AS RANGE (subtype = int);
         CREATE TABLE k (id int PRIMARY KEY); CREATE TABLE r (id int REFERENCES k); ALTER TABLE r DISABLE TRIGGER ALL;
         CREATE MATERIALIZED VIEW kept AS SELECT 1 AS one; GRANT SELECT ON k TO a WITH GRANT OPTION;
         SET SESSION AUTHORIZATION a; GRANT SELECT ON k TO b; RESET SESSION AUTHORIZATION;
         ALTER DATABASE blue SET work_mem = '7MB'",
    )
    .await;
    let green = Target::parse("green", &pair.server.url_as("mover", "x", "green")).unwrap();
    pair.on_blue().await.run("GRANT CREATE ON DATABASE green TO mover").await.unwrap();
    let found = check(&plan(&pair.blue, &green)).await;
    let carried: Vec<Finding> = found.into_iter().filter(|f| f.id == "guard/not-carried").collect();
    assert_eq!(
        lines(&carried),
        [
            "blocker guard/not-carried: blue has a language whose handler came with the server: language spoken",
            "blocker guard/not-carried: blue has columns of a type whose input refuses every value: odd.t",
            "warning guard/not-carried: on blue a column may be NULL where its parent's may not: child.n",
            "warning guard/not-carried: blue has foreign keys that are switched off: r_id_fkey on r",
            "blocker guard/not-carried: only a superuser can make what blue has: function public.sealed(), \
             language spoken",
            "blocker guard/not-carried: privileges on blue were granted by others than the owner: table public.k",
            "warning guard/not-carried: \"mover\" may not set what blue's database sets: work_mem",
        ]
    );
    assert_eq!(carried[0].next, "DROP LANGUAGE spoken;");
    assert_eq!(carried[1].next, "ALTER TABLE odd ALTER COLUMN t TYPE text USING t::text;");
    assert_eq!(carried.last().unwrap().next, "ALTER DATABASE \"green\" OWNER TO \"mover\";");
}

#[tokio::test]
async fn tablespaces_and_extensions_that_green_lacks_are_named() {
    let blue = Pair::start("CREATE EXTENSION citext; CREATE TABLE t (id int)").await;
    let folder = blue.server.folder().join("space");
    let admin = blue.on_blue().await;
    // As the server's user, whoever we are.
    admin.run(&format!("COPY (SELECT 1) TO PROGRAM 'mkdir {}'", folder.display())).await.unwrap();
    admin.run(&format!("CREATE TABLESPACE fast LOCATION '{}'", folder.display())).await.unwrap();
    // An extension whose files are gone, as on a server where the package is not installed.
    admin
        .run("ALTER TABLE t SET TABLESPACE fast; UPDATE pg_extension SET extname = 'gone' WHERE extname = 'citext'")
        .await
        .unwrap();
    let other = Pair::start("").await;
    let found = check(&plan(&blue.blue, &other.green)).await;
    assert_eq!(
        lines(&found),
        [
            "blocker guard/not-carried: green's server has no such tablespace",
            "blocker guard/not-carried: green's server does not have this extension",
        ]
    );
}
