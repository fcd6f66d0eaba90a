//! Plain facts about one database, as its catalogs have them.

mod structure;
mod table;

pub use structure::{Structure, read_structure};
pub use table::{Column, Persistence, Relkind, Table, read_tables};
