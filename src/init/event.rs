//! One candidate as the plan writes it: captured in blue's words, replayed and verified in green's.

use super::candidate::{Candidate, Sign, signs_among};
use super::facts::{Column, TableFacts};
use super::trace::{Fate, Fates, counterpart, new_columns};

/// One event of the plan, on or as a comment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Draft {
    /// The table on blue.
    pub table: u32,
    /// The event's name.
    pub name: String,
    /// The table as the plan writes it.
    pub written: String,
    /// The predicate over blue's columns.
    pub ends: String,
    /// The key, where it is not the primary one.
    pub key: Option<Vec<String>>,
    /// The key columns on blue, as SQL wants them.
    pub key_on_blue: Vec<String>,
    /// The key columns on green.
    pub key_on_green: Vec<String>,
    /// The table on green.
    pub green: String,
    /// The condition of a live row on green.
    pub live_on_green: String,
    /// The statement that ends a row on green.
    pub replay: String,
    /// The query that must find none.
    pub verify: String,
    /// What it was derived from.
    pub because: Vec<String>,
    /// What keeps it a comment.
    pub doubts: Vec<Doubt>,
    elsewhere: bool,
}

/// Why an event stays a comment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Doubt {
    /// For people.
    pub what: String,
    /// Who can settle it.
    pub by: Settler,
}

/// Who can settle a doubt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Settler {
    /// A person, who knows what blue's columns mean or what must travel.
    Person,
    /// A person, who must write other statements for green: those that are there are an example.
    Rewriting,
    /// Rows on a migrated copy.
    Rows,
}

impl Doubt {
    /// One that a person settles.
    pub fn new(what: impl Into<String>) -> Self {
        Self { what: what.into(), by: Settler::Person }
    }

    /// One that says that the statements are wrong, or made for a green that nobody has seen.
    pub fn about_green(what: impl Into<String>) -> Self {
        Self { what: what.into(), by: Settler::Rewriting }
    }

    fn provable(what: String) -> Self {
        Self { what, by: Settler::Rows }
    }
}

impl Draft {
    /// Whether it is written as an event, not as a comment.
    pub fn is_on(&self) -> bool {
        self.doubts.is_empty()
    }

    /// Whether its table seems to hold no access.
    pub fn is_elsewhere(&self) -> bool {
        self.elsewhere
    }

    /// Whether rows would settle all that keeps it a comment.
    pub fn waits_for_rows(&self) -> bool {
        !self.is_on() && self.doubts.iter().all(|doubt| doubt.by == Settler::Rows)
    }

    /// Whether its statements are only an example: green has not what they name.
    pub fn is_example(&self) -> bool {
        self.doubts.iter().any(|doubt| doubt.by == Settler::Rewriting)
    }
}

/// Writes a candidate for green, as far as is known what green will be.
pub fn draft(candidate: &Candidate, blue: &TableFacts, fates: &Fates) -> Option<Draft> {
    let ends = candidate.sign.live(blue)?;
    let mut doubts: Vec<Doubt> = candidate.doubts.iter().map(Doubt::new).collect();
    let mut because = vec![candidate.because.clone()];
    if let Some(column) = blue.key.iter().find(|column| blue.partition_columns.contains(column)) {
        // guard/event-partition: only a person knows whether rows move.
        doubts.push(Doubt::new(format!(
            "its key holds {}, which decides the partition: an event of a row that moved to another one would be lost; does it ever change?",
            column.0
        )));
    }
    // Where green is not known, blue's own words stand as an example.
    let side = match fates.of(blue) {
        Fate::Kept { before, green } => on_green(candidate, blue, before, green, &mut doubts, &mut because),
        Fate::Dropped => {
            doubts.push(Doubt::about_green(
                "pending migrations drop this table: replay and verify are for what takes its place",
            ));
            None
        }
        Fate::Unknown(why) => {
            doubts.push(Doubt::about_green(format!("what pending migrations do to this table is not known: {why}")));
            None
        }
    };
    let side = match side {
        Some(side) => side,
        None => Side::of_blue(candidate, blue)?,
    };
    let written = |names: &[Column]| names.iter().map(|column| column.written.clone()).collect::<Vec<_>>();
    let key: Vec<Column> = blue.key.iter().filter_map(|name| blue.column(&name.0).cloned()).collect();
    let matches: Vec<String> =
        side.key.iter().zip(&key).map(|(green, blue)| format!("{} = :{}", green.written, blue.written)).collect();
    let matches = matches.join(" AND ");
    let live = if side.live == "true" { String::new() } else { format!(" AND {}", side.live) };
    let replay = match &side.ending {
        Some(ending) => format!("UPDATE {} SET {ending} WHERE {matches}{live}", side.table),
        None => format!("DELETE FROM {} WHERE {matches}", side.table),
    };
    Some(Draft {
        table: blue.oid,
        name: candidate.name.clone(),
        written: blue.written.clone(),
        ends,
        key: (!blue.key_is_primary && !blue.key.is_empty()).then(|| blue.key.iter().map(|k| k.0.clone()).collect()),
        key_on_blue: written(&key),
        key_on_green: written(&side.key),
        verify: format!("SELECT 1 FROM {} WHERE {matches}{live}", side.table),
        green: side.table,
        live_on_green: side.live,
        replay,
        because,
        doubts,
        elsewhere: candidate.elsewhere,
    })
}

/// Green's words for one event.
struct Side {
    table: String,
    key: Vec<Column>,
    live: String,
    ending: Option<String>,
}

impl Side {
    fn of_blue(candidate: &Candidate, blue: &TableFacts) -> Option<Self> {
        Some(Self {
            table: blue.written.clone(),
            key: blue.key.iter().filter_map(|name| blue.column(&name.0).cloned()).collect(),
            live: candidate.sign.live(blue)?,
            ending: candidate.sign.ending(blue),
        })
    }
}

fn on_green(
    candidate: &Candidate,
    blue: &TableFacts,
    before: &TableFacts,
    green: &TableFacts,
    doubts: &mut Vec<Doubt>,
    because: &mut Vec<String>,
) -> Option<Side> {
    if green.name != before.name {
        because.push(format!("{} on green", green.plain()));
    }
    let key: Option<Vec<Column>> = blue.key.iter().map(|name| counterpart(before, green, &name.0).cloned()).collect();
    let Some(key) = key else {
        doubts.push(Doubt::about_green(
            "pending migrations drop a column of its key: find the row by what green has instead",
        ));
        return None;
    };
    if candidate.sign == Sign::Row {
        return Some(Side { table: green.written.clone(), key, live: "true".to_owned(), ending: None });
    }
    let new: Vec<i32> = new_columns(before, green).map(|column| column.number).collect();
    let also = signs_among(green, &new);
    let carried = candidate.sign.carried(blue, before, green);
    let signs: Vec<&Sign> = match &carried {
        Some(sign) => std::iter::once(sign).chain(&also).collect(),
        None => also.iter().collect(),
    };
    let named: Vec<&str> =
        also.iter().flat_map(Sign::columns).filter_map(|n| Some(green.numbered(n)?.name.0.as_str())).collect();
    match (&carried, named.is_empty()) {
        (Some(sign), true) => doubts.extend(changed_type(candidate, sign, blue, green)),
        (Some(_), false) => doubts.push(Doubt::provable(format!(
            "pending migrations add {}, which seems to say the same: is it rightly set along?",
            named.join(", ")
        ))),
        (None, false) => doubts.push(Doubt::provable(format!(
            "pending migrations drop {}; green's {} seems to take its place",
            missing(candidate, blue, before, green),
            named.join(", ")
        ))),
        (None, true) => {
            doubts.push(Doubt::about_green(format!(
                "pending migrations drop {}, and no column that they add seems to take its place",
                missing(candidate, blue, before, green)
            )));
            return None;
        }
    }
    let endings: Vec<String> = signs.iter().filter_map(|sign| sign.ending(green)).collect();
    Some(Side {
        table: green.written.clone(),
        key,
        live: signs.first()?.live(green)?,
        ending: (!endings.is_empty()).then(|| endings.join(", ")),
    })
}

/// The columns of the sign that green has no more.
fn missing(candidate: &Candidate, blue: &TableFacts, before: &TableFacts, green: &TableFacts) -> String {
    let names = candidate.sign.columns().into_iter().filter_map(|number| blue.numbered(number));
    let gone = names.filter(|column| counterpart(before, green, &column.name.0).is_none());
    gone.map(|column| column.name.0.clone()).collect::<Vec<_>>().join(", ")
}

fn changed_type(candidate: &Candidate, on_green: &Sign, blue: &TableFacts, green: &TableFacts) -> Option<Doubt> {
    let pairs = candidate.sign.columns().into_iter().zip(on_green.columns());
    let mut columns =
        pairs.filter_map(|(on_blue, on_green)| Some((blue.numbered(on_blue)?, green.numbered(on_green)?)));
    let (before, after) =
        columns.find(|(blue, green)| blue.type_name != green.type_name || blue.allowed != green.allowed)?;
    Some(Doubt::provable(format!(
        "pending migrations change {} from {} to {}, or the values that it may hold",
        before.name.0, before.type_name, after.type_name
    )))
}
