//! The plan's text, and what is said of it.

use std::collections::BTreeSet;

use serde::Serialize;

use super::bookkeeping::Books;
use super::check::CheckDraft;
use super::draft::{Known, Origin, Planned, Wanted};
use super::event::Draft;
use super::toml::{comment, list, string};
use super::trace::Fates;
use crate::plan::Migrations;
use crate::report::text;
use crate::units::{count, show_bytes};

/// What `init` found, as a document.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct InitDoc {
    /// `teal.init/1`.
    pub format: &'static str,
    /// The plan file; `-` where it went to stdout.
    pub plan: String,
    /// The plan's name.
    pub name: String,
    /// What was looked at: `live` or `copy`.
    pub looked_at: &'static str,
    /// The database's name on its server.
    pub database: String,
    /// The server's version.
    pub server_version: String,
    /// Tables that are no partitions.
    pub tables: usize,
    /// Their size.
    pub bytes: u64,
    /// The folder as given, or the migrator's program.
    pub migrations: String,
    /// The folder's layout; none: plain files, or a program.
    pub layout: Option<String>,
    /// Files in the folder; 0 for a program.
    pub files: usize,
    /// Files that are not in yet; none for a program, which alone knows.
    pub pending: Option<usize>,
    /// Where blue keeps what is in: what it was derived from.
    pub bookkeeping: Option<String>,
    /// On what the pending migrations were run to see what they do: `rows`, `schema`, `nothing pending`, `failed`.
    pub traced: &'static str,
    /// The events, those that are on first.
    pub events: Vec<EventDoc>,
    /// The names of the checks.
    pub checks: Vec<String>,
    /// What could not be decided.
    pub undecided: Vec<String>,
    /// The next command.
    pub next: String,
}

/// How many events that are not on are written out as comments: past these nobody reads them.
const CANDIDATES: usize = 12;

/// One event.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct EventDoc {
    /// Its name.
    pub name: String,
    /// Its table on blue.
    pub table: String,
    /// Its predicate.
    pub ends: String,
    /// Whether it is on, or a comment.
    pub on: bool,
    /// What it was derived from.
    pub because: Vec<String>,
    /// Why it is a comment.
    pub doubts: Vec<String>,
}

/// The plan, and what is said of it.
pub(super) fn plan(known: &Known<'_>) -> Planned {
    let name = name(known);
    let undecided = undecided(known);
    let mut out = head(known, &name);
    out.push_str(&migrations(known));
    out.push_str(&events(known));
    out.push_str(SNAPSHOT_AND_CUTOVER);
    out.push_str(PARTICIPANTS);
    out.push_str(&written_checks(known));
    let on = known.checks.iter().filter(|check| check.doubt.is_none()).map(|check| check.name.clone());
    let doc = InitDoc {
        format: "teal.init/1",
        plan: known.order.plan.display().to_string(),
        name,
        looked_at: match known.order.origin {
            Origin::Live(_) => "live",
            Origin::Copy(_) => "copy",
        },
        database: known.database.clone(),
        server_version: known.server.version.clone(),
        tables: known.tables.len(),
        bytes: known.tables.iter().map(|table| table.bytes).sum(),
        migrations: source(known),
        layout: known.books.plan.layout.clone(),
        files: known.books.migrations.len(),
        pending: matches!(known.order.wanted, Wanted::Folder(_)).then_some(known.books.pending.len()),
        bookkeeping: known.books.because.clone(),
        traced: traced(&known.fates),
        events: known.events.iter().map(event_doc).collect(),
        checks: on.chain(known.rest.check.as_ref().map(|check| check.name.clone())).collect(),
        undecided,
        next: String::new(),
    };
    Planned { text: out, doc }
}

fn traced(fates: &Fates) -> &'static str {
    match fates {
        Fates::Same => "nothing pending",
        Fates::Traced(trace) if trace.has_rows => "rows",
        Fates::Traced(_) => "schema",
        Fates::Untraced { .. } => "failed",
    }
}

fn event_doc(event: &Draft) -> EventDoc {
    EventDoc {
        name: event.name.clone(),
        table: event.written.clone(),
        ends: event.ends.clone(),
        on: event.is_on(),
        because: event.because.clone(),
        doubts: event.doubts.iter().map(|doubt| doubt.what.clone()).collect(),
    }
}

/// The plan's name: as given, else database and folder, cut to what a name may hold.
fn name(known: &Known<'_>) -> String {
    const PLAIN: [&str; 7] = ["migrations", "migration", "migrate", "sql", "db", "up", "versions"];
    if let Some(name) = known.order.name {
        return name.to_owned();
    }
    let folder = match known.order.wanted {
        Wanted::Folder(folder) => folder.file_name().map(|name| name.to_string_lossy().into_owned()),
        Wanted::Command { .. } => None,
    };
    let folder = folder.filter(|folder| !PLAIN.contains(&folder.as_str()));
    let whole = folder.map_or(known.database.clone(), |folder| format!("{}-{folder}", known.database));
    let fits = |c: char| if c.is_ascii_alphanumeric() || c == '_' { c.to_ascii_lowercase() } else { '-' };
    let kept: String = whole.chars().map(fits).take(40).collect();
    let kept = kept.trim_matches('-');
    if kept.is_empty() { "upgrade".to_owned() } else { kept.to_owned() }
}

fn source(known: &Known<'_>) -> String {
    match known.order.wanted {
        Wanted::Folder(folder) => folder.display().to_string(),
        Wanted::Command { argv, .. } => argv.first().cloned().unwrap_or_default(),
    }
}

fn head(known: &Known<'_>, name: &str) -> String {
    let bytes = known.tables.iter().map(|table| table.bytes).sum::<u64>();
    let about = format!(
        "Drafted by `migrate init` from database {} (PostgreSQL {}, {}, {}) and {}. What could be derived is written; \
         what is not sure stands as a comment with the reason: take the # away where it is right.",
        known.database,
        known.server.major(),
        count(known.tables.len(), "table"),
        show_bytes(bytes),
        source(known),
    );
    format!(
        "{}\nname = {}\nstrategy = \"blue-green\"\n\n\
         # ${{NAME}} is read from the environment, so that no password stands in a file.\n\
         [databases]\n\
         blue  = \"${{{}}}\"   # serves today\n\
         green = \"${{GREEN_URL}}\"  # an empty database on a server that is not older: serves after the cutover\n",
        comment(&about),
        string(name),
        known.order.variable,
    )
}

fn migrations(known: &Known<'_>) -> String {
    let mut out = String::from("\n");
    match known.order.wanted {
        Wanted::Folder(folder) => {
            let books = &known.books;
            let about = format!(
                "Run on green{}: {} of {} are not in yet. {}",
                books.tool.map(|tool| format!(" as {tool} would run them")).unwrap_or_default(),
                books.pending.len(),
                count(books.migrations.len(), "file"),
                traced_words(&known.fates),
            );
            out.push_str(&comment(&about));
            out.push_str("[migrations]\n");
            out.push_str(&format!("source = {}\n", string(&super::toml::relative(folder, known.order.plan))));
            out.push_str(&bookkeeping(&books.plan, books));
            out.push_str("lock_timeout = \"500ms\"\n");
        }
        Wanted::Command { argv, variable } => {
            out.push_str(&comment(&format!(
                "The application's own migrator, run on green in this file's folder. {}",
                traced_words(&known.fates)
            )));
            out.push_str(&format!("[migrations]\ncommand = {}\n", list(argv)));
            out.push_str(&format!("env = {{ {variable} = \"${{GREEN_URL}}\" }}\n"));
        }
    }
    out
}

fn bookkeeping(plan: &Migrations, books: &Books) -> String {
    let mut out = String::new();
    let because = books.because.as_ref().map(|because| format!("   # {because}")).unwrap_or_default();
    let lines =
        [("layout", &plan.layout), ("table", &plan.table), ("applied", &plan.applied), ("record", &plan.record)];
    let mut told = because.as_str();
    for (key, value) in lines.iter().filter_map(|(key, value)| Some((key, value.as_ref()?))) {
        out.push_str(&format!("{key} = {}{told}\n", string(value)));
        told = "";
    }
    if let Some(why) = &books.unrecorded {
        out.push_str(&comment(&format!("record = \"INSERT INTO …\": nothing records what is run: {why}.")));
    }
    if books.because.is_none() {
        out.push_str(&comment(match books.tool {
            Some(_) => {
                "Its bookkeeping table was not found on blue, so every file counts as pending. Where it has another name: \
                 table = \"schema.table\""
            }
            None => {
                "No table that lists applied migrations was found, so every file counts as pending, and nothing is \
                 recorded. Where there is one: applied = \"SELECT version FROM …\", record = \"INSERT INTO … (version) \
                 VALUES (:version)\""
            }
        }));
    }
    out
}

fn traced_words(fates: &Fates) -> String {
    match fates {
        Fates::Same => "Nothing is pending.".to_owned(),
        Fates::Traced(trace) if trace.has_rows => {
            "They were run on a throwaway copy of the dump to see what they do.".to_owned()
        }
        Fates::Traced(_) => "They were run on a throwaway copy of the schema to see what they do.".to_owned(),
        Fates::Untraced { why, .. } => format!("What they do is not known: {why}."),
    }
}

fn events(known: &Known<'_>) -> String {
    let mut out = String::from("\n");
    out.push_str(&comment(
        "While green is built, blue takes writes. \"events\": only the events below reach green, captured by triggers in \
         blue's own transactions; other rows that are written after the copy stay behind.",
    ));
    out.push_str("[capture]\nwrites = \"events\"\n");
    if known.events.is_empty() {
        out.push('\n');
        out.push_str(&comment(
            "No column was found whose name and type say that a row's fact ends (revoked_at, active, status …), on a table of \
             tokens, sessions, users or the like. An event by hand:",
        ));
        out.push_str(EXAMPLE_EVENT);
        return out;
    }
    out.push('\n');
    out.push_str(&comment(
        "An event happens when a row for which `ends` was true is deleted, or it stops being true. Replay runs on green; \
         :column is a column of the row as it was on blue. Verify must find no row afterwards.",
    ));
    let (on, off): (Vec<&Draft>, Vec<&Draft>) = known.events.iter().partition(|event| event.is_on());
    for event in on.iter().chain(off.iter().take(CANDIDATES)) {
        out.push('\n');
        out.push_str(&written_event(event));
    }
    let more: Vec<&str> = off.iter().skip(CANDIDATES).map(|event| event.written.as_str()).collect();
    if let [_, ..] = more.as_slice() {
        let tables: BTreeSet<&str> = more.iter().copied().collect();
        let named = tables.into_iter().collect::<Vec<_>>().join(", ");
        out.push('\n');
        out.push_str(&comment(&format!(
            "{} more whose columns are named like an end, none of them sure enough to be on, of: {named}. \
             migrate init --format json lists each with its reasons.",
            more.len()
        )));
    }
    out
}

fn written_event(event: &Draft) -> String {
    let because: Vec<String> = event.because.iter().filter(|line| !line.is_empty()).cloned().collect();
    let mut out = comment(&format!("{}: {}.", event.written, because.join("; ")));
    for doubt in &event.doubts {
        out.push_str(&comment(&sentence("Not on", &doubt.what)));
    }
    let mut text = format!("[[event]]\nname = {}\ntable = {}\n", string(&event.name), string(&event.written));
    if let Some(key) = &event.key {
        text.push_str(&format!("key = {}\n", list(key)));
    }
    text.push_str(&format!("ends = {}\n", string(&event.ends)));
    if event.is_example() || event.key_on_blue.is_empty() {
        text.push_str("replay = \"UPDATE … WHERE …\"\nverify = \"SELECT 1 FROM … WHERE …\"\n");
    } else {
        text.push_str(&format!("replay = {}\nverify = {}\n", string(&event.replay), string(&event.verify)));
    }
    out.push_str(&if event.is_on() { text } else { commented(&text) });
    out
}

/// `Not on: is it?`, `Not on: it is not.`
fn sentence(lead: &str, text: &str) -> String {
    let end = if text.ends_with(['?', '.', ']']) { "" } else { "." };
    format!("{lead}: {text}{end}")
}

fn commented(text: &str) -> String {
    text.lines().map(|line| format!("# {line}").trim_end().to_owned() + "\n").collect()
}

fn written_checks(known: &Known<'_>) -> String {
    let mut out = String::from("\n");
    out.push_str(&comment(
        "What must hold: blue at the moment of the copy against green with the migrations in. Under the fence it is asked \
         again, with every event replayed; rows that came after the copy differ there, and are shown.",
    ));
    for check in &known.checks {
        out.push('\n');
        let text = written_check(check);
        match &check.doubt {
            None => out.push_str(&text),
            Some(doubt) => out.push_str(&(comment(&sentence("Not on", doubt)) + &commented(&text))),
        }
    }
    if let Some(check) = &known.rest.check {
        out.push('\n');
        if !known.rest.left_out.is_empty() {
            out.push_str(&comment(&format!("Not in it: {}.", known.rest.left_out.join("; "))));
        }
        out.push_str(&written_check(check));
    }
    out
}

fn written_check(check: &CheckDraft) -> String {
    format!(
        "[[check]]\nname = {}\nblue = {}\ngreen = {}\nexpect = \"equal\"\n",
        string(&check.name),
        string(&check.blue),
        string(&check.green)
    )
}

fn undecided(known: &Known<'_>) -> Vec<String> {
    let mut all = Vec::new();
    if let Fates::Untraced { why, .. } = &known.fates {
        all.push(format!("what the pending migrations do: {why}"));
    }
    if matches!(known.order.wanted, Wanted::Folder(_)) {
        if known.books.because.is_none() {
            all.push("which migrations are in: no table lists them, so all count as pending".to_owned());
        }
        all.extend(known.books.unrecorded.as_ref().map(|why| format!("how to record what is run: {why}")));
    }
    let off = || known.events.iter().filter(|event| !event.is_on());
    all.extend(off().filter(|event| !event.is_elsewhere()).map(|event| {
        let doubts: Vec<&str> = event.doubts.iter().map(|doubt| doubt.what.as_str()).collect();
        format!("event \"{}\": {}", event.name, doubts.join("; "))
    }));
    let elsewhere: Vec<&str> = off().filter(|event| event.is_elsewhere()).map(|event| event.name.as_str()).collect();
    if !elsewhere.is_empty() {
        let names = elsewhere.join("\", \"");
        all.push(format!("whether these ends, of tables that seem to hold no access, must reach green: \"{names}\""));
    }
    if off().any(Draft::waits_for_rows) && matches!(known.order.origin, Origin::Live(_)) {
        all.push("what seems to take a column's place is proved by rows: migrate init --from DUMP".to_owned());
    }
    all
}

/// What is said on screen.
pub fn init_text(doc: &InitDoc) -> String {
    let row = |name: &str, value: String| vec![format!("  {name}"), value];
    let on = doc.events.iter().filter(|event| event.on);
    let names = |events: Vec<&str>| if events.is_empty() { "none".to_owned() } else { events.join(", ") };
    let pending = match doc.pending {
        Some(pending) => {
            let layout = doc.layout.as_ref().map(|layout| format!(" ({layout})")).unwrap_or_default();
            format!("{pending} of {} pending in {}{layout}", count(doc.files, "file"), doc.migrations)
        }
        None => format!("by {}", doc.migrations),
    };
    let traced = match doc.traced {
        "rows" => "the pending ones were run on a throwaway copy of the dump",
        "schema" => "the pending ones were run on a throwaway copy of the schema",
        "failed" => "what they do could not be seen",
        _ => "nothing is pending",
    };
    let rows = vec![
        row(
            "blue",
            format!(
                "{}, PostgreSQL {}, {}, {}",
                doc.database,
                doc.server_version,
                count(doc.tables, "table"),
                show_bytes(doc.bytes)
            ),
        ),
        row("migrations", format!("{pending}; {traced}")),
        row("recorded in", doc.bookkeeping.clone().unwrap_or_else(|| "no table that was found".to_owned())),
        row("events", names(on.map(|event| event.name.as_str()).collect())),
        row("checks", names(doc.checks.iter().map(String::as_str).collect())),
    ];
    let mut out = format!("Plan {} as {}\n{}", doc.name, doc.plan, text::table(&[], rows));
    if !doc.undecided.is_empty() {
        out.push_str(&text::heading("Yours to decide (each stands in the plan as a comment)"));
        for line in &doc.undecided {
            out.push_str(&text::hanging("  - ", line));
        }
    }
    out.push_str(&format!("\nNext: {}\n", doc.next));
    out
}

const EXAMPLE_EVENT: &str = "# [[event]]
# name = \"token revoked\"
# table = \"token\"
# ends = \"active\"
# replay = \"UPDATE token SET active = false WHERE id = :id\"
# verify = \"SELECT 1 FROM token WHERE id = :id AND active\"
";

const SNAPSHOT_AND_CUTOVER: &str = "
[snapshot]
jobs = 2                # parallel connections of the copy and of the index builds

# The defaults, written out.
[cutover]
max_lag = \"1MB\"         # captured events not yet replayed: no fence above it
deadline = \"5s\"         # from the fence, which holds blue's writers, to the decision; past it all is put back
";

const PARTICIPANTS: &str = "
# What must switch together with the database, in the order written; nobody but you knows. For example:
# [[participant]]
# name = \"service configuration\"
# kind = \"file\"                              # replaced atomically; the old content is kept
# path = \"/etc/service/database.toml\"
# content = \"database.green.toml\"
#
# [[participant]]
# name = \"service\"
# kind = \"command\"
# prepare = [\"systemctl\", \"start\", \"service-v2\"]              # harmless; before the fence
# commit = [\"ln\", \"-sfn\", \"service-v2.sock\", \"service.sock\"]
# committed = [\"test\", \"service.sock\", \"-ef\", \"service-v2.sock\"]  # 0: switched, 1: not yet
# abort = [\"systemctl\", \"stop\", \"service-v2\"]                 # undoes prepare
";
