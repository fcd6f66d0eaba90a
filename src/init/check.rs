//! What must hold on both sides: live rows of every event, and the number of rows of every table that pending
//! migrations neither fill nor empty.

use super::event::Draft;
use super::facts::TableFacts;
use super::trace::{Fate, Fates};
use crate::ddl::{Migration, kind};
use crate::error::Result;
use crate::postgres::{Access, Db, literal};

/// Up to so many rows their keys are compared, beyond it their number.
const KEYS: u64 = 100_000;

/// One check of the plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckDraft {
    /// Its name.
    pub name: String,
    /// Blue's query.
    pub blue: String,
    /// Green's.
    pub green: String,
    /// What keeps it a comment.
    pub doubt: Option<String>,
}

/// What tables and migrations are known to be, for questions about one table.
#[derive(Debug, Clone, Copy)]
pub struct Around<'a> {
    /// Blue's tables.
    pub tables: &'a [TableFacts],
    /// What becomes of them.
    pub fates: &'a Fates,
    /// The files that are not in yet.
    pub pending: &'a [&'a Migration],
    /// Blue.
    pub blue: &'a Db,
}

/// The live rows of an event's table: the same on both sides, unless pending migrations change them.
pub async fn of_event(draft: &Draft, table: &TableFacts, around: Around<'_>) -> Result<CheckDraft> {
    let mut check = live_rows(draft, table);
    check.doubt = match around.fates.of(table) {
        Fate::Kept { green, .. } => changes(table, green, around).await?,
        Fate::Dropped | Fate::Unknown(_) => None,
    };
    if let Some(trace) = around.fates.traced().filter(|trace| trace.has_rows && check.doubt.is_none()) {
        let copy = trace.green.connect(Access::ReadOnly).await?;
        let count = async |db: &Db, sql: &str| -> Result<i64> {
            Ok(db.row(&format!("SELECT count(*) FROM ({sql}) AS live"), &[]).await?.get(0))
        };
        let keys = live_keys(draft, true);
        let (before, after) = (count(around.blue, &keys.blue).await?, count(&copy, &keys.green).await?);
        check.doubt = (before != after).then(|| format!("the migrated copy has {after} live rows of blue's {before}"));
    }
    if !draft.is_on() {
        check.doubt = Some("its event is not on".to_owned());
    }
    Ok(check)
}

fn live_rows(draft: &Draft, table: &TableFacts) -> CheckDraft {
    live_keys(draft, table.estimated_rows.is_some_and(|rows| rows <= KEYS))
}

fn live_keys(draft: &Draft, keyed: bool) -> CheckDraft {
    let keyed = keyed && !draft.key_on_blue.is_empty();
    let what = |key: &[String]| if keyed { key.join(", ") } else { "count(*)".to_owned() };
    let query = |what: String, table: &str, live: &str| match live {
        "true" => format!("SELECT {what} FROM {table}"),
        live => format!("SELECT {what} FROM {table} WHERE {live}"),
    };
    CheckDraft {
        name: format!("{}: live rows kept", draft.name),
        blue: query(what(&draft.key_on_blue), &draft.written, &draft.ends),
        green: query(what(&draft.key_on_green), &draft.green, &draft.live_on_green),
        doubt: None,
    }
}

/// The number of rows of all tables together, and the tables that are not in it, with the reason.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Rest {
    /// The check; none where no table is left.
    pub check: Option<CheckDraft>,
    /// Tables left out: `owner: 003_owner.sql inserts into it`.
    pub left_out: Vec<String>,
}

/// Counts every table that green has too, except those of `bookkeeping`.
pub async fn of_rest(around: Around<'_>, bookkeeping: Option<u32>) -> Result<Rest> {
    let mut rest = Rest::default();
    let (mut on_blue, mut on_green) = (Vec::new(), Vec::new());
    for table in around.tables.iter().filter(|table| Some(table.oid) != bookkeeping) {
        let green = match around.fates.of(table) {
            Fate::Kept { green, .. } => green,
            Fate::Dropped => {
                rest.left_out.push(format!("{}: pending migrations drop it", table.plain()));
                continue;
            }
            Fate::Unknown(_) => {
                rest.left_out.push(format!("{}: what pending migrations do to it is not known", table.plain()));
                continue;
            }
        };
        if let Some(why) = changes(table, green, around).await? {
            rest.left_out.push(format!("{}: {why}", table.plain()));
            continue;
        }
        let count = |written: &str| format!("SELECT {}, count(*) FROM {written}", literal(&table.plain()));
        on_blue.push(count(&table.written));
        on_green.push(count(&green.written));
    }
    if !on_blue.is_empty() {
        rest.check = Some(CheckDraft {
            name: "rows of every table kept".to_owned(),
            blue: on_blue.join(" UNION ALL\n"),
            green: on_green.join(" UNION ALL\n"),
            doubt: None,
        });
    }
    Ok(rest)
}

/// Whether pending migrations change how many rows a table has: counted on the migrated copy where it holds rows, else
/// said by the files' own words.
async fn changes(table: &TableFacts, green: &TableFacts, around: Around<'_>) -> Result<Option<String>> {
    if let Some(trace) = around.fates.traced().filter(|trace| trace.has_rows) {
        let copy = trace.green.connect(Access::ReadOnly).await?;
        let count = async |db: &Db, name| -> Result<i64> {
            Ok(db.row(&format!("SELECT count(*) FROM {name}"), &[]).await?.get(0))
        };
        let (before, after) = (count(around.blue, &table.name).await?, count(&copy, &green.name).await?);
        return Ok((before != after).then(|| format!("the migrated copy has {after} rows of its {before}")));
    }
    let names = [&table.name.object.0, &green.name.object.0].map(|name| name.to_lowercase());
    for migration in around.pending {
        for statement in &migration.sql.statements {
            let text = statement.text(&migration.sql.text);
            let kind = kind(text, &statement.head);
            let moves_rows = matches!(kind.verb.as_str(), "INSERT" | "DELETE" | "TRUNCATE" | "MERGE" | "COPY");
            // What can run anything, and what is not understood.
            let may_move_rows = kind.unknown && matches!(kind.verb.as_str(), "DO" | "WITH" | "SELECT" | "CALL");
            let target = kind.relation.as_deref().unwrap_or(text).to_lowercase();
            let named = names.iter().any(|name| mentions(&target, name));
            if (moves_rows || may_move_rows) && named {
                return Ok(Some(format!("{} of {} may add or remove rows", kind.verb, migration.file)));
            }
        }
    }
    Ok(None)
}

fn mentions(text: &str, name: &str) -> bool {
    text.split(|c: char| !(c.is_alphanumeric() || c == '_' || c == '$')).any(|word| word == name)
}
