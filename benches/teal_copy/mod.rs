//! Our copy, part by part, in the order and with the sessions of `migrate apply` (src/engine/copy.rs and act.rs).

use std::time::Instant;

use teal::catalog::read_tables;
use teal::error::{Failure, Result};
use teal::postgres::{Access, Target};
use teal::snapshot::{self, Jobs, Rows};
use teal::step::{Notices, Phase, StepId};
use teal::validate;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

/// Where the time of one copy went, in seconds, and what it took of memory.
#[derive(Debug, Default, Clone)]
pub struct Parts {
    /// `pg_dump` of the schema, and `pg_restore` of what comes before the rows.
    pub schema: f64,
    /// Rows; the indexes of tables that are in are built beside.
    pub rows: f64,
    /// What was left of the indexes then.
    pub indexes: f64,
    pub foreign_keys: f64,
    /// What comes after, with sequences and settings.
    pub rest: f64,
    pub analyze: f64,
    pub digest_blue: f64,
    pub digest_green: f64,
    /// The most that our process held in memory, resident.
    pub peak_bytes: u64,
}

impl Parts {
    /// The copy: what `pg_dump` and `pg_restore` do.
    pub fn copied(&self) -> f64 {
        self.schema + self.rows + self.indexes + self.foreign_keys + self.rest
    }
}

/// Copies and digests both sides; fails where they differ.
pub async fn run((blue, green): (&Target, &Target), jobs: usize, chunk: Option<u64>) -> Result<Parts> {
    forget_peak();
    let mut parts = Parts::default();
    let notices = Notices::new(StepId::new(Phase::Snapshot, "copy"), None);
    let cancel = CancellationToken::new();
    let folder = tempfile::tempdir()?;
    let archive = folder.path().join("schema.dump");
    let mut clock = Clock::start();

    let on_blue = blue.connect(Access::ReadOnly).await?;
    let tables = read_tables(&on_blue).await?;
    let export = snapshot::export(blue, &tables).await?;
    snapshot::dump_schema(blue, &export.point, &archive).await?;
    snapshot::restore_pre_data(green, &archive).await?;
    snapshot::copy_extension_rows(blue, green, &export.point).await?;
    let post = snapshot::read_post_data(&archive).await?;
    parts.schema = clock.lap();

    let (copied_table, ready) = mpsc::unbounded_channel();
    let building = {
        let (green, tables, post) = (green.clone(), tables.clone(), post.clone());
        let (notices, cancel) = (notices.clone(), cancel.clone());
        tokio::spawn(async move {
            snapshot::build_indexes(&green, &post, &tables, ready, Jobs::fixed(jobs), &notices, &cancel).await
        })
    };
    let order = Rows { point: &export.point, tables: &tables, jobs: Jobs::fixed(jobs), chunk };
    snapshot::copy_rows((blue, green), order, &copied_table, &notices, &cancel).await?;
    drop(copied_table);
    snapshot::copy_large_objects((blue, green), &export.point, jobs, &notices, &cancel).await?;
    parts.rows = clock.lap();
    building.await.map_err(|e| Failure::failed(format!("building indexes: {e}")))??;
    parts.indexes = clock.lap();
    snapshot::add_foreign_keys(green, &post, Jobs::fixed(jobs), &notices, &cancel).await?;
    parts.foreign_keys = clock.lap();
    snapshot::restore_rest(green, &post, &notices, &cancel).await?;
    let on_green = green.connect(Access::ReadWrite).await?;
    snapshot::set_sequences(&on_blue, &on_green, 0).await?;
    snapshot::copy_settings(&on_blue, &on_green).await?;
    parts.rest = clock.lap();
    snapshot::analyze(green, Jobs::fixed(jobs), &notices, &cancel).await?;
    parts.analyze = clock.lap();

    let sessions = snapshot::join_up_to(jobs, blue, &export.point, &notices).await?;
    let of_blue = validate::digest_all(sessions, &tables, &notices).await?;
    parts.digest_blue = clock.lap();
    let sessions = snapshot::open_up_to(jobs, &notices, async || green.connect(Access::ReadOnly).await).await?;
    let of_green = validate::digest_all(sessions, &read_tables(&on_green).await?, &notices).await?;
    parts.digest_green = clock.lap();
    parts.peak_bytes = peak_bytes();
    let differing = validate::compare_digests(&of_blue, &of_green);
    match differing.first() {
        None => Ok(parts),
        Some(finding) => Err(Failure::failed(format!("the copy is not equal: {} {}", finding.object, finding.what))),
    }
}

struct Clock(Instant);

impl Clock {
    fn start() -> Self {
        Self(Instant::now())
    }

    fn lap(&mut self) -> f64 {
        let lap = self.0.elapsed().as_secs_f64();
        self.0 = Instant::now();
        lap
    }
}

/// Starts the measurement of the peak anew (proc(5), `clear_refs`); where that is refused it holds all rounds.
fn forget_peak() {
    let _ = std::fs::write("/proc/self/clear_refs", "5");
}

/// The most of our process that was resident at once (`VmHWM`).
fn peak_bytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kilobytes: Option<u64> = line.and_then(|line| line.trim().trim_end_matches(" kB").parse().ok());
    kilobytes.unwrap_or(0) * 1024
}
