//! `guard/journal-folder`, `guard/disk-here`, `guard/program-missing`, `guard/file-missing`, `guard/unanswered`: what the run
//! needs on this machine, and the plan's other databases.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use rustix::fs::{Access as Mode, access, statvfs};

use crate::finding::Finding;
use crate::plan::{MigrationSource, ParticipantKind, Plan, Sides, Source};
use crate::postgres::{Access, Target};
use crate::program::{Beyond, Program};
use crate::units::show_bytes;

/// Journal, schema dump and answers of checks: under this they may not fit.
const LITTLE: u64 = 1 << 30;
/// Under this a run would fail on its first dump.
const NOTHING: u64 = 64 << 20;

/// The journal's folder and what the plan's programs are.
pub(super) fn check(plan: &Plan) -> Vec<Finding> {
    let mut found = journal(plan);
    found.extend(programs(plan));
    found
}

/// The folder itself, or the nearest one above it that is there: the run makes the rest.
pub(super) fn standing(folder: &Path) -> PathBuf {
    let absolute = std::path::absolute(folder).unwrap_or_else(|_| folder.to_owned());
    absolute.ancestors().find(|folder| folder.exists()).unwrap_or(Path::new("/")).to_owned()
}

/// Free space for us, in bytes; none where the system does not say.
pub(super) fn free_bytes(folder: &Path) -> Option<u64> {
    let stat = statvfs(folder).ok()?;
    Some(stat.f_bavail.saturating_mul(stat.f_frsize))
}

fn journal(plan: &Plan) -> Vec<Finding> {
    let folder = standing(&plan.journal_dir);
    let shown = plan.journal_dir.display();
    if !folder.is_dir() || access(&folder, Mode::WRITE_OK | Mode::EXEC_OK).is_err() {
        return vec![
            Finding::blocker(
                "guard/journal-folder",
                "this machine",
                format!("nothing can be written to {}", folder.display()),
            )
            .so_what(format!("the journal is to lie in {shown}: without it there is no run"))
            .next(format!("mkdir -p {shown} && chown $(id -u) {shown}")),
        ];
    }
    let Some(free) = free_bytes(&folder).filter(|free| *free < LITTLE) else { return Vec::new() };
    let what = format!("{} are free for {shown}", show_bytes(free));
    let finding = if free < NOTHING {
        Finding::blocker("guard/disk-here", "this machine", what)
    } else {
        Finding::warning("guard/disk-here", "this machine", what)
    };
    vec![
        finding
            .so_what("the journal, the schema's dump and the answers of checks lie there: a run that can't write ends")
            .next(format!("df -h {}", folder.display())),
    ]
}

/// A migrator that is not there would be missed after the copy, hours later.
fn programs(plan: &Plan) -> Vec<Finding> {
    let env = BTreeMap::new();
    let there = |argv: &[String]| {
        Program { argv, folder: plan.folder(), env: &env, timeout: None, keep: 0, beyond: Beyond::Drop }.is_there()
    };
    let name = |argv: &[String]| argv.first().cloned().unwrap_or_default();
    let next = "a name with a / is relative to the plan's folder, any other is looked up on PATH";
    let mut found = Vec::new();
    if let MigrationSource::Command { argv, .. } = &plan.migrations.source
        && !there(argv)
    {
        found.push(
            Finding::blocker("guard/program-missing", "plan", format!("the migrator {} is not there", name(argv)))
                .so_what("the run would fail after the copy")
                .next(next),
        );
    }
    for check in &plan.checks {
        let Sides::Each(sides) = &check.sides else { continue };
        for (side, source) in sides {
            if let Source::Program(argv) = source
                && !there(argv)
            {
                let object = format!("check \"{}\"", check.name);
                found.push(
                    Finding::warning("guard/program-missing", object, format!("{} is not there", name(argv)))
                        .so_what(format!("its answer for {side} would be missing, and the check fail"))
                        .next(next),
                );
            }
        }
    }
    found
}

/// Files that participants replace: the rename into place needs the folder.
pub(super) fn files(plan: &Plan) -> Vec<Finding> {
    let mut found = Vec::new();
    for spec in &plan.participants {
        let ParticipantKind::File { path, content } = &spec.kind else { continue };
        let object = format!("participant {}", spec.name);
        let folder = path.parent().unwrap_or(Path::new("."));
        if access(folder, Mode::WRITE_OK | Mode::EXEC_OK).is_err() {
            found.push(
                Finding::warning(
                    "guard/file-missing",
                    &object,
                    format!("nothing can be written to {}", folder.display()),
                )
                .so_what("a cutover from this machine could not put the new file into place")
                .next(format!("ls -ld {}", folder.display())),
            );
        }
        for file in [path, content].into_iter().filter(|file| access(file.as_path(), Mode::READ_OK).is_err()) {
            found.push(
                Finding::warning("guard/file-missing", &object, format!("{} can't be read", file.display()))
                    .so_what("a cutover from this machine would be undone at its prepare")
                    .next(format!("ls -l {}", file.display())),
            );
        }
    }
    found
}

/// A database that only checks ask.
pub(super) async fn answers(target: &Target) -> Option<Finding> {
    let asked = async {
        let db = target.connect(Access::ReadOnly).await?;
        db.row("SELECT 1", &[]).await
    };
    let e = asked.await.err()?;
    Some(
        Finding::blocker("guard/unanswered", &target.name, e.to_string())
            .so_what("checks of the plan ask it, and would fail after the copy")
            .next(format!("pg_isready -h {} -p {}", target.host(), target.port())),
    )
}
