//! Statements that would reach beyond the shadow that they are traced on: other databases, files, programs.

use super::witness::words;
use crate::ddl::SqlFile;

/// Words of what leaves the server: other servers, its machine's files, and languages that may do anything.
const OUT: [&str; 19] = [
    "dblink",
    "dblink_connect",
    "dblink_exec",
    "wrapper",
    "subscription",
    "pg_read_file",
    "pg_read_binary_file",
    "pg_ls_dir",
    "pg_stat_file",
    "pg_file_write",
    "pg_file_unlink",
    "lo_export",
    "lo_import",
    "plpython3u",
    "plpythonu",
    "plperlu",
    "pltclu",
    "plsh",
    "http_post",
];

/// The first statement that may, by the words in it and in its strings: `3: it names dblink`. Comments on objects say much.
pub fn reaches_out(file: &SqlFile) -> Option<String> {
    file.statements.iter().filter(|statement| !statement.starts_with(&["COMMENT"])).find_map(|statement| {
        let words = words(statement.text(&file.text));
        let has = |word: &str| words.iter().any(|one| one == word);
        let copies = has("copy") && !has("stdin") && !has("stdout");
        let named = OUT.into_iter().find(|word| has(word)).or(copies.then_some("copy"))?;
        Some(format!("{}: it names {named}", statement.line))
    })
}
