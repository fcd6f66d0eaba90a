//! From a live blue or a dump, and the migrations, to the plan's text.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::bookkeeping::{self, Books};
use super::candidate::candidates;
use super::check::{Around, CheckDraft, Rest, of_event, of_rest};
use super::event::{self, Draft};
use super::evidence::evidence;
use super::facts::{TableFacts, read_facts};
use super::prove::prove;
use super::trace::Fates;
use super::write::{self, InitDoc};
use crate::catalog::{Server, read_server};
use crate::ddl::Migration;
use crate::error::{Context, Failure, Result};
use crate::migrate;
use crate::plan::MigrationSource;
use crate::postgres::{Access, Db, Ident, SCHEMA, Target};
use crate::rehearse::{self, Raise, Source};
use crate::replay;
use crate::snapshot::{output, program};
use crate::step::{Notices, Phase, StepId};

/// Blue's answers may take this long each; nothing that is asked needs more than catalogs and small tables.
const PATIENCE: &str = "SET statement_timeout = '10s'; SET lock_timeout = '2s'";
/// The pending migrations may take this long on the throwaway copy.
const TRACE_TIMEOUT: Duration = Duration::from_secs(300);
/// A restored dump larger than this, in bytes, is traced by its schema alone.
const TRACED_WITH_ROWS: u64 = 2 << 30;

/// Where blue is looked at.
#[derive(Debug)]
pub enum Origin {
    /// A database in use: only read, bounded work.
    Live(Target),
    /// A dump or a staging database, restored into a throwaway server.
    Copy(Source),
}

/// What is to be run on green.
#[derive(Debug)]
pub enum Wanted {
    /// A folder of migrations.
    Folder(PathBuf),
    /// The application's own migrator, and the variable in which it takes green's URL.
    Command {
        /// Program and arguments.
        argv: Vec<String>,
        /// The variable's name.
        variable: String,
    },
}

/// What is asked of [`draft`].
#[derive(Debug)]
pub struct Order<'a> {
    /// Where blue is looked at.
    pub origin: &'a Origin,
    /// What is to be run on green.
    pub wanted: &'a Wanted,
    /// The plan file that will be written; paths in it are relative to its folder.
    pub plan: &'a Path,
    /// The folder's layout; none: recognised.
    pub layout: Option<&'a str>,
    /// The plan's name; none: derived.
    pub name: Option<&'a str>,
    /// The variable that holds blue's URL when the plan is run.
    pub variable: &'a str,
    /// Cancelled by Ctrl-C.
    pub stop: &'a CancellationToken,
}

/// The plan.
#[derive(Debug)]
pub struct Planned {
    /// The plan file's text.
    pub text: String,
    /// What was found.
    pub doc: InitDoc,
}

/// All that is known when the text is written.
pub(super) struct Known<'a> {
    pub order: &'a Order<'a>,
    pub server: Server,
    pub database: String,
    pub tables: Vec<TableFacts>,
    pub books: Books,
    pub fates: Fates,
    pub events: Vec<Draft>,
    pub checks: Vec<CheckDraft>,
    pub rest: Rest,
}

/// Looks at blue, traces the pending migrations on a throwaway copy, and writes the plan's text.
pub async fn draft(order: &Order<'_>) -> Result<Planned> {
    let notices = Notices::new(StepId::new(Phase::Prepare, "init"), None);
    // Held to the end: the servers end with it.
    let restored = match order.origin {
        Origin::Live(_) => None,
        Origin::Copy(source) => {
            Some(rehearse::raise(&Raise { source, jobs: 2, notices: &notices, stop: order.stop }).await?)
        }
    };
    let target = match (order.origin, &restored) {
        (Origin::Live(target), _) => target,
        (_, Some(blue)) => &blue.target,
        (Origin::Copy(_), None) => return Err(Failure::failed("nothing was restored")),
    };
    let look = Look::at(order, target).await?;
    let pending = look.books.pending();
    let (fates, _copy) = trace(order, target, restored.as_ref(), &look, &pending, &notices).await;
    let blue = connect(target).await?;
    let events = events(&blue, &look, &fates).await?;
    let around = Around { tables: &look.tables, fates: &fates, pending: &pending, blue: &blue };
    let rest = of_rest(around, look.books.table).await?;
    let mut checks = Vec::new();
    for event in events.iter().filter(|event| !event.is_example() && !event.key_on_blue.is_empty()) {
        if let Some(table) = look.tables.iter().find(|table| table.oid == event.table) {
            checks.push(of_event(event, table, around).await?);
        }
    }
    let Look { server, tables, books } = look;
    let database = target.dbname().to_owned();
    let known = Known { order, server, database, tables, books, fates, events, checks, rest };
    Ok(write::plan(&known))
}

async fn connect(target: &Target) -> Result<Db> {
    let db = target.connect(Access::ReadOnly).await?;
    db.run(PATIENCE).await?;
    Ok(db)
}

/// What is read of blue before anything is tried.
struct Look {
    server: Server,
    tables: Vec<TableFacts>,
    books: Books,
}

impl Look {
    async fn at(order: &Order<'_>, target: &Target) -> Result<Self> {
        let blue = connect(target).await?;
        let server = read_server(&blue).await?;
        let tables = read_facts(&blue).await?;
        if tables.is_empty() {
            return Err(Failure::usage(format!("{}: {} holds no table", target.name, target.dbname()))
                .hint("name the database that serves today"));
        }
        let books = match order.wanted {
            Wanted::Folder(folder) => {
                bookkeeping::read(folder, order.layout, &tables, &async || connect(target).await).await?
            }
            Wanted::Command { argv, .. } => {
                Books::of_program(MigrationSource::Command { argv: argv.clone(), env: BTreeMap::new() })
            }
        };
        Ok(Self { server, tables, books })
    }
}

/// A second copy of blue for the trace, for as long as it is held.
type Copy = Option<rehearse::Blue>;

async fn trace(
    order: &Order<'_>,
    blue: &Target,
    restored: Option<&rehearse::Blue>,
    look: &Look,
    pending: &[&Migration],
    notices: &Notices,
) -> (Fates, Copy) {
    if pending.is_empty() && matches!(order.wanted, Wanted::Folder(_)) {
        return (Fates::Same, None);
    }
    let traced = async {
        let (url, copy, has_rows) = copy(order, blue, restored, look, notices).await?;
        let target = Target::parse("the migrated copy", &url)?;
        let work = Fates::trace(&target, has_rows, migrate_copy(order, (&target, &url), look, pending, notices));
        let fates = tokio::time::timeout(TRACE_TIMEOUT, work).await.unwrap_or_else(|_| {
            Err(Failure::failed(format!("they took longer than {} minutes", TRACE_TIMEOUT.as_secs() / 60)))
        })?;
        Ok::<_, Failure>((fates, copy))
    };
    match traced.await {
        Ok((fates, copy)) => (fates, copy),
        Err(e) => {
            let why = format!("run on a throwaway copy, they failed: {}", e.what);
            let fates = match order.wanted {
                Wanted::Folder(_) => Fates::untraced(why, pending),
                Wanted::Command { .. } => Fates::Untraced { why, words: None },
            };
            (fates, None)
        }
    }
}

/// The URL of a copy that may be migrated: of a restored dump with its rows where it is small, else of the schema alone.
async fn copy(
    order: &Order<'_>,
    blue: &Target,
    restored: Option<&rehearse::Blue>,
    look: &Look,
    notices: &Notices,
) -> Result<(String, Copy, bool)> {
    let bytes = look.tables.iter().map(|table| table.bytes).sum::<u64>();
    if let Some(restored) = restored.filter(|blue| blue.origin.has_rows && bytes <= TRACED_WITH_ROWS) {
        let admin = Target::parse("the throwaway server", &restored.server.url("postgres"))?;
        let traced = Ident::new("teal_traced");
        let template = Ident::new(blue.dbname());
        let sql = format!("CREATE DATABASE {traced} TEMPLATE {template}");
        admin.connect(Access::ReadWrite).await?.run(&sql).await.context("a second copy of the dump")?;
        return Ok((restored.server.url("teal_traced"), None, true));
    }
    let folder = tempfile::tempdir()?;
    let archive = folder.path().join("schema.dump");
    let mut dump = program("pg_dump", Some(blue));
    dump.args(["--format=custom", "--schema-only", "--no-subscriptions", "--no-publications"])
        .args(["--lock-wait-timeout=2000", "--exclude-schema", SCHEMA, "--file"])
        .arg(&archive);
    output(dump, Some(blue)).await.context("dumping blue's schema")?;
    let source = Source::Archive(archive);
    let copy = rehearse::raise(&Raise { source: &source, jobs: 1, notices, stop: order.stop }).await?;
    Ok((copy.server.url(copy.target.dbname()), Some(copy), false))
}

async fn migrate_copy(
    order: &Order<'_>,
    (target, url): (&Target, &str),
    look: &Look,
    pending: &[&Migration],
    notices: &Notices,
) -> Result<()> {
    let db = target.connect(Access::ReadWrite).await?;
    db.run(&format!("CREATE SCHEMA IF NOT EXISTS {SCHEMA}")).await?;
    replay::prepare_green(&db).await?;
    if let Origin::Live(blue) = order.origin {
        bookkeeping::bring(&connect(blue).await?, &db, &look.tables).await?;
    }
    match order.wanted {
        Wanted::Folder(_) => {
            for migration in pending {
                let step = StepId::new(Phase::Migrate, &migration.file);
                let file = migrate::Order { migration, plan: &look.books.plan, step: &step, digest: "" };
                migrate::run_file(target, &file, notices, order.stop).await?;
            }
        }
        Wanted::Command { argv, variable } => {
            let env = BTreeMap::from([(variable.clone(), url.to_owned())]);
            let folder = order.plan.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
            let log = tempfile::NamedTempFile::new()?;
            migrate::run_command(target, argv, &env, folder, log.path(), order.stop).await?;
        }
    }
    Ok(())
}

/// The events, each tried on the migrated copy where there is one.
async fn events(blue: &Db, look: &Look, fates: &Fates) -> Result<Vec<Draft>> {
    let mut events: Vec<Draft> = Vec::new();
    let kept = look.books.table;
    let tables: Vec<TableFacts> = look.tables.iter().filter(|table| Some(table.oid) != kept).cloned().collect();
    for candidate in candidates(&tables) {
        let Some(table) = tables.iter().find(|table| table.oid == candidate.table) else { continue };
        let Some(mut draft) = event::draft(&candidate, table, fates) else { continue };
        // A variable in the plan's eyes.
        if [&draft.ends, &draft.replay, &draft.name].iter().any(|text| text.contains("${")) {
            continue;
        }
        draft.because.push(evidence(blue, table, &candidate.sign, &draft.ends).await);
        if let Some(trace) = fates.traced() {
            prove(&mut draft, table, blue, &trace.green, trace.has_rows).await?;
        }
        events.push(draft);
    }
    // Proving settles doubts: what is on comes first, in the order it had.
    events.sort_by_key(|event| !event.is_on());
    Ok(events)
}
