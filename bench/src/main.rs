//! `cargo measure`: what each function costs in time, memory, bytes and store calls, on this machine.
//!
//! Each function runs as on Lambda: its release binary in a process of its own, asking a Runtime API for events. Behind
//! it are the local cloud's DynamoDB and Secrets Manager, each call of which passes a recorder. Nothing here is
//! asserted but that every answer is a 200 or 201: times are for people to judge.

use std::fs;
use std::process::ExitCode;

use bench::measure::{self, Amount};
use bench::report::Report;
use bench::stack::Stack;
use bench::{Error, machine, plan};
use clap::Parser;
use local::functions::{self, Profile};
use local::progress::Progress;
use shared::api::ROUTES;

/// With it, what a login costs beside the hash can be told from the hash's own ups and downs.
const CHEAPEST_HASH: &[(&str, &str)] = &[("Argon2MemoryKiB", "8"), ("Argon2Iterations", "1")];

/// Measures every function on this machine, behind a Lambda Runtime API and in front of the local cloud.
///
/// Builds the release binaries first, which takes some minutes the first time. Other work on this machine makes every
/// figure worse, so the load is told with them.
#[derive(Debug, Parser)]
#[command(name = "cargo measure", bin_name = "cargo measure", version)]
struct Arguments {
    /// Functions to measure, by name [default: all]
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    functions: Vec<String>,

    /// Fresh processes of each function
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=1000))]
    starts: u32,

    /// Warm invocations of each function; of one that hashes a password, a quarter
    #[arg(long, value_name = "N", default_value_t = 200, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    invocations: u32,

    /// Print JSON instead of tables
    #[arg(long)]
    json: bool,

    /// Write the tables to docs/performance.md too
    #[arg(long)]
    write: bool,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    match run(&Arguments::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("cargo measure: {}", local::chain(&error));
            ExitCode::FAILURE
        }
    }
}

async fn run(arguments: &Arguments) -> Result<(), Error> {
    let names = names(&arguments.functions)?;
    let progress = Progress::on_stderr();
    let (stack, cheap) = (Stack::start(&[]).await?, Stack::start(CHEAPEST_HASH).await?);
    let mut wanted = stack.functions()?;
    wanted.retain(|function| names.iter().any(|name| plan::function(name) == function.binary));
    functions::build(&wanted, Profile::Release, progress)?;
    let amount = Amount { starts: arguments.starts, invocations: arguments.invocations };
    let machine = machine::describe();
    let report = Report::new(machine, amount, &measure::all(&stack, &cheap, &names, amount, progress).await?);
    if arguments.json {
        println!("{}", serde_json::to_string_pretty(&report).map_err(Error::Print)?);
    } else {
        println!("{}", report.tables());
    }
    if arguments.write {
        let path = local::workspace().join("docs/performance.md");
        fs::write(&path, report.page()).map_err(|source| Error::File { path, source })?;
    }
    Ok(())
}

/// The events to measure: those of the functions that were asked for, or all.
fn names(asked: &[String]) -> Result<Vec<&'static str>, Error> {
    let routes = || ROUTES.iter().map(|route| route.name).filter(|name| *name != plan::UNMEASURED);
    let all = || routes().chain(plan::MORE.iter().copied());
    if asked.is_empty() {
        return Ok(all().collect());
    }
    let unknown = asked.iter().find(|name| !all().any(|known| plan::function(known) == **name));
    match unknown {
        Some(name) => Err(Error::UnknownFunction(name.clone())),
        None => Ok(all().filter(|known| asked.iter().any(|name| plan::function(known) == *name)).collect()),
    }
}
