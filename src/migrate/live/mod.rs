//! One migration file on a live database: statement by statement, each exactly once across a crash, and nobody waits long.
//!
//! What a transaction can hold commits with its receipt in `teal.piece`; what none can hold is announced there first, with
//! what the catalog says before it. The tool's bookkeeping and the file's own receipt commit with the last statement where
//! that one has a transaction, else in one of their own.
//!
//! - `schema.rs`, `plan.rs`: how each statement of a file is run, and what is risky in it;
//! - `run.rs`: the file;
//! - `patient.rs`: one transaction under `lock_timeout`, tried again with jitter;
//! - `watch.rs`: who is in the way, and how far an index build is;
//! - `alone.rs`: what runs outside a transaction; `duplicates.rs`: what would make a unique index fail;
//! - `batches.rs`: whole-table writes some rows at a time; `load.rs`: when they must wait.

mod alone;
mod batches;
mod duplicates;
mod load;
mod patient;
mod plan;
mod run;
mod schema;
mod watch;

pub use alone::{is_told, put_back};
pub use plan::{LivePlan, LivePlanner};
pub use run::{Done, LiveOrder, done_so_far, prepare_blue, run_live};
pub use schema::read_schema;
