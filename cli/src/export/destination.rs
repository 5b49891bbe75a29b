//! Where an export goes: a file or standard output, encrypted or not.
//!
//! Invariant: a file has its name only once it is complete and on the disk, and nobody but its owner may read it.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, IsTerminal as _, Stdout, Write};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use age::stream::StreamWriter;
use age::{Encryptor, Recipient};
use shared::random::{Random, SystemRandom};

use crate::arguments::Export;
use crate::failure::Failure;

const FIELD: &str = "to";

/// Where lines are written.
pub struct Destination {
    sink: Sink,
    part: Option<Part>,
}

enum Sink {
    Clear(BufWriter<Raw>),
    Encrypted(Box<StreamWriter<BufWriter<Raw>>>),
}

enum Raw {
    File(File),
    Stdout(Stdout),
}

/// A file that is not complete. Removed unless it becomes so, or its process is killed.
struct Part {
    path: PathBuf,
    target: PathBuf,
    overwrite: bool,
    complete: bool,
}

impl Destination {
    /// Opens what `export` names, for `recipients`; for everybody where there is none.
    pub fn open(export: &Export, recipients: &[Box<dyn Recipient + Send>]) -> Result<Self, Failure> {
        let (raw, part) = if export.to == Path::new("-") {
            refuse_terminal(export, io::stdout().is_terminal())?;
            (Raw::Stdout(io::stdout()), None)
        } else {
            let (file, part) = Part::create(&export.to, export.overwrite, &SystemRandom)?;
            (Raw::File(file), Some(part))
        };
        let raw = BufWriter::new(raw);
        let sink = if recipients.is_empty() {
            Sink::Clear(raw)
        } else {
            let recipients = recipients.iter().map(|recipient| &**recipient as &dyn Recipient);
            let encryptor = Encryptor::with_recipients(recipients);
            let encryptor = encryptor.map_err(|_| Failure::invalid("recipient", "can't be used with the others"))?;
            Sink::Encrypted(Box::new(encryptor.wrap_output(raw).map_err(|error| unwritable(&error))?))
        };
        Ok(Self { sink, part })
    }

    /// Writes a line, without its end.
    pub fn line(&mut self, line: &[u8]) -> Result<(), Failure> {
        let sink: &mut dyn Write = match &mut self.sink {
            Sink::Clear(sink) => sink,
            Sink::Encrypted(sink) => sink,
        };
        sink.write_all(line).and_then(|()| sink.write_all(b"\n")).map_err(|error| unwritable(&error))
    }

    /// Ends it: what was written is complete.
    pub fn finish(self) -> Result<(), Failure> {
        let finish = || -> io::Result<()> {
            let raw = match self.sink {
                Sink::Clear(raw) => raw,
                Sink::Encrypted(sink) => sink.finish()?,
            };
            match raw.into_inner().map_err(io::IntoInnerError::into_error)? {
                Raw::Stdout(mut stdout) => stdout.flush(),
                Raw::File(file) => file.sync_all(),
            }
        };
        finish().map_err(|error| unwritable(&error))?;
        self.part.map_or(Ok(()), Part::complete)
    }
}

impl Write for Raw {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::File(file) => file.write(bytes),
            Self::Stdout(stdout) => stdout.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::File(file) => file.flush(),
            Self::Stdout(stdout) => stdout.flush(),
        }
    }
}

impl Part {
    fn create(target: &Path, overwrite: bool, random: &dyn Random) -> Result<(File, Self), Failure> {
        refuse_existing(target, overwrite)?;
        // Its own, as another export may be on its way to the same target.
        let mut path = target.as_os_str().to_owned();
        path.push(format!(".{:016x}.part", u64::from_be_bytes(random.bytes())));
        let path = PathBuf::from(path);
        // A name that exists is never opened: its mode and its owner may be another's.
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path);
        let wrong = |error| Failure::invalid(FIELD, format!("can't be written: {}: {error}", path.display()));
        let file = file.map_err(wrong)?;
        Ok((file, Self { path, target: target.to_owned(), overwrite, complete: false }))
    }

    fn complete(mut self) -> Result<(), Failure> {
        refuse_existing(&self.target, self.overwrite)?;
        self.give_name()?;
        let folder = self.target.parent().filter(|folder| !folder.as_os_str().is_empty());
        let folder = folder.unwrap_or(Path::new("."));
        // So that the new name survives a power cut as the bytes do.
        File::open(folder).and_then(|folder| folder.sync_all()).map_err(|error| unwritable(&error))
    }

    /// Gives it its name in one step, so that nobody ever finds half a file under it.
    fn give_name(&mut self) -> Result<(), Failure> {
        if !self.overwrite {
            // Unlike a rename, it fails where another export has come first. What is left of the other name is removed.
            match fs::hard_link(&self.path, &self.target) {
                Ok(()) => return Ok(()),
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return Err(exists(&self.target)),
                // Not every file system has links.
                Err(_) => {}
            }
        }
        fs::rename(&self.path, &self.target).map_err(|error| unwritable(&error))?;
        self.complete = true;
        Ok(())
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        if !self.complete {
            let _ = fs::remove_file(&self.path);
        }
    }
}

fn refuse_terminal(export: &Export, terminal: bool) -> Result<(), Failure> {
    match (terminal, export.plaintext) {
        (true, false) => Err(Failure::invalid(FIELD, "must name a file or go into a pipe: the export is binary")),
        (true, true) if !export.yes => Err(Failure::invalid(
            FIELD,
            "would show every account on this terminal: name a file, or give --yes if that is meant",
        )),
        _ => Ok(()),
    }
}

fn refuse_existing(target: &Path, overwrite: bool) -> Result<(), Failure> {
    let Ok(found) = fs::symlink_metadata(target) else { return Ok(()) };
    if !found.is_file() {
        return Err(Failure::invalid(FIELD, format!("must be a file, and {} is something else", target.display())));
    }
    if overwrite {
        return Ok(());
    }
    Err(exists(target))
}

fn exists(target: &Path) -> Failure {
    Failure::invalid(FIELD, format!("must be a new file: {} exists; --overwrite replaces it", target.display()))
}

fn unwritable(error: &io::Error) -> Failure {
    Failure::invalid(FIELD, format!("can't be written: {error}"))
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;
    use crate::arguments::{Arguments, Command};

    fn begin(to: &Path, more: &[&str]) -> Result<Destination, Failure> {
        let arguments = ["ostiary", "export", "--plaintext", "--to", to.to_str().unwrap()];
        let arguments = Arguments::try_parse_from(arguments.iter().chain(more));
        let Ok(Arguments { command: Command::Export(export), .. }) = arguments else { panic!("it is an export") };
        Destination::open(&export, &[])
    }

    fn files(folder: &Path) -> Vec<String> {
        let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name());
        entries.map(|name| name.to_str().unwrap().to_owned()).collect()
    }

    #[test]
    fn of_two_exports_to_one_file_neither_takes_the_other_s_half() {
        let folder = tempfile::tempdir().unwrap();
        let to = folder.path().join("all.jsonl");
        for more in [&["--overwrite"][..], &[]] {
            let mut one = begin(&to, more).ok().unwrap();
            one.line(b"one").ok().unwrap();
            let mut two = begin(&to, more).ok().unwrap();
            two.line(b"two").ok().unwrap();
            one.finish().ok().unwrap();
            assert_eq!(fs::read_to_string(&to).unwrap(), "one\n");
            let second = two.finish();
            let (ended, holds) = if more.is_empty() { (false, "one\n") } else { (true, "two\n") };
            assert_eq!(second.is_ok(), ended, "without --overwrite, nothing is replaced");
            assert_eq!(fs::read_to_string(&to).unwrap(), holds);
            assert_eq!(files(folder.path()), ["all.jsonl"]);
            fs::remove_file(&to).unwrap();
        }
    }

    #[test]
    fn what_is_given_up_leaves_nothing_and_touches_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let to = folder.path().join("all.jsonl");
        fs::write(&to, "before").unwrap();
        fs::write(folder.path().join("all.jsonl.part"), "of somebody else").unwrap();
        let mut export = begin(&to, &["--overwrite"]).ok().unwrap();
        export.line(b"half").ok().unwrap();
        assert_eq!(files(folder.path()).len(), 3);
        drop(export);
        assert_eq!(fs::read_to_string(&to).unwrap(), "before");
        assert_eq!(files(folder.path()).len(), 2);
    }

    /// Another export may have come first between the look and the link.
    #[test]
    fn a_name_is_not_given_over_another_file() {
        let folder = tempfile::tempdir().unwrap();
        let to = folder.path().join("all.jsonl");
        let (_, mut part) = Part::create(&to, false, &SystemRandom).ok().unwrap();
        fs::write(&to, "another's").unwrap();
        assert!(part.give_name().err().unwrap().to_string().contains("exists"));
        assert_eq!(fs::read_to_string(&to).unwrap(), "another's");
    }
}
