//! JSON Lines: one object to a line.

use std::io::{BufRead as _, Read as _};

use super::{Content, Input, MAX_ROW_BYTES, Piece, TOO_LONG, unreadable};
use crate::failure::Failure;
use crate::import::fields::refusal;

/// A file's lines; empty ones are left out.
pub struct Lines {
    input: Input,
    line: u64,
}

impl Lines {
    /// The lines of `input`.
    pub fn new(input: Input) -> Self {
        Self { input, line: 0 }
    }

    fn read(&mut self) -> std::io::Result<Option<Piece>> {
        let limit = u64::try_from(MAX_ROW_BYTES).unwrap_or(u64::MAX) + 1;
        loop {
            let mut text = Vec::new();
            if self.input.by_ref().take(limit).read_until(b'\n', &mut text)? == 0 {
                return Ok(None);
            }
            self.line += 1;
            let whole = text.last() == Some(&b'\n') || text.len() <= MAX_ROW_BYTES;
            if !whole {
                self.input.skip_until(b'\n')?;
                return Ok(Some(Piece { line: self.line, content: Err(refusal("row", TOO_LONG)) }));
            }
            if !text.iter().all(u8::is_ascii_whitespace) {
                return Ok(Some(Piece { line: self.line, content: Ok(Content::Json(text)) }));
            }
        }
    }
}

impl Iterator for Lines {
    type Item = Result<Piece, Failure>;

    fn next(&mut self) -> Option<Self::Item> {
        self.read().map_err(|error| unreadable(&error)).transpose()
    }
}
