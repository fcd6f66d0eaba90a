//! A throwaway blue from every kind of source, and what is said where there is none to be had.

#![allow(clippy::unwrap_used)] // a test may

mod support;

use std::path::{Path, PathBuf};
use std::process::Command;

use support::Pair;
use teal::error::{Failure, Result};
use teal::postgres::{Access, Target};
use teal::rehearse::{Blue, Raise, Source, empty_green, raise};
use teal::step::{Notices, Phase, StepId};
use tokio_util::sync::CancellationToken;

/// Roles that own, are granted and stand in a policy; a setting; a sequence; enough rows to cut off.
const SCHEMA: &str = r#"
    CREATE ROLE "App owner"; CREATE ROLE reader; CREATE ROLE policed; GRANT reader TO "App owner";
    CREATE SCHEMA app; CREATE EXTENSION citext;
    CREATE TABLE app.token (id bigserial PRIMARY KEY, active boolean NOT NULL, note citext);
    ALTER TABLE app.token OWNER TO "App owner";
    GRANT SELECT ON app.token TO reader;
    CREATE POLICY p ON app.token TO policed USING (active);
    ALTER DATABASE blue SET search_path = app, public;
    INSERT INTO app.token (active, note) SELECT i % 2 = 0, md5(i::text) FROM generate_series(1, 20000) i;"#;

struct Dumps {
    pair: Pair,
    folder: tempfile::TempDir,
}

impl Dumps {
    async fn new() -> Self {
        Self { pair: Pair::start(SCHEMA).await, folder: tempfile::tempdir().unwrap() }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn dump(&self, name: &str, args: &[&str]) -> PathBuf {
        let path = self.path(name);
        let done =
            Command::new("pg_dump").args(args).arg("--file").arg(&path).envs(self.pair.blue.program_env()).status();
        assert!(done.unwrap().success());
        path
    }

    /// A file with other bytes.
    fn write(&self, name: &str, bytes: &[u8]) -> PathBuf {
        std::fs::write(self.path(name), bytes).unwrap();
        self.path(name)
    }
}

async fn raised(source: &Source) -> Result<Blue> {
    let notices = Notices::new(StepId::new(Phase::Prepare, "source"), None);
    raise(&Raise { source, jobs: 2, notices: &notices, stop: &CancellationToken::new() }).await
}

async fn refused(path: &Path) -> Failure {
    let source = Source::Archive(path.to_owned());
    raised(&source).await.unwrap_err()
}

/// Rows, owner, grants, policy and setting are there; the second column tells from where.
async fn is_like_the_source(blue: &Blue) {
    let db = blue.target.connect(Access::ReadOnly).await.unwrap();
    let sql = "SELECT count(*)::text || ' ' || current_setting('search_path') || ' ' || tableowner || ' '
                      || has_table_privilege('reader', 'app.token', 'SELECT') || ' ' || (SELECT roles::text FROM pg_policies)
               FROM token, pg_tables WHERE tablename = 'token' GROUP BY tableowner";
    let seen: String = db.row(sql, &[]).await.unwrap().get(0);
    assert_eq!(seen, "20000 app, public App owner true {policed}", "{:?}", blue.origin);
    let estimate: f32 = db.row("SELECT reltuples FROM pg_class WHERE relname = 'token'", &[]).await.unwrap().get(0);
    assert!((estimate - 20_000.0).abs() < 1.0, "statistics: {estimate}");
}

#[tokio::test(flavor = "multi_thread")]
async fn archives_of_every_format_and_a_staging_database_become_a_blue() {
    let dumps = Dumps::new().await;
    for format in ["custom", "directory", "tar"] {
        let path = dumps.dump(format, &["--format", format]);
        let blue = raised(&Source::Archive(path)).await.unwrap();
        is_like_the_source(&blue).await;
        assert_eq!((blue.origin.kind.as_str(), blue.origin.has_rows), (format!("{format} archive").as_str(), true));
        assert_eq!(blue.target.dbname(), "blue");
        assert!(blue.findings.is_empty(), "{:?}", blue.findings);
    }
    let staging = Source::Staging(Box::new(dumps.pair.blue.clone()));
    let blue = raised(&staging).await.unwrap();
    is_like_the_source(&blue).await;
    assert!(blue.origin.snapshot_ms.is_some());
    let db = blue.target.connect(Access::ReadOnly).await.unwrap();
    let member = "SELECT pg_has_role('App owner', 'reader', 'MEMBER')";
    assert!(db.row(member, &[]).await.unwrap().get::<_, bool>(0), "memberships come from staging");

    let green = empty_green(&blue).await.unwrap();
    let green = green.target.connect(Access::ReadOnly).await.unwrap();
    assert!(green.row(member, &[]).await.unwrap().get::<_, bool>(0));
    let locale =
        "SELECT pg_encoding_to_char(encoding) || ' ' || datcollate FROM pg_database WHERE datname = current_database()";
    let of = async |db: &teal::postgres::Db| db.row(locale, &[]).await.unwrap().get::<_, String>(0);
    assert_eq!(of(&green).await, of(&db).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_whole_archive_is_refused_with_what_to_do() {
    let dumps = Dumps::new().await;
    let whole = std::fs::read(dumps.dump("whole", &["--format=custom"])).unwrap();
    let mut newer = whole.clone();
    newer[6] = 99;
    let mut flipped = whole.clone();
    let middle = flipped.len() / 2;
    for byte in &mut flipped[middle..middle + 400] {
        *byte ^= 0x55;
    }
    let plain = std::fs::read(dumps.dump("plain", &["--format=plain"])).unwrap();
    let cases: [(&str, &[u8], &str, &str); 9] = [
        ("empty", b"", "the file is empty", "--format=custom"),
        ("text", b"hello", "not an archive of pg_dump", "--format=custom"),
        ("gzip", b"\x1f\x8b\x08\x00", "compressed from outside", "gunzip"),
        ("script.sql", &plain, "a plain SQL script", "--format=custom"),
        ("head", &whole[..5], "cut off in its header", "again"),
        ("list", &whole[..3000], "ends before its list of contents does", "again"),
        ("rows", &whole[..whole.len() - 500], "cut off or damaged", "again"),
        ("flipped", &flipped, "cut off or damaged", "again"),
        ("newer", &newer, "written by a newer pg_dump", "install"),
    ];
    for (name, bytes, what, hint) in cases {
        let path = dumps.write(name, bytes);
        let failure = refused(&path).await;
        let shown = path.display().to_string();
        assert!(failure.what.contains(what) && failure.what.contains(&shown), "{name}: {failure:?}");
        assert!(failure.hint.as_ref().is_some_and(|said| said.contains(hint)), "{name}: {failure:?}");
        assert!(failure.state.is_some(), "{name}: {failure:?}");
    }
    let failure = refused(dumps.folder.path()).await;
    assert!(failure.what.contains("a folder without a toc.dat"), "{failure}");
    let failure = refused(&dumps.dump("nothing", &["--format=custom", "--exclude-schema=app"])).await;
    assert!(failure.what.contains("the archive holds no table"), "{failure}");

    // As of a server that has an extension which is not packaged here.
    let source = dumps.pair.on_blue().await;
    source
        .run("CREATE EXTENSION hstore; UPDATE pg_extension SET extname = 'pg_partman' WHERE extname = 'hstore'")
        .await
        .unwrap();
    let failure = refused(&dumps.dump("extended", &["--format=custom"])).await;
    assert!(failure.what.starts_with("the source needs an extension that PostgreSQL "), "{failure}");
    assert!(failure.what.ends_with("of this machine lacks: pg_partman"), "{failure}");
    assert!(failure.hint.unwrap().starts_with("install it: apt-get install postgresql-"));
    source
        .run("UPDATE pg_extension SET extname = 'hstore' WHERE extname = 'pg_partman'; DROP EXTENSION hstore")
        .await
        .unwrap();

    let blue = raised(&Source::Archive(dumps.dump("schema", &["--format=custom", "--schema-only"]))).await.unwrap();
    assert_eq!(blue.findings.iter().map(|f| f.id.as_str()).collect::<Vec<_>>(), ["rehearse/no-rows"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_staging_that_is_not_there_or_not_readable_leaves_nothing() {
    let dumps = Dumps::new().await;
    let blue = dumps.pair.on_blue().await;
    blue.run("CREATE ROLE stranger LOGIN PASSWORD 'stranger'").await.unwrap();
    let url = dumps.pair.server.url_as("stranger", "stranger", "blue");
    let failure = raised(&Source::Staging(Box::new(Target::parse("staging", &url).unwrap()))).await.unwrap_err();
    assert!(failure.what.starts_with("dumping: "), "{failure:?}");
    assert!(failure.detail.unwrap().contains("permission denied"));
    assert!(failure.hint.unwrap().contains("pg_read_all_data"));
}
