//! The copy: green's dump and rows equal blue's at one moment, and nothing of ours travels.

#![allow(clippy::unwrap_used)] // helpers of tests are tests

mod support;

use std::path::PathBuf;
use std::process::Command;

use support::Pair;
use teal::catalog::{Table, read_tables};
use teal::error::Result;
use teal::postgres::{Access, Db, Target};
use teal::snapshot::{self, CopyPoint, Export, Jobs, Rows, TableCopied};
use teal::step::{Notice, NoticeBody, Notices, Phase, StepId};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio_util::sync::CancellationToken;

/// One of everything that a copy can trip over.
const SCHEMA: &str = concat!(include_str!("snapshot/schema.sql"), include_str!("snapshot/uniques.sql"));

fn silent() -> Notices {
    Notices::new(StepId::new(Phase::Snapshot, "copy"), None)
}

fn heard() -> (Notices, UnboundedReceiver<Notice>) {
    let (to, from) = unbounded_channel();
    (Notices::new(StepId::new(Phase::Snapshot, "copy"), Some(to)), from)
}

/// A copy as a run makes it, with its own folder for the archive.
struct Copy<'a> {
    pair: &'a Pair,
    folder: tempfile::TempDir,
    tables: Vec<Table>,
    export: Export,
    notices: Notices,
    cancel: CancellationToken,
    jobs: Jobs,
    /// Small, so that small tables are cut.
    chunk: Option<u64>,
}

impl<'a> Copy<'a> {
    async fn export(pair: &'a Pair) -> Self {
        let tables = read_tables(&pair.on_blue().await).await.unwrap();
        let export = snapshot::export(&pair.blue, &tables).await.unwrap();
        let folder = tempfile::tempdir().unwrap();
        let (jobs, cancel) = (Jobs::fixed(3), CancellationToken::new());
        Self { pair, folder, tables, export, notices: silent(), cancel, jobs, chunk: Some(8192) }
    }

    fn archive(&self) -> PathBuf {
        self.folder.path().join("schema.dump")
    }

    async fn schema(&self) {
        snapshot::dump_schema(&self.pair.blue, &self.export.point, &self.archive()).await.unwrap();
        snapshot::restore_pre_data(&self.pair.green, &self.archive()).await.unwrap();
    }

    fn order(&self) -> Rows<'_> {
        Rows { point: &self.export.point, tables: &self.tables, jobs: self.jobs.clone(), chunk: self.chunk }
    }

    async fn rows(&self) -> Result<Vec<TableCopied>> {
        let ready = unbounded_channel().0;
        let ends = (&self.pair.blue, &self.pair.green);
        snapshot::copy_rows(ends, self.order(), &ready, &self.notices, &self.cancel).await
    }

    /// Rows and indexes side by side, then the rest.
    async fn all(&self) -> Vec<TableCopied> {
        self.schema().await;
        let post = snapshot::read_post_data(&self.archive()).await.unwrap();
        let (ready, tables_in) = unbounded_channel();
        let ends = (&self.pair.blue, &self.pair.green);
        let rows = async {
            let ready = ready;
            snapshot::copy_rows(ends, self.order(), &ready, &self.notices, &self.cancel).await
        };
        let indexes = snapshot::build_indexes(
            &self.pair.green,
            &post,
            &self.tables,
            tables_in,
            Jobs::fixed(3),
            &self.notices,
            &self.cancel,
        );
        let (copied, ()) = tokio::try_join!(rows, indexes).unwrap();
        self.after_indexes().await;
        copied
    }

    async fn after_indexes(&self) {
        let green = &self.pair.green;
        let post = snapshot::read_post_data(&self.archive()).await.unwrap();
        snapshot::add_foreign_keys(green, &post, Jobs::fixed(3), &self.notices, &self.cancel).await.unwrap();
        snapshot::restore_rest(green, &post, &self.notices, &self.cancel).await.unwrap();
        let (on_blue, on_green) = (self.pair.on_blue().await, self.pair.on_green().await);
        snapshot::set_sequences(&on_blue, &on_green, 0).await.unwrap();
        snapshot::copy_settings(&on_blue, &on_green).await.unwrap();
        snapshot::analyze(green, Jobs::fixed(2), &self.notices, &self.cancel).await.unwrap();
    }
}

fn dump(target: &Target) -> String {
    let done = Command::new("pg_dump")
        .envs(target.program_env())
        .args(["--schema-only", "--restrict-key=same", "--exclude-schema=teal"])
        .output()
        .unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    String::from_utf8(done.stdout).unwrap()
}

/// Every row of every table as text, with the table's name, in one order.
async fn all_rows(target: &Target) -> Vec<String> {
    let db = target.connect(Access::ReadOnly).await.unwrap();
    let mut all = Vec::new();
    for table in read_tables(&db).await.unwrap().iter().filter(|table| table.holds_rows()) {
        let sql = format!("SELECT (t.*)::text FROM ONLY {} t ORDER BY (t.*)::text COLLATE \"C\"", table.name);
        let rows = db.rows(&sql, &[]).await.unwrap();
        all.extend(rows.iter().map(|row| format!("{} {}", table.name.plain(), row.get::<_, &str>(0))));
    }
    all
}

async fn number(db: &Db, sql: &str) -> i64 {
    db.row(sql, &[]).await.unwrap().get(0)
}

async fn assert_equal(pair: &Pair) {
    let (blue, green) = (dump(&pair.blue), dump(&pair.green));
    let first = blue.lines().zip(green.lines()).find(|(a, b)| a != b);
    assert_eq!(blue, green, "first difference: {first:#?}");
    assert_eq!(all_rows(&pair.blue).await, all_rows(&pair.green).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn greens_dump_and_rows_equal_blues_and_a_second_copy_too() {
    let pair = Pair::start(SCHEMA).await;
    let copied = Copy::export(&pair).await.all().await;
    assert_equal(&pair).await;
    assert!(copied.iter().any(|table| table.name.plain() == "public.blank" && table.rows == 3));
    let (blue, green) = (pair.on_blue().await, pair.on_green().await);
    let populated = "SELECT count(*) FROM pg_matviews WHERE ispopulated";
    assert_eq!((number(&green, populated).await, number(&blue, populated).await), (1, 1));
    for sequences in ["SELECT last_value FROM public.by_hand", "SELECT last_value FROM public.ticket_id_seq"] {
        assert_eq!(number(&blue, sequences).await, number(&green, sequences).await);
    }
    let settings = "SELECT coalesce(string_agg(array_to_string(setconfig, '|'), '/' ORDER BY setrole), '') \
                    FROM pg_db_role_setting WHERE setdatabase = (SELECT oid FROM pg_database WHERE datname = current_database())";
    let on_blue: String = blue.row(settings, &[]).await.unwrap().get(0);
    assert!(on_blue.contains("work_mem=7MB"));
    assert_eq!(on_blue, green.row(settings, &[]).await.unwrap().get::<_, String>(0));

    snapshot::empty_green(&green).await.unwrap();
    assert!(read_tables(&green).await.unwrap().is_empty());
    Copy::export(&pair).await.all().await;
    assert_equal(&pair).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_emptied_green_dumps_like_a_new_database() {
    let pair = Pair::start(SCHEMA).await;
    pair.on_green().await.run("CREATE SCHEMA teal; CREATE TABLE teal.run (id int)").await.unwrap();
    let new = dump(&pair.green);
    Copy::export(&pair).await.all().await;
    assert_ne!(dump(&pair.green), new);
    let green = pair.on_green().await;
    snapshot::empty_green(&green).await.unwrap();
    assert_eq!(dump(&pair.green), new);
    assert_eq!(number(&green, "SELECT count(*) FROM teal.run").await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_after_the_rows_may_run_twice_and_an_invalid_index_is_built_again() {
    let pair = Pair::start(SCHEMA).await;
    let copy = Copy::export(&pair).await;
    copy.all().await;
    let green = pair.on_green().await;
    green
        .run("UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'public.ticket_title'::regclass")
        .await
        .unwrap();
    // As a crash leaves it between a unique index and the constraint that takes it over.
    green
        .run(
            "ALTER TABLE uniques.part_in DROP CONSTRAINT in_key; CREATE UNIQUE INDEX in_key ON uniques.part_in (a) INCLUDE (b);
             ALTER TABLE uniques.kept DROP CONSTRAINT kept_pkey CASCADE; CREATE UNIQUE INDEX kept_pkey ON uniques.kept (id);
             UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'uniques.kept_pkey'::regclass",
        )
        .await
        .unwrap();
    let post = snapshot::read_post_data(&copy.archive()).await.unwrap();
    let nobody = unbounded_channel().1;
    snapshot::build_indexes(&pair.green, &post, &copy.tables, nobody, Jobs::fixed(2), &silent(), &copy.cancel)
        .await
        .unwrap();
    copy.after_indexes().await;
    let invalid = "SELECT count(*) FROM pg_index WHERE NOT indisvalid";
    assert_eq!(number(&green, invalid).await, 0);
    assert_equal(&pair).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_of_ours_reaches_green() {
    let pair = Pair::start(
        "CREATE TABLE token (id int PRIMARY KEY); INSERT INTO token VALUES (1);
         CREATE FUNCTION mine() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
         CREATE TRIGGER teal_of_the_user BEFORE UPDATE ON token FOR EACH ROW EXECUTE FUNCTION mine()",
    )
    .await;
    let before = dump(&pair.blue);
    pair.on_blue()
        .await
        .run(
            "CREATE SCHEMA teal; CREATE TABLE teal.outbox (id int);
             CREATE FUNCTION teal.capture() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
             CREATE TRIGGER teal_x AFTER DELETE ON token FOR EACH ROW EXECUTE FUNCTION teal.capture();
             ALTER TABLE token ENABLE ALWAYS TRIGGER teal_x",
        )
        .await
        .unwrap();
    Copy::export(&pair).await.all().await;
    assert_eq!(dump(&pair.green), before);
    // The schema itself may be there: the copy's markers were.
    let ours = "SELECT count(*) FROM pg_class WHERE relnamespace = 'teal'::regnamespace";
    assert_eq!(number(&pair.on_green().await, ours).await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn writes_after_the_export_are_not_in_the_copy() {
    let pair =
        Pair::start("CREATE TABLE token (id int PRIMARY KEY); INSERT INTO token SELECT generate_series(1, 10)").await;
    let copy = Copy::export(&pair).await;
    let blue = pair.on_blue().await;
    blue.run("INSERT INTO token VALUES (11); DELETE FROM token WHERE id = 1").await.unwrap();
    copy.all().await;
    let green = pair.on_green().await;
    assert_eq!(number(&green, "SELECT count(*) FROM token WHERE id BETWEEN 1 AND 10").await, 10);
    assert_eq!(number(&green, "SELECT count(*) FROM token").await, 10);
    let joined = snapshot::join(&pair.blue, &copy.export.point).await.unwrap();
    assert_eq!(number(&joined, "SELECT count(*) FROM token WHERE id = 1").await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn progress_never_goes_back_and_ends_at_the_whole() {
    let pair = Pair::start(
        "CREATE TABLE big AS SELECT g AS id, repeat('x', 500) AS pad FROM generate_series(1, 20000) g;
         CREATE TABLE small (id int)",
    )
    .await;
    let mut copy = Copy::export(&pair).await;
    copy.schema().await;
    let (notices, mut from) = heard();
    copy.notices = notices;
    copy.rows().await.unwrap();
    let mut seen = Vec::new();
    while let Ok(notice) = from.try_recv() {
        if let NoticeBody::Progress { done, total, .. } = notice.body {
            seen.push((done, total));
        }
    }
    assert!(seen.is_sorted());
    assert!(seen.iter().rev().skip(1).all(|(done, total)| done < total));
    assert!(seen.last().is_some_and(|(done, total)| done == total));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lock_waited_for_behind_the_copy_ends_it() {
    let pair = Pair::start("CREATE TABLE token (id int)").await;
    let copy = Copy::export(&pair).await;
    let impatient = pair.on_blue().await;
    impatient.run("SET application_name = 'migrator'").await.unwrap();
    let alter = tokio::spawn(async move { impatient.run("ALTER TABLE token ADD COLUMN x int").await });
    let failure = snapshot::watch(&pair.blue).await;
    assert!(failure.what.contains("migrator"), "{failure}");
    assert!(failure.what.contains("AccessExclusiveLock on token"), "{failure}");
    drop(copy);
    alter.await.unwrap().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_interrupted_copy_leaves_nothing_running() {
    let pair = Pair::start("CREATE TABLE token (id int)").await;
    let copy = Copy::export(&pair).await;
    copy.schema().await;
    // Whoever holds green's table holds up the copy.
    let holder = pair.on_green().await;
    holder.run("BEGIN; LOCK TABLE token IN ACCESS SHARE MODE").await.unwrap();
    let waits = "SELECT count(*) FROM pg_locks WHERE NOT granted";
    let cancel = async {
        while number(&holder, waits).await == 0 {
            tokio::task::yield_now().await;
        }
        copy.cancel.cancel();
    };
    let (copied, ()) = tokio::join!(copy.rows(), cancel);
    assert_eq!(copied.unwrap_err().what, "copying rows: interrupted");
    while number(&holder, waits).await > 0 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_keeper_and_a_changed_schema_are_told() {
    let pair = Pair::start("CREATE TABLE token (id int)").await;
    let gone =
        CopyPoint { snapshot: "00000003-0000001B-1".to_owned(), visible: String::new(), lsn: "0/0".parse().unwrap() };
    let failure = snapshot::join(&pair.blue, &gone).await.unwrap_err();
    assert!(failure.what.starts_with("blue: joining the snapshot of the copy: "), "{failure}");

    let tables = read_tables(&pair.on_blue().await).await.unwrap();
    pair.on_blue().await.run("CREATE TABLE later (id int)").await.unwrap();
    let failure = snapshot::export(&pair.blue, &tables).await.unwrap_err();
    assert_eq!(failure.what, "blue: public.later: created, changed or dropped while the copy began");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sequence_further_on_green_stays_and_a_margin_is_added() {
    let pair =
        Pair::start("CREATE SEQUENCE s; SELECT setval('s', 100); CREATE SEQUENCE t; SELECT setval('t', 5)").await;
    let green = pair.on_green().await;
    green.run("CREATE SEQUENCE s; SELECT setval('s', 5000); CREATE SEQUENCE t").await.unwrap();
    let set = snapshot::set_sequences(&pair.on_blue().await, &green, 1000).await.unwrap();
    assert_eq!(set.iter().map(|s| (s.blue, s.green)).collect::<Vec<_>>(), [(100, 5000), (5, 1005)]);
}
