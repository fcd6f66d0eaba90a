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
}

/// The live rows of an event's table: the same on both sides.
pub fn of_event(draft: &Draft, table: &TableFacts) -> CheckDraft {
    let keyed = !draft.key_on_blue.is_empty() && table.estimated_rows.is_some_and(|rows| rows <= KEYS);
    let what = |key: &[String]| if keyed { key.join(", ") } else { "count(*)".to_owned() };
    let query = |what: String, table: &str, live: &str| match live {
        "true" => format!("SELECT {what} FROM {table}"),
        live => format!("SELECT {what} FROM {table} WHERE {live}"),
    };
    CheckDraft {
        name: format!("{}: live rows kept", draft.name),
        blue: query(what(&draft.key_on_blue), &draft.written, &draft.ends),
        green: query(what(&draft.key_on_green), &draft.green, &draft.live_on_green),
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
pub async fn of_rest(
    tables: &[TableFacts],
    fates: &Fates,
    pending: &[&Migration],
    blue: &Db,
    bookkeeping: Option<u32>,
) -> Result<Rest> {
    let mut rest = Rest::default();
    let (mut on_blue, mut on_green) = (Vec::new(), Vec::new());
    for table in tables.iter().filter(|table| Some(table.oid) != bookkeeping) {
        let green = match fates.of(table) {
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
        if let Some(why) = changes(table, green, fates, pending, blue).await? {
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
        });
    }
    Ok(rest)
}

/// Whether pending migrations change how many rows a table has: counted on the migrated copy where it holds rows, else
/// said by the files' own words.
async fn changes(
    table: &TableFacts,
    green: &TableFacts,
    fates: &Fates,
    pending: &[&Migration],
    blue: &Db,
) -> Result<Option<String>> {
    if let Some(trace) = fates.traced().filter(|trace| trace.has_rows) {
        let copy = trace.green.connect(Access::ReadOnly).await?;
        let count = async |db: &Db, name| -> Result<i64> {
            Ok(db.row(&format!("SELECT count(*) FROM {name}"), &[]).await?.get(0))
        };
        let (before, after) = (count(blue, &table.name).await?, count(&copy, &green.name).await?);
        return Ok((before != after).then(|| format!("the migrated copy has {after} rows of its {before}")));
    }
    let names = [&table.name.object.0, &green.name.object.0].map(|name| name.to_lowercase());
    for migration in pending {
        for statement in &migration.sql.statements {
            let text = statement.text(&migration.sql.text);
            let kind = kind(text, &statement.head);
            let moves_rows = matches!(kind.verb.as_str(), "INSERT" | "DELETE" | "TRUNCATE" | "MERGE" | "COPY");
            // What can run anything, and what is not understood.
            let may_move_rows = kind.unknown && matches!(kind.verb.as_str(), "DO" | "WITH" | "SELECT" | "CALL");
            let target = kind.relation.as_deref().unwrap_or(text).to_lowercase();
            let named = names.iter().any(|name| mentions(&target, name));
            if (moves_rows || may_move_rows) && named {
                return Ok(Some(format!("{} moves rows of it, or may ({})", migration.file, kind.verb)));
            }
        }
    }
    Ok(None)
}

fn mentions(text: &str, name: &str) -> bool {
    text.split(|c: char| !(c.is_alphanumeric() || c == '_' || c == '$')).any(|word| word == name)
}
