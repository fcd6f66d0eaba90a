//! From the file's mirror to the plan (being written).

use std::path::Path;

use super::Plan;
use crate::error::{Failure, Result};

/// Reads and checks a plan file; `env` gives the value of `${NAME}`.
///
/// Fails with a usage failure whose detail is an excerpt of the file with the span underlined.
pub fn read_plan(path: &Path, env: &dyn Fn(&str) -> Option<String>) -> Result<Plan> {
    let _ = env;
    Err(Failure::usage(format!("{}: being written", path.display())))
}
