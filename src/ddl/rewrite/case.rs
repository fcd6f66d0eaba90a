//! A statement that is being rewritten, and what a rewrite has to say of it.

use std::ops::Range;

use super::{Apply, How, Left, Part, Refused, SafeStep, all};
use crate::ddl::known::{Known, Relation};
use crate::ddl::lex::{Lexer, TokenKind};
use crate::ddl::read::{Alter, AlterCommand, Cursor, Reading, Written};
use crate::postgres::Name;

/// A statement and what is known where it stands.
pub(crate) struct Case<'a> {
    pub text: &'a str,
    pub reading: &'a Reading,
    pub known: &'a Known,
    /// What was known before the statement, where this is one of its commands.
    pub before: &'a Known,
    pub version: u32,
    /// Whether it is accepted that a type is set as it is written.
    pub keeps_type: bool,
}

/// What a rewrite makes of a statement or command.
pub(crate) struct Outcome {
    pub bits: Vec<Bit>,
    pub why: String,
    pub refused: Option<Refused>,
    /// What of it has to be accepted.
    pub condition: Option<Refused>,
}

/// A piece of a safe form.
#[derive(Debug, Clone)]
pub(crate) enum Bit {
    /// A command of the same ALTER TABLE, for a moment; stands in one statement with those beside it.
    Command(String),
    /// A command of the same ALTER TABLE in a statement of its own.
    Alone(String, How),
    /// A statement.
    Step(SafeStep),
    /// Nothing: another command of the statement has it done.
    Gone,
}

impl Bit {
    pub(crate) fn step(sql: impl Into<String>, how: How) -> Self {
        Self::Step(SafeStep::new(sql, how))
    }

    pub(crate) fn brief(sql: impl Into<String>) -> Self {
        Self::step(sql, How::Brief)
    }
}

// What a rewrite returns as it is: an Option, none of them None.
#[allow(clippy::unnecessary_wraps)]
impl Outcome {
    pub(crate) fn of(bits: Vec<Bit>) -> Option<Self> {
        Some(Self { bits, why: String::new(), refused: None, condition: None })
    }

    /// As written, with something to be known about it.
    pub(crate) fn advice(why: impl Into<String>) -> Option<Self> {
        Some(Self { bits: Vec::new(), why: why.into(), refused: None, condition: None })
    }

    pub(crate) fn refused(rule: &'static str, why: impl Into<String>, instead: impl Into<String>) -> Option<Self> {
        let refused = Refused { rule, why: why.into(), instead: instead.into(), accepted: None };
        Some(Self { bits: Vec::new(), why: String::new(), refused: Some(refused), condition: None })
    }
}

impl Case<'_> {
    pub(crate) fn words(&self, span: &Range<usize>) -> &str {
        self.text.get(span.clone()).unwrap_or_default()
    }

    pub(crate) fn alter(&self) -> Option<&Alter> {
        match self.reading {
            Reading::Alter(alter) => Some(alter),
            _ => None,
        }
    }

    /// The table of the ALTER TABLE.
    pub(crate) fn table(&self) -> Option<&Written> {
        self.alter().map(|alter| &alter.name)
    }

    pub(crate) fn is_new(&self, table: &Written) -> bool {
        self.known.is_new(&self.known.relation(table))
    }

    pub(crate) fn is_partitioned(&self, table: &Written) -> bool {
        self.known.table(table).is_some_and(|table| table.partitioned)
    }

    /// A name with its schema, as far as the search path is known.
    pub(crate) fn name(&self, written: &Written) -> Name {
        named(self.known.relation(written))
    }

    /// An object in the schema of a table.
    pub(crate) fn beside(&self, table: &Written, object: &str) -> Name {
        Name::new(self.known.relation(table).0, object)
    }

    /// `ALTER TABLE IF EXISTS`: other statements would fail where it passes over a table that is not there.
    fn may_be_missing(&self) -> bool {
        let Some(mut cursor) = Cursor::new(self.text) else { return true };
        cursor.takes(&["ALTER", "TABLE", "IF", "EXISTS"])
            && self.table().is_none_or(|table| self.known.table(table).is_none_or(|table| table.made_in.is_none()))
    }

    /// The statement's part of the result.
    pub(crate) fn part(&self) -> Part {
        let mut part = Part {
            span: 0..0,
            rewrite: None,
            steps: vec![SafeStep::new(self.text, how_of(self.reading, self.known))],
            why: String::new(),
            lost: None,
            refused: None,
            condition: None,
        };
        for rewrite in all() {
            let Apply::Statement(apply) = rewrite.apply else { continue };
            let Some(outcome) = apply(self) else { continue };
            let steps = outcome.bits.into_iter().filter_map(|bit| match bit {
                Bit::Step(step) => Some(step),
                Bit::Command(_) | Bit::Alone(..) | Bit::Gone => None,
            });
            part.take(rewrite, steps.collect(), outcome.why, outcome.refused);
            return part;
        }
        if let Some(alter) = self.alter().filter(|alter| alter.what == "TABLE") {
            self.alter_part(alter, &mut part);
        }
        part
    }

    fn alter_part(&self, alter: &Alter, part: &mut Part) {
        let mut commands: Vec<&(AlterCommand, Range<usize>)> = alter.commands.iter().collect();
        // The server runs them in its own order, whatever is written; apart they must stand in it.
        commands.sort_by_key(|(command, _)| super::alter::pass(command));
        let mut bits: Vec<(Vec<String>, Bit)> = Vec::new();
        let mut comments = Vec::new();
        // A command meets what those before it made: their names are taken.
        let mut known = std::borrow::Cow::Borrowed(self.known);
        for (number, (command, span)) in commands.iter().enumerate() {
            comments.extend(self.comments_of(alter, span));
            let case = Case { known: &known, before: self.known, ..*self };
            let found = all().find_map(|rewrite| match rewrite.apply {
                Apply::Command(apply) => Some((rewrite, apply(&case, command, span)?)),
                Apply::Statement(_) => None,
            });
            if number + 1 < commands.len() {
                let one = Alter { commands: vec![(command.clone(), span.clone())], ..alter.clone() };
                known.to_mut().take(&Reading::Alter(one), self.text);
            }
            let Some((rewrite, outcome)) = found else {
                let bit = match command {
                    AlterCommand::Validate(_) if alter.commands.len() > 1 => {
                        part.rewrite.get_or_insert(&super::alter::APART);
                        Bit::Alone(self.words(span).to_owned(), How::Long)
                    }
                    _ => Bit::Command(self.words(span).to_owned()),
                };
                bits.push((std::mem::take(&mut comments), bit));
                continue;
            };
            if let Some(refused) = outcome.refused {
                part.condition = None;
                part.take(rewrite, Vec::new(), String::new(), Some(refused));
                return;
            }
            if outcome.bits.is_empty() {
                if !part.why.is_empty() {
                    part.why.push_str("; ");
                }
                part.why += &outcome.why;
                bits.push((std::mem::take(&mut comments), Bit::Command(self.words(span).to_owned())));
            } else {
                part.rewrite = part.rewrite.or(Some(rewrite));
                part.condition = part.condition.take().or(outcome.condition);
                for bit in outcome.bits {
                    let gone = matches!(bit, Bit::Gone);
                    let own = if gone { Vec::new() } else { std::mem::take(&mut comments) };
                    bits.push((own, bit));
                }
            }
        }
        if part.rewrite.is_some() {
            let why = std::mem::take(&mut part.why);
            let rewrite = part.rewrite.take();
            let mut steps = self.statements(alter, bits);
            // What is left belonged to commands that another one does.
            if let Some(last) = steps.last_mut() {
                last.comments.extend(comments);
            }
            let other = steps.iter().any(|step| !step.sql.starts_with(&self.head(alter)));
            if other && self.may_be_missing() {
                part.refused = Some(Refused {
                    rule: rule_of(rewrite),
                    why: "IF EXISTS passes over a table that is not there, and the safe form can't".to_owned(),
                    instead: "leave IF EXISTS out, or give a --schema in which the table is".to_owned(),
                    accepted: None,
                });
            } else if let Some(rewrite) = rewrite {
                part.take(rewrite, steps, why, None);
            }
        }
    }

    /// `ALTER TABLE t `, as written.
    fn head(&self, alter: &Alter) -> String {
        let start = alter.commands.first().map_or(0, |(_, span)| span.start);
        self.text.get(..start).unwrap_or_default().to_owned()
    }

    /// The comments that belong to a command: behind it on its line, and on the lines before it.
    fn comments_of(&self, alter: &Alter, command: &Range<usize>) -> Vec<String> {
        let end = |span: &Range<usize>| span.end;
        let before = alter.commands.iter().map(|(_, span)| end(span)).filter(|end| *end <= command.start).max();
        let after = alter.commands.iter().map(|(_, span)| span.start).filter(|start| *start >= command.end).min();
        let in_gap = |gap: Range<usize>, behind: bool| {
            let text = self.words(&gap);
            let tokens = Lexer::new(text).map_while(Result::ok).filter(|token| token.kind == TokenKind::Comment);
            let on_its_line = |at: usize| !text.get(..at).unwrap_or_default().contains('\n');
            let own = tokens.filter(|token| on_its_line(token.start) == behind);
            own.map(|token| token.text(text).trim_end().to_owned()).collect::<Vec<_>>()
        };
        let mut comments = before.map(|from| in_gap(from..command.start, false)).unwrap_or_default();
        comments.extend(after.map(|to| in_gap(command.end..to, true)).unwrap_or_default());
        comments
    }

    fn statements(&self, alter: &Alter, bits: Vec<(Vec<String>, Bit)>) -> Vec<SafeStep> {
        let head = self.head(alter);
        // Between its commands stands what stood there, if that is no more than a comma and blanks.
        let between = alter.commands.first().zip(alter.commands.get(1)).map(|(one, two)| one.1.end..two.1.start);
        let between = between.map(|span| self.words(&span)).filter(|text| text.trim() == ",").unwrap_or(", ");
        let mut steps: Vec<SafeStep> = Vec::new();
        let mut open = false;
        for (comments, bit) in bits {
            match bit {
                Bit::Command(command) => {
                    if let Some(last) = steps.last_mut().filter(|_| open) {
                        last.sql += between;
                        last.sql += &command;
                        last.comments.extend(comments);
                    } else {
                        steps.push(SafeStep { comments, ..SafeStep::new(format!("{head}{command}"), How::Brief) });
                        open = true;
                    }
                }
                Bit::Alone(command, how) => {
                    steps.push(SafeStep { comments, ..SafeStep::new(format!("{head}{command}"), how) });
                    open = false;
                }
                Bit::Step(step) => {
                    steps.push(SafeStep { comments, ..step });
                    open = false;
                }
                Bit::Gone => {}
            }
        }
        steps
    }
}

impl Part {
    fn take(&mut self, rewrite: &'static super::Rewrite, steps: Vec<SafeStep>, why: String, refused: Option<Refused>) {
        self.refused = refused;
        self.why = why;
        if steps.is_empty() {
            return;
        }
        if self.why.is_empty() {
            rewrite.why.clone_into(&mut self.why);
        }
        if steps.len() > 1 && !rewrite.halfway.is_empty() {
            self.lost = Some(format!("{} steps instead of one: if it stops halfway, {}", steps.len(), rewrite.halfway));
        }
        self.rewrite = Some(rewrite);
        self.steps = steps;
    }
}

/// The rule of `lint` that the statement falls under as it is.
fn rule_of(rewrite: Option<&'static super::Rewrite>) -> &'static str {
    match rewrite.map(|rewrite| rewrite.id) {
        Some("unique" | "primary-key") => "unique-builds-index",
        Some("not-null") => "set-not-null-scans",
        _ => "add-column-rewrites",
    }
}

pub(crate) fn named(relation: Relation) -> Name {
    Name::new(relation.0, relation.1)
}

/// How a statement runs as it is written.
pub(crate) fn how_of(reading: &Reading, known: &Known) -> How {
    let name = |written: &Written| named(known.relation(written));
    match reading {
        Reading::CreateIndex(create) if create.concurrently => {
            let index = create.name.as_ref();
            let leaves = index.map(|index| Left::Index(Name::new(known.relation(&create.table).0, index.0.clone())));
            How::Concurrent { leaves }
        }
        Reading::Drop(drop) if drop.concurrently => {
            How::Concurrent { leaves: drop.names.first().map(|index| Left::Dropping(name(index))) }
        }
        Reading::Reindex(reindex) if reindex.concurrently => {
            How::Concurrent { leaves: reindex.target.as_ref().map(|target| Left::Copies(name(target))) }
        }
        Reading::Reindex(reindex) if reindex.target.is_none() => How::Concurrent { leaves: None },
        Reading::Vacuum { .. } | Reading::Cluster(None) => How::Concurrent { leaves: None },
        Reading::Alter(alter) => match alter.commands.as_slice() {
            [(AlterCommand::Detach { partition, concurrently: true }, _)] => How::Concurrent {
                leaves: Some(Left::Detaching { parent: name(&alter.name), partition: name(partition) }),
            },
            [(AlterCommand::Validate(_), _)] => How::Long,
            _ => How::Brief,
        },
        Reading::Refresh { concurrently: true, .. } | Reading::Quiet("ANALYZE") => How::Long,
        Reading::Update { table, .. } | Reading::Delete { table, .. } if !known.is_new(&known.relation(table)) => {
            How::Long
        }
        Reading::Insert { from_query: true, .. } => How::Long,
        Reading::CreateTable(create) if create.from_query => How::Long,
        _ => How::Brief,
    }
}
