//! A function under valgrind's callgrind, which counts the instructions that it executes.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::Duration;

use bench::process::Process;

use crate::Error;

/// What is under callgrind takes some fifty times longer.
const PATIENCE: Duration = Duration::from_secs(120);

/// How often a function is looked at until it does nothing any more.
const LOOK: Duration = Duration::from_millis(10);

/// Looks in a row at which it must have done nothing.
const QUIET_LOOKS: u32 = 3;

/// The one certificate that a counted function trusts: how many there are differs from machine to machine, and each costs
/// some 70,000 instructions to read.
const ROOT: &str = "bench/src/bin/instructions/root.pem";

/// What slows the function's clock.
const SLOW: &str = "bench/src/bin/instructions/slow.c";

/// How to come by what is missing.
const INSTALL: &str = "install it: apt-get install --no-install-recommends valgrind";

/// A function whose instructions are counted. Dropping it ends it.
pub struct Counted {
    process: Process,
    folder: PathBuf,
    dumps: u32,
}

impl Counted {
    /// Starts the binary, and waits until it asks for its first event. What it counts is kept in `folder`.
    pub async fn start(
        function: &'static str,
        binary: &Path,
        environment: &BTreeMap<String, String>,
        folder: PathBuf,
    ) -> Result<Self, Error> {
        let file = |source| bench::Error::File { path: folder.clone(), source };
        if folder.exists() {
            fs::remove_dir_all(&folder).map_err(file)?;
        }
        fs::create_dir_all(&folder).map_err(file)?;
        let mut command = Command::new(program("valgrind")?);
        command.args(["--tool=callgrind", "--quiet", "--fair-sched=yes", "--dump-before=connect"]);
        command.arg(format!("--callgrind-out-file={}", folder.join("dump").display()));
        command.arg(format!("--log-file={}", folder.join("valgrind.log").display()));
        command.arg(prefix(&folder)).arg(binary);
        let mut environment = environment.clone();
        environment.insert("LD_PRELOAD".to_owned(), slow_clock(&folder)?.display().to_string());
        environment.insert("SSL_CERT_FILE".to_owned(), local::workspace().join(ROOT).display().to_string());
        let (process, _) = Process::run(function, command, &environment, PATIENCE).await?;
        Ok(Self { process, folder, dumps: 0 })
    }

    /// Hands it an event and returns its answer.
    pub async fn exchange(&mut self, event: String) -> Result<Vec<u8>, Error> {
        Ok(self.process.exchange(event).await?.1.into())
    }

    /// The instructions since this was last asked, once it does nothing any more: each number is what was executed until
    /// it opened a connection, and the last one what came then.
    pub async fn instructions(&mut self) -> Result<Vec<u64>, Error> {
        self.idle().await;
        let asked = Command::new(program("vgdb")?)
            .arg(prefix(&self.folder))
            .args([&format!("--pid={}", self.process.id()), "dump"])
            .output();
        let asked = asked.map_err(|source| bench::Error::File { path: "vgdb".into(), source })?;
        let mut counted = Vec::new();
        while let Ok(dump) = fs::read_to_string(self.folder.join(format!("dump.{}", self.dumps + 1))) {
            counted.push(totals(&dump).ok_or_else(|| Error::Dump(said(&asked)))?);
            self.dumps += 1;
        }
        if counted.is_empty() { Err(Error::Dump(said(&asked))) } else { Ok(counted) }
    }

    /// What goes on beside an answer counts too, so that nothing of a request is counted with the next one.
    async fn idle(&self) {
        let (mut quiet, mut last) = (0, None);
        while quiet < QUIET_LOOKS {
            tokio::time::sleep(LOOK).await;
            let now = self.process.cpu();
            quiet = if last == Some(now) && self.sleeps() { quiet + 1 } else { 0 };
            last = Some(now);
        }
    }

    /// Whether no thread of it runs, or would if there were a processor.
    fn sleeps(&self) -> bool {
        let threads = fs::read_dir(format!("/proc/{}/task", self.process.id())).into_iter().flatten().flatten();
        threads.map(|thread| fs::read_to_string(thread.path().join("stat")).unwrap_or_default()).all(|stat| {
            // The name before it is in parentheses and may hold anything.
            stat.rsplit(") ").next().is_some_and(|rest| !rest.starts_with('R'))
        })
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        // What can't be removed is overwritten by the next run.
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// Compiles what slows the clock.
fn slow_clock(folder: &Path) -> Result<PathBuf, Error> {
    let library = folder.join("slow.so");
    let mut compiler = Command::new("cc");
    compiler.args(["-O1", "-shared", "-fPIC", "-o"]).arg(&library).arg(local::workspace().join(SLOW));
    let done = compiler.output().map_err(|source| bench::Error::File { path: "cc".into(), source })?;
    if done.status.success() { Ok(library) } else { Err(Error::Compiler(said(&done))) }
}

/// valgrind's version.
pub fn version() -> Result<String, Error> {
    let asked = Command::new(program("valgrind")?).arg("--version").output();
    let asked = asked.map_err(|source| bench::Error::File { path: "valgrind".into(), source })?;
    Ok(String::from_utf8_lossy(&asked.stdout).trim().trim_start_matches("valgrind-").to_owned())
}

/// Where a program of valgrind is: functions get no PATH to find it by.
fn program(name: &'static str) -> Result<PathBuf, Error> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path).map(|folder| folder.join(name)).find(|file| file.is_file());
    found.ok_or(Error::Missing { name, install: INSTALL })
}

/// The pipes by which the two of them talk.
fn prefix(folder: &Path) -> String {
    format!("--vgdb-prefix={}", folder.join("pipe").display())
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).trim().to_owned()
}

/// The sum of a dump, from its line `totals: 1234`.
fn totals(dump: &str) -> Option<u64> {
    dump.lines().rev().find_map(|line| line.strip_prefix("totals:")?.trim().parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sum_of_a_dump_is_read() {
        assert_eq!(totals("version: 1\nsummary: 17\n\nfn=(1) main\n1 17\n\ntotals: 17\n"), Some(17));
        assert_eq!(totals("version: 1\nsummary: 17\n"), None);
    }
}
