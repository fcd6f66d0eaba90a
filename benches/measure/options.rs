//! The command line of a bench.

use clap::Parser;

/// One megabyte as Postgres counts it.
pub const MB: u64 = 1 << 20;

/// What is said by whoever runs the compiled bench without asking for it: `cargo test --benches` does.
const NOT_ASKED: &str = "a bench: runs with --bench, as `make bench` and `cargo bench` do";

/// The options of one bench: parsed, where it was really asked for.
pub trait Asked: Parser {
    /// Whether `--bench` was given, which cargo adds.
    fn bench(&self) -> bool;

    /// The options; none where nobody asked for a measurement.
    #[allow(clippy::print_stderr)] // a program of its own
    fn asked() -> Option<Self> {
        // Test runners list what a binary holds: nothing here.
        if std::env::args().any(|arg| arg == "--list") {
            return None;
        }
        let options = Self::parse();
        if !options.bench() {
            eprintln!("{NOT_ASKED}");
            return None;
        }
        Some(options)
    }
}
