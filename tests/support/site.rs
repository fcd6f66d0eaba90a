//! A place from which an upgrade is run: the stage's own folder, or a copy of it, as another machine would have.
//! And a prepared upgrade that is put back as often as a test wants to kill it in another way.

use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use teal::catalog::read_structure;
use teal::postgres::{Access, Db, Target};
use tokio_postgres::error::SqlState;

use super::Pair;
use super::stage::{PARTICIPANTS, Ran, SCHEMA, Stage};

/// How long a server may take to notice that a client was killed.
const PATIENCE: Duration = Duration::from_secs(20);

/// A stage whose replay shows when it is done twice: `token.ends` counts how often a token was ended on green.
pub async fn counting_stage() -> Stage {
    counting_stage_on(Pair::start("").await).await
}

/// The same on a pair whose blue is empty.
pub async fn counting_stage_on(pair: Pair) -> Stage {
    let schema = SCHEMA.replace("DEFAULT now()", "DEFAULT '2026-01-01'");
    let schema = schema.replace("active boolean", "ends int NOT NULL DEFAULT 0, active boolean");
    pair.on_blue().await.run(&schema).await.unwrap();
    let stage = Stage::on(pair, &format!("{PARTICIPANTS}{LEVER}"));
    stage.edit("plan.toml", "SET state = 'ended' WHERE", "SET state = 'ended', ends = ends + 1 WHERE");
    stage.write("migrations/004_apart.sql", APART);
    stage
}

/// Runs statement by statement; what is done twice shows: a row more, a second index, an error.
const APART: &str = "-- no-transaction
INSERT INTO owner VALUES (1000, 'once');
CREATE INDEX CONCURRENTLY ON owner (name);
INSERT INTO owner VALUES (1001, 'once')";

/// Turned before the copy, back after the switch; a file shows it.
pub const LEVER: &str = r#"
[[lever]]
name = "mark"
before = ["touch", "lever.on"]
after = ["rm", "-f", "lever.on"]
wait = "1ms"
"#;

/// A folder from which a stage's databases are upgraded.
pub struct Site<'a> {
    stage: &'a Stage,
    folder: PathBuf,
}

/// Which sides take an application's writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sides {
    pub blue: bool,
    pub green: bool,
}

impl<'a> Site<'a> {
    /// The stage itself.
    pub fn of(stage: &'a Stage) -> Self {
        Self { stage, folder: stage.path(".") }
    }

    /// The same databases from another folder, as another machine sees them: with a copy of everything, the journal too.
    pub fn elsewhere(&self, name: &str) -> Self {
        let folder = self.stage.path(name);
        copy_folder(&self.folder, &folder);
        Self { stage: self.stage, folder }
    }

    /// The same databases from a machine that has the plan but not the journal.
    pub fn without_journal(&self, name: &str) -> Self {
        let site = self.elsewhere(name);
        std::fs::remove_dir_all(site.folder.join(".migrate")).unwrap();
        site
    }

    pub async fn on_blue(&self) -> Db {
        self.stage.pair.on_blue().await
    }

    pub async fn on_green(&self) -> Db {
        self.stage.pair.on_green().await
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    fn command(&self, args: &[&str]) -> Command {
        self.stage.command_in(&self.folder, args)
    }

    /// Runs the program to its end.
    pub fn run(&self, args: &[&str]) -> Ran {
        Ran::of(self.command(args).output().unwrap())
    }

    /// Runs it with a place to be killed at. `None`: it was killed there; else it ended without coming by.
    pub async fn kill_at(&self, place: &str, args: &[&str]) -> Option<Ran> {
        // A file and not a pipe: a program that the killed one had started may hold it open for longer.
        let output = tempfile::NamedTempFile::new().unwrap();
        let errors = tempfile::NamedTempFile::new().unwrap();
        let mut command = self.command(args);
        command.env("TEAL_CRASH_AT", place).stdin(Stdio::null());
        command.stdout(output.reopen().unwrap()).stderr(errors.reopen().unwrap());
        let status = command.status().unwrap();
        if status.signal() == Some(9) {
            self.until_let_go().await;
            return None;
        }
        let read = |file: &tempfile::NamedTempFile| std::fs::read_to_string(file.path()).unwrap();
        Some(Ran { code: status.code(), stdout: read(&output), stderr: read(&errors) })
    }

    /// Like [`Site::kill_at`], for a place that must be reached.
    #[track_caller]
    pub fn killed_at(&self, place: &str, args: &[&str]) -> impl Future<Output = ()> {
        let at = std::panic::Location::caller();
        let (place, args) = (place.to_owned(), args.to_vec());
        async move {
            if let Some(ran) = self.kill_at(&place, &args).await {
                panic!("{at}: {place} was never reached: code {:?}\n{}{}", ran.code, ran.stdout, ran.stderr);
            }
        }
    }

    /// Waits until the servers have noticed that the killed process is gone: nobody holds the lease.
    async fn until_let_go(&self) {
        let blue = self.on_blue().await;
        let sql = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'";
        let until = Instant::now() + PATIENCE;
        while blue.row(sql, &[]).await.unwrap().get::<_, i64>(0) > 0 {
            assert!(Instant::now() < until, "the lease of a killed process is held on");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// The journal's records by name, in order.
    pub fn journal(&self) -> Vec<String> {
        Stage::journal_at(&self.folder)
    }

    /// Ends a token on blue: an UPDATE, or a DELETE for every third.
    pub async fn revoke(&self, number: usize) {
        let blue = self.on_blue().await;
        let rows = if number.is_multiple_of(3) {
            blue.execute("DELETE FROM token WHERE signature = $1", &[&format!("t{number}")]).await
        } else {
            blue.execute("UPDATE token SET active = false WHERE signature = $1", &[&format!("t{number}")]).await
        };
        assert_eq!(rows.unwrap(), 1, "token t{number}");
    }

    /// Which sides take writes of an ordinary client, once the servers have let go of what a killed process held.
    pub async fn sides(&self) -> Sides {
        Sides { blue: takes_writes(&self.on_blue().await).await, green: takes_writes(&self.on_green().await).await }
    }

    /// Everything on green that is the application's: structure, rows, sequences.
    pub async fn contents(&self) -> String {
        let green = self.on_green().await;
        let mut all = format!("{:#?}\n", read_structure(&green).await.unwrap().0);
        for table in ["account", "token", "owner", "schema_migration"] {
            let sql = format!("SELECT COALESCE(string_agg(t::text, E'\\n' ORDER BY t::text), '') FROM {table} t");
            all += &format!("{table}:\n{}\n", green.row(&sql, &[]).await.unwrap().get::<_, String>(0));
        }
        let next: i64 = green.row("SELECT last_value FROM account_id_seq", &[]).await.unwrap().get(0);
        format!("{all}next account {next}\n")
    }

    /// Asserts that green serves alone, and that every one of blue's events has exactly one receipt and one effect.
    #[track_caller]
    pub fn is_switched_and_complete(&self) -> impl Future<Output = ()> {
        let at = std::panic::Location::caller();
        async move {
            assert_eq!(self.sides().await, Sides { blue: false, green: true }, "{at}");
            let (blue, green) = (self.on_blue().await, self.on_green().await);
            let events = "SELECT array_agg(id ORDER BY id) FROM teal.event";
            let receipts = "SELECT array_agg(event_id ORDER BY event_id) FROM teal.applied";
            let events: Option<Vec<i64>> = blue.row(events, &[]).await.unwrap().get(0);
            let receipts: Option<Vec<i64>> = green.row(receipts, &[]).await.unwrap().get(0);
            assert_eq!(events, receipts, "{at}: an event without a receipt, or a receipt without an event");
            // Blue's own ends: each is ended on green or gone, none twice.
            let ended = "SELECT array_agg(signature) FROM token WHERE NOT active";
            let ended: Option<Vec<String>> = blue.row(ended, &[]).await.unwrap().get(0);
            let live = "SELECT count(*) FROM token WHERE state = 'live' AND signature = ANY ($1) OR ends > 1 \
                        OR ends = 1 AND state = 'live'";
            let wrong: i64 = green.row(live, &[&ended.unwrap_or_default()]).await.unwrap().get(0);
            assert_eq!(wrong, 0, "{at}: tokens that are live after their end, or were ended twice");
            assert!(!self.path("lever.on").exists(), "{at}: the lever is still turned");
            assert_eq!(std::fs::read_to_string(self.path("app.conf")).unwrap(), "green", "{at}");
            assert_eq!(std::fs::read_link(self.path("current")).unwrap(), Path::new("prepared"), "{at}");
        }
    }
}

/// An upgrade kept as it stands: folder and both databases.
pub struct Kept<'a> {
    stage: &'a Stage,
}

impl<'a> Kept<'a> {
    /// Keeps it. Nobody may be connected.
    pub async fn keep(stage: &'a Stage) -> Self {
        let kept = Self { stage };
        kept.admin("CREATE DATABASE kept_blue TEMPLATE blue; CREATE DATABASE kept_green TEMPLATE green").await;
        copy_folder(&stage.path("."), &stage.path("kept"));
        kept
    }

    /// Puts the databases back to where they were kept; the folder of that moment gets another name each time.
    pub async fn put_back(&self, name: &str) -> Site<'a> {
        self.admin(
            "DROP DATABASE blue WITH (FORCE); DROP DATABASE green WITH (FORCE); \
             CREATE DATABASE blue TEMPLATE kept_blue; CREATE DATABASE green TEMPLATE kept_green",
        )
        .await;
        let folder = self.stage.path(name);
        copy_folder(&self.stage.path("kept"), &folder);
        Site { stage: self.stage, folder }
    }

    async fn admin(&self, script: &str) {
        let admin = Target::parse("admin", &self.stage.pair.server.url("postgres")).unwrap();
        let admin = admin.connect(Access::ReadWrite).await.unwrap();
        for statement in script.split("; ") {
            admin.run(statement).await.unwrap();
        }
    }
}

/// Tries a write of every kind of client that is not ours, and takes it back.
async fn takes_writes(db: &Db) -> bool {
    let until = Instant::now() + PATIENCE;
    loop {
        let write = "BEGIN; SET LOCAL lock_timeout = '100ms'; UPDATE token SET signature = signature";
        let tried = db.run(write).await;
        db.run("ROLLBACK").await.unwrap();
        match tried {
            Ok(()) => return true,
            Err(e) if e.code() == Some(&SqlState::READ_ONLY_SQL_TRANSACTION) => return false,
            // Green, before its copy.
            Err(e) if e.code() == Some(&SqlState::UNDEFINED_TABLE) => return false,
            Err(e) if e.is_lock() => assert!(Instant::now() < until, "a killed process still holds locks: {e}"),
            Err(e) => panic!("{e}"),
        }
    }
}

fn copy_folder(from: &Path, to: &Path) {
    // Listed before the target is made: it may lie inside.
    let entries: Vec<_> = std::fs::read_dir(from).unwrap().map(Result::unwrap).collect();
    std::fs::create_dir_all(to).unwrap();
    for entry in entries {
        let (name, kind) = (entry.file_name(), entry.file_type().unwrap());
        let (source, target) = (entry.path(), to.join(&name));
        if kind.is_symlink() {
            std::os::unix::fs::symlink(std::fs::read_link(&source).unwrap(), target).unwrap();
        } else if kind.is_dir() && (name == "migrations" || name == ".migrate" || from.ends_with(".migrate")) {
            copy_folder(&source, &target);
        } else if kind.is_file() {
            std::fs::copy(&source, &target).unwrap();
        }
    }
}
