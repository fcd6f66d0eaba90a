//! A throwaway server with a schema and no rows: what migrations are traced on.

use std::path::Path;

use super::needs::Needs;
use super::restore::{admin, make_roles, refuse_missing_extensions};
use crate::ddl::SqlFile;
use crate::error::{Context, Failure, Result};
use crate::postgres::{Access, Db, SCHEMA, Target};
use crate::sandbox::{Binaries, Server};
use crate::snapshot::{program, text};

/// The database's name; settings and functions that name their own can't be kept.
const DATABASE: &str = "shadow";

/// A server that is gone when this is dropped.
#[derive(Debug)]
pub struct Shadow {
    /// The server.
    pub server: Server,
    /// Its database with the schema, for a superuser.
    pub target: Target,
}

/// Reads a schema: the SQL of `pg_dump --schema-only`, or the schema of an archive.
pub async fn schema_of_file(path: &Path) -> Result<SqlFile> {
    let is_archive = path.is_dir() || begins_as_archive(path).with_context(|| path.display())?;
    let sql = if is_archive {
        let mut restore = program("pg_restore", None);
        restore.args(["--schema-only", "--no-tablespaces", "--file=-"]).arg(path);
        text(restore, None).await.with_context(|| path.display())?
    } else {
        let bytes = std::fs::read(path).with_context(|| path.display())?;
        String::from_utf8(bytes).map_err(|_| Failure::usage(format!("{}: not UTF-8", path.display())))?
    };
    sql_alone(path, &sql)
}

/// Reads the schema of a live database by `pg_dump`, in its own read-only transaction.
pub async fn schema_of_database(target: &Target) -> Result<SqlFile> {
    let mut dump = program("pg_dump", Some(target));
    dump.args(["--schema-only", "--no-subscriptions", "--no-tablespaces", "--lock-wait-timeout=5000"]).args([
        "--exclude-schema",
        SCHEMA,
        "--dbname",
        &target.program_conninfo(),
    ]);
    let sql = text(dump, Some(target)).await.map_err(|e| {
        e.context("reading its schema")
            .hint("pg_dump of its version or a newer one is needed, and SELECT on its tables")
    })?;
    sql_alone(Path::new(&target.address()), &sql)
}

fn begins_as_archive(path: &Path) -> std::io::Result<bool> {
    use std::io::Read;
    let mut first = [0; 5];
    let read = std::fs::File::open(path)?.read(&mut first)?;
    Ok(first.get(..read).is_some_and(|first| first == b"PGDMP"))
}

/// psql's own lines (`\restrict`, `\connect`) stand alone and at the start of theirs.
fn sql_alone(path: &Path, sql: &str) -> Result<SqlFile> {
    let sql: String = sql.split_inclusive('\n').map(|line| if line.starts_with('\\') { "\n" } else { line }).collect();
    SqlFile::from_bytes(path, sql.into_bytes())
        .map_err(|e| e.hint("a schema alone is wanted: pg_dump --schema-only --file=schema.sql"))
}

/// Starts a server of this major version, or the system's own, and gives it the schema: roles first, extensions asked for
/// before anything runs.
pub async fn raise_shadow(schema: Option<&SqlFile>, major: Option<u32>) -> Result<Shadow> {
    let binaries = match major {
        Some(major) => Binaries::find_major(major)?,
        None => Binaries::find()?,
    };
    let server = Server::start_with(binaries, &std::env::temp_dir(), &[]).context("a shadow")?;
    let root = admin(&server).await?;
    root.run(&format!("CREATE DATABASE {DATABASE} TEMPLATE template0")).await.context("a shadow")?;
    let target = Target::parse("the shadow", &server.url(DATABASE))?;
    if let Some(schema) = schema {
        let needs = Needs::of(&schema.text)?;
        refuse_missing_extensions(&root, &needs, server.major()).await?;
        make_roles(&root, &needs.roles.iter().cloned().collect::<Vec<_>>()).await?;
        load(&target.connect(Access::ReadWrite).await?, schema).await?;
    }
    Ok(Shadow { server, target })
}

async fn load(db: &Db, schema: &SqlFile) -> Result<()> {
    for statement in &schema.statements {
        // The database has been made, by our name.
        if statement.starts_with(&["CREATE", "DATABASE"]) || statement.starts_with(&["ALTER", "DATABASE"]) {
            continue;
        }
        let Err(e) = db.run(statement.text(&schema.text)).await else { continue };
        // A newer pg_dump sets what an older server doesn't know, and public is there already.
        let passed_over = statement.starts_with(&["SET"]) || statement.starts_with(&["CREATE", "SCHEMA", "PUBLIC"]);
        if !passed_over {
            let place = schema.place(statement, e.position().unwrap_or(1));
            return Err(Failure::failed(format!("{}:{}: {}", schema.path.display(), place.line, e.message()))
                .detail(schema.excerpt(statement, e.position(), &e.message()))
                .hint("the schema must load by itself on a server of its version: pg_dump --schema-only; see --pg"));
        }
    }
    Ok(())
}
