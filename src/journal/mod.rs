//! The journal: the append-only record of a run, the only truth about how far it got; and the lease, without which
//! nothing is appended.

mod lease;
mod record;
mod recorder;
mod run_row;
mod state;
mod store;

pub use lease::{Beat, Identity, Lease, Purpose};
pub use record::{Entry, FORMAT, Record, RunId};
pub use recorder::Recorder;
pub use run_row::{RunRow, foreign_run, read_run_row};
pub use state::{IllegalTransition, Run, State, StepStatus};
pub use store::{Store, StoreError};
