//! Migration files: from folders to statements, and what each statement is.
//!
//! [`mod@split`] cuts a text into statements over the tokens of [`lex`], [`sql_file`] does so for a file and shows places
//! in it, [`source`] reads a folder of them, [`transaction`] finds what can't run in a file's transaction, [`parse`] names
//! what a statement does, and [`mod@bind`] turns the plan's `:name` into `$1`. Nothing here talks to a server, and nothing
//! is guessed at: what isn't understood is refused or said to be unknown.

pub mod lex;
pub mod split;
pub mod sql_file;
mod layout;
pub mod source;
pub mod transaction;
pub mod parse;
pub mod read;
pub mod lock;
pub mod known;
pub mod assess;
pub mod rule;
pub mod lint;
pub mod bind;

pub use bind::{Bound, bind};
pub use parse::{StatementKind, kind};
pub use source::{Migration, read_folder};
pub use split::{SplitError, Statement, split};
pub use sql_file::{SqlFile, read_sql_file};
pub use transaction::findings;
