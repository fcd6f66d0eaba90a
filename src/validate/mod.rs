//! What proves that green is what blue was, migrated.
//!
//! | part | proves | does not prove |
//! | --- | --- | --- |
//! | [`digest_all`], [`compare_digests`] | the copy holds the same rows, to the byte of their binary or text form | anything after the migrations: they are meant to change rows |
//! | [`digest_beside_tables`] | the same for large objects and rows of extensions' own tables | what an extension keeps elsewhere |
//! | [`ask`], [`compare`] | what the plan's `[[check]]`s say, on the answers they were given | that the answers were taken at comparable moments: the caller chooses session and snapshot |
//! | [`check_green`] | no index is invalid, no constraint unproved, no owned sequence about to collide | that a `convalidated` foreign key holds for rows written in replica role (mechanics.md, Apply) |
//!
//! Nothing here writes to a database. Memory stays constant however large a table or an answer is.

mod answer;
mod beside;
mod check;
mod compare;
mod digest;
mod green;
mod live;
mod program;
mod sorted;

pub use answer::{Answer, answer};
pub use beside::digest_beside_tables;
pub use check::{CheckOutcome, ask, run_check, sides_of};
pub use compare::compare;
pub use digest::{TableDigest, compare as compare_digests, digest_all, digest_in_parts};
pub use green::{GreenFacts, check_green, unlogged_lost};
pub use live::{Unsound, check_live, read_unsound};
