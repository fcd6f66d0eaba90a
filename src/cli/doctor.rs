//! `migrate doctor`: is this possible here?

use std::time::Duration;

use clap::Args;

use super::inputs::{Inputs, unproved};
use super::{Output, PlanArg};
use crate::engine::run_folder;
use crate::error::{Failure, Result};
use crate::finding::{Finding, blockers};
use crate::guard::{Wanted, examine};
use crate::journal::{State, Store};
use crate::planner::estimate;
use crate::report::{DoctorDoc, Measured, TopicDoc, copy_estimate, doctor_text, text};

/// The capture's triggers are tried for half a minute before a transaction in their way is reported.
const OLD_AFTER: Duration = Duration::from_secs(30);

#[derive(Debug, Args)]
pub struct DoctorArgs {
    #[command(flatten)]
    plan: PlanArg,
    /// Don't read rows from blue for two seconds to learn how fast that goes
    #[arg(long)]
    no_measure: bool,
}

/// `all`: notes too.
pub async fn run(args: DoctorArgs, all: bool, out: &Output) -> Result<()> {
    let path = args.plan.path()?;
    out.about(&path);
    let inputs = Inputs::plan_alone(&path)?;
    let plan = &inputs.plan;
    let read = Store::read(&run_folder(plan)).map_err(Failure::from);
    let state = read.as_ref().map_or(State::New, |read| read.as_ref().map_or(State::New, |(run, _)| run.state));
    let resuming = state != State::New && !state.is_over();
    let examined = examine(Wanted { plan, resuming, old_after: OLD_AFTER, measure: !args.no_measure }).await;
    let mut findings = DoctorDoc::findings_of(&examined.topics);
    findings.extend(unproved(plan));
    findings.extend(read.err().map(unread));
    plan.accept(&mut findings);
    findings = findings.iter().map(|finding| out.finding(finding)).collect();
    findings.sort_by_key(|finding| finding.severity);
    let blocked = blockers(&findings).count();
    let path = path.display();
    let next = match state {
        _ if blocked > 0 => format!("migrate doctor {path}"),
        State::New | State::Aborted => format!("migrate plan {path}"),
        State::Applying => format!("migrate apply {path}"),
        State::Ready | State::Switching => format!("migrate cutover {path}"),
        _ => format!("migrate status {path}"),
    };
    let copy = examined.table_bytes.map(|bytes| {
        let known_seconds = estimate(bytes, plan.jobs, 0, 0).copy_seconds;
        copy_estimate(&Measured { bytes, known_seconds, throughput: examined.throughput.clone(), jobs: plan.jobs })
    });
    let doc = DoctorDoc {
        format: "teal.doctor/1",
        tool: env!("CARGO_PKG_VERSION"),
        plan: plan.name.clone(),
        blue: plan.blue.address(),
        green: plan.sides().1.map(crate::postgres::Target::address).unwrap_or_default(),
        state: state.word(),
        verdict: if blocked > 0 { "blocked" } else { "possible" },
        topics: examined.topics.iter().map(TopicDoc::from).collect(),
        findings,
        estimate: copy,
        next,
    };
    out.result(&doc, || doctor_text(&doc, all));
    if blocked > 0 {
        return Err(Failure::blocked(text::count(blocked, "blocker"))
            .state("nothing was done: doctor only reads")
            .hint(format!("clear them as said above, then: migrate doctor {path}")));
    }
    Ok(())
}

/// What else there is can be looked at without the journal.
fn unread(e: Failure) -> Finding {
    let finding = Finding::blocker("plan/journal-unread", "this machine", e.what)
        .so_what("whether a run is under way can't be told from here, nor can one be begun");
    match e.hint {
        Some(hint) => finding.next(hint),
        None => finding,
    }
}
