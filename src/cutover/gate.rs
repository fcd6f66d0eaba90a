//! What must be true before a cutover touches anything. Each closed gate is a finding.

use std::time::Duration;

use super::coordinator::Given;
use super::participant::{Participant, Switch, open_participant};
use super::timing::time_gates;
use crate::capture;
use crate::catalog::{Holder, Server, Table, blockers_of, read_server, read_structure, read_table_names, read_tables};
use crate::error::Result;
use crate::finding::Finding;
use crate::postgres::Db;
use crate::replay::{self, Tally};
use crate::{snapshot, validate};

/// Transactions on fenced tables that are older than this when the cutover begins close the gate: shorter ones are
/// waited for under the fence's own lock timeout.
const LONG_TRANSACTION: Duration = Duration::from_secs(1);

/// Asks every gate. Reads only.
pub async fn check_gates(given: &Given<'_>, blue: &Db, green: &Db) -> Result<Vec<Finding>> {
    let mut findings = ask_gates(given, blue, green).await?;
    given.plan.accept(&mut findings);
    Ok(findings)
}

async fn ask_gates(given: &Given<'_>, blue: &Db, green: &Db) -> Result<Vec<Finding>> {
    let mut findings = time_gates(given, blue).await?;
    let holders = blockers_of(blue, &read_table_names(blue).await?, LONG_TRANSACTION).await?;
    findings.extend(holders.iter().map(holder_gate));
    if holders.iter().any(|holder| holder.mode == "AccessExclusiveLock") {
        // The catalog functions behind the other gates lock what they read: they would wait as long as that one lasts.
        return Ok(findings);
    }
    let tables = read_tables(blue).await?;
    let tally = replay::read_tally(blue, green).await?;
    findings.extend(event_gates(given, &tally, green).await?);
    let changes = given.structure.differences(&read_structure(blue).await?);
    findings.extend(changes.iter().map(|change| {
        Finding::blocker(
            "cutover/structure-changed",
            format!("blue {change}"),
            "blue's structure changed since the copy",
        )
        .so_what("green was built from the old one and lacks the change")
        .next("migrate apply --redo snapshot/copy")
    }));
    findings.extend(capture_gates(given, blue, &tables).await?);
    for row in blue.rows(include_str!("../postgres/sql/select_live_subscriptions.sql"), &[]).await? {
        let name: String = row.get("name");
        findings.push(
            Finding::blocker("cutover/subscription", format!("blue subscription {name}"), "it writes to blue")
                .so_what("its worker fires no statement triggers (manual 31.8): it would pass the fence")
                .next(format!("ALTER SUBSCRIPTION {name} DISABLE;")),
        );
    }
    if let Err(open) = replay::is_closed(green).await? {
        findings.push(
            Finding::blocker("cutover/green-open", "green", open)
                .so_what("what others write there before the cutover can't be told from the copy")
                .next("migrate apply --redo snapshot/copy"),
        );
    }
    findings.extend(validate::unlogged_lost(&snapshot::lost_unlogged(green).await?));
    findings.extend(lock_gate(&read_server(blue).await?, tables.len()));
    findings.extend(participant_gates(given).await);
    Ok(findings)
}

/// Participants that have switched already, or can't say.
pub(super) async fn participant_gates(given: &Given<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    for spec in &given.plan.participants {
        let participant = open_participant(spec, given.plan_folder(), given.folder);
        findings.extend(participant_gate(&spec.name, &participant.committed().await));
    }
    findings
}

fn holder_gate(holder: &Holder) -> Finding {
    Finding::blocker("cutover/long-transaction", "blue", holder.describe())
        .so_what("the fence would wait for it, and every writer behind the fence")
        .next(format!("wait for it, or end it: {}", holder.remedy()))
}

/// A trigger that was off for a while, or that a new partition lacks, has lost events already.
async fn capture_gates(given: &Given<'_>, blue: &Db, tables: &[Table]) -> Result<Vec<Finding>> {
    let mut findings = Vec::new();
    for event in &given.plan.events {
        for relation in capture::gaps(blue, event, tables).await? {
            findings.push(
                Finding::blocker(
                    "cutover/capture-gap",
                    format!("event \"{}\" on {}", event.name, relation.plain()),
                    "a capture trigger is missing, disabled, or lets replica-role sessions pass",
                )
                .so_what("events may have been lost; this copy can't be cut over to")
                .next("migrate abort, then begin anew"),
            );
        }
    }
    Ok(findings)
}

async fn event_gates(given: &Given<'_>, tally: &Tally, green: &Db) -> Result<Vec<Finding>> {
    let mut findings = Vec::new();
    if tally.overflowed {
        findings.push(
            Finding::blocker(
                "cutover/outbox-overflow",
                "blue teal.event",
                "capture stopped: the outbox passed its budget",
            )
            .so_what("events after that moment were not captured; this copy can't be cut over to")
            .next("migrate abort"),
        );
    }
    for letter in replay::dead_letters(green, 10).await? {
        findings.push(
            Finding::blocker("cutover/dead-letter", letter.object(), letter.error)
                .so_what("this event is not on green")
                .next("mend its replay in the plan, or accept its loss there; then: migrate apply"),
        );
    }
    if tally.waiting_bytes > given.plan.cutover.max_lag {
        findings.push(
            Finding::blocker(
                "cutover/lag",
                "green",
                format!("{} events ({} bytes) wait to be replayed", tally.waiting, tally.waiting_bytes),
            )
            .so_what("the drain under the fence would take too long")
            .next("migrate apply"),
        );
    }
    Ok(findings)
}

/// The fence takes one lock a table and one a trigger's table; other sessions need theirs.
fn lock_gate(blue: &Server, tables: usize) -> Option<Finding> {
    let slots = usize::try_from(blue.lock_slots()).unwrap_or(usize::MAX);
    (tables * 2 > slots).then(|| {
        Finding::blocker(
            "cutover/locks-per-transaction",
            "blue",
            format!("the fence needs locks on {tables} tables, the server has room for {slots}"),
        )
        .so_what("taking the fence would fail with \"out of shared memory\"")
        .next("raise max_locks_per_transaction on blue and restart it")
    })
}

fn participant_gate(name: &str, switch: &Switch) -> Option<Finding> {
    let object = format!("participant {name}");
    match switch {
        Switch::NotYet => None,
        Switch::Switched => Some(
            Finding::blocker("cutover/committed-too-early", object, "it says that it has switched, before the commit")
                .so_what("either it has, or its answer can't be trusted after the commit")
                .next("mend `committed` in the plan, or switch it back"),
        ),
        Switch::Unknown(why) => Some(
            Finding::blocker(
                "cutover/participant-unknown",
                object,
                format!("it can't say whether it has switched: {why}"),
            )
            .so_what("after the commit nobody could tell whether it worked")
            .next("make it answer: a program `committed` with code 0 for switched, 1 for not yet; a request with its `status`, or `not_yet`; a file and its content can be read"),
        ),
    }
}
