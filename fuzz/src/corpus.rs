//! The inputs that are kept.

use std::path::PathBuf;

/// Where the inputs of a target are.
#[must_use]
pub fn folder(target: &str) -> PathBuf {
    tests::workspace().join("fuzz/corpus").join(target)
}

/// The inputs of a target and the names of their files, in the order of these.
#[must_use]
pub fn of(target: &str) -> Vec<(String, Vec<u8>)> {
    let folder = folder(target);
    let files = std::fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut inputs: Vec<(String, Vec<u8>)> = files
        .map(|file| {
            let file = file.expect("a folder that can be read");
            let input = std::fs::read(file.path()).unwrap_or_else(|error| panic!("{}: {error}", file.path().display()));
            (file.file_name().to_string_lossy().into_owned(), input)
        })
        .collect();
    inputs.sort();
    inputs
}
