//! What keeps a revocation from being lost while green is built: triggers on blue write each event, in blue's own
//! transaction, into the outbox `teal.event`.
//!
//! - `predicate.rs`: the plan's `ends` or `begins`, resolved by the server itself;
//! - `trigger.rs`: the triggers of one event, on every relation that can hold its rows;
//! - `gaps.rs`: whether all of them still stand and fire;
//! - `outbox.rs`: the outbox and what is known about it;
//! - `remove.rs`: taking all of it down again.

mod gaps;
mod outbox;
mod predicate;
mod remove;
mod text_form;
mod trigger;

pub use gaps::gaps;
pub use outbox::{
    OUTBOX_BUDGET, Outbox, create_outbox, events_since, outbox_exists, read_outbox, reversed_in_snapshot,
};
pub use remove::remove;
pub use trigger::{Captured, capture, is_captured, resolve};
