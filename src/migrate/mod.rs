//! Migrating green: the plan's files one by one, or the application's own migrator.

mod command;
mod file;

pub use command::{CommandFacts, run_command};
pub use file::{FileFacts, Order, already_in, run_file, versions_in};
