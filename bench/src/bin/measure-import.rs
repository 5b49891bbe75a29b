//! `cargo measure-import`: how fast `ostiary import` and `ostiary export` are on this machine, and how much memory
//! they take.
//!
//! A file of generated users goes through the release binary, as an operator runs it, into a local cloud that keeps its
//! data in a folder. Nothing here is asserted but that every user arrives.

use std::fs::{self, DirBuilder, File};
use std::io::{self, BufWriter, Write as _};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, Stdio};
use std::time::Duration;

use clap::Parser;
use local::template::Template;
use local::{Cloud, Folder};
use serde_json::{Value, json};
use shared::random::{Random, SystemRandom};
use shared::secret::Digest;

const TENANT: &str = "measured";

/// For whom the export is encrypted: the example of age's documentation.
const RECIPIENT: &str = "age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p";

/// Measures `ostiary import`: generates users with password hashes of several schemes, and imports them.
#[derive(Parser)]
#[command(name = "cargo measure-import", version)]
struct Arguments {
    /// How many users
    #[arg(long, value_name = "N", default_value_t = 1_000_000)]
    users: u64,
    /// Where to make a folder of its own for the files and the data, some 3 KB a user. That one is removed afterwards,
    /// and nothing else is touched; a run that is interrupted leaves it
    #[arg(long, value_name = "FOLDER", default_value = "target/measure-import")]
    folder: PathBuf,
    /// How many calls to make at a time
    #[arg(long, value_name = "COUNT", default_value_t = 8)]
    parallel: u8,
}

#[derive(Debug, thiserror::Error)]
enum Error {
    #[error(transparent)]
    Cloud(#[from] local::cloud::Error),
    #[error(transparent)]
    Template(#[from] local::template::Error),
    #[error("can't use the folder, or start the tool")]
    Io(#[from] io::Error),
    #[error("the tool's answer can't be read: {0}")]
    Answer(String),
    #[error("{0}")]
    Failed(String),
}

fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("cargo measure-import: {}", local::chain(&error));
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> Result<(), Error> {
    let tool = build()?;
    let scratch = Scratch::within(&arguments.folder, &SystemRandom)?;
    let folder = Folder::take(&scratch.0)?;
    let file = scratch.0.join("users.jsonl");
    let bytes = generate(&file, arguments.users)?;
    let settings = [("Issuer", "https://auth.example.com"), ("DefaultTenant", TENANT)];
    let settings = settings.map(|(name, value)| (name.to_owned(), value.to_owned())).into_iter().collect();
    let cloud = Cloud::start(&Template::read(&local::template_path(), &settings)?, Some(folder))?;
    let start = |arguments: &[&str]| command(&tool, &cloud).args(arguments).spawn();
    let (_, made) = finish(start(&["tenant", "create", TENANT])?)?;
    made.map_err(Error::Failed)?;
    let (parallel, path) = (arguments.parallel.to_string(), file.display().to_string());
    let checkpoint = scratch.0.join("checkpoint").display().to_string();
    let import = ["import", &path, "--output", "json", "--parallel", &parallel, "--checkpoint", &checkpoint];
    let (peak_mib, told) = finish(start(&import)?)?;
    let told: Value =
        serde_json::from_str(&told.map_err(Error::Failed)?).map_err(|error| Error::Answer(error.to_string()))?;
    if told.get("imported").and_then(Value::as_u64) != Some(arguments.users) {
        return Err(Error::Failed(format!("not every user arrived: {told}")));
    }
    let seconds = told.get("seconds").and_then(Value::as_f64).unwrap_or(f64::NAN);
    #[expect(clippy::cast_precision_loss, reason = "figures for people")]
    let (rate, file_mib) = (arguments.users as f64 / seconds, bytes as f64 / f64::from(1 << 20));
    println!(
        "{} users in {seconds:.1} s: {rate:.0} users/s; peak memory of the tool {peak_mib:.1} MiB, file {file_mib:.0} MiB",
        arguments.users
    );
    let out = scratch.0.join("all.jsonl.age").display().to_string();
    let export = ["export", "--to", &out, "--recipient", RECIPIENT, "--output", "json"];
    let (peak_mib, told) = finish(start(&export)?)?;
    let told = told.map_err(Error::Failed)?;
    let told: Value = serde_json::from_str(&told).map_err(|error| Error::Answer(error.to_string()))?;
    println!("and out again, encrypted: {told}; peak memory of the tool {peak_mib:.1} MiB");
    drop(cloud);
    Ok(())
}

/// A new folder in one that may hold anything. Dropping it removes it.
struct Scratch(PathBuf);

impl Scratch {
    fn within(folder: &Path, random: &dyn Random) -> io::Result<Self> {
        fs::create_dir_all(folder)?;
        let path = folder.join(format!("measure-import-{:016x}", u64::from_be_bytes(random.bytes())));
        // Fails where there is one already, so it is ours alone.
        DirBuilder::new().mode(0o700).create(&path)?;
        Ok(Self(path))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.0) {
            eprintln!("cargo measure-import: {} could not be removed: {error}", self.0.display());
        }
    }
}

fn build() -> Result<PathBuf, Error> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let status = Command::new(cargo)
        .current_dir(local::workspace())
        .args(["build", "--release", "--package", "cli", "--bin", "ostiary"])
        .status()?;
    if !status.success() {
        return Err(Error::Failed("the tool can't be built".to_owned()));
    }
    let own = std::env::current_exe()?;
    Ok(own.with_file_name("ostiary"))
}

fn command(tool: &Path, cloud: &Cloud) -> Command {
    let mut command = Command::new(tool);
    command.env_clear().envs(cloud.environment()).stdin(Stdio::null()).stdout(Stdio::piped());
    command
}

/// Waits for the tool; tells the most memory that it had, in MiB, and its answer.
fn finish(mut child: Child) -> Result<(f64, Result<String, String>), Error> {
    let status = PathBuf::from(format!("/proc/{}/status", child.id()));
    let mut peak = 0.0;
    let code = loop {
        if let Some(kib) = fs::read_to_string(&status).ok().and_then(|text| high_water(&text)) {
            peak = kib / 1024.0;
        }
        if let Some(code) = child.try_wait()? {
            break code;
        }
        std::thread::sleep(Duration::from_millis(50));
    };
    let mut answer = String::new();
    if let Some(mut stdout) = child.stdout.take() {
        io::Read::read_to_string(&mut stdout, &mut answer)?;
    }
    Ok((peak, if code.success() { Ok(answer) } else { Err(format!("the tool ended with {code}: {answer}")) }))
}

fn high_water(status: &str) -> Option<f64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().trim_end_matches(" kB").parse().ok()
}

fn generate(path: &Path, users: u64) -> Result<u64, Error> {
    let mut file = BufWriter::new(File::create(path)?);
    for number in 0..users {
        let user = json!({
            "id": format!("{number:08}-0000-4000-8000-000000000000"),
            "username": format!("user{number}"),
            "email": format!("user{number}@example.com"),
            "emailVerified": number % 3 == 0,
            "firstName": "Zoë",
            "lastName": "van der Berg",
            "roles": ["customer"],
            "attributes": { "plan": "gold", "locale": "nl" },
            "created": "2020-01-31T12:00:00Z",
            "passwordHash": hash(number),
        });
        writeln!(file, "{user}")?;
    }
    file.flush()?;
    Ok(fs::metadata(path)?.len())
}

/// A hash in the form of a scheme, of no password: an import computes none.
fn hash(number: u64) -> String {
    let digest = Digest::of(&number.to_be_bytes());
    let (salt, text) = ("c2Vhc2FsdDAxMjM0NTY3ODlhYmNkZWY", digest.to_base64url().replace('-', "+").replace('_', "/"));
    match number % 3 {
        0 => format!(
            "$2b$10$CCCCCCCCCCCCCCCCCCCCC.{}",
            text.replace('+', ".").chars().take(30).collect::<String>() + "O"
        ),
        1 => format!("pbkdf2_sha256$600000$seasalt0123456789abcdef${text}="),
        _ => format!("$argon2id$v=19$m=19456,t=2,p=1${salt}${text}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_folder_that_holds_something_nothing_is_touched() {
        let somebodys = Scratch::within(&std::env::temp_dir(), &SystemRandom).unwrap();
        let file = somebodys.0.join("users.jsonl");
        fs::write(&file, "theirs").unwrap();
        let before = fs::metadata(&somebodys.0).unwrap().permissions();
        let own = Scratch::within(&somebodys.0, &SystemRandom).unwrap();
        let folder = Folder::take(&own.0).unwrap();
        fs::write(own.0.join("users.jsonl"), "ours").unwrap();
        drop((folder, own));
        assert_eq!(fs::read_to_string(&file).unwrap(), "theirs");
        assert_eq!(fs::metadata(&somebodys.0).unwrap().permissions(), before);
        assert_eq!(fs::read_dir(&somebodys.0).unwrap().count(), 1);
    }
}
