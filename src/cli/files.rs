//! The SQL files that `lint` and `rewrite` are about, and the schema that they meet.

use std::path::{Path, PathBuf};

use clap::Args;

use crate::catalog::{Figures, read_figures, read_server};
use crate::ddl::{self, Layout, Listing, Migration, SqlFile, read_sql_file};
use crate::error::{Failure, Result};
use crate::plan::{Accept, MigrationSource, Plan, read_plan};
use crate::postgres::{Access, Target};
use crate::rehearse::{Source as Named, schema_of_database, schema_of_file};

/// Which files, and on what they run.
#[derive(Debug, Args)]
pub struct FilesArgs {
    /// SQL files, folders of migrations, or plans; each file is read in the light of those before it
    #[arg(required = true, value_name = "FILE|FOLDER|PLAN")]
    pub paths: Vec<PathBuf>,
    /// What the database is like before: a dump of its schema (pg_dump --schema-only, or an archive), or the database
    /// itself as '${NAME}', a variable that holds its URL; it is only read
    #[arg(long, value_name = "FILE|${NAME}")]
    schema: Option<String>,
    /// The major version of the server that the files are for [default: that of --schema '${NAME}'; else lint takes any, and
    /// rewrite 15]
    #[arg(long, value_name = "MAJOR", value_parser = clap::value_parser!(u32).range(14..=18))]
    pg: Option<u32>,
}

impl FilesArgs {
    /// The schema that is named.
    pub async fn schema(&self) -> Result<Option<Schema>> {
        match &self.schema {
            Some(named) => Schema::read(named).await.map(Some),
            None => Ok(None),
        }
    }

    /// The major version, where it is known.
    pub fn major(&self, schema: Option<&Schema>) -> Option<u32> {
        self.pg.or(schema.and_then(|schema| schema.major))
    }
}

/// A file, whether its tool runs it in a transaction, and which tool that is.
pub struct Source {
    pub file: SqlFile,
    /// Its name as findings of a plan have it: within the folder.
    pub name: String,
    pub in_transaction: bool,
    pub layout: &'static str,
}

/// What one argument stands for.
pub struct Sources {
    /// Its files, in their order.
    pub files: Vec<Source>,
    /// What the plan accepts, if it is one.
    pub accepts: Vec<Accept>,
}

/// What the database is like before the files.
pub struct Schema {
    pub sql: SqlFile,
    /// Sizes and rates of a live one.
    pub figures: Option<Figures>,
    /// The major version of a live one.
    pub major: Option<u32>,
}

impl Schema {
    pub async fn read(named: &str) -> Result<Self> {
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
pub fn database(named: &str, as_what: &str) -> Result<Option<Target>> {
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

/// Reads what an argument names.
pub fn sources(path: &Path) -> Result<Sources> {
    if path.is_dir() {
        return Ok(Sources { files: of_folder(ddl::read_folder(path)?.migrations), accepts: Vec::new() });
    }
    if path.extension().is_some_and(|end| end == "toml") {
        return of_plan(path);
    }
    let name = path.display().to_string();
    let file = Source { file: read_sql_file(path)?, name, in_transaction: true, layout: "plain" };
    Ok(Sources { files: vec![file], accepts: Vec::new() })
}

fn of_folder(migrations: Vec<Migration>) -> Vec<Source> {
    let source = |migration: Migration| Source {
        in_transaction: migration.apart.is_none(),
        layout: migration.layout.name,
        name: migration.file,
        file: migration.sql,
    };
    migrations.into_iter().map(source).collect()
}

/// The folder of a plan, and its accepts. No database is asked, so variables that name one need not be set.
fn of_plan(path: &Path) -> Result<Sources> {
    // Another one for each name: blue and green must differ.
    let nobody = |name: &str| format!("postgres://nobody@localhost/{}", name.to_lowercase());
    let env = |name: &str| Some(std::env::var(name).unwrap_or_else(|_| nobody(name)));
    let Plan { migrations, accepts, .. } = read_plan(path, &env)?;
    let MigrationSource::Folder(folder) = migrations.source else {
        let what = format!("{}: its migrator is a program: there are no files to read", path.display());
        return Err(Failure::usage(what).hint("name the migrator's SQL files, if it has any: migrate lint FILES"));
    };
    let folder = match migrations.layout.as_deref().and_then(Layout::named) {
        Some(layout) => ddl::read_listing(&Listing::read(&folder)?, layout)?,
        None => ddl::read_folder(&folder)?,
    };
    Ok(Sources { files: of_folder(folder.migrations), accepts })
}
