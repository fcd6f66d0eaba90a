//! A throwaway blue with what the source holds, and an empty green like it.

use std::path::{Path, PathBuf};
use std::time::Instant;

use serde::Serialize;
use tokio_util::sync::CancellationToken;

use super::archive::{Archive, Format};
use super::needs::Needs;
use super::source::Source;
use crate::capture;
use crate::catalog::{self, read_server, read_tables};
use crate::error::{Context, Failure, Result};
use crate::finding::Finding;
use crate::postgres::{Access, Db, Ident, SCHEMA, Target, literal};
use crate::sandbox::{Binaries, Server};
use crate::snapshot::{output, program, text, watch};
use crate::step::{NoticeBody, Notices};
use crate::units::{count, show_bytes};

/// What is asked of [`raise`].
#[derive(Debug)]
pub struct Raise<'a> {
    /// Where it comes from; only read.
    pub source: &'a Source,
    /// Sessions that dump and restore at once.
    pub jobs: usize,
    /// Where progress goes.
    pub notices: &'a Notices,
    /// Cancelled by Ctrl-C.
    pub stop: &'a CancellationToken,
}

/// A throwaway server with a copy of the source; it is gone when this is dropped.
#[derive(Debug)]
pub struct Blue {
    /// The server.
    pub server: Server,
    /// The database, as the plan's `blue`.
    pub target: Target,
    /// Where it came from.
    pub origin: Origin,
    /// The roles that were made for it.
    pub roles: Vec<String>,
    /// What differs from the source.
    pub findings: Vec<Finding>,
}

impl Blue {
    /// Its URL; holds the password.
    pub fn url(&self) -> String {
        self.server.url(self.target.dbname())
    }
}

impl Green {
    /// Its URL; holds the password.
    pub fn url(&self) -> String {
        self.server.url(self.target.dbname())
    }
}

/// A throwaway server with an empty database like blue's.
#[derive(Debug)]
pub struct Green {
    /// The server.
    pub server: Server,
    /// The database, as the plan's `green`.
    pub target: Target,
}

/// Where a throwaway blue came from.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Origin {
    /// `custom archive`, `staging database`, …
    pub kind: String,
    /// The archive's path, or the database's address without a password.
    pub of: String,
    /// The version of the server that the source is of.
    pub server_version: String,
    /// Whether the source has rows, not the schema alone.
    pub has_rows: bool,
    /// Size of the restored database in bytes.
    pub database_bytes: u64,
    /// How long the dump held its snapshot on staging, in milliseconds; none for an archive.
    pub snapshot_ms: Option<u64>,
    /// How long the restore took, in milliseconds.
    pub restore_ms: u64,
}

/// What every failure says: the source was only read, and nothing is left.
const GONE: &str = "the source was only read; the throwaway servers are gone";

/// Makes a throwaway blue from the source.
///
/// A staging database is dumped first, in `pg_dump`'s own read-only transactions; who waits behind it for over a second
/// ends it. An archive is looked into before anything is started.
pub async fn raise(order: &Raise<'_>) -> Result<Blue> {
    let work = async {
        match order.source {
            Source::Archive(path) => {
                let archive = Archive::read(path).await?;
                let server = start(archive.server_major).context("a throwaway blue")?;
                restore(order, path, &archive, server, None).await
            }
            Source::Staging(staging) => from_staging(order, staging).await,
        }
    };
    let raised = tokio::select! {
        raised = work => raised,
        // Whatever runs is dropped, and killed with that.
        () = order.stop.cancelled() => Err(Failure::failed("interrupted")),
    };
    raised.map_err(|e| e.state(GONE))
}

async fn from_staging(order: &Raise<'_>, staging: &Target) -> Result<Blue> {
    let db = staging.connect(Access::ReadOnly).await?;
    let facts = read_server(&db).await?;
    let server = start(u32::try_from(facts.major()).unwrap_or(0)).context("a throwaway blue")?;
    let folder = server.folder().join("staging.dump");
    order.notices.send(NoticeBody::Started { title: format!("dump {}", staging.address()) });
    let begun = Instant::now();
    dump(staging, &folder, order.jobs).await?;
    let held = millis(begun);
    let archive = Archive::read(&folder).await?;
    let mut blue = restore(order, &folder, &archive, server, Some(&db)).await?;
    blue.origin.snapshot_ms = Some(held);
    tokio::fs::remove_dir_all(&folder).await.context("removing the dump")?;
    Ok(blue)
}

/// `pg_dump` holds ACCESS SHARE on every table: gives way to whoever waits behind it, as the copy does.
async fn dump(staging: &Target, folder: &Path, jobs: usize) -> Result<()> {
    let mut dump = program("pg_dump", Some(staging));
    dump.args(["--format=directory", "--compress=1", "--no-subscriptions", "--lock-wait-timeout=5000"])
        .args(["--exclude-schema", SCHEMA, "--jobs", &jobs.to_string(), "--file"])
        .arg(folder);
    tokio::select! {
        dumped = output(dump, Some(staging)) => dumped.map(drop).map_err(|e| {
            let newer = e.detail.as_ref().is_some_and(|said| said.contains("server version mismatch"));
            let hint = if newer {
                "install the client programs of staging's version: apt-get install postgresql-client-MAJOR"
            } else {
                "pg_dump needs SELECT on every table: try a role that is a member of pg_read_all_data"
            };
            e.context("dumping").hint(hint)
        }),
        failure = watch(staging) => Err(failure),
    }
}

/// A server of this major version; of the nearest one where the machine has none of it.
fn start(major: u32) -> Result<Server> {
    let all = Binaries::all();
    let same = all.iter().find(|binaries| binaries.major() == major);
    let newer = all.iter().filter(|binaries| binaries.major() > major).min_by_key(|binaries| binaries.major());
    match same.or(newer) {
        Some(binaries) => Server::start_with(binaries.clone(), &std::env::temp_dir(), &[]),
        None => Server::start(&[]),
    }
}

async fn restore(
    order: &Raise<'_>,
    path: &Path,
    archive: &Archive,
    server: Server,
    staging: Option<&Db>,
) -> Result<Blue> {
    order.notices.send(NoticeBody::Started { title: format!("restore {}", path.display()) });
    let begun = Instant::now();
    let needs = Needs::of(&schema_sql(path).await?)?;
    let admin = admin(&server).await?;
    refuse_missing_extensions(&admin, &needs, server.major()).await?;
    let mut roles: Vec<String> = needs.roles.iter().cloned().collect();
    if let Some(staging) = staging {
        roles.extend(named_roles(staging).await?);
    }
    make_roles(&admin, &roles).await?;
    if let Some(staging) = staging {
        make_memberships(staging, &admin, &roles).await?;
    }
    let name = database_name(&archive.dbname, "blue");
    let mut findings = other_version(archive, &server);
    findings.extend(create_database(&admin, &name, &needs).await?);

    let target = Target::parse("blue", &server.url(&name.0))?;
    let list = server.folder().join("list");
    tokio::fs::write(&list, archive.list_kept_in()).await.context("writing the list of the archive")?;
    run_restore(path, archive, &target, &list, order.jobs, &server).await?;
    let blue = target.connect(Access::ReadWrite).await?;
    settle(&blue, &admin, &name, &needs).await?;

    let tables = read_tables(&blue).await?;
    let database_bytes = tables.iter().map(|table| table.bytes).sum();
    let outcome = format!("{}, {}", count(tables.len() as u64, "table"), show_bytes(database_bytes));
    order.notices.send(NoticeBody::Finished { outcome, millis: millis(begun) });
    let has_rows = archive.tables_with_rows > 0;
    if !has_rows {
        findings.push(
            Finding::warning("rehearse/no-rows", "the source", "it holds a schema and no rows")
                .so_what("migrations meet empty tables: nothing is shown about rows, time or events")
                .next("rehearse again with a dump that has rows: pg_dump without --schema-only"),
        );
    }
    if archive.has("USER MAPPING") || archive.has("SUBSCRIPTION") {
        findings.push(
            Finding::note(
                "rehearse/cut-off",
                "the source",
                "logins of foreign servers and subscriptions were left out",
            )
            .so_what("a throwaway server must not reach anybody: what reads foreign tables fails here"),
        );
    }
    let of = order.source.shown();
    let kind =
        if staging.is_some() { "staging database".to_owned() } else { format!("{} archive", archive.format.word()) };
    let server_version = archive.server_version.clone();
    let restore_ms = millis(begun);
    let origin = Origin { kind, of, server_version, has_rows, database_bytes, snapshot_ms: None, restore_ms };
    Ok(Blue { server, target, origin, roles, findings })
}

/// An empty database on a server of its own, like blue's: version, encoding, locale, roles.
pub async fn empty_green(blue: &Blue) -> Result<Green> {
    let server = start(blue.server.major()).context("a throwaway green").map_err(|e| e.state(GONE))?;
    let from = blue.target.connect(Access::ReadOnly).await?;
    let (here, admin) = (read_server(&from).await?, admin(&server).await?);
    make_roles(&admin, &blue.roles).await?;
    make_memberships(&from, &admin, &blue.roles).await?;
    let name = database_name(blue.target.dbname(), "green");
    admin
        .run(&format!("CREATE DATABASE {name} TEMPLATE template0 {}", like(&here)))
        .await
        .context("a throwaway green")?;
    let target = Target::parse("green", &server.url(&name.0))?;
    Ok(Green { server, target })
}

/// Encoding and locale of a database, as `CREATE DATABASE` takes them.
fn like(server: &catalog::Server) -> String {
    let provider = match server.locale_provider.split_once(':') {
        Some(("i", locale)) => format!(" LOCALE_PROVIDER icu ICU_LOCALE {}", literal(locale)),
        Some(("b", locale)) => format!(" LOCALE_PROVIDER builtin BUILTIN_LOCALE {}", literal(locale)),
        _ => String::new(),
    };
    let (encoding, collate, ctype) = (literal(&server.encoding), literal(&server.collate), literal(&server.ctype));
    format!("ENCODING {encoding} LC_COLLATE {collate} LC_CTYPE {ctype}{provider}")
}

pub(super) async fn admin(server: &Server) -> Result<Db> {
    Ok(Target::parse("the throwaway server", &server.url("postgres"))?.connect(Access::ReadWrite).await?)
}

/// The source's own name where a URL takes it as it is: functions and settings may name it.
fn database_name(source: &str, otherwise: &str) -> Ident {
    let plain = !source.is_empty() && source.chars().all(|c| c.is_ascii_alphanumeric() || "_-".contains(c));
    let taken = matches!(source, "postgres" | "template0" | "template1");
    Ident::new(if plain && !taken { source } else { otherwise })
}

async fn schema_sql(path: &Path) -> Result<String> {
    let mut restore = program("pg_restore", None);
    restore.args(["--schema-only", "--create", "--no-tablespaces", "--file=-"]).arg(path);
    text(restore, None).await.map_err(|e| damaged(path, e))
}

/// The archive is named first: an error of `pg_restore` names only what it was at.
fn damaged(path: &Path, e: Failure) -> Failure {
    let said = e.detail.clone().unwrap_or_default();
    let shown = path.display();
    let broken =
        ["end of file", "could not read", "could not find", "invalid", "did not find magic", "corrupt", "uncompress"];
    if broken.iter().any(|word| said.contains(word)) && !said.contains("could not execute query") {
        return Failure::failed(format!("{shown}: the archive is cut off or damaged"))
            .detail(said)
            .hint("copy or dump it again");
    }
    e.context(format!("restoring {shown}"))
}

async fn run_restore(
    path: &Path,
    archive: &Archive,
    target: &Target,
    list: &PathBuf,
    jobs: usize,
    server: &Server,
) -> Result<()> {
    let mut restore = program("pg_restore", Some(target));
    restore
        .args(["--exit-on-error", "--no-tablespaces", "--dbname", &target.program_conninfo(), "--use-list"])
        .arg(list);
    // A tar is read from front to back.
    if archive.format != Format::Tar {
        restore.args(["--jobs", &jobs.max(1).to_string()]);
    }
    restore.arg(path);
    output(restore, Some(target)).await.map(drop).map_err(|e| {
        if disk_is_full(&e, server) {
            return disk_full(server);
        }
        damaged(path, e).hint("if the statement above needs what this machine lacks, install it; else report it")
    })
}

/// The failure that a full disk is, where one of these servers met it: then nothing was shown about the plan.
pub fn no_room<'s>(failure: &Failure, servers: impl IntoIterator<Item = &'s Server>) -> Option<Failure> {
    servers.into_iter().find(|server| disk_is_full(failure, server)).map(|server| disk_full(server).state(GONE))
}

/// Whether a failure on one of our servers comes from the disk.
fn disk_is_full(e: &Failure, server: &Server) -> bool {
    let words = "No space left on device";
    e.what.contains(words) || e.detail.as_ref().is_some_and(|said| said.contains(words)) || server.log().contains(words)
}

fn disk_full(server: &Server) -> Failure {
    let parent = server.folder().parent().unwrap_or(Path::new("/")).display();
    Failure::failed(format!("the disk that holds {parent} is full")).hint(
        "set TMPDIR to a folder on a larger one: blue and green both stand there, about twice the database's size",
    )
}

/// What differs from the source afterwards is only what must: nothing of a run that was dumped along, nothing that
/// reaches out, statistics for the planner and for the sampling of rows.
async fn settle(blue: &Db, admin: &Db, name: &Ident, needs: &Needs) -> Result<()> {
    capture::remove(blue).await.context("a run that was dumped along")?;
    blue.run(&format!("DROP SCHEMA IF EXISTS {SCHEMA} CASCADE")).await.context("a run that was dumped along")?;
    for row in blue.rows(include_str!("../postgres/sql/select_reaching_out.sql"), &[]).await? {
        blue.run(row.get("sql")).await.context("cutting off foreign servers")?;
    }
    for setting in &needs.settings {
        let whose = match &setting.role {
            None => format!("DATABASE {name}"),
            Some(role) => format!("ROLE {} IN DATABASE {name}", Ident::new(role)),
        };
        admin.run(&format!("ALTER {whose} {}", setting.sql)).await.context("the settings of the database")?;
    }
    // No timeout: it reads samples of every table, and Ctrl-C ends it with its session.
    blue.run("ANALYZE").await.context("statistics")?;
    Ok(())
}

fn other_version(archive: &Archive, server: &Server) -> Vec<Finding> {
    if archive.server_major == 0 || archive.server_major == server.major() {
        return Vec::new();
    }
    let what = format!(
        "the source is of PostgreSQL {}, the rehearsal's servers are of {}",
        archive.server_major,
        server.major()
    );
    vec![
        Finding::warning("rehearse/other-version", "the throwaway servers", what)
            .so_what("plans, times and a few functions differ between major versions")
            .next(format!("apt-get install postgresql-{}", archive.server_major)),
    ]
}

/// The database with the source's encoding and locale; with C.UTF-8 where this machine has not that locale.
async fn create_database(admin: &Db, name: &Ident, needs: &Needs) -> Result<Option<Finding>> {
    let Some(like) = &needs.database else {
        admin.run(&format!("CREATE DATABASE {name} TEMPLATE template0")).await.context("a throwaway blue")?;
        return Ok(None);
    };
    let Err(e) = admin.run(&format!("CREATE DATABASE {name} {like}")).await else { return Ok(None) };
    let encoding =
        like.split_once("ENCODING = ").and_then(|(_, rest)| rest.split_whitespace().next()).unwrap_or("'UTF8'");
    let locale = if encoding == "'UTF8'" { "'C.UTF-8'" } else { "'C'" };
    admin
        .run(&format!("CREATE DATABASE {name} TEMPLATE template0 ENCODING {encoding} LOCALE {locale}"))
        .await
        .context("a throwaway blue")?;
    Ok(Some(
        Finding::warning(
            "rehearse/locale",
            "the throwaway blue",
            format!("this machine can't make its database: {}", e.message()),
        )
        .so_what(format!("it has the locale {locale} instead: text is sorted otherwise than in the source"))
        .next("dpkg-reconfigure locales"),
    ))
}

/// Roles belong to a server, so the source does not carry them: made without a login.
pub(super) async fn make_roles(admin: &Db, roles: &[String]) -> Result<()> {
    let there = admin.rows("SELECT rolname::text FROM pg_catalog.pg_roles", &[]).await?;
    let mut known: Vec<String> = there.iter().map(|row| row.get(0)).collect();
    for role in roles {
        if !known.contains(role) {
            admin.run(&format!("CREATE ROLE {} NOLOGIN", Ident::new(role))).await.context("the source's roles")?;
            known.push(role.clone());
        }
    }
    Ok(())
}

async fn named_roles(staging: &Db) -> Result<Vec<String>> {
    let rows = staging.rows(include_str!("../postgres/sql/select_named_roles.sql"), &[]).await?;
    Ok(rows.iter().map(|row| row.get("role")).collect())
}

/// Who is a member of whom, among these roles.
async fn make_memberships(from: &Db, admin: &Db, roles: &[String]) -> Result<()> {
    let rows = from.rows(include_str!("../postgres/sql/select_memberships.sql"), &[&roles]).await?;
    for row in rows {
        let (role, member): (String, String) = (row.get("role"), row.get("member"));
        let grant = format!("GRANT {} TO {}", Ident::new(role), Ident::new(member));
        admin.run(&grant).await.context("the source's memberships")?;
    }
    Ok(())
}

pub(super) async fn refuse_missing_extensions(admin: &Db, needs: &Needs, major: u32) -> Result<()> {
    let wanted: Vec<&String> = needs.extensions.iter().collect();
    let rows = admin.rows(include_str!("../postgres/sql/select_missing_extensions.sql"), &[&wanted]).await?;
    let missing: Vec<String> = rows.iter().map(|row| row.get(0)).collect();
    let Some(first) = missing.first() else { return Ok(()) };
    Err(Failure::failed(format!(
        "the source needs {} that PostgreSQL {major} of this machine lacks: {}",
        if missing.len() == 1 { "an extension" } else { "extensions" },
        missing.join(", ")
    ))
    .hint(format!("install it: apt-get install {}; then run this again", package(first, major))))
}

/// Debian's package of an extension; most are named after it.
fn package(extension: &str, major: u32) -> String {
    let name = match extension {
        "vector" => "pgvector",
        "postgis" | "postgis_topology" | "postgis_raster" | "postgis_tiger_geocoder" => "postgis-3",
        "pg_cron" => "cron",
        "pg_partman" => "partman",
        "pg_repack" => "repack",
        "plpython3u" => "plpython3",
        "plperl" | "plperlu" => "plperl",
        "pltcl" | "pltclu" => "pltcl",
        other => return format!("postgresql-{major}-{}", other.replace('_', "-")),
    };
    match name {
        "plpython3" | "plperl" | "pltcl" => format!("postgresql-{name}-{major}"),
        name => format!("postgresql-{major}-{name}"),
    }
}

fn millis(since: Instant) -> u64 {
    u64::try_from(since.elapsed().as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_database_keeps_its_name_where_a_url_takes_it() {
        assert_eq!(database_name("oauth-2_x", "blue").0, "oauth-2_x");
        for odd in ["", "postgres", "Odd db", "a/b", "é"] {
            assert_eq!(database_name(odd, "blue").0, "blue", "{odd}");
        }
    }

    #[test]
    fn packages_are_named_as_debian_has_them() {
        assert_eq!(package("vector", 17), "postgresql-17-pgvector");
        assert_eq!(package("plpython3u", 15), "postgresql-plpython3-15");
        assert_eq!(package("hypopg", 15), "postgresql-15-hypopg");
    }
}
