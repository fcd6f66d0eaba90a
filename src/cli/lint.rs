//! `migrate lint`: what migration files would do to a live database, from their text alone.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};

use super::files::{FilesArgs, Schema, Source, Sources, sources};
use super::{Output, explain, workload};
use crate::ddl::lint::{Linter, runs_in_transaction};
use crate::ddl::trace::{self, Chain};
use crate::ddl::workload::judge;
use crate::error::{Context, Failure, Result};
use crate::plan::Accept;
use crate::rehearse::{Shadow, raise_shadow};
use crate::report::{LintDoc, lint_text, text::count};

#[derive(Debug, Args)]
pub struct LintArgs {
    #[command(flatten)]
    files: FilesArgs,
    /// Also run the files on a throwaway server with that schema, and say what they really do: DO blocks, functions,
    /// CASCADE
    #[arg(long)]
    trace: bool,
    /// Queries of clients, to find those that the files break: a live database with pg_stat_statements as '${NAME}', or a
    /// file of queries, divided by ;
    #[arg(long, value_name = "FILE|${NAME}")]
    workload: Option<String>,
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

pub async fn run(args: LintArgs, out: &Output) -> Result<()> {
    let schema = args.files.schema().await?;
    let major = args.files.major(schema.as_ref());
    let mut linter = Linter::of_major(major);
    let mut doc = LintDoc::new();
    if let Some(schema) = &schema {
        linter.learn(&schema.sql);
        linter.measure(schema.figures.clone());
    }
    let shadow = if args.trace { Some(traceable(schema.as_ref(), major).await?) } else { None };
    let mut chain = shadow.as_ref().map(|shadow| Chain::on(&shadow.target));
    let mut plans = Vec::new();
    for path in &args.files.paths {
        let Sources { files, accepts } = match sources(path) {
            Ok(sources) => sources,
            Err(unreadable) => {
                doc.refuse(unreadable)?;
                continue;
            }
        };
        let mut accepted = Accepted { plan: path, accepts, met: BTreeSet::new() };
        for Source { file, name, in_transaction, .. } in files {
            let in_transaction = runs_in_transaction(&file, in_transaction && !args.no_transaction);
            let steps = match &mut chain {
                Some(chain) => chain.run(&file, in_transaction).await?,
                None => Vec::new(),
            };
            let found = linter.lint_traced(&file, in_transaction, &steps);
            doc.add(&file, &name, found, &mut |id, object| accepted.why(id, object));
        }
        plans.push(accepted);
    }
    if let Some(named) = &args.workload {
        let (source, queries) = workload::read(named).await?;
        let by_plan = &mut |id: &str, object: &str| plans.iter_mut().find_map(|plan| plan.why(id, object));
        doc.add_workload(&source, judge(&queries, linter.changes(), linter.before()), by_plan);
    }
    for plan in &plans {
        for accept in plan.unmatched(args.trace, args.workload.is_some()) {
            doc.add_unmatched(plan.plan, accept);
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
        blockers => Err(Failure::blocked(count(blockers, "unaccepted blocker")).hint(
            "write what stands behind \"instead\", or accept one: in a comment before its statement, -- migrate: accept RULE reason, or in \
             the plan by [[accept]]",
        )),
    }
}

/// A shadow that sees what is run on it.
async fn traceable(schema: Option<&Schema>, major: Option<u32>) -> Result<Shadow> {
    let shadow = raise_shadow(schema.map(|schema| &schema.sql), major).await?;
    trace::prepare(&shadow.target).await?;
    Ok(shadow)
}

/// The accepts of a plan, and which of them have met a finding.
struct Accepted<'a> {
    plan: &'a Path,
    accepts: Vec<Accept>,
    met: BTreeSet<usize>,
}

impl Accepted<'_> {
    /// Why the plan accepts a finding.
    fn why(&mut self, id: &str, object: &str) -> Option<String> {
        let covering = self.accepts.iter().enumerate().filter(|(_, accept)| accept.covers(id, object));
        let covering: Vec<usize> = covering.map(|(at, _)| at).collect();
        self.met.extend(&covering);
        self.accepts.get(*covering.first()?).map(|accept| accept.why.clone())
    }

    /// The accepts that met nothing, of those that could have: the others are for `plan` and the run to judge.
    fn unmatched(&self, traced: bool, asked_clients: bool) -> impl Iterator<Item = &Accept> {
        let is_asked = move |id: &str| match id.strip_prefix("lint/") {
            Some(rule) if rule.starts_with("trace") => traced,
            Some(rule) if rule.starts_with("workload") => asked_clients,
            Some(_) => true,
            None => !explain::is_known(id),
        };
        let all = self.accepts.iter().enumerate();
        all.filter(move |(at, accept)| !self.met.contains(at) && is_asked(&accept.id)).map(|(_, accept)| accept)
    }
}
