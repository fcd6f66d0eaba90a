//! What one statement will do to a live database, judged from its words and from what is known of the catalog.
//!
//! Locks, rewrites and scans are those of Postgres 14 to 18; `tests/ddl_truth.rs` runs every shape on a real server and
//! compares. No statement is judged milder than the truth; where it can't be told, the judgement is the harder one and
//! says that it can't be told.

mod alter;
mod expression;
mod object;

use std::ops::Range;

use super::known::{Known, Relation};
use super::lock::LockMode;
use super::read::{Reading, Written};

pub use expression::{Volatility, volatility};
pub use object::assess;

/// What a statement does to one relation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Touch {
    /// The relation.
    pub relation: Relation,
    /// The strongest lock that it takes there.
    pub mode: LockMode,
    /// Whether the relation's files are written anew under that lock.
    pub rewrite: bool,
    /// Whether all of its rows are read under that lock.
    pub scan: bool,
    /// Whether nobody else can be using it: made in the same unit.
    pub new: bool,
}

impl Touch {
    /// Whether somebody may wait for long: all rows are read or written under a lock that stops readers or writers.
    pub fn holds_up(&self) -> bool {
        !self.new && (self.rewrite || self.scan) && self.mode.blocks_writes()
    }
}

/// Something that can go wrong, under a rule of `rule.rs`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hazard {
    /// The rule's id.
    pub rule: &'static str,
    /// The part of the statement that it is about.
    pub span: Range<usize>,
    /// What it does, one sentence without its end.
    pub what: String,
}

/// What a statement does.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Judgement {
    /// The relations whose locks matter; made ones are not among them.
    pub touches: Vec<Touch>,
    /// What can go wrong.
    pub hazards: Vec<Hazard>,
}

/// A judgement being made.
struct Judge<'a> {
    known: &'a Known,
    /// The statement's text.
    text: &'a str,
    judgement: Judgement,
}

impl Judge<'_> {
    fn touch(&mut self, written: &Written, mode: LockMode) -> &mut Touch {
        self.touch_at(self.known.relation(written), mode)
    }

    /// The relation's touch, raised to `mode`.
    fn touch_at(&mut self, relation: Relation, mode: LockMode) -> &mut Touch {
        let new = self.known.is_new(&relation);
        let touches = &mut self.judgement.touches;
        let at = touches.iter().position(|touch| touch.relation == relation).unwrap_or_else(|| {
            touches.push(Touch { relation, mode, rewrite: false, scan: false, new });
            touches.len() - 1
        });
        // `at` is in range by construction.
        let touch = &mut touches[at];
        touch.mode = touch.mode.max(mode);
        touch
    }

    fn is_new(&self, written: &Written) -> bool {
        self.known.is_new(&self.known.relation(written))
    }

    fn hazard(&mut self, rule: &'static str, span: &Range<usize>, what: impl Into<String>) {
        self.judgement.hazards.push(Hazard { rule, span: span.clone(), what: what.into() });
    }

    fn expression(&self, span: &Range<usize>) -> &str {
        self.text.get(span.clone()).unwrap_or_default()
    }
}

/// Whether the server refuses this inside a transaction block because it gives way to others.
pub fn is_concurrent(reading: &Reading) -> bool {
    use super::read::AlterCommand;
    match reading {
        Reading::CreateIndex(create) => create.concurrently,
        Reading::Drop(drop) => drop.concurrently,
        Reading::Reindex(reindex) => reindex.concurrently,
        Reading::Alter(alter) => {
            alter.commands.iter().any(|(command, _)| matches!(command, AlterCommand::Detach { concurrently: true, .. }))
        }
        _ => false,
    }
}
