//! Reading answers: sorted files, equal rows taken together, one row in memory at a time.

use std::cmp::Ordering;
use std::fs::File;
use std::io::{BufRead, BufReader};

use super::Answer;
use crate::error::{Context, Failure, Result};

/// A row as it compares: NULL first, then by bytes.
pub type Row = Option<Vec<u8>>;

/// The distinct rows of an answer in order, each with how often it is there.
pub struct Groups {
    lines: BufReader<File>,
    next: Option<Row>,
    name: String,
}

impl Groups {
    /// Opens an answer.
    pub fn open(answer: &Answer) -> Result<Self> {
        let name = answer.path.display().to_string();
        let file = File::open(&answer.path).with_context(|| format!("reading the answer {name}"))?;
        let mut groups = Self { lines: BufReader::new(file), next: None, name };
        groups.next = groups.read_row()?;
        Ok(groups)
    }

    /// The next distinct row and its count. Fails on a file that is not sorted: a server whose encoding orders
    /// otherwise than UTF-8 does.
    pub fn next(&mut self) -> Result<Option<(Row, u64)>> {
        let Some(row) = self.next.take() else { return Ok(None) };
        let mut count = 1;
        loop {
            match self.read_row()? {
                Some(following) if following == row => count += 1,
                Some(following) if following < row => {
                    return Err(Failure::failed(format!("the answer {} is not in byte order", self.name)));
                }
                following => {
                    self.next = following;
                    return Ok(Some((row, count)));
                }
            }
        }
    }

    fn read_row(&mut self) -> Result<Option<Row>> {
        let mut line = Vec::new();
        let read = self.lines.read_until(b'\n', &mut line).with_context(|| format!("reading {}", self.name))?;
        if line.last() == Some(&b'\n') {
            line.pop();
        }
        Ok((read > 0).then(|| decode(&line)))
    }
}

/// Undoes COPY's escapes.
fn decode(line: &[u8]) -> Row {
    if line == b"\\N" {
        return None;
    }
    let mut text = Vec::with_capacity(line.len());
    let mut bytes = line.iter();
    while let Some(byte) = bytes.next() {
        text.push(match (byte, byte == &b'\\') {
            (_, false) => *byte,
            (_, true) => match bytes.next() {
                Some(b'b') => 0x08,
                Some(b'f') => 0x0c,
                Some(b'n') => b'\n',
                Some(b'r') => b'\r',
                Some(b't') => b'\t',
                Some(b'v') => 0x0b,
                Some(other) => *other,
                None => b'\\',
            },
        });
    }
    Some(text)
}

/// Calls `each` with every distinct row of either answer and its count on both.
pub fn merge(left: &Answer, right: &Answer, mut each: impl FnMut(&Row, u64, u64)) -> Result<()> {
    let (mut left, mut right) = (Groups::open(left)?, Groups::open(right)?);
    let (mut ours, mut theirs) = (left.next()?, right.next()?);
    loop {
        let order = match (&ours, &theirs) {
            (None, None) => return Ok(()),
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (Some((our_row, _)), Some((their_row, _))) => our_row.cmp(their_row),
        };
        let our_group = if order.is_le() { std::mem::replace(&mut ours, left.next()?) } else { None };
        let their_group = if order.is_ge() { std::mem::replace(&mut theirs, right.next()?) } else { None };
        let count = |group: &Option<(Row, u64)>| group.as_ref().map_or(0, |(_, count)| *count);
        if let Some((row, _)) = our_group.as_ref().or(their_group.as_ref()) {
            each(row, count(&our_group), count(&their_group));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::decode;

    #[test]
    fn null_is_neither_empty_nor_its_own_spelling() {
        assert_eq!(decode(b"\\N"), None);
        assert_eq!(decode(b""), Some(Vec::new()));
        assert_eq!(decode(b"\\\\N"), Some(b"\\N".to_vec()));
        assert_eq!(decode(b"a\\nb\\tc"), Some(b"a\nb\tc".to_vec()));
    }
}
