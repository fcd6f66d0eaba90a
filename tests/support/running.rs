//! The program while it runs: what it has said so far, signals, and waiting for facts.

use std::fs::File;
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use teal::postgres::Db;

use super::stage::{Ran, Stage};

/// How long a fact may take to become true on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// The program, started by [`Running::start`]; killed when a test ends without having waited for it.
pub struct Running<'a> {
    stage: &'a Stage,
    child: Child,
    name: String,
}

impl<'a> Running<'a> {
    /// Starts the program in the stage's folder.
    pub fn start(stage: &'a Stage, args: &[&str]) -> Self {
        Self::of(stage, stage.command(args))
    }

    /// Starts a command of the stage, with an environment of the test's own.
    pub fn of(stage: &'a Stage, mut command: Command) -> Self {
        let name = format!("running.{}", fastrand::u32(..));
        let file = |stream| File::create(stage.path(&format!("{name}.{stream}"))).unwrap();
        let child = command.stdout(file("stdout")).stderr(file("stderr")).spawn().unwrap();
        Self { stage, child, name }
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// What stands on stderr so far.
    pub fn said(&self) -> String {
        self.stage.read(&format!("{}.stderr", self.name))
    }

    /// Waits until stderr has a text.
    pub async fn says(&self, text: &str) {
        until(&format!("{text:?} on stderr"), async || self.said().contains(text)).await;
    }

    pub fn signal(&self, signal: Signal) {
        let pid = Pid::from_raw(i32::try_from(self.pid()).unwrap()).unwrap();
        kill_process(pid, signal).unwrap();
    }

    /// Waits for its end.
    pub async fn end(mut self) -> Ran {
        let mut code = None;
        until("the end of the program", async || {
            code = self.child.try_wait().unwrap();
            code.is_some()
        })
        .await;
        let stdout = self.stage.read(&format!("{}.stdout", self.name));
        Ran { code: code.unwrap().code(), stdout, stderr: self.said() }
    }
}

#[allow(clippy::print_stderr)] // what a test that failed has to show
impl Drop for Running<'_> {
    fn drop(&mut self) {
        if let Ok(None) = self.child.try_wait() {
            eprintln!("still running:\n{}", self.said());
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}

/// Waits for a fact.
pub async fn until(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !holds().await {
        assert!(Instant::now() < deadline, "waited in vain for {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Waits until a query gives true.
pub async fn until_sql(db: &Db, sql: &str) {
    until(sql, async || db.row(sql, &[]).await.unwrap().get::<_, bool>(0)).await;
}
