//! Migration files: from folders to statements, and what each statement is.
//!
//! [`mod@split`] cuts a text into statements over the tokens of [`lex`], [`sql_file`] does so for a file and shows places
//! in it, [`layout`] knows the tools that folders are made for, [`source`] reads a folder, [`pending`] compares it with
//! what a bookkeeping table has, [`transaction`] finds what can't run in a file's transaction and [`piece`] cuts files that
//! run without one, [`parse`] names what a statement does, and [`mod@bind`] turns the plan's `:name` into `$1`. Nothing here
//! but [`trace`] talks to a server, and nothing is guessed at: what isn't understood is refused or said to be unknown.

pub mod lex;
pub mod split;
pub mod sql_file;
pub mod layout;
pub mod source;
pub mod pending;
pub mod transaction;
pub mod piece;
pub mod parse;
pub mod read;
pub mod name;
pub mod lock;
pub mod known;
pub mod assess;
pub mod rule;
pub mod version;
pub mod estimate;
pub mod lint;
pub mod rewrite;
pub mod trace;
pub mod bind;

pub use bind::{Bound, bind};
pub use estimate::{Estimate, estimate};
pub use layout::{Layout, Listing, recognise};
pub use parse::{StatementKind, kind};
pub use pending::{Mark, Recorded, Standing, standings};
pub use source::{Folder, Ignored, Migration, ambiguous, read_folder, read_listing};
pub use split::{SplitError, Statement, split};
pub use sql_file::{SqlFile, read_sql_file};
pub use transaction::findings;
