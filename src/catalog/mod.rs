//! Plain facts about one database, as its catalogs have them.

mod extension_table;
mod chunk;
mod figures;
mod holder;
mod large_object;
mod machine;
mod server;
mod structure;
mod table;
mod timeline;
mod writes;

pub use chunk::{Chunk, cut};
pub use extension_table::{ExtensionTable, read_extension_tables};
pub use figures::{Figures, TableFigures, read_figures};
pub use holder::{Holder, blockers_of, waiting_for};
pub use large_object::{LargeObject, PAGE, Piece, count_large_objects, groups, read_large_objects};
pub use machine::{Machine, Share, server_is_here};
pub use server::{Server, read_server};
pub use structure::{Structure, read_structure};
pub use table::{Column, Persistence, Relkind, Table, read_table_names, read_tables};
pub use timeline::{Timeline, Timelines, read_timeline};
pub use writes::{Baseline, TableCounters, TableWrites, Writes, difference, read_write_counters, writes_since};
