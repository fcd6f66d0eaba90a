//! `migrate lint`: what migration files would do to a live database, from their text alone.

use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};

use super::Output;
use crate::ddl::lint::Linter;
use crate::ddl::{self, Folder, Layout, Listing, Migration, SqlFile, read_sql_file};
use crate::error::{Context, Failure, Result};
use crate::plan::{MigrationSource, read_plan};
use crate::report::{LintDoc, lint_text};

#[derive(Debug, Args)]
pub struct LintArgs {
    /// SQL files, folders of migrations, or plans; each file is read in the light of those before it
    #[arg(required = true, value_name = "FILE|FOLDER|PLAN")]
    paths: Vec<PathBuf>,
    /// What the database is like before: a schema dump, `pg_dump --schema-only`
    #[arg(long, value_name = "FILE")]
    schema: Option<PathBuf>,
    /// Each file runs statement by statement, not in one transaction
    #[arg(long)]
    no_transaction: bool,
    /// Also write SARIF 2.1.0, for code scanning
    #[arg(long, value_name = "FILE")]
    sarif: Option<PathBuf>,
    /// Also print annotations; by itself where GITHUB_ACTIONS says so
    #[arg(long)]
    annotations: Option<Annotations>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Annotations {
    Github,
    None,
}

/// A file, whether its tool runs it in a transaction, and which tool that is.
pub(super) struct Source {
    pub(super) file: SqlFile,
    pub(super) in_transaction: bool,
    pub(super) layout: &'static str,
}

pub fn run(args: &LintArgs, out: &Output) -> Result<()> {
    let mut linter = Linter::default();
    if let Some(schema) = &args.schema {
        linter.learn(&read_schema(schema)?);
    }
    let mut doc = LintDoc::new();
    for path in &args.paths {
        for source in sources(path)? {
            let found = linter.lint(&source.file, source.in_transaction && !args.no_transaction);
            doc.add(&source.file, found);
        }
    }
    if let Some(path) = &args.sarif {
        let sarif = serde_json::to_string_pretty(&doc.sarif())?;
        std::fs::write(path, sarif + "\n").with_context(|| path.display())?;
    }
    out.result(&doc, || lint_text(&doc));
    let annotate = match args.annotations {
        Some(Annotations::Github) => true,
        Some(Annotations::None) => false,
        None => std::env::var("GITHUB_ACTIONS").is_ok_and(|value| value == "true"),
    };
    if annotate {
        out.say(&doc.annotations());
    }
    match doc.blockers() {
        0 => Ok(()),
        count => Err(Failure::blocked(crate::report::text::count(count, "unaccepted blocker")).hint(
            "write what stands behind \"instead\", or accept one in a comment before its statement: -- migrate: accept RULE reason",
        )),
    }
}

pub(super) fn sources(path: &Path) -> Result<Vec<Source>> {
    let folder = if path.is_dir() {
        ddl::read_folder(path)?
    } else if path.extension().is_some_and(|end| end == "toml") {
        folder_of(path)?
    } else {
        return Ok(vec![Source { file: read_sql_file(path)?, in_transaction: true, layout: "plain" }]);
    };
    let source = |migration: Migration| Source {
        in_transaction: migration.apart.is_none(),
        layout: migration.layout.name,
        file: migration.sql,
    };
    Ok(folder.migrations.into_iter().map(source).collect())
}

/// The folder of a plan. No database is asked, so variables that name one need not be set.
fn folder_of(plan: &Path) -> Result<Folder> {
    // Another one for each name: blue and green must differ.
    let nobody = |name: &str| format!("postgres://nobody@localhost/{}", name.to_lowercase());
    let env = |name: &str| Some(std::env::var(name).unwrap_or_else(|_| nobody(name)));
    let migrations = read_plan(plan, &env)?.migrations;
    let MigrationSource::Folder(folder) = migrations.source else {
        let what = format!("{}: its migrator is a program: there are no files to read", plan.display());
        return Err(Failure::usage(what).hint("name the migrator's SQL files, if it has any: migrate lint FILES"));
    };
    match migrations.layout.as_deref().and_then(Layout::named) {
        Some(layout) => ddl::read_listing(&Listing::read(&folder)?, layout),
        None => ddl::read_folder(&folder),
    }
}

/// A dump without psql's own lines (`\restrict`, `\connect`), which stand alone.
pub(super) fn read_schema(path: &Path) -> Result<SqlFile> {
    let text = std::fs::read_to_string(path).with_context(|| path.display())?;
    let sql: String = text.split_inclusive('\n').filter(|line| !line.starts_with('\\')).collect();
    SqlFile::from_bytes(path, sql.into_bytes())
}
