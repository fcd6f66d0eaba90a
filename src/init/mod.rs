//! A first plan for somebody's database: everything that can be derived is written, everything else is a comment that
//! says why.
//!
//! - `facts.rs`: what is read of blue: catalogs and statistics, rows only of small tables;
//! - `words.rs`, `candidate.rs`: which columns say that a row's fact has ended;
//! - `trace.rs`: what pending migrations make of each table, by running them on a throwaway copy;
//! - `event.rs`: a candidate in blue's words and green's; `prove.rs`: tried on the copy;
//! - `bookkeeping.rs`: where blue keeps which migrations are in; `check.rs`: what must hold on both sides;
//! - `draft.rs`: all of it together; `write.rs`: the plan's text.

mod bookkeeping;
mod candidate;
mod check;
mod draft;
mod event;
mod evidence;
mod facts;
mod prove;
mod toml;
mod trace;
mod words;
mod write;

pub use draft::{Order, Origin, Planned, Wanted, draft};
pub use write::{EventDoc, InitDoc, init_text};
