//! The last verdict of a plan, kept beside its journals under a name that no run can have: a plan's name has no dot.

use std::path::{Path, PathBuf};

use serde_json::Value;

use super::verdict::{RehearsalDoc, rehearsal_text};
use crate::error::{Context, Result};

/// A verdict of an earlier day.
#[derive(Debug, Clone)]
pub struct Saved {
    /// The document.
    pub document: Value,
    /// The same for people.
    pub text: String,
}

/// The folder of a plan's last rehearsal.
pub fn folder(journal_dir: &Path, plan: &str) -> PathBuf {
    journal_dir.join(format!("{plan}.rehearsal"))
}

/// Keeps a verdict instead of the one before; each file is replaced whole.
pub fn write(journal_dir: &Path, doc: &RehearsalDoc) -> Result<()> {
    let folder = folder(journal_dir, &doc.plan);
    std::fs::create_dir_all(&folder).with_context(|| folder.display().to_string())?;
    let text = console::strip_ansi_codes(&rehearsal_text(doc)).into_owned();
    let files = [("rehearsal.txt", text), ("rehearsal.json", serde_json::to_string_pretty(doc)? + "\n")];
    for (name, content) in files {
        let new = tempfile::NamedTempFile::new_in(&folder).with_context(|| folder.display().to_string())?;
        std::fs::write(new.path(), content)?;
        new.persist(folder.join(name)).map_err(|e| e.error).with_context(|| folder.display().to_string())?;
    }
    Ok(())
}

/// The last verdict; none where the plan was never rehearsed here.
pub fn read(journal_dir: &Path, plan: &str) -> Result<Option<Saved>> {
    let folder = folder(journal_dir, plan);
    let document = match std::fs::read_to_string(folder.join("rehearsal.json")) {
        Ok(text) => serde_json::from_str(&text).map_err(crate::error::Failure::from),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(e) => Err(e.into()),
    };
    let document = document.with_context(|| folder.display().to_string())?;
    let text = std::fs::read_to_string(folder.join("rehearsal.txt")).with_context(|| folder.display().to_string())?;
    Ok(Some(Saved { document, text }))
}
