//! What `plan` tells beyond the text of the pending files: a throwaway server of blue's version with blue's schema says what
//! they do, and pg_stat_statements which queries of clients they break.
//!
//! Neither blue nor green is written to. It adds findings and takes none away: `apply`, which looks at the text alone, stops
//! at nothing that `plan` let pass. Steps and fingerprints know nothing of it.

use std::time::{Duration, Instant};

use super::Output;
use super::inputs::Inputs;
use super::workload::ran;
use crate::catalog::read_server;
use crate::ddl::lint::{Linter, runs_in_transaction};
use crate::ddl::rule::is_traced;
use crate::ddl::trace::{self, Chain, Step, reaches_out};
use crate::ddl::workload::{Query, judge, masked};
use crate::ddl::{Migration, SqlFile};
use crate::error::{Failure, Result};
use crate::finding::{Finding, Severity, blockers};
use crate::guard;
use crate::plan::Plan;
use crate::rehearse::{raise_shadow, schema_of_database};
use crate::report::PlanDoc;
use crate::units::{count, show_millis};

/// How long all of it may take.
const LONGEST: Duration = Duration::from_secs(60);
/// How many queries are named; the rest is counted.
const NAMED: usize = 20;

/// Adds to the document what is found.
pub async fn look_closer(inputs: &Inputs, doc: &mut PlanDoc, out: &Output) -> Result<()> {
    let plan = &inputs.plan;
    let is_pending =
        |migration: &&Migration| doc.migrations.iter().any(|one| one.pending && one.file == migration.file);
    let pending: Vec<&Migration> = inputs.migrations.iter().filter(is_pending).collect();
    if pending.is_empty() {
        return Ok(());
    }
    let since = Instant::now();
    let looked = tokio::time::timeout(LONGEST, look(plan, &pending)).await;
    let late = || Failure::failed(format!("it was not done after {} s", LONGEST.as_secs()));
    let (mut found, traced) =
        looked.unwrap_or_else(|_| Err(late())).unwrap_or_else(|why| (vec![not_traced(&why)], false));
    if traced {
        let took = u64::try_from(since.elapsed().as_millis()).unwrap_or(u64::MAX);
        out.say(&format!(
            "Traced {} on a throwaway server with blue's schema, in {}.\n",
            count(pending.len(), "file"),
            show_millis(took)
        ));
    }
    found.retain(|one| !doc.findings.iter().any(|there| there.id == one.id && there.object == one.object));
    doc.findings.append(&mut found);
    plan.accept(&mut doc.findings);
    // An accept may be for what was found only now.
    let unmatched: Vec<Finding> =
        plan.idle_accepts(&doc.findings, |id| id.starts_with("lint/") && (traced || !is_traced(id)));
    doc.findings.retain(|one| one.id != "plan/accept-unmatched" || !one.object.starts_with("accept lint/"));
    if plan.is_in_place() {
        doc.findings.extend(unmatched);
    }
    doc.findings.sort_by_key(|finding| finding.severity);
    if blockers(&doc.findings).next().is_some() {
        doc.next = format!("clear the blockers above, then: migrate plan {}", plan.path.display());
    }
    Ok(())
}

fn not_traced(why: &Failure) -> Finding {
    Finding::note("plan/not-traced", "migrations", format!("they were not run on a throwaway server: {}", why.what))
        .so_what("what is said of them is from their text alone; what DO blocks and functions do is not known")
        .next("migrate lint PLAN --schema '${BLUE_URL}' --trace, where the server's programs are; or migrate plan --no-trace")
}

/// What is found, and whether the files were traced.
async fn look(plan: &Plan, pending: &[&Migration]) -> Result<(Vec<Finding>, bool)> {
    let blue = guard::connect(&plan.blue).await?;
    let major = u32::try_from(read_server(&blue).await?.major()).ok();
    drop(blue);
    let schema = schema_of_database(&plan.blue).await?;
    let (mut found, traced) = match run(&schema, pending, major).await {
        Ok(steps) => (Vec::new(), Some(steps)),
        Err(why) => (vec![not_traced(&why)], None),
    };
    let [mut text, mut truth] = [(); 2].map(|()| Linter::of_major(major));
    text.learn(&schema);
    truth.learn(&schema);
    for (number, migration) in pending.iter().enumerate() {
        let in_transaction = runs_in_transaction(&migration.sql, migration.apart.is_none());
        let steps = traced.as_ref().and_then(|traced| traced.get(number)).map_or(&[][..], Vec::as_slice);
        let from_text = text.lint(&migration.sql, in_transaction);
        let seen = truth.lint_traced(&migration.sql, in_transaction, steps);
        let lines = migration.sql.lines();
        for one in seen {
            let known = from_text.iter().any(|t| t.rule.id == one.rule.id && t.span == one.span && t.what == one.what);
            // What no transaction can hold runs in its own form anyway; that it was not seen tells nobody anything.
            if known || one.rule.id == "trace-unseen" || !(plan.is_in_place() || matters_on_green(one.rule.id)) {
                continue;
            }
            let object = format!("{}:{}", migration.file, lines.place(one.span.start).line);
            let id = format!("lint/{}", one.rule.id);
            let mut finding = Finding::new(weight(plan, one.rule.severity), &id, object, one.what)
                .so_what(one.rule.so_what)
                .next(format!("instead: {}", one.rule.instead));
            finding.accepted = one.accepted;
            found.push(finding);
        }
    }
    // Without the extension, or without a right to it, nobody knows what runs there; doctor is the place to say so.
    if let Ok(queries) = ran(&plan.blue).await {
        found.extend(broken(plan, &queries, &truth));
    }
    Ok((found, traced.is_some()))
}

/// On green nobody waits for a lock or reads what changes: what fails there, and what a text hides, is told.
fn matters_on_green(rule: &str) -> bool {
    matches!(rule, "trace-failed" | "traced")
}

/// Clients meet green at the switch, not file by file, and a migration that fails there harms nobody: no blockers.
fn weight(plan: &Plan, severity: Severity) -> Severity {
    if plan.is_in_place() { severity } else { severity.max(Severity::Warning) }
}

/// Runs the files; what each statement of each did.
async fn run(schema: &SqlFile, pending: &[&Migration], major: Option<u32>) -> Result<Vec<Vec<Step>>> {
    let reaches = reaches_out(schema).map(|what| format!("blue's schema, line {what}"));
    let of_files = || pending.iter().find_map(|one| Some(format!("{}:{}", one.file, reaches_out(&one.sql)?)));
    if let Some(what) = reaches.or_else(of_files) {
        return Err(Failure::failed(format!("{what}, which would reach beyond that server")));
    }
    let shadow = raise_shadow(Some(schema), major).await?;
    trace::prepare(&shadow.target).await?;
    let mut chain = Chain::on(&shadow.target);
    let mut steps = Vec::new();
    for migration in pending {
        let in_transaction = runs_in_transaction(&migration.sql, migration.apart.is_none());
        steps.push(chain.run(&migration.sql, in_transaction).await?);
    }
    Ok(steps)
}

/// The queries of clients that the files break, the most called first of each table.
fn broken(plan: &Plan, queries: &[Query], linter: &Linter) -> Vec<Finding> {
    let broken = judge(queries, linter.changes(), linter.before());
    let judged: Vec<_> = broken.into_iter().filter_map(|one| Some((one.table.clone()?, one))).collect();
    let more = judged.len().saturating_sub(NAMED);
    let finding = |((schema, name), one): &((String, String), crate::ddl::workload::Broken<'_>)| {
        let calls = one.query.calls.map(|calls| format!(", {}", count(calls, "call"))).unwrap_or_default();
        let what = format!("{}: {}{calls}", one.what, masked(&one.query.text));
        Finding::new(
            weight(plan, one.rule.severity),
            &format!("lint/{}", one.rule.id),
            format!("{schema}.{name}: query"),
            what,
        )
        .so_what(one.rule.so_what)
        .next(format!("instead: {}", one.rule.instead))
    };
    let mut found: Vec<Finding> = judged.iter().take(NAMED).map(finding).collect();
    if more > 0 {
        found.push(
            Finding::note("plan/more-queries", "queries", format!("clients run {more} more that break"))
                .so_what("they are of the same kinds")
                .next("migrate lint PLAN --schema '${BLUE_URL}' --workload '${BLUE_URL}' lists all of them"),
        );
    }
    found
}
