//! `migrate rewrite`: the safe form of migration files, from their text and what is known of the schema.

use std::path::{Path, PathBuf};

use clap::Args;

use super::Output;
use super::files::{FilesArgs, Source, sources};
use crate::ddl::known::Known;
use crate::ddl::rewrite::{learn, rewrite};
use crate::error::{Context, Failure, Result};
use crate::report::{RewriteDoc, rewrite_notes, rewrite_text, text};

#[derive(Debug, Args)]
pub struct RewriteArgs {
    #[command(flatten)]
    files: FilesArgs,
    /// Write the files here, under their own names, instead of printing them
    #[arg(long, short, value_name = "DIR")]
    output: Option<PathBuf>,
    /// Print what changes, as a unified diff
    #[arg(long)]
    diff: bool,
}

pub async fn run(args: RewriteArgs, out: &Output) -> Result<()> {
    let schema = args.files.schema().await?;
    let mut known = Known::default();
    if let Some(schema) = &schema {
        learn(&schema.sql, &mut known);
    }
    let major = args.files.major(schema.as_ref()).unwrap_or(15);
    let mut doc = RewriteDoc::new(major);
    let mut read = Vec::new();
    for path in &args.files.paths {
        read.extend(sources(path)?.files);
    }
    for source in &read {
        let rewritten = rewrite(&source.file, source.in_transaction, &mut known, major);
        doc.add(&source.file, &rewritten, source.layout)?;
    }
    if let Some(folder) = &args.output {
        write(&doc, &read, folder)?;
    }
    out.result(&doc, || if args.output.is_some() { String::new() } else { rewrite_text(&doc, args.diff) });
    out.say(&rewrite_notes(&doc));
    match doc.open() {
        0 => Ok(()),
        count => Err(Failure::blocked(format!("{} without a safe form", text::count(count, "statement"))).hint(
            "do what stands behind \"instead\", or accept it in a comment before the statement: -- migrate: accept RULE reason",
        )),
    }
}

/// Writes all files, or none if one would take a source's place or another's.
fn write(doc: &RewriteDoc, sources: &[Source], folder: &Path) -> Result<()> {
    std::fs::create_dir_all(folder).with_context(|| folder.display())?;
    let mut targets: Vec<PathBuf> = Vec::new();
    let same = |a: &Path, b: &Path| matches!((a.canonicalize(), b.canonicalize()), (Ok(a), Ok(b)) if a == b);
    for source in sources {
        let name = source.file.path.file_name().unwrap_or_default();
        let target = folder.join(name);
        if sources.iter().any(|other| same(&target, &other.file.path)) {
            let what = format!("{}: is a source, and would be overwritten", target.display());
            return Err(Failure::usage(what).hint("name another folder: migrate rewrite FILES -o OTHER"));
        }
        if targets.contains(&target) {
            let what = format!("{}: two sources have this name", target.display());
            return Err(Failure::usage(what).hint("rewrite one folder at a time"));
        }
        targets.push(target);
    }
    for (target, text) in targets.iter().zip(doc.texts()) {
        std::fs::write(target, text).with_context(|| target.display())?;
    }
    Ok(())
}
