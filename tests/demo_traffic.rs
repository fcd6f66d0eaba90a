//! The demo's traffic, its ledger and its audit, on real servers: what the demo says of Teal is worth as much as these.

#![allow(clippy::unwrap_used)] // clippy.toml's allowance ends at functions marked #[test]

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use support::Pair;
use teal::demo::schema::{PlanPaths, prepare_blue, write_files};
use teal::demo::{Kind, Ledger, LedgerSnapshot, Revocation, Side, Traffic};
use teal::postgres::{Access, Db, literal};

const ROWS: u64 = 2_000;
const ENOUGH: u64 = 5;

struct Demo {
    pair: Pair,
    folder: tempfile::TempDir,
    paths: PlanPaths,
    plan: toml::Table,
}

impl Demo {
    /// Blue filled, and green a copy of it, not migrated yet.
    async fn start() -> Self {
        let pair = Pair::start("").await;
        prepare_blue(&pair.blue, ROWS).await.unwrap();
        let admin = teal::postgres::Target::parse("admin", &pair.server.url("postgres")).unwrap();
        let admin = admin.connect(Access::ReadWrite).await.unwrap();
        wait_for("blue has no sessions", async || {
            let open = "SELECT count(*) FROM pg_stat_activity WHERE datname = 'blue'";
            admin.row(open, &[]).await.unwrap().get::<_, i64>(0) == 0
        })
        .await;
        admin.run("DROP DATABASE green").await.unwrap();
        admin.run("CREATE DATABASE green TEMPLATE blue").await.unwrap();
        let folder = tempfile::tempdir().unwrap();
        let paths = write_files(folder.path(), &pair.server.url("blue"), &pair.server.url("green")).unwrap();
        let plan = std::fs::read_to_string(&paths.plan).unwrap().parse().unwrap();
        Self { pair, folder, paths, plan }
    }

    /// Runs the 2x files on green with the plan's bookkeeping.
    async fn migrate_green(&self) -> Db {
        let green = self.pair.on_green().await;
        let folder = self.paths.plan.parent().unwrap().join(self.plan["migrations"]["source"].as_str().unwrap());
        let mut files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|file| file.unwrap().path()).collect();
        files.sort();
        for file in files {
            let stem = file.file_stem().unwrap().to_str().unwrap();
            let (version, name) = stem.split_once('_').unwrap();
            let record = self.plan["migrations"]["record"].as_str().unwrap();
            let record = record.replace(":version", &literal(version)).replace(":name", &literal(name));
            let sql = std::fs::read_to_string(&file).unwrap();
            green.run(&format!("BEGIN; {sql}; {record}; COMMIT")).await.unwrap_or_else(|e| panic!("{stem}: {e}"));
        }
        green
    }

    /// The event that ends rows of a kind: its statement and its proof, for one key.
    fn event(&self, revocation: &Revocation) -> (String, String) {
        let (table, key) = match revocation.kind {
            Kind::LoginSession => ("login_session", ":id"),
            Kind::Consent => ("consent", ":id"),
            Kind::AuthorizationCode => ("authorization_code", ":code_hash"),
            Kind::AccessToken => ("access_token", ":signature"),
            Kind::RefreshToken => ("refresh_token", ":signature"),
        };
        let events = self.plan["event"].as_array().unwrap();
        let event = events.iter().find(|event| event["table"].as_str() == Some(table)).unwrap();
        let bound = |name: &str| event[name].as_str().unwrap().replace(key, &literal(&revocation.key));
        (bound("replay"), bound("verify"))
    }

    fn traffic(&self) -> Traffic {
        Traffic::start(&self.paths.conf, 4, 7)
    }
}

async fn wait_for(fact: &str, mut holds: impl AsyncFnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_mins(1);
    while !holds().await {
        assert!(Instant::now() < deadline, "waited in vain: {fact}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

async fn wait_for_ledger(traffic: &Traffic, fact: &str, holds: impl Fn(&LedgerSnapshot) -> bool) {
    wait_for(&format!("{fact}: {:?}", traffic.ledger()), async || holds(&traffic.ledger())).await;
}

/// Whether a side acknowledged some of everything.
fn did_everything(ledger: &LedgerSnapshot, side: Side) -> bool {
    let Some(counts) = ledger.sides.get(&side) else { return false };
    let enough = |by_kind: &BTreeMap<Kind, u64>| Kind::ALL.iter().all(|kind| by_kind.get(kind) >= Some(&ENOUGH));
    counts.reads >= ENOUGH && enough(&counts.made) && enough(&counts.ended)
}

async fn keys(db: &Db, sql: &str) -> BTreeSet<String> {
    db.rows(sql, &[]).await.unwrap().iter().map(|row| row.get(0)).collect()
}

const ON_BLUE: [(Kind, &str, &str); 5] = [
    (Kind::LoginSession, "SELECT id::text FROM login_session", "true"),
    (Kind::Consent, "SELECT id::text FROM consent", "revoked_at IS NULL"),
    (Kind::AuthorizationCode, "SELECT code_hash FROM authorization_code", "NOT used"),
    (Kind::AccessToken, "SELECT signature FROM access_token", "active"),
    (Kind::RefreshToken, "SELECT signature FROM refresh_token", "status = 'unused'"),
];

#[tokio::test]
async fn the_ledger_says_exactly_what_the_database_holds() {
    let demo = Demo::start().await;
    let blue = demo.pair.on_blue().await;
    let mut before = BTreeMap::new();
    for (kind, all, good) in ON_BLUE {
        before.insert(kind, (keys(&blue, all).await, keys(&blue, &format!("{all} WHERE {good}")).await));
    }
    let traffic = demo.traffic();
    wait_for_ledger(&traffic, "everything on blue", |ledger| did_everything(ledger, Side::Blue)).await;
    let ledger = traffic.stop().await;

    assert_eq!(ledger.counts().errors, BTreeMap::new());
    for (kind, all, good) in ON_BLUE {
        let (all_before, good_before) = &before[&kind];
        let all_now = keys(&blue, all).await;
        let good_now = keys(&blue, &format!("{all} WHERE {good}")).await;
        let made: BTreeSet<String> = ledger.made(Side::Blue, kind).map(str::to_owned).collect();
        assert_eq!(made, all_now.difference(all_before).cloned().collect(), "{kind:?} made");
        let ended: BTreeSet<String> = ended(&ledger, kind);
        let was_good = good_before.difference(&good_now).cloned().collect::<BTreeSet<_>>();
        assert_eq!(was_good, ended.intersection(all_before).cloned().collect(), "{kind:?} ended");
        assert!(ended.is_disjoint(&good_now), "{kind:?} ended and yet good");
    }
}

fn ended(ledger: &Ledger, kind: Kind) -> BTreeSet<String> {
    ledger.revocations().iter().filter(|r| r.kind == kind).map(|r| r.key.clone()).collect()
}

#[tokio::test]
async fn the_audit_finds_every_lost_revocation_and_the_plan_s_events_leave_none() {
    let demo = Demo::start().await;
    let green = demo.migrate_green().await;
    let traffic = demo.traffic();
    traffic.mark("began");
    wait_for_ledger(&traffic, "everything on blue", |ledger| did_everything(ledger, Side::Blue)).await;
    let ledger = traffic.stop().await;
    assert_eq!(ledger.marks()[0].name, "began");

    // Nothing was replayed: what was copied as good and ended on blue is still good on green.
    let audit = ledger.audit(&green).await.unwrap();
    assert!(!audit.revocations_lost.is_empty());
    let made: usize = Kind::ALL.iter().map(|kind| ledger.made(Side::Blue, *kind).count()).sum();
    assert_eq!(audit.writes_not_travelled, made as u64);
    assert_eq!(audit.not_travelled_by_kind.values().sum::<u64>(), made as u64);
    assert_eq!(audit.revocations_acknowledged, ledger.revocations().len() as u64);

    for revocation in ledger.revocations() {
        let (replay, verify) = demo.event(revocation);
        green.run(&replay).await.unwrap();
        assert!(green.rows(&verify, &[]).await.unwrap().is_empty(), "{verify}");
    }
    assert_eq!(ledger.audit(&green).await.unwrap().revocations_lost, []);
    assert_plan_checks_hold(&demo, &green).await;

    // A token whose row is still there: it was revoked itself, not deleted with its session.
    let revoked = keys(&green, "SELECT signature FROM oauth_access_token WHERE state = 'revoked'").await;
    let token = audit.revocations_lost.iter().find(|lost| revoked.contains(&lost.key)).unwrap();
    let restored = "UPDATE oauth_access_token SET state = 'active', revoked_at = NULL WHERE signature = $1";
    assert_eq!(green.execute(restored, &[&token.key]).await.unwrap(), 1, "the token is on green");
    assert_eq!(ledger.audit(&green).await.unwrap().revocations_lost, std::slice::from_ref(token));
}

/// The plan's checks that ask for equality, and the empty ones.
async fn assert_plan_checks_hold(demo: &Demo, green: &Db) {
    let blue = demo.pair.on_blue().await;
    for check in demo.plan["check"].as_array().unwrap() {
        let sql = |side: &str| check.get(side).or(check.get("sql")).and_then(|sql| sql.as_str());
        let rows = async |db: &Db, sql: &str| -> Vec<String> {
            let as_text = format!("SELECT t::text FROM ({sql}) AS t ORDER BY 1");
            db.rows(&as_text, &[]).await.unwrap().iter().map(|row| row.get(0)).collect()
        };
        let on_green = rows(green, sql("green").unwrap()).await;
        match check["expect"].as_str() {
            Some("equal") => assert_eq!(on_green, rows(&blue, sql("blue").unwrap()).await, "{check:?}"),
            Some("empty") => assert_eq!(on_green, Vec::<String>::new(), "{check:?}"),
            Some("green in blue") => {
                let on_blue = rows(&blue, sql("blue").unwrap()).await;
                assert!(on_green.iter().all(|row| on_blue.contains(row)), "{check:?}");
            }
            _ => assert_eq!(on_green.len(), 1, "{check:?}"),
        }
    }
}

/// What the fence does to clients: every write of the traffic is refused.
const FENCE: &str = "
    CREATE FUNCTION deny() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'moved' USING ERRCODE = '25006'; END $$;
    CREATE TRIGGER deny BEFORE INSERT OR UPDATE OR DELETE ON login_session EXECUTE FUNCTION deny();
    CREATE TRIGGER deny BEFORE INSERT OR UPDATE OR DELETE ON consent EXECUTE FUNCTION deny();
    CREATE TRIGGER deny BEFORE INSERT OR UPDATE OR DELETE ON authorization_code EXECUTE FUNCTION deny();
    CREATE TRIGGER deny BEFORE INSERT OR UPDATE OR DELETE ON access_token EXECUTE FUNCTION deny();
    CREATE TRIGGER deny BEFORE INSERT OR UPDATE OR DELETE ON refresh_token EXECUTE FUNCTION deny();";

#[tokio::test]
async fn clients_refused_by_a_fence_follow_their_configuration_to_green() {
    let demo = Demo::start().await;
    let green = demo.migrate_green().await;
    // What the cutover does to green's sequences: ids must not meet those that blue gave away meanwhile.
    green
        .run("ALTER SEQUENCE consent_id_seq RESTART 1000000; ALTER SEQUENCE refresh_token_id_seq RESTART 1000000")
        .await
        .unwrap();
    let traffic = demo.traffic();
    wait_for_ledger(&traffic, "everything on blue", |ledger| did_everything(ledger, Side::Blue)).await;
    demo.pair.on_blue().await.run(FENCE).await.unwrap();
    wait_for_ledger(&traffic, "every client is refused", |ledger| ledger.errors.get("25006") >= Some(&20)).await;
    assert_eq!(traffic.ledger().sides.get(&Side::Green), None);
    std::fs::rename(demo.folder.path().join("database.green.conf"), &demo.paths.conf).unwrap();
    wait_for_ledger(&traffic, "everything on green", |ledger| did_everything(ledger, Side::Green)).await;
    let ledger = traffic.stop().await;

    assert!(ledger.counts().retried > 0);
    assert!(ledger.pauses().all(|pause| pause.attempts > 1));
    let audit = ledger.audit(&green).await.unwrap();
    let longest = ledger.pauses().map(|pause| pause.lasted).max().unwrap();
    assert_eq!(u128::from(audit.longest_pause_ms), longest.as_millis());
    // The test's own locks may meet the clients' in another order: a deadlock is tried again like a refusal.
    assert!(audit.errors.contains_key("25006"), "{:?}", audit.errors);
    assert!(audit.errors.keys().all(|code| code == "25006" || code == "40P01"), "{:?}", audit.errors);
    assert_eq!((audit.in_doubt, audit.given_up, audit.green_writes_lost), (0, 0, 0));
    assert!(audit.writes_on_green > 0);
    assert!(audit.revocations_lost.iter().all(|lost| lost.side == Side::Blue), "what green ended stays ended");
}

#[tokio::test]
async fn a_lost_connection_is_survived_and_never_counted_as_acknowledged() {
    let demo = Demo::start().await;
    let blue = demo.pair.on_blue().await;
    let traffic = demo.traffic();
    wait_for_ledger(&traffic, "everything on blue", |ledger| did_everything(ledger, Side::Blue)).await;
    // Clients queue behind the lock, so that their sessions end in the middle of a write.
    blue.run("BEGIN; LOCK TABLE login_session, access_token, refresh_token, authorization_code").await.unwrap();
    let others = "FROM pg_stat_activity WHERE application_name = 'oauth engine'";
    wait_for("clients wait for the lock", async || {
        let waiting = format!("SELECT count(*) {others} AND wait_event_type = 'Lock'");
        blue.row(&waiting, &[]).await.unwrap().get::<_, i64>(0) == 4
    })
    .await;
    blue.run(&format!("SELECT pg_terminate_backend(pid) {others}; COMMIT")).await.unwrap();
    wait_for_ledger(&traffic, "a write in doubt", |ledger| ledger.errors.get("57P01") == Some(&4)).await;
    let so_far = traffic.ledger().sides[&Side::Blue].writes;
    wait_for_ledger(&traffic, "writes go on", |ledger| ledger.sides[&Side::Blue].writes > so_far + 20).await;
    let ledger = traffic.stop().await;

    for (kind, all, _) in ON_BLUE {
        let all = keys(&blue, all).await;
        assert!(ledger.made(Side::Blue, kind).all(|key| all.contains(key)), "{kind:?} acknowledged and not there");
    }
}
