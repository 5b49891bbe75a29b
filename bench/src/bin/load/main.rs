//! `cargo load`: whether the functions hold under load, and under too much of it.
//!
//! The release binaries run as on Lambda, several environments of each, behind a gateway that refuses as AWS's does and
//! in front of the local cloud's DynamoDB. Clients log in, verify, renew and revoke, and know what every answer must be.

mod client;
mod drive;
mod event;
mod gateway;
mod memory;
mod overload;
mod report;
mod stage;
mod tally;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use bench::{Error, machine};
use clap::Parser;
use local::functions::{self, Profile};
use local::progress::Progress;

use crate::client::{FUNCTIONS, PEOPLE};
use crate::drive::Crowd;
use crate::gateway::{Fault, Gateway};
use crate::memory::Watch;
use crate::report::{Mix, Report};
use crate::stage::{Stage, TENANTS};
use crate::tally::{Faults, Tally};

/// Runs the release functions under a mixed load and checks every answer. Ends with 1 if anything was lost or wrong, if
/// memory grew, or if an overload ended otherwise than with 429 and 503.
///
/// Builds the release binaries first, unless it is told where some are.
#[derive(Debug, Parser)]
#[command(name = "cargo load", bin_name = "cargo load", version)]
struct Arguments {
    /// How long the mix runs; 60 for a soak, 0.3 for a try
    #[arg(long, value_name = "MINUTES", default_value_t = 10.0)]
    minutes: f64,

    /// Environments of each function
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = clap::value_parser!(u8).range(1..=64))]
    environments: u8,

    /// Clients; each two have four users of their own
    #[arg(long, value_name = "M", default_value_t = 128, value_parser = clap::value_parser!(u16).range(2..=4096))]
    clients: u16,

    /// Requests under way at a time
    #[arg(long, value_name = "N", default_value_t = 8, value_parser = clap::value_parser!(u8).range(1..=255))]
    parallel: u8,

    /// Then measure the capacity, send twice as much for a minute, and wait for it to recover
    #[arg(long)]
    overload: bool,

    /// How long the overload lasts
    #[arg(long, value_name = "SECONDS", default_value_t = 60, value_parser = clap::value_parser!(u64).range(1..=3600))]
    overload_seconds: u64,

    /// Another value for a parameter of the template, such as LoginRateLimit=20
    #[arg(long = "parameter", value_name = "NAME=VALUE", value_parser = parameter)]
    parameters: Vec<(String, String)>,

    /// Let something go wrong on purpose: the command must notice, and end with 1
    #[arg(long, value_name = "FAULT")]
    fault: Option<Fault>,

    /// Take the binaries from this folder, such as `.aws-sam/build`, and build none
    #[arg(long, value_name = "FOLDER")]
    binaries: Option<PathBuf>,

    /// Write the figures to this file, as JSON
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,

    /// Write the tables to docs/load.md too
    #[arg(long)]
    write: bool,
}

fn parameter(text: &str) -> Result<(String, String), &'static str> {
    let (name, value) = text.split_once('=').ok_or("must be NAME=VALUE")?;
    Ok((name.to_owned(), value.to_owned()))
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    match run(&Arguments::parse()).await {
        Ok(report) if report.failures.is_empty() => ExitCode::SUCCESS,
        Ok(report) => {
            eprintln!("cargo load: {}", report.failures.join("; "));
            ExitCode::FAILURE
        }
        Err(error) => {
            eprintln!("cargo load: {}", local::chain(&error));
            ExitCode::FAILURE
        }
    }
}

async fn run(arguments: &Arguments) -> Result<Report, Error> {
    let progress = Progress::on_stderr();
    let machine = machine::describe();
    let pairs = usize::from(arguments.clients).div_ceil(2);
    let step = progress.step("Making users");
    let mut stage = Stage::prepare(pairs * PEOPLE, &arguments.parameters).await?;
    step.done("Made users");
    let folder = binaries(arguments, &stage, progress)?;
    let step = progress.step("Starting environments");
    let environments = usize::from(arguments.environments);
    let (template, variables) = (stage.cloud.template(), stage.cloud.environment());
    let gateway = Gateway::start(&FUNCTIONS, &folder, environments, template, variables).await?.with(arguments.fault);
    step.done("Started environments");
    let (clients, domains) = (client::clients(&stage), std::mem::take(&mut stage.domains));
    let count = clients.len();
    let crowd = Arc::new(Crowd::new(gateway, domains, clients));

    let parallel = usize::from(arguments.parallel);
    let step = progress.step("Running the mix");
    let (mix, faults) = mix(&crowd, parallel, Duration::from_secs_f64(arguments.minutes * 60.0)).await?;
    step.done("Ran the mix");
    let mut all = faults;
    let mut overload = None;
    if arguments.overload {
        let step = progress.step("Overloading");
        let (seen, faults) = overload::run(&crowd, parallel, Duration::from_secs(arguments.overload_seconds)).await?;
        all = all.with(faults);
        overload = Some(seen);
        step.done("Overloaded");
    }
    let step = progress.step("Reading everything back");
    let back = Arc::new(Tally::new());
    drive::read_back(&crowd, &back, parallel).await?;
    step.done("Read everything back");

    let faults = all.with(back.faults());
    let unread = back.total().outages + back.total().errors;
    let mut failures = failures(&mix, overload.as_ref(), &faults);
    if unread > 0 {
        failures.push(format!("{unread} credentials could not be read back"));
    }
    let report = Report {
        machine,
        environments,
        clients: count,
        parallel,
        users: stage.people.len(),
        tenants: TENANTS,
        mix,
        overload,
        read_back: back.total().answered.count(),
        faults,
        failures,
    };
    tell(&report, arguments)?;
    Ok(report)
}

/// Where the binaries are, built if need be.
fn binaries(arguments: &Arguments, stage: &Stage, progress: Progress) -> Result<PathBuf, Error> {
    if let Some(folder) = &arguments.binaries {
        return Ok(folder.clone());
    }
    let mut wanted = stage.cloud.template().functions()?;
    wanted.retain(|function| FUNCTIONS.contains(&function.binary.as_str()));
    functions::build(&wanted, Profile::Release, progress)?;
    bench::measure::binaries()
}

async fn mix(crowd: &Arc<Crowd>, parallel: usize, length: Duration) -> Result<(Mix, Faults), Error> {
    let (tally, watch) = (Arc::new(Tally::new()), Watch::start(crowd));
    drive::closed(crowd, &tally, parallel, length).await?;
    let (memory, seconds, classes) = (watch.end(), tally.elapsed().as_secs_f64(), tally.classes());
    let answered = u32::try_from(tally.total().answered.count()).map_or(f64::MAX, f64::from);
    Ok((Mix { seconds, rate: answered / seconds, classes: report::classes(&classes), memory }, tally.faults()))
}

fn failures(mix: &Mix, overload: Option<&overload::Overload>, faults: &Faults) -> Vec<String> {
    let mut failures = mix.failures();
    failures.extend(overload.into_iter().flat_map(overload::Overload::failures));
    if !faults.is_none() {
        failures.push(format!("{} lost, {} wrong", faults.lost, faults.wrong));
    }
    failures
}

fn tell(report: &Report, arguments: &Arguments) -> Result<(), Error> {
    println!("{}", report.tables());
    let write = |path: &Path, text: String| {
        fs::write(path, text).map_err(|source| Error::File { path: path.to_owned(), source })
    };
    if let Some(path) = &arguments.output {
        write(path, serde_json::to_string_pretty(report).map_err(Error::Print)? + "\n")?;
    }
    if arguments.write {
        write(&local::workspace().join("docs/load.md"), report.page())?;
    }
    Ok(())
}
