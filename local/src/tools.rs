//! cargo-lambda and zig, in the versions of `tools/requirements.txt`, installed into `.tools` on first use.
//!
//! An installation counts only once its stamp is written, which is the last step, and the stamp is the requirements
//! themselves: an interrupted installation and one of other versions are both made anew. One process installs at a time.

use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::process::Group;
use crate::progress::Progress;

/// Why the tools are not there.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There is no Python 3.
    #[error(
        "Python 3 is needed once, to install cargo-lambda, and `python3` is not there: install it \
         (Debian, Ubuntu: apt install python3-venv; macOS: brew install python) and try again"
    )]
    NoPython,
    /// Python is older than cargo-lambda and pip need.
    #[error("`python3` is {0}, and installing cargo-lambda needs 3.8 or later")]
    OldPython(String),
    /// Python can't make virtual environments, as on a Debian without python3-venv.
    #[error(
        "`python3` has no `venv` or no `ensurepip`, which install cargo-lambda: install them \
         (Debian, Ubuntu: apt install python3-venv) and try again"
    )]
    NoVenv,
    /// A command of the installation failed.
    #[error("{what} failed:\n{output}")]
    Failed {
        /// What was tried.
        what: String,
        /// The end of what it said.
        output: String,
    },
    /// The package registry doesn't answer.
    #[error(
        "can't reach the package registry to install cargo-lambda (once): check the network, a proxy (HTTPS_PROXY) or \
         a mirror (PIP_INDEX_URL), and try again\n{output}"
    )]
    Registry {
        /// The end of what pip said.
        output: String,
    },
    /// A file can't be used.
    #[error("can't use {}", .path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the file system says.
        source: io::Error,
    },
}

/// The installed tools.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tools {
    bin: PathBuf,
}

impl Tools {
    /// Installs them for this project unless they are there.
    pub fn install(progress: Progress) -> Result<Self, Error> {
        let root = crate::workspace();
        Self::install_into(&root.join(".tools"), &root.join("tools/requirements.txt"), progress)
    }

    /// Installs the requirements into a folder unless they are there.
    pub fn install_into(folder: &Path, requirements: &Path, progress: Progress) -> Result<Self, Error> {
        let wanted = fs::read(requirements).map_err(|source| file_error(requirements, source))?;
        let venv = folder.join("venv");
        let stamp = folder.join("installed");
        let tools = Self { bin: venv.join("bin") };
        if is_current(&stamp, &wanted) {
            return Ok(tools);
        }
        fs::create_dir_all(folder).map_err(|source| file_error(folder, source))?;
        let _lock = lock(&folder.join("lock"), progress)?;
        if is_current(&stamp, &wanted) {
            return Ok(tools);
        }
        remove(fs::remove_file(&stamp), &stamp)?;
        remove(fs::remove_dir_all(&venv), &venv)?;
        check_python()?;
        let step = progress.step("Installing cargo-lambda and zig (once)");
        step.at("making a virtual environment");
        let log = folder.join("install.log");
        run(Command::new("python3").args(["-m", "venv"]).arg(&venv), "python3 -m venv", &log)?;
        step.at("downloading, some 100 MB");
        pip(&venv, requirements, &log)?;
        crate::secrets::write_private(&stamp, &wanted).map_err(|source| file_error(&stamp, source))?;
        step.done("Installed cargo-lambda and zig into .tools");
        Ok(tools)
    }

    /// The folder that holds the programs, for the front of a `PATH`.
    #[must_use]
    pub fn bin(&self) -> &Path {
        &self.bin
    }

    /// The program behind `cargo lambda`.
    #[must_use]
    pub fn cargo_lambda(&self) -> PathBuf {
        self.bin.join("cargo-lambda")
    }
}

fn is_current(stamp: &Path, wanted: &[u8]) -> bool {
    fs::read(stamp).is_ok_and(|installed| installed == wanted)
}

fn lock(path: &Path, progress: Progress) -> Result<File, Error> {
    let file = File::options().write(true).create(true).truncate(false).open(path);
    let file = file.map_err(|source| file_error(path, source))?;
    match file.try_lock() {
        Ok(()) => return Ok(file),
        Err(TryLockError::Error(source)) => return Err(file_error(path, source)),
        Err(TryLockError::WouldBlock) => {}
    }
    let _step = progress.step("Waiting for another process that installs cargo-lambda");
    file.lock().map_err(|source| file_error(path, source))?;
    Ok(file)
}

fn check_python() -> Result<(), Error> {
    let version = "import sys; print('.'.join(map(str, sys.version_info[:3]))); sys.exit(sys.version_info < (3, 8))";
    let output = match Command::new("python3").args(["-c", version]).stdin(Stdio::null()).output() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(Error::NoPython),
        Err(source) => return Err(file_error(Path::new("python3"), source)),
        Ok(output) => output,
    };
    if !output.status.success() {
        return Err(Error::OldPython(String::from_utf8_lossy(&output.stdout).trim().to_owned()));
    }
    let modules = Command::new("python3").args(["-c", "import venv, ensurepip"]).stdin(Stdio::null()).output();
    match modules {
        Ok(output) if output.status.success() => Ok(()),
        _ => Err(Error::NoVenv),
    }
}

fn pip(venv: &Path, requirements: &Path, log: &Path) -> Result<(), Error> {
    let mut command = Command::new(venv.join("bin/python"));
    command
        .args(["-m", "pip", "install", "--disable-pip-version-check", "--no-input"])
        .args(["--require-hashes", "--only-binary", ":all:", "--requirement"])
        .arg(requirements);
    match run(&mut command, "pip install", log) {
        Err(Error::Failed { output, .. }) if is_network_trouble(&output) => Err(Error::Registry { output }),
        result => result,
    }
}

/// Pip calls a registry that it can't reach one that has no versions.
fn is_network_trouble(output: &str) -> bool {
    ["Connection", "Timeout", "ProxyError", "NameResolution", "SSLError", "(from versions: none)"]
        .iter()
        .any(|sign| output.contains(sign))
}

/// Runs it in a group of its own, so that it doesn't install on when we are stopped.
fn run(command: &mut Command, what: &str, log: &Path) -> Result<(), Error> {
    let output = File::create(log).and_then(|file| Ok((file.try_clone()?, file)));
    let (stdout, stderr) = output.map_err(|source| file_error(log, source))?;
    command.stdin(Stdio::null()).stdout(stdout).stderr(stderr);
    let status = Group::spawn(command).and_then(|mut group| group.wait());
    match status {
        Err(source) => Err(file_error(Path::new(command.get_program()), source)),
        Ok(status) if status.success() => Ok(()),
        Ok(_) => Err(Error::Failed { what: what.to_owned(), output: last_lines(log) }),
    }
}

fn last_lines(log: &Path) -> String {
    let text = fs::read(log).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let lines: Vec<_> = text.lines().collect();
    lines.get(lines.len().saturating_sub(15)..).unwrap_or_default().join("\n")
}

fn remove(result: io::Result<()>, path: &Path) -> Result<(), Error> {
    match result {
        Err(source) if source.kind() != io::ErrorKind::NotFound => Err(file_error(path, source)),
        _ => Ok(()),
    }
}

fn file_error(path: &Path, source: io::Error) -> Error {
    Error::File { path: path.to_owned(), source }
}
