//! A copy of a whole database as `migrate apply` makes it, against `pg_dump` with `pg_restore` and against pgcopydb; and
//! the digests that prove it, against the time of the copy. benches/README.md says what is compared with what.

#![allow(clippy::print_stderr)] // a program of its own: progress goes to stderr

mod measure;
mod oauth;
mod peers;
mod teal_copy;

use clap::Args;
use measure::document::{Document, Target};
use measure::machine::version_of;
use measure::options::{MB, asked};
use measure::series::Series;
use measure::servers::{PRODUCTION, Servers, database_bytes, facts};
use measure::table::{Sheet, spread, times};
use teal::error::Result;
use teal::postgres::Access;
use teal::units::{show_bytes, thousands};
use teal_copy::Parts;

/// A clone of a generated OAuth database: ours against `pg_dump` with `pg_restore`, and against pgcopydb
#[derive(Args)]
struct Options {
    /// Size of the generated database in MB, indexes included
    #[arg(long, default_value_t = 2048)]
    size_mb: u64,
    /// Sessions of each kind: workers of the copy, index builders
    #[arg(long, default_value_t = 2)]
    jobs: usize,
    /// Rounds; in each, everybody clones once, in another order
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// Only ours: neither `pg_dump` nor pgcopydb
    #[arg(long)]
    alone: bool,
    /// Only ours, with these sizes of a chunk in MB beside the usual one, side by side: 64,128,512
    #[arg(long, value_delimiter = ',')]
    chunk_mb: Vec<u64>,
    /// Only ours, with these `maintenance_work_mem` in MB beside what it gives itself, side by side: 16,64,1024
    #[arg(long, value_delimiter = ',')]
    memory_mb: Vec<u64>,
    /// Only ours, with these `max_parallel_maintenance_workers` beside what it gives itself, side by side: 0,2
    #[arg(long, value_delimiter = ',')]
    workers: Vec<u64>,
}

/// Who clones.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Cloner {
    Teal,
    DumpRestore,
    Pgcopydb,
}

#[tokio::main]
async fn main() -> Result<()> {
    let Some(options) = asked::<Options>() else { return Ok(()) };
    let servers = Servers::start(&PRODUCTION).await?;
    let blue = servers.blue()?;
    eprintln!("filling blue with about {} MB", options.size_mb);
    oauth::fill(&blue, options.size_mb * MB).await?;
    let on_blue = blue.connect(Access::ReadOnly).await?;
    let bytes = database_bytes(&on_blue).await?;
    let (tables, indexes, foreign_keys, rows) = facts(&on_blue).await?;

    let variants = variants(&options);
    if variants.len() > 1 {
        return compare(&servers, &options, &variants, bytes).await;
    }
    let mut cloners = vec![Cloner::Teal];
    if !options.alone {
        cloners.push(Cloner::DumpRestore);
        if version_of("pgcopydb").is_some() {
            cloners.push(Cloner::Pgcopydb);
        } else {
            eprintln!("no pgcopydb here: `make bench` installs it where apt-get can");
        }
    }
    let mut figures = Figures::default();
    for round in 0..options.rounds.max(1) {
        let turn = round % cloners.len();
        cloners.rotate_left(turn);
        for cloner in &cloners {
            let green = servers.fresh_green().await?;
            eprintln!("round {} of {}: {cloner:?}", round + 1, options.rounds);
            match cloner {
                Cloner::Teal => figures.teal.push(teal_copy::run((&blue, &green), options.jobs, None).await?),
                Cloner::DumpRestore => {
                    figures.restored.push(peers::dump_and_restore((&blue, &green), options.jobs).await?);
                    figures.restored_analyze.push(peers::analyze(&green, options.jobs).await?);
                }
                Cloner::Pgcopydb => figures.pgcopydb.push(peers::pgcopydb(&servers, options.jobs).await?),
            }
        }
    }

    let mut document = Document::new("clone", &PRODUCTION, &["postgres", "pg_dump", "pgcopydb"]);
    document.measured("database_bytes", bytes);
    for (name, number) in [("tables", tables), ("indexes", indexes), ("foreign_keys", foreign_keys), ("rows", rows)] {
        document.measured(name, number);
    }
    document.measured("jobs", options.jobs);
    document.measured("rounds", options.rounds);
    figures.keep(&mut document);
    let rows = u64::try_from(rows).unwrap_or(0);
    let title = format!(
        "Clone of {} ({tables} tables, {} rows, {indexes} indexes, {foreign_keys} foreign keys), {} jobs, {} rounds",
        show_bytes(bytes),
        thousands(rows),
        options.jobs,
        options.rounds
    );
    figures.sheet(title, bytes).finish(&document)
}

/// One way to make our copy.
struct Variant {
    name: String,
    chunk: Option<u64>,
    /// Set for green's database, which Teal takes as it is.
    setting: Option<(&'static str, String)>,
}

/// The usual way, and those that were asked for.
fn variants(options: &Options) -> Vec<Variant> {
    let usual = Variant { name: "as usual".to_owned(), chunk: None, setting: None };
    let chunks = options.chunk_mb.iter();
    let chunks = chunks.map(|mb| Variant { name: format!("chunks of {mb} MB"), chunk: Some(mb * MB), setting: None });
    let set = |name: String, setting, value| Variant { name, chunk: None, setting: Some((setting, value)) };
    let memory = options.memory_mb.iter();
    let memory = memory.map(|mb| set(format!("{mb} MB a build"), "maintenance_work_mem", format!("{mb}MB")));
    let workers = options.workers.iter();
    let workers =
        workers.map(|n| set(format!("{n} workers a build"), "max_parallel_maintenance_workers", n.to_string()));
    [usual].into_iter().chain(chunks).chain(memory).chain(workers).collect()
}

/// Ours in several ways, in turns.
async fn compare(servers: &Servers, options: &Options, variants: &[Variant], bytes: u64) -> Result<()> {
    let blue = servers.blue()?;
    let mut figures: Vec<Figures> = variants.iter().map(|_| Figures::default()).collect();
    for round in 0..options.rounds.max(1) {
        for turn in 0..variants.len() {
            let at = (round + turn) % variants.len();
            let (Some(variant), Some(figures)) = (variants.get(at), figures.get_mut(at)) else { continue };
            eprintln!("round {} of {}: {}", round + 1, options.rounds, variant.name);
            let green = servers.fresh_green().await?;
            if let Some((name, value)) = &variant.setting {
                green
                    .connect(Access::ReadWrite)
                    .await?
                    .run(&format!("ALTER DATABASE green SET {name} = '{value}'"))
                    .await?;
            }
            figures.teal.push(teal_copy::run((&blue, &green), options.jobs, variant.chunk).await?);
        }
    }
    let mut document = Document::new("clone-variants", &PRODUCTION, &["postgres"]);
    document.measured("database_bytes", bytes);
    document.measured("jobs", options.jobs);
    let title = format!("Copy of {} in several ways, {} jobs", show_bytes(bytes), options.jobs);
    let heads = ["seconds", "copy", "rows", "indexes after rows", "foreign keys", "digest of green"];
    let mut sheet = Sheet::new(title, &heads);
    for (variant, figures) in variants.iter().zip(&figures) {
        let parts: [Part; 5] = [
            Parts::copied,
            |parts| parts.rows,
            |parts| parts.indexes,
            |parts| parts.foreign_keys,
            |parts| parts.digest_green,
        ];
        let [copied, rows, indexes, keys, digest] = parts.map(|part| spread(&figures.of(part)));
        sheet.row([variant.name.clone(), copied, rows, indexes, keys, digest]);
        document.figure(&format!("copy_seconds {}", variant.name), &figures.copied());
    }
    sheet.finish(&document)
}

/// All that was measured, in seconds.
#[derive(Default)]
struct Figures {
    teal: Vec<Parts>,
    restored: Series,
    restored_analyze: Series,
    pgcopydb: Series,
}

/// One part of the time of a copy.
type Part = fn(&Parts) -> f64;

impl Figures {
    fn of(&self, part: impl Fn(&Parts) -> f64) -> Series {
        self.teal.iter().map(part).collect()
    }

    fn copied(&self) -> Series {
        self.of(Parts::copied)
    }

    fn analysed(&self) -> Series {
        self.of(|parts| parts.copied() + parts.analyze)
    }

    fn keep(&self, document: &mut Document) {
        let restored_analysed = self.restored.plus(&self.restored_analyze);
        let digest_both = self.of(|parts| parts.digest_blue + parts.digest_green);
        for (name, series) in [
            ("teal_seconds", &self.copied()),
            ("teal_analyzed_seconds", &self.analysed()),
            ("teal_schema_seconds", &self.of(|parts| parts.schema)),
            ("teal_rows_seconds", &self.of(|parts| parts.rows)),
            ("teal_indexes_after_rows_seconds", &self.of(|parts| parts.indexes)),
            ("teal_foreign_keys_seconds", &self.of(|parts| parts.foreign_keys)),
            ("teal_rest_seconds", &self.of(|parts| parts.rest)),
            ("teal_digest_blue_seconds", &self.of(|parts| parts.digest_blue)),
            ("teal_digest_green_seconds", &self.of(|parts| parts.digest_green)),
            ("pg_restore_seconds", &self.restored),
            ("pg_restore_analyzed_seconds", &restored_analysed),
            ("pgcopydb_seconds", &self.pgcopydb),
        ] {
            document.figure(name, series);
        }
        let peak = self.teal.iter().map(|parts| parts.peak_bytes).max().unwrap_or(0);
        document.measured("peak_bytes", peak);
        if !self.pgcopydb.is_empty() {
            let ratio = self.analysed().median() / self.pgcopydb.median();
            document.target(Target::at_most("copy and statistics, against pgcopydb", ratio, 1.0));
            document.target(Target::at_most("copy and statistics, against pgcopydb (the aim)", ratio, 0.9));
        }
        if !self.restored.is_empty() {
            let ratio = self.copied().median() / self.restored.median();
            document.target(Target::at_most("copy, against pg_dump and pg_restore", ratio, 1.0));
        }
        document.target(Target::at_most("peak resident memory in MB", peak as f64 / MB as f64, 100.0));
        let copied = self.copied().median();
        let one = self.of(|parts| parts.digest_blue).median() / copied;
        document.target(Target::at_most("digest of one side, against the copy", one, 0.5));
        document.target(Target::at_most("digest of both sides, against the copy", digest_both.median() / copied, 0.5));
    }

    fn sheet(&self, title: String, bytes: u64) -> Sheet {
        let mut sheet = Sheet::new(title, &["seconds", "Teal", "pg_restore", "pgcopydb", "Teal/pgcopydb"]);
        let none = || "—".to_owned();
        let (copied, analysed) = (self.copied(), self.analysed());
        sheet.row(["copy".to_owned(), spread(&copied), spread(&self.restored), none(), none()]);
        sheet.row([
            "copy and statistics".to_owned(),
            spread(&analysed),
            spread(&self.restored.plus(&self.restored_analyze)),
            spread(&self.pgcopydb),
            times(analysed.median() / self.pgcopydb.median()),
        ]);
        let parts: [(&str, Part); 7] = [
            ("· schema", |parts| parts.schema),
            ("· rows, indexes beside", |parts| parts.rows),
            ("· indexes after rows", |parts| parts.indexes),
            ("· foreign keys", |parts| parts.foreign_keys),
            ("· rest", |parts| parts.rest),
            ("digest of blue", |parts| parts.digest_blue),
            ("digest of green", |parts| parts.digest_green),
        ];
        for (name, part) in parts {
            sheet.row([name.to_owned(), spread(&self.of(part))]);
        }
        let peak = self.teal.iter().map(|parts| parts.peak_bytes).max().unwrap_or(0);
        sheet.note(format!(
            "{:.0} GiB an hour; peak resident memory of our process {}. Medians with least and most.",
            bytes as f64 / f64::from(1 << 30) / copied.median() * 3600.0,
            show_bytes(peak),
        ));
        sheet
    }
}
