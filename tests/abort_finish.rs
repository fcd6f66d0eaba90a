//! What abort and finish leave on the servers: proved by listing all of the catalogs before and after.

#![allow(clippy::unwrap_used)] // a test may

mod support;

use std::path::Path;

use support::Pair;
use support::stage::{PARTICIPANTS, Ran, SCHEMA, Stage};
use teal::catalog::read_structure;
use teal::postgres::{Access, Target};

/// Blue of these tests: besides the small upgrade's, what a capture or a copy could disturb.
const RICH: &str = "
    CREATE FUNCTION note_change() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
    CREATE TRIGGER note AFTER UPDATE ON token FOR EACH ROW EXECUTE FUNCTION note_change();
    CREATE TYPE mood AS ENUM ('good', 'bad');
    CREATE TABLE part (id int, at date NOT NULL, PRIMARY KEY (id, at)) PARTITION BY RANGE (at);
    CREATE TABLE part_2026 PARTITION OF part FOR VALUES FROM ('2026-01-01') TO ('2027-01-01');
    CREATE VIEW names AS SELECT name FROM account;
    CREATE PUBLICATION theirs FOR TABLE account;
    ALTER DATABASE blue SET statement_timeout = '1h';
    COMMENT ON TABLE token IS 'tokens';";

/// Every catalog that abort or finish could leave something in, as names and definitions, never OIDs of what is new.
const CATALOGS: &[(&str, &str)] = &[
    ("namespace", "SELECT nspname || ' ' || nspowner::regrole || ' ' || coalesce(nspacl::text, '') FROM pg_namespace
                   WHERE nspname !~ '^pg_(toast_)?temp_'"),
    ("class", "SELECT concat_ws(' ', relnamespace::regnamespace, relname, relkind, relowner::regrole, relpersistence, relreplident,
                                reloptions, relacl, relrowsecurity, relispartition) FROM pg_class
               WHERE relnamespace NOT IN (SELECT oid FROM pg_namespace WHERE nspname ~ '^pg_(toast_)?temp_')"),
    ("attribute", "SELECT concat_ws(' ', attrelid::regclass, attnum, attname, atttypid::regtype, attnotnull, attisdropped)
                   FROM pg_attribute WHERE attrelid >= 16384"),
    ("proc", "SELECT oid::regprocedure || ' ' || proowner::regrole || ' ' || md5(prosrc) FROM pg_proc WHERE oid >= 16384"),
    ("trigger", "SELECT tgrelid::regclass || ' ' || tgname || ' ' || tgenabled::text || ' ' || pg_get_triggerdef(oid) FROM pg_trigger"),
    ("type", "SELECT oid::regtype || ' ' || typtype::text FROM pg_type WHERE oid >= 16384"),
    ("constraint", "SELECT conrelid::regclass || ' ' || conname || ' ' || pg_get_constraintdef(oid) FROM pg_constraint"),
    ("index", "SELECT pg_get_indexdef(indexrelid) || ' ' || indisvalid FROM pg_index"),
    ("rule", "SELECT ev_class::regclass || ' ' || rulename FROM pg_rewrite"),
    ("policy", "SELECT polrelid::regclass || ' ' || polname FROM pg_policy"),
    ("default", "SELECT adrelid::regclass || ' ' || pg_get_expr(adbin, adrelid) FROM pg_attrdef"),
    ("sequence", "SELECT seqrelid::regclass || ' ' || seqincrement || ' ' || seqcache FROM pg_sequence"),
    ("depend", "SELECT classid::regclass || ' ' || refclassid::regclass || ' ' || deptype::text || ' ' || count(*)
                FROM pg_depend GROUP BY classid, refclassid, deptype"),
    ("shdepend", "SELECT classid::regclass || ' ' || refclassid::regclass || ' ' || deptype::text || ' ' || count(*)
                  FROM pg_shdepend WHERE dbid = (SELECT oid FROM pg_database WHERE datname = current_database())
                  GROUP BY classid, refclassid, deptype"),
    ("description", "SELECT classoid::regclass || ' ' || count(*) FROM pg_description GROUP BY classoid"),
    ("inherits", "SELECT inhrelid::regclass || ' ' || inhparent::regclass FROM pg_inherits"),
    ("default privileges", "SELECT defaclrole::regrole || ' ' || defaclacl::text FROM pg_default_acl"),
    ("setting", "SELECT coalesce(datname, '*') || ' ' || setrole::regrole || ' ' || setconfig::text
                 FROM pg_db_role_setting LEFT JOIN pg_database d ON d.oid = setdatabase
                 WHERE setdatabase = 0 OR datname = current_database()"),
    ("publication", "SELECT pubname || ' ' || puballtables FROM pg_publication"),
    ("published", "SELECT prrelid::regclass::text FROM pg_publication_rel"),
    ("slot", "SELECT slot_name::text FROM pg_replication_slots"),
    ("origin", "SELECT roname FROM pg_replication_origin"),
    ("subscription", "SELECT subname::text FROM pg_subscription"),
    ("event trigger", "SELECT evtname || ' ' || evtevent || ' ' || evtenabled::text FROM pg_event_trigger"),
    ("extension", "SELECT extname || ' ' || extversion FROM pg_extension"),
    ("foreign", "SELECT fdwname::text FROM pg_foreign_data_wrapper UNION ALL SELECT srvname FROM pg_foreign_server"),
    ("role", "SELECT rolname || ' ' || rolsuper || ' ' || rolcanlogin FROM pg_roles"),
    ("prepared", "SELECT gid FROM pg_prepared_xacts"),
    ("large object", "SELECT count(*)::text FROM pg_largeobject_metadata"),
    ("advisory lock", "SELECT objid::text FROM pg_locks WHERE locktype = 'advisory'
                       AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"),
];

/// One line per object.
async fn listing(target: &Target) -> Vec<String> {
    let db = target.connect(Access::ReadOnly).await.unwrap();
    let mut all: Vec<String> = read_structure(&db)
        .await
        .unwrap()
        .0
        .into_iter()
        .map(|(object, digest)| format!("{object} = {digest}"))
        .collect();
    for (name, sql) in CATALOGS {
        let rows = db.rows(sql, &[]).await.unwrap_or_else(|e| panic!("{name}: {e}"));
        all.extend(rows.iter().map(|row| format!("{name}: {}", row.get::<_, String>(0))));
    }
    all.sort();
    all
}

/// What is in one listing and not in the other.
fn difference(before: &[String], after: &[String]) -> Vec<String> {
    let without = |these: &[String], those: &[String], sign: char| {
        let mut left = those.to_vec();
        let mut only = Vec::new();
        for line in these {
            match left.iter().position(|other| other == line) {
                Some(at) => drop(left.swap_remove(at)),
                None => only.push(format!("{sign} {line}")),
            }
        }
        only
    };
    let mut all = without(before, after, '-');
    all.extend(without(after, before, '+'));
    all
}

struct Watched {
    stage: Stage,
    blue: Vec<String>,
    green: Vec<String>,
}

impl Watched {
    async fn new() -> Self {
        let stage = Stage::with(&format!("{SCHEMA}{RICH}"), PARTICIPANTS).await;
        let (blue, green) = (listing(&stage.pair.blue).await, listing(&stage.pair.green).await);
        Self { stage, blue, green }
    }

    fn pair(&self) -> &Pair {
        &self.stage.pair
    }

    /// As if the machine with the journal had burned down.
    fn lose_journal(&self) {
        std::fs::remove_dir_all(self.stage.path(".migrate")).unwrap();
    }

    /// As if the program had been killed right before its last record.
    fn lose_last_record(&self, record: &str) {
        assert_eq!(self.stage.journal().last().unwrap(), record);
        let journal = self.stage.read(".migrate/small/journal.jsonl");
        let end = journal.trim_end().rfind('\n').unwrap() + 1;
        self.stage.write(".migrate/small/journal.jsonl", &journal[..end]);
    }

    /// Plan and migrations without journal, in a folder of their own.
    fn another_machine(&self) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        copy(&self.stage.path("."), folder.path());
        folder
    }

    async fn is_as_it_was(&self, when: &str) {
        assert_eq!(difference(&self.blue, &listing(&self.pair().blue).await), [""; 0], "blue, aborted {when}");
        // Settings of the database stay on green: whether it had them before, nobody can tell any more.
        let green = difference(&self.green, &listing(&self.pair().green).await);
        let green: Vec<String> = green.into_iter().filter(|line| !line.starts_with("+ setting: ")).collect();
        assert_eq!(green, [""; 0], "green, aborted {when}");
        assert_eq!(self.stage.read("app.conf"), "blue", "{when}");
        assert!(!self.stage.path("prepared").exists(), "{when}");
        self.pair().on_blue().await.run("UPDATE token SET active = active; TRUNCATE part").await.unwrap();
        self.stage.run(&["plan"]).expect(0);
    }
}

/// Files and the folder of migrations; nothing that begins with a dot.
fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let (path, name) = entry.map(|entry| (entry.path(), entry.file_name())).unwrap();
        if name.to_str().unwrap().starts_with('.') {
            continue;
        }
        if path.is_dir() { copy(&path, &to.join(name)) } else { assert!(std::fs::copy(&path, to.join(name)).is_ok()) }
    }
}

#[tokio::test]
async fn abort_puts_back_what_a_run_that_was_killed_on_its_way_made() {
    let watched = Watched::new().await;
    let stage = &watched.stage;
    for (place, with_journal) in
        [("capture.created", true), ("lease.taken", false), ("journal:8", false), ("snapshot.copied", true)]
    {
        assert_eq!(stage.crash(&["apply", "--yes"], place).code, None, "{place}");
        if !with_journal {
            watched.lose_journal();
        }
        stage.run(&["abort", "--yes"]).expect(0);
        watched.is_as_it_was(&format!("after a crash at {place}, journal {with_journal}")).await;
    }
    let again = stage.run(&["abort", "--yes", "--format", "json"]).expect(0).json();
    assert_eq!((&again["format"], &again["state"]), (&"teal.abort/1".into(), &"aborted".into()), "harmless twice");
    watched.is_as_it_was("twice").await;
}

#[tokio::test]
async fn abort_puts_back_a_run_that_is_ready_also_from_elsewhere() {
    let watched = Watched::new().await;
    let stage = &watched.stage;
    stage.ready();
    stage.run(&["abort", "--yes"]).expect(0);
    watched.is_as_it_was("ready").await;

    stage.ready();
    assert!(stage.path(".migrate/small.1/journal.jsonl").exists(), "the aborted run's journal is kept");
    let elsewhere = watched.another_machine();
    let status =
        Ran::of(stage.command_in(elsewhere.path(), &["status", "--format", "json"]).output().unwrap()).expect(0);
    assert_eq!((&status.json()["state"], &status.json()["source"]), (&"ready".into(), &"blue".into()));
    Ran::of(stage.command_in(elsewhere.path(), &["abort", "--yes"]).output().unwrap()).expect(0);
    // Here, the journal still tells of a run that is ready.
    assert_eq!(*stage.journal().last().unwrap(), "became_ready");
    for args in [["cutover", "--yes"], ["apply", "--yes"]] {
        let refused = stage.run(&args).expect(3).says("was put back from elsewhere").says("State: nothing was done");
        assert!(refused.stderr.contains("Hint: note that here: migrate abort"), "{}", refused.stderr);
    }
    assert_eq!(stage.run(&["status", "--format", "json"]).expect(0).json()["state"], "aborted");
    assert_eq!(*stage.journal().last().unwrap(), "became_ready", "refused before anything is written");
    stage.run(&["abort", "--yes"]).expect(0);
    watched.is_as_it_was("ready, from elsewhere").await;
}

#[tokio::test]
async fn abort_puts_back_a_cutover_that_was_undone() {
    let watched = Watched::new().await;
    let stage = &watched.stage;
    stage.ready();
    stage.edit("plan.toml", "prepare = [\"touch\", \"prepared\"]", "prepare = [\"false\"]");
    stage.run(&["cutover", "--yes"]).expect(5);
    stage.edit("plan.toml", "prepare = [\"false\"]", "prepare = [\"touch\", \"prepared\"]");
    stage.run(&["abort", "--yes"]).expect(0);
    watched.is_as_it_was("after an undone cutover").await;
    watched.lose_last_record("run_aborted");
    stage.run(&["abort", "--yes"]).expect(0);
    watched.is_as_it_was("again, killed before it said so").await;
}

#[tokio::test]
async fn commands_that_only_read_write_nothing() {
    let watched = Watched::new().await;
    let stage = &watched.stage;
    for (args, code) in [
        (&["plan"] as &[&str], 0),
        (&["status"], 0),
        (&["validate"], 3),
        (&["report"], 3),
        (&["cutover", "--dry-run"], 3),
        (&["apply"], 3),
    ] {
        stage.run(args).expect(code);
        let now = (listing(&watched.pair().blue).await, listing(&watched.pair().green).await);
        assert_eq!(difference(&watched.blue, &now.0), [""; 0], "{args:?}");
        assert_eq!(difference(&watched.green, &now.1), [""; 0], "{args:?}");
        assert!(!stage.path(".migrate/small").exists(), "{args:?} begins no run");
    }
    stage.ready();
    let ready = (listing(&watched.pair().blue).await, listing(&watched.pair().green).await);
    for args in [&["plan"] as &[&str], &["status"], &["validate"], &["report"], &["cutover", "--dry-run"]] {
        stage.run(args).expect(0);
        let now = (listing(&watched.pair().blue).await, listing(&watched.pair().green).await);
        assert_eq!(difference(&ready.0, &now.0), [""; 0], "{args:?}");
        assert_eq!(difference(&ready.1, &now.1), [""; 0], "{args:?}");
    }
    assert!(!stage.path("prepared").exists(), "a dry run prepares nobody");
}

#[tokio::test]
async fn abort_puts_back_a_cutover_that_died_before_it_decided() {
    let watched = Watched::new().await;
    let stage = &watched.stage;
    for (place, with_journal) in [("fence.trigger_made", false), ("fence.taken", true), ("decide.before_commit", false)]
    {
        stage.ready();
        assert_eq!(stage.crash(&["cutover", "--yes"], place).code, None, "{place}");
        if !with_journal {
            watched.lose_journal();
        }
        stage.run(&["abort", "--yes"]).expect(0);
        watched.is_as_it_was(&format!("after a crash at {place}, journal {with_journal}")).await;
    }
}

/// Our objects on a database, whatever they hang on.
async fn ours(target: &Target) -> Vec<String> {
    let db = target.connect(Access::ReadOnly).await.unwrap();
    let sql = "SELECT 'relation ' || relname FROM pg_class
                   WHERE relnamespace = to_regnamespace('teal') AND relkind IN ('r', 'S', 'v')
               UNION ALL SELECT 'function ' || proname FROM pg_proc WHERE pronamespace = to_regnamespace('teal')
               UNION ALL SELECT 'type ' || typname FROM pg_type
                   WHERE typnamespace = to_regnamespace('teal') AND typrelid = 0 AND typelem = 0
               UNION ALL SELECT 'trigger ' || tgname || ' on ' || tgrelid::regclass FROM pg_trigger
                   WHERE tgname LIKE 'teal%' OR tgfoid IN (SELECT oid FROM pg_proc WHERE pronamespace = to_regnamespace('teal'))
               UNION ALL SELECT 'schema ' || nspname FROM pg_namespace WHERE nspname = 'teal'
               ORDER BY 1";
    db.rows(sql, &[]).await.unwrap().iter().map(|row| row.get(0)).collect()
}

#[tokio::test]
async fn finish_leaves_the_fence_and_unfence_nothing() {
    let watched = Watched::new().await;
    let stage = &watched.stage;
    stage.ready();
    stage.run(&["finish", "--yes"]).expect(3).says("not green").says("State: nothing was done");
    let elsewhere = watched.another_machine();
    let from = |folder: &Path, args: &[&str]| Ran::of(stage.command_in(folder, args).output().unwrap());
    from(elsewhere.path(), &["finish", "--yes"])
        .expect(3)
        .says("nothing has been switched")
        .says("State: nothing was done");
    from(elsewhere.path(), &["finish", "--yes", "--unfence"]).expect(3).says("nothing has been switched");
    // With the fence put up, and open, by a cutover that died, there is as little to finish.
    assert_eq!(stage.crash(&["cutover", "--yes"], "participant.prepared").code, None);
    watched.pair().on_blue().await.run("UPDATE token SET active = active").await.unwrap();
    from(elsewhere.path(), &["finish", "--yes", "--unfence"]).expect(3).says("nothing has been switched");
    stage.run(&["cutover", "--yes"]).expect(0);

    // Past the decision there is no abort, with the journal or without.
    for folder in [stage.path("."), elsewhere.path().to_owned()] {
        let refused = from(&folder, &["abort", "--yes"]).expect(3).says("decided").says("State: nothing was done");
        assert!(refused.stderr.contains("Hint: "), "{}", refused.stderr);
    }
    // A participant that has not switched, as the program that would switch it says.
    std::fs::remove_file(stage.path("current")).unwrap();
    stage.run(&["finish", "--yes"]).expect(3).says("participant service has not switched").says("migrate cutover");
    assert!(!ours(&watched.pair().green).await.is_empty(), "nothing was taken down");
    std::os::unix::fs::symlink("prepared", stage.path("current")).unwrap();

    let done = stage.run(&["finish", "--yes", "--format", "json"]).expect(0).json();
    assert_eq!((&done["format"], &done["state"]), (&"teal.finish/1".into(), &"finished".into()));
    fence_alone(&watched).await;
    watched.lose_last_record("run_finished");
    stage.run(&["finish", "--yes"]).expect(0);
    fence_alone(&watched).await;
    stage.run(&["finish", "--yes", "--unfence"]).expect(0);
    assert_eq!(difference(&watched.blue, &listing(&watched.pair().blue).await), [""; 0], "blue as it was");
    watched.pair().on_blue().await.run("UPDATE token SET active = active").await.unwrap();
}

async fn fence_alone(watched: &Watched) {
    assert_eq!(ours(&watched.pair().green).await, [""; 0], "nothing of ours on green");
    let left = ours(&watched.pair().blue).await;
    let tables = ["account", "part", "part_2026", "schema_migration", "token"];
    let mut expected =
        ["function pass_fence", "relation decision", "relation fence", "schema teal"].map(str::to_owned).to_vec();
    let triggers: Vec<&String> = left.iter().filter(|object| object.starts_with("trigger ")).collect();
    expected.extend(triggers.iter().map(|trigger| (*trigger).clone()));
    assert_eq!(left, expected, "schema, decision, the fence and its triggers, no more");
    for table in tables {
        assert!(triggers.iter().any(|trigger| trigger.ends_with(&format!(" on {table}"))), "{table}: {triggers:?}");
    }
    let refused = watched.pair().on_blue().await.run("TRUNCATE part_2026").await.unwrap_err();
    assert!(refused.to_string().contains("retired by an upgrade"), "{refused}");
}

#[tokio::test]
async fn finish_does_the_same_from_a_machine_without_the_journal() {
    let watched = Watched::new().await;
    let stage = &watched.stage;
    stage.ready();
    assert_eq!(stage.crash(&["cutover", "--yes"], "decide.after_commit").code, None);
    // Decided, and green is not open yet: nothing may be taken down, and there is no way back.
    let elsewhere = watched.another_machine();
    for (args, why) in [(["finish", "--yes"], "green's gate is shut"), (["abort", "--yes"], "has decided")] {
        let ran = Ran::of(stage.command_in(elsewhere.path(), &args).output().unwrap()).expect(3).says(why);
        assert!(ran.stderr.contains("migrate cutover"), "{}", ran.stderr);
    }
    stage.run(&["cutover", "--yes"]).expect(0);
    watched.lose_journal();
    stage.run(&["finish", "--yes"]).expect(0);
    fence_alone(&watched).await;
    assert_eq!(stage.run(&["status", "--format", "json"]).expect(0).json()["state"], "finished");
    stage.run(&["finish", "--yes", "--unfence"]).expect(0);
    assert_eq!(difference(&watched.blue, &listing(&watched.pair().blue).await), [""; 0], "blue as it was");
    assert_eq!(ours(&watched.pair().green).await, [""; 0]);
}

#[tokio::test]
async fn a_green_that_is_gone_for_good_keeps_blue_from_nothing_and_is_no_way_on_when_it_comes_back() {
    let watched = Watched::new().await;
    let stage = &watched.stage;
    let without_green = |args: &[&str]| {
        let mut command = stage.command(args);
        Ran::of(command.env("GREEN_URL", "postgres://nobody@127.0.0.1:1/green").output().unwrap())
    };
    for with_journal in [true, false] {
        stage.ready();
        let old_journal = stage.read(".migrate/small/journal.jsonl");
        if !with_journal {
            watched.lose_journal();
        }
        without_green(&["abort", "--yes"]).expect(1).says("green: ").says("migrate abort --green-gone");
        stage.run(&["abort", "--yes", "--green-gone"]).expect(3).says("green answers: it is not gone");
        let left = without_green(&["abort", "--yes", "--green-gone"]).expect(0).stdout;
        assert!(left.contains("should it come back, run this"), "{left}");
        assert_eq!(
            difference(&watched.blue, &listing(&watched.pair().blue).await),
            [""; 0],
            "blue, journal {with_journal}"
        );
        // It comes back: neither its own journal nor a new run goes on with it, and an abort empties it.
        stage.write(".migrate/small/journal.jsonl", &old_journal);
        stage.run(&["cutover", "--yes"]).expect(3).says("was put back from elsewhere");
        watched.lose_journal();
        stage.run(&["apply", "--yes"]).expect(3).says("State: nothing was done");
        stage.run(&["abort", "--yes"]).expect(0);
        watched.is_as_it_was("after green came back").await;
    }
    stage.ready();
    stage.run(&["cutover", "--yes"]).expect(0);
    without_green(&["abort", "--yes", "--green-gone"]).expect(3).says("decided");
}

/// Several plans in one folder: what is said to be run next can be run as it stands.
#[tokio::test]
async fn abort_and_finish_look_before_they_ask_and_what_comes_next_names_the_plan() {
    let stage = Stage::new().await;
    stage.write("other.toml", &stage.read("plan.toml").replace("name = \"small\"", "name = \"other\""));
    // No run: nothing is asked, so that no terminal is needed either.
    let none = stage.run(&["abort", "plan.toml"]).expect(0);
    assert!(none.stdout.contains("left on blue   nothing") && none.stderr.is_empty(), "{}", none.stderr);
    let hint = "Hint: switch with: migrate cutover plan.toml; or put everything back: migrate abort plan.toml";
    stage.run(&["finish", "plan.toml"]).expect(3).says("blue has no decision").says(hint);

    stage.run(&["apply", "--yes", "plan.toml"]).expect(0);
    stage.run(&["finish", "plan.toml"]).expect(3).says("the run is ready, not green").says("migrate cutover plan.toml");
    stage.run(&["abort", "plan.toml"]).expect(3).says("approval is needed");
    let other = stage.run(&["abort", "--yes", "other.toml"]).expect(3);
    other.says("is of plan small, not of other");
    stage.pair.on_blue().await.run("UPDATE token SET active = false WHERE signature = 't1'").await.unwrap();
    stage.pair.on_blue().await.run("INSERT INTO account (name) VALUES ('late')").await.unwrap();
    let cutover = stage.run(&["cutover", "--yes", "plan.toml"]).expect(0);
    let writes = cutover.stderr.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(writes.contains("2 row writes since the copy; what 1 event carried travels, the rest stays"), "{writes}");
    stage.run(&["abort", "plan.toml"]).expect(3).says("the run has decided (state green)");
    let finished = stage.run(&["finish", "--yes", "plan.toml"]).expect(0);
    let left = finished.stdout.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(left.contains("take it down with: migrate finish plan.toml --unfence"), "{left}");
    // A blue that was switched away from is no blue for a next run.
    let again = stage.run(&["apply", "--yes", "plan.toml"]).expect(3);
    again.says("guard/blue-retired").says("migrate finish plan.toml --unfence");
}
