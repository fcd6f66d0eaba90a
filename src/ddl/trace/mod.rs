//! What statements really do, read off a server on which nothing is lost: a shadow with the schema of the database that
//! they are meant for.
//!
//! [`witness`] looks at one statement: locks newly taken, files written anew, scans begun, columns before and after, and
//! what event triggers saw inside of DO blocks, functions, EXECUTE and CASCADE. [`chain`] runs files in their order.
//! [`mod@confront`] holds what was judged from the text against it. A scan shows on an empty table as well: the server counts
//! scans when they begin (`pgstat_count_heap_scan` in `initscan`, `heapam.c`), so the shadow needs no rows; the one
//! exception is a referenced table, which is looked into by a join that ends where nothing references it. Without rows it
//! can't show what code does row by row, and that is said ([`Seen::doubt`]).
//!
//! What can't run in a transaction block (CONCURRENTLY, VACUUM) is run, so that the chain goes on, and not seen: its locks
//! are gone when it ends.

mod chain;
mod confront;
mod reach;
mod witness;

pub use chain::{Chain, Step, prepare};
pub use confront::confront;
pub use reach::reaches_out;
pub use witness::{Change, Seen, SeenRelation, observe};
