//! From columns to candidates for events: what tells that a row's fact has ended, and how sure that is.

use super::facts::{Column, Kind, TableFacts};
use super::trace::counterpart;
use super::words::{self, Sense};
use crate::postgres::literal;

/// A table of this weight holds access or says who has it: its ends are captured unless something speaks against it.
const WEIGHTY: u8 = 2;
/// Only tables that hold access itself are captured for their deleted rows alone.
const ACCESS: u8 = 3;

/// What tells that a row's fact has ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Sign {
    /// A boolean: `live` is its value while the row lives. With it, a moment of the same stem, set along.
    Flag {
        /// The column's catalog number.
        column: i32,
        /// Its value in a live row.
        live: bool,
        /// `revoked_at` beside `revoked`.
        moment: Option<i32>,
    },
    /// A moment that is NULL while the row lives.
    Moment {
        /// The column's catalog number.
        column: i32,
    },
    /// A state with values for both.
    State {
        /// The column's catalog number.
        column: i32,
        /// The values of a live row.
        live: Vec<String>,
        /// The values of an ended one.
        ended: Vec<String>,
    },
    /// Nothing but that the row is there.
    Row,
}

/// One candidate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    /// The table's OID on blue.
    pub table: u32,
    /// What tells the end.
    pub sign: Sign,
    /// The event's name.
    pub name: String,
    /// The most telling first.
    pub weight: u8,
    /// What it was derived from.
    pub because: String,
    /// Why it stays a comment; empty where it is sure.
    pub doubts: Vec<String>,
    /// Whether its table seems to hold no access: then only its owner can say that its ends matter.
    pub elsewhere: bool,
}

/// All candidates, the weightiest first, then by table; those of one table in the order of its columns.
pub fn candidates(tables: &[TableFacts]) -> Vec<Candidate> {
    let mut all: Vec<Candidate> = tables.iter().flat_map(of_table).collect();
    // Stable: what is equal stays in the order of the catalog.
    all.sort_by_key(|candidate| (!candidate.doubts.is_empty(), std::cmp::Reverse(candidate.weight)));
    all
}

fn of_table(table: &TableFacts) -> Vec<Candidate> {
    let weight = words::weight(&table.name.object.0);
    let mut found: Vec<Candidate> =
        table.columns.iter().filter(|column| !column.generated).filter_map(|c| of_column(table, c, weight)).collect();
    // `revoked_at` beside `revoked` is one sign, not two.
    let along: Vec<i32> = found.iter().filter_map(|candidate| candidate.sign.moment()).collect();
    found.retain(|candidate| !matches!(candidate.sign, Sign::Moment { column } if along.contains(&column)));
    let sure = found.iter().any(|candidate| candidate.doubts.is_empty());
    if !sure && weight >= ACCESS {
        found.push(of_row(table, weight));
    }
    if table.key.is_empty() {
        for candidate in &mut found {
            candidate.doubts.push("no primary key and no unique index tell its rows apart: key = [\"…\"]".to_owned());
        }
    }
    found
}

/// The signs that only some columns of a table give, by number: what pending migrations added.
pub fn signs_among(table: &TableFacts, numbers: &[i32]) -> Vec<Sign> {
    let added = TableFacts {
        columns: table.columns.iter().filter(|column| numbers.contains(&column.number)).cloned().collect(),
        ..table.clone()
    };
    let found = of_table(&added).into_iter().map(|candidate| candidate.sign);
    // A state without a value for one of both says nothing.
    found.filter(|sign| *sign != Sign::Row && sign.live(table).is_some() && sign.ending(table).is_some()).collect()
}

fn of_column(table: &TableFacts, column: &Column, weight: u8) -> Option<Candidate> {
    let stem = words::stem(&column.name.0);
    let name = |what: &str| format!("{} {what}", table.plain());
    let mut doubts = Vec::new();
    let unclear = |sense: Sense| (sense == Sense::Unclear).then(|| format!("{} may be no end", column.name.0));
    let (sign, name, because) = match column.kind {
        Kind::Boolean if words::lives(&stem.word) => {
            let sign = Sign::Flag { column: column.number, live: true, moment: None };
            (sign, name(&format!("no longer {}", stem.word)), described(column))
        }
        Kind::Boolean => {
            doubts.extend(unclear(words::end(&stem.word)?));
            let moment = table.columns.iter().find(|other| {
                let other_stem = words::stem(&other.name.0);
                other.kind == Kind::Time && !other.not_null && other_stem.moment && other_stem.word == stem.word
            });
            let sign = Sign::Flag { column: column.number, live: false, moment: moment.map(|moment| moment.number) };
            (sign, name(&stem.word.replace('_', " ")), described(column))
        }
        Kind::Time if !column.not_null => {
            doubts.extend(unclear(words::end(&stem.word)?));
            (Sign::Moment { column: column.number }, name(&stem.word.replace('_', " ")), described(column))
        }
        Kind::Enum | Kind::Text if words::is_state(&column.name.0) => of_state(table, column, &mut doubts)?,
        Kind::Integer if words::is_state(&column.name.0) => {
            // What its numbers mean stands in the application alone.
            doubts.push(
                "what its numbers mean is not in the catalog: fill in those of a live and of an ended row".into(),
            );
            let sign = Sign::State { column: column.number, live: vec!["0".into()], ended: vec!["1".into()] };
            (sign, name(&format!("{} ended", column.name.0)), described(column))
        }
        _ => return None,
    };
    let elsewhere = weight < WEIGHTY;
    if elsewhere {
        doubts.push(format!("whether the ends of {} must reach green is yours to say", table.plain()));
    }
    Some(Candidate { table: table.oid, sign, name, weight, because, doubts, elsewhere })
}

fn of_state(table: &TableFacts, column: &Column, doubts: &mut Vec<String>) -> Option<(Sign, String, String)> {
    let declared = !column.allowed.is_empty();
    let values: Vec<String> =
        if declared { column.allowed.clone() } else { column.common.iter().map(|(value, _)| value.clone()).collect() };
    let ended: Vec<String> = values.iter().filter(|value| words::has_ended(value)).cloned().collect();
    let live: Vec<String> = values.iter().filter(|value| words::lives(value)).cloned().collect();
    // A state that nothing ends says nothing of an end.
    if ended.is_empty() {
        return None;
    }
    let neither: Vec<&str> =
        values.iter().filter(|v| !ended.contains(v) && !live.contains(v)).map(String::as_str).collect();
    if !declared {
        doubts.push("its values are those that statistics have seen; nothing says that there are no others".to_owned());
    }
    if live.is_empty() {
        doubts.push("no value of it is known to mean live: all but the ended ones are taken for it".to_owned());
    }
    if !neither.is_empty() {
        doubts.push(format!("whether {} live or have ended is not known", neither.join(", ")));
    }
    let name = match live.as_slice() {
        [one] => format!("{} no longer {one}", table.plain()),
        _ => format!("{} {} ended", table.plain(), column.name.0),
    };
    let because = format!("{}, values {}", described(column), values.join(", "));
    Some((Sign::State { column: column.number, live, ended }, name, because))
}

fn of_row(table: &TableFacts, weight: u8) -> Candidate {
    Candidate {
        table: table.oid,
        sign: Sign::Row,
        name: format!("{} deleted", table.plain()),
        weight,
        because: "no column says that a row has ended: it is there, or it is deleted".to_owned(),
        doubts: Vec::new(),
        elsewhere: false,
    }
}

fn described(column: &Column) -> String {
    format!("column {} {}", column.name.0, column.type_name)
}

impl Sign {
    fn moment(&self) -> Option<i32> {
        match self {
            Self::Flag { moment, .. } => *moment,
            _ => None,
        }
    }

    /// The columns that it reads or sets, by number.
    pub fn columns(&self) -> Vec<i32> {
        match self {
            Self::Flag { column, moment, .. } => [Some(*column), *moment].into_iter().flatten().collect(),
            Self::Moment { column } | Self::State { column, .. } => vec![*column],
            Self::Row => Vec::new(),
        }
    }

    /// The same sign over the columns of green, where `blue`'s own have all come through.
    pub fn carried(&self, blue: &TableFacts, before: &TableFacts, green: &TableFacts) -> Option<Self> {
        let number = |column: i32| {
            let name = &blue.numbered(column)?.name.0;
            Some(counterpart(before, green, name)?.number)
        };
        Some(match self {
            Self::Flag { column, live, moment } => Self::Flag {
                column: number(*column)?,
                live: *live,
                moment: match moment {
                    Some(moment) => Some(number(*moment)?),
                    None => None,
                },
            },
            Self::Moment { column } => Self::Moment { column: number(*column)? },
            Self::State { column, live, ended } => {
                Self::State { column: number(*column)?, live: live.clone(), ended: ended.clone() }
            }
            Self::Row => Self::Row,
        })
    }

    /// A condition that is true for live rows, over the columns as `table` has them now.
    pub fn live(&self, table: &TableFacts) -> Option<String> {
        Some(match self {
            Self::Flag { column, live, .. } => {
                let column = table.numbered(*column)?;
                match (live, column.not_null) {
                    (true, _) => column.written.clone(),
                    (false, true) => format!("NOT {}", column.written),
                    (false, false) => format!("{} IS NOT TRUE", column.written),
                }
            }
            Self::Moment { column } => format!("{} IS NULL", table.numbered(*column)?.written),
            Self::State { column, live, ended } => {
                let column = table.numbered(*column)?;
                let list =
                    |values: &[String]| values.iter().map(|one| value(column, one)).collect::<Vec<_>>().join(", ");
                match live.as_slice() {
                    [] => format!("{} NOT IN ({})", column.written, list(ended)),
                    [one] => format!("{} = {}", column.written, value(column, one)),
                    several => format!("{} IN ({})", column.written, list(several)),
                }
            }
            Self::Row => "true".to_owned(),
        })
    }

    /// What an UPDATE sets to end a row; none for [`Sign::Row`], whose end is a DELETE.
    pub fn ending(&self, table: &TableFacts) -> Option<String> {
        Some(match self {
            Self::Flag { column, live, moment } => {
                let flag = format!("{} = {}", table.numbered(*column)?.written, !live);
                match moment {
                    Some(moment) => format!("{flag}, {} = now()", table.numbered(*moment)?.written),
                    None => flag,
                }
            }
            Self::Moment { column } => format!("{} = now()", table.numbered(*column)?.written),
            Self::State { column, ended, .. } => {
                let column = table.numbered(*column)?;
                format!("{} = {}", column.written, value(column, words::strongest(ended)?))
            }
            Self::Row => return None,
        })
    }
}

fn value(column: &Column, text: &str) -> String {
    if column.kind == Kind::Integer { text.to_owned() } else { literal(text) }
}
