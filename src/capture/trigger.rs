//! The triggers of one event.
//!
//! The predicate stands in the triggers' WHEN, one trigger per operation, so that a write that is no event costs one
//! expression and no function call. All fire always (`ENABLE ALWAYS`): a replica-role session must not pass.
//! What it costs (E, 15.18, CPU of an UPDATE by primary key, 11.8 µs without): 1.3 µs for the row before, 8.6 µs for a
//! condition of 14 nodes, since each statement reads the condition's text anew. The same condition inside a function
//! costs 4.5 µs, but is then resolved by each caller's `search_path`, which no event may depend on; a function that pins
//! its path costs as much as the WHEN (8 µs). So the condition stays here, and is kept short.
//!
//! - Partitions: row triggers on the parent are cloned to its leaves, now and later; `ENABLE ALWAYS` and TRUNCATE
//!   triggers are not, so they are set leaf by leaf. Children by inheritance take nothing from their parent.
//! - An UPDATE that moves a row to another partition fires BEFORE UPDATE, then AFTER DELETE and AFTER INSERT, never
//!   AFTER UPDATE (manual, 39.1). A moved row is no ended row: the BEFORE UPDATE trigger leaves a mark that the others
//!   consume. It stands only where a partition key changes.
//! - An UPDATE of the key ends the row of the old key (or begins that of the new one): green knows only the old key, and
//!   what ends under the new one later would find no row there.
//! - TRUNCATE fires on every leaf that it reaches, and ends every row for which the predicate holds.

use crate::catalog::Table;
use crate::error::{Context, Failure, Result};
use crate::plan::{Event, When};
use crate::postgres::{Db, Ident, Name, literal};

use super::predicate::{Predicate, resolve_predicate};
use super::text_form::pinned_settings;

/// Events between two looks at the outbox's size, which is a dozen system calls.
const BUDGET_ASKED_EVERY: u32 = 16;

/// One event of the plan, resolved on this blue.
#[derive(Debug, Clone, PartialEq)]
pub struct Captured {
    /// The event's name.
    pub event: String,
    /// Its table.
    pub table: Name,
    /// The columns that identify it, with their types.
    pub key: Vec<(Ident, String)>,
    columns: Vec<(Ident, String)>,
    begins: bool,
    predicate: Predicate,
    family: Vec<Relation>,
}

/// The event's table, or one that inherits from it.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Relation {
    pub(super) name: Name,
    pub(super) holds_rows: bool,
    takes_triggers_from_parent: bool,
    partition_columns: Vec<Ident>,
    partition_expressions: bool,
}

/// Resolves an event of the plan: its table among `tables`, its key, its predicate.
pub async fn resolve(blue: &Db, event: &Event, tables: &[Table]) -> Result<Captured> {
    let context = || format!("event {:?}", event.name);
    let oid: Option<u32> =
        blue.row("SELECT pg_catalog.to_regclass($1)::oid", &[&event.table]).await.with_context(context)?.get(0);
    let table = tables.iter().find(|table| Some(table.oid) == oid).ok_or_else(|| {
        Failure::blocked(format!("{}: blue has no table {}", context(), event.table)).hint("migrate plan")
    })?;
    let key_names = match &event.key {
        Some(names) => names.iter().map(Ident::new).collect(),
        None => table.primary_key.clone(),
    };
    let type_of = |name: &Ident| table.columns.iter().find(|c| c.name == *name).map(|c| c.type_name.clone());
    let key: Option<Vec<_>> = key_names.into_iter().map(|name| type_of(&name).map(|ty| (name, ty))).collect();
    let key = key.filter(|key| !key.is_empty()).ok_or_else(|| {
        Failure::blocked(format!(
            "{}: {} has no primary key, or not the key columns named",
            context(),
            table.name.plain()
        ))
        .hint("name its key columns in the plan: key = [\"…\"]")
    })?;
    let predicate = resolve_predicate(blue, &table.name, event.when.predicate()).await.with_context(context)?;
    Ok(Captured {
        event: event.name.clone(),
        table: table.name.clone(),
        key,
        columns: table.columns.iter().map(|c| (c.name.clone(), c.type_name.clone())).collect(),
        begins: matches!(event.when, When::Begins(_)),
        predicate,
        family: read_family(blue, table.oid).await.with_context(context)?,
    })
}

pub(super) async fn read_family(blue: &Db, oid: u32) -> Result<Vec<Relation>> {
    let rows = blue.rows(include_str!("../postgres/sql/select_family.sql"), &[&oid]).await?;
    let relation = |row: &tokio_postgres::Row| Relation {
        name: Name::new(row.get::<_, String>("schema"), row.get::<_, String>("name")),
        holds_rows: row.get("holds_rows"),
        takes_triggers_from_parent: row.get("takes_triggers_from_parent"),
        partition_columns: row.get::<_, Vec<String>>("partition_columns").into_iter().map(Ident::new).collect(),
        partition_expressions: row.get("partition_expressions"),
    };
    Ok(rows.iter().map(relation).collect())
}

/// Whether the triggers of this event are there: they are made in one transaction with the row that says so.
pub async fn is_captured(blue: &Db, event: &str) -> Result<bool> {
    let row = blue.row("SELECT EXISTS (SELECT FROM teal.capture WHERE event = $1)", &[&event]).await?;
    Ok(row.get(0))
}

/// Makes the triggers of one event, in one transaction under `lock_timeout_ms`.
///
/// CREATE TRIGGER takes SHARE ROW EXCLUSIVE on each relation: when it has it, every writer from before has ended, so
/// each of their rows is either in a snapshot taken later or came with an event. It never displaces an autovacuum in
/// less than `deadlock_timeout` (1 s by default; with 500 ms it failed four times, with 1500 ms it passed,
/// mechanics.md); the caller tries again with jitter when a lock was not to be had.
///
/// Past `budget` bytes of outbox the triggers stop capturing and raise the overflow flag: asked after every
/// [`BUDGET_ASKED_EVERY`]th event and before every TRUNCATE.
pub async fn capture(
    blue: &Db,
    captured: &Captured,
    lock_timeout_ms: u64,
    budget: u64,
) -> Result<(), crate::postgres::Error> {
    let number: i32 = blue.row("SELECT 1 + coalesce(max(number), 0) FROM teal.capture", &[]).await?.get(0);
    let path: String = blue.row(include_str!("../postgres/sql/select_schema_path.sql"), &[]).await?.get(0);
    let script = captured.script(number, &path, budget);
    let made = async {
        blue.run(&format!("BEGIN; SET LOCAL lock_timeout = {lock_timeout_ms}")).await?;
        blue.run(&script).await?;
        let row = "INSERT INTO teal.capture (event, number, relation) VALUES ($1, $2, $3)";
        blue.execute(row, &[&captured.event, &number, &captured.table.plain()]).await?;
        crate::failpoint::failpoint("capture.created");
        blue.run("COMMIT").await
    }
    .await;
    if let Err(e) = made {
        // Where the session is gone the server has rolled back already.
        let _ = blue.run("ROLLBACK").await;
        return Err(e.doing(format!(
            "making the triggers of event {:?} on {}",
            captured.event,
            captured.table.plain()
        )));
    }
    Ok(())
}

/// The name parts of the row triggers that every relation of `family` carries.
pub(super) fn part_names(begins: bool, family: &[Relation]) -> Vec<&'static str> {
    let mut parts = if begins { vec!["update", "insert"] } else { vec!["update", "delete"] };
    if family.iter().any(|relation| relation.partition_expressions || !relation.partition_columns.is_empty()) {
        parts.extend(["move", "stay"]);
    }
    parts
}

impl Captured {
    /// The relations that hold the event's rows: what the fence and the watch for new partitions compare.
    pub fn leaves(&self) -> impl Iterator<Item = &Name> {
        self.family.iter().filter(|relation| relation.holds_rows).map(|relation| &relation.name)
    }

    /// The table's alias in [`Captured::key_matches`] and [`Captured::not_happened`].
    pub fn alias(&self) -> &'static str {
        "old"
    }

    /// The event's predicate over the alias `new`: whether a row is still, or is now, what the event is about.
    pub fn holds(&self) -> &str {
        &self.predicate.new
    }

    /// Whether the event is that the predicate becomes true.
    pub fn begins(&self) -> bool {
        self.begins
    }

    /// The key of the row that has the alias `new`, as the outbox has it.
    pub fn key_of_new(&self) -> String {
        self.key_of("new")
    }

    /// A condition that the table's row has the key of `e.key`, in a form that an index serves.
    pub fn key_matches(&self) -> String {
        let one = |(name, ty): &(Ident, String)| format!("old.{name} = (e.key ->> {})::{ty}", literal(&name.0));
        self.key.iter().map(one).collect::<Vec<_>>().join(" AND ")
    }

    /// A condition that the table's row is as it was before the event.
    pub fn not_happened(&self) -> String {
        let is = if self.begins { "NOT TRUE" } else { "TRUE" };
        format!("({}) IS {is}", self.predicate.old)
    }

    fn script(&self, number: i32, path: &str, budget: u64) -> String {
        let mut script = self.functions(number, path, budget);
        for relation in &self.family {
            if !relation.takes_triggers_from_parent {
                script.push_str(&self.row_triggers(number, relation));
            }
            if relation.holds_rows && !self.begins {
                let name = Ident::new(format!("teal_{number}_truncate"));
                script.push_str(&format!(
                    "CREATE TRIGGER {name} BEFORE TRUNCATE ON {} FOR EACH STATEMENT \
                     EXECUTE FUNCTION teal.truncate_{number}();\n",
                    relation.name
                ));
                script.push_str(&enable_always(&relation.name, &name));
            }
        }
        // Clones on leaves start in the default mode, whatever mode the parent's trigger gets.
        for relation in &self.family {
            for (part, _, _) in self.row_trigger_parts() {
                script.push_str(&enable_always(&relation.name, &Ident::new(format!("teal_{number}_{part}"))));
            }
        }
        script
    }

    /// The columns that decide which partition a row is in, over all levels; `None`: the table has no partitions.
    fn moves_when(&self) -> Option<String> {
        let columns: Vec<&Ident> = self.family.iter().flat_map(|relation| &relation.partition_columns).collect();
        if self.family.iter().any(|relation| relation.partition_expressions) {
            return Some("old.* IS DISTINCT FROM new.*".to_owned());
        }
        let changed = |column: &&Ident| format!("old.{column} IS DISTINCT FROM new.{column}");
        (!columns.is_empty()).then(|| columns.iter().map(changed).collect::<Vec<_>>().join(" OR "))
    }

    /// That the key changes. A change of its partition columns alone is a move, not another row.
    fn rekeyed(&self) -> String {
        let moves = |name: &Ident| self.family.iter().any(|relation| relation.partition_columns.contains(name));
        let changed = |(name, _): &(Ident, String)| format!("old.{name} IS DISTINCT FROM new.{name}");
        let changed: Vec<String> = self.key.iter().filter(|(name, _)| !moves(name)).map(changed).collect();
        if changed.is_empty() { "false".to_owned() } else { changed.join(" OR ") }
    }

    /// Name part, timing and condition of each row trigger.
    fn row_trigger_parts(&self) -> Vec<(&'static str, &'static str, String)> {
        let Predicate { old, new } = &self.predicate;
        let rekeyed = self.rekeyed();
        let mut parts = if self.begins {
            vec![
                ("update", "AFTER UPDATE", format!("((({old}) IS NOT TRUE) OR {rekeyed}) AND ({new})")),
                ("insert", "AFTER INSERT", new.clone()),
            ]
        } else {
            vec![
                ("update", "AFTER UPDATE", format!("({old}) AND ((({new}) IS NOT TRUE) OR {rekeyed})")),
                ("delete", "AFTER DELETE", old.clone()),
            ]
        };
        if let Some(moves) = self.moves_when() {
            let stays_true = format!("({old}) AND ({new}) AND ({moves})");
            parts.push(("move", "BEFORE UPDATE", stays_true.clone()));
            parts.push(("stay", "AFTER UPDATE", stays_true));
        }
        parts
    }

    fn row_triggers(&self, number: i32, relation: &Relation) -> String {
        let one = |(part, timing, condition): (&str, &str, String)| {
            let function = if matches!(part, "move" | "stay") { "move" } else { "capture" };
            format!(
                "CREATE TRIGGER {} {timing} ON {} FOR EACH ROW WHEN ({condition}) \
                 EXECUTE FUNCTION teal.{function}_{number}();\n",
                Ident::new(format!("teal_{number}_{part}")),
                relation.name
            )
        };
        self.row_trigger_parts().into_iter().map(one).collect()
    }

    /// A JSON object of text values: one array of names, one of values, so that no limit on arguments (100) is met.
    fn json<'a>(row: &str, columns: impl Iterator<Item = &'a Ident> + Clone) -> String {
        let names: Vec<String> = columns.clone().map(|name| literal(&name.0)).collect();
        let values: Vec<String> = columns.map(|name| format!("{row}.{name}::pg_catalog.text")).collect();
        format!(
            "pg_catalog.jsonb_object(ARRAY[{}]::pg_catalog.text[], ARRAY[{}]::pg_catalog.text[])",
            names.join(", "),
            values.join(", ")
        )
    }

    fn key_of(&self, row: &str) -> String {
        Self::json(row, self.key.iter().map(|(name, _)| name))
    }

    fn image_of(&self, row: &str) -> String {
        Self::json(row, self.columns.iter().map(|(name, _)| name))
    }

    fn functions(&self, number: i32, path: &str, budget: u64) -> String {
        let row = if self.begins { "NEW" } else { "OLD" };
        let event = literal(&self.event);
        let relation = literal(&self.table.plain());
        let overflowed = "IF EXISTS (SELECT FROM teal.overflow) THEN RETURN NULL; END IF;";
        let over_budget = format!(
            "IF pg_catalog.pg_table_size('teal.event') > {budget} THEN
                 INSERT INTO teal.overflow DEFAULT VALUES; RETURN NULL;
             END IF;"
        );
        let moving = format!("xid = pg_catalog.pg_current_xact_id() AND event = {event}");
        let consume = if self.moves_when().is_some() {
            format!(
                "IF TG_OP <> 'UPDATE' THEN
                     DELETE FROM teal.moving WHERE {moving} AND key = {key};
                     IF FOUND THEN RETURN NULL; END IF;
                 END IF;",
                key = self.key_of(row)
            )
        } else {
            String::new()
        };
        let capture = format!(
            "DECLARE number bigint;
             BEGIN
             {consume}
             {overflowed}
             INSERT INTO teal.event (event, relation, key, \"row\") VALUES ({event}, {relation}, {key}, {image})
             RETURNING id INTO number;
             IF number % {BUDGET_ASKED_EVERY} = 0 THEN
                 {over_budget}
             END IF;
             RETURN NULL;
             END",
            key = self.key_of(row),
            image = self.image_of(row),
        );
        let settings = pinned_settings(self.columns.iter().map(|(_, ty)| ty.as_str()));
        let mut script = function(&format!("capture_{number}"), "pg_catalog, pg_temp", &settings, &capture);
        if !self.begins {
            // The one place where the predicate runs under our path instead of being resolved once: pinned to the
            // schemas that resolved it, for operators such as citext's, which IS DISTINCT FROM and CASE find by path.
            let truncate = format!(
                "BEGIN
                 {overflowed}
                 {over_budget}
                 EXECUTE pg_catalog.format({insert}, TG_TABLE_SCHEMA, TG_TABLE_NAME);
                 RETURN NULL;
                 END",
                insert = literal(
                    &format!(
                        "INSERT INTO teal.event (event, relation, key, \"row\") \
                         SELECT {event}, {relation}, {key}, {image} FROM ONLY \u{1} AS old WHERE {condition}",
                        key = self.key_of("old"),
                        image = self.image_of("old"),
                        condition = self.predicate.old,
                    )
                    .replace('%', "%%")
                    .replace('\u{1}', "%I.%I")
                ),
            );
            script.push_str(&function(&format!("truncate_{number}"), path, &settings, &truncate));
        }
        if self.moves_when().is_some() {
            let move_mark = format!(
                "BEGIN
                 IF TG_WHEN = 'BEFORE' THEN
                     INSERT INTO teal.moving (xid, event, key)
                     VALUES (pg_catalog.pg_current_xact_id(), {event}, {key});
                     RETURN NEW;
                 END IF;
                 DELETE FROM teal.moving WHERE {moving} AND key = {key};
                 RETURN NULL;
                 END",
                key = self.key_of(row),
            );
            script.push_str(&function(&format!("move_{number}"), "pg_catalog, pg_temp", &settings, &move_mark));
        }
        script
    }
}

/// A trigger function that runs as us, since the application's roles have no rights on our schema, with the text forms
/// of the table's types pinned by `settings`.
fn function(name: &str, path: &str, settings: &str, body: &str) -> String {
    format!(
        "CREATE FUNCTION teal.{name}() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
         SET search_path = {path} {settings}
         AS {};\n",
        literal(body)
    )
}

fn enable_always(table: &Name, trigger: &Ident) -> String {
    format!("ALTER TABLE ONLY {table} ENABLE ALWAYS TRIGGER {trigger};\n")
}
