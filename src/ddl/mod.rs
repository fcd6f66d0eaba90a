//! Migration files: from folders to statements, and what each statement is.
//!
//! [`source`] reads a folder, [`sql_file`] one file, [`split`] cuts it into statements over the tokens of [`lex`], [`bind`]
//! turns the plan's `:name` into `$1`, [`transaction`] finds what can't run in a file's transaction, and [`parse`] names
//! what a statement does. Nothing here talks to a server, and nothing is guessed at: what isn't understood is refused
//! ([`split`]) or said to be unknown ([`parse`]).

pub mod bind;
pub mod lex;
mod layout;
pub mod parse;
pub mod source;
pub mod split;
pub mod sql_file;
pub mod transaction;

pub use bind::{Bound, bind};
pub use parse::{StatementKind, kind};
pub use source::{Migration, read_folder};
pub use split::{SplitError, Statement, split};
pub use sql_file::{SqlFile, read_sql_file};
pub use transaction::findings;
