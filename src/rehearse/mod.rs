//! The whole run on throwaway servers: from a dump or a staging database to a verdict, and nothing left behind.
//!
//! - `source.rs`: what `--from` names;
//! - `archive.rs`: what a `pg_dump` archive says about itself; `needs.rs`: what it needs of a server: roles, extensions,
//!   a database of its encoding;
//! - `restore.rs`: a throwaway blue from either, and an empty green like it;
//! - `shadow.rs`: a schema without rows, for `lint --trace`;
//! - `event.rs`: how an event of the plan is made to happen; `traffic.rs`: when, and what became of it; `clients.rs`: who works on the
//!   database while it is migrated in place;
//! - `saved.rs`: the last verdict, kept beside the journals; `verdict.rs`: the document and its text; `junit.rs` and `annotations.rs`: the same for a CI.

mod annotations;
mod archive;
mod clients;
mod event;
mod junit;
mod needs;
mod restore;
pub mod saved;
mod shadow;
mod source;
mod traffic;
mod verdict;

pub use annotations::annotations;
pub use archive::{Archive, Format};
pub use clients::{Clients, ClientsSeen, Refused};
pub use junit::junit;
pub use restore::{Blue, Green, Origin, Raise, empty_green, no_room, raise};
pub use shadow::{Shadow, raise_shadow, schema_of_database, schema_of_file};
pub use source::Source;
pub use traffic::{EventMade, Moment, Pause, Traffic};
pub use verdict::{FailureDoc, Measured, RehearsalDoc, rehearsal_text};
