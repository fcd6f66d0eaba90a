//! Digests of what a step or a saved plan depends on.

use std::fmt::Write;
use std::path::Path;

use sha2::{Digest, Sha256};

use super::{
    Check, Event, Expect, Lever, MigrationSource, Migrations, Participant, ParticipantKind, Plan, Request, Requests,
    Sides, Source, When,
};
use crate::postgres::Target;

/// SHA-256 in hex over length-prefixed parts, so that no two lists of parts give the same bytes.
pub fn digest<'a>(parts: impl IntoIterator<Item = &'a [u8]>) -> String {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    hash.finalize().iter().fold(String::new(), |mut hex, byte| {
        // Writing to a String never fails.
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}

/// The parts of a digest, in order: each length-prefixed by [`digest`], optional ones and lists marked as such, so
/// that nothing can move from one part into the next.
#[derive(Default)]
struct Parts(Vec<Vec<u8>>);

impl Parts {
    fn text(mut self, text: &str) -> Self {
        self.0.push(text.as_bytes().to_vec());
        self
    }

    fn maybe(self, text: Option<&str>) -> Self {
        match text {
            Some(text) => self.text("some").text(text),
            None => self.text("none"),
        }
    }

    fn list<'t>(mut self, texts: impl IntoIterator<Item = &'t str>) -> Self {
        let texts: Vec<&str> = texts.into_iter().collect();
        self = self.text(&texts.len().to_string());
        texts.into_iter().fold(self, Self::text)
    }

    fn words(self, words: &[String]) -> Self {
        self.list(words.iter().map(String::as_str))
    }

    fn maybe_words(self, words: Option<&[String]>) -> Self {
        match words {
            Some(words) => self.text("some").words(words),
            None => self.text("none"),
        }
    }

    /// A path as it lies from the plan's folder, so that another checkout of the same plan has the same digest.
    fn path(self, path: &Path, folder: &Path) -> Self {
        self.text(&path.strip_prefix(folder).unwrap_or(path).to_string_lossy())
    }

    fn target(self, target: &Target) -> Self {
        self.text(&target.name).text(&target.address())
    }

    fn digest(self) -> String {
        digest(self.0.iter().map(Vec::as_slice))
    }
}

impl Plan {
    /// What decides the effect of a run: databases by address, migrations, events, participants, checks. Timeouts, jobs,
    /// gates and the journal's place are not in it, nor is any password or value of a variable.
    pub fn fingerprint(&self) -> String {
        let mut parts = Parts::default().text("plan").text(&self.name).target(&self.blue).target(&self.green);
        parts = parts.text(&self.others.len().to_string());
        parts = self.others.values().fold(parts, Parts::target);
        parts = parts.text(&self.migrations_digest());
        let events = self.events.iter().map(|event| event.capture_digest() + &event.replay_digest());
        parts = parts.words(&events.collect::<Vec<_>>());
        let participants = self.participants.iter().map(|participant| self.participant_digest(participant));
        parts = parts.words(&participants.collect::<Vec<_>>());
        parts = parts
            .words(&self.levers.iter().map(|lever| lever.turn_digest() + &lever.back_digest()).collect::<Vec<_>>());
        parts.words(&self.checks.iter().map(Check::digest).collect::<Vec<_>>()).digest()
    }

    /// Where the migrations come from and how they are recorded; not what the files hold, not `lock_timeout`.
    pub fn migrations_digest(&self) -> String {
        let Migrations { source, layout, table, applied, record, lock_timeout: _ } = &self.migrations;
        let parts = Parts::default().text("migrations").maybe(layout.as_deref()).maybe(table.as_deref());
        let parts = parts.maybe(applied.as_deref()).maybe(record.as_deref());
        match source {
            MigrationSource::Folder(folder) => parts.text("folder").path(folder, self.folder()),
            // The variables' values may be secrets; a new password is no new plan.
            MigrationSource::Command { argv, env } => {
                parts.text("command").words(argv).list(env.keys().map(String::as_str))
            }
        }
        .digest()
    }

    /// How a participant switches; not its timeout, not what its file holds.
    pub fn participant_digest(&self, participant: &Participant) -> String {
        let Participant { name, kind, timeout: _, group } = participant;
        let parts = Parts::default().text("participant").text(name).maybe(group.as_deref());
        match kind {
            ParticipantKind::Command { prepare, commit, committed, abort } => parts
                .text("command")
                .maybe_words(prepare.as_deref())
                .words(commit)
                .words(committed)
                .maybe_words(abort.as_deref()),
            ParticipantKind::Http(requests) => {
                let Requests { prepare, commit, committed, switched, not_yet, abort, ca: _ } = requests.as_ref();
                let meaning = [switched, not_yet].map(|answer| format!("{answer:?}"));
                let request = |request: &Request| request.written.clone();
                parts
                    .text("http")
                    .maybe_words(prepare.as_ref().map(request).as_deref())
                    .words(&commit.written)
                    .words(&committed.written)
                    .words(&meaning)
                    .maybe_words(abort.as_ref().map(request).as_deref())
            }
            ParticipantKind::File { path, content } => {
                parts.text("file").path(path, self.folder()).path(content, self.folder())
            }
        }
        .digest()
    }

    /// The folder that relative paths start from and programs run in.
    pub fn folder(&self) -> &Path {
        self.path.parent().unwrap_or(Path::new("/"))
    }
}

impl Event {
    /// What the triggers on blue depend on: name, table, condition, key.
    pub fn capture_digest(&self) -> String {
        let when = match self.when {
            When::Ends(_) => "ends",
            When::Begins(_) => "begins",
        };
        let parts = Parts::default().text("capture").text(&self.name).text(&self.table);
        parts.text(when).text(self.when.predicate()).maybe_words(self.key.as_deref()).digest()
    }

    /// What happens with a captured event on green: its statements and its proof.
    pub fn replay_digest(&self) -> String {
        Parts::default().text("replay").words(&self.replay).text(&self.verify).digest()
    }
}

impl Lever {
    /// What turning it depends on; not how long it takes or lasts, nor when it is turned back.
    pub fn turn_digest(&self) -> String {
        Parts::default().text("lever").text(&self.name).words(&self.before).digest()
    }

    fn back_digest(&self) -> String {
        Parts::default().text("back").maybe_words(self.after.as_deref()).digest()
    }
}

impl Check {
    /// What is asked of whom, and what must be true of it.
    pub fn digest(&self) -> String {
        let mut parts = Parts::default().text("check").text(&self.name);
        parts = match &self.sides {
            Sides::Both(sql) => parts.text("both").text(sql),
            Sides::Each(sides) => sides.iter().fold(parts.text(&sides.len().to_string()), |parts, (name, source)| {
                let parts = parts.text(name);
                match source {
                    Source::Sql(sql) => parts.text("sql").text(sql),
                    Source::Program(argv) => parts.text("program").words(argv),
                }
            }),
        };
        match &self.expect {
            Expect::Equal => parts.text("equal"),
            Expect::Empty => parts.text("empty"),
            Expect::Within(fraction) => parts.text("within").text(&fraction.to_string()),
            Expect::In { rows_of, found_in } => parts.text("in").text(rows_of).text(found_in),
        }
        .digest()
    }

    /// What blue is asked by SQL, if it is: an edit of another side or of `expect` leaves blue's answer as good as it was.
    pub fn blue_digest(&self) -> Option<String> {
        let sql = match &self.sides {
            Sides::Both(sql) => sql,
            Sides::Each(sides) => match sides.get("blue")? {
                Source::Sql(sql) => sql,
                Source::Program(argv) => return Some(Parts::default().text("blue program").words(argv).digest()),
            },
        };
        Some(Parts::default().text("blue").text(sql).digest())
    }
}

#[cfg(test)]
mod tests {
    use super::digest;

    #[test]
    fn parts_do_not_run_together() {
        assert_ne!(digest([b"ab".as_slice(), b"c"]), digest([b"a".as_slice(), b"bc"]));
    }
}
