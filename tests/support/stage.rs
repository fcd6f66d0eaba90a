//! A small upgrade that a test can run, break and run again with the real program.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use super::Pair;

/// Blue of the small upgrade: tokens with an owner, one sequence, one foreign key.
pub const SCHEMA: &str = "
    CREATE TABLE account (id bigserial PRIMARY KEY, name text NOT NULL UNIQUE);
    CREATE TABLE token (signature text PRIMARY KEY, account bigint NOT NULL REFERENCES account ON DELETE CASCADE,
                        active boolean NOT NULL DEFAULT true, issued_at timestamptz NOT NULL DEFAULT now());
    CREATE TABLE schema_migration (version text PRIMARY KEY);
    INSERT INTO schema_migration VALUES ('001');
    INSERT INTO account (name) SELECT 'a' || i FROM generate_series(1, 20) i;
    INSERT INTO token (signature, account) SELECT 't' || i, 1 + i % 20 FROM generate_series(1, 200) i;";

/// Its migrations: `active` becomes `state`, and a new table is filled.
pub const MIGRATIONS: &[(&str, &str)] = &[
    ("001_base.sql", "CREATE TABLE never_run_on_green (id int);\n"),
    (
        "002_state.sql",
        "ALTER TABLE token ADD COLUMN state text;\nUPDATE token SET state = CASE WHEN active THEN 'live' ELSE 'ended' END;\n\
         ALTER TABLE token ALTER COLUMN state SET NOT NULL;\nALTER TABLE token DROP COLUMN active;\n",
    ),
    ("003_owner.sql", "CREATE TABLE owner AS SELECT id, name FROM account;\nALTER TABLE owner ADD PRIMARY KEY (id);\n"),
];

/// The plan, up to what is run.
const BLUE_GREEN: &str = r#"name = "small"
strategy = "blue-green"

[databases]
blue = "${BLUE_URL}"
green = "${GREEN_URL}"
"#;

/// The same where blue itself is migrated.
const IN_PLACE: &str = r#"name = "small"
strategy = "in-place"

[databases]
blue = "${BLUE_URL}"
"#;

const FILES: &str = r#"
[migrations]
source = "migrations"
applied = "SELECT version FROM schema_migration"
record = "INSERT INTO schema_migration (version) VALUES (:version)"
"#;

const COPIED: &str = r#"
[capture]
writes = "events"

[[event]]
name = "ended"
table = "token"
ends = "active"
replay = "UPDATE token SET state = 'ended' WHERE signature = :signature"
verify = "SELECT 1 FROM token WHERE signature = :signature AND state = 'live'"

[snapshot]
jobs = 2
"#;

const CHECKS: &str = r#"
[[check]]
name = "accounts kept"
sql = "SELECT id, name FROM account"
expect = "equal"

[[check]]
name = "live tokens kept"
blue = "SELECT count(*) FROM token WHERE active"
green = "SELECT count(*) FROM token WHERE state = 'live'"
expect = "equal"
"#;

/// A participant that is a file, and one made of programs; both leave traces that a test can read.
pub const PARTICIPANTS: &str = r#"
[[participant]]
name = "conf"
kind = "file"
path = "app.conf"
content = "app.green.conf"

[[participant]]
name = "service"
kind = "command"
prepare = ["touch", "prepared"]
commit = ["ln", "-sfn", "prepared", "current"]
committed = ["test", "current", "-ef", "prepared"]
abort = ["rm", "-f", "prepared"]
"#;

/// Two databases, a folder with plan and migrations, and the program.
pub struct Stage {
    pub pair: Pair,
    folder: tempfile::TempDir,
}

impl Stage {
    /// The small upgrade with both participants.
    pub async fn new() -> Self {
        Self::with(SCHEMA, PARTICIPANTS).await
    }

    /// Another schema for blue, and more text for the plan.
    pub async fn with(schema: &str, more: &str) -> Self {
        Self::on(Pair::start(schema).await, more)
    }

    /// The small upgrade of a pair whose blue has the schema already.
    pub fn on(pair: Pair, more: &str) -> Self {
        Self::lay_out(pair, &format!("{BLUE_GREEN}{FILES}{COPIED}{CHECKS}{more}"), MIGRATIONS)
    }

    /// A plan in place of a pair whose blue has the schema already, with migrations of its own: after them `state` is
    /// 'live' where `active` was true.
    pub fn in_place(pair: Pair, migrations: &[(&str, &str)], more: &str) -> Self {
        Self::lay_out(pair, &format!("{IN_PLACE}{FILES}{CHECKS}{more}"), migrations)
    }

    fn lay_out(pair: Pair, plan: &str, migrations: &[(&str, &str)]) -> Self {
        let stage = Self { pair, folder: tempfile::tempdir().unwrap() };
        stage.write("plan.toml", plan);
        for (file, sql) in migrations {
            stage.write(&format!("migrations/{file}"), sql);
        }
        stage.write("app.conf", "blue");
        stage.write("app.green.conf", "green");
        stage
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn write(&self, name: &str, text: &str) {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    pub fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).unwrap()
    }

    /// Replaces text in a file of the folder; the text must be there.
    pub fn edit(&self, name: &str, from: &str, to: &str) {
        let text = self.read(name);
        assert!(text.contains(from), "{from:?} is not in {name}");
        self.write(name, &text.replace(from, to));
    }

    /// The program in the stage's folder, not started: `migrate ARGS…`, where PLAN is found by itself.
    pub fn command(&self, args: &[&str]) -> Command {
        self.command_in(self.folder.path(), args)
    }

    /// The same from another folder.
    pub fn command_in(&self, folder: &Path, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_migrate"));
        command
            .args(args)
            .current_dir(folder)
            .env("BLUE_URL", self.pair.server.url("blue"))
            .env("GREEN_URL", self.pair.green_on().url("green"))
            // A server for each `plan` would make the tests twice as long; those of the trace ask for it.
            .env("MIGRATE_NO_TRACE", "1")
            .env_remove("MIGRATE_PLAN")
            .env_remove("RUST_LOG")
            .env_remove("TEAL_CRASH_AT")
            .stdin(Stdio::null());
        command
    }

    /// Runs the program to its end.
    pub fn run(&self, args: &[&str]) -> Ran {
        Ran::of(self.command(args).output().unwrap())
    }

    /// Runs it with a place to crash at (`failpoint.rs`).
    pub fn crash(&self, args: &[&str], place: &str) -> Ran {
        Ran::of(self.command(args).env("TEAL_CRASH_AT", place).output().unwrap())
    }

    /// Up to `ready`.
    pub fn ready(&self) {
        self.run(&["apply", "--yes"]).expect(0);
    }

    /// The journal's records by name, in order: `run_begun`, `step_done snapshot/copy`, …
    pub fn journal(&self) -> Vec<String> {
        Self::journal_at(self.folder.path())
    }

    /// The same for another folder that holds a copy of the plan.
    pub fn journal_at(folder: &Path) -> Vec<String> {
        let text = std::fs::read_to_string(folder.join(".migrate/small/journal.jsonl")).unwrap_or_default();
        let name = |line: &str| {
            let line: serde_json::Value = serde_json::from_str(line).unwrap();
            let entry = &line["entry"];
            let record = entry["record"].as_str().unwrap();
            entry["step"].as_str().map_or(record.to_owned(), |step| format!("{record} {step}"))
        };
        text.lines().map(name).collect()
    }
}

/// A program's end.
pub struct Ran {
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl Ran {
    pub fn of(output: Output) -> Self {
        Self {
            code: output.status.code(),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }

    /// Asserts the exit code; shows everything where it is another.
    #[track_caller]
    pub fn expect(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "stdout:\n{}\nstderr:\n{}", self.stdout, self.stderr);
        self
    }

    /// Asserts that stderr has a text.
    #[track_caller]
    pub fn says(self, text: &str) -> Self {
        assert!(self.stderr.contains(text), "{text:?} is not in stderr:\n{}", self.stderr);
        self
    }

    /// The last line of stdout as JSON.
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(self.stdout.lines().last().unwrap()).unwrap()
    }
}
