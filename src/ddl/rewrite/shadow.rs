//! ALTER COLUMN … TYPE that would write the table anew: through a column of the new type that takes the old one's place.
//!
//! The shadow column is filled by a trigger from the first moment on, so that whatever is written while the old rows are
//! filled in batches is right in both columns; the batches write through the same trigger. Indexes and constraints of the
//! column are made anew on the shadow beside it, and one short transaction swaps the two. What this file knows of the
//! column is asked of the catalog before anything is done and again under the lock of the swap
//! (`create_shadow_work.sql`): DROP COLUMN takes an index or a check along without a word.

use std::ops::Range;

use super::shadow_parts::{Carried, carried};
use super::{Apply, Bit, Case, How, Outcome, Refused, Rewrite, SafeStep};
use crate::ddl::assess::{Volatility, volatility};
use crate::ddl::name::{made_name, spelled, spelled_name};
use crate::ddl::read::{AlterCommand, Cursor, DataType, Written, is_builtin, keeps_rows};
use crate::postgres::{Ident, literal};

pub(super) const REWRITES: &[Rewrite] = &[Rewrite {
    id: "shadow-column",
    when: "ALTER COLUMN … TYPE that writes the table anew",
    why: "a column of the new type is kept alike by a trigger, filled in batches, given the old one's indexes and constraints, and takes its place in a moment; it then stands last in the table",
    halfway: "both columns are there; from its first step on, values that the new type refuses are refused",
    setup: super::index::TOKENS,
    example: "-- migrate: accept column-order every client names its columns\nALTER TABLE token ALTER COLUMN client_id TYPE text, ALTER COLUMN client_id SET DEFAULT 'nobody';",
    apply: Apply::Command(set_type),
}];

/// What must be accepted: SELECT * and INSERT without a list of columns go by the order of columns.
pub(super) const ORDER: &str = "column-order";
/// As it is written instead.
pub(super) const TYPE: &str = "type-rewrites";

fn set_type(case: &Case<'_>, command: &AlterCommand, _: &Range<usize>) -> Option<Outcome> {
    let table = case.table()?;
    if case.is_new(table) || case.alter()?.what != "TABLE" {
        return None;
    }
    match command {
        AlterCommand::SetType { column, data_type, converted, .. } => {
            let from = case.known.table(table).and_then(|table| table.columns.get(&column.0));
            let from = from.and_then(|column| column.data_type.as_ref());
            if !converted && from.is_some_and(|from| keeps_rows(from, data_type) == Some(true)) {
                return None;
            }
            match Shadow::of(case, command) {
                Ok(shadow) => shadow.outcome(),
                Err(why) => refused(&why),
            }
        }
        // The shadow has its default from the start, and the old column keeps its own as long as it is there.
        AlterCommand::Default(column) | AlterCommand::DropDefault(column) => {
            let sets =
                |command: &AlterCommand| matches!(command, AlterCommand::SetType { column: c, .. } if c == column);
            let set = case.alter()?.commands.iter().map(|(command, _)| command).find(|command| sets(command))?;
            let gone = Shadow::of(&Case { known: case.before, ..*case }, set).is_ok();
            if gone { Outcome::of(vec![Bit::Gone]) } else { None }
        }
        _ => None,
    }
}

fn refused(why: &str) -> Option<Outcome> {
    Outcome::refused(
        TYPE,
        format!(
            "the table and its indexes are written anew under the lock, as far as can be told, and no other column can take its place: {why}"
        ),
        "add a column of the new type, keep it up to date by a trigger, fill it in batches, then swap the names",
    )
}

/// A column and the one that takes its place.
struct Shadow<'a> {
    case: &'a Case<'a>,
    table: &'a Written,
    column: &'a Ident,
    name: Ident,
    /// The new type, COLLATE included, as written.
    typed: &'a str,
    /// The expression after USING.
    using: Option<&'a str>,
    /// Columns of the table that it names.
    reads: Vec<Ident>,
    carried: Carried,
    fill: SafeStep,
}

impl<'a> Shadow<'a> {
    /// Fails with the reason why there can be none.
    fn of(case: &'a Case<'a>, command: &'a AlterCommand) -> Result<Self, String> {
        let AlterCommand::SetType { column, data_type, typed, using, .. } = command else {
            return Err("it is another command".to_owned());
        };
        if case.keeps_type {
            return Err("it is accepted as it is written".to_owned());
        }
        let table = case.table().ok_or("its table is not known here")?;
        let relation = case.known.relation(table);
        let whole = case.known.table(table).filter(|known| known.whole && known.made_in.is_some());
        let Some(known) = whole else {
            return Err(
                "the whole of its table is not known here (give a --schema that has it), or it is a partition or a child"
                    .to_owned(),
            );
        };
        if known.partitioned || !known.children.is_empty() {
            return Err("it has partitions or children".to_owned());
        }
        let Some(old) = known.columns.get(&column.0) else { return Err("the column is not known here".to_owned()) };
        if old.made {
            return Err("it is an identity or generated column".to_owned());
        }
        if let Some(trigger) = case.known.trigger_of(&relation) {
            return Err(format!("{trigger} would fire for every row that is filled"));
        }
        if let Some(mention) = case.known.mention_of(&relation, &column.0) {
            return Err(format!("{mention} names it"));
        }
        let own = data_type.schema.is_some() || !is_builtin(&data_type.base);
        if own && case.known.is_constrained_domain(data_type) != Some(false) {
            return Err(format!("{data_type} is a domain with a constraint, or not known here"));
        }
        let using = using.clone().map(|using| case.words(&using));
        let reads = match (using, &old.data_type) {
            (Some(using), _) => {
                let several =
                    case.alter().is_some_and(|alter| alter.commands.iter().filter(|(c, _)| is_type(c)).count() > 1);
                reads(using, known, column, several)?
            }
            (None, Some(from)) if is_assigned(from, data_type) => Vec::new(),
            (None, _) => return Err("whether its values are taken over without USING is not known here".to_owned()),
        };
        let name = Ident::new(made_name(&column.0, "", "teal"));
        if known.columns.contains_key(&name.0) {
            return Err(format!("a column {name} is there"));
        }
        let value =
            using.map_or_else(|| spelled(column), |using| format!("({using}\n)").replace("\n)", line_end(using)));
        let update = format!("UPDATE {} SET {} = {value}", spelled_name(table), spelled(&name));
        let mut fill = super::batches::step(case, &update).map_err(|why| format!("its rows can't be filled: {why}"))?;
        fill.judged = Some(String::new());
        let carried = carried(case, table, column, &name)?;
        Ok(Self { case, table, column, name, typed: case.words(typed), using, reads, carried, fill })
    }

    fn outcome(&self) -> Option<Outcome> {
        let Self { case, table, name, .. } = self;
        let machine = |sql: String, judged: String| {
            Bit::Step(SafeStep { judged: Some(judged), ..SafeStep::new(sql, How::Brief) })
        };
        let head = format!("ALTER TABLE {} ", spelled_name(table));
        let written = format!("{head}ALTER COLUMN {} TYPE {}", spelled(self.column), self.typed);
        let mut bits = vec![machine(self.begin(&head), written), Bit::Step(self.fill.clone())];
        bits.extend(
            self.carried
                .validated
                .iter()
                .map(|constraint| Bit::Alone(format!("VALIDATE CONSTRAINT {}", spelled(constraint)), How::Long)),
        );
        if self.carried.not_null {
            bits.extend(super::not_null::bits(case, table, name, None));
        }
        bits.extend(self.carried.indexes.iter().cloned().map(Bit::Step));
        let analyze = format!("ANALYZE {} ({})", spelled_name(table), spelled(name));
        bits.push(Bit::Step(SafeStep { judged: Some(String::new()), ..SafeStep::new(analyze, How::Long) }));
        bits.push(machine(self.swap(&head), String::new()));
        let mut outcome = Outcome::of(bits)?;
        outcome.condition = Some(Refused {
            rule: ORDER,
            why: format!(
                "{}.{} stands last in the table afterwards: SELECT * and INSERT without a list of columns see another order",
                table.plain(),
                self.column.0
            ),
            instead: format!(
                "name the columns in every query, then accept it; or accept {TYPE}, and it runs as it is written, under its lock"
            ),
            accepted: None,
        });
        Some(outcome)
    }

    /// A function in the table's schema.
    fn function(&self, label: &str) -> String {
        let name = made_name(&self.table.object.0, &self.column.0, label);
        let name = self.case.beside(self.table, &name);
        format!("{}.{}", spelled(&name.schema), spelled(&name.object))
    }

    /// All that is needed before the first row, in one transaction.
    fn begin(&self, head: &str) -> String {
        let (shadow, work, sync) = (spelled(&self.name), self.function("teal_work"), self.function("teal_sync"));
        let mut sql = vec![
            format!("{head}ADD COLUMN {shadow} {}", self.typed),
            self.work(&work),
            format!("SELECT {work}(false)"),
        ];
        sql.extend(self.given_default().map(|default| format!("{head}ALTER COLUMN {shadow} SET DEFAULT {default}")));
        let value = match self.using {
            None => format!("NEW.{shadow} := NEW.{}", spelled(self.column)),
            Some(using) => {
                let columns: Vec<String> = self.reads.iter().map(|column| format!("NEW.{}", spelled(column))).collect();
                let (end, table) = (line_end(using), spelled(&self.table.object));
                format!("SELECT ({using}{end} INTO NEW.{shadow} FROM (SELECT {}) AS {table}", columns.join(", "))
            }
        };
        let tag = tag_for(&value);
        // The client's settings are another's: what a text or a time means is taken from who migrates.
        let pinned: String = [
            "search_path",
            "TimeZone",
            "DateStyle",
            "IntervalStyle",
            "extra_float_digits",
            "bytea_output",
            "lc_monetary",
            "lc_numeric",
            "lc_time",
        ]
        .iter()
        .map(|setting| format!("\n  SET {setting} FROM CURRENT"))
        .collect();
        sql.push(format!(
            "CREATE FUNCTION {sync}() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER{pinned} AS {tag}\n\
             #variable_conflict use_column\nBEGIN\n  {value};\n  RETURN NEW;\nEND {tag}"
        ));
        let (on, trigger) = (spelled_name(self.table), &shadow);
        sql.push(format!(
            "CREATE TRIGGER {trigger} BEFORE INSERT OR UPDATE ON {on} FOR EACH ROW EXECUTE FUNCTION {sync}()"
        ));
        // For sessions of session_replication_role = replica as well.
        sql.push(format!("{head}ENABLE ALWAYS TRIGGER {trigger}"));
        sql.join(";\n")
    }

    /// What stands in the catalog only, done by a function of the server.
    fn work(&self, name: &str) -> String {
        let own = self.case.name(self.table);
        let table = format!("{}.{}", spelled(&own.schema), spelled(&own.object));
        let array = |items: &[String], of: &str| {
            let items: Vec<String> = items.iter().map(|item| literal(item)).collect();
            format!("ARRAY[{}]::{of}[]", items.join(", "))
        };
        let plain = |names: &[Ident]| names.iter().map(|name| name.0.clone()).collect::<Vec<_>>();
        // Its first line says its parameters.
        let text = include_str!("../../postgres/sql/create_shadow_work.sql");
        let text = text.split_once('\n').map_or("", |(_, text)| text).trim_end();
        let values = [
            ("{work}", name.to_owned()),
            ("{table}", literal(&table)),
            ("{column}", literal(&self.column.0)),
            ("{shadow}", literal(&self.name.0)),
            ("{trigger}", literal(&self.name.0)),
            ("{known}", array(&self.carried.dependents, "text")),
            ("{old}", array(&plain(&self.carried.old), "name")),
            ("{new}", array(&plain(&self.carried.new), "name")),
            ("{default}", (!self.has_default_command()).to_string()),
        ];
        let tag = tag_for(&values.iter().map(|(_, value)| value.as_str()).collect::<String>());
        let text = text.replace("$teal$", &tag);
        values.iter().fold(text, |text, (key, value)| text.replace(key, value))
    }

    fn swap(&self, head: &str) -> String {
        let (shadow, work, sync) = (spelled(&self.name), self.function("teal_work"), self.function("teal_sync"));
        let column = spelled(self.column);
        let mut sql = vec![
            format!("LOCK TABLE {} IN ACCESS EXCLUSIVE MODE", spelled_name(self.table)),
            format!("SELECT {work}(true)"),
            format!("DROP TRIGGER {shadow} ON {}", spelled_name(self.table)),
            format!("DROP FUNCTION {sync}(), {work}(boolean)"),
            format!("{head}DROP COLUMN {column}"),
            format!("{head}RENAME COLUMN {shadow} TO {column}"),
        ];
        sql.extend(self.carried.swapped.iter().map(|after| after.replacen("ALTER TABLE ", head, 1)));
        sql.join(";\n")
    }

    fn commands(&self) -> impl Iterator<Item = &(AlterCommand, Range<usize>)> {
        self.case.alter().into_iter().flat_map(|alter| &alter.commands)
    }

    fn has_default_command(&self) -> bool {
        self.commands().any(|(command, _)| match command {
            AlterCommand::Default(column) | AlterCommand::DropDefault(column) => column == self.column,
            _ => false,
        })
    }

    /// What the same ALTER TABLE gives it as its default.
    fn given_default(&self) -> Option<&str> {
        let is_it = |command: &AlterCommand| matches!(command, AlterCommand::Default(column) if column == self.column);
        let (_, span) = self.commands().filter(|(command, _)| is_it(command)).last()?;
        let text = self.case.words(span);
        let mut cursor = Cursor::new(text)?;
        cursor.until(&["SET"], &[]);
        cursor.expect(&["SET", "DEFAULT"])?;
        text.get(cursor.offset()..)
    }
}

fn is_type(command: &AlterCommand) -> bool {
    matches!(command, AlterCommand::SetType { .. })
}

/// What closes an expression in parentheses; a comment may be its end.
fn line_end(expression: &str) -> &'static str {
    if expression.contains("--") { "\n)" } else { ")" }
}

/// A dollar quote that the text does not hold.
fn tag_for(text: &str) -> String {
    let mut tag = "$teal$".to_owned();
    while text.contains(&tag) {
        tag = format!("$t{}", tag.trim_start_matches('$'));
    }
    tag
}

/// The columns that a USING expression reads; fails where it is not the same for every row at every time.
fn reads(using: &str, known: &crate::ddl::known::Table, own: &Ident, several: bool) -> Result<Vec<Ident>, String> {
    const MOMENT: [&str; 19] = [
        "now",
        "current_date",
        "current_time",
        "current_timestamp",
        "localtime",
        "localtimestamp",
        "current_user",
        "session_user",
        "user",
        "current_role",
        "current_schema",
        "current_catalog",
        "current_setting",
        "transaction_timestamp",
        "statement_timestamp",
        "current_database",
        "'now'",
        "'today'",
        "'tomorrow'",
    ];
    let Some(mut cursor) = Cursor::new(using) else { return Err("its USING can't be read here".to_owned()) };
    let (mut reads, mut words) = (Vec::new(), Vec::new());
    while let Some(token) = cursor.peek() {
        words.push(cursor.text(token.span()).to_lowercase());
        match cursor.ident() {
            Some(name) if known.columns.contains_key(&name.0) && !reads.contains(&name) => reads.push(name),
            Some(_) => {}
            None => {
                cursor.advance();
            }
        }
    }
    if volatility(using) != Volatility::Stable {
        return Err("its USING calls what may give another value every time, or what is not known here".to_owned());
    }
    if words.iter().any(|word| MOMENT.contains(&word.as_str())) {
        return Err("its USING depends on when or by whom it is run".to_owned());
    }
    if several && reads.iter().any(|column| column != own) {
        return Err("its USING reads other columns, and another one's type is set as well".to_owned());
    }
    if reads.iter().any(|column| known.columns.get(&column.0).is_some_and(|column| column.made)) {
        return Err("its USING reads a column that the server fills".to_owned());
    }
    if reads.is_empty() {
        reads.push(own.clone());
    }
    Ok(reads)
}

/// Whether a value of one type is taken into a column of the other without USING (`pg_cast`, context assignment or implicit,
/// 14 to 18; to strings: any).
fn is_assigned(from: &DataType, to: &DataType) -> bool {
    const GROUPS: [&[&str]; 5] = [
        &["smallint", "integer", "bigint", "numeric", "real", "double precision"],
        &["date", "timestamp", "timestamptz"],
        &["time", "timetz"],
        &["json", "jsonb"],
        &["bit", "bit varying"],
    ];
    let string = |data_type: &DataType| {
        data_type.schema.is_none() && matches!(data_type.base.as_str(), "text" | "character varying" | "character")
    };
    if from.array != to.array {
        return string(to) && !to.array;
    }
    if from.schema.is_some() || to.schema.is_some() {
        return string(to) || (from.base == to.base && from.schema == to.schema);
    }
    let together = GROUPS.iter().any(|group| group.contains(&from.base.as_str()) && group.contains(&to.base.as_str()));
    from.base == to.base || together || string(to)
}
