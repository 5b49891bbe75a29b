//! Builds our functions as they are shipped, and installs the peers as their lock files name them, into .tools/bench.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use local::progress::Progress;
use shared::secret::Digest;

use crate::Error;
use crate::contestants::{Contestant, Places, Workload};

/// Set as nobody sets it: the workspace's own setting would come along from `cargo`, which started us.
const DEFAULT_ENTROPY: (&str, &str) = ("AWS_LC_SYS_NO_JITTER_ENTROPY", "0");

/// Installs what the contestants need; what is there already and of the same sources stays. Ours are built if
/// `with_ours`, by cargo, which knows what is there.
pub fn install(places: &Places, contestants: &[Contestant], with_ours: bool, progress: Progress) -> Result<(), Error> {
    let has = |one: &[Contestant]| one.iter().any(|one| contestants.contains(one));
    // Before the usual one, which it would take the place of.
    if has(&[Contestant::OstiarySimd]) {
        let sources = local::workspace().join("shared/src");
        once(&places.simd_login(), &[&sources], progress, "Building the SIMD login", |to| simd(&places.ours, to))?;
    }
    if with_ours && has(&[Contestant::Ostiary]) {
        ours(progress)?;
    }
    let of = |name: &str| places.sources.join(name);
    if has(&[Contestant::NodeJsonwebtoken, Contestant::NodeJose]) {
        once(&places.node(), &[&of("node")], progress, "Installing Node's packages", |to| node(&of("node"), to))?;
    }
    if has(&[Contestant::Python]) {
        let list = of("python").join("requirements.txt");
        once(&places.python(), &[&list], progress, "Installing Python's packages", |to| python(&list, to))?;
    }
    if has(&[Contestant::RustDefault]) {
        once(&places.rust(), &[&of("rust")], progress, "Building the default Rust functions", |to| {
            rust(&of("rust"), to)
        })?;
    }
    Ok(())
}

/// The standard output of a command that succeeds.
pub fn output(command: &mut Command) -> Result<String, Error> {
    let name = command.get_program().to_string_lossy().into_owned();
    let done = command.stdin(Stdio::null()).output().map_err(|source| Error::Command { name: name.clone(), source })?;
    if done.status.success() {
        return Ok(String::from_utf8_lossy(&done.stdout).into_owned());
    }
    Err(Error::Failed { name, told: String::from_utf8_lossy(&done.stderr).into_owned() })
}

/// Does `work` unless it was done for these very sources. A stamp beside what was made says so, and is written last.
fn once(
    made: &Path,
    sources: &[&Path],
    progress: Progress,
    what: &str,
    work: impl FnOnce(&Path) -> Result<(), Error>,
) -> Result<(), Error> {
    let mut content = Vec::new();
    for source in sources {
        read(source, &mut content).map_err(|error| file(source, error))?;
    }
    let (wanted, stamp) = (Digest::of(&content).to_base64url(), made.with_extension("stamp"));
    if made.exists() && fs::read_to_string(&stamp).is_ok_and(|stamp| stamp == wanted) {
        return Ok(());
    }
    let step = progress.step(what);
    let folder = made.parent().unwrap_or(made);
    fs::create_dir_all(folder).map_err(|error| file(folder, error))?;
    work(made)?;
    fs::write(&stamp, wanted).map_err(|error| file(&stamp, error))?;
    step.done(what);
    Ok(())
}

/// All files of a folder that somebody wrote, in their order.
fn read(path: &Path, content: &mut Vec<u8>) -> io::Result<()> {
    if path.is_file() {
        content.extend(fs::read(path)?);
        return Ok(());
    }
    let mut entries: Vec<PathBuf> = fs::read_dir(path)?.flatten().map(|entry| entry.path()).collect();
    entries.sort();
    let made = ["node_modules", "target", "dist", "__pycache__"];
    entries.retain(|entry| !made.iter().any(|name| entry.ends_with(name)));
    entries.iter().try_for_each(|entry| read(entry, content))
}

fn ours(progress: Progress) -> Result<(), Error> {
    let step = progress.step("Building Ostiary's functions as they are shipped");
    let mut command = ship();
    for workload in Workload::ALL {
        command.args(["--function", workload.function()]);
    }
    output(&mut command)?;
    step.done("Built Ostiary's functions as they are shipped");
    Ok(())
}

fn simd(built: &Path, to: &Path) -> Result<(), Error> {
    let login = Workload::Login.function();
    output(ship().args(["--function", login]).env("OSTIARY_KDF", "simd"))?;
    let made = built.join(login).join("bootstrap");
    fs::copy(&made, to).map_err(|error| file(&made, error))?;
    Ok(())
}

fn ship() -> Command {
    let mut command = Command::new("python3");
    command.arg(local::workspace().join("tools/ship"));
    command
}

/// Nothing that a package would run while it is installed is run.
fn node(sources: &Path, to: &Path) -> Result<(), Error> {
    copy(sources, to).map_err(|error| file(to, error))?;
    output(Command::new("npm").args(["ci", "--ignore-scripts", "--no-audit", "--no-fund"]).current_dir(to))?;
    output(Command::new("node").arg("build.mjs").current_dir(to))?;
    Ok(())
}

fn python(list: &Path, to: &Path) -> Result<(), Error> {
    output(Command::new("python3").args(["-m", "venv", "--clear"]).arg(to))?;
    let mut command = Command::new(to.join("bin/python"));
    command.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-input"]);
    output(command.args(["--require-hashes", "--only-binary", ":all:", "--requirement"]).arg(list))?;
    Ok(())
}

fn rust(sources: &Path, to: &Path) -> Result<(), Error> {
    let (target, binaries) = (to.join("target"), to.join("bin"));
    output(cargo(sources, &target).arg("--release").env(DEFAULT_ENTROPY.0, DEFAULT_ENTROPY.1))?;
    fs::create_dir_all(&binaries).map_err(|error| file(&binaries, error))?;
    for workload in Workload::ALL {
        let made = target.join("release").join(workload.name());
        fs::copy(&made, binaries.join(workload.name())).map_err(|error| file(&made, error))?;
    }
    fs::remove_dir_all(&target).map_err(|error| file(&target, error))
}

fn cargo(folder: &Path, target: &Path) -> Command {
    let mut command = Command::new("cargo");
    command.args(["build", "--locked"]).current_dir(folder).env("CARGO_TARGET_DIR", target);
    command
}

fn copy(from: &Path, to: &Path) -> io::Result<()> {
    if from.is_file() {
        return fs::copy(from, to).map(|_| ());
    }
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let name = entry?.file_name();
        copy(&from.join(&name), &to.join(&name))?;
    }
    Ok(())
}

fn file(path: &Path, source: io::Error) -> Error {
    bench::Error::File { path: path.to_owned(), source }.into()
}
