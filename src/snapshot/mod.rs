//! The copy: blue's schema and rows, as one exported snapshot sees them, into an empty green.
//!
//! The order is that of `pg_restore`'s sections: [`dump_schema`] and [`restore_pre_data`] (types, tables, functions),
//! [`copy_extension_rows`], [`copy_rows`] and [`copy_large_objects`], then the post-data section in three parts: [`build_indexes`], [`add_foreign_keys`], [`restore_rest`].
//! [`set_sequences`], [`copy_settings`] and [`analyze`] bring what is in no section.
//!
//! # What a crash leaves
//! Nothing on blue: the keeper's session and every worker's hold read-only transactions, and end with us. The exported
//! snapshot dies with them, so a crash before all rows are in means that the copy starts over: [`empty_green`], and a new
//! [`export`]. What comes after the rows doesn't need the snapshot, and each of its functions looks at what is there
//! and does the rest. One statement is one transaction: an index or a constraint is there whole or not at all; a unique index
//! whose constraint is to come is taken over by it.

mod program;
mod ends;
mod export;
mod watch;
mod schema;
mod jobs;
mod sessions;
mod meter;
mod table;
mod worker;
mod rows;
mod large_objects;
mod extension_rows;
mod post_data;
mod line;
mod indexes;
mod foreign_keys;
mod rest;
mod sequences;
mod settings;
mod properties;
mod analyze;
mod empty;

pub use analyze::analyze;
pub use empty::empty_green;
pub use ends::Ends;
pub use export::{CopyPoint, Export, export, join};
pub use extension_rows::copy_extension_rows;
pub use foreign_keys::add_foreign_keys;
pub use indexes::build_indexes;
pub use jobs::Jobs;
pub use large_objects::copy_large_objects;
pub use post_data::{Apart, PostData, PostItem, read_post_data};
pub use program::{output, program, text};
pub use properties::keep_properties;
pub use rest::restore_rest;
pub use rows::{Rows, TableCopied, copy_rows};
pub use schema::{dump_schema, restore_pre_data};
pub use sequences::{SequenceSet, remember_sequences, set_sequences};
pub use sessions::{join_up_to, open_up_to};
pub use settings::copy_settings;
pub use table::lost_unlogged;
pub use watch::watch;

use crate::error::Failure;

/// The failure of work that its operator interrupted.
fn interrupted(what: &str) -> Failure {
    Failure::failed(format!("{what}: interrupted"))
}
