//! Migrating green: the plan's files one by one, or the application's own migrator.
//!
//! `file.rs` runs a file in one transaction, `apart.rs` one whose tool leaves the transaction out, `bookkeeping.rs` knows what
//! is in and records what came in, `live/` runs a file on a database that serves, `command.rs` runs the application's own.

mod apart;
mod bookkeeping;
mod command;
mod file;
mod live;

pub use bookkeeping::{read_migrations, read_recorded, record_sql, table_name, tables_on};
pub use command::{CommandFacts, run_command};
pub use file::{FileFacts, Order, already_in, run_file};
pub use live::{
    Done, LiveOrder, LivePlan, LivePlanner, done_so_far, is_told, prepare_blue, put_back, read_schema, run_live,
};
