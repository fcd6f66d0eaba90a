//! Sessions, identifiers, positions and parameters: all that talks to a server goes through here.

mod clock;
mod connect;
mod error;
mod ident;
mod lsn;
mod patient;
mod text;

pub use connect::{Access, Db, Target};
pub use error::Error;
pub use ident::{Ident, Name, literal};
pub use lsn::Lsn;
pub use text::Text;

/// The schema that holds everything of ours, on blue and on green.
pub const SCHEMA: &str = "teal";
