//! Blue as the demo finds it: schema and rows; and the demo's folder: plan, migrations, configuration.

use std::io::Write;
use std::path::{Path, PathBuf};

use tokio_postgres::types::ToSql;

use super::dialect::{Conf, Dialect};
use crate::error::{Context, Failure, Result};
use crate::postgres::{Access, Db, Target};

/// The plan that the demo runs, as it stands in the repository.
const PLAN: &str = include_str!("../../plans/oauth-2x.toml");

/// A migration file: its name and its text.
type File = (&'static str, &'static str);

macro_rules! files {
    ($folder:literal: $($name:literal),+ $(,)?) => {
        &[$(($name, include_str!(concat!("../../migrations/oauth/", $folder, "/", $name)))),+]
    };
}

/// The schema of the earliest 1x.
const OAUTH_1X: &[File] = files!["1x":
    "001_schema_migration.sql",
    "002_oauth_client.sql",
    "003_login_session.sql",
    "004_consent.sql",
    "005_authorization_code.sql",
    "006_access_token.sql",
    "007_refresh_token.sql",
];

/// What leads from there to the latest 1x: the first hop of the upgrade, `plans/oauth-1x.toml`.
const OAUTH_1X_LATER: &[File] = files!["1x":
    "008_login_application.sql",
    "009_refresh_token_expiry.sql",
    "010_constraints.sql",
    "011_indexes.sql",
];

/// What the upgrade runs on green.
const OAUTH_2X: &[File] = files!["2x":
    "101_rename_tables.sql",
    "102_client_redirect_uri.sql",
    "103_client_auth_method.sql",
    "104_session_device.sql",
    "105_grant_state.sql",
    "106_access_token_state.sql",
    "107_refresh_token_family.sql",
    "108_code_redeemed.sql",
    "109_constraints.sql",
    "110_indexes.sql",
];

/// The files of a demo folder that others need to know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlanPaths {
    /// The plan. It reads `BLUE_URL`, `GREEN_URL` and `DEMO_DIR` from the environment; the folder is `DEMO_DIR`.
    pub plan: PathBuf,
    /// What the clients read, naming blue until the cutover.
    pub conf: PathBuf,
    /// Where the plan puts its journals.
    pub journal_dir: PathBuf,
}

/// Makes the schema of the latest 1x on an empty blue and fills it with `rows` access tokens (at least 20) and what
/// belongs to them: a session for four tokens, a consent and a refresh token for two. Set by set: 100,000 rows take
/// seconds.
pub async fn prepare_blue(blue: &Target, rows: u64) -> Result<()> {
    prepare(blue, rows, &[OAUTH_1X, OAUTH_1X_LATER].concat()).await
}

/// The same as it was before the first hop, at the earliest 1x.
pub async fn prepare_earliest_blue(blue: &Target, rows: u64) -> Result<()> {
    prepare(blue, rows, OAUTH_1X).await
}

async fn prepare(blue: &Target, rows: u64, files: &[File]) -> Result<()> {
    let db = blue.connect(Access::ReadWrite).await?;
    for (name, sql) in files {
        run_file(&db, name, sql).await.with_context(|| format!("demo: 1x/{name}"))?;
    }
    fill(&db, rows).await.context("demo: filling blue")
}

/// Writes everything that a run needs below `dir`, so that the installed program runs anywhere: plan, migrations, the
/// clients' configuration for both databases (readable by us alone: it holds passwords), and the link that stands for
/// the service.
pub fn write_files(dir: &Path, blue_url: &str, green_url: &str) -> Result<PlanPaths> {
    write_all(dir, blue_url, green_url).with_context(|| format!("demo: writing {}", dir.display()))
}

fn write_all(dir: &Path, blue_url: &str, green_url: &str) -> Result<PlanPaths> {
    let migrations = dir.join("migrations/oauth/2x");
    let paths = PlanPaths {
        plan: dir.join("plans/oauth-2x.toml"),
        conf: dir.join("database.conf"),
        journal_dir: dir.join("journal"),
    };
    std::fs::create_dir_all(&migrations)?;
    std::fs::create_dir_all(dir.join("plans"))?;
    for (name, sql) in OAUTH_2X {
        std::fs::write(migrations.join(name), sql)?;
    }
    std::fs::write(&paths.plan, PLAN)?;
    write_secret(&paths.conf, &Conf::text(blue_url, Dialect::V1))?;
    write_secret(&dir.join("database.green.conf"), &Conf::text(green_url, Dialect::V2))?;
    std::fs::write(dir.join("service-1x.sock"), "")?;
    let link = dir.join("service.sock");
    if link.symlink_metadata().is_err() {
        std::os::unix::fs::symlink("service-1x.sock", &link)?;
    }
    Ok(paths)
}

/// One file and its bookkeeping in one transaction, as the plan's `record` does it for 2x.
async fn run_file(db: &Db, name: &str, sql: &str) -> Result<()> {
    let stem = name.trim_end_matches(".sql");
    let (version, title) = stem.split_once('_').unwrap_or((stem, ""));
    db.run("BEGIN").await?;
    db.run(sql).await?;
    db.execute("INSERT INTO schema_migration (version, name) VALUES ($1, $2)", &[&version, &title]).await?;
    Ok(db.run("COMMIT").await?)
}

async fn fill(db: &Db, rows: u64) -> Result<()> {
    let tokens = i64::try_from(rows).unwrap_or(i64::MAX).max(20);
    let (sessions, clients) = (tokens / 4, 20 + tokens / 2000);
    let consents = 2 * sessions;
    let steps: [(&str, &[&(dyn ToSql + Sync)]); 6] = [
        (include_str!("sql/fill/clients.sql"), &[&clients]),
        (include_str!("sql/fill/login_sessions.sql"), &[&sessions]),
        (include_str!("sql/fill/consents.sql"), &[&sessions, &clients]),
        (include_str!("sql/fill/access_tokens.sql"), &[&tokens, &consents]),
        (include_str!("sql/fill/refresh_tokens.sql"), &[]),
        (include_str!("sql/fill/authorization_codes.sql"), &[]),
    ];
    db.run("BEGIN").await?;
    for (sql, parameters) in steps {
        db.execute(sql, parameters).await?;
        // The next statement joins these rows, and the first client comes sooner than autovacuum does.
        db.run("ANALYZE").await?;
    }
    Ok(db.run("COMMIT").await?)
}

/// Replaces a file by one that only its owner may read, from its first byte on, whatever was there before.
fn write_secret(path: &Path, text: &str) -> Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    // Temporary files are made with mode 0600, and a rename keeps it.
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    file.write_all(text.as_bytes())?;
    file.persist(path).map_err(|e| Failure::from(e.error))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn read_folder(path: &Path) -> BTreeMap<String, String> {
        let files = std::fs::read_dir(path).unwrap().map(|file| file.unwrap());
        files.map(|f| (f.file_name().into_string().unwrap(), std::fs::read_to_string(f.path()).unwrap())).collect()
    }

    #[test]
    fn every_migration_of_the_repository_is_embedded() {
        let repository = Path::new(env!("CARGO_MANIFEST_DIR")).join("migrations/oauth");
        let of_1x = [OAUTH_1X, OAUTH_1X_LATER].concat();
        for (folder, files) in [("1x", of_1x.as_slice()), ("2x", OAUTH_2X)] {
            let embedded = files.iter().map(|(name, sql)| ((*name).to_owned(), (*sql).to_owned())).collect();
            assert_eq!(read_folder(&repository.join(folder)), embedded);
        }
    }

    #[test]
    fn passwords_are_written_for_their_owner_alone() {
        let folder = tempfile::tempdir().unwrap();
        let conf = folder.path().join("database.conf");
        std::fs::write(&conf, "open to all").unwrap();
        write_files(folder.path(), "postgres://a:s3cret@h/blue", "postgres://a:s3cret@h/green").unwrap();
        for conf in [conf, folder.path().join("database.green.conf")] {
            assert!(std::fs::read_to_string(&conf).unwrap().contains("s3cret"));
            assert_eq!(conf.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        }
    }
}
