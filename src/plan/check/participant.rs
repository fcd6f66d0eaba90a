//! `[[participant]]`: what must switch together with the database.

use std::path::PathBuf;
use std::time::Duration;

use super::super::excerpt::Problem;
use super::super::file::{Section, Text};
use super::super::{Participant, ParticipantKind, Requests};
use super::request::{question, request};
use super::{one_of, twice};

const TIMEOUT: Duration = Duration::from_secs(10);
const COMMAND_KEYS: [&str; 4] = ["prepare", "commit", "committed", "abort"];
const FILE_KEYS: [&str; 2] = ["path", "content"];
const HTTP_KEYS: [&str; 1] = ["ca"];

/// A participant's name and group with their spans, and the participant if all of it is right.
pub(super) struct Read {
    name: Option<Text>,
    group: Option<Text>,
    participant: Option<Participant>,
}

impl Read {
    /// One that a rehearsal can name, where its own variables are not set: it is skipped, or something stands in for it.
    pub(super) fn by_name_alone(mut self) -> Self {
        if let (None, Some(name)) = (&self.participant, &self.name) {
            let nothing = ParticipantKind::File { path: PathBuf::new(), content: PathBuf::new() };
            let group = self.group.as_ref().map(|group| group.value.clone());
            self.participant = Some(Participant { name: name.value.clone(), kind: nothing, timeout: TIMEOUT, group });
        }
        self
    }

    pub(super) fn is_named(&self, name: &str) -> bool {
        self.name.as_ref().is_some_and(|text| text.value == name)
    }
}

pub(super) fn participant(mut section: Section<'_>) -> Read {
    let name = section.required_text("name");
    let group = section.text("group");
    let has_group = section.has("group");
    let timeout = section.duration("timeout", TIMEOUT);
    let kind = kind(&mut section);
    section.end();
    let participant = (|| {
        Some(Participant {
            name: name.clone()?.value,
            kind: kind?,
            timeout: timeout?,
            group: if has_group { Some(group.clone()?.value) } else { None },
        })
    })();
    Read { name, group, participant }
}

fn kind(section: &mut Section<'_>) -> Option<ParticipantKind> {
    let later = [("pgbouncer", "switch it with a participant of kind = \"command\"")];
    let kinds = ["command", "file", "http"];
    let found = section.required_text("kind").and_then(|kind| one_of(section, "kind", &kind, &kinds, &later));
    match found {
        Some("command") => command(section),
        Some("http") => http(section),
        Some(_) => file(section),
        None => {
            // Without its kind nobody can say which keys are right.
            let keys: Vec<_> = section.keys().map(|key| key.get_ref().to_string()).collect();
            for key in &keys {
                section.value(key);
            }
            None
        }
    }
}

pub(super) fn command(section: &mut Section<'_>) -> Option<ParticipantKind> {
    refuse_all(section, &FILE_KEYS, "file");
    refuse_all(section, &HTTP_KEYS, "http");
    for key in ["commit", "committed"] {
        section.required(key);
    }
    let [prepare, commit, committed, abort] = COMMAND_KEYS.map(|key| section.argv(key));
    Some(ParticipantKind::Command { prepare, commit: commit?, committed: committed?, abort })
}

fn http(section: &mut Section<'_>) -> Option<ParticipantKind> {
    refuse_all(section, &FILE_KEYS, "file");
    for key in ["commit", "committed"] {
        section.required(key);
    }
    let (has_prepare, has_abort, has_ca) = (section.has("prepare"), section.has("abort"), section.has("ca"));
    let prepare = request(section, "prepare", "prepare of [[participant]]");
    let commit = request(section, "commit", "commit of [[participant]]");
    let question = question(section, "committed of [[participant]]");
    let abort = request(section, "abort", "abort of [[participant]]");
    let ca = section.path("ca");
    let (committed, switched, not_yet) = question?;
    Some(ParticipantKind::Http(Box::new(Requests {
        prepare: if has_prepare { Some(prepare?) } else { None },
        commit: commit?,
        committed,
        switched,
        not_yet,
        abort: if has_abort { Some(abort?) } else { None },
        ca: if has_ca { Some(ca?) } else { None },
    })))
}

fn refuse_all(section: &mut Section<'_>, keys: &[&str], kind: &str) {
    for key in keys {
        section.refuse(key, format!("{key:?} is for kind = {kind:?}"));
    }
}

fn file(section: &mut Section<'_>) -> Option<ParticipantKind> {
    refuse_all(section, &COMMAND_KEYS, "command");
    refuse_all(section, &HTTP_KEYS, "http");
    for key in FILE_KEYS {
        section.required(key);
    }
    let path = section.path("path");
    let content = section.path("content");
    Some(ParticipantKind::File { path: path?, content: content? })
}

/// All participants, if all are right, no name stands twice and the members of each group stand together.
pub(super) fn in_order(top: &Section<'_>, participants: Vec<Read>) -> Option<Vec<Participant>> {
    twice(top, "participant", participants.iter().filter_map(|read| read.name.as_ref()));
    let mut closed: Vec<&str> = Vec::new();
    let mut open: Option<&str> = None;
    for read in &participants {
        let group = read.group.as_ref().map(|group| group.value.as_str());
        if group != open {
            closed.extend(open);
        }
        if let Some(text) = read.group.as_ref().filter(|text| closed.contains(&text.value.as_str())) {
            let what =
                format!("group {:?} is split: its members commit at once, so they must stand together", text.shown());
            top.file.problem(Problem::new(text.span.clone(), what));
        }
        open = group;
    }
    participants.into_iter().map(|read| read.participant).collect()
}
