//! The journal on disk: one line per record, chained, fsynced.
//!
//! A line is `{"chain":"…","entry":{…}}`; the chain is a hash over the line before and this entry's bytes, so an edited
//! or reordered journal is told from a torn one. Only the last line can be torn by a crash: it was never acknowledged
//! and is cut off. Anything else that does not read is refused.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, SeekFrom, Write};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use jiff::Timestamp;

use super::record::{Entry, FORMAT, Record};
use super::state::{IllegalTransition, Run};
use crate::error::Failure;
use crate::failpoint::failpoint;
use crate::plan::digest;

const HEAD: &str = "{\"chain\":\"";
const MIDDLE: &str = "\",\"entry\":";
/// Hex characters of the chain that a line carries.
const CHAIN: usize = 16;

/// Why the journal could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The file system said no.
    #[error("journal {path}: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// What it said.
        source: std::io::Error,
    },
    /// Another process of this machine has it open for writing.
    #[error("journal {path}: another process on this machine is running this plan")]
    Busy {
        /// The file.
        path: PathBuf,
    },
    /// A line that is not the last one does not read, or does not follow on the one before.
    #[error("journal {path}: line {line} is damaged: {why}")]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Its line, from 1.
        line: usize,
        /// What is wrong with it.
        why: String,
    },
    /// Somebody wrote in between, or the writer is not the one it takes itself for.
    #[error("journal {path}: expected to write record {expected}, the next one is {next}")]
    OutOfTurn {
        /// The file.
        path: PathBuf,
        /// The number that the writer expected.
        expected: u64,
        /// The number that is next.
        next: u64,
    },
    /// A writer whose lease has been taken over.
    #[error("journal {path}: fencing token {token} is older than {newest}: another process took over")]
    Fenced {
        /// The file.
        path: PathBuf,
        /// The writer's token.
        token: i64,
        /// The newest token in the journal.
        newest: i64,
    },
    /// A record that can't happen in this state.
    #[error(transparent)]
    Illegal(#[from] IllegalTransition),
}

impl From<StoreError> for Failure {
    fn from(e: StoreError) -> Self {
        match e {
            StoreError::Busy { .. } => Self::blocked(e.to_string()).hint("migrate status"),
            StoreError::Damaged { .. } => Self::blocked(e.to_string())
                .hint("restore the journal from where it was copied, or put blue back with: migrate abort"),
            StoreError::Io { ref source, ref path } if source.kind() == std::io::ErrorKind::StorageFull => {
                let folder = path.parent().unwrap_or(path).display();
                Self::failed(e.to_string())
                    .hint(format!("make room on the disk of {folder}, then run the same command again"))
            }
            _ => Self::failed(e.to_string()),
        }
    }
}

/// The journal of one run, open for writing by this process alone.
#[derive(Debug)]
pub struct Store {
    path: PathBuf,
    file: File,
    length: u64,
    chain: String,
    run: Run,
}

impl Store {
    /// Opens or makes `journal.jsonl` in `folder` and locks it. A torn last line is cut off.
    pub fn open(folder: &Path) -> Result<Self, StoreError> {
        let path = folder.join("journal.jsonl");
        let io = |source| StoreError::Io { path: path.clone(), source };
        // Answers of checks and what participants replaced lie beside the journal: nobody else's business.
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(io)?;
        let mut file =
            OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&path).map_err(io)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(StoreError::Busy { path }),
            Err(TryLockError::Error(e)) => return Err(io(e)),
        }
        let mut text = Vec::new();
        file.read_to_end(&mut text).map_err(io)?;
        let Folded { run, chain, length } = fold(&path, &text)?;
        if length < text.len() as u64 {
            tracing::warn!(journal = %path.display(), "the last line was torn by a crash and is cut off");
            file.set_len(length).map_err(io)?;
        }
        file.seek(SeekFrom::Start(length)).map_err(io)?;
        // The folder's entry must survive a crash as well as the file does.
        File::open(folder).and_then(|dir| dir.sync_all()).map_err(io)?;
        Ok(Self { path, file, length, chain, run })
    }

    /// Reads the journal in `folder` without locking or changing it; `None` where there is none.
    pub fn read(folder: &Path) -> Result<Option<(Run, Vec<Entry>)>, StoreError> {
        let path = folder.join("journal.jsonl");
        match std::fs::read(&path) {
            Ok(text) => {
                let length = fold(&path, &text)?;
                let entries = lines(&text).filter_map(|(_, line)| parse_line(line).ok().map(|(_, _, entry)| entry));
                Ok((length.run.seq > 0).then(|| (length.run.clone(), entries.collect())))
            }
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(source) => Err(StoreError::Io { path, source }),
        }
    }

    /// The only write. `expected_seq` is the number that the writer believes to be next; a record is on disk when this
    /// returns.
    pub fn append(&mut self, expected_seq: u64, token: i64, record: Record) -> Result<(), StoreError> {
        let next = self.run.seq + 1;
        if expected_seq != next {
            return Err(StoreError::OutOfTurn { path: self.path.clone(), expected: expected_seq, next });
        }
        if token < self.run.token {
            return Err(StoreError::Fenced { path: self.path.clone(), token, newest: self.run.token });
        }
        let entry = Entry { seq: next, at: Timestamp::now(), token, record };
        let mut run = self.run.clone();
        run.take(&entry)?;
        let body = serde_json::to_string(&entry).map_err(|e| self.io(e.into()))?;
        let chain = link(&self.chain, &body);
        let line = format!("{HEAD}{chain}{MIDDLE}{body}}}\n");
        if let Err(source) = self.file.write_all(line.as_bytes()).and_then(|()| self.file.sync_data()) {
            // A full disk may have taken half a line: cut it off, or the next record would follow on rubbish.
            let _ = self.file.set_len(self.length).and_then(|()| self.file.seek(SeekFrom::Start(self.length)));
            return Err(self.io(source));
        }
        self.length += line.len() as u64;
        self.chain = chain;
        self.run = run;
        failpoint(&format!("journal:{next}"));
        Ok(())
    }

    /// What the records add up to.
    pub fn run(&self) -> &Run {
        &self.run
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    fn io(&self, source: std::io::Error) -> StoreError {
        StoreError::Io { path: self.path.clone(), source }
    }
}

struct Folded {
    run: Run,
    chain: String,
    length: u64,
}

/// Lines with their end offsets; the last may lack its newline.
fn lines(text: &[u8]) -> impl Iterator<Item = (usize, &[u8])> {
    text.split_inclusive(|byte| *byte == b'\n').scan(0, |end, line| {
        *end += line.len();
        Some((*end, line))
    })
}

fn fold(path: &Path, text: &[u8]) -> Result<Folded, StoreError> {
    let mut folded = Folded { run: Run::new(), chain: String::new(), length: 0 };
    for (number, (end, line)) in lines(text).enumerate() {
        let damaged = |why: String| StoreError::Damaged { path: path.to_owned(), line: number + 1, why };
        match parse_line(line) {
            Ok((chain, body, entry)) => {
                if chain != link(&folded.chain, body) {
                    return Err(damaged("it does not follow on the line before".to_owned()));
                }
                if entry.seq != folded.run.seq + 1 {
                    return Err(damaged(format!("record {} where {} is next", entry.seq, folded.run.seq + 1)));
                }
                if let Record::RunBegun { format, tool, .. } = &entry.record
                    && format != FORMAT
                {
                    return Err(damaged(format!("format {format:?}, written by migrate {tool}, is not {FORMAT:?}")));
                }
                chain.clone_into(&mut folded.chain);
                folded.run.take(&entry).map_err(|e| damaged(e.to_string()))?;
                folded.length = end as u64;
            }
            // Only a line that never got its newline can be torn: records are written in one go.
            Err(_) if end == text.len() && !line.ends_with(b"\n") => break,
            Err(why) => return Err(damaged(why)),
        }
    }
    Ok(folded)
}

fn parse_line(line: &[u8]) -> Result<(&str, &str, Entry), String> {
    let line = std::str::from_utf8(line).map_err(|e| e.to_string())?;
    let parts = (|| {
        let rest = line.strip_suffix("}\n")?.strip_prefix(HEAD)?;
        let (chain, rest) = rest.split_at_checked(CHAIN)?;
        Some((chain, rest.strip_prefix(MIDDLE)?))
    })();
    let (chain, body) = parts.ok_or("it is not a journal line")?;
    let entry = serde_json::from_str(body).map_err(|e| e.to_string())?;
    Ok((chain, body, entry))
}

fn link(before: &str, body: &str) -> String {
    digest([before.as_bytes(), body.as_bytes()]).chars().take(CHAIN).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::RunId;

    fn begin(store: &mut Store) {
        let begun = Record::RunBegun {
            format: FORMAT.to_owned(),
            tool: "0".to_owned(),
            run: RunId("r".to_owned()),
            plan: "p".to_owned(),
            steps: Vec::new(),
            settings: serde_json::Value::Null,
        };
        store.append(1, 0, begun).unwrap();
        store.append(2, 1, Record::LeaseTaken { who: "w".to_owned(), host: "h".to_owned() }).unwrap();
    }

    #[test]
    fn a_journal_reads_back_and_a_second_process_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let mut store = Store::open(folder.path()).unwrap();
        begin(&mut store);
        assert!(matches!(Store::open(folder.path()), Err(StoreError::Busy { .. })));
        drop(store);
        assert_eq!(Store::open(folder.path()).unwrap().run().seq, 2);
    }

    #[test]
    fn a_torn_tail_is_cut_off_at_every_length() {
        let folder = tempfile::tempdir().unwrap();
        let mut store = Store::open(folder.path()).unwrap();
        begin(&mut store);
        drop(store);
        let path = folder.path().join("journal.jsonl");
        let whole = std::fs::read(&path).unwrap();
        let first = whole.iter().position(|b| *b == b'\n').unwrap() + 1;
        for length in first..whole.len() {
            std::fs::write(&path, &whole[..length]).unwrap();
            let store = Store::open(folder.path()).unwrap();
            assert_eq!(store.run().seq, 1, "torn at {length}");
            drop(store);
            assert_eq!(std::fs::read(&path).unwrap().len(), first);
        }
    }

    #[test]
    fn an_edited_line_is_damage_not_a_torn_tail() {
        let folder = tempfile::tempdir().unwrap();
        let mut store = Store::open(folder.path()).unwrap();
        begin(&mut store);
        drop(store);
        let path = folder.path().join("journal.jsonl");
        let text = std::fs::read_to_string(&path).unwrap();
        std::fs::write(&path, text.replace("\"who\":\"w\"", "\"who\":\"x\"")).unwrap();
        let error = Store::open(folder.path()).unwrap_err();
        assert!(matches!(error, StoreError::Damaged { line: 2, .. }), "{error}");
    }

    #[test]
    fn an_old_token_or_a_wrong_turn_writes_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let mut store = Store::open(folder.path()).unwrap();
        begin(&mut store);
        let taken = || Record::LeaseTaken { who: "w".to_owned(), host: "h".to_owned() };
        assert!(matches!(store.append(3, 0, taken()), Err(StoreError::Fenced { token: 0, newest: 1, .. })));
        assert!(matches!(store.append(2, 1, taken()), Err(StoreError::OutOfTurn { expected: 2, next: 3, .. })));
        assert_eq!(store.run().seq, 2);
    }
}
