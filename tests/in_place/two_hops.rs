//! The upgrade that this project started from: in place to the latest 1x, then blue-green to 2x; two plans of `plans/`, one
//! after the other, on one database whose people log in, refresh and revoke all the while.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use teal::demo::schema::{prepare_earliest_blue, write_files};
use teal::demo::{LedgerSnapshot, Side, Traffic};

use super::*;

const ROWS: u64 = 4_000;
/// Rows that have ended under traffic before a command, and before the next one.
const SOME: u64 = 20;

/// The repository's plans, run on a stage of the test.
struct Hops {
    pair: Pair,
    folder: PathBuf,
}

impl Hops {
    fn command(&self, hop: &str, args: &[&str]) -> Command {
        let plan = Path::new(env!("CARGO_MANIFEST_DIR")).join("plans").join(hop);
        let mut command = Command::new(env!("CARGO_BIN_EXE_migrate"));
        command
            .args(args)
            .current_dir(&self.folder)
            .env("MIGRATE_PLAN", plan)
            .env("BLUE_URL", self.pair.server.url("blue"))
            .env("GREEN_URL", self.pair.server.url("green"))
            .env("DEMO_DIR", &self.folder)
            .env_remove("RUST_LOG")
            .env_remove("TEAL_CRASH_AT")
            .stdin(Stdio::null());
        command
    }

    /// Off the runtime's thread: the traffic goes on meanwhile.
    async fn run(&self, hop: &str, args: &[&str]) -> Ran {
        let mut command = self.command(hop, args);
        tokio::task::spawn_blocking(move || Ran::of(command.output().unwrap())).await.unwrap()
    }

    async fn report(&self, hop: &str) -> Value {
        self.run(hop, &["report", "--format", "json"]).await.expect(0).json()
    }
}

fn ended(ledger: &LedgerSnapshot, side: Side) -> u64 {
    ledger.sides.get(&side).map_or(0, |counts| counts.ended.values().sum())
}

/// Waits until people have ended some more of what they had.
async fn some_end(traffic: &Traffic, side: Side) {
    let before = ended(&traffic.ledger(), side);
    until("people log out and revoke", async || ended(&traffic.ledger(), side) >= before + SOME).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_hops_on_one_database_undo_no_revocation_of_either() {
    let pair = Pair::start("").await;
    prepare_earliest_blue(&pair.blue, ROWS).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let paths = write_files(folder.path(), &pair.server.url("blue"), &pair.server.url("green")).unwrap();
    let hops = Hops { pair, folder: folder.path().to_owned() };
    let traffic = Traffic::start(&paths.conf, 4, 11);
    some_end(&traffic, Side::Blue).await;

    let first = "oauth-1x.toml";
    let planned = hops.run(first, &["plan"]).await.expect(0).stdout;
    for said in ["batches     UPDATE refresh_token", "concurrent  CREATE UNIQUE INDEX CONCURRENTLY", "4 migrations"] {
        assert!(planned.contains(said), "{said:?} is not in:\n{planned}");
    }
    // Killed in the middle of the batches, with revocations until it goes on.
    let mut killed = hops.command(first, &["apply", "--yes"]);
    killed.env("TEAL_CRASH_AT", "live.batch.after_commit");
    let killed = tokio::task::spawn_blocking(move || Ran::of(killed.output().unwrap())).await.unwrap();
    assert_eq!(killed.code, None, "{}", killed.stderr);
    some_end(&traffic, Side::Blue).await;
    hops.run(first, &["apply", "--yes"]).await.expect(0);
    some_end(&traffic, Side::Blue).await;
    hops.run(first, &["cutover", "--yes"]).await.expect(0);
    assert_eq!(std::fs::read_link(folder.path().join("service.sock")).unwrap(), Path::new("service-1x-latest.sock"));
    let told = hops.report(first).await;
    assert_eq!((&told["verdict"], &told["strategy"]), (&"passed".into(), &"in-place".into()), "{told:#}");
    assert_eq!(told["migrations"].as_array().unwrap().len(), 4);
    let kept: Vec<&Value> = told["checks"].as_array().unwrap().iter().map(|check| &check["name"]).collect();
    assert!(kept.contains(&&"no ended access token is active again".into()), "{told:#}");
    hops.run(first, &["finish", "--yes"]).await.expect(0);
    let blue = hops.pair.on_blue().await;
    nothing_of_ours(&blue).await;

    let second = "oauth-2x.toml";
    hops.run(second, &["apply", "--yes"]).await.expect(0);
    some_end(&traffic, Side::Blue).await;
    hops.run(second, &["cutover", "--yes"]).await.expect(0);
    some_end(&traffic, Side::Green).await;
    let ledger = traffic.stop().await;
    let told = hops.report(second).await;
    assert_eq!((&told["verdict"], &told["strategy"]), (&"passed".into(), &"blue-green".into()), "{told:#}");
    hops.run(second, &["finish", "--yes"]).await.expect(0);

    let green = hops.pair.on_green().await;
    let audit = ledger.audit(&green).await.unwrap();
    assert!(audit.revocations_acknowledged > 5 * SOME, "{audit:?}");
    assert_eq!(audit.revocations_lost, [], "somebody who was told that a thing had ended has it again");
    assert_eq!((audit.green_writes_lost, audit.in_doubt, audit.given_up), (0, 0, 0), "{audit:?}");
    // What the first hop made has come along.
    let expiry = "SELECT count(*)::text FROM oauth_refresh_token WHERE expires_at IS DISTINCT FROM issued_at + interval '30 days'";
    assert_eq!(column(&green, expiry).await, ["0"]);
    let versions = "SELECT string_agg(version, ' ' ORDER BY version) FROM schema_migration WHERE version > '007'";
    assert_eq!(column(&green, versions).await, ["008 009 010 011 101 102 103 104 105 106 107 108 109 110"]);
}
