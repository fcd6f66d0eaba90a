//! What a plan with `strategy = "in-place"` can't have: there is one database, and nothing travels.

use super::super::file::Section;

/// Sections of a blue-green plan, and why they say nothing here.
const SECTIONS: &[(&str, &str)] = &[
    ("capture", "there is one database, and every write is in it"),
    ("event", "there is one database, so nothing must be carried over"),
    ("snapshot", "nothing is copied"),
    ("table", "nothing is copied, so no table needs a route"),
];
/// The same for keys of `[cutover]`.
const CUTOVER: &[(&str, &str)] =
    &[("max_lag", "nothing is replayed"), ("deadline", "no writer is held: there is no fence")];

/// Refuses what makes no sense in place.
pub(super) fn refuse_sections(top: &mut Section<'_>) {
    refuse(top, SECTIONS);
}

/// Refuses what makes no sense in `[cutover]`.
pub(super) fn refuse_cutover(cutover: &mut Section<'_>) {
    refuse(cutover, CUTOVER);
}

fn refuse(section: &mut Section<'_>, keys: &[(&str, &str)]) {
    for (key, why) in keys.iter().filter(|(key, _)| section.has(key)).copied().collect::<Vec<_>>() {
        section.refuse(key, format!("{key:?} has no meaning in an in-place plan: {why}"));
    }
}
