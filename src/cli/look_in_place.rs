//! What is seen of blue and the migrations for a plan in place.

use jiff::Timestamp;

use super::explain;
use super::inputs::{Books, Inputs, read_books, unproved};
use crate::catalog::{read_server, read_structure, read_tables};
use crate::ddl::Migration;
use crate::engine::run_folder;
use crate::error::Result;
use crate::finding::{Finding, blockers};
use crate::journal::{Run, Store};
use crate::planner::{Seen, steps};
use crate::report::{FolderSeen, PlanDoc, Subject, plan_doc};
use crate::{guard, lever, migrate};

/// The plan document. `resuming`: the run's own statements are what is left of it, as they were approved; the files are not
/// judged anew on a catalog that they have half changed.
pub async fn look(inputs: &Inputs, resuming: bool) -> Result<PlanDoc> {
    let Inputs { plan, migrations, .. } = inputs;
    let blue = guard::connect(&plan.blue).await?;
    let mut findings = guard::check_in_place(plan, &blue).await?;
    let Books { standings, table, findings: of_books } = read_books(inputs, &blue).await?;
    findings.extend(of_books);
    findings.extend(unproved(plan));
    findings.extend(plan.idle_accepts(&[], |id| !explain::is_known(id)));
    let pending: Vec<&Migration> =
        migrations.iter().zip(&standings).filter(|(_, standing)| standing.is_pending()).map(|(m, _)| m).collect();
    let tables = read_tables(&blue).await?;
    let version = u32::try_from(read_server(&blue).await?.major()).unwrap_or(0);
    let run = Store::read(&run_folder(plan))?.map(|(run, _)| run).filter(|_| resuming);
    let mut seen = Seen { pending, live: Vec::new(), tables: tables.len(), bytes: 0 };
    let steps = if let Some(run) = &run {
        run.steps.clone()
    } else {
        if blockers(&findings).all(|finding| !finding.id.starts_with("guard/")) {
            findings.extend(judge(inputs, &mut seen, version).await?);
        }
        steps(plan, &seen)
    };
    findings.sort_by_key(|finding| finding.severity);
    Ok(plan_doc(Subject {
        plan,
        protections: [blue.protection(), blue.protection()],
        seen: &seen,
        folder: FolderSeen { migrations, standings: &standings, ignored: &inputs.ignored, table },
        tables: &tables,
        structure: read_structure(&blue).await?,
        steps,
        findings,
        now: Timestamp::now(),
        turned: run.as_ref().map(lever::turned_at).unwrap_or_default(),
        copied: run.as_ref().is_some_and(all_in),
    }))
}

/// Whether nothing is left but to look and to switch.
fn all_in(run: &Run) -> bool {
    run.steps.iter().filter(|step| step.action.file().is_some()).all(|step| run.is_done(&step.id))
}

/// Rewrites what is pending, on blue's schema as it is.
async fn judge(inputs: &Inputs, seen: &mut Seen<'_>, version: u32) -> Result<Vec<Finding>> {
    if seen.pending.is_empty() {
        return Ok(Vec::new());
    }
    let schema = migrate::read_schema(&inputs.plan.blue).await?;
    let mut planner = migrate::LivePlanner::of(&schema, version).accepting(&inputs.plan.accepts);
    let mut findings = Vec::new();
    for migration in &seen.pending {
        let planned = planner.plan(migration);
        findings.extend(planned.findings);
        seen.live.push(planned.parts);
    }
    Ok(findings)
}
