//! `migrate`: the thin program over the library.

fn main() {}
