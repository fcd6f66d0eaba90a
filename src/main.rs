//! `migrate`: the thin program over the library.

fn main() -> std::process::ExitCode {
    teal::cli::main(std::env::args_os())
}
