//! Files that are encrypted with age.
//!
//! Invariant: what comes out was put in by who encrypted it: a part that was changed or cut off is an error before
//! anything of it is seen.

use std::io::{self, BufReader, Read};
use std::path::Path;

use age::armor::ArmoredReader;
use age::stream::StreamReader;
use age::{DecryptError, Decryptor, Identity, IdentityFile};

use crate::failure::Failure;

const FILE: &str = "file";
const IDENTITY: &str = "identity";

/// How an encrypted file begins, in its two forms.
const BEGINNINGS: [&[u8]; 2] = [b"age-encryption.org/", b"-----BEGIN AGE ENCRYPTED FILE-----"];

/// Whether a file that begins with `head` is encrypted.
pub fn is_encrypted(head: &[u8]) -> bool {
    BEGINNINGS.iter().any(|begins| head.starts_with(begins))
}

/// Reads what is in `input`, with the keys of the file `identity`.
pub fn open<R: Read + Send + 'static>(input: R, identity: Option<&Path>) -> Result<Box<dyn Read + Send>, Failure> {
    let Some(path) = identity else {
        return Err(Failure::invalid(IDENTITY, "must be given for an encrypted file: the file that age-keygen made"));
    };
    let keys = keys(path)?;
    let decryptor = Decryptor::new_buffered(ArmoredReader::new(input)).map_err(|error| refused(&error, path))?;
    if decryptor.is_scrypt() {
        let rule =
            "is encrypted with a passphrase: decrypt it on the way, as in `age --decrypt FILE | ostiary import -`";
        return Err(Failure::invalid(FILE, rule));
    }
    let clear = decryptor.decrypt(keys.iter().map(|key| &**key as &dyn Identity));
    Ok(Box::new(Clear(clear.map_err(|error| refused(&error, path))?)))
}

type Keys = Vec<Box<dyn Identity + Send + Sync>>;

/// Errors repeat nothing of the file, which holds secret keys.
fn keys(path: &Path) -> Result<Keys, Failure> {
    let wrong = |rule: &str| Failure::invalid(IDENTITY, format!("{} {rule}", path.display()));
    let file = std::fs::File::open(path).map_err(|error| wrong(&format!("can't be read: {error}")))?;
    let keys = IdentityFile::from_buffer(BufReader::new(file))
        .and_then(|file| file.into_identities().map_err(|_| io::ErrorKind::InvalidData.into()));
    let keys = keys.map_err(|_| wrong("must hold age keys and nothing else, AGE-SECRET-KEY-1… on a line each"))?;
    if keys.is_empty() { Err(wrong("must hold an age key, and holds none")) } else { Ok(keys) }
}

fn refused(error: &DecryptError, path: &Path) -> Failure {
    match error {
        DecryptError::NoMatchingKeys => Failure::invalid(
            IDENTITY,
            format!("{} does not open this file: it is encrypted for others", path.display()),
        ),
        DecryptError::Io(error) if error.kind() != io::ErrorKind::InvalidData => {
            Failure::invalid(FILE, format!("can't be read: {error}"))
        }
        DecryptError::UnknownFormat => Failure::invalid(FILE, "is encrypted with a version of age that is not known"),
        _ => Failure::invalid(FILE, "can't be decrypted: it was changed, or cut off"),
    }
}

/// Says what an error means.
struct Clear<R>(StreamReader<R>);

impl<R: Read> Read for Clear<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.read(buffer).map_err(|error| match error.kind() {
            io::ErrorKind::UnexpectedEof => io::Error::new(error.kind(), "it is cut off"),
            io::ErrorKind::InvalidData => io::Error::new(error.kind(), "it was changed, or cut off"),
            _ => error,
        })
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Cursor, Write as _};
    use std::path::PathBuf;

    use age::armor::{ArmoredWriter, Format};
    use age::secrecy::ExposeSecret as _;
    use age::x25519;

    use super::*;

    const TEXT: &[u8] = &[b'x'; 200_000];

    struct Sample {
        _folder: tempfile::TempDir,
        own: PathBuf,
        other: PathBuf,
        encrypted: Vec<u8>,
        armored: Vec<u8>,
    }

    fn sample() -> Sample {
        let folder = tempfile::tempdir().unwrap();
        let key = x25519::Identity::generate();
        let (own, other) = (folder.path().join("own"), folder.path().join("other"));
        std::fs::write(&own, format!("# a comment\n{}\n", key.to_string().expose_secret())).unwrap();
        let stranger = x25519::Identity::generate();
        std::fs::write(&other, stranger.to_string().expose_secret()).unwrap();
        let encrypted = age::encrypt(&key.to_public(), TEXT).unwrap();
        let mut armored = ArmoredWriter::wrap_output(Vec::new(), Format::AsciiArmor).unwrap();
        armored.write_all(&encrypted).unwrap();
        Sample { _folder: folder, own, other, encrypted, armored: armored.finish().unwrap() }
    }

    fn decrypt(bytes: &[u8], identity: Option<&Path>) -> Result<Vec<u8>, String> {
        let mut clear = open(Cursor::new(bytes.to_vec()), identity).map_err(|failure| failure.to_string())?;
        let mut text = Vec::new();
        clear.read_to_end(&mut text).map_err(|error| error.to_string())?;
        Ok(text)
    }

    #[test]
    fn the_key_opens_what_was_encrypted_for_it() {
        let sample = sample();
        for bytes in [&sample.encrypted, &sample.armored] {
            assert!(is_encrypted(bytes));
            assert!(decrypt(bytes, Some(&sample.own)).unwrap() == TEXT);
            let wrong = decrypt(bytes, Some(&sample.other)).unwrap_err();
            assert!(wrong.starts_with("identity") && wrong.contains("for others"), "{wrong}");
            assert!(decrypt(bytes, None).unwrap_err().starts_with("identity must be given"));
        }
    }

    #[test]
    fn a_key_file_that_is_none_is_not_repeated() {
        let sample = sample();
        std::fs::write(&sample.other, "AGE-SECRET-KEY-1HUNTER2").unwrap();
        let wrong = decrypt(&sample.encrypted, Some(&sample.other)).unwrap_err();
        assert!(wrong.contains("must hold age keys") && !wrong.contains("HUNTER2"), "{wrong}");
        std::fs::write(&sample.other, "# nothing\n").unwrap();
        assert!(decrypt(&sample.encrypted, Some(&sample.other)).unwrap_err().contains("holds none"));
        assert!(decrypt(&sample.encrypted, Some(Path::new("/nonexistent"))).unwrap_err().contains("can't be read"));
    }

    #[test]
    fn whatever_is_changed_or_cut_off_is_noticed() {
        let sample = sample();
        let whole = &sample.encrypted;
        // The ends of chunks are where a cut is hardest to see.
        let begins = whole.len() - (TEXT.len() + 4 * 16);
        let chunk = 64 * 1024 + 16;
        for length in [0, 10, begins - 1, begins, begins + 1, begins + chunk, begins + 2 * chunk, whole.len() - 1] {
            assert!(decrypt(&whole[..length], Some(&sample.own)).is_err(), "{length}");
        }
        for place in (0..whole.len()).step_by(5003).chain([begins - 1, whole.len() - 1]) {
            let mut changed = whole.clone();
            changed[place] ^= 1;
            assert!(decrypt(&changed, Some(&sample.own)).is_err(), "{place}");
        }
        assert!(decrypt(&[whole, &b"more"[..]].concat(), Some(&sample.own)).is_err());
    }
}
