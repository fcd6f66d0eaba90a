//! The switch: `coordinator.rs` is the script, read top to bottom; everything it does stands in a file of its own.

mod coordinator;
mod decide;
mod doubt;
mod drain;
mod fence;
mod forward;
mod gate;
mod in_place;
mod participant;
mod timing;

pub use coordinator::{Approval, Done, Given, Mode, Outcome, cut_over, has_begun_to_decide, settle};
pub use doubt::in_doubt;
pub use fence::{Decided, Decision, Fence, Order, ask, drop_fence, put_up_fence, read_decision, take_fence_down};
pub use gate::check_gates;
pub use in_place::{LiveApproval, settle_in_place, switch_in_place};
pub use participant::{AnyParticipant, Participant, Switch, open_participant};
pub use timing::longest_switch;
