//! The elements of an array in a JSON file: of the array that the file is, or of the `users` array in the object that
//! it is.
//!
//! Only as much JSON is understood here as it takes to find where a value ends; each element is then read by a real
//! parser.

use std::io::{self, BufRead as _};

use super::{Content, Input, MAX_ROW_BYTES, Piece, TOO_LONG};
use crate::failure::Failure;
use crate::import::fields::refusal;

const MEMBER: &[u8] = b"\"users\"";

/// The elements.
pub struct Array {
    bytes: Bytes,
    place: Place,
    found: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Start,
    /// In the object that the file is; `first` before its first member.
    Object {
        first: bool,
    },
    /// In the array; `nested` where that is a member of the object, `first` before its first element.
    Array {
        nested: bool,
        first: bool,
    },
    End,
}

enum Trouble {
    Unreadable(io::Error),
    Broken(u64),
    NoUsers,
}

impl From<io::Error> for Trouble {
    fn from(error: io::Error) -> Self {
        Self::Unreadable(error)
    }
}

impl From<Trouble> for Failure {
    fn from(trouble: Trouble) -> Self {
        match trouble {
            Trouble::Unreadable(error) => super::unreadable(&error),
            Trouble::Broken(line) => Self::invalid(
                "file",
                format!("is not JSON, or not all of it, from line {line} on; rows before it were taken"),
            ),
            Trouble::NoUsers => Self::invalid(
                "file",
                "holds no users: it has to be an object with an array `users`, or an array; was it exported without?",
            ),
        }
    }
}

impl Array {
    /// The elements in `input`.
    pub fn new(input: Input) -> Self {
        Self { bytes: Bytes { input, line: 1 }, place: Place::Start, found: false }
    }

    fn read(&mut self) -> Result<Option<Piece>, Trouble> {
        loop {
            let next = self.bytes.significant()?;
            match (self.place, next) {
                (Place::Start, Some(b'[')) => {
                    self.bytes.skip()?;
                    self.found = true;
                    self.place = Place::Array { nested: false, first: true };
                }
                (Place::Start, Some(b'{')) => {
                    self.bytes.skip()?;
                    self.place = Place::Object { first: true };
                }
                (Place::Object { .. }, Some(b'}')) | (Place::Array { nested: false, .. }, Some(b']')) => {
                    self.bytes.skip()?;
                    self.place = Place::End;
                }
                (Place::Array { nested: true, .. }, Some(b']')) => {
                    self.bytes.skip()?;
                    self.place = Place::Object { first: false };
                }
                (Place::Object { first }, Some(_)) => {
                    self.separator(first)?;
                    self.place = self.member()?;
                }
                (Place::Array { nested, first }, Some(_)) => {
                    self.separator(first)?;
                    self.place = Place::Array { nested, first: false };
                    return self.element().map(Some);
                }
                (Place::End, None) if self.found => return Ok(None),
                (Place::End, None) => return Err(Trouble::NoUsers),
                (_, None) | (Place::Start | Place::End, Some(_)) => return Err(self.broken()),
            }
        }
    }

    fn separator(&mut self, first: bool) -> Result<(), Trouble> {
        if first {
            return Ok(());
        }
        if self.bytes.significant()? != Some(b',') {
            return Err(self.broken());
        }
        self.bytes.skip()?;
        Ok(())
    }

    /// Reads a member's name; goes into its value where that is the array, and else over it.
    fn member(&mut self) -> Result<Place, Trouble> {
        if self.bytes.significant()? != Some(b'"') {
            return Err(self.broken());
        }
        let mut name = Vec::new();
        self.value(Some(&mut name))?;
        if self.bytes.significant()? != Some(b':') {
            return Err(self.broken());
        }
        self.bytes.skip()?;
        if name == MEMBER && self.bytes.significant()? == Some(b'[') {
            self.bytes.skip()?;
            self.found = true;
            return Ok(Place::Array { nested: true, first: true });
        }
        self.value(None)?;
        Ok(Place::Object { first: false })
    }

    fn element(&mut self) -> Result<Piece, Trouble> {
        self.bytes.significant()?;
        let line = self.bytes.line;
        let mut text = Vec::new();
        self.value(Some(&mut text))?;
        let too_long = text.len() > MAX_ROW_BYTES;
        let content = if too_long { Err(refusal("row", TOO_LONG)) } else { Ok(Content::Json(text)) };
        Ok(Piece { line, content })
    }

    /// Goes over one value, and keeps it as far as it is not too long.
    fn value(&mut self, mut kept: Option<&mut Vec<u8>>) -> Result<(), Trouble> {
        let (mut depth, mut quoted, mut escaped, mut any) = (0_u64, false, false, false);
        self.bytes.significant()?;
        loop {
            let Some(byte) = self.bytes.peek()? else { return Err(self.broken()) };
            let bare = depth == 0 && !quoted;
            if bare && (matches!(byte, b',' | b'}' | b']' | b':') || byte.is_ascii_whitespace()) {
                return if any { Ok(()) } else { Err(self.broken()) };
            }
            self.bytes.skip()?;
            any = true;
            if let Some(kept) = kept.as_deref_mut().filter(|kept| kept.len() <= MAX_ROW_BYTES) {
                kept.push(byte);
            }
            match byte {
                _ if escaped => escaped = false,
                b'\\' if quoted => escaped = true,
                b'"' => quoted = !quoted,
                b'{' | b'[' if !quoted => depth += 1,
                b'}' | b']' if !quoted => depth -= 1,
                _ => {}
            }
            if depth == 0 && !quoted && matches!(byte, b'"' | b'}' | b']') {
                return Ok(());
            }
        }
    }

    fn broken(&self) -> Trouble {
        Trouble::Broken(self.bytes.line)
    }
}

impl Iterator for Array {
    type Item = Result<Piece, Failure>;

    fn next(&mut self) -> Option<Self::Item> {
        match self.read() {
            Ok(piece) => piece.map(Ok),
            Err(trouble) => {
                // Nothing follows an error.
                (self.place, self.found) = (Place::End, true);
                self.bytes.input = Input::new(Box::new(io::empty()));
                Some(Err(trouble.into()))
            }
        }
    }
}

/// Bytes one by one, with the line that they are in.
struct Bytes {
    input: Input,
    line: u64,
}

impl Bytes {
    fn peek(&mut self) -> io::Result<Option<u8>> {
        Ok(self.input.fill_buf()?.first().copied())
    }

    fn skip(&mut self) -> io::Result<()> {
        if self.peek()? == Some(b'\n') {
            self.line += 1;
        }
        self.input.consume(1);
        Ok(())
    }

    /// The next byte that is not white space.
    fn significant(&mut self) -> io::Result<Option<u8>> {
        while let Some(byte) = self.peek()? {
            if !byte.is_ascii_whitespace() {
                return Ok(Some(byte));
            }
            self.skip()?;
        }
        Ok(None)
    }
}
