//! `migrate apply`: everything before the switch. Run again, it resumes.

use std::path::Path;

use clap::Args;

use super::ask::confirm;
use super::inputs::{Inputs, look, stop_on_signals, structure};
use super::plan::is_under_way;
use super::progress::listen;
use super::{Output, PlanArg, YesArg};
use crate::engine::{self, Begin};
use crate::error::{Failure, Result};
use crate::finding::{Finding, blockers};
use crate::journal::{Recorder, StepStatus};
use crate::plan::{Lever, Plan};
use crate::report::{PlanDoc, drift, plan_text, text};
use crate::step::StepId;

#[derive(Debug, Args)]
pub struct ApplyArgs {
    #[command(flatten)]
    plan: PlanArg,
    #[command(flatten)]
    yes: YesArg,
    /// Do a step again that is done, and all after it; for anything from the copy on, the copy is made again
    #[arg(long, value_name = "STEP")]
    redo: Option<String>,
}

pub async fn run(args: ApplyArgs, out: &Output) -> Result<()> {
    let stop = stop_on_signals();
    let named = args.plan.path()?;
    let saved = read_saved(&named)?;
    let path = saved.as_ref().map_or(named, |doc| doc.path.clone());
    out.about(&path);
    let inputs = Inputs::read(&path).await?;
    let resuming = is_under_way(&inputs)?;
    let (steps, findings) = if resuming {
        let now = look(&inputs, true).await?;
        refuse_blockers(&now, out)?;
        (None, now.findings)
    } else {
        let (doc, findings) = approve_new(&inputs, saved, args.yes.yes, out).await?;
        (Some(doc.steps), findings)
    };
    let (listener, shown) = listen(out);
    let redo = args.redo.map(StepId::from);
    let begin = Begin { plan: &inputs.plan, migrations: &inputs.migrations, steps, redo, stop, listener };
    let mut recorder = engine::begin(begin).await?;
    if resuming {
        say_resuming(&recorder, out);
    }
    let applied = async {
        recorder.accept(&findings).await?;
        engine::apply(&inputs.plan, &inputs.migrations, &mut recorder).await
    }
    .await;
    let state = recorder.run().state;
    if applied.is_err() {
        say_levers(&inputs.plan, &recorder, out);
    }
    recorder.close().await;
    let _ = shown.await;
    applied?;
    let next = format!("migrate cutover {}", path.display());
    out.result(&super::status::EndDoc::new("teal.apply/1", &inputs.plan.name, state, &next), || {
        format!("State: {state}. Green is built and proved.\nNext: {next}\n")
    });
    Ok(())
}

/// A plan that was saved by `plan -o`: JSON, where a plan file is TOML.
fn read_saved(path: &Path) -> Result<Option<PlanDoc>> {
    let text = std::fs::read_to_string(path)
        .map_err(|e| Failure::usage(format!("{}: {e}", path.display())).hint("name a plan file or a saved plan"))?;
    if !text.trim_start().starts_with('{') {
        return Ok(None);
    }
    let doc: PlanDoc = serde_json::from_str(&text).map_err(|e| {
        Failure::usage(format!("{}: not a saved plan: {e}", path.display())).hint("save it again: migrate plan -o FILE")
    })?;
    if doc.format != "teal.plan/1" {
        return Err(Failure::usage(format!("{}: its format is {:?}, not \"teal.plan/1\"", path.display(), doc.format)));
    }
    Ok(Some(doc))
}

/// Shows the plan and asks; a saved plan was seen already, and is run as it stands or not at all. Gives what was found now
/// as well: the guards of today, not of the day on which it was saved.
async fn approve_new(
    inputs: &Inputs,
    saved: Option<PlanDoc>,
    yes: bool,
    out: &Output,
) -> Result<(PlanDoc, Vec<Finding>)> {
    // Before the guards: to them its green is just one that is not empty.
    engine::refuse_unknown_run(&inputs.plan).await?;
    let now = look(inputs, false).await?;
    let (doc, approved) = match saved {
        Some(saved) => {
            let structure = structure(&inputs.plan).await?;
            let changes = drift(&saved, &inputs.plan, &inputs.migrations, &structure);
            if !changes.is_empty() {
                return Err(Failure::blocked("the saved plan no longer holds")
                    .detail(changes.join("\n"))
                    .state("nothing was done")
                    .hint(format!("look at it anew: migrate plan {} -o FILE", inputs.plan.path.display())));
            }
            (saved, true)
        }
        None => (now.clone(), yes),
    };
    if !approved {
        out.say(&plan_text(&now));
    }
    refuse_blockers(&now, out)?;
    if !confirm("This builds green; blue goes on serving.", approved).await? {
        return Err(Failure::failed("not approved").state("nothing was done"));
    }
    Ok((doc, now.findings))
}

/// The guards speak again at every start: a password, a privilege or a server may have changed since the last one.
fn refuse_blockers(now: &PlanDoc, out: &Output) -> Result<()> {
    let Some(first) = blockers(&now.findings).next() else { return Ok(()) };
    out.say(&blockers(&now.findings).map(|finding| text::finding(&out.finding(finding))).collect::<String>());
    let blocked = blockers(&now.findings).count();
    Err(Failure::blocked(format!("{}: {}: {}", text::count(blocked, "blocker"), first.id, first.what))
        .state("nothing was done")
        .hint(format!("clear them as said above, then: migrate apply {}", now.path.display())))
}

/// Whoever leaves it at that leaves them turned.
fn say_levers(plan: &Plan, recorder: &Recorder, out: &Output) {
    let run = recorder.run();
    let turned = |lever: &&Lever| *run.status(&StepId::turn_lever(&lever.name)) != StepStatus::Pending;
    let names: Vec<&str> = plan.levers.iter().filter(turned).map(|lever| lever.name.as_str()).collect();
    if !names.is_empty() {
        let path = plan.path.display();
        out.say(&text::wrapped(
            &format!("Levers are turned: {}. If you don't go on: migrate abort {path}", names.join(", ")),
            0,
        ));
    }
}

fn say_resuming(recorder: &Recorder, out: &Output) {
    let run = recorder.run();
    let done = run.steps.iter().filter(|step| run.is_done(&step.id)).count();
    let at = run.next_step().map_or_else(|| "all done".to_owned(), |step| format!("next {}", step.id));
    out.say(&format!("Going on with run {}: {done} of {} steps done, {at}.\n", run.id, run.steps.len()));
}
