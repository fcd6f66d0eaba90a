//! Teal upgrades a Postgres database without taking its users down.
//!
//! Data goes one way, and the modules stand in that order; a module imports only from those above it
//! (`tests/architecture.rs` holds that):
//!
//! plan file → [`plan::Plan`] → [`planner`] → [`step::Step`]s → [`journal`] → actions ([`capture`], [`snapshot`],
//! [`replay`], [`validate`], [`cutover`], driven by [`engine`]) → [`report`].

pub mod failpoint;
pub mod error;
pub mod finding;
pub mod units;
pub mod postgres;
pub mod program;
pub mod catalog;
pub mod plan;
pub mod ddl;
pub mod guard;
pub mod step;
pub mod planner;
pub mod journal;
pub mod sandbox;
pub mod snapshot;
pub mod migrate;
pub mod capture;
pub mod replay;
pub mod validate;
pub mod lever;
pub mod cutover;
pub mod engine;
pub mod report;
pub mod rehearse;
pub mod init;
pub mod demo;
pub mod cli;
