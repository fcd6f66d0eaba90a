//! What is kept of a bench: `target/bench/NAME.json`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde_json::{Map, Value};
use teal::error::Result;

use super::machine::{Machine, version_of};
use super::series::{Kept, Series};

/// The whole document.
#[derive(Debug, Serialize)]
pub struct Document {
    format: &'static str,
    bench: &'static str,
    at: jiff::Timestamp,
    machine: Machine,
    versions: BTreeMap<&'static str, String>,
    /// The servers' settings that are not Postgres' own.
    settings: BTreeMap<String, String>,
    /// What was measured: sizes and options, units in the names.
    measured: Map<String, Value>,
    /// By name, units in the names.
    figures: Map<String, Value>,
    targets: Vec<Target>,
}

/// What a figure is held against.
#[derive(Debug, Clone, Serialize)]
pub struct Target {
    /// What is held.
    pub what: String,
    /// The limit.
    pub limit: f64,
    /// Whether the value must not pass the limit; else it must reach it.
    pub at_most: bool,
    /// The value.
    pub value: f64,
    /// Whether it holds.
    pub met: bool,
}

impl Target {
    /// A value that must not pass a limit.
    pub fn at_most(what: impl Into<String>, value: f64, limit: f64) -> Self {
        Self { what: what.into(), limit, at_most: true, value, met: value <= limit }
    }

    /// A value that must reach a limit.
    pub fn at_least(what: impl Into<String>, value: f64, limit: f64) -> Self {
        Self { what: what.into(), limit, at_most: false, value, met: value >= limit }
    }

    /// In a line: `met     digest against the copy: 0.43 (<= 0.5)`.
    pub fn line(&self) -> String {
        let (verdict, sign) = (if self.met { "met   " } else { "MISSED" }, if self.at_most { "<=" } else { ">=" });
        format!("{verdict}  {}: {:.2} ({sign} {})", self.what, self.value, self.limit)
    }
}

impl Document {
    /// An empty one; `programs` are asked for their versions.
    pub fn new(bench: &'static str, settings: &[(&str, &str)], programs: &[&'static str]) -> Self {
        let versions = programs.iter().filter_map(|name| Some((*name, version_of(name)?)));
        Self {
            format: "teal.bench/1",
            bench,
            at: jiff::Timestamp::now(),
            machine: Machine::read(),
            versions: versions.chain([("teal", env!("CARGO_PKG_VERSION").to_owned())]).collect(),
            settings: settings.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
            measured: Map::new(),
            figures: Map::new(),
            targets: Vec::new(),
        }
    }

    /// The machine, in a line.
    pub fn machine(&self) -> String {
        self.machine.line()
    }

    /// The programs and their versions, in a line.
    pub fn versions(&self) -> String {
        self.versions.values().filter(|v| !v.starts_with(char::is_numeric)).cloned().collect::<Vec<_>>().join(" · ")
    }

    /// Keeps what was measured.
    pub fn measured(&mut self, name: &str, value: impl Into<Value>) {
        self.measured.insert(name.to_owned(), value.into());
    }

    /// Keeps a figure with its spread.
    pub fn figure(&mut self, name: &str, series: &Series) {
        let kept: Kept = series.kept();
        self.figures.insert(name.to_owned(), serde_json::to_value(kept).unwrap_or(Value::Null));
    }

    /// Keeps what is held against a limit.
    pub fn target(&mut self, target: Target) {
        self.targets.push(target);
    }

    /// What is held against a limit, so far.
    pub fn targets(&self) -> &[Target] {
        &self.targets
    }

    /// Writes it and gives the path.
    pub fn write(&self) -> Result<PathBuf> {
        let target = std::env::var_os("CARGO_TARGET_DIR")
            .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("target"), PathBuf::from);
        let folder = target.join("bench");
        std::fs::create_dir_all(&folder)?;
        let path = folder.join(format!("{}.json", self.bench));
        std::fs::write(&path, serde_json::to_string_pretty(self)? + "\n")?;
        Ok(path)
    }
}
