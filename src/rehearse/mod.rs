//! The whole run on throwaway servers: from a dump or a staging database to a verdict, and nothing left behind.
//!
//! - `source.rs`: what `--from` names;
//! - `archive.rs`: what a `pg_dump` archive says about itself; `needs.rs`: what it needs of a server: roles, extensions,
//!   a database of its encoding;
//! - `restore.rs`: a throwaway blue from either, and an empty green like it.

mod archive;
mod needs;
mod restore;
mod source;

pub use archive::{Archive, Format};
pub use restore::{Blue, Green, Origin, Raise, empty_green, raise};
pub use source::Source;
