//! A disk that can be full: a file system in memory, with a file that takes what room is left.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A mounted file system of a fixed size, gone when dropped.
pub struct SmallDisk {
    folder: PathBuf,
}

impl SmallDisk {
    /// Mounts one. `None` where nobody may (mounting needs root): the test that wants it says so and proves nothing.
    #[allow(clippy::print_stderr)]
    pub fn mount(megabytes: u32) -> Option<Self> {
        let folder = tempfile::Builder::new().prefix("teal-disk-").tempdir().unwrap().keep();
        let size = format!("size={megabytes}m,mode=1777");
        let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", &size, "tmpfs"]).arg(&folder).output();
        if mounted.as_ref().is_ok_and(|done| done.status.success()) {
            return Some(Self { folder });
        }
        std::fs::remove_dir(&folder).unwrap();
        assert!(!rustix::process::geteuid().is_root(), "root can't mount: {mounted:?}");
        eprintln!("NOT RUN: mounting a small disk needs root");
        None
    }

    pub fn path(&self) -> &Path {
        &self.folder
    }

    /// Takes all room but for some.
    pub fn fill_but(&self, bytes: u64) {
        let free = rustix::fs::statvfs(&self.folder).unwrap();
        let free = free.f_bavail * free.f_frsize;
        let mut ballast = std::fs::File::create(self.folder.join("ballast")).unwrap();
        let block = vec![1; 1 << 16];
        let mut left = free.saturating_sub(bytes);
        while left > 0 {
            let some = left.min(block.len() as u64);
            ballast.write_all(&block[..usize::try_from(some).unwrap()]).unwrap();
            left -= some;
        }
    }

    /// Gives the room back.
    pub fn make_room(&self) {
        std::fs::remove_file(self.folder.join("ballast")).unwrap();
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Lazily: a server that is just being stopped may still have files open on it.
        let _ = Command::new("umount").arg("--lazy").arg(&self.folder).status();
        let _ = std::fs::remove_dir(&self.folder);
    }
}
