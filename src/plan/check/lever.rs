//! `[[lever]]`: what is turned before the copy and turned back afterwards.

use std::time::Duration;

use super::super::file::{Section, Text};
use super::super::{Lever, Until};
use super::{one_of, twice};

const TIMEOUT: Duration = Duration::from_mins(1);

/// All levers, if all are right and no name stands twice.
pub(super) fn levers<'s>(top: &Section<'_>, sections: impl Iterator<Item = Section<'s>>) -> Option<Vec<Lever>> {
    let read: Vec<_> = sections.map(lever).collect();
    twice(top, "lever", read.iter().filter_map(|(name, _)| name.as_ref()));
    read.into_iter().map(|(_, lever)| lever).collect()
}

/// What stands in for the lever of this name in a rehearsal. How long that one takes to have its effect, and how long the
/// effect lasts, says nothing of the stand-in: it is waited for only where it says so itself.
pub(super) fn stand_in(mut section: Section<'_>, name: &str) -> Option<Lever> {
    section.required("before");
    let before = section.argv("before");
    let has_after = section.has("after");
    let after = section.argv("after");
    let wait = section.duration("wait", Duration::ZERO);
    let timeout = section.duration("timeout", TIMEOUT);
    section.end();
    Some(Lever {
        name: name.to_owned(),
        before: before?,
        after: if has_after { Some(after?) } else { None },
        wait: wait?,
        lasts: None,
        until: Until::Reopen,
        timeout: timeout?,
    })
}

fn lever(mut section: Section<'_>) -> (Option<Text>, Option<Lever>) {
    let name = section.required_text("name");
    section.required("before");
    let before = section.argv("before");
    let has_after = section.has("after");
    let after = section.argv("after");
    let wait = section.duration("wait", Duration::ZERO);
    let has_lasts = section.has("lasts");
    let lasts = section.duration("lasts", Duration::ZERO);
    let timeout = section.duration("timeout", TIMEOUT);
    let has_until = section.has("until");
    let until = section.text("until").and_then(|text| {
        let later = [("monitor", "nothing watches metrics after the cutover yet; use \"finish\"")];
        one_of(&section, "until", &text, &["reopen", "finish"], &later)
    });
    if has_until && !has_after {
        section.refuse("until", "\"until\" says when `after` is run, and there is none");
    }
    if let (Some(wait), Some(lasts)) = (wait, lasts)
        && has_lasts
        && lasts <= wait
    {
        section.refuse("lasts", "\"lasts\" must be longer than \"wait\": both count from when it was turned");
    }
    section.end();
    let lever = (|| {
        Some(Lever {
            name: name.clone()?.value,
            before: before?,
            after: if has_after { Some(after?) } else { None },
            wait: wait?,
            lasts: if has_lasts { Some(lasts?) } else { None },
            until: match until {
                Some("finish") => Until::Finish,
                Some(_) => Until::Reopen,
                None if has_until => return None,
                None => Until::Reopen,
            },
            timeout: timeout?,
        })
    })();
    (name, lever)
}
