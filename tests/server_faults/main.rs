//! Servers that fail over, disks that fill up, connections that run out. Run with the real program.

#![allow(clippy::unwrap_used)] // a test may fail by panicking, its helpers included

#[path = "../support/mod.rs"]
mod support;

mod disk;
mod failover;
mod memory;
