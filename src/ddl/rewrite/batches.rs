//! UPDATE and DELETE of a whole table, in batches along its key.
//!
//! A batch is a range of the key, not a number of rows that are still to be done: so every row is met once, also where
//! the statement doesn't exclude what it has done (`n = n + 1`), and a batch is found by the key's index however few rows
//! the condition leaves. Rows that are added meanwhile beyond the end of the first look, or behind the position, are
//! not met, as they would not have been by the one statement.

use sha2::{Digest, Sha256};

use super::{Apply, Batches, Bit, Case, How, Outcome, Rewrite, SafeStep};
use crate::ddl::assess::{Volatility, volatility};
use crate::ddl::name::{made_name, spelled, spelled_name};
use crate::ddl::read::{ConstraintKind, Cursor, DataType, Reading, Written, is_builtin};
use crate::postgres::{Ident, Name};

pub(super) const REWRITES: &[Rewrite] = &[Rewrite {
    id: "batches",
    when: "UPDATE and DELETE of a table's rows",
    why: "in batches along the key, each a transaction of its own that keeps few rows locked for a moment",
    halfway: "",
    setup: super::index::TOKENS,
    example: "UPDATE token AS t SET used = t.used + 1 WHERE note = 'note';",
    apply: Apply::Statement(whole),
}];

/// Rows of a batch in the printed form.
const ROWS: usize = 1000;

fn whole(case: &Case<'_>) -> Option<Outcome> {
    let (Reading::Update { table, condition } | Reading::Delete { table, condition }) = case.reading else {
        return None;
    };
    if case.is_new(table) {
        return None;
    }
    match step(case, case.text) {
        Ok(step) => {
            let mut outcome = Outcome::of(vec![Bit::Step(step)])?;
            "in batches along the key, each a transaction of its own; others see some of them done and others not yet"
                .clone_into(&mut outcome.why);
            if !is_repeatable(case.text) {
                outcome.why += "; its values read what they write: run once more after its end, as by a tool that died before \
                                it wrote that into its books, it would write them twice. Look before such a tool is run again";
            }
            Some(outcome)
        }
        Err(Unfit::FewRows) => Outcome::advice("it takes the rows of given keys"),
        Err(Unfit::Because(why)) if condition.is_some() => {
            Outcome::advice(format!("as written, in one transaction: {why}"))
        }
        Err(Unfit::Because(why)) => Outcome::refused(
            "whole-table-write",
            why,
            "write it so that each row depends on itself alone, or fill it in batches by hand",
        ),
    }
}

/// Whether a second run from the start changes nothing: no value reads a column that is written. The printed block drops
/// the table of its position with its last commit, so that what has ended begins anew.
fn is_repeatable(text: &str) -> bool {
    let mut targets = Vec::new();
    if Write::read(text, &mut targets).is_err() {
        return false;
    }
    let Some(mut cursor) = Cursor::new(text) else { return false };
    cursor.until(&["SET"], &[]);
    let set = cursor.until(&["WHERE"], &[]);
    let mut inside = cursor.inside(&set);
    let mut named = 0;
    while !inside.is_done() {
        match inside.ident() {
            Some(name) => named += usize::from(targets.contains(&name)),
            None => {
                inside.advance();
            }
        }
    }
    named <= targets.len()
}

/// Why a statement can't be taken in batches.
#[derive(Debug)]
pub(super) enum Unfit {
    /// Its condition names the keys.
    FewRows,
    Because(String),
}

impl std::fmt::Display for Unfit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::FewRows => "its condition names the keys",
            Self::Because(why) => why,
        })
    }
}

fn because<T>(why: &str) -> Result<T, Unfit> {
    Err(Unfit::Because(why.to_owned()))
}

/// An UPDATE or DELETE, taken to pieces.
struct Write<'a> {
    table: Written,
    /// What its columns are qualified with.
    alias: String,
    /// Up to where WHERE stands or would stand.
    head: &'a str,
    condition: Option<&'a str>,
}

impl<'a> Write<'a> {
    fn read(text: &'a str, targets: &mut Vec<Ident>) -> Result<Self, Unfit> {
        Self::parse(text, targets)
            .unwrap_or_else(|| because("it is written in a way that this reader doesn't take apart"))
    }

    fn parse(text: &'a str, targets: &mut Vec<Ident>) -> Option<Result<Self, Unfit>> {
        let mut cursor = Cursor::new(text)?;
        let update = cursor.takes(&["UPDATE"]);
        if !update {
            cursor.expect(&["DELETE", "FROM"])?;
        }
        cursor.takes(&["ONLY"]);
        let table = cursor.name()?;
        cursor.takes_symbol("*");
        let ends = |cursor: &Cursor<'_>| {
            cursor.is_done() || ["SET", "WHERE", "USING", "RETURNING"].iter().any(|w| cursor.sees(&[w]))
        };
        let mut alias = spelled(&table.object);
        if cursor.takes(&["AS"]) || !ends(&cursor) {
            alias = spelled(&cursor.ident()?);
        }
        if update {
            cursor.expect(&["SET"])?;
            let set = cursor.until(&["FROM", "WHERE", "RETURNING"], &[]);
            let mut inside = cursor.inside(&set);
            if inside.has_word("SELECT") {
                return Some(because("it takes values from a query"));
            }
            if volatility(cursor.text(set)) != Volatility::Stable {
                return Some(because("it calls what may give another value every time, or what is not known here"));
            }
            while !inside.is_done() {
                if let Some(columns) = inside.columns() {
                    targets.extend(columns);
                } else {
                    targets.push(inside.ident()?);
                }
                inside.until(&[], &[","]);
                inside.takes_symbol(",");
            }
        }
        let head = text.get(..cursor.taken_to())?;
        let mut condition = None;
        if cursor.takes(&["WHERE"]) {
            let span = cursor.offset()..text.len();
            let inside = cursor.inside(&span);
            if inside.has_word("SELECT") {
                return Some(because("its condition asks other rows"));
            }
            if inside.has_word("RETURNING") || inside.has_word("CURRENT") {
                return Some(because("RETURNING, or a cursor"));
            }
            if volatility(cursor.text(span.clone())) != Volatility::Stable {
                return Some(because(
                    "its condition calls what may give another value every time, or what is not known here",
                ));
            }
            condition = Some(cursor.text(span));
        } else if !cursor.is_done() {
            return Some(because("it reads other tables, or returns rows"));
        }
        Some(Ok(Self { table, alias, head, condition }))
    }

    /// Whether the condition is `key = …` or `key IN (…)`.
    fn names_keys(&self, key: &[Ident]) -> bool {
        let Some(mut cursor) = self.condition.and_then(Cursor::new) else { return false };
        let [key] = key else { return false };
        let Some(name) = cursor.name() else { return false };
        let named = name.object == *key && (cursor.takes_symbol("=") || cursor.takes(&["IN"]));
        named && !cursor.has_word("OR")
    }
}

/// An UPDATE or DELETE as a step in batches.
pub(super) fn step(case: &Case<'_>, text: &str) -> Result<SafeStep, Unfit> {
    let mut targets = Vec::new();
    let write = Write::read(text, &mut targets)?;
    let key = key_of(case, &write.table)?;
    let columns: Vec<Ident> = key.iter().map(|(column, _)| column.clone()).collect();
    if write.names_keys(&columns) {
        return Err(Unfit::FewRows);
    }
    let known = case.known.table(&write.table);
    let unique =
        known.into_iter().flat_map(|table| table.constraints.values()).any(|constraint| match &constraint.kind {
            ConstraintKind::PrimaryKey(columns) | ConstraintKind::Unique(columns) => {
                columns.iter().any(|c| targets.contains(c))
            }
            _ => false,
        });
    if unique || columns.iter().any(|column| targets.contains(column)) {
        return because("it changes columns of a key");
    }
    let own = known.into_iter().flat_map(|table| table.constraints.values()).any(|constraint| match &constraint.kind {
        ConstraintKind::ForeignKey { table, .. } => case.known.relation(table) == case.known.relation(&write.table),
        _ => false,
    });
    if own && targets.is_empty() {
        return because("rows of the table reference each other");
    }
    let batches = Key { case, write: &write, columns: &key }.batches();
    let sql = printed(case, text, &write, &key);
    // Batches hold nobody up: they are what lint asks for.
    Ok(SafeStep { judged: Some(String::new()), ..SafeStep::new(sql, How::Batches(batches)) })
}

/// The primary key, or a unique constraint over columns that refuse NULL, with the types of its columns.
fn key_of(case: &Case<'_>, table: &Written) -> Result<Vec<(Ident, DataType)>, Unfit> {
    let Some(known) = case.known.table(table) else { return because("its key is not known here") };
    let typed = |columns: &[Ident]| -> Option<Vec<(Ident, DataType)>> {
        let one = |column: &Ident| {
            let known = known.columns.get(&column.0)?;
            let data_type =
                known.data_type.clone().filter(|t| t.schema.is_none() && !t.array && is_builtin(&t.base))?;
            (known.not_null == Some(true)).then(|| (column.clone(), data_type))
        };
        columns.iter().map(one).collect()
    };
    let primary = known.constraints.values().find_map(|constraint| match &constraint.kind {
        ConstraintKind::PrimaryKey(columns) => typed(columns),
        _ => None,
    });
    let unique = || {
        known.constraints.values().find_map(|constraint| match &constraint.kind {
            ConstraintKind::Unique(columns) => typed(columns),
            _ => None,
        })
    };
    match primary.or_else(unique) {
        Some(key) => Ok(key),
        None => because("no primary key of the server's own types is known of it"),
    }
}

/// The key's parts of the statements.
struct Key<'a> {
    case: &'a Case<'a>,
    write: &'a Write<'a>,
    columns: &'a [(Ident, DataType)],
}

impl Key<'_> {
    fn row(&self, qualified: bool) -> String {
        let prefix = if qualified { format!("{}.", self.write.alias) } else { String::new() };
        let columns: Vec<String> =
            self.columns.iter().map(|(column, _)| format!("{prefix}{}", spelled(column))).collect();
        if columns.len() == 1 { columns.concat() } else { format!("({})", columns.join(", ")) }
    }

    /// A position's values as those of the key.
    fn value(&self, position: &str) -> String {
        let one = |(at, (_, data_type)): (usize, &(Ident, DataType))| {
            format!("({position})[{}]::{}", at + 1, DataType { modifiers: Vec::new(), ..data_type.clone() })
        };
        let values: Vec<String> = self.columns.iter().enumerate().map(one).collect();
        if values.len() == 1 { values.concat() } else { format!("({})", values.join(", ")) }
    }

    fn order(&self, direction: &str) -> String {
        let columns: Vec<String> =
            self.columns.iter().map(|(column, _)| format!("{}{direction}", spelled(column))).collect();
        columns.join(", ")
    }

    fn texts(&self) -> String {
        let columns: Vec<String> =
            self.columns.iter().map(|(column, _)| format!("{}::text", spelled(column))).collect();
        format!("ARRAY[{}]", columns.join(", "))
    }

    fn stop(&self) -> String {
        format!(
            "SELECT {} FROM {} ORDER BY {} LIMIT 1",
            self.texts(),
            spelled_name(&self.write.table),
            self.order(" DESC")
        )
    }

    /// Where a batch ends: the greatest of the next keys.
    fn end(&self, after: Option<&str>, stop: &str, rows: &str) -> String {
        let (row, table) = (self.row(false), spelled_name(&self.write.table));
        let names = self.columns.iter().map(|(column, _)| spelled(column)).collect::<Vec<_>>().join(", ");
        let after = after.map(|after| format!("{row} > {} AND ", self.value(after))).unwrap_or_default();
        format!(
            "SELECT {} FROM (SELECT {names} FROM {table} WHERE {after}{row} <= {} ORDER BY {} LIMIT {rows}) batch ORDER BY {} LIMIT 1",
            self.texts(),
            self.value(stop),
            self.order(""),
            self.order(" DESC")
        )
    }

    fn batch(&self, after: Option<&str>, end: &str) -> String {
        let row = self.row(true);
        let after = after.map(|after| format!("{row} > {} AND ", self.value(after))).unwrap_or_default();
        // A comment may be the condition's end.
        let condition = self.write.condition.map(|condition| format!(" AND ({condition}\n)")).unwrap_or_default();
        let condition = if condition.contains("--") { condition } else { condition.replace("\n)", ")") };
        format!("{} WHERE {after}{row} <= {}{condition}", self.write.head, self.value(end))
    }

    fn batches(&self) -> Batches {
        let (first, second, third) = ("$1::text[]", "$2::text[]", "$3::bigint");
        Batches {
            table: self.case.name(&self.write.table),
            key: self.columns.iter().map(|(column, _)| column.clone()).collect(),
            stop: self.stop(),
            first_end: self.end(None, first, "$2::bigint"),
            next_end: self.end(Some(first), second, third),
            first: self.batch(None, first),
            next: self.batch(Some(first), second),
        }
    }
}

/// The same as a DO block. The position stands in a table of its own and commits with its batch, so that the block can be
/// run again wherever it stopped; the last commit drops the table.
fn printed(case: &Case<'_>, text: &str, write: &Write<'_>, key: &[(Ident, DataType)]) -> String {
    let key = Key { case, write, columns: key };
    let digest: String = Sha256::digest(text.as_bytes()).iter().take(4).map(|byte| format!("{byte:02x}")).collect();
    let position = Name {
        schema: case.name(&write.table).schema,
        object: Ident::new(made_name(&write.table.object.0, "", &format!("teal_{digest}"))),
    };
    let position = format!("{}.{}", spelled(&position.schema), spelled(&position.object));
    let rows = ROWS.to_string();
    let (here, stop, end) = ("teal_here", "teal_stop", "teal_end");
    let mut tag = "$batches$".to_owned();
    while text.contains(&tag) {
        tag = format!("$b{}", tag.trim_start_matches('$'));
    }
    format!(
        "DO {tag}\n\
         DECLARE\n  {here} text[];\n  {stop} text[];\n  {end} text[];\n\
         BEGIN\n\
         \x20 CREATE TABLE IF NOT EXISTS {position} (stop text[], here text[]);\n\
         \x20 IF NOT EXISTS (SELECT FROM {position}) THEN\n\
         \x20   INSERT INTO {position} (stop) SELECT ({});\n\
         \x20 END IF;\n\
         \x20 COMMIT;\n\
         \x20 LOOP\n\
         \x20   SELECT stop, here INTO {stop}, {here} FROM {position} FOR UPDATE;\n\
         \x20   IF {here} IS NULL THEN\n\
         \x20     {end} := ({});\n\
         \x20     {};\n\
         \x20   ELSE\n\
         \x20     {end} := ({});\n\
         \x20     {};\n\
         \x20   END IF;\n\
         \x20   EXIT WHEN {end} IS NULL;\n\
         \x20   UPDATE {position} SET here = {end};\n\
         \x20   COMMIT;\n\
         \x20 END LOOP;\n\
         \x20 DROP TABLE {position};\n\
         END {tag}",
        key.stop(),
        key.end(None, stop, &rows),
        key.batch(None, end),
        key.end(Some(here), stop, &rows),
        key.batch(Some(here), end),
    )
}

#[cfg(test)]
mod tests {
    use super::is_repeatable;

    #[test]
    fn what_would_write_twice_is_told() {
        for once in ["UPDATE t SET n = n + 1", "UPDATE t SET a = b, b = 1 WHERE c", "UPDATE t SET n = t.n * 2"] {
            assert!(!is_repeatable(once), "{once}");
        }
        for again in [
            "DELETE FROM t WHERE a > 1",
            "UPDATE t SET a = b || 'x' WHERE a IS NULL",
            "UPDATE t SET (a, b) = ROW(c, 1)",
        ] {
            assert!(is_repeatable(again), "{again}");
        }
    }
}
