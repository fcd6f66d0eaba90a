//! What `--from` names: an archive of `pg_dump`, or a database that is only read.

use std::path::{Path, PathBuf};

use crate::error::{Failure, Result};
use crate::postgres::Target;

/// Where a throwaway blue comes from.
#[derive(Debug, Clone)]
pub enum Source {
    /// An archive that `pg_dump` wrote: a file, or a folder with a `toc.dat`.
    Archive(PathBuf),
    /// A database, read by `pg_dump` in a read-only transaction.
    Staging(Box<Target>),
}

impl Source {
    /// Reads what the operator wrote: a URL (`postgres://…`, `host=… dbname=…`), a variable that holds one (`${NAME}`),
    /// or the path of an archive. No message repeats a URL.
    pub fn parse(text: &str, env: &dyn Fn(&str) -> Option<String>) -> Result<Self> {
        if let Some(name) = text.strip_prefix("${").and_then(|rest| rest.strip_suffix('}')) {
            return Self::from_variable(name, env);
        }
        if Self::is_url(text) {
            return staging(text);
        }
        Self::archive(Path::new(text))
    }

    /// The database whose URL the variable `name` holds.
    pub fn from_variable(name: &str, env: &dyn Fn(&str) -> Option<String>) -> Result<Self> {
        let value = env(name).filter(|value| !value.trim().is_empty()).ok_or_else(|| {
            Failure::usage(format!("the environment variable {name} is not set"))
                .hint(format!("set {name} to the URL of a staging database, or name a dump: --from FILE"))
        })?;
        if Self::is_url(&value) {
            return staging(&value);
        }
        // A path in a variable is no secret, but nobody says that this is a path.
        match Self::archive(Path::new(&value)) {
            Ok(source) => Ok(source),
            Err(_) => Err(Failure::usage(format!("the variable {name} holds neither a URL nor the path of a dump"))
                .hint("a URL begins with postgres://")),
        }
    }

    /// Whether a text is a URL, or libpq's `key=value`: it may hold a password.
    pub fn is_url(text: &str) -> bool {
        text.contains("://") || ["host=", "dbname=", "service="].iter().any(|key| text.contains(key))
    }

    fn archive(path: &Path) -> Result<Self> {
        match std::fs::File::open(path) {
            Ok(_) => Ok(Self::Archive(path.to_owned())),
            Err(e) if e.kind() == std::io::ErrorKind::PermissionDenied => {
                Err(Failure::usage(format!("{}: {e}", path.display()))
                    .hint(format!("who runs migrate must be able to read it: ls -ld {}", path.display())))
            }
            Err(e) => Err(Failure::usage(format!("{}: {e}", path.display()))
                .hint("name a dump (pg_dump --format=custom), or a database: postgres://…, --from-env NAME")),
        }
    }

    /// For people: the path, or the address without its password.
    pub fn shown(&self) -> String {
        match self {
            Self::Archive(path) => path.display().to_string(),
            Self::Staging(target) => target.address(),
        }
    }
}

fn staging(url: &str) -> Result<Source> {
    Ok(Source::Staging(Box::new(Target::parse("staging", url)?)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Source> {
        let env = |name: &str| (name == "STAGING_URL").then(|| "postgres://app:s3cret@db/oauth".to_owned());
        Source::parse(text, &env)
    }

    #[test]
    fn a_url_is_a_staging_database_and_never_repeated() {
        for text in
            ["postgres://app:s3cret@db/oauth", "${STAGING_URL}", "host=db user=app password=s3cret dbname=oauth"]
        {
            let source = read(text).unwrap();
            assert_eq!(source.shown(), "app@db:5432/oauth");
            assert!(!format!("{source:?}").contains("s3cret"));
        }
        let wrong = read("postgres://app:s3cret@db:port/oauth").unwrap_err();
        assert!(!format!("{wrong:?}").contains("s3cret"), "{wrong:?}");
    }

    #[test]
    fn what_is_not_there_is_said_with_both_ways() {
        assert_eq!(read("${PROD_URL}").unwrap_err().what, "the environment variable PROD_URL is not set");
        let missing = read("no-such.dump").unwrap_err();
        assert!(missing.what.starts_with("no-such.dump: No such file"), "{missing}");
        assert!(missing.hint.unwrap().contains("--from-env"));
    }
}
