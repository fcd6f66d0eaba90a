//! Making an event of the plan happen on blue, whatever its predicate says: by real values where there are any, and
//! asked back from the server each time whether it has happened.

use std::collections::{BTreeSet, HashSet, VecDeque};

use crate::capture::{self, Captured};
use crate::catalog::{Column, Table};
use crate::ddl::lex::Lexer;
use crate::error::{Context, Result};
use crate::plan::Event;
use crate::postgres::{Db, Error, Ident, literal};

/// Rows looked at to find some that fit, at most: whole tables are not read.
const SAMPLED: i64 = 50_000;
/// Rows kept to make events of.
const POOL: i64 = 250;
/// Rows on which a way is tried before it is given up.
const TRIES: usize = 5;

/// One event, the rows that it can happen to, and the ways to make it happen.
#[derive(Debug)]
pub struct Maker {
    /// The event's name.
    pub event: String,
    captured: Captured,
    rows: VecDeque<Row>,
    pool: usize,
    update: Option<String>,
    leave: Option<Leave>,
    /// Why it can't be made to happen, where it can't.
    pub why_not: Option<String>,
    made: usize,
}

/// A row by its place.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Row {
    relation: u32,
    tid: String,
}

/// The way that is no UPDATE.
#[derive(Debug, Clone)]
enum Leave {
    /// The row goes.
    Delete,
    /// A copy of a row for which it has happened comes, with a key of its own: these columns of it, from there.
    Insert(String, Row),
}

/// An event that was made to happen, and was acknowledged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Made {
    /// The event's name.
    pub event: String,
    /// The row's key, as the outbox has it.
    pub key: String,
    /// `update`, `delete` or `insert`.
    pub by: &'static str,
}

impl Maker {
    /// Samples the event's table on `blue` and finds out, in transactions that are rolled back, what makes it happen.
    ///
    /// `taken` are rows of other events: a row that one of them changes stands elsewhere afterwards.
    pub async fn new(blue: &Db, event: &Event, tables: &[Table], taken: &mut HashSet<Row>) -> Result<Self> {
        let captured = capture::resolve(blue, event, tables).await?;
        let mut maker = Self {
            event: event.name.clone(),
            captured,
            rows: VecDeque::new(),
            pool: 0,
            update: None,
            leave: None,
            why_not: None,
            made: 0,
        };
        let Some(table) = tables.iter().find(|table| table.name == maker.captured.table) else { return Ok(maker) };
        let estimate = tables
            .iter()
            .filter(|t| t.name == table.name || t.partition_of.as_ref() == Some(&table.name))
            .map(|t| t.estimated_rows.max(0))
            .sum::<i64>()
            .max(table.estimated_rows);
        let percent = if estimate <= SAMPLED { 100.0 } else { SAMPLED as f64 * 100.0 / estimate as f64 };
        let context = || format!("event {:?}: sampling {}", event.name, table.name.plain());
        let most = POOL + i64::try_from(taken.len()).unwrap_or(0);
        let fitting = maker.sample(blue, !maker.captured.begins(), percent, most).await.with_context(context)?;
        let donors = maker.sample(blue, maker.captured.begins(), percent, 3).await.with_context(context)?;
        maker.find_ways(blue, table, &fitting, &donors).await?;
        let fitting: Vec<Row> = fitting.into_iter().filter(|row| !taken.contains(row)).collect();
        // Half of them stay as they are: checks compare what is left.
        let keep = fitting.len().div_ceil(2);
        maker.rows = fitting.into_iter().take(keep).collect();
        maker.pool = maker.rows.len();
        taken.extend(maker.rows.iter().cloned());
        Ok(maker)
    }

    /// How many events to make at a moment of several, at most `most`.
    pub fn share(&self, moments: usize, most: usize) -> usize {
        (self.pool / moments).min(most)
    }

    /// Makes the event happen once and commits it. `None`: no row is left, or none on which it goes.
    ///
    /// An error is the server's answer to the last row that was tried.
    pub async fn make(&mut self, blue: &Db) -> Result<Option<Made>, Error> {
        let mut refused = None;
        let mut tries = 0;
        while tries < TRIES {
            // Every third by the other way, so that both kinds of trigger are met.
            let other = self.made % 3 == 2 || self.update.is_none();
            let leave = self.leave.clone().filter(|_| other);
            let Some(row) = self.rows.pop_front() else { break };
            let (sql, by) = match (&leave, &self.update) {
                (Some(leave @ Leave::Delete), _) => (self.leave_sql(leave, &row), "delete"),
                (Some(leave @ Leave::Insert(..)), _) => (self.leave_sql(leave, &row), "insert"),
                (None, Some(assignments)) => (self.update_sql(assignments, &row), "update"),
                (None, None) => break,
            };
            match self.attempt(blue, &sql, true).await {
                Ok(Some(key)) => {
                    self.made += 1;
                    return Ok(Some(Made { event: self.event.clone(), key, by }));
                }
                // The row that is copied stands elsewhere by now: the rest by UPDATE.
                Ok(None) if by == "insert" => self.leave = None,
                // Something that came with another event changed the row, or took it away.
                Ok(None) => {}
                Err(e) => {
                    refused = Some(e);
                    tries += 1;
                }
            }
        }
        refused.map_or(Ok(None), Err)
    }

    /// Runs one statement that gives the key and whether the event has happened; commits it where it has.
    async fn attempt(&self, blue: &Db, sql: &str, commit: bool) -> Result<Option<String>, Error> {
        let done = async {
            blue.run("BEGIN").await?;
            let row = blue.maybe_row(sql, &[]).await?;
            let key = row.filter(|row| row.get("happened")).map(|row| row.get("key"));
            let end = if commit && key.is_some() { "COMMIT" } else { "ROLLBACK" };
            blue.run(end).await?;
            Ok(key)
        }
        .await;
        if done.is_err() {
            let _ = blue.run("ROLLBACK").await;
        }
        done
    }

    async fn sample(&self, blue: &Db, holds: bool, percent: f64, most: i64) -> Result<Vec<Row>> {
        let (table, predicate) = (&self.captured.table, self.captured.holds());
        let sql = format!(
            "SELECT s.relation, s.tid FROM (SELECT new.tableoid AS relation, new.ctid::text AS tid, ({predicate}) IS TRUE AS holds \
             FROM {table} AS new TABLESAMPLE SYSTEM ({percent:.6})) s WHERE s.holds = $1 LIMIT $2"
        );
        let rows = blue.rows(&sql, &[&holds, &most]).await?;
        Ok(rows.iter().map(|row| Row { relation: row.get("relation"), tid: row.get("tid") }).collect())
    }

    async fn find_ways(&mut self, blue: &Db, table: &Table, fitting: &[Row], donors: &[Row]) -> Result<()> {
        let begins = self.captured.begins();
        let rows: Vec<&Row> = fitting.iter().take(TRIES).collect();
        if rows.is_empty() && (!begins || donors.is_empty()) {
            let state = if begins { "already is what it becomes" } else { "is what could end" };
            self.why_not = Some(if donors.is_empty() {
                format!("{} holds no rows", table.name.plain())
            } else {
                format!("among the rows looked at of {} every or no row {state}", table.name.plain())
            });
            return Ok(());
        }
        let mut last = None;
        let candidates = self.candidates(blue, table, donors).await?;
        'found: for row in &rows {
            for assignments in &candidates {
                match self.attempt(blue, &self.update_sql(assignments, row), false).await {
                    Ok(Some(_)) => {
                        self.update = Some(assignments.clone());
                        break 'found;
                    }
                    Ok(None) => {}
                    Err(e) => last = Some(e.message()),
                }
            }
        }
        let leaves = if begins {
            let columns = self.copied_columns(table);
            donors.iter().filter_map(|donor| Some(Leave::Insert(columns.clone()?, donor.clone()))).collect()
        } else {
            vec![Leave::Delete; rows.len()]
        };
        for (at, leave) in leaves.into_iter().enumerate() {
            // An INSERT does not look at the row.
            let Some(row) = rows.get(at).copied().or(donors.first()) else { break };
            match self.attempt(blue, &self.leave_sql(&leave, row), false).await {
                Ok(Some(_)) => {
                    self.leave = Some(leave);
                    break;
                }
                Ok(None) => {}
                Err(e) => last = Some(e.message()),
            }
        }
        if self.update.is_none() && self.leave.is_none() {
            let said = last.map(|said| format!("; the server said: {said}")).unwrap_or_default();
            self.why_not = Some(format!("no value that was tried makes it happen on {}{said}", table.name.plain()));
        }
        Ok(())
    }

    /// Assignments that may make it happen: values of rows for which it has, then what is obvious for a type.
    async fn candidates(&self, blue: &Db, table: &Table, donors: &[Row]) -> Result<Vec<String>> {
        let named = columns_of(self.captured.holds());
        let free: Vec<&Column> = table
            .columns
            .iter()
            .filter(|c| named.contains(&c.name.0) && !c.generated)
            .filter(|c| !self.captured.key.iter().any(|(key, _)| *key == c.name))
            .collect();
        let mut candidates = Vec::new();
        // Values, not where they stand: the row may be gone by the time they are used, and with it every value.
        for donor in donors.iter().filter(|_| !free.is_empty()) {
            let columns: Vec<String> = free.iter().map(|c| format!("new.{}::pg_catalog.text", c.name)).collect();
            let sql = format!("SELECT {} FROM {} AS new WHERE {}", columns.join(", "), table.name, at(donor));
            let Some(row) = blue.maybe_row(&sql, &[]).await? else { continue };
            let value = |at: usize| row.get::<_, Option<String>>(at).map_or("NULL".to_owned(), |text| literal(&text));
            let set = free.iter().enumerate().map(|(at, column)| format!("{} = {}", column.name, value(at)));
            candidates.push(set.collect::<Vec<_>>().join(", "));
        }
        for column in &free {
            let name = &column.name;
            let mut values: Vec<String> = match column.type_name.as_str() {
                "boolean" => vec![format!("NOT coalesce(new.{name}, false)")],
                ty if ty.starts_with("timestamp") || ty == "date" => {
                    vec![
                        "pg_catalog.now()".into(),
                        "pg_catalog.now() - interval '1 day'".into(),
                        "pg_catalog.now() + interval '1 day'".into(),
                    ]
                }
                "integer" | "bigint" | "smallint" | "numeric" | "real" | "double precision" => {
                    ["0", "1", "-1"].map(str::to_owned).to_vec()
                }
                _ => known_words(blue, table.oid, &column.name).await?.iter().map(|word| literal(word)).collect(),
            };
            if !column.not_null {
                values.push("NULL".to_owned());
            }
            candidates.extend(values.into_iter().map(|value| format!("{name} = {value}")));
        }
        Ok(candidates)
    }

    /// What a copied row takes along: neither its key nor what the server computes.
    fn copied_columns(&self, table: &Table) -> Option<String> {
        let is_key = |c: &&Column| {
            self.captured.key.iter().any(|(key, _)| *key == c.name) || table.primary_key.contains(&c.name)
        };
        let columns: Vec<String> =
            table.columns.iter().filter(|c| !c.generated && !is_key(c)).map(|c| c.name.to_string()).collect();
        (!columns.is_empty()).then(|| columns.join(", "))
    }

    fn update_sql(&self, assignments: &str, row: &Row) -> String {
        let Captured { table, .. } = &self.captured;
        let (holds, key) = (self.captured.holds(), self.captured.key_of_new());
        let (before, after) = if self.captured.begins() { ("NOT TRUE", "TRUE") } else { ("TRUE", "NOT TRUE") };
        format!(
            "UPDATE {table} AS new SET {assignments} WHERE {} AND ({holds}) IS {before} \
             RETURNING ({holds}) IS {after} AS happened, {key}::text AS key",
            at(row)
        )
    }

    fn leave_sql(&self, leave: &Leave, row: &Row) -> String {
        let Captured { table, .. } = &self.captured;
        let (holds, key) = (self.captured.holds(), self.captured.key_of_new());
        match leave {
            Leave::Delete => format!(
                "DELETE FROM {table} AS new WHERE {} AND ({holds}) IS TRUE RETURNING true AS happened, {key}::text AS key",
                at(row)
            ),
            Leave::Insert(columns, from) => format!(
                "INSERT INTO {table} AS new ({columns}) SELECT {columns} FROM {table} AS new WHERE {} \
                 RETURNING ({holds}) IS TRUE AS happened, {key}::text AS key",
                at(from)
            ),
        }
    }
}

/// A condition that finds one row by its place.
fn at(row: &Row) -> String {
    format!("new.tableoid = {} AND new.ctid = {}::tid", row.relation, literal(&row.tid))
}

/// The columns that a resolved predicate names: all stand behind the alias.
fn columns_of(predicate: &str) -> BTreeSet<String> {
    let tokens: Vec<_> = Lexer::new(predicate).map_while(Result::ok).filter(|token| !token.is_gap()).collect();
    let name = |text: &str| match text.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) {
        Some(quoted) => quoted.replace("\"\"", "\""),
        None => text.to_owned(),
    };
    tokens
        .windows(3)
        .filter_map(|three| match three {
            [alias, dot, column] if alias.is_word(predicate, "new") && dot.is_symbol(predicate, ".") => {
                Some(name(column.text(predicate)))
            }
            _ => None,
        })
        .collect()
}

/// Values that a column is known to take: labels of an enum, words in the table's CHECK constraints.
async fn known_words(blue: &Db, table: u32, column: &Ident) -> Result<Vec<String>> {
    let rows = blue.rows(include_str!("../postgres/sql/select_known_words.sql"), &[&table, &column.0]).await?;
    Ok(rows.iter().map(|row| row.get(0)).collect())
}

#[cfg(test)]
mod tests {
    use super::columns_of;

    #[test]
    fn the_columns_of_a_predicate_are_those_behind_the_alias() {
        let predicate = r#"(new.active AND (new."Odd ""one" IS NULL) AND (new.note <> 'new.other'::text))"#;
        let columns: Vec<String> = columns_of(predicate).into_iter().collect();
        assert_eq!(columns, ["Odd \"one", "active", "note"]);
    }
}
