//! The sessions that build indexes and check foreign keys: few of them, lost ones, and how many a run opens.

use std::collections::HashMap;

use teal::catalog::Machine;
use teal::guard::sessions_at_most;
use teal::postgres::{Access, Name, Target};
use teal::snapshot::{self, Jobs, PostData, read_post_data};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

use super::support::Pair;
use super::support::running::{Running, until, until_sql};
use super::support::stage::{SCHEMA as STAGED, Stage};
use super::{Copy, WAITS, heard, number, said, silent};

/// Tables that refer to each other in circles, to themselves, to one that all refer to, and from a partitioned one; two
/// indexes on each but the last.
const KEYS: &str = "
    CREATE TABLE hub (id int PRIMARY KEY, v int UNIQUE);
    CREATE TABLE a (id int PRIMARY KEY, b int, hub int REFERENCES hub, other int REFERENCES hub (v));
    CREATE TABLE b (id int PRIMARY KEY, a int REFERENCES a, b int REFERENCES b, hub int REFERENCES hub);
    ALTER TABLE a ADD FOREIGN KEY (b) REFERENCES b;
    CREATE TABLE c (id int PRIMARY KEY, v int REFERENCES hub (v), a int REFERENCES a);
    CREATE TABLE p (id int PRIMARY KEY, hub int REFERENCES hub) PARTITION BY RANGE (id);
    CREATE TABLE p_low PARTITION OF p FOR VALUES FROM (0) TO (1000);
    CREATE TABLE p_high PARTITION OF p DEFAULT;
    CREATE TABLE q (p int REFERENCES p, b int REFERENCES b);
    CREATE INDEX ON a (hub); CREATE INDEX ON b (a); CREATE INDEX ON c (v);
    INSERT INTO hub SELECT g, g FROM generate_series(1, 2000) g;
    INSERT INTO a SELECT g, NULL, g, g FROM generate_series(1, 2000) g;
    INSERT INTO b SELECT g, g, g, g FROM generate_series(1, 2000) g;
    UPDATE a SET b = id;
    INSERT INTO c SELECT g, g, g FROM generate_series(1, 2000) g;
    INSERT INTO p SELECT g, g FROM generate_series(1, 2000) g;
    INSERT INTO q SELECT g, g FROM generate_series(1, 2000) g;";

const KEYS_THERE: &str = "SELECT count(*) FROM pg_constraint WHERE contype = 'f' AND conparentid = 0 AND convalidated";
const INDEXES_THERE: &str =
    "SELECT count(*) FROM pg_index WHERE indisvalid AND indrelid::regclass::text ~ '^(hub|[abcpq](_.*)?)$'";

/// All tables of [`KEYS`] have their rows on green.
async fn with_rows(pair: &Pair) -> (Copy<'_>, PostData) {
    let copy = Copy::begin(pair).await;
    copy.rows(Jobs::fixed(2), &silent()).await.unwrap();
    let post = read_post_data(&copy.archive()).await.unwrap();
    (copy, post)
}

/// Every table's rows are in.
fn all_ready() -> UnboundedReceiver<Name> {
    unbounded_channel().1
}

/// Green by a role that owns everything there and may have so many sessions.
async fn narrow(pair: &Pair, limit: u32) -> Target {
    let green = pair.on_green().await;
    let role = format!(
        "CREATE ROLE narrow LOGIN PASSWORD 'narrow' CONNECTION LIMIT {limit}; GRANT CREATE ON SCHEMA public TO narrow"
    );
    green.run(&role).await.unwrap();
    let own = "SELECT string_agg(format('ALTER TABLE %s OWNER TO narrow', oid::regclass), ';') FROM pg_class \
               WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p')";
    let own: String = green.row(own, &[]).await.unwrap().get(0);
    green.run(&own).await.unwrap();
    Target::parse("green", &pair.server.url_as("narrow", "narrow", "green")).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn indexes_foreign_keys_and_statistics_go_on_with_the_sessions_that_a_full_green_has_room_for() {
    let pair = Pair::start(KEYS).await;
    let (copy, post) = with_rows(&pair).await;
    let green = pair.on_green().await;
    let narrow = narrow(&pair, 2).await;
    // For one or two: a session that was just closed may count yet.
    let fewer = |on: &String| on.starts_with("snapshot/fewer-jobs room for ") && on.contains(" of 4 jobs: green: ");

    // None is left at first, while rows are on their way: the builder waits, for they will end.
    let held = [narrow.connect(Access::ReadOnly).await.unwrap(), narrow.connect(Access::ReadOnly).await.unwrap()];
    let (notices, mut from) = heard();
    let (ready, tables_in) = unbounded_channel();
    let building =
        snapshot::build_indexes(&narrow, &post, &copy.tables, tables_in, Jobs::fixed(4), &notices, &copy.cancel);
    let room = async {
        ready.send(Name::new("public", "a")).unwrap();
        let mut heard = Vec::new();
        until("the builder to wait", async || {
            heard.extend(said(&mut from));
            heard.iter().any(|on| on.starts_with("a session for building indexes: green: "))
        })
        .await;
        drop(held);
        drop(ready);
    };
    let (built, ()) = tokio::join!(building, room);
    built.unwrap();
    let heard = said(&mut from);
    assert!(heard.iter().any(fewer), "{heard:?}");
    assert_eq!(number(&green, INDEXES_THERE).await, number(&pair.on_blue().await, INDEXES_THERE).await);

    let (notices, mut from) = super::heard();
    snapshot::add_foreign_keys(&narrow, &post, Jobs::fixed(4), &notices, &copy.cancel).await.unwrap();
    assert_eq!(number(&green, KEYS_THERE).await, 11);
    snapshot::analyze(&narrow, Jobs::fixed(4), &notices, &copy.cancel).await.unwrap();
    let heard = said(&mut from);
    assert!(heard.iter().any(fewer), "{heard:?}");

    // Where nothing of ours will end, it is a failure that says what to do.
    green.run("ALTER TABLE c DROP CONSTRAINT c_a_fkey; ALTER ROLE narrow CONNECTION LIMIT 0").await.unwrap();
    let failure = snapshot::add_foreign_keys(&narrow, &post, Jobs::fixed(4), &notices, &copy.cancel).await.unwrap_err();
    assert!(failure.what.contains("too many connections"), "{failure}");
    assert!(failure.hint.unwrap().contains("close sessions"));
}

#[tokio::test(flavor = "multi_thread")]
async fn foreign_keys_that_share_tables_never_deadlock_and_a_lost_session_is_replaced() {
    let pair = Pair::start(KEYS).await;
    let (copy, post) = with_rows(&pair).await;
    let green = pair.on_green().await;
    let silent = silent();
    snapshot::build_indexes(&pair.green, &post, &copy.tables, all_ready(), Jobs::fixed(4), &silent, &copy.cancel)
        .await
        .unwrap();
    let none = "SELECT string_agg(format('ALTER TABLE %s DROP CONSTRAINT %I', conrelid::regclass, conname), ';') \
                FROM pg_constraint WHERE contype = 'f' AND conparentid = 0";
    for _ in 0..5 {
        snapshot::add_foreign_keys(&pair.green, &post, Jobs::fixed(8), &silent, &copy.cancel).await.unwrap();
        assert_eq!(number(&green, KEYS_THERE).await, 11);
        let drop: String = green.row(none, &[]).await.unwrap().get(0);
        green.run(&drop).await.unwrap();
    }
    assert!(!pair.server.log().contains("deadlock detected"), "{}", pair.server.log());

    // One that waits for a table is killed, as is an index builder; both are done by others.
    green.run("DROP INDEX a_hub_idx").await.unwrap();
    let kill = "SELECT count(pg_terminate_backend(pid)) FROM pg_locks WHERE NOT granted";
    for work in ["foreign keys", "indexes"] {
        let holder = pair.on_green().await;
        holder.run("SET application_name = 'holder'; BEGIN; LOCK TABLE a IN ROW EXCLUSIVE MODE").await.unwrap();
        let (notices, mut from) = heard();
        let lose = async {
            until("a session to wait", async || number(&holder, WAITS).await > 0).await;
            assert!(number(&holder, kill).await > 0);
            holder.run("COMMIT").await.unwrap();
        };
        let jobs = Jobs::fixed(2);
        let worked = async {
            if work == "indexes" {
                let ready = all_ready();
                snapshot::build_indexes(&pair.green, &post, &copy.tables, ready, jobs, &notices, &copy.cancel).await
            } else {
                snapshot::add_foreign_keys(&pair.green, &post, jobs, &notices, &copy.cancel).await
            }
        };
        let (worked, ()) = tokio::join!(worked, lose);
        worked.unwrap();
        let heard = said(&mut from);
        assert!(heard.iter().any(|on| on.starts_with("a new session for ")), "{work}: {heard:?}");
    }
    assert_eq!(number(&green, KEYS_THERE).await, 11);
    assert_eq!(number(&green, INDEXES_THERE).await, number(&pair.on_blue().await, INDEXES_THERE).await);
}

/// An event trigger on green writes down what each CREATE INDEX and ALTER TABLE may take.
const SPY: &str = "
    CREATE TABLE spied (tag text, memory text, workers text);
    CREATE FUNCTION spy() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN
        INSERT INTO public.spied VALUES (tg_tag, pg_catalog.current_setting('maintenance_work_mem'),
                                         pg_catalog.current_setting('max_parallel_maintenance_workers')); END $$;
    CREATE EVENT TRIGGER spy ON ddl_command_start WHEN TAG IN ('CREATE INDEX', 'ALTER TABLE') EXECUTE FUNCTION spy()";

#[tokio::test(flavor = "multi_thread")]
async fn index_builds_take_their_share_of_the_machine_or_what_is_set_for_them() {
    let pair = Pair::start(KEYS).await;
    let (copy, post) = with_rows(&pair).await;
    let green = pair.on_green().await;
    green.run(SPY).await.unwrap();
    let jobs = || Jobs::fixed(2);
    let silent = silent();
    let spied = async || {
        let rows = green.rows("SELECT DISTINCT tag, memory, workers FROM spied ORDER BY 1", &[]).await.unwrap();
        let seen: Vec<String> =
            rows.iter().map(|row| format!("{} {}", row.get::<_, &str>(1), row.get::<_, &str>(2))).collect();
        seen
    };
    let machine = Machine::read(&green).await.unwrap();
    let share = machine.sorting(8192, 2);
    // This machine is known: as much as lets all that take part begin.
    let expected = format!("{}MB {}", share.memory >> 20, share.workers);
    assert!(share.memory >= 64 << 20 && share.workers >= 2, "{expected}");
    snapshot::build_indexes(&pair.green, &post, &copy.tables, all_ready(), jobs(), &silent, &copy.cancel)
        .await
        .unwrap();
    assert!(spied().await.contains(&expected), "{:?}", spied().await);

    let set = "ALTER DATABASE green SET maintenance_work_mem = '17MB'; \
               ALTER DATABASE green SET max_parallel_maintenance_workers = 5; DROP INDEX a_hub_idx; TRUNCATE spied";
    green.run(set).await.unwrap();
    snapshot::build_indexes(&pair.green, &post, &copy.tables, all_ready(), jobs(), &silent, &copy.cancel)
        .await
        .unwrap();
    assert_eq!(spied().await, ["17MB 5"]);
}

/// Rows of `late` wait on green for one advisory lock, the indexes of `early` for another. `early` is the larger one.
const GATED: &str = "
    CREATE FUNCTION rows_gate() RETURNS boolean LANGUAGE plpgsql AS
        'BEGIN PERFORM pg_catalog.pg_advisory_xact_lock_shared(42); RETURN true; END';
    CREATE FUNCTION index_gate(id int) RETURNS int IMMUTABLE LANGUAGE plpgsql AS
        'BEGIN PERFORM pg_catalog.pg_advisory_xact_lock_shared(43); RETURN id; END';
    CREATE TABLE early (id int, pad text); INSERT INTO early SELECT g, repeat('x', 500) FROM generate_series(1, 500) g;
    CREATE INDEX early_1 ON early (public.index_gate(id)); CREATE INDEX early_2 ON early (public.index_gate(id + 1));
    CREATE INDEX early_3 ON early (public.index_gate(id + 2));
    CREATE TABLE late_1 (id int CHECK (public.rows_gate())); INSERT INTO late_1 SELECT generate_series(1, 100);
    CREATE TABLE late_2 (id int CHECK (public.rows_gate())); INSERT INTO late_2 SELECT generate_series(1, 100);
    CREATE TABLE late_3 (id int CHECK (public.rows_gate())); INSERT INTO late_3 SELECT generate_series(1, 100);";

/// The most sessions of the program in each database at once, as the server's log has their beginnings and ends.
fn most_at_once(log: &str, ours: &str) -> HashMap<String, i32> {
    let mut open: HashMap<String, i32> = HashMap::new();
    let mut most: HashMap<String, i32> = HashMap::new();
    for line in log.lines().filter(|line| line.contains(ours)) {
        let Some((_, rest)) = line.split_once("database=") else { continue };
        let database = rest.split([' ', ',']).next().unwrap_or_default().to_owned();
        let now = open.entry(database.clone()).or_default();
        if line.contains("connection authorized:") {
            *now += 1;
        } else if line.contains("disconnection:") {
            *now -= 1;
        }
        let most = most.entry(database).or_default();
        *most = (*most).max(*now);
    }
    most
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_opens_as_many_sessions_as_doctor_says_and_no_more() {
    let settings = [("log_connections", "on"), ("log_disconnections", "on")];
    let runner = "CREATE ROLE runner SUPERUSER LOGIN PASSWORD 'runner';";
    let pair = Pair::start_with(&settings, &format!("{STAGED} {GATED} {runner}")).await;
    let stage = Stage::on(pair, "");
    let gate = stage.pair.on_green().await;
    gate.run("SET application_name = 'test'; SELECT pg_advisory_lock(42), pg_advisory_lock(43)").await.unwrap();
    let as_runner = |args: &[&str]| {
        let mut command = stage.command(args);
        for side in ["blue", "green"] {
            let url = stage.pair.server.url_as("runner", "runner", side);
            command.env(format!("{}_URL", side.to_uppercase()), url);
        }
        command
    };
    let running = Running::of(&stage, as_runner(&["apply", "--yes"]));
    // Both workers stand before their rows and both builders in their indexes: more there never are.
    let at_gates =
        "SELECT count(*) = 4 FROM pg_locks WHERE locktype = 'advisory' AND objid IN (42, 43) AND NOT granted";
    until_sql(&gate, at_gates).await;
    let ours = "SELECT count(*) FROM pg_stat_activity WHERE usename = 'runner' AND datname = 'green'";
    let at_the_peak = number(&gate, ours).await;
    gate.run("SELECT pg_advisory_unlock(42), pg_advisory_unlock(43)").await.unwrap();
    running.end().await.expect(0);
    let cutover = Running::of(&stage, as_runner(&["cutover", "--yes"]));
    cutover.end().await.expect(0);
    stage.pair.server.crash().unwrap();

    let most = most_at_once(&stage.pair.server.log(), "user=runner");
    let said = sessions_at_most(2);
    // Two are left for the commands of an operator.
    assert_eq!(at_the_peak, i64::from(said.green - 2));
    assert!(most["green"] <= said.green && most["blue"] <= said.blue, "{most:?}, said {said:?}");
    assert!(most["blue"] >= said.blue - 2, "{most:?}, said {said:?}");
}
