//! The copy in chunks, and what can go wrong in its middle: lost sessions, a lost keeper, changes of jobs, full servers.

#![allow(clippy::unwrap_used)] // helpers of tests are tests

#[path = "copy_faults/sessions.rs"]
mod sessions;
mod support;

use std::path::PathBuf;

use rustix::process::Signal;
use support::Pair;
use support::running::{Running, until, until_sql};
use support::stage::{PARTICIPANTS, SCHEMA as STAGED, Stage};
use teal::catalog::{Table, cut, read_tables};
use teal::error::Result;
use teal::postgres::{Access, Db, Target};
use teal::sandbox::Server;
use teal::snapshot::{self, Export, Jobs, Rows, TableCopied};
use teal::step::{Notice, NoticeBody, Notices, Phase, StepId};
use teal::validate::{check_green, compare_digests, digest_all};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio_util::sync::CancellationToken;

/// A table whose TOAST outweighs its blocks, one with children, leaves, an unlogged one, one without columns, a dropped
/// column and holes that DELETE left.
const SCHEMA: &str = "
    CREATE TABLE big (gone int, id int PRIMARY KEY, pad text);
    INSERT INTO big SELECT 1, g, repeat(md5(g::text), 10) FROM generate_series(1, 3000) g;
    ALTER TABLE big DROP COLUMN gone;
    DELETE FROM big WHERE id % 3 = 0;
    CREATE TABLE wide (id int, body text);
    ALTER TABLE wide ALTER body SET STORAGE EXTERNAL;
    INSERT INTO wide SELECT g, repeat('x', 20000) FROM generate_series(1, 300) g;
    CREATE TABLE parent (id int); INSERT INTO parent SELECT generate_series(1, 2000);
    CREATE TABLE child () INHERITS (parent); INSERT INTO child SELECT generate_series(1, 2000);
    CREATE TABLE part (id int) PARTITION BY RANGE (id);
    CREATE TABLE part_low PARTITION OF part FOR VALUES FROM (0) TO (2000);
    CREATE TABLE part_high PARTITION OF part DEFAULT;
    INSERT INTO part SELECT generate_series(1, 5000);
    CREATE UNLOGGED TABLE quick (id int, r regclass); INSERT INTO quick SELECT g, 'big' FROM generate_series(1, 2000) g;
    CREATE TABLE blank (); INSERT INTO blank SELECT FROM generate_series(1, 500);
    CREATE TABLE empty (id int);";

/// A copy as far as its rows, in chunks as small as they get.
struct Copy<'a> {
    pair: &'a Pair,
    folder: tempfile::TempDir,
    tables: Vec<Table>,
    export: Export,
    cancel: CancellationToken,
}

impl<'a> Copy<'a> {
    async fn begin(pair: &'a Pair) -> Self {
        let tables = read_tables(&pair.on_blue().await).await.unwrap();
        let export = snapshot::export(&pair.blue, &tables).await.unwrap();
        let copy =
            Self { pair, folder: tempfile::tempdir().unwrap(), tables, export, cancel: CancellationToken::new() };
        snapshot::dump_schema(&pair.blue, &copy.export.point, &copy.archive()).await.unwrap();
        snapshot::restore_pre_data(&pair.green, &copy.archive()).await.unwrap();
        copy
    }

    fn archive(&self) -> PathBuf {
        self.folder.path().join("schema.dump")
    }

    async fn rows_with(&self, green: &Target, jobs: Jobs, notices: &Notices) -> Result<Vec<TableCopied>> {
        let rows = Rows { point: &self.export.point, tables: &self.tables, jobs, chunk: Some(8192) };
        let ready = unbounded_channel().0;
        snapshot::copy_rows((&self.pair.blue, green), rows, &ready, notices, &self.cancel).await
    }

    async fn rows(&self, jobs: Jobs, notices: &Notices) -> Result<Vec<TableCopied>> {
        self.rows_with(&self.pair.green, jobs, notices).await
    }
}

fn silent() -> Notices {
    Notices::new(StepId::new(Phase::Snapshot, "copy"), None)
}

fn heard() -> (Notices, UnboundedReceiver<Notice>) {
    let (to, from) = unbounded_channel();
    (Notices::new(StepId::new(Phase::Snapshot, "copy"), Some(to)), from)
}

/// What was waited for and what was found, as text.
fn said(from: &mut UnboundedReceiver<Notice>) -> Vec<String> {
    let mut said = Vec::new();
    while let Ok(notice) = from.try_recv() {
        match notice.body {
            NoticeBody::Waiting { on } => said.push(on),
            NoticeBody::Found { finding } => said.push(format!("{} {}", finding.id, finding.what)),
            _ => {}
        }
    }
    said
}

async fn assert_same_rows(pair: &Pair) {
    let (blue, green) = (pair.on_blue().await, pair.on_green().await);
    let tables = read_tables(&blue).await.unwrap();
    let on_green = read_tables(&green).await.unwrap();
    let silent = silent();
    let blue = digest_all(vec![blue], &tables, &silent).await.unwrap();
    assert_eq!(compare_digests(&blue, &digest_all(vec![green], &on_green, &silent).await.unwrap()), []);
}

async fn number(db: &Db, sql: &str) -> i64 {
    db.row(sql, &[]).await.unwrap().get(0)
}

/// Holds up the copy of `table` on green before its first row, and the sessions that wait for it.
async fn hold(pair: &Pair, table: &str) -> Db {
    let holder = pair.on_green().await;
    holder.run(&format!("SET application_name = 'holder'; BEGIN; LOCK TABLE {table} IN SHARE MODE")).await.unwrap();
    holder
}

const WAITS: &str = "SELECT count(*) FROM pg_locks WHERE NOT granted";
/// Ends the worker's session on green that waits for the holder.
const KILL_WAITING: &str = "SELECT count(pg_terminate_backend(pid)) FROM pg_locks WHERE NOT granted";

#[tokio::test(flavor = "multi_thread")]
async fn every_kind_of_table_arrives_in_chunks_and_the_markers_are_gone() {
    let pair = Pair::start(SCHEMA).await;
    let copy = Copy::begin(&pair).await;
    let chunks = cut(&pair.on_blue().await, &copy.tables, 3, Some(8192)).await.unwrap();
    let parts = |name: &str| chunks.iter().filter(|chunk| chunk.table.name.object.0 == name).count();
    assert!(parts("big") > 5 && parts("wide") > 1 && parts("part_high") > 1, "{chunks:?}");
    assert_eq!((parts("blank"), parts("empty"), parts("part")), (1, 1, 0));

    // Rows that blue gets later land behind the last range, and are not seen.
    pair.on_blue().await.run("INSERT INTO child SELECT generate_series(1, 20000)").await.unwrap();
    let copied = copy.rows(Jobs::fixed(3), &silent()).await.unwrap();
    let rows = |name: &str| copied.iter().find(|table| table.name.object.0 == name).unwrap().rows;
    assert_eq!((rows("big"), rows("wide"), rows("parent"), rows("child")), (2000, 300, 2000, 2000));
    assert_eq!((rows("blank"), rows("empty"), rows("part_low"), rows("part_high")), (500, 0, 1999, 3001));
    let green = pair.on_green().await;
    assert_eq!(number(&green, "SELECT count(*) FROM pg_class WHERE relname = 'chunk'").await, 0);
    assert_eq!(number(&green, "SELECT sum(id)::int8 FROM ONLY child").await, 2_001_000);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_session_on_green_goes_on_with_a_new_one() {
    let pair = Pair::start(SCHEMA).await;
    let copy = Copy::begin(&pair).await;
    let holder = hold(&pair, "wide").await;
    let (notices, mut from) = heard();
    let kill = async {
        until("the copy to wait", async || number(&holder, KILL_WAITING).await > 0).await;
        holder.run("COMMIT").await.unwrap();
    };
    let (copied, ()) = tokio::join!(copy.rows(Jobs::fixed(2), &notices), kill);
    copied.unwrap();
    assert_same_rows(&pair).await;
    let said = said(&mut from);
    assert!(said.iter().any(|on| on.starts_with("a new session: green: ")), "{said:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_session_on_blue_goes_on_in_the_same_snapshot() {
    let pair = Pair::start(SCHEMA).await;
    let copy = Copy::begin(&pair).await;
    let blue = pair.on_blue().await;
    let keeper = copy.export.db.backend_pid().await.unwrap();
    let holder = hold(&pair, "wide").await;
    let (notices, mut from) = heard();
    let kill = async {
        until("the copy to wait", async || number(&holder, WAITS).await > 0).await;
        // The worker that waits on green is in its first COPY on blue, or about to begin it.
        let workers = format!(
            "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE datname = 'blue' \
             AND application_name = 'teal' AND state LIKE 'idle in tr%' AND pid <> {keeper}"
        );
        until("workers on blue", async || number(&blue, &workers).await > 0).await;
        // After the snapshot: the rows must not be in the chunk that is copied again.
        blue.run("UPDATE wide SET id = -id; DELETE FROM big").await.unwrap();
        holder.run("COMMIT").await.unwrap();
    };
    let (copied, ()) = tokio::join!(copy.rows(Jobs::fixed(2), &notices), kill);
    let copied = copied.unwrap();
    assert_eq!(copied.iter().map(|table| table.rows).sum::<u64>(), 13_800);
    let green = pair.on_green().await;
    assert_eq!(number(&green, "SELECT count(*) FROM wide WHERE id > 0").await, 300);
    assert_eq!(number(&green, "SELECT count(DISTINCT id) FROM big").await, 2000);
    let said = said(&mut from);
    assert!(said.iter().any(|on| on.starts_with("a new session: blue: ")), "{said:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_chunk_whose_marker_is_there_is_not_copied_again() {
    let pair = Pair::start("CREATE TABLE t (id int); INSERT INTO t SELECT generate_series(1, 5000)").await;
    let copy = Copy::begin(&pair).await;
    // Holds the first chunk as a session would whose COMMIT is on its way while we take it for lost.
    let green = pair.on_green().await;
    let holder = hold(&pair, "t").await;
    let commit = async {
        until("a chunk to begin", async || number(&green, WAITS).await > 0).await;
        let chunk = number(&green, KILL_WAITING).await;
        assert!(chunk > 0);
        until("its end", async || number(&green, WAITS).await == 0).await;
        let late = pair.on_green().await;
        late.run("BEGIN; INSERT INTO teal.chunk SELECT '\"public\".\"t\"', g, 0 FROM generate_series(0, 999) g")
            .await
            .unwrap();
        late.run("COMMIT").await.unwrap();
        holder.run("COMMIT").await.unwrap();
    };
    let silent = silent();
    let (copied, ()) = tokio::join!(copy.rows(Jobs::fixed(1), &silent), commit);
    assert_eq!(copied.unwrap()[0].rows, 0);
    assert_eq!(number(&green, "SELECT count(*) FROM t").await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_keeper_ends_the_copy_and_no_worker_joins_again() {
    let pair = Pair::start(SCHEMA).await;
    let copy = Copy::begin(&pair).await;
    let blue = pair.on_blue().await;
    let keeper = copy.export.db.backend_pid().await.unwrap();
    assert!(copy.export.confirm().await.is_ok());
    blue.row("SELECT pg_terminate_backend($1)", &[&keeper]).await.unwrap();
    let lost = copy.export.lost().await;
    assert_eq!(lost.what, "blue: the session that holds the snapshot of the copy was lost");
    assert!(copy.export.confirm().await.is_err());
    until_sql(&blue, &format!("SELECT NOT EXISTS (SELECT FROM pg_stat_activity WHERE pid = {keeper})")).await;
    let failure = copy.rows(Jobs::fixed(2), &silent()).await.unwrap_err();
    assert!(failure.what.starts_with("blue: joining the snapshot of the copy: "), "{failure}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_would_empty_a_table_on_blue_waits_for_the_keeper() {
    let pair = Pair::start("CREATE TABLE t (id int PRIMARY KEY); INSERT INTO t VALUES (1)").await;
    let copy = Copy::begin(&pair).await;
    let blue = pair.on_blue().await;
    blue.run("SET lock_timeout = '50ms'").await.unwrap();
    for sql in
        ["DROP TABLE t", "TRUNCATE t", "ALTER TABLE t ALTER id TYPE int8", "VACUUM FULL t", "CLUSTER t USING t_pkey"]
    {
        let refused = blue.run(sql).await.unwrap_err();
        assert!(refused.is_lock(), "{sql}: {refused}");
    }
    copy.rows(Jobs::fixed(1), &silent()).await.unwrap();
    assert_same_rows(&pair).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn workers_are_added_and_drained_while_rows_are_copied() {
    let pair = Pair::start(SCHEMA).await;
    let copy = Copy::begin(&pair).await;
    let (jobs, live) = Jobs::settable(1);
    let holder = hold(&pair, "big").await;
    let change = async {
        until("one worker to wait", async || number(&holder, WAITS).await == 1).await;
        jobs.send(3).unwrap();
        // Of the largest table, whose chunks come first.
        until("three workers to wait", async || number(&holder, WAITS).await == 3).await;
        jobs.send(1).unwrap();
        holder.run("COMMIT").await.unwrap();
    };
    let silent = silent();
    let (copied, ()) = tokio::join!(copy.rows(live, &silent), change);
    copied.unwrap();
    assert_same_rows(&pair).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_green_with_room_for_fewer_workers_says_so_and_one_without_any_is_a_clear_failure() {
    let pair = Pair::start(SCHEMA).await;
    let copy = Copy::begin(&pair).await;
    let green = pair.on_green().await;
    green
        .run("CREATE ROLE narrow LOGIN PASSWORD 'narrow' CONNECTION LIMIT 2; GRANT CREATE ON DATABASE green TO narrow")
        .await
        .unwrap();
    let tables = "SELECT string_agg(format('ALTER TABLE %s OWNER TO narrow', oid::regclass), ';') FROM pg_class \
                  WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p')";
    let own: String = green.row(tables, &[]).await.unwrap().get(0);
    green.run(&own).await.unwrap();
    let narrow = Target::parse("green", &pair.server.url_as("narrow", "narrow", "green")).unwrap();
    let (notices, mut from) = heard();
    // One session of two makes the markers: there is room for one worker.
    copy.rows_with(&narrow, Jobs::fixed(4), &notices).await.unwrap();
    let said = said(&mut from);
    assert!(said.iter().any(|s| s.starts_with("snapshot/fewer-jobs room for 1 of 4 jobs: green: ")), "{said:?}");

    let held = [narrow.connect(Access::ReadOnly).await, narrow.connect(Access::ReadOnly).await];
    let failure = copy.rows_with(&narrow, Jobs::fixed(4), &notices).await.unwrap_err();
    assert!(failure.what.contains("too many connections"), "{failure}");
    assert!(failure.hint.unwrap().contains("close sessions"));
    drop(held);
}

/// Tables that are copied before the last one, and those that a crash empties: what green had acknowledged counts no more.
#[tokio::test(flavor = "multi_thread")]
async fn a_green_that_crashes_in_the_middle_gets_again_what_it_lost_and_a_later_crash_is_seen() {
    let green_server = Server::start(&[]).unwrap();
    let pair = Pair::on(Server::start(&[]).unwrap(), Some(green_server), SCHEMA).await;
    let copy = Copy::begin(&pair).await;
    let holder = hold(&pair, "blank").await;
    let (notices, mut from) = heard();
    let crash = async {
        // One worker, the largest first: all that is larger than the held table is in by then.
        until("the copy to wait", async || number(&holder, WAITS).await > 0).await;
        assert_eq!(number(&holder, "SELECT count(*) FROM quick").await, 2000);
        pair.green_on().crash().unwrap();
        pair.green_on().resume().unwrap();
        assert_eq!(number(&pair.on_green().await, "SELECT count(*) FROM quick").await, 0);
    };
    let (copied, ()) = tokio::join!(copy.rows(Jobs::fixed(1), &notices), crash);
    assert_eq!(copied.unwrap().iter().map(|table| table.rows).sum::<u64>(), 13_800);
    assert_same_rows(&pair).await;
    let said = said(&mut from);
    let again = said.iter().find(|on| on.starts_with("green, which crashed: ")).unwrap_or_else(|| panic!("{said:?}"));
    assert!(again.contains("public.quick") && again.ends_with(" are copied again"), "{again}");

    assert_eq!(snapshot::lost_unlogged(&pair.on_green().await).await.unwrap(), [""; 0]);
    pair.green_on().crash().unwrap();
    pair.green_on().resume().unwrap();
    let green = pair.on_green().await;
    assert_eq!(snapshot::lost_unlogged(&green).await.unwrap(), ["public.quick"]);
    let (_, findings) = check_green(&green, &pair.on_blue().await).await.unwrap();
    assert!(findings.iter().any(|finding| finding.id == "validate/unlogged-lost"), "{findings:?}");
}

/// Rows of `gated` wait on green, in the middle of their COPY, for an advisory lock of that database.
const GATED: &str = "
    CREATE FUNCTION gate() RETURNS boolean LANGUAGE plpgsql AS
        'BEGIN PERFORM pg_catalog.pg_advisory_xact_lock_shared(42); RETURN true; END';
    CREATE TABLE gated (id int CHECK (public.gate()));
    INSERT INTO gated SELECT generate_series(1, 100)";

const AT_THE_GATE: &str =
    "SELECT EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory' AND objid = 42 AND NOT granted)";
const OURS: &str = "SELECT NOT EXISTS (SELECT FROM pg_stat_activity WHERE application_name LIKE 'teal%')";

/// A lost keeper, Ctrl-C, and another number of jobs, each in the middle of a chunk of the real program.
#[tokio::test(flavor = "multi_thread")]
async fn in_the_middle_of_a_chunk_a_lost_keeper_and_a_signal_end_the_program_and_an_edit_of_jobs_is_taken() {
    let stage = Stage::with(&format!("{STAGED} {GATED}"), PARTICIPANTS).await;
    let (blue, gate) = (stage.pair.on_blue().await, stage.pair.on_green().await);
    // Not to be taken for sessions of the program.
    for db in [&blue, &gate] {
        db.run("SET application_name = 'test'").await.unwrap();
    }
    gate.run("SELECT pg_advisory_lock(42)").await.unwrap();

    let running = Running::start(&stage, &["apply", "--yes"]);
    until_sql(&gate, AT_THE_GATE).await;
    // The one that holds every table in the snapshot and asks nothing: a worker holds what it has read.
    let keeper = "SELECT pid FROM pg_locks JOIN pg_stat_activity USING (pid) WHERE state = 'idle in transaction' \
                  AND relation IS NOT NULL GROUP BY pid ORDER BY count(*) DESC, min(backend_start) LIMIT 1";
    let keeper: i32 = blue.row(keeper, &[]).await.unwrap().get(0);
    blue.row("SELECT pg_terminate_backend($1)", &[&keeper]).await.unwrap();
    let lost = running.end().await.expect(1).says("the session that holds the snapshot of the copy was lost");
    let lost = lost.says("State: blue serves").says("Hint: ");
    assert!(!lost.stderr.contains("done  snapshot/copy"), "{}", lost.stderr);
    until_sql(&blue, OURS).await;

    let running = Running::start(&stage, &["apply", "--yes"]);
    until_sql(&gate, AT_THE_GATE).await;
    running.signal(Signal::INT);
    running.end().await.expect(1).says("interrupted").says("Hint: go on with: migrate apply plan.toml");
    until_sql(&blue, OURS).await;

    let running = Running::start(&stage, &["apply", "--yes"]);
    until_sql(&gate, AT_THE_GATE).await;
    stage.edit("plan.toml", "jobs = 2", "jobs = 3");
    running.says("[snapshot] jobs is 3 now").await;
    gate.run("SELECT pg_advisory_unlock(42)").await.unwrap();
    running.end().await.expect(0);
    assert!(stage.journal().contains(&"settings_changed".to_owned()), "{:?}", stage.journal());
    assert_eq!(number(&gate, "SELECT count(*) FROM gated").await, 100);
}
