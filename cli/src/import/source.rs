//! Opens a file, and finds out how to cut it into rows and how to read them.

use std::fs::File;
use std::io::{self, Read, Seek as _};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use shared::secret::Digest;

use super::pieces::{Array, Counted, Input, Lines, Pieces, Table, first_byte};
use super::record::Dialect;
use super::{encrypted, firebase, native};
use crate::arguments::{Import, ImportFormat};
use crate::failure::Failure;

const FIELD: &str = "file";

/// So much of a file tells it from others.
const FINGERPRINT_BYTES: u64 = 1 << 20;

/// A file that was opened.
pub struct Source {
    /// Its rows.
    pub pieces: Pieces,
    /// How they are read.
    pub dialect: Dialect,
    /// How many bytes of it were read so far.
    pub read: Arc<AtomicU64>,
    /// What it is, unless it is standard input.
    pub file: Option<Fingerprint>,
}

/// What tells one file from others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fingerprint {
    /// Its length in bytes.
    pub size: u64,
    /// The SHA-256 of its first MiB, in hexadecimal digits.
    pub sha256: String,
}

impl Source {
    /// Opens what was named.
    pub fn open(import: &Import) -> Result<Self, Failure> {
        let format = format(import)?;
        let read = Arc::new(AtomicU64::new(0));
        let (raw, file): (Box<dyn Read + Send>, _) = if import.file == Path::new("-") {
            (Box::new(io::stdin()), None)
        } else {
            let (file, fingerprint) = file(&import.file).map_err(|error| unreadable(&import.file, &error))?;
            (Box::new(file), Some(fingerprint))
        };
        let mut whole: Box<dyn Read + Send> = Box::new(Counted::new(raw, Arc::clone(&read)));
        let mut first = head(&mut whole).map_err(|error| unreadable(&import.file, &error))?;
        if encrypted::is_encrypted(&first) {
            whole = encrypted::open(io::Cursor::new(first).chain(whole), import.identity.as_deref())?;
            first = head(&mut whole).map_err(|error| unreadable(&import.file, &error))?;
        } else if import.identity.is_some() {
            return Err(Failure::invalid("identity", "is only for a file that is encrypted with age"));
        }
        let text = first.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&first);
        if let Some(rule) = not_ours(text) {
            return Err(Failure::invalid(FIELD, rule));
        }
        let rest: Box<dyn Read + Send> = Box::new(io::Cursor::new(text.to_vec()).chain(whole));
        let pieces = pieces(Input::new(rest), format)?;
        Ok(Self { pieces, dialect: dialect(import, format)?, read, file })
    }
}

fn format(import: &Import) -> Result<ImportFormat, Failure> {
    if let Some(format) = import.format {
        return Ok(format);
    }
    let name = import.file.file_name().and_then(|name| name.to_str()).map(str::to_ascii_lowercase).unwrap_or_default();
    let name = Path::new(name.strip_suffix(".age").unwrap_or(&name));
    match name.extension().and_then(|extension| extension.to_str()) {
        Some("jsonl" | "ndjson") => Ok(ImportFormat::Jsonl),
        Some("csv") => Ok(ImportFormat::Csv),
        _ => Err(Failure::invalid(
            "format",
            "must be given for a file that doesn't end in .jsonl, .ndjson or .csv: jsonl, csv, keycloak, auth0 or \
             firebase",
        )),
    }
}

fn file(path: &Path) -> io::Result<(File, Fingerprint)> {
    let mut file = File::open(path)?;
    let size = file.metadata()?.len();
    let mut first = Vec::new();
    file.by_ref().take(FINGERPRINT_BYTES).read_to_end(&mut first)?;
    file.rewind()?;
    Ok((file, Fingerprint { size, sha256: Digest::of(&first).to_hex() }))
}

fn unreadable(path: &Path, error: &io::Error) -> Failure {
    Failure::invalid(FIELD, format!("{} can't be read: {error}", path.display()))
}

/// The first bytes, by which files are told that hold something else.
fn head(input: &mut impl Read) -> io::Result<Vec<u8>> {
    let mut head = Vec::new();
    input.take(64).read_to_end(&mut head)?;
    Ok(head)
}

fn not_ours(head: &[u8]) -> Option<&'static str> {
    const KINDS: [(&[u8], &str); 4] = [
        (
            b"-----BEGIN PGP MESSAGE-----",
            "is encrypted with PGP: decrypt it on the way, as in `gpg --decrypt FILE | \
                                          ostiary import - --format auth0`",
        ),
        (b"\x1f\x8b", "is compressed: decompress it on the way, as in `gunzip --stdout FILE | ostiary import -`"),
        (b"PK\x03\x04", "is a ZIP archive: take the file out of it first"),
        (b"\xff\xfe", "must be UTF-8, and looks like UTF-16"),
    ];
    KINDS.iter().find(|(begins, _)| head.starts_with(begins)).map(|(_, rule)| *rule)
}

fn pieces(mut input: Input, format: ImportFormat) -> Result<Pieces, Failure> {
    let first = first_byte(&mut input)?;
    match (format, first) {
        (ImportFormat::Jsonl | ImportFormat::Auth0, Some(b'['))
        | (ImportFormat::Keycloak | ImportFormat::Firebase, Some(b'{' | b'[')) => Ok(Pieces::Array(Array::new(input))),
        (ImportFormat::Jsonl, _) | (ImportFormat::Auth0, Some(b'{') | None) => Ok(Pieces::Lines(Lines::new(input))),
        (ImportFormat::Csv, _) => native_table(input),
        (ImportFormat::Auth0, _) => Ok(Pieces::Table(Table::new(input)?)),
        (ImportFormat::Keycloak, _) => {
            Err(Failure::invalid(FIELD, "must be JSON, as `kc.sh export --realm NAME --file FILE` writes it"))
        }
        (ImportFormat::Firebase, _) => {
            Err(Failure::invalid(FIELD, "must be JSON, as `firebase auth:export users.json` writes it"))
        }
    }
}

fn native_table(input: Input) -> Result<Pieces, Failure> {
    let table = Table::new(input)?;
    if let Some((number, unknown)) = (1..).zip(table.head()).find(|(_, name)| !native::is_column(name)) {
        let rule = match unknown.as_str() {
            "password" => "must not hold passwords in clear: give hashes in a column passwordHash".to_owned(),
            // Where there is no head, it is a cell, which nobody is shown.
            _ => format!(
                "must begin with the columns' names, and the name of column {number} is not known; the columns are {} and \
                 attribute.NAME, separated by commas",
                native::COLUMNS.join(" ")
            ),
        };
        return Err(Failure::invalid(FIELD, rule));
    }
    if !table.head().iter().any(|name| name == "username") {
        return Err(Failure::invalid(FIELD, "must have a column username in its first line"));
    }
    Ok(Pieces::Table(table))
}

fn dialect(import: &Import, format: ImportFormat) -> Result<Dialect, Failure> {
    const FIREBASE: &str = "firebase-hash-config";
    match (format, &import.firebase_hash_config) {
        (ImportFormat::Firebase, Some(path)) => {
            let text = std::fs::read_to_string(path);
            let text =
                text.map_err(|error| Failure::invalid(FIREBASE, format!("{} can't be read: {error}", path.display())))?;
            firebase::project(&text).map(Dialect::Firebase)
        }
        (ImportFormat::Firebase, None) => Err(Failure::invalid(
            FIREBASE,
            "must be given: a file with what the Firebase console shows under Authentication, Users, Password hash \
             parameters",
        )),
        (_, Some(_)) => Err(Failure::invalid(FIREBASE, "is only for --format firebase")),
        (ImportFormat::Jsonl | ImportFormat::Csv, None) => Ok(Dialect::Native),
        (ImportFormat::Keycloak, None) => Ok(Dialect::Keycloak),
        (ImportFormat::Auth0, None) => Ok(Dialect::Auth0),
    }
}
