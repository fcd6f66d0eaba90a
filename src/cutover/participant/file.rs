//! A participant that is a file: atomically replaced, the old content kept.

use std::io::Write;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use super::{Participant, Switch};
use crate::error::Failure;

/// The file, its new content, and where the old one is kept.
#[derive(Debug)]
pub struct File {
    /// What is replaced.
    pub path: PathBuf,
    /// The file that holds the new content.
    pub content: PathBuf,
    /// Where the old content is kept.
    pub kept: PathBuf,
}

impl Participant for File {
    /// Keeps the old content and proves that the folder takes a new file, so that commit can hardly fail.
    async fn prepare(&self) -> Result<(), Failure> {
        let new = read(&self.content)?;
        let old = read(&self.path)?;
        if old == new {
            return Err(Failure::blocked(format!("{} holds the new content already", self.path.display())));
        }
        replace(&self.kept, &old, &self.path)?;
        let probe = tempfile::Builder::new().prefix(".teal-").tempfile_in(folder(&self.path));
        probe.map(drop).map_err(|e| failed(&self.path, &e))
    }

    async fn commit(&self) -> Result<(), Failure> {
        replace(&self.path, &read(&self.content)?, &self.path)
    }

    async fn committed(&self) -> Switch {
        match (read(&self.path), read(&self.content)) {
            (Ok(now), Ok(new)) if now == new => Switch::Switched,
            (Ok(now), Ok(_)) => match read(&self.kept) {
                // Somebody else wrote it meanwhile: neither the old content nor the new one.
                Ok(old) if old != now => Switch::Unknown(format!("{} was changed by somebody", self.path.display())),
                _ => Switch::NotYet,
            },
            (Err(e), _) | (_, Err(e)) => Switch::Unknown(e.what),
        }
    }

    async fn abort(&self) -> Result<(), Failure> {
        match std::fs::remove_file(&self.kept) {
            Err(e) if e.kind() != std::io::ErrorKind::NotFound => Err(failed(&self.kept, &e)),
            _ => Ok(()),
        }
    }
}

fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    std::fs::read(path).map_err(|e| failed(path, &e))
}

/// Writes a new file beside `path` with the owner and mode of `like`, and renames it over `path`: a reader sees the old
/// content or the new, never a part; a crash leaves one of them.
fn replace(path: &Path, content: &[u8], like: &Path) -> Result<(), Failure> {
    let written = (|| {
        let mut file = tempfile::Builder::new().prefix(".teal-").tempfile_in(folder(path))?;
        let model = std::fs::metadata(like)?;
        file.as_file().set_permissions(std::fs::Permissions::from_mode(model.mode() & 0o7777))?;
        if model.uid() != rustix::process::geteuid().as_raw() || model.gid() != rustix::process::getegid().as_raw() {
            std::os::unix::fs::chown(file.path(), Some(model.uid()), Some(model.gid()))?;
        }
        file.write_all(content)?;
        file.as_file().sync_all()?;
        file.persist(path).map_err(|e| e.error)?;
        std::fs::File::open(folder(path))?.sync_all()
    })();
    written.map_err(|e| failed(path, &e))
}

fn folder(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

fn failed(path: &Path, e: &std::io::Error) -> Failure {
    Failure::failed(format!("{}: {e}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_file_switches_keeps_its_mode_and_knows_when_somebody_else_wrote_it() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        std::fs::write(at("conf"), "blue").unwrap();
        std::fs::set_permissions(at("conf"), std::fs::Permissions::from_mode(0o640)).unwrap();
        std::fs::write(at("new"), "green").unwrap();
        let file = File { path: at("conf"), content: at("new"), kept: at("kept") };
        assert_eq!(file.committed().await, Switch::NotYet);
        file.prepare().await.unwrap();
        assert_eq!(file.committed().await, Switch::NotYet);
        std::fs::write(at("conf"), "edited").unwrap();
        assert!(matches!(file.committed().await, Switch::Unknown(_)));
        file.commit().await.unwrap();
        assert_eq!(file.committed().await, Switch::Switched);
        assert_eq!(std::fs::metadata(at("conf")).unwrap().mode() & 0o777, 0o640);
        assert_eq!(std::fs::read_to_string(at("kept")).unwrap(), "blue");
    }
}
