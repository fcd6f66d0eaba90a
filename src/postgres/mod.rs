//! Sessions, identifiers, positions and parameters: all that talks to a server goes through here.

mod clock;
mod connect;
mod conninfo;
mod error;
mod ident;
mod lsn;
mod patient;
mod reach;
mod refusal;
mod session;
mod text;
mod tls;

pub use connect::{Access, Target};
pub use conninfo::Environment;
pub use error::Error;
pub use ident::{Ident, Name, literal};
pub use lsn::Lsn;
pub use session::{Canceller, Db};
pub use text::Text;
pub use tls::Protection;

/// The schema that holds everything of ours, on blue and on green.
pub const SCHEMA: &str = "teal";
