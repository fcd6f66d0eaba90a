//! `guard/version`: servers that we know, a green that is no step back, and a `pg_dump` that reads blue.

use tokio::process::Command;

use crate::catalog::Server;
use crate::finding::Finding;

const ID: &str = "guard/version";
/// 14 brought BEGIN ATOMIC bodies into the catalog, and reads ctid ranges without scanning the whole table (release
/// notes, E.1 of the manual of 14).
const OLDEST: i32 = 14;

pub(super) async fn check(blue: &Server, green: &Server) -> Vec<Finding> {
    let (pg_dump, pg_restore) = (major_of("pg_dump").await, major_of("pg_restore").await);
    let mut found = judge((blue.major(), &blue.version), (green.major(), &green.version), pg_dump);
    found.extend(judge_pg_restore(pg_dump, pg_restore));
    found
}

/// What one side alone shows to be too old.
pub(super) fn too_old(name: &str, server: &Server) -> Option<Finding> {
    (server.major() < OLDEST).then(|| oldest(name, &server.version))
}

fn oldest(name: &str, version: &str) -> Finding {
    Finding::blocker(ID, name, format!("{name} is PostgreSQL {version}, older than {OLDEST}"))
        .so_what("its catalogs and its ctid range scans are not what the copy needs")
}

/// The versions of the client programs, for people: `pg_dump 15, pg_restore 15`.
pub(super) async fn programs() -> String {
    let mut said = Vec::new();
    for name in ["pg_dump", "pg_restore"] {
        let major = major_of(name).await.map_or("missing".to_owned(), |major| major.to_string());
        said.push(format!("{name} {major}"));
    }
    said.join(", ")
}

fn judge(blue: (i32, &str), green: (i32, &str), pg_dump: Option<i32>) -> Vec<Finding> {
    let mut found = Vec::new();
    for (name, (major, version)) in [("blue", blue), ("green", green)] {
        if major < OLDEST {
            found.push(oldest(name, version));
        }
    }
    if green.0 < blue.0 {
        found.push(
            Finding::blocker(ID, "green", format!("green is PostgreSQL {}, older than blue's {}", green.1, blue.1))
                .so_what("what blue's schema uses may not exist there")
                .next(format!("apt-get install postgresql-{}", blue.0)),
        );
    }
    found.extend(judge_pg_dump(blue.0, green.0, pg_dump));
    found
}

/// `pg_dump` refuses servers newer than itself, and what it writes need not load into an older server (manual,
/// `pg_dump`, Notes).
fn judge_pg_dump(blue: i32, green: i32, pg_dump: Option<i32>) -> Option<Finding> {
    let install = format!("apt-get install postgresql-client-{blue}");
    match pg_dump {
        None => Some(
            Finding::blocker(ID, "pg_dump", "no program pg_dump on PATH")
                .so_what("the schema is copied by it")
                .next(install),
        ),
        Some(major) if major < blue => Some(
            Finding::blocker(ID, "pg_dump", format!("pg_dump is of {major}, blue of {blue}"))
                .so_what("pg_dump refuses servers that are newer than itself")
                .next(install),
        ),
        Some(major) if major > green => Some(
            Finding::warning(ID, "pg_dump", format!("pg_dump is of {major}, green of {green}"))
                .so_what("what it writes is not promised to load into an older server")
                .next(install),
        ),
        Some(_) => None,
    }
}

/// An archive is read by a `pg_restore` of its `pg_dump`'s version or a later one.
fn judge_pg_restore(pg_dump: Option<i32>, pg_restore: Option<i32>) -> Option<Finding> {
    let wanted = pg_dump?;
    let what = match pg_restore {
        None => "no program pg_restore on PATH".to_owned(),
        Some(major) if major < wanted => format!("pg_restore is of {major}, pg_dump of {wanted}"),
        Some(_) => return None,
    };
    Some(
        Finding::blocker(ID, "pg_restore", what)
            .so_what("it could not read what pg_dump writes")
            .next(format!("apt-get install postgresql-client-{wanted}")),
    )
}

async fn major_of(program: &str) -> Option<i32> {
    let said = Command::new(program).arg("--version").kill_on_drop(true).output().await.ok()?;
    major(&String::from_utf8_lossy(&said.stdout))
}

/// The major version in `pg_dump (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)` or `… 18beta1`.
fn major(said: &str) -> Option<i32> {
    let version = said.split_once("(PostgreSQL) ")?.1;
    let digits = version.find(|c: char| !c.is_ascii_digit()).unwrap_or(version.len());
    version.get(..digits)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::{judge, judge_pg_restore, major};
    use crate::finding::Severity::{self, Blocker, Warning};

    fn weights(blue: i32, green: i32, pg_dump: Option<i32>) -> Vec<(Severity, String)> {
        let found = judge((blue, "x"), (green, "y"), pg_dump);
        found.into_iter().map(|f| (f.severity, f.object)).collect()
    }

    #[test]
    fn versions_that_fit_give_no_finding() {
        assert_eq!(weights(14, 14, Some(14)), []);
        assert_eq!(weights(15, 17, Some(16)), []);
    }

    #[test]
    fn what_does_not_fit_is_named() {
        assert_eq!(weights(13, 15, Some(15)), [(Blocker, "blue".into())]);
        assert_eq!(weights(16, 15, Some(16)), [(Blocker, "green".into()), (Warning, "pg_dump".into())]);
        assert_eq!(weights(16, 17, Some(15)), [(Blocker, "pg_dump".into())]);
        assert_eq!(weights(15, 15, None), [(Blocker, "pg_dump".into())]);
    }

    #[test]
    fn a_pg_restore_that_can_not_read_the_archive_is_named() {
        assert_eq!(judge_pg_restore(Some(17), Some(17)), None);
        assert_eq!(judge_pg_restore(None, None), None, "the missing pg_dump is said already");
        assert_eq!(judge_pg_restore(Some(17), Some(15)).unwrap().what, "pg_restore is of 15, pg_dump of 17");
        assert!(judge_pg_restore(Some(17), None).is_some());
    }

    #[test]
    fn pg_dump_tells_its_major_version() {
        assert_eq!(major("pg_dump (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)\n"), Some(15));
        assert_eq!(major("pg_dump (PostgreSQL) 18beta1\n"), Some(18));
        assert_eq!(major("command not found"), None);
    }
}
