//! A failover, without replication: a standby is the data of a server as it stood, and takes over in that server's
//! place, on its port, on a timeline of its own. What the server committed since is lost, as with asynchronous
//! replication.

use std::path::{Path, PathBuf};
use std::process::Command;

use teal::sandbox::Server;

use super::{admin_of, running::until_sql};

/// A server's data as they stood when it was made.
pub struct Standby {
    data: PathBuf,
}

impl Standby {
    /// One that has everything up to now. The server is restarted: sessions on it end.
    pub fn of(server: &Server) -> Self {
        let data = server.folder().join("standby");
        server.crash().unwrap();
        copy(&server.folder().join("data"), &data);
        server.resume().unwrap();
        Self { data }
    }

    /// Takes over from the server, whose sessions are lost.
    pub async fn take_over(self, server: &Server) {
        server.crash().unwrap();
        let data = server.folder().join("data");
        std::fs::rename(&data, server.folder().join("lost")).unwrap();
        std::fs::rename(&self.data, &data).unwrap();
        std::fs::write(data.join("standby.signal"), "").unwrap();
        server.resume().unwrap();
        let admin = admin_of(server).await;
        admin.run("SELECT pg_promote()").await.unwrap();
        until_sql(&admin, "SELECT NOT pg_is_in_recovery()").await;
    }
}

/// With its owner: only the server's user may have it.
fn copy(from: &Path, to: &Path) {
    let done = Command::new("cp").arg("-a").arg(from).arg(to).status().unwrap();
    assert!(done.success(), "cp -a {} {}", from.display(), to.display());
}
