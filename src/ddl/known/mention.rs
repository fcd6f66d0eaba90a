//! Views, triggers, policies and the like: what names tables and columns in its text, and stands in the way of whoever takes
//! these away.

use std::collections::BTreeSet;

use super::{Known, Relation};
use crate::ddl::read::{Cursor, DropWhat, Reading};

/// One of them.
#[derive(Debug, Clone)]
pub(super) struct Mention {
    /// `view`, `trigger`, …
    what: &'static str,
    /// Schema and name of a view; table and name of a trigger, rule or policy; else nothing.
    name: Relation,
    /// All names in it, `*` included.
    names: BTreeSet<String>,
}

impl Known {
    /// What is known to name a column of a table in its text: `view public.live`. A view that names the table and asks for
    /// all columns counts.
    pub fn mention_of(&self, table: &Relation, column: &str) -> Option<String> {
        let names = |mention: &&Mention| {
            let all = mention.what != "policy" && mention.names.contains("*");
            mention.names.contains(&table.1) && (mention.names.contains(column) || all)
        };
        self.mentions.iter().find(names).map(Mention::shown)
    }

    /// A trigger of a table: it fires for every row that is written.
    pub fn trigger_of(&self, table: &Relation) -> Option<String> {
        let fires = |mention: &&Mention| mention.what == "trigger" && mention.name.0 == table.1;
        self.mentions.iter().find(fires).map(Mention::shown)
    }

    /// Takes in what a statement makes or drops of these.
    pub(super) fn take_mention(&mut self, reading: &Reading, text: &str) {
        let unread: [(&[&str], &'static str); 3] = [
            (&["CREATE", "PUBLICATION"], "publication"),
            (&["ALTER", "PUBLICATION"], "publication"),
            (&["CREATE", "STATISTICS"], "statistics"),
        ];
        let made = match reading {
            Reading::CreateView { name, .. } => Some(("view", self.relation(name))),
            Reading::CreateTrigger { name, table, .. } => Some(("trigger", (self.relation(table).1, name.0.clone()))),
            Reading::OnTable { what: "RULE", table } => Some(("rule", (self.relation(table).1, String::new()))),
            Reading::OnTable { what: "POLICY", table } => Some(("policy", (self.relation(table).1, String::new()))),
            Reading::Unknown => {
                let cursor = Cursor::new(text);
                let what = cursor.and_then(|cursor| unread.iter().find(|(words, _)| cursor.sees(words)));
                what.map(|(_, what)| (*what, Relation::default()))
            }
            _ => None,
        };
        if let Some((what, name)) = made {
            self.mentions.push(Mention { what, name, names: names_in(text) });
        }
        match reading {
            Reading::DropOnTable { what: "TRIGGER", name, table } => {
                let gone = (self.relation(table).1, name.0.clone());
                self.mentions.retain(|mention| mention.what != "trigger" || mention.name != gone);
            }
            Reading::Drop(drop) => {
                let gone: Vec<Relation> = drop.names.iter().map(|name| self.relation(name)).collect();
                self.mentions.retain(|mention| match (drop.what, mention.what) {
                    (DropWhat::View | DropWhat::MaterializedView, "view") => !gone.contains(&mention.name),
                    (DropWhat::Table, "trigger" | "rule" | "policy") => {
                        !gone.iter().any(|(_, table)| *table == mention.name.0)
                    }
                    _ => true,
                });
            }
            _ => {}
        }
    }

    /// They go on with a relation under its new name.
    pub(super) fn rename_mentioned(&mut self, from: &str, to: &str) {
        for mention in self.mentions.iter_mut().filter(|mention| mention.names.contains(from)) {
            mention.names.insert(to.to_owned());
            if mention.name.0 == from {
                to.clone_into(&mut mention.name.0);
            }
        }
    }

    /// They go on with a column under its new name.
    pub(super) fn rename_mentioned_column(&mut self, table: &str, from: &str, to: &str) {
        let names = |mention: &&mut Mention| mention.names.contains(table) && mention.names.contains(from);
        for mention in self.mentions.iter_mut().filter(names) {
            mention.names.insert(to.to_owned());
        }
    }
}

impl Mention {
    fn shown(&self) -> String {
        match self.what {
            "view" => format!("view {}.{}", self.name.0, self.name.1),
            "trigger" => format!("trigger {}", self.name.1),
            what => format!("a {what}"),
        }
    }
}

/// All names in a text, as the server folds them, and `*`.
fn names_in(text: &str) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    let Some(mut cursor) = Cursor::new(text) else { return names };
    while !cursor.is_done() {
        if let Some(name) = cursor.ident() {
            names.insert(name.0);
        } else {
            if cursor.sees_symbol("*") {
                names.insert("*".to_owned());
            }
            cursor.advance();
        }
    }
    names
}
