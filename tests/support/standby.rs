//! Standbys. [`Standby`] is a failover without replication: the data of a server as it stood, which take over in that
//! server's place, on its port, on a timeline of its own; what the server committed since is lost, as with asynchronous
//! replication. [`Follower`] really follows.

use std::path::{Path, PathBuf};
use std::process::Command;

use teal::postgres::{Access, Db, Target};
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

/// A server of its own that streams another one's log.
pub struct Follower {
    server: Server,
}

impl Follower {
    /// One that has everything up to now. The server is restarted: sessions on it end.
    pub async fn of(server: &Server) -> Self {
        let follower = Self { server: Server::start(&[]).unwrap() };
        follower.server.crash().unwrap();
        let data = follower.server.folder().join("data");
        std::fs::remove_dir_all(&data).unwrap();
        server.crash().unwrap();
        copy(&server.folder().join("data"), &data);
        server.resume().unwrap();
        // Both in the same file as the sandbox's own settings. A second is how old its answers may be, ten by default.
        let follows = format!("primary_conninfo = '{}'\nwal_receiver_status_interval = '1s'\n", server.url("postgres"));
        let settings = std::fs::read_to_string(data.join("postgresql.auto.conf")).unwrap();
        std::fs::write(data.join("postgresql.auto.conf"), settings + &follows).unwrap();
        std::fs::write(data.join("standby.signal"), "").unwrap();
        follower.server.resume().unwrap();
        until_sql(&admin_of(server).await, "SELECT EXISTS (SELECT FROM pg_stat_replication)").await;
        follower
    }

    /// A session on it. The passwords are the followed server's.
    pub async fn on(&self, database: &str, followed: &Server) -> Db {
        let url =
            followed.url(database).replace(&format!(":{}/", followed.port()), &format!(":{}/", self.server.port()));
        Target::parse("standby", &url).unwrap().connect(Access::ReadOnly).await.unwrap()
    }
}

/// With its owner: only the server's user may have it.
fn copy(from: &Path, to: &Path) {
    let done = Command::new("cp").arg("-a").arg(from).arg(to).status().unwrap();
    assert!(done.success(), "cp -a {} {}", from.display(), to.display());
}
