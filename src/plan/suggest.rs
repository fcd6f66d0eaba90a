//! What was probably meant.

use super::excerpt::Problem;
use super::file::Text;

/// The candidate that `word` was probably meant to be.
pub(super) fn nearest<'c>(word: &str, candidates: impl Iterator<Item = &'c str>) -> Option<&'c str> {
    let distance = |candidate: &str| strsim::osa_distance(word, candidate);
    candidates.filter(|candidate| distance(candidate) <= 1 + word.len() / 4).min_by_key(|candidate| distance(candidate))
}

/// A value that is none of the `valid` ones, with the nearest.
pub(super) fn not_one_of(key: &str, text: &Text, valid: &[&str]) -> Problem {
    let list = valid.iter().map(|word| format!("{word:?}")).collect::<Vec<_>>().join(", ");
    let problem = Problem::new(text.span.clone(), format!("{key} = {:?} is none of {list}", text.shown()));
    match nearest(&text.value, valid.iter().copied()) {
        Some(near) => problem.label(format!("did you mean `{near}`?")),
        None => problem,
    }
}
