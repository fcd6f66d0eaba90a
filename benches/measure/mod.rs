//! What the benches share: how they are asked for, what machine they ran on, and how their figures are shown and kept.

#![allow(dead_code)] // every bench uses a part of it

pub mod document;
pub mod machine;
pub mod options;
pub mod series;
pub mod servers;
pub mod table;
