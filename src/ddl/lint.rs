//! Files of SQL, statement by statement: what each does to a live database, beside what came before it.
//!
//! Needs no database. What one file makes is new to that file alone: by the next one it may be in use.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use super::assess::{Judgement, assess, is_concurrent};
use super::estimate::{Estimate, estimate};
use super::known::{Known, Relation};
use super::lex::{Lexer, TokenKind};
use super::lock::LockMode;
use super::name::NAME_BYTES;
use super::parse::kind;
use super::read::{AlterCommand, Reading, Written, read};
use super::rule::{Rule, rule};
use super::split::Statement;
use super::sql_file::SqlFile;
use super::trace::{Change, Step, confront};
use super::version::newer_words;
use super::workload::changes_of;
use crate::catalog::Figures;

/// From how many ALTERs of one table on it is said that one would do.
const MANY_ALTERS: usize = 3;

/// One finding.
#[derive(Debug, Clone)]
pub struct Found {
    /// Its rule.
    pub rule: &'static Rule,
    /// The bytes of the file that it is about.
    pub span: Range<usize>,
    /// What is done there, one sentence without its end.
    pub what: String,
    /// Why it was accepted, where a comment says so.
    pub accepted: Option<String>,
    /// How long it takes, where the sizes of a live database are known.
    pub estimate: Option<Estimate>,
}

impl Found {
    /// Neither accepted nor estimated yet.
    pub fn new(rule: &'static Rule, span: Range<usize>, what: String) -> Self {
        Self { rule, span, what, accepted: None, estimate: None }
    }
}

/// Lints files one after the other, each in the light of those before it.
#[derive(Debug, Default)]
pub struct Linter {
    known: Known,
    /// What was known before the first file.
    before: Option<Known>,
    /// The major version of the server that the files are for, where it is known.
    major: Option<u32>,
    /// Sizes and rates of the database that they are for, where they are known.
    figures: Option<Figures>,
    /// What the files change under clients, by the names of before the first one.
    changes: Vec<Change>,
}

impl Linter {
    /// For a server of this major version.
    pub fn of_major(major: Option<u32>) -> Self {
        Self { major, ..Self::default() }
    }

    /// Takes in sizes and rates of the database that the files are for.
    pub fn measure(&mut self, figures: Option<Figures>) {
        self.figures = figures;
    }

    /// What the files so far change under clients.
    pub fn changes(&self) -> &[Change] {
        &self.changes
    }

    /// What was known before the first file: what clients' queries were written for.
    pub fn before(&self) -> &Known {
        self.before.as_ref().unwrap_or(&self.known)
    }

    fn change(&mut self, changes: Vec<Change>) {
        for change in changes {
            // Clients know a table by the name that it had before the chain.
            let first = self.changes.iter().find_map(|earlier| match earlier {
                Change::Renamed(from, to) if to == change.relation() => Some(from.clone()),
                _ => None,
            });
            self.changes.push(match first {
                Some(first) => change.of(first),
                None => change,
            });
        }
    }

    /// Takes in what an earlier release made, without judging it.
    pub fn learn(&mut self, file: &SqlFile) {
        for statement in &file.statements {
            let text = statement.text(&file.text);
            self.known.take(&read_checked(text, statement), text);
        }
        self.known.next_unit();
    }

    /// Judges a file; what it makes is known to the next one. `in_transaction`: the tool runs it as one transaction.
    pub fn lint(&mut self, file: &SqlFile, in_transaction: bool) -> Vec<Found> {
        self.lint_traced(file, in_transaction, &[])
    }

    /// The same where it is known what the file's first statements did on a shadow.
    pub fn lint_traced(&mut self, file: &SqlFile, in_transaction: bool, steps: &[Step]) -> Vec<Found> {
        if self.before.is_none() {
            self.before = Some(self.known.clone());
        }
        let mut walk = Walk::new(&file.text, runs_in_transaction(file, in_transaction));
        for (number, statement) in file.statements.iter().enumerate() {
            let text = statement.text(&file.text);
            let reading = read_checked(text, statement);
            let judgement = assess(&reading, text, &self.known);
            let before = walk.found.len();
            walk.statement(statement, &reading, &judgement, &self.known);
            walk.version(statement, text, self.major);
            let mut found = walk.found.split_off(before);
            if let Some(step) = steps.get(number) {
                let place = |position| file.place(statement, position).offset;
                confront(&mut found, &statement.span, (&reading, &judgement), step, place);
            }
            if let Some(figures) = &self.figures {
                let mut touches = judgement.touches;
                touches.extend(steps.get(number).map(Step::touches).unwrap_or_default());
                for one in &mut found {
                    one.estimate = estimate(one.rule.id, &touches, figures);
                }
            }
            walk.found.append(&mut found);
            // What was seen is the whole of it; the text, where nothing was.
            self.change(match steps.get(number) {
                Some(Step::Seen(seen)) => seen.changes.clone(),
                _ => changes_of(&reading, &self.known),
            });
            self.known.take(&reading, text);
        }
        walk.end();
        self.known.next_unit();
        accept(walk.found, file)
    }
}

/// Whether a file is run as one transaction: where its tool does so, and no mark of it says otherwise.
pub fn runs_in_transaction(file: &SqlFile, in_transaction: bool) -> bool {
    in_transaction && !is_marked_without_transaction(&file.text)
}

/// Reads a statement; unknown where sqlparser, which reads it as well, sees another table.
pub(super) fn read_checked(text: &str, statement: &Statement) -> Reading {
    let reading = read(text);
    let Some(ours) = table_of(&reading) else { return reading };
    let theirs = kind(text, &statement.head);
    match theirs.relation {
        Some(relation) if !theirs.unknown && folded(&relation) != ours.plain() => Reading::Unknown,
        _ => reading,
    }
}

/// The one table that both readers name.
fn table_of(reading: &Reading) -> Option<&Written> {
    match reading {
        Reading::CreateTable(create) => Some(&create.name),
        Reading::Alter(alter) if alter.what == "TABLE" => Some(&alter.name),
        Reading::CreateIndex(create) => Some(&create.table),
        Reading::Update { table, .. } | Reading::Delete { table, .. } | Reading::Insert { table, .. } => Some(table),
        _ => None,
    }
}

/// A name as sqlparser prints it, in the form of [`Written::plain`].
fn folded(name: &str) -> String {
    let Some(mut cursor) = super::read::Cursor::new(name) else { return name.to_owned() };
    cursor.name().map_or_else(|| name.to_owned(), |name| name.plain())
}

/// Marks of tools, and ours, in the file's first comment lines.
fn is_marked_without_transaction(text: &str) -> bool {
    const MARKS: [&str; 5] = [
        "no-transaction",
        "migrate: no-transaction",
        "+goose NO TRANSACTION",
        "migrate:up transaction:false",
        "disable-transaction",
    ];
    let lines = text.lines().map(str::trim).take_while(|line| line.is_empty() || line.starts_with("--"));
    lines.filter_map(|line| line.strip_prefix("--")).any(|line| MARKS.iter().any(|mark| line.trim().starts_with(mark)))
}

/// What is remembered from one statement of a file to the next.
struct Walk<'a> {
    source: &'a str,
    /// Whether the tool has opened a transaction around the file.
    around: bool,
    /// Where a BEGIN of the file's own stands.
    begun: Option<Range<usize>>,
    /// The strongest lock that the transaction holds on what others use.
    held: BTreeMap<Relation, LockMode>,
    /// Constraints that the transaction added NOT VALID.
    added: BTreeSet<(Relation, String)>,
    lock_timeout: bool,
    said_timeout: bool,
    alters: BTreeMap<Relation, usize>,
    found: Vec<Found>,
}

impl<'a> Walk<'a> {
    fn new(source: &'a str, around: bool) -> Self {
        Self {
            source,
            around,
            begun: None,
            held: BTreeMap::new(),
            added: BTreeSet::new(),
            lock_timeout: false,
            said_timeout: false,
            alters: BTreeMap::new(),
            found: Vec::new(),
        }
    }

    fn in_transaction(&self) -> bool {
        self.around || self.begun.is_some()
    }

    fn find(&mut self, id: &str, span: Range<usize>, what: impl Into<String>) {
        if let Some(rule) = rule(id) {
            self.found.push(Found::new(rule, span, what.into()));
        }
    }

    fn statement(&mut self, statement: &Statement, reading: &Reading, judgement: &Judgement, known: &Known) {
        let whole = statement.span.clone();
        for hazard in &judgement.hazards {
            let span = whole.start + hazard.span.start..whole.start + hazard.span.end;
            self.find(hazard.rule, span, hazard.what.clone());
        }
        self.long_names(&whole);
        if is_concurrent(reading) && self.in_transaction() {
            self.find("concurrently-in-transaction", whole.clone(), "it stands in a transaction");
        }
        self.under_locks(reading, judgement, known, &whole);
        self.timeout(reading, judgement, &whole);
        self.alter_count(reading, judgement, &whole);
        self.remember(reading, judgement, known, &whole);
    }

    /// Work that others wait for because of a lock that an earlier statement took.
    fn under_locks(&mut self, reading: &Reading, judgement: &Judgement, known: &Known, whole: &Range<usize>) {
        let strong = self.held.iter().find(|(_, mode)| mode.blocks_reads());
        let Some((table, mode)) = strong.map(|(table, mode)| (table.clone(), *mode)) else { return };
        if let Reading::Alter(alter) = reading {
            let relation = known.relation(&alter.name);
            let added = alter.commands.iter().any(|(command, _)| match command {
                AlterCommand::Validate(name) => self.added.contains(&(relation.clone(), name.0.clone())),
                _ => false,
            });
            if added {
                let what = format!("{} is still locked {mode}", relation.1);
                self.find("validates-under-lock", whole.clone(), what);
                return;
            }
        }
        let writes = match reading {
            Reading::Update { .. } | Reading::Delete { .. } => true,
            Reading::Insert { from_query, .. } => *from_query,
            Reading::CreateTable(create) => create.from_query,
            _ => judgement
                .touches
                .iter()
                .any(|touch| !touch.new && (touch.scan || touch.rewrite) && touch.relation != table),
        };
        if writes {
            let what = format!("{} has been locked {mode} by an earlier statement of this transaction", table.1);
            self.find("works-under-lock", whole.clone(), what);
        }
    }

    fn version(&mut self, statement: &Statement, text: &str, major: Option<u32>) {
        let newest = newer_words(text).max_by_key(|(since, _)| *since);
        if let (Some(major), Some((since, words))) = (major, newest)
            && major < since
        {
            let what = format!("{words} is of PostgreSQL {since}, and the server is of {major}");
            self.find("not-in-this-version", statement.span.clone(), what);
        }
    }

    fn timeout(&mut self, reading: &Reading, judgement: &Judgement, whole: &Range<usize>) {
        if let Reading::Set { name, .. } = reading
            && name == "lock_timeout"
        {
            self.lock_timeout = true;
        }
        let strong = judgement.touches.iter().find(|touch| !touch.new && touch.mode.blocks_writes());
        let waits = strong.is_some_and(|touch| !touch.mode.eq(&LockMode::Exclusive));
        if waits && !self.lock_timeout && !self.said_timeout {
            self.said_timeout = true;
            let what = strong.map(|touch| format!("{} is locked {}", touch.relation.1, touch.mode)).unwrap_or_default();
            self.find("no-lock-timeout", whole.clone(), what);
        }
    }

    fn alter_count(&mut self, reading: &Reading, judgement: &Judgement, whole: &Range<usize>) {
        let Reading::Alter(alter) = reading else { return };
        let Some(touch) = judgement.touches.first().filter(|touch| alter.what == "TABLE" && !touch.new) else { return };
        let count = self.alters.entry(touch.relation.clone()).or_default();
        *count += 1;
        if *count == MANY_ALTERS {
            let what = format!("{} has been altered {} times in this file", touch.relation.1, MANY_ALTERS);
            self.find("many-alters", whole.clone(), what);
        }
    }

    fn remember(&mut self, reading: &Reading, judgement: &Judgement, known: &Known, whole: &Range<usize>) {
        match reading {
            Reading::Begin if self.begun.is_none() => self.begun = Some(whole.clone()),
            Reading::Commit | Reading::Rollback => {
                self.begun = None;
                self.around = false;
                self.let_go();
            }
            _ => {}
        }
        if !self.in_transaction() {
            return self.let_go();
        }
        for touch in judgement.touches.iter().filter(|touch| !touch.new) {
            let held = self.held.entry(touch.relation.clone()).or_insert(touch.mode);
            *held = touch.mode.max(*held);
        }
        if let Reading::Alter(alter) = reading {
            let relation = known.relation(&alter.name);
            self.added.extend(alter.commands.iter().filter_map(|(command, _)| match command {
                AlterCommand::AddConstraint(added) if added.not_valid => {
                    Some((relation.clone(), added.name.as_ref()?.0.clone()))
                }
                _ => None,
            }));
        }
    }

    fn let_go(&mut self) {
        self.held.clear();
        self.added.clear();
    }

    fn long_names(&mut self, whole: &Range<usize>) {
        let text = self.source.get(whole.clone()).unwrap_or_default();
        let long = Lexer::new(text).map_while(Result::ok).filter(|token| {
            let name = token.text(text);
            match token.kind {
                TokenKind::Word => name.len() > NAME_BYTES,
                TokenKind::QuotedName => name.len() - name.matches("\"\"").count() > NAME_BYTES + 2,
                _ => false,
            }
        });
        for token in long.collect::<Vec<_>>() {
            let span = whole.start + token.start..whole.start + token.end;
            self.find("name-too-long", span, format!("a name of {} bytes", token.text(text).len()));
        }
    }

    fn end(&mut self) {
        if let Some(begun) = self.begun.take() {
            self.find("transaction-left-open", begun, "this transaction has no end in the file");
        }
    }
}

/// What a comment accepts: a rule in the statement after it, or around it.
pub(super) struct Accept {
    pub(super) at: usize,
    end: usize,
    pub(super) rule: String,
    pub(super) reason: String,
}

const ACCEPT: &str = "migrate: accept ";

/// Marks what comments accept; what they can't accept is found itself.
fn accept(mut found: Vec<Found>, file: &SqlFile) -> Vec<Found> {
    for accept in accepts(&file.text) {
        let covered = file.statements.iter().find(|statement| statement.span.end > accept.at);
        let covered = covered.map_or(0..0, |statement| statement.span.clone());
        let span = accept.at..accept.end;
        if accept.reason.is_empty() || rule(&accept.rule).is_none() {
            let what = if accept.reason.is_empty() { "no reason is given" } else { "there is no such rule" };
            found.extend(rule("accept-not-understood").map(|rule| Found::new(rule, span, what.to_owned())));
            continue;
        }
        let mut used = false;
        for one in found.iter_mut().filter(|one| one.rule.id == accept.rule && covered.contains(&one.span.start)) {
            one.accepted = Some(accept.reason.clone());
            used = true;
        }
        if !used && let Some(rule) = rule("accept-unused") {
            found.push(Found::new(rule, span, format!("{} is not found there", accept.rule)));
        }
    }
    found.sort_by_key(|one| (one.span.start, one.rule.id));
    found
}

pub(super) fn accepts(text: &str) -> Vec<Accept> {
    let comments = Lexer::new(text).map_while(Result::ok).filter(|token| token.kind == TokenKind::Comment);
    let accept = |token: super::lex::Token| {
        let said = token.text(text).strip_prefix("--")?.trim().strip_prefix(ACCEPT)?.trim();
        let (rule, reason) = said.split_once(char::is_whitespace).unwrap_or((said, ""));
        let rule = rule.strip_prefix("lint/").unwrap_or(rule).to_owned();
        Some(Accept { at: token.start, end: token.end, rule, reason: reason.trim().to_owned() })
    };
    comments.filter_map(accept).collect()
}
