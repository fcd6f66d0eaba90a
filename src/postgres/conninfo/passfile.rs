//! `.pgpass`, by libpq's rules (`passwordFromFile` in fe-connect.c).

use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// Where the server's socket is unless somebody says otherwise: upstream's and Debian's. Both go by `localhost`.
const DEFAULT_SOCKETS: [&str; 2] = ["/tmp", "/var/run/postgresql"];

/// What a line of the file is compared with.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wanted<'a> {
    /// The host name, or its address where there is none, or the folder of a socket.
    pub(super) host: &'a str,
    pub(super) port: u16,
    pub(super) dbname: &'a str,
    pub(super) user: &'a str,
}

/// The password of the first line that matches. A file that others may read is ignored, as libpq does, with a warning.
pub(super) fn password(file: &Path, wanted: Wanted<'_>) -> Option<String> {
    let facts = std::fs::metadata(file).ok()?;
    let ignored = if !facts.is_file() {
        Some("it is no plain file")
    } else if facts.mode() & 0o077 != 0 {
        Some("group or others may read it; chmod 0600 mends that")
    } else {
        None
    };
    if let Some(why) = ignored {
        tracing::warn!("password file {} is ignored: {why}", file.display());
        return None;
    }
    let text = match std::fs::read(file) {
        Ok(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
        Err(e) => {
            tracing::warn!("password file {}: {e}", file.display());
            return None;
        }
    };
    text.lines().find_map(|line| of_line(line, wanted))
}

/// `host:port:database:user:password`, each `*` or to the letter; `\` takes the next character as it is.
fn of_line(line: &str, wanted: Wanted<'_>) -> Option<String> {
    if line.starts_with('#') {
        return None;
    }
    let host = if DEFAULT_SOCKETS.contains(&wanted.host) { "localhost" } else { wanted.host };
    let port = wanted.port.to_string();
    let fields = [host, &port, wanted.dbname, wanted.user];
    let rest = fields.into_iter().try_fold(line, after_match)?;
    let mut password = String::new();
    let mut chars = rest.chars();
    while let Some(c) = chars.next() {
        match c {
            ':' => break,
            // A last backslash stands for itself.
            '\\' => password.push(chars.next().unwrap_or('\\')),
            c => password.push(c),
        }
    }
    Some(password)
}

/// What follows the field and its colon, where the field matches.
fn after_match<'l>(line: &'l str, wanted: &str) -> Option<&'l str> {
    if let Some(rest) = line.strip_prefix("*:") {
        return Some(rest);
    }
    let mut left = wanted.chars();
    let mut chars = line.chars();
    loop {
        let c = match chars.next()? {
            ':' if left.as_str().is_empty() => return Some(chars.as_str()),
            '\\' => chars.next()?,
            c => c,
        };
        if left.next()? != c {
            return None;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WANTED: Wanted<'static> = Wanted { host: "db.example", port: 5432, dbname: "oauth", user: "app" };

    #[test]
    fn lines_match_as_in_libpq() {
        for (line, is) in [
            ("db.example:5432:oauth:app:s3cret", Some("s3cret")),
            ("*:*:*:*:s3cret", Some("s3cret")),
            ("*:5432:*:app:s3cret", Some("s3cret")),
            ("db.example:5433:oauth:app:s3cret", None),
            ("DB.example:5432:oauth:app:s3cret", None),
            ("db.exampl*:5432:oauth:app:s3cret", None),
            ("# *:*:*:*:s3cret", None),
            ("*:*:*:*:", Some("")),
            ("*:*:*:app", None),
            ("", None),
            (r"*:*:*:*:a\:b\\c", Some(r"a:b\c")),
            (r"*:*:*:*:a:b", Some("a")),
            (r"*:*:*:*:a\", Some(r"a\")),
            (r"db\.example:5432:oauth:app:x", Some("x")),
            (r"\*:5432:oauth:app:x", None),
        ] {
            assert_eq!(of_line(line, WANTED).as_deref(), is, "{line}");
        }
    }

    #[test]
    fn names_with_colons_are_escaped_and_default_sockets_go_by_localhost() {
        let odd = Wanted { host: "::1", dbname: r"a:b\", ..WANTED };
        assert_eq!(of_line(r"\:\:1:5432:a\:b\\:app:x", odd).as_deref(), Some("x"));
        let socket = |host| Wanted { host, ..WANTED };
        assert_eq!(of_line("localhost:*:*:*:x", socket("/var/run/postgresql")).as_deref(), Some("x"));
        assert_eq!(of_line("localhost:*:*:*:x", socket("/srv/sockets")), None);
        assert_eq!(of_line("/srv/sockets:*:*:*:x", socket("/srv/sockets")).as_deref(), Some("x"));
    }
}
