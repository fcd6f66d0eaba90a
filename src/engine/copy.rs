//! The copy: one exported snapshot, and everything that must see it while it lives.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::act::{Act, Done};
use super::checks;
use super::kept;
use super::results::CopyResult;
use crate::capture;
use crate::catalog::{Table, Timelines, read_structure, read_tables, read_write_counters};
use crate::error::{Failure, Result};
use crate::failpoint::failpoint;
use crate::journal::Recorder;
use crate::plan::{Event, Plan};
use crate::postgres::{Access, Name, Target};
use crate::replay;
use crate::snapshot::{self, CopyPoint, Export, Jobs, PostData, Rows, TableCopied};
use crate::step::{Notices, Phase, StepId};
use crate::units::{count, show_bytes};
use crate::validate::{self, Answer, TableDigest};

/// The schema's archive in the run's folder: later steps read the post-data section from it.
pub fn archive(folder: &Path) -> PathBuf {
    folder.join("schema.dump")
}

impl Act<'_> {
    /// Schema and rows, blue's digests, and blue's side of the checks, all from one snapshot. The snapshot dies with us:
    /// a copy that was interrupted starts over on an emptied green.
    pub(super) async fn copy(&mut self, recorder: &mut Recorder, notices: &Notices) -> Done {
        let (folder, stop) = (recorder.folder().to_owned(), recorder.stop().clone());
        let (plan, mut edits) = (self.plan, self.edits.clone());
        edits.while_at(Box::pin(self.copy_all(&folder, &stop, notices)), plan, recorder, notices).await
    }

    async fn copy_all(&mut self, folder: &Path, stop: &CancellationToken, notices: &Notices) -> Done {
        let Plan { blue, .. } = self.plan;
        let db = self.blue().await?;
        let tables = read_tables(&db).await?;
        for event in &self.plan.events {
            refuse_gap(event, &capture::gaps(&db, event, &tables).await?)?;
        }
        let old = self.green().await?;
        snapshot::empty_green(&old).await?;
        replay::forget_receipts(&db, &old).await?;
        drop(old);

        let writes = read_write_counters(&db).await?;
        let export = snapshot::export(blue, &tables).await?;
        failpoint("snapshot.exported");
        let point = export.point.clone();
        let structure = read_structure(&export.db).await?;
        let timelines = Timelines::read(&export.db, &self.green().await?).await?;
        let mut reversed = Vec::new();
        for event in &self.plan.events {
            let captured = capture::resolve(&db, event, &tables).await?;
            reversed.extend(capture::reversed_in_snapshot(&export.db, &captured).await?);
        }

        // Without the keeper nothing holds blue's tables as the snapshot saw them.
        let taken = tokio::select! {
            copied = Box::pin(self.copy_under(&export, &tables, folder, stop, notices)) => copied?,
            lost = export.lost() => return Err(lost),
        };
        export.confirm().await?;
        drop(export);
        failpoint("snapshot.copied");

        let Taken { tables: mut copied, objects, digests, answers } = taken;
        let rows: u64 = copied.iter().map(|table| table.rows).sum();
        let bytes: u64 = copied.iter().map(|table| table.bytes).sum();
        let large = objects.as_ref().map(|objects| format!(", {}", count(objects.rows, "large object")));
        let outcome = format!(
            "{}, {}{}, {} at {}",
            count(copied.len() as u64, "table"),
            count(rows, "row"),
            large.unwrap_or_default(),
            show_bytes(bytes + objects.as_ref().map_or(0, |objects| objects.bytes)),
            point.lsn
        );
        copied.extend(objects);
        timelines.refuse_failover(&Timelines::read(&self.blue().await?, &self.green().await?).await?)?;
        let result = CopyResult { point, timelines, tables: copied, digests, structure, writes, reversed, answers };
        Ok((kept(&result)?, outcome))
    }

    /// What needs the snapshot: schema, rows, blue's digests and its side of the checks. The indexes go on behind it.
    async fn copy_under(
        &mut self,
        export: &Export,
        tables: &[Table],
        folder: &Path,
        stop: &CancellationToken,
        notices: &Notices,
    ) -> Result<Taken> {
        let Plan { blue, green, .. } = self.plan;
        let (point, jobs) = (&export.point, self.edits.jobs());
        snapshot::dump_schema(blue, point, &archive(folder)).await?;
        snapshot::restore_pre_data(green, &archive(folder)).await?;
        let extensions = snapshot::copy_extension_rows(blue, green, point).await?;
        let post = snapshot::read_post_data(&archive(folder)).await?;
        let (copied_table, ready) = mpsc::unbounded_channel::<Name>();
        let indexes = notices.of(&StepId::new(Phase::Snapshot, "indexes"));
        let building = build(green.clone(), tables.to_vec(), post, ready, jobs.clone(), indexes, stop.clone());
        self.indexes = Some(tokio::spawn(building));

        let rows = Rows { point, tables, jobs: jobs.clone(), chunk: None };
        let mut copied = snapshot::copy_rows((blue, green), rows, &copied_table, notices, stop).await?;
        drop(copied_table);
        copied.extend(extensions);
        let objects = snapshot::copy_large_objects((blue, green), point, jobs.now(), notices, stop).await?;
        // The keeper's locks stay while blue is digested and asked: so does the watch over who waits for them.
        let (digests, answers) = tokio::select! {
            looked = look_at_blue(self.plan, point, tables, jobs.now(), folder, notices) => looked?,
            failure = snapshot::watch(blue) => return Err(failure),
            () = stop.cancelled() => return Err(Failure::failed("interrupted")),
        };
        Ok(Taken { tables: copied, objects, digests, answers })
    }
}

/// What was taken out of the snapshot.
struct Taken {
    tables: Vec<TableCopied>,
    /// Large objects, where blue has any.
    objects: Option<TableCopied>,
    digests: Vec<TableDigest>,
    answers: BTreeMap<String, Answer>,
}

/// A failover with asynchronous replication may have lost the triggers that the journal says are there; and whoever
/// disabled one did so unseen. A copy without them would miss what comes after it.
fn refuse_gap(event: &Event, gaps: &[Name]) -> Result<()> {
    let Some(relation) = gaps.first() else { return Ok(()) };
    Err(Failure::blocked(format!(
        "event {:?} on {}: a capture trigger is missing, disabled, or lets replica-role sessions pass",
        event.name,
        relation.plain()
    ))
    .hint("begin anew: migrate abort"))
}

/// Blue's digests and its side of the checks, inside the snapshot.
async fn look_at_blue(
    plan: &Plan,
    point: &CopyPoint,
    tables: &[Table],
    jobs: usize,
    folder: &Path,
    notices: &Notices,
) -> Result<(Vec<TableDigest>, BTreeMap<String, Answer>)> {
    let sessions = snapshot::join_up_to(jobs, &plan.blue, point, notices).await?;
    let tables: Vec<Table> = tables.iter().filter(|table| table.holds_rows()).cloned().collect();
    let mut digests = validate::digest_all(sessions, &tables, notices).await?;
    let sessions = snapshot::join_up_to(jobs, &plan.blue, point, notices).await?;
    digests.extend(validate::digest_beside_tables(sessions).await?);
    let answers = checks::ask_blue(plan, &snapshot::join(&plan.blue, point).await?, folder).await?;
    Ok((digests, answers))
}

/// Builds indexes and constraints, those of a table as soon as its rows are in; gives their number.
async fn build(
    green: Target,
    tables: Vec<Table>,
    post: PostData,
    ready: mpsc::UnboundedReceiver<Name>,
    jobs: Jobs,
    notices: Notices,
    stop: CancellationToken,
) -> Result<u64> {
    snapshot::build_indexes(&green, &post, &tables, ready, jobs, &notices, &stop).await?;
    Ok(post.indexes.len() as u64)
}

/// Builds what is not there yet, when the process that copied the rows is gone: they are all in.
pub async fn build_missing(
    target: &Target,
    post: PostData,
    jobs: Jobs,
    notices: Notices,
    stop: CancellationToken,
) -> Result<u64> {
    let green = target.connect(Access::ReadOnly).await?;
    let tables = read_tables(&green).await?;
    let (all, ready) = mpsc::unbounded_channel();
    for table in &tables {
        let _ = all.send(table.name.clone());
    }
    drop(all);
    build(target.clone(), tables, post, ready, jobs, notices, stop).await
}
