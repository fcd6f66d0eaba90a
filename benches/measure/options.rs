//! The command line of a bench.

use clap::{Args, Parser};

/// One megabyte as Postgres counts it.
pub const MB: u64 = 1 << 20;

/// What is said by whoever runs the compiled bench without asking for it: `cargo test --benches` does.
const NOT_ASKED: &str = "a bench: runs with --bench, as `make bench` and `cargo bench` do";

#[derive(Parser)]
struct Asked<O: Args> {
    #[command(flatten)]
    options: O,
    /// As cargo calls it
    #[arg(long, hide = true)]
    bench: bool,
}

/// The options of a bench; none where nobody asked for a measurement.
#[allow(clippy::print_stderr)] // a program of its own
pub fn asked<O: Args>() -> Option<O> {
    // Test runners list what a binary holds: nothing here.
    if std::env::args().any(|arg| arg == "--list") {
        return None;
    }
    let Asked { options, bench } = Asked::<O>::parse();
    if !bench {
        eprintln!("{NOT_ASKED}");
        return None;
    }
    Some(options)
}
