//! `migrate explain`: findings and exit codes.

use clap::Args;
use serde::Serialize;

use super::Output;
use crate::ddl::rewrite::{self, Rewrite};
use crate::ddl::rule::{self, Rule};
use crate::error::{Failure, Result};
use crate::report::text;

#[derive(Debug, Args)]
pub struct ExplainArgs {
    /// A finding's id (guard/green-not-empty), an exit code (3), or nothing for the list
    id: Option<String>,
}

#[derive(Debug, Clone, Copy, Serialize)]
struct Explanation {
    id: &'static str,
    what: &'static str,
}

/// One or all of them.
#[derive(Debug, Serialize)]
struct ExplainDoc<'a> {
    format: &'static str,
    explanations: &'a [Explanation],
}

impl<'a> ExplainDoc<'a> {
    fn new(explanations: &'a [Explanation]) -> Self {
        Self { format: "teal.explain/1", explanations }
    }
}

/// Whether there is such a finding.
pub fn is_known(id: &str) -> bool {
    let lint = id.strip_prefix("lint/").is_some_and(|id| rule::rule(id).is_some());
    lint || EXPLANATIONS.iter().any(|explanation| explanation.id == id)
}

const fn of(id: &'static str, what: &'static str) -> Explanation {
    Explanation { id, what }
}

/// Everything that can be asked for. `tests/explain.rs` holds that no finding of the source is missing here.
const EXPLANATIONS: &[Explanation] = &[
    of("0", "Done: the command did all that it was asked for."),
    of(
        "1",
        "Failed or interrupted at a safe point. Blue serves, unless the run has decided. Run the same command again: \
             it goes on where it was.",
    ),
    of("2", "The plan file or the command line is wrong. Nothing was done."),
    of("3", "An unaccepted blocker or a closed gate, or a verdict that failed. Nothing was done past it."),
    of(
        "4",
        "In doubt: nobody can tell what happened, for example whether the fence was committed when the connection \
             was lost. Nothing is tried again by itself; the message says where to look.",
    ),
    of("5", "The cutover was tried and everything was put back. Blue serves; try again when the reason is gone."),
    of(
        "check/failed",
        "A check of the plan does not hold: the answers of its sides differ from what `expect` says. \
                        Look at the rows that are named; a migration that moves data wrongly shows here first.",
    ),
    of(
        "check/differs",
        "Blue and green differed under the fence in a check that compares both. With writes = \"events\" rows \
                         that came after the copy do not travel, so a difference may be theirs.",
    ),
    of(
        "cutover/capture-gap",
        "A capture trigger of an event is missing, was disabled, or came on a partition made later and does not always \
         fire: events may have been lost. Abort and begin anew.",
    ),
    of(
        "cutover/committed-too-early",
        "A participant's `committed` says yes before its commit was run: it has switched already, \
                                       or its answer says nothing.",
    ),
    of(
        "cutover/dead-letter",
        "An event could not be replayed on green. The cutover waits until it is: mend the event's replay statement in the \
         plan and run apply, which tries every dead letter again; or accept its loss, see event/dead-letter.",
    ),
    of(
        "cutover/green-open",
        "A table of green takes writes from others before the decision, so what is there can't be told \
                              from the copy any more.",
    ),
    of(
        "cutover/clock-differs",
        "This machine's clock and blue's are more than two seconds apart. The window is judged by blue's.",
    ),
    of("cutover/lag", "More bytes of captured events wait than `max_lag` allows. Run apply: it replays them."),
    of(
        "cutover/lever-run-out",
        "A lever's effect is over, or will be before the decision: `lasts` has passed since it was turned. Turning it again \
         means another copy; where it lasts longer than the plan says, change `lasts`, which costs nothing.",
    ),
    of(
        "cutover/locks-per-transaction",
        "The fence locks every table of blue in one transaction; the server's lock table is too \
                                         small for them.",
    ),
    of(
        "cutover/long-transaction",
        "A transaction, a prepared transaction or a vacuum holds a lock that the fence would wait for, \
                                    or its triggers before it, with every writer queued behind.",
    ),
    of(
        "cutover/outbox-overflow",
        "The outbox on blue passed its budget and capture stopped, so that blue's disk would not fill. \
                                   Events after that are not captured: abort and begin anew.",
    ),
    of(
        "cutover/participant-unknown",
        "A participant can't say whether it has switched: its `committed` answers neither yes (a program: code 0) nor \
         not yet (code 1), its request answers something else, or its file can't be read.",
    ),
    of("cutover/structure-changed", "Blue's structure is not what it was when the copy was made."),
    of(
        "cutover/subscription",
        "Blue receives rows by logical replication. The worker fires no statement triggers, so it would write to blue \
         behind the fence: disable the subscription before the cutover.",
    ),
    of(
        "cutover/window",
        "The plan's window. A blocker while it is closed, or closes too soon for the deadline and the participants' \
         timeouts; it says when it opens next. A note, with the time that is left, while it is open.",
    ),
    of(
        "event/dead-letter",
        "An event could not be replayed on green, and later events of its key wait behind it. Mend its replay statement in \
         the plan, or what is in its way on green, and run apply, which tries it again. Where green can do without it, accept \
         its loss: [[accept]] with finding = 'event/dead-letter:' and the object as it is shown, so          'event/dead-letter:event 17 token revoked {\"signature\": \"t7\"}', and a why. The next apply gives that one event \
         up for good: it is in the journal and the report, is never tried again, and later events of its key go on.",
    ),
    of(
        "event/not-verified",
        "An event was replayed, and the plan's `verify` still finds a row: the replay statement does not do \
                              what verify asks for, or something on green undoes it.",
    ),
    of(
        "guard/answers-differ",
        "Settings that change what statements give or do are not the same on blue and green. Set green's database like blue's, or know why not.",
    ),
    of(
        "guard/blue-retired",
        "An earlier run switched away from this blue, and its fence stands: another database serves. Name that one as \
         blue for the next upgrade. Or our role may not look: schema teal is another role's.",
    ),
    of(
        "guard/client-roles",
        "Roles whose applications work on blue now could not log in to green, or would lack a membership there: roles belong to the server and are not copied.",
    ),
    of(
        "guard/clock",
        "The clocks of this machine, blue and green are more than 2 s apart: what now() writes would jump at the cutover.",
    ),
    of(
        "guard/collation-version",
        "The library that sorts text was changed under indexes that were made with the old one: they may miss rows. Reindex them.",
    ),
    of(
        "guard/compression",
        "Columns of blue are to be compressed by lz4, and green's server was built without it: restoring the schema would fail.",
    ),
    of("guard/connections", "Too few connections are left on a server for the jobs of this run."),
    of(
        "guard/disk-green",
        "Green's disk has too little room for the copy, or for a migration that rewrites a large table.",
    ),
    of(
        "guard/disk-here",
        "Too little is free where the journal, the schema's dump and the answers of checks are to lie.",
    ),
    of(
        "guard/encoding",
        "Blue and green are encoded differently; text is copied byte by byte. Make green anew with blue's encoding.",
    ),
    of("guard/event-table", "An event's table, key or predicate does not work on blue as it is."),
    of(
        "guard/event-trigger",
        "Event triggers on blue fire for the schema, tables and triggers that the run makes there: their functions may refuse them.",
    ),
    of(
        "guard/event-partition",
        "An event's statements name a column that decides the partition. Writes other than events don't travel: a row that \
         moved since the copy lies elsewhere on green, is not found there, and its event is lost. Identify rows without it, \
         or accept it where no row ever moves.",
    ),
    of("guard/event-unlogged", "An event's table is unlogged: a crash of blue empties it without an event."),
    of(
        "guard/extension-acts",
        "An extension of blue acts by itself (jobs, partitions, workers), or keeps tables that only its own tools can copy.",
    ),
    of(
        "guard/extension-rights",
        "CREATE EXTENSION wants a superuser on green. Make it there beforehand: it stays, and the restore goes past it.",
    ),
    of("guard/extension-version", "Green's server would make an older version of an extension than blue has."),
    of("guard/file-missing", "A file of a participant can't be read or replaced from this machine."),
    of("guard/green-not-empty", "Green must be an empty database: the copy makes every object itself."),
    of(
        "guard/horizon-held",
        "A replication slot has kept vacuum from removing dead rows on blue for long; the copy's snapshot adds to it.",
    ),
    of("guard/in-recovery", "A database is a standby: nothing can be written there."),
    of("guard/journal-folder", "The folder of the journal can't be written: without a journal there is no run."),
    of(
        "guard/locale",
        "Green sorts text by other rules than blue: order and LIKE ranges may differ after the cutover.",
    ),
    of(
        "guard/locks-per-transaction",
        "The copy and the fence lock every table in one transaction; the lock table is too small.",
    ),
    of(
        "guard/long-transaction",
        "A transaction on blue has been open for long. The capture's triggers and the fence wait for one that holds their tables.",
    ),
    of("guard/no-tls", "A database on another machine is reached without TLS."),
    of(
        "guard/not-carried",
        "Something on blue does not travel with the copy, or green's server or role can't take it: each is named, with \
             what to do about it. Notes and warnings say what green will have differently.",
    ),
    of(
        "guard/pooler",
        "The URL leads to a pooler in transaction mode: sessions, locks and snapshots need the server itself.",
    ),
    of(
        "guard/preload-library",
        "An extension of blue works only where the server loads its library at the start, and green's server does not.",
    ),
    of(
        "guard/prepared-transaction",
        "A transaction is prepared on blue and holds its locks until somebody ends it; it survives a restart.",
    ),
    of("guard/privileges", "The role in the URL lacks privileges; the finding has the exact statements."),
    of("guard/program-missing", "A program that the plan names, its migrator or a check's, is not on this machine."),
    of(
        "guard/replication-slot",
        "Somebody reads blue's log through a slot: it stays with blue after the cutover. One that nobody reads keeps the log for ever.",
    ),
    of(
        "guard/role-settings",
        "ALTER ROLE … SET belongs to the server and is not copied: sessions on green would begin with other settings.",
    ),
    of("guard/roles-missing", "Roles that own or may use blue's objects do not exist on green's server."),
    of("guard/same-database", "Blue and green are one database behind two names."),
    of(
        "guard/settings-differ",
        "Other settings of blue and green that are not the same: memory, planner, vacuum. For the record.",
    ),
    of("guard/standby", "Standbys follow blue, and stay with it: green needs its own."),
    of(
        "guard/synchronous-commit",
        "Commits wait for a standby. Where none follows they wait for ever, the run's as well as the applications'.",
    ),
    of(
        "guard/timeouts",
        "The role or database sets timeouts; ours and those of the programs we start are set explicitly.",
    ),
    of(
        "guard/two-phase",
        "Blue takes prepared transactions and green does not: two-phase commit would fail after the cutover.",
    ),
    of("guard/unanswered", "A database that only checks ask does not answer."),
    of(
        "guard/unreachable",
        "A database can't be reached, or does not let our role in: nothing of it could be looked at.",
    ),
    of(
        "guard/vacuum-by-force",
        "Autovacuum must freeze an event's table to prevent wraparound. Such a vacuum does not give way to triggers or the fence.",
    ),
    of("guard/version", "A server or pg_dump is too old, or green is older than blue."),
    of(
        "guard/wraparound",
        "Blue is near the end of its transaction numbers, and the copy's snapshot keeps vacuum from freeing any.",
    ),
    of(
        "migration/edited",
        "A file that is in has another checksum now than its tool recorded: it was edited after it ran.",
    ),
    of(
        "migration/failed-before",
        "The tool's bookkeeping has a migration as failed or under way: blue may have half of it, and so would its copy.",
    ),
    of(
        "migration/not-transactional",
        "A statement that can't run inside a transaction, in a file that runs in one; or one that can't be run exactly once.",
    ),
    of(
        "migration/out-of-order",
        "A file that is not in, older than some that are: its own tool would refuse it unless told otherwise.",
    ),
    of(
        "migration/own-transaction",
        "A file that begins or ends transactions itself, otherwise than with BEGIN first and COMMIT last.",
    ),
    of("migration/without-file", "Versions that are in and have no file in the folder."),
    of(
        "plan/program-missing",
        "A program of a participant or a lever is not on this machine; a cutover from here would be undone at its prepare, \
         an apply fail at the lever.",
    ),
    of(
        "plan/accept-unmatched",
        "An [[accept]] of the plan matches no finding: what it was written for is gone, or its id or object is spelled in \
         another way than the finding shows them, and it still stops the run.",
    ),
    of(
        "in-place/not-once",
        "A statement of a plan in place can run in no transaction and leaves nothing by which it could be told, after a crash, \
         whether it was done; or it begins or ends a transaction of its own. Run it by hand, before or after.",
    ),
    of("plan/journal-unread", "The journal of this plan's run can't be read: it is damaged, or its folder is none."),
    of(
        "plan/edit-not-taken",
        "The plan file was edited while a run reads it, and can't be read any more. The run goes on as before; mend the file.",
    ),
    of(
        "plan/jobs-changed",
        "[snapshot] jobs was changed in the plan file while a run is at its copy or its indexes: taken at once, and journaled.",
    ),
    of(
        "plan/not-traced",
        "`plan` runs the pending files on a throwaway server of blue's version with blue's schema and no rows, where the \
         server's programs are on this machine, and says here why it did not: no such programs, an extension that is not \
         here, a statement that would reach another server or a file. Leave it out with --no-trace or MIGRATE_NO_TRACE=1.",
    ),
    of("plan/more-queries", "More queries of clients break than `plan` names; `lint --workload` lists all of them."),
    of("plan/no-abort", "A participant prepares something that nothing undoes when the cutover is undone."),
    of("plan/no-checks", "Without checks nothing tells whether the migrations moved the data rightly."),
    of(
        "plan/lever-too-short",
        "From when a lever is turned, through its wait, the copy and the migrations, to the first moment at which the plan's \
         window allows a cutover takes longer than the lever lasts.",
    ),
    of(
        "plan/not-encrypted",
        "A participant of kind `http` is asked over plain HTTP, on another machine. Its answers decide whether it counts \
         as switched, and its requests may hold secrets.",
    ),
    of("plan/no-events", "Without events nothing that blue writes after the copy reaches green."),
    of(
        "snapshot/fewer-jobs",
        "A server has no room for as many sessions as the plan has jobs. The copy goes on with fewer, and takes longer.",
    ),
    of(
        "snapshot/not-analyzed",
        "ANALYZE of a table fails on green, for example where a partition is a foreign table whose server does not answer. \
             The copy goes on; the planner lacks its statistics.",
    ),
    of("validate/constraint-not-valid", "A constraint on green is NOT VALID: rows may break it."),
    of("validate/digest-differs", "A table's rows on green are not blue's, though their number is the same."),
    of("validate/index-invalid", "An index on green is invalid: it is not used, and a unique one proves nothing."),
    of("validate/rows-differ", "A table has another number of rows on green than blue had in the copy's snapshot."),
    of("validate/sequence-behind", "A sequence on green would hand out a value that its column has already."),
    of("validate/table-missing", "A table of blue is not on green."),
    of("validate/trigger-disabled", "A trigger on green is disabled; it may be so on blue as well."),
    of(
        "validate/unlogged-lost",
        "Green's server crashed since the copy was made, which empties unlogged tables: make the copy again.",
    ),
    of(
        "rehearse/clients-refused",
        "In a rehearsal in place, clients that ask for a table by the name it had before were refused after a file renamed or \
         dropped it, or a column of its key. Applications that ask for it in that way fail at that moment.",
    ),
    of(
        "rehearse/clients-waited",
        "In a rehearsal in place, a client waited for an answer longer than lock_timeout explains. A statement that runs as \
         it is written held it up, or the machine of the rehearsal was busy.",
    ),
    of(
        "rehearse/cut-off",
        "The source holds logins of foreign servers or subscriptions. A throwaway server must reach nobody, so they were \
         left out, and foreign servers point nowhere: what reads a foreign table fails in the rehearsal.",
    ),
    of(
        "rehearse/locale",
        "The source's database has a locale that this machine lacks. The throwaway ones have C.UTF-8 instead, where text \
         is sorted otherwise.",
    ),
    of(
        "rehearse/no-rows",
        "The source holds a schema and no rows: migrations run on empty tables, which shows that they run, and nothing \
         about their time, rows or events.",
    ),
    of(
        "rehearse/other-version",
        "This machine has no server of the source's major version; the rehearsal ran on the nearest one that it has.",
    ),
];

pub fn run(args: &ExplainArgs, out: &Output) -> Result<()> {
    let Some(id) = &args.id else {
        out.result(&ExplainDoc::new(EXPLANATIONS), || {
            text::table(&[], EXPLANATIONS.iter().map(|e| vec![e.id, e.what]))
        });
        return Ok(());
    };
    if let Some(found) = EXPLANATIONS.iter().find(|e| e.id == id) {
        out.result(&ExplainDoc::new(&[*found]), || format!("{}\n{}", found.id, text::wrapped(found.what, 2)));
        return Ok(());
    }
    if let Some(rule) = rule::rule(id.strip_prefix("lint/").unwrap_or(id)) {
        let doc = RuleDoc { format: "teal.rule/1", rule };
        out.result(&doc, || rule_text(rule));
        return Ok(());
    }
    if let Some(one) = rewrite::all().find(|one| id.strip_prefix("rewrite/") == Some(one.id)) {
        let doc = RewriteKindDoc { format: "teal.rewrite_kind/1", rewrite: one };
        out.result(&doc, || {
            let what = text::wrapped(&format!("{}: {}", one.when, one.why), 2);
            format!("rewrite/{}\n{what}\n  for example:\n{}", one.id, indented(one.example))
        });
        return Ok(());
    }
    let nearest =
        EXPLANATIONS.iter().map(|e| (strsim::jaro_winkler(e.id, id), e.id)).max_by(|a, b| a.0.total_cmp(&b.0));
    let hint = nearest.filter(|(score, _)| *score > 0.8).map(|(_, id)| format!("did you mean {id}?"));
    Err(Failure::usage(format!("nothing is known by the name {id}"))
        .hint(hint.unwrap_or_else(|| "see the list: migrate explain".to_owned())))
}

/// A rule of `lint`.
#[derive(Debug, Serialize)]
struct RuleDoc<'a> {
    format: &'static str,
    #[serde(flatten)]
    rule: &'a Rule,
}

/// A kind of `rewrite`.
#[derive(Debug, Serialize)]
struct RewriteKindDoc<'a> {
    format: &'static str,
    #[serde(flatten)]
    rewrite: &'a Rewrite,
}

fn indented(sql: &str) -> String {
    sql.lines().map(|line| format!("    {line}\n")).collect()
}

fn rule_text(rule: &Rule) -> String {
    format!(
        "lint/{} ({})\n{}{}\n  bad:\n{}\n  good:\n{}",
        rule.id,
        rule.severity.word(),
        text::wrapped(rule.so_what, 2),
        text::wrapped(&format!("instead: {}", rule.instead), 2),
        indented(rule.bad),
        indented(rule.good),
    )
}
