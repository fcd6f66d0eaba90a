//! `[[event]]`: what is captured, replayed and proved.

use super::super::excerpt::Problem;
use super::super::file::{Section, Text};
use super::super::{Event, When};
use super::twice;

/// An event's name with its span, and the event if all of it is right.
pub(super) struct Read {
    name: Option<Text>,
    event: Option<Event>,
}

pub(super) fn event(mut section: Section<'_>) -> Read {
    let name = section.required_text("name");
    let table = section.required_text("table");
    let when = when(&mut section);
    let has_key = section.has("key");
    let key = key(&mut section);
    let replay = replay(&mut section);
    let verify = section.required_text("verify");
    section.end();
    let event = (|| {
        Some(Event {
            name: name.clone()?.value,
            table: table?.value,
            when: when?,
            key: if has_key { Some(key?) } else { None },
            replay: replay?,
            verify: verify?.value,
        })
    })();
    Read { name, event }
}

/// All events, if all are right and no name stands twice.
pub(super) fn unique(top: &Section<'_>, events: Vec<Read>) -> Option<Vec<Event>> {
    twice(top, "event", events.iter().filter_map(|read| read.name.as_ref()));
    events.into_iter().map(|read| read.event).collect()
}

fn when(section: &mut Section<'_>) -> Option<When> {
    let ends = section.text("ends");
    let begins = section.text("begins");
    match (section.has("ends"), section.has("begins")) {
        (true, true) => {
            section.refuse("begins", "\"ends\" and \"begins\" exclude each other");
            None
        }
        (false, false) => {
            let what = "[[event]] needs either \"ends\" or \"begins\": the condition whose change is the event";
            section.file.problem(Problem::new(section.span.clone(), what));
            None
        }
        (true, false) => ends.map(|sql| When::Ends(sql.value)),
        (false, true) => begins.map(|sql| When::Begins(sql.value)),
    }
}

fn key(section: &mut Section<'_>) -> Option<Vec<String>> {
    let value = section.value("key")?;
    let file = section.file;
    let columns = file.list_of("key", value)?;
    if columns.is_empty() {
        file.problem(Problem::new(value.span(), "\"key\" names no column (left out, it is the primary key)"));
        return None;
    }
    let columns: Option<Vec<Text>> = columns.into_iter().map(|column| file.filled("key", column)).collect();
    let columns = columns?;
    twice(section, "column of the key", columns.iter());
    Some(columns.into_iter().map(|column| column.value).collect())
}

fn replay(section: &mut Section<'_>) -> Option<Vec<String>> {
    let value = section.required("replay")?;
    let file = section.file;
    let statements =
        if value.get_ref().is_array() { file.list_of("replay", value)? } else { vec![file.text_of("replay", value)?] };
    if statements.is_empty() {
        file.problem(Problem::new(value.span(), "\"replay\" holds no statement"));
        return None;
    }
    statements.into_iter().map(|statement| file.filled("replay", statement).map(|sql| sql.value)).collect()
}
