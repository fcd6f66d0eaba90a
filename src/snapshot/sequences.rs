//! Sequence values: in no section of the dump, and never in a snapshot.

use std::collections::HashMap;

use crate::error::{Context, Result};
use crate::postgres::{Db, Name};

/// A sequence of green and what it was set to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SequenceSet {
    /// Which.
    pub name: Name,
    /// Blue's value.
    pub blue: i64,
    /// What green's is now.
    pub green: i64,
}

/// Where a sequence stands.
#[derive(Debug, Clone, Copy)]
struct Position {
    last: i64,
    /// Whether `last` was given out; the first value was not, in a new sequence.
    called: bool,
}

/// The bounds and direction of a blue sequence.
#[derive(Debug, Clone, Copy)]
struct Course {
    increment: i64,
    min: i64,
    max: i64,
    cycle: bool,
}

/// Sets green's sequences to blue's values plus `margin` steps, and gives what was set.
///
/// Blue's values are those of now: sequences are in no snapshot, so under the fence they are final. A sequence that a
/// migration renamed, moved or replaced is found again as [`remember_sequences`] knew it; one that green lacks (a
/// migration dropped it) is left out. One that is further on green (a migration took values) stays
/// there, but for cycling ones, which have no further. A margin that would pass the sequence's end is not added.
pub async fn set_sequences(blue: &Db, green: &Db, margin: i64) -> Result<Vec<SequenceSet>> {
    let there = read_courses(green).await?;
    let heirs = read_heirs(green).await?;
    let mut set = Vec::new();
    for (on_blue, course) in read_courses(blue).await? {
        let name = match heirs.get(&on_blue) {
            Some(heir) => heir.clone(),
            None if there.iter().any(|(on_green, _)| *on_green == on_blue)
                && !heirs.values().any(|heir| *heir == on_blue) =>
            {
                on_blue.clone()
            }
            None => continue,
        };
        let from = read_position(blue, &on_blue).await?;
        let wanted = ahead(from, course, margin);
        let stands = read_position(green, &name).await?;
        let position = if !course.cycle && is_further(stands, wanted, course) { stands } else { wanted };
        let sql = "SELECT pg_catalog.setval($1::text::regclass, $2, $3)";
        green.row(sql, &[&name.to_string(), &position.last, &position.called]).await?;
        set.push(SequenceSet { name, blue: from.last, green: position.last });
    }
    Ok(set)
}

/// Writes down which of green's sequences is which of blue's, by OID, while the copy's names are still blue's.
pub async fn remember_sequences(green: &Db) -> Result<()> {
    green.run(include_str!("../postgres/sql/remember_sequences.sql")).await.context("remembering the sequences")?;
    Ok(())
}

/// Blue's names of sequences and what they are called on green now. None where nobody wrote them down.
async fn read_heirs(green: &Db) -> Result<HashMap<Name, Name>> {
    let kept: bool = green.row("SELECT pg_catalog.to_regclass('teal.sequence') IS NOT NULL", &[]).await?.get(0);
    if !kept {
        return Ok(HashMap::new());
    }
    let rows = green.rows(include_str!("../postgres/sql/select_sequence_heirs.sql"), &[]).await?;
    let name = |row: &tokio_postgres::Row, schema: &str, name: &str| {
        Name::new(row.get::<_, &str>(schema), row.get::<_, &str>(name))
    };
    Ok(rows.iter().map(|row| (name(row, "schema", "name"), name(row, "heir_schema", "heir_name"))).collect())
}

async fn read_courses(db: &Db) -> Result<Vec<(Name, Course)>> {
    let rows = db.rows(include_str!("../postgres/sql/select_sequences.sql"), &[]).await?;
    let course = |row: &tokio_postgres::Row| Course {
        increment: row.get("increment"),
        min: row.get("min"),
        max: row.get("max"),
        cycle: row.get("cycle"),
    };
    let name = |row: &tokio_postgres::Row| Name::new(row.get::<_, &str>("schema"), row.get::<_, &str>("name"));
    Ok(rows.iter().map(|row| (name(row), course(row))).collect())
}

async fn read_position(db: &Db, name: &Name) -> Result<Position> {
    let row = db.row(&format!("SELECT last_value, is_called FROM {name}"), &[]).await?;
    Ok(Position { last: row.get(0), called: row.get(1) })
}

/// `margin` steps on, in the sequence's own direction; the same where that would pass its end.
fn ahead(from: Position, course: Course, margin: i64) -> Position {
    let last = course.increment.checked_mul(margin).and_then(|distance| from.last.checked_add(distance));
    match last {
        Some(last) if (course.min..=course.max).contains(&last) => Position { last, ..from },
        _ => from,
    }
}

fn is_further(a: Position, b: Position, course: Course) -> bool {
    let along = |p: Position| (if course.increment < 0 { !p.last } else { p.last }, p.called);
    along(a) > along(b)
}

#[cfg(test)]
mod tests {
    use super::*;

    const UP: Course = Course { increment: 2, min: 1, max: 100, cycle: false };
    const DOWN: Course = Course { increment: -1, min: i64::MIN, max: -1, cycle: false };

    fn at(last: i64) -> Position {
        Position { last, called: true }
    }

    #[test]
    fn a_margin_goes_the_sequence_s_own_way_and_never_past_its_end() {
        assert_eq!(ahead(at(10), UP, 5).last, 20);
        assert_eq!(ahead(at(99), UP, 5).last, 99);
        assert_eq!(ahead(at(-10), DOWN, 5).last, -15);
        assert_eq!(ahead(at(i64::MIN), DOWN, 5).last, i64::MIN);
    }

    #[test]
    fn further_follows_the_direction() {
        assert!(is_further(at(11), at(10), UP));
        assert!(is_further(at(-11), at(-10), DOWN));
        assert!(is_further(at(1), Position { last: 1, called: false }, UP));
    }
}
