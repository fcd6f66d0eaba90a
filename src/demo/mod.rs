//! What `migrate demo` upgrades: a small OAuth engine under live traffic, and an independent ledger of what its users
//! were told.
//!
//! [`schema`] fills blue and lays out a demo folder; [`Traffic`] drives clients that find their database through a
//! configuration file, as a service would; the [`Ledger`] holds every acknowledged write, and its audit asks green
//! about them. Nothing here knows of capture, replay or cutover: what it finds is found from outside.

mod audit;
mod client;
mod dialect;
mod ledger;
mod login;
mod operation;
pub mod schema;
mod traffic;

pub use audit::Audit;
pub use dialect::Dialect;
pub use ledger::{Counts, Kind, Ledger, LedgerSnapshot, Mark, Pause, Revocation, Side};
pub use traffic::Traffic;
