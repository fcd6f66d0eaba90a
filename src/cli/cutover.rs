//! `migrate cutover`: the switch.

use clap::Args;

use super::ask::{can_ask, confirm};
use super::inputs::{Inputs, stop_on_signals};
use super::progress::listen;
use super::status::EndDoc;
use super::{Output, PlanArg, YesArg};
use crate::catalog::Writes;
use crate::cutover::{Approval, LiveApproval, Mode, cut_over, has_begun_to_decide, in_doubt};
use crate::engine::{self, Begin};
use crate::error::{Failure, Kind, Result};
use crate::journal::{State, Store};
use crate::plan::Plan;
use crate::report::text;
use crate::units::show_millis;

#[derive(Debug, Args)]
pub struct CutoverArgs {
    #[command(flatten)]
    plan: PlanArg,
    #[command(flatten)]
    yes: YesArg,
    /// Only ask the gates; nothing is prepared, fenced or switched
    #[arg(long)]
    dry_run: bool,
}

pub async fn run(args: CutoverArgs, out: &Output) -> Result<()> {
    let stop = stop_on_signals();
    let path = args.plan.path()?;
    out.about(&path);
    let inputs = Inputs::read(&path).await?;
    let plan = &inputs.plan;
    let run = Store::read(&engine::run_folder(plan))?.map(|(run, _)| run);
    if run.as_ref().is_some_and(|run| run.state == State::Finished) {
        return Err(Failure::blocked("the run is finished").hint(format!("migrate report {}", path.display())));
    }
    can_ask(args.yes.yes || args.dry_run)?;
    let (listener, shown) = listen(out);
    let begin = Begin { plan, migrations: &inputs.migrations, steps: None, redo: None, stop, listener };
    let mut recorder = engine::begin(begin).await.map_err(|e| {
        // The lease needs blue as well: a blue that can't be asked about a COMMIT under way leaves it in doubt.
        let deciding = run.is_some_and(|run| run.state == State::Switching && has_begun_to_decide(&run));
        if deciding && e.kind == Kind::Failed { in_doubt(plan, &e.what) } else { e }
    })?;
    let switched = if plan.is_in_place() {
        Box::pin(switch_in_place(&args, plan, &mut recorder, out)).await
    } else {
        Box::pin(switch(&args, &inputs, &mut recorder, out)).await
    };
    let state = recorder.run().state;
    recorder.close().await;
    let _ = shown.await;
    switched?;
    let next = if args.dry_run {
        format!("migrate cutover {}", path.display())
    } else {
        format!("migrate report {0}, then: migrate finish {0}", path.display())
    };
    let said = match (args.dry_run, plan.is_in_place()) {
        (true, _) => "Every gate is open; nothing was done.",
        (false, true) => "Everybody has switched; blue serves, migrated.",
        (false, false) => "Green serves; blue refuses writes.",
    };
    out.result(&EndDoc::new("teal.cutover/1", &plan.name, state, &next), || {
        format!("State: {state}. {said}\nNext: {next}\n")
    });
    Ok(())
}

async fn switch(
    args: &CutoverArgs,
    inputs: &Inputs,
    recorder: &mut crate::journal::Recorder,
    out: &Output,
) -> Result<()> {
    let folder = recorder.folder().to_owned();
    let given = engine::given(&inputs.plan, recorder.run(), &folder)?;
    let yes = args.yes.yes;
    if args.dry_run {
        // The closure is never called: a dry run ends before the approval.
        cut_over(&given, recorder, Mode::DryRun::<fn(&Approval) -> std::future::Ready<bool>>).await?;
        return Ok(());
    }
    let mut unasked = None;
    let approve = async |approval: &Approval| {
        out.say(&approval_text(approval, out));
        match confirm("From decide on there is no way back.", yes).await {
            Ok(approved) => approved,
            Err(e) => {
                unasked = Some(e);
                false
            }
        }
    };
    let done = cut_over(&given, recorder, Mode::Switch(approve)).await;
    let done = match (done, unasked) {
        (Err(undone), Some(why)) => return Err(Failure { kind: undone.kind, state: undone.state, ..why }),
        (done, _) => done?,
    };
    if let Some(outcome) = &done.outcome {
        out.say(&format!("Writers on blue were held for {} until the decision.\n", show_millis(outcome.fence_ms)));
    }
    engine::prove_cutover(&inputs.plan, recorder, done.witness).await?;
    refuse_turned(&done.still_turned, "green serves")
}

/// A lever that is still turned undoes nothing, and must be tried again.
fn refuse_turned(still_turned: &[Failure], serving: &str) -> Result<()> {
    if still_turned.is_empty() {
        return Ok(());
    }
    let what: Vec<String> = still_turned.iter().map(|failure| failure.what.clone()).collect();
    Err(Failure::failed(what.join("; "))
        .state(format!("{serving}, and everybody has switched; this lever is still turned"))
        .hint("mend its `after`, then run this again; migrate finish tries it too"))
}

async fn switch_in_place(
    args: &CutoverArgs,
    plan: &Plan,
    recorder: &mut crate::journal::Recorder,
    out: &Output,
) -> Result<()> {
    let yes = args.yes.yes;
    if args.dry_run {
        let dry = Mode::DryRun::<fn(&LiveApproval) -> std::future::Ready<bool>>;
        return engine::cut_over_in_place(plan, recorder, dry).await.map(drop);
    }
    let mut unasked = None;
    let approve = async |approval: &LiveApproval| {
        out.say(&live_approval_text(approval, out));
        match confirm("This switches the participants.", yes).await {
            Ok(approved) => approved,
            Err(e) => {
                unasked = Some(e);
                false
            }
        }
    };
    let done = engine::cut_over_in_place(plan, recorder, Mode::Switch(approve)).await;
    match (done, unasked) {
        (Err(undone), Some(why)) => Err(Failure { kind: undone.kind, state: undone.state, ..why }),
        (done, _) => refuse_turned(&done?, "blue serves, migrated"),
    }
}

fn live_approval_text(approval: &LiveApproval, out: &Output) -> String {
    let switches = if approval.participants.is_empty() {
        "nobody: the plan has no participants".to_owned()
    } else {
        approval.participants.join(", then ")
    };
    let mut rows = vec![
        vec!["switches".to_owned(), switches],
        vec!["clients wait".to_owned(), "for nothing: blue serves throughout".to_owned()],
    ];
    if let Some(why) = &approval.one_way {
        rows.push(vec!["way back".to_owned(), format!("none, says the plan: {why}")]);
    }
    let findings: String = approval.findings.iter().map(|finding| text::finding(&out.finding(finding))).collect();
    format!("{}{}{findings}", text::heading("Ready to switch"), text::table(&[], rows))
}

/// What is switched, what does not travel, what was found.
fn approval_text(approval: &Approval, out: &Output) -> String {
    let mut rows = vec![
        vec!["switches".to_owned(), approval.participants.join(", then ")],
        vec!["events".to_owned(), approval.tally.line()],
        vec!["clients wait".to_owned(), format!("at worst {} plus commits", show_millis(approval.deadline_ms))],
    ];
    if let Some(why) = &approval.one_way {
        rows.push(vec!["way back".to_owned(), format!("none, says the plan: {why}")]);
    }
    rows.push(vec!["blue's writes".to_owned(), approval.writes.line()]);
    if let Writes::AtMost(tables) = &approval.writes {
        rows.extend(tables.iter().map(|table| vec![String::new(), table.line()]));
    }
    format!(
        "{}{}{}",
        text::heading("Ready to switch"),
        text::table(&[], rows),
        approval.findings.iter().map(|finding| text::finding(&out.finding(finding))).collect::<String>()
    )
}
