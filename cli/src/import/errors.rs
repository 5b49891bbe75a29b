//! The file of the rows that are not imported, as lines of JSON.
//!
//! Invariant: nothing is overwritten but what an earlier import wrote there.

use std::fs::File;
use std::io::{self, BufRead as _, BufReader, Read as _, Seek as _, SeekFrom};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::arguments::Import;
use crate::failure::Failure;

const FIELD: &str = "errors";

/// How each line begins, which tells one that a crash has cut off.
const BEGINS: &[u8] = b"{\"field\":";

const MAX_LINE_BYTES: u64 = 64 * 1024;

/// What a line of it tells.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "they are looked for, not at")]
struct Told {
    line: u64,
    username: Option<String>,
    field: String,
    rule: String,
}

/// Opens the file: a new one, one that is empty, or one of an earlier import, which `goes_on` or is begun anew.
pub fn open(path: &Path, goes_on: bool) -> Result<File, Failure> {
    let failed = |error: io::Error| Failure::invalid(FIELD, format!("{} can't be written: {error}", path.display()));
    match File::options().write(true).create_new(true).mode(0o600).open(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        made => return made.map_err(failed),
    }
    let foreign = || {
        let rule = "is there, and is no file of rows that were not imported: name a new one";
        Failure::invalid(FIELD, format!("{} {rule}", path.display()))
    };
    if !std::fs::metadata(path).map_err(failed)?.is_file() {
        return Err(foreign());
    }
    let mut file = File::options().read(true).write(true).open(path).map_err(failed)?;
    let own = own_bytes(&file).map_err(failed)?.ok_or_else(foreign)?;
    let kept = if goes_on { own } else { 0 };
    file.set_len(kept).and_then(|()| file.seek(SeekFrom::Start(kept))).map_err(failed)?;
    Ok(file)
}

/// The length of a file's whole lines; `None` if one of them is none of ours.
fn own_bytes(file: &File) -> io::Result<Option<u64>> {
    let (mut reader, mut line, mut whole) = (BufReader::new(file), Vec::new(), 0);
    loop {
        line.clear();
        let read = reader.by_ref().take(MAX_LINE_BYTES).read_until(b'\n', &mut line)?;
        if read == 0 {
            return Ok(Some(whole));
        }
        if line.last() != Some(&b'\n') {
            let cut = line.starts_with(BEGINS) && u64::try_from(read).is_ok_and(|read| read < MAX_LINE_BYTES);
            return Ok(cut.then_some(whole));
        }
        if serde_json::from_slice::<Told>(&line).is_err() {
            return Ok(None);
        }
        whole += u64::try_from(read).unwrap_or_default();
    }
}

/// Refuses to write to a file that is read, or to one file for two purposes.
pub fn apart(import: &Import) -> Result<(), Failure> {
    let input = if import.file == Path::new("-") { Path::new("/dev/stdin") } else { &import.file };
    let read = [Some(input), import.identity.as_deref(), import.firebase_hash_config.as_deref()];
    let read: Vec<Place> = read.into_iter().flatten().map(Place::of).collect();
    let beside = import.checkpoint.as_deref().map(super::checkpoint::beside);
    let checkpoint = [import.checkpoint.as_deref(), beside.as_deref()];
    let checkpoint: Vec<Place> = checkpoint.into_iter().flatten().map(Place::of).collect();
    if checkpoint.iter().any(|place| read.contains(place)) {
        return Err(Failure::invalid("checkpoint", "must be a file of its own, and this one is read"));
    }
    let errors = import.errors.as_deref().map(Place::of);
    if errors.is_some_and(|place| read.contains(&place) || checkpoint.contains(&place)) {
        return Err(Failure::invalid(
            FIELD,
            "must be a file of its own, and this one is the input, a key or the checkpoint",
        ));
    }
    Ok(())
}

/// What a path leads to, whatever it is called.
#[derive(PartialEq, Eq)]
enum Place {
    There { device: u64, inode: u64 },
    NotYet(PathBuf),
}

impl Place {
    fn of(path: &Path) -> Self {
        if let Ok(found) = std::fs::metadata(path) {
            return Self::There { device: found.dev(), inode: found.ino() };
        }
        let folder = path.parent().filter(|folder| *folder != Path::new("")).unwrap_or(Path::new("."));
        let folder = folder.canonicalize().unwrap_or(folder.to_owned());
        Self::NotYet(path.file_name().map_or(folder.clone(), |name| folder.join(name)))
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    const OWN: &str = "{\"field\":\"username\",\"line\":3,\"rule\":\"must be given\",\"username\":null}\n";

    #[test]
    fn only_lines_of_ours_are_written_over() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("errors");
        open(&path, false).ok().unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        for foreign in ["my notes\n", "{\"username\":\"jane\"}\n", "x", &format!("{OWN}x\n"), &format!("{OWN}x")] {
            std::fs::write(&path, foreign).unwrap();
            for goes_on in [false, true] {
                assert!(open(&path, goes_on).err().unwrap().to_string().contains("name a new one"), "{foreign}");
            }
            assert_eq!(std::fs::read_to_string(&path).unwrap(), foreign);
        }
        assert!(open(folder.path(), false).is_err());
        assert!(open(Path::new("/dev/null"), false).is_err());
    }

    #[test]
    fn one_that_goes_on_keeps_its_whole_lines() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("errors");
        let cut = &OWN[..OWN.len() - 9];
        for (before, goes_on, after) in
            [("", true, "new"), (OWN, true, "own+new"), (OWN, false, "new"), (cut, true, "new")]
        {
            std::fs::write(&path, before).unwrap();
            open(&path, goes_on).ok().unwrap().write_all(b"new").unwrap();
            assert_eq!(std::fs::read_to_string(&path).unwrap(), after.replace("own+", OWN), "{before} {goes_on}");
        }
        std::fs::write(&path, format!("{OWN}{cut}")).unwrap();
        open(&path, true).ok().unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), OWN, "its row was not done, and is told again");
    }
}
