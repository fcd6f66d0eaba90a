//! What a `pg_dump` archive says about itself: its magic, its header, its list of contents.

use std::io::Read;
use std::path::Path;

use crate::error::{Context, Failure, Result};
use crate::snapshot::{program, text};

/// How an archive is laid out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// `--format=custom`: one file, restored in parallel.
    Custom,
    /// `--format=directory`: a folder, restored in parallel.
    Directory,
    /// `--format=tar`: one file, restored by one session.
    Tar,
}

impl Format {
    /// The word that `pg_dump --format` takes.
    pub fn word(self) -> &'static str {
        match self {
            Self::Custom => "custom",
            Self::Directory => "directory",
            Self::Tar => "tar",
        }
    }
}

/// An archive's header and list of contents.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Archive {
    /// How it is laid out.
    pub format: Format,
    /// The name of the database that was dumped.
    pub dbname: String,
    /// The version of the server that it was dumped from, for people: `15.18 (Debian …)`.
    pub server_version: String,
    /// The server's major version: 15; 0 where the archive does not say.
    pub server_major: u32,
    /// Tables in it.
    pub tables: usize,
    /// Tables that it has rows of.
    pub tables_with_rows: usize,
    /// Size on disk in bytes.
    pub bytes: u64,
    /// The list of contents, as `pg_restore --use-list` takes it.
    pub list: String,
}

impl Archive {
    /// Looks into the archive at `path`. Only its head and list are read: that the rest is whole shows at the restore.
    pub async fn read(path: &Path) -> Result<Self> {
        let shown = path.display();
        let format = judge(path).with_context(|| shown.to_string())?;
        let mut list = program("pg_restore", None);
        list.arg("--list").arg(path);
        let list = text(list, None).await.map_err(|e| unreadable(path, e))?;
        let archive = Self { format, bytes: size(path)?, ..Self::of_list(list) };
        if archive.tables == 0 {
            return Err(Failure::failed(format!("{shown}: the archive holds no table"))
                .state("nothing was started")
                .hint("dump the whole database: pg_dump --format=custom --file=FILE DBNAME"));
        }
        Ok(archive)
    }

    /// Reads the list: comments with the header, then a line for each entry: `dump id; catalog oid OID TYPE …`.
    fn of_list(list: String) -> Self {
        let header = |key: &str| {
            let line = list.lines().find_map(|line| line.strip_prefix(';')?.trim_start().strip_prefix(key));
            line.map(|value| value.trim().to_owned()).unwrap_or_default()
        };
        let server_version = header("Dumped from database version:");
        let digits: String = server_version.chars().take_while(char::is_ascii_digit).collect();
        let count = |kind: &str| list.lines().filter_map(entry_kind).filter(|entry| entry.starts_with(kind)).count();
        let tables_with_rows = count("TABLE DATA ");
        // Comments on tables are entries of the kind COMMENT; attaching a partition is one of its own.
        let tables = count("TABLE ") - tables_with_rows - count("TABLE ATTACH ");
        let server_major = digits.parse().unwrap_or(0);
        let dbname = header("dbname:");
        Self { format: Format::Custom, dbname, server_version, server_major, tables, tables_with_rows, bytes: 0, list }
    }

    /// The list without what would reach out to other servers or take from them: subscriptions, and the logins of
    /// foreign servers.
    pub fn list_kept_in(&self) -> String {
        let reaches_out = |line: &str| {
            entry_kind(line).is_some_and(|kind| kind.starts_with("USER MAPPING ") || kind.starts_with("SUBSCRIPTION "))
        };
        self.list.lines().filter(|line| !reaches_out(line)).flat_map(|line| [line, "\n"]).collect()
    }

    /// Whether the archive has an entry of this kind: `USER MAPPING`.
    pub fn has(&self, kind: &str) -> bool {
        self.list.lines().filter_map(entry_kind).any(|entry| entry.starts_with(kind))
    }
}

/// What an entry is and the rest of its line: `TABLE DATA app t owner`; `None` for a comment.
fn entry_kind(line: &str) -> Option<&str> {
    let (id, rest) = line.split_once("; ")?;
    id.parse::<u32>().ok()?;
    // Two numbers, catalog and object, then the kind.
    rest.splitn(3, ' ').nth(2)
}

/// Told by its first bytes, before `pg_restore` says less: which format, which version, or what it is instead.
fn judge(path: &Path) -> Result<Format> {
    if path.is_dir() {
        let toc = path.join("toc.dat");
        if !toc.is_file() {
            return Err(Failure::usage("a folder without a toc.dat, so not an archive of pg_dump")
                .hint("name the folder that pg_dump --format=directory wrote"));
        }
        check_version(&head(&toc)?)?;
        return Ok(Format::Directory);
    }
    let head = head(path)?;
    // A tar's first member is the table of contents; its name stands in the first block, its content in the second.
    if head.starts_with(b"toc.dat\0") {
        check_version(head.get(512..).unwrap_or_default())?;
        return Ok(Format::Tar);
    }
    if head.starts_with(b"PGDMP") {
        check_version(&head)?;
        return Ok(Format::Custom);
    }
    Err(not_an_archive(&head))
}

fn not_an_archive(head: &[u8]) -> Failure {
    const AGAIN: &str = "dump it again: pg_dump --format=custom --file=FILE DBNAME";
    let start = String::from_utf8_lossy(head);
    let has = |text: &str| start.contains(text);
    let compressed =
        [(&b"\x1f\x8b"[..], "gunzip"), (b"BZh", "bunzip2"), (b"\xfd7zXZ", "unxz"), (b"\x28\xb5\x2f\xfd", "unzstd")];
    if head.is_empty() {
        return Failure::usage("the file is empty").hint(AGAIN);
    }
    if let Some((_, unpack)) = compressed.iter().find(|(magic, _)| head.starts_with(magic)) {
        return Failure::usage("compressed from outside").hint(format!("unpack it first: {unpack} FILE"));
    }
    if has("PostgreSQL database cluster dump") {
        return Failure::usage("a dump of pg_dumpall: a script of a whole cluster, not an archive of one database")
            .hint(AGAIN);
    }
    if has("PostgreSQL database dump") || has("\\restrict ") || has("CREATE TABLE") {
        // psql runs what a script says, shell commands (\!) included: a rehearsal should not be the place for that.
        return Failure::usage("a plain SQL script, not an archive: a rehearsal runs no scripts").hint(AGAIN);
    }
    Failure::usage("not an archive of pg_dump").hint(AGAIN)
}

/// `PGDMP`, then major, minor and revision of the archive's format (`pg_backup_archiver.h`). Minor ones are for
/// `pg_restore` to judge: 1.14 came with 12, 1.15 with 16, 1.16 with 17.
fn check_version(head: &[u8]) -> Result<()> {
    match head {
        [b'P', b'G', b'D', b'M', b'P', 1, ..] => Ok(()),
        [b'P', b'G', b'D', b'M', b'P', major, minor, ..] => {
            Err(Failure::usage(format!("the archive is of format {major}.{minor}, which nobody knows yet")))
        }
        _ => Err(Failure::usage("the archive is cut off in its header").hint("copy or dump it again")),
    }
}

/// What `pg_restore` could not read.
fn unreadable(path: &Path, e: Failure) -> Failure {
    let said = e.detail.clone().unwrap_or_default();
    let shown = path.display();
    let failure = if said.contains("unsupported version") {
        Failure::failed(format!(
            "{shown}: the archive was written by a newer pg_dump than this machine's pg_restore knows"
        ))
        .hint("install the client programs of that version (apt-get install postgresql-client-17), then run this again")
    } else if said.contains("end of file") || said.contains("too short") {
        Failure::failed(format!("{shown}: the archive ends before its list of contents does"))
            .hint("copy or dump it again")
    } else if said.is_empty() {
        e
    } else {
        Failure::failed(format!("{shown}: pg_restore can't read the archive")).hint("copy or dump it again")
    };
    let failure = failure.state("nothing was started; the archive was only read");
    if said.is_empty() { failure } else { failure.detail(said) }
}

/// The first kilobyte.
fn head(path: &Path) -> Result<Vec<u8>> {
    let mut head = Vec::new();
    std::fs::File::open(path)?.take(1024).read_to_end(&mut head)?;
    Ok(head)
}

fn size(path: &Path) -> Result<u64> {
    if !path.is_dir() {
        return Ok(std::fs::metadata(path)?.len());
    }
    let mut bytes = 0;
    for entry in std::fs::read_dir(path)? {
        bytes += entry?.metadata()?.len();
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIST: &str = ";\n; Archive created at 2026-11-24\n;     dbname: Odd db\n;     Format: CUSTOM\n;     Dumped from database version: 15.18 (Debian)\n;\n\
        8; 2615 16574 SCHEMA - app app owner\n217; 1259 16575 TABLE app t app owner\n3485; 0 16575 TABLE DATA app t app owner\n\
        9; 1418 16600 USER MAPPING - USER MAPPING app SERVER far app\n";

    #[test]
    fn the_list_says_what_is_in_it() {
        let archive = Archive::of_list(LIST.to_owned());
        assert_eq!((archive.dbname.as_str(), archive.server_major), ("Odd db", 15));
        assert_eq!((archive.tables, archive.tables_with_rows), (1, 1));
        assert!(archive.has("USER MAPPING") && !archive.list_kept_in().contains("USER MAPPING"));
        assert!(archive.list_kept_in().contains("TABLE DATA app t"));
    }

    #[test]
    fn what_is_no_archive_is_told_apart() {
        let what = |head: &[u8]| not_an_archive(head).what;
        assert_eq!(what(b""), "the file is empty");
        assert_eq!(what(b"\x1f\x8b\x08"), "compressed from outside");
        assert!(what(b"--\n-- PostgreSQL database dump\n--\n").starts_with("a plain SQL script"));
        assert!(what(b"--\n-- PostgreSQL database cluster dump\n--\n").starts_with("a dump of pg_dumpall"));
        assert_eq!(what(b"hello"), "not an archive of pg_dump");
        assert!(check_version(b"PGDMP\x01\x0e\x00").is_ok());
        assert!(check_version(b"PGDMP\x02\x00\x00").is_err() && check_version(b"PGD").is_err());
    }
}
