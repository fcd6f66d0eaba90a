//! `migrate lint` beside squawk over a thousand generated migration files, and alone over one file of 50 MB.
//!
//! Both are run as a user runs them, one process over all files, in turn; the medians and their ratio are printed. squawk is
//! `pip install squawk-cli`, or what `--squawk` names; without it only ours is measured, and that is said.

#![allow(clippy::print_stdout, clippy::print_stderr)] // a program of its own

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use clap::Parser;

/// `migrate lint` against squawk
#[derive(Parser)]
struct Options {
    /// Migration files
    #[arg(long, default_value_t = 1000)]
    files: usize,
    /// Rounds; in each, both run once
    #[arg(long, default_value_t = 7)]
    rounds: usize,
    /// The other linter
    #[arg(long, default_value = "squawk")]
    squawk: PathBuf,
    /// As cargo calls it
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() -> ExitCode {
    let options = Options::parse();
    if !options.bench {
        return ExitCode::SUCCESS;
    }
    match run(&options) {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => {
            eprintln!("{e}");
            ExitCode::FAILURE
        }
    }
}

fn run(options: &Options) -> std::io::Result<()> {
    let folder = tempfile::tempdir()?;
    let files = write_files(folder.path(), options.files)?;
    let ours = Path::new(env!("CARGO_BIN_EXE_migrate"));
    let there = version(&options.squawk);
    let (mut teal, mut squawk) = (Vec::new(), Vec::new());
    for _ in 0..options.rounds {
        teal.push(time(Command::new(ours).arg("lint").args(&files))?);
        if there.is_some() {
            squawk.push(time(Command::new(&options.squawk).args(&files))?);
        }
    }
    let teal = median(teal);
    println!("{} files: migrate lint {} ms", options.files, teal.as_millis());
    match there {
        Some(version) => {
            let squawk = median(squawk);
            let ratio = teal.as_secs_f64() / squawk.as_secs_f64();
            println!(
                "{} files: {version} {} ms; ratio {ratio:.2} (no more than 1.00)",
                options.files,
                squawk.as_millis()
            );
        }
        None => println!("{} is not there: pip install squawk-cli, or --squawk PATH", options.squawk.display()),
    }
    let large = folder.path().join("large.sql");
    std::fs::write(&large, large_file())?;
    let lasted = time(Command::new(ours).arg("lint").arg(&large))?;
    println!("one file of {} MB: migrate lint {} ms", std::fs::metadata(&large)?.len() >> 20, lasted.as_millis());
    Ok(())
}

/// Files as projects have them: a table, its index, changes of older tables, a function, some rows.
fn write_files(folder: &Path, count: usize) -> std::io::Result<Vec<PathBuf>> {
    let write = |number: usize| {
        let old = number.saturating_sub(200).max(1);
        let sql = format!(
            "-- file {number}\nSET lock_timeout = '1s';\n\
             CREATE TABLE t{number} (id bigint PRIMARY KEY, client_id bigint NOT NULL, subject text, note varchar(40), \
             at timestamptz NOT NULL DEFAULT now());\n\
             CREATE INDEX t{number}_client ON t{number} (client_id);\n\
             ALTER TABLE t{old} ADD COLUMN c{number} text;\n\
             ALTER TABLE t{old} ADD CONSTRAINT k{number} CHECK (client_id > 0) NOT VALID;\n\
             CREATE INDEX i{number} ON t{old} (subject, note) WHERE subject IS NOT NULL;\n\
             UPDATE t{old} SET note = 'x' WHERE id BETWEEN {number} AND {number} + 1000;\n\
             INSERT INTO t{number} (id, client_id) VALUES (1, 1), (2, 2), (3, 3);\n\
             CREATE FUNCTION f{number}() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.note := 'a'; RETURN NEW; END $$;\n"
        );
        let path = folder.join(format!("{number:05}_m.sql"));
        std::fs::write(&path, sql).map(|()| path)
    };
    (1..=count).map(write).collect()
}

/// Statements that each have a finding, and one statement of millions of tokens.
fn large_file() -> String {
    let many: String = (0..20_000).map(|at| format!("CREATE INDEX i{at} ON t{at} (a);\n")).collect();
    format!("{many}INSERT INTO t VALUES\n{}(2, '', now());\n", "(1, 'some text of a row', now()),\n".repeat(1_500_000))
}

fn version(program: &Path) -> Option<String> {
    let said = Command::new(program).arg("--version").output().ok()?;
    said.status.success().then(|| String::from_utf8_lossy(&said.stdout).trim().to_owned())
}

fn time(command: &mut Command) -> std::io::Result<Duration> {
    let begun = Instant::now();
    // Findings end both with an exit code of their own.
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status()?;
    Ok(begun.elapsed())
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times.get(times.len() / 2).copied().unwrap_or_default()
}
