//! `migrate lint`: what migration files would do to a live database, from their text alone.

use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};

use super::Output;
use crate::catalog::{Figures, read_figures, read_server};
use crate::ddl::lint::{Linter, runs_in_transaction};
use crate::ddl::{self, Folder, Layout, Listing, Migration, SqlFile, read_sql_file, trace};
use crate::error::{Context, Failure, Result};
use crate::plan::{MigrationSource, read_plan};
use crate::postgres::{Access, Target};
use crate::rehearse::{Shadow, Source as Named, raise_shadow, schema_of_database, schema_of_file};
use crate::report::{LintDoc, lint_text};

#[derive(Debug, Args)]
pub struct LintArgs {
    /// SQL files, folders of migrations, or plans; each file is read in the light of those before it
    #[arg(required = true, value_name = "FILE|FOLDER|PLAN")]
    paths: Vec<PathBuf>,
    /// What the database is like before: a dump of its schema (pg_dump --schema-only, or an archive), or the database
    /// itself as '${NAME}', a variable that holds its URL; it is only read
    #[arg(long, value_name = "FILE|${NAME}")]
    schema: Option<String>,
    /// The major version of the server that the files are for [default: that of --schema '${NAME}']
    #[arg(long, value_name = "MAJOR", value_parser = clap::value_parser!(u32).range(14..=18))]
    pg: Option<u32>,
    /// Also run the files on a throwaway server with that schema, and say what they really do: DO blocks, functions,
    /// CASCADE
    #[arg(long)]
    trace: bool,
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

pub async fn run(args: LintArgs, out: &Output) -> Result<()> {
    let schema = match &args.schema {
        Some(named) => Some(Schema::read(named).await?),
        None => None,
    };
    let major = args.pg.or(schema.as_ref().and_then(|schema| schema.major));
    let mut linter = Linter::of_major(major);
    let mut doc = LintDoc::new();
    if let Some(schema) = &schema {
        linter.learn(&schema.sql);
        linter.measure(schema.figures.clone());
    }
    let shadow = if args.trace { Some(traceable(schema.as_ref(), major).await?) } else { None };
    for path in &args.paths {
        let sources = match sources(path) {
            Ok(sources) => sources,
            Err(unreadable) => {
                doc.refuse(unreadable)?;
                continue;
            }
        };
        for Source { file, in_transaction, .. } in sources {
            let in_transaction = runs_in_transaction(&file, in_transaction && !args.no_transaction);
            let steps = match &shadow {
                Some(shadow) => trace::trace(&shadow.target, &file, in_transaction).await?,
                None => Vec::new(),
            };
            let found = linter.lint_traced(&file, in_transaction, &steps);
            doc.add(&file, found);
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

/// What the database is like before the files.
pub(super) struct Schema {
    pub(super) sql: SqlFile,
    /// Sizes and rates of a live one.
    figures: Option<Figures>,
    /// The major version of a live one.
    pub(super) major: Option<u32>,
}

impl Schema {
    pub(super) async fn read(named: &str) -> Result<Self> {
        let Some(target) = database(named, "the schema's database")? else {
            return Ok(Self { sql: schema_of_file(Path::new(named)).await?, figures: None, major: None });
        };
        let db = target.connect(Access::ReadOnly).await?;
        let major = u32::try_from(read_server(&db).await?.major()).ok();
        let figures = Some(read_figures(&db).await?);
        Ok(Self { sql: schema_of_database(&target).await?, figures, major })
    }
}

/// The database that an argument names, by a variable or a URL; none where it is a path. No message repeats a URL.
fn database(named: &str, as_what: &str) -> Result<Option<Target>> {
    let url = match named.strip_prefix("${").and_then(|rest| rest.strip_suffix('}')) {
        Some(name) => std::env::var(name).map_err(|_| {
            Failure::usage(format!("the environment variable {name} is not set"))
                .hint(format!("set {name} to the URL of the database"))
        })?,
        None if Named::is_url(named) => named.to_owned(),
        None => return Ok(None),
    };
    Target::parse(as_what, &url).map(Some)
}

/// A shadow that sees what is run on it.
async fn traceable(schema: Option<&Schema>, major: Option<u32>) -> Result<Shadow> {
    let shadow = raise_shadow(schema.map(|schema| &schema.sql), major).await?;
    trace::prepare(&shadow.target).await?;
    Ok(shadow)
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
