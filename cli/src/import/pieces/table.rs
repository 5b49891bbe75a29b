//! CSV with a head (RFC 4180): columns separated by commas, cells with commas, quotes or line ends in double quotes.

use std::collections::BTreeMap;
use std::io::{self, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use csv::{ByteRecord, ErrorKind, Reader, ReaderBuilder};

use super::{Content, Input, MAX_ROW_BYTES, Piece, TOO_LONG, unreadable};
use crate::failure::Failure;
use crate::import::fields::refusal;

const BUFFER_BYTES: usize = 64 * 1024;

/// The rows under the head.
pub struct Table {
    reader: Reader<Metered>,
    head: Arc<[String]>,
    budget: Arc<AtomicUsize>,
    line: u64,
    ended: bool,
}

impl Table {
    /// Reads the head.
    pub fn new(input: Input) -> Result<Self, Failure> {
        let budget = Arc::new(AtomicUsize::new(MAX_ROW_BYTES + 2 * BUFFER_BYTES));
        let metered = Metered { input, budget: Arc::clone(&budget) };
        let mut reader = ReaderBuilder::new().buffer_capacity(BUFFER_BYTES).from_reader(metered);
        let rule = |rule: String| Failure::invalid("file", rule);
        let head = match reader.byte_headers() {
            Ok(head) => head.clone(),
            Err(error) => return Err(failed(&error, 1)),
        };
        let mut names = Vec::with_capacity(head.len());
        for name in &head {
            let name = str::from_utf8(name).map_err(|_| rule("must be UTF-8".to_owned()))?;
            names.push(name.trim().to_owned());
        }
        let mut seen = BTreeMap::new();
        for (number, name) in (1..).zip(&names) {
            // Where there is no head, the names are cells, which nobody is shown.
            if let Some(first) = seen.insert(name, number) {
                return Err(rule(format!(
                    "must not have a name twice: columns {first} and {number} have the same name"
                )));
            }
        }
        Ok(Self { reader, head: names.into(), budget, line: 1, ended: false })
    }

    /// The names of the columns.
    pub fn head(&self) -> &[String] {
        &self.head
    }
}

impl Iterator for Table {
    type Item = Result<Piece, Failure>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.ended {
            return None;
        }
        self.budget.store(MAX_ROW_BYTES + 2 * BUFFER_BYTES, Ordering::Relaxed);
        let mut cells = ByteRecord::new();
        let result = self.reader.read_byte_record(&mut cells);
        let line = cells.position().map_or(self.line + 1, csv::Position::line);
        self.line = line;
        let content = match result {
            Ok(false) => return None,
            Ok(true) if cells.as_slice().len() > MAX_ROW_BYTES => Err(refusal("row", TOO_LONG)),
            Ok(true) => Ok(Content::Cells(Arc::clone(&self.head), cells)),
            Err(error) => {
                let ErrorKind::UnequalLengths { expected_len, len, .. } = error.kind() else {
                    self.ended = true;
                    return Some(Err(failed(&error, line)));
                };
                Err(refusal("row", format!("must have {expected_len} cells as the head does, and has {len}")))
            }
        };
        Some(Ok(Piece { line, content }))
    }
}

fn failed(error: &csv::Error, line: u64) -> Failure {
    match error.kind() {
        ErrorKind::Io(error) if error.kind() == io::ErrorKind::FileTooLarge => {
            Failure::invalid("file", format!("has a row without end after line {line}: is a closing quote missing?"))
        }
        ErrorKind::Io(error) => unreadable(error),
        _ => Failure::invalid("file", format!("is no table of CSV at line {line}")),
    }
}

/// Reads no more than a row may have: a quote that is never closed would take all of the file.
struct Metered {
    input: Input,
    budget: Arc<AtomicUsize>,
}

impl Read for Metered {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.input.read(buffer)?;
        let left = self.budget.load(Ordering::Relaxed);
        let Some(left) = left.checked_sub(read) else { return Err(io::ErrorKind::FileTooLarge.into()) };
        self.budget.store(left, Ordering::Relaxed);
        Ok(read)
    }
}
