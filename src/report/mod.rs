//! What a command says: documents with types of their own, and the same as text.
//!
//! Every document begins with `"format": "teal.<kind>/1"`, has units in its names, and only ever gains fields.
//!
//! - `plan.rs`: what will happen; saved by `plan -o`, run by `apply`; `plan_in_place.rs`: the same in place, as text; `migrations.rs`: its folder;
//! - `run.rs`: what happened, from the journal alone, so that it can be told on any day after;
//! - `status.rs`: where a run stands;
//! - `lint.rs`: what files would do, for people, code scanning and CI;
//! - `rewrite.rs`: the safe form of files, as SQL or a diff, and what is to be known of it;
//! - `text.rs`: how findings, tables and failures read on a terminal of 80 columns.

mod doctor;
mod lint;
mod migrations;
mod plan;
mod plan_in_place;
mod rewrite;
mod run;
mod status;
pub mod text;

pub use doctor::{CopyEstimate, DoctorDoc, Measured, TopicDoc, copy_estimate, doctor_text};
pub use lint::{LintDoc, lint_text};
pub use migrations::{FolderDoc, FolderSeen, IgnoredDoc, MigrationDoc, StatementDoc};
pub use plan::{PlanDoc, Subject, drift, plan_doc, plan_text};
pub use rewrite::{RewriteDoc, rewrite_notes, rewrite_text};
pub use run::{RunReport, run_report, run_text};
pub use status::{StatusDoc, TurnedLever, status_text};
