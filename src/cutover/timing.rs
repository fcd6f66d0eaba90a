//! Gates of time: whether the plan's window is open, and long enough for the whole of a switch.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::coordinator::Given;
use super::forward::groups;
use crate::error::{Failure, Result};
use crate::finding::Finding;
use crate::plan::{Lever, Opening, Plan, Window};
use crate::postgres::Db;
use crate::step::StepId;
use crate::units::show_millis;

/// How far our clock may be from blue's before it is said.
const SKEW: SignedDuration = SignedDuration::from_secs(2);

/// From the fence to the last participant's switch, at the longest: the deadline, then each group's slowest commit.
pub fn longest_switch(plan: &Plan) -> Duration {
    let slowest = |group: &[crate::plan::Participant]| group.iter().map(|spec| spec.timeout).max().unwrap_or_default();
    plan.cutover.deadline + groups(&plan.participants).map(slowest).sum::<Duration>()
}

/// The gates of time, by blue's clock: operators on several machines mean one moment.
pub async fn time_gates(given: &Given<'_>, blue: &Db) -> Result<Vec<Finding>> {
    let now = blue.clock().await?;
    let plan = given.plan;
    let mut findings: Vec<Finding> = run_out(plan, &given.turned, now).into_iter().map(lever_gate).collect();
    let Some(window) = &plan.cutover.window else { return Ok(findings) };
    findings.push(window_gate(window, now, longest_switch(plan)));
    let skew = Timestamp::now().duration_since(now);
    if skew.abs() > SKEW {
        let (by, side) = (millis(skew.unsigned_abs()), if skew.is_negative() { "behind" } else { "ahead of" });
        findings.push(
            Finding::warning(
                "cutover/clock-differs",
                "this machine",
                format!("its clock is {} {side} blue's", show_millis(by)),
            )
            .so_what("the window is judged by blue's clock")
            .next("set one of them right: timedatectl"),
        );
    }
    Ok(findings)
}

/// The same once more, when the approval may have taken long and before anybody is made to wait.
pub async fn still_time(given: &Given<'_>, blue: &Db) -> Result<()> {
    let (plan, now) = (given.plan, blue.clock().await?);
    if let Some((lever, what)) = run_out(plan, &given.turned, now).into_iter().next() {
        return Err(Failure::failed(format!("lever {lever}: {what}")));
    }
    plan.cutover.window.as_ref().map_or(Ok(()), |window| still_open(window, now, longest_switch(plan)))
}

/// The levers whose effect is over, or will be before the decision, and since when.
fn run_out(plan: &Plan, turned: &BTreeMap<String, Timestamp>, now: Timestamp) -> Vec<(String, String)> {
    let decided = now.checked_add(plan.cutover.deadline).unwrap_or(Timestamp::MAX);
    let one = |lever: &Lever| {
        let ends = turned.get(&lever.name)?.checked_add(lever.lasts?).ok()?;
        (ends < decided).then(|| {
            let tense = if ends <= now { "ended" } else { "ends, before a decision could be reached," };
            (lever.name.clone(), format!("its effect {tense} at {}", ends.strftime("%Y-%m-%d %H:%M:%S UTC")))
        })
    };
    plan.levers.iter().filter_map(one).collect()
}

fn lever_gate((lever, what): (String, String)) -> Finding {
    Finding::blocker("cutover/lever-run-out", format!("lever {lever}"), what)
        .so_what("what it was turned for does not hold any more for what the copy has")
        .next(format!("turn it again and copy again: migrate apply --redo '{}'", StepId::turn_lever(&lever)))
}

fn still_open(window: &Window, now: Timestamp, needed: Duration) -> Result<()> {
    match window.next(now).filter(|opening| opening.is_open(now)) {
        Some(opening) if fits(&opening, now, needed) => Ok(()),
        open => Err(Failure::failed(format!("window {}: {}", window.text, too_late(window, open, now, needed)))),
    }
}

fn window_gate(window: &Window, now: Timestamp, needed: Duration) -> Finding {
    const ID: &str = "cutover/window";
    let object = format!("window {}", window.text);
    let next = window.next(now);
    match next.filter(|opening| opening.is_open(now)) {
        Some(opening) if fits(&opening, now, needed) => {
            let left = millis(opening.to.duration_since(now).unsigned_abs());
            let what = format!("it is open for another {}, until {}", show_millis(left), window.show(opening.to));
            Finding::note(ID, object, what)
        }
        open => {
            // Where this one closes too soon, the one after it counts.
            let next = if let Some(open) = open { window.next(open.to) } else { next };
            let finding = Finding::blocker(ID, object, too_late(window, open, now, needed))
                .so_what("the plan says that a cutover may only happen then");
            match next {
                Some(next) => finding.next(format!("at {}, run: migrate cutover", window.show(next.from))),
                None => finding,
            }
        }
    }
}

fn fits(opening: &Opening, now: Timestamp, needed: Duration) -> bool {
    opening.to.duration_since(now).unsigned_abs() >= needed
}

fn too_late(window: &Window, open: Option<Opening>, now: Timestamp, needed: Duration) -> String {
    match (open, window.next(now)) {
        (Some(open), _) => format!(
            "it closes in {}; a switch may take {}: the deadline and the participants' timeouts",
            show_millis(millis(open.to.duration_since(now).unsigned_abs())),
            show_millis(millis(needed)),
        ),
        (None, Some(next)) => format!("it is closed until {}", window.show(next.from)),
        (None, None) => "it never opens again".to_owned(),
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::finding::Severity;

    fn gate(now: &str) -> (Severity, String, String) {
        let window = Window::parse("02:00-04:00 Europe/Zurich").unwrap();
        let finding = window_gate(&window, now.parse().unwrap(), Duration::from_secs(90));
        (finding.severity, finding.what, finding.next)
    }

    #[test]
    fn a_window_must_be_open_and_long_enough_for_the_whole_switch() {
        let next = "at Sun 2026-11-29 02:00 CET, run: migrate cutover".to_owned();
        let open = "it is open for another 1 h 59 min, until Sat 2026-11-28 04:00 CET".to_owned();
        assert_eq!(gate("2026-11-28T01:00:30Z"), (Severity::Note, open, String::new()));
        let late = "it closes in 1 min 29 s; a switch may take 1 min 30 s: the deadline and the participants' timeouts";
        assert_eq!(gate("2026-11-28T02:58:31Z"), (Severity::Blocker, late.to_owned(), next.clone()));
        let closed = "it is closed until Sun 2026-11-29 02:00 CET".to_owned();
        assert_eq!(gate("2026-11-28T03:00:00Z"), (Severity::Blocker, closed, next));
        let window = Window::parse("02:00-04:00 Europe/Zurich").unwrap();
        let still = |now: &str| still_open(&window, now.parse().unwrap(), Duration::from_secs(90)).map_err(|e| e.what);
        assert_eq!(still("2026-11-28T02:58:30Z"), Ok(()));
        assert_eq!(still("2026-11-28T02:58:31Z"), Err(format!("window 02:00-04:00 Europe/Zurich: {late}")));
    }
}
