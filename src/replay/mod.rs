//! Applying captured events to green, exactly once.
//!
//! - `gate.rs`: green refuses writes from everybody but the run until decide;
//! - `statements.rs`: the plan's replay and verify statements, bound to the event's columns;
//! - `apply.rs`: from the outbox on blue to green, with a receipt in the transaction of each effect;
//! - `verify.rs`: every event asked for on green;
//! - `tally.rs`: what became of the events, counted apart.

mod apply;
mod forget;
mod gate;
mod statements;
mod tally;
mod verify;

pub use apply::{Applier, Caught, Copied};
pub use forget::forget_receipts;
pub use gate::{close_green, drop_gate, is_closed, open_green, pass, prepare_green};
pub use statements::Statements;
pub use tally::{DeadLetter, Tally, dead_letters, dead_letters_of, read_tally};
pub use verify::{Verified, verify_events, verify_events_taken_after};
