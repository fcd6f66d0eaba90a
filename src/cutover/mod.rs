//! The switch: `coordinator.rs` is the script, read top to bottom; everything it does stands in a file of its own.

mod coordinator;
mod decide;
mod drain;
mod fence;
mod gate;
mod participant;

pub use coordinator::{Approval, Cutover, Outcome, cut_over};
pub use decide::{Decision, read_decision};
pub use fence::{drop_fence, fence_exists};
pub use gate::{Gate, check_gates};
pub use participant::{Participant, Switch, open_participant};
