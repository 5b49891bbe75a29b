//! Cuts a file into rows without ever holding more than one of them: lines, the elements of an array, or the rows of a
//! table.
//!
//! Invariant: memory does not grow with the file, whatever is in it; a row that is too long is skipped unread.

use std::io::{self, BufRead, BufReader, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use csv::ByteRecord;

use super::fields::{Fields, Refusal, refusal};
use crate::failure::Failure;

pub use self::array::Array;
pub use self::lines::Lines;
pub use self::table::Table;

mod array;
mod lines;
mod table;

/// The longest row, in bytes: the rows of one transaction stay below the 4 MB that DynamoDB takes.
pub const MAX_ROW_BYTES: usize = 64 * 1024;

const TOO_LONG: &str = "must be at most 65536 bytes long";

/// What is read from.
pub type Input = BufReader<Box<dyn Read + Send>>;

/// One row, not yet read.
pub struct Piece {
    /// The line of the file where it begins, from 1.
    pub line: u64,
    /// What is in it, if that can be had at all.
    pub content: Result<Content, Refusal>,
}

/// What is in a row.
pub enum Content {
    /// A JSON text.
    Json(Vec<u8>),
    /// Cells, under the table's head.
    Cells(Arc<[String]>, ByteRecord),
}

impl Content {
    /// Reads the members.
    pub fn fields(self) -> Result<Fields, Refusal> {
        match self {
            Self::Json(text) => Fields::of_json(&text),
            Self::Cells(head, cells) => {
                let mut members = Vec::with_capacity(head.len());
                for (number, (name, cell)) in (1..).zip(head.iter().zip(cells.iter())) {
                    let cell = str::from_utf8(cell);
                    let cell = cell.map_err(|_| refusal("row", format!("must be UTF-8 in its column {number}")))?;
                    members.push((name.clone(), cell.to_owned()));
                }
                Ok(Fields::of_cells(members.into_iter()))
            }
        }
    }
}

/// A file's rows, in their order. After an error there are none.
pub enum Pieces {
    /// One to a line.
    Lines(Lines),
    /// Elements of an array.
    Array(Array),
    /// Rows of a table.
    Table(Table),
}

impl Iterator for Pieces {
    type Item = Result<Piece, Failure>;

    fn next(&mut self) -> Option<Self::Item> {
        match self {
            Self::Lines(lines) => lines.next(),
            Self::Array(array) => array.next(),
            Self::Table(table) => table.next(),
        }
    }
}

/// Counts what is read, for who shows how far that is.
pub struct Counted<R> {
    inner: R,
    count: Arc<AtomicU64>,
}

impl<R> Counted<R> {
    /// Counts what is read of `inner`.
    pub fn new(inner: R, count: Arc<AtomicU64>) -> Self {
        Self { inner, count }
    }
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.count.fetch_add(u64::try_from(read).unwrap_or_default(), Ordering::Relaxed);
        Ok(read)
    }
}

fn unreadable(error: &io::Error) -> Failure {
    Failure::invalid("file", format!("can't be read: {error}"))
}

/// How a file begins, white space aside: what tells a JSON array from lines of JSON and from a table.
pub fn first_byte(input: &mut Input) -> Result<Option<u8>, Failure> {
    let buffer = input.fill_buf().map_err(|error| unreadable(&error))?;
    Ok(buffer.iter().find(|byte| !byte.is_ascii_whitespace()).or(buffer.first()).copied())
}
