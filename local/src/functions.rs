//! Builds the functions up front, so that no first request waits minutes for a compiler.
//!
//! `cargo lambda watch` runs each function by `cargo run --bin <name>` from the workspace's root. A build of all of them
//! by name, without naming packages, resolves the same features into the same folder, and is found fresh by it.

use std::collections::VecDeque;
use std::env;
use std::io::{self, BufReader, Read};
use std::path::PathBuf;
use std::process::{Command, Stdio};

use crate::process::Group;
use crate::progress::{Progress, Step};
use crate::template::Function;

/// Lines of the compiler that an error shows.
const SHOWN_LINES: usize = 200;

/// How the functions are compiled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Profile {
    /// As `cargo lambda watch` compiles them.
    Dev,
    /// As they are deployed.
    Release,
}

/// Why the functions are not built.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Cargo can't be started.
    #[error("can't run cargo")]
    Cargo(#[source] io::Error),
    /// Cargo ran and failed.
    #[error("the functions don't build:\n{0}")]
    Build(String),
    /// Cargo doesn't say where it builds.
    #[error("cargo metadata doesn't name the target directory")]
    TargetDirectory,
}

/// Builds every function.
pub fn build(functions: &[Function], profile: Profile, progress: Progress) -> Result<(), Error> {
    let mut command = cargo();
    command.args(["build", "--color", "auto", "--manifest-path", "Cargo.toml"]);
    for function in functions {
        command.args(["--bin", &function.binary]);
    }
    if profile == Profile::Release {
        command.arg("--release");
    }
    // A bar of a fixed width, which cargo would otherwise draw on terminals only.
    command.env("CARGO_TERM_PROGRESS_WHEN", "always").env("CARGO_TERM_PROGRESS_WIDTH", "100");
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    let step = progress.step("Building the functions");
    let mut cargo = Group::spawn(&mut command).map_err(Error::Cargo)?;
    let mut last = VecDeque::new();
    if let Some(stderr) = cargo.leader().stderr.take() {
        follow(stderr, &step, &mut last);
    }
    if cargo.wait().map_err(Error::Cargo)?.success() {
        step.done("Built the functions");
        Ok(())
    } else {
        drop(step);
        Err(Error::Build(Vec::from(last).join("\n")))
    }
}

/// Cargo, from the workspace's root, in the environment that the watching cargo will have too.
pub(crate) fn cargo() -> Command {
    let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(crate::workspace());
    clean(&mut command);
    command
}

/// Takes out of the environment what a child must not inherit: what cargo told us about our own package, which would
/// make it build the functions anew, and everything by which an AWS SDK could find a real account.
pub(crate) fn clean(command: &mut Command) {
    for (name, _) in env::vars_os() {
        let Some(text) = name.to_str() else { continue };
        let ours = ["CARGO_PKG_", "CARGO_MANIFEST_", "CARGO_BIN_", "CARGO_CRATE_", "CARGO_PRIMARY_", "OSTIARY_"];
        let of_aws = text.starts_with("AWS_") && !text.starts_with("AWS_LC_");
        if of_aws || ours.iter().any(|prefix| text.starts_with(prefix)) {
            command.env_remove(name);
        }
    }
}

/// The folder of the compiled functions.
pub(crate) fn binaries(profile: Profile) -> Result<PathBuf, Error> {
    let metadata = cargo().args(["metadata", "--format-version", "1", "--no-deps"]).output().map_err(Error::Cargo)?;
    let metadata: serde_json::Value = serde_json::from_slice(&metadata.stdout).map_err(|_| Error::TargetDirectory)?;
    let target = metadata.get("target_directory").and_then(|target| target.as_str()).ok_or(Error::TargetDirectory)?;
    Ok(PathBuf::from(target).join(match profile {
        Profile::Dev => "debug",
        Profile::Release => "release",
    }))
}

/// Cargo overwrites its bar by carriage returns; everything else comes in whole lines.
fn follow(stderr: impl Read, step: &Step, last: &mut VecDeque<String>) {
    let mut piece = Vec::new();
    for byte in BufReader::new(stderr).bytes().map_while(Result::ok) {
        if byte != b'\n' && byte != b'\r' {
            piece.push(byte);
            continue;
        }
        let text = String::from_utf8_lossy(&piece).into_owned();
        let bare = without_escapes(&text);
        piece.clear();
        if let Some((done, of, at)) = bar(&bare) {
            step.reached(done, of, at);
        } else if bare.trim_start().starts_with("Blocking waiting") {
            step.at(bare.trim());
        } else if !is_routine(&bare) {
            step.print(&text);
        }
        if !bare.trim().is_empty() && bar(&bare).is_none() {
            last.push_back(text);
            if last.len() > SHOWN_LINES {
                last.pop_front();
            }
        }
    }
}

/// Reads `Building [=====>      ] 12/345: serde, tokio`.
fn bar(line: &str) -> Option<(u64, u64, &str)> {
    let (_, rest) = line.trim_start().strip_prefix("Building [")?.split_once("] ")?;
    let (count, at) = rest.split_once(':').unwrap_or((rest, ""));
    let (done, of) = count.trim().split_once('/')?;
    Some((done.parse().ok()?, of.parse().ok()?, at.trim()))
}

/// Lines that the bar tells better.
fn is_routine(line: &str) -> bool {
    let line = line.trim_start();
    line.is_empty()
        || ["Compiling ", "Downloading ", "Downloaded ", "Finished ", "Updating ", "Locking ", "Adding ", "Fresh "]
            .iter()
            .any(|routine| line.starts_with(routine))
}

/// The line without colours and cursor movements.
fn without_escapes(line: &str) -> String {
    let mut bare = String::with_capacity(line.len());
    let mut characters = line.chars();
    while let Some(character) = characters.next() {
        if character == '\u{1b}' {
            // CSI sequences end with a letter.
            characters.by_ref().find(char::is_ascii_alphabetic);
        } else {
            bare.push(character);
        }
    }
    bare
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bar_of_cargo_is_read() {
        let line =
            without_escapes("\u{1b}[1m\u{1b}[36m    Building\u{1b}[0m [====>     ] 12/345: serde, tokio\u{1b}[K");
        assert_eq!(bar(&line), Some((12, 345, "serde, tokio")));
        assert_eq!(bar("   Compiling serde v1.0.0"), None);
    }

    #[test]
    fn warnings_are_no_routine() {
        assert!(is_routine("   Compiling serde v1.0.0"));
        assert!(!is_routine("warning: unused variable"));
    }
}
