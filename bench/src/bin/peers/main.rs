//! `cargo bench-peers`: Ostiary's functions beside what one would write instead, in the same harness.
//!
//! Everybody's function runs as on Lambda, in a process of its own that asks a Runtime API for events, in front of the
//! same local cloud over TLS. Nothing is asserted but that every answer is a yes: the page says which bars are missed.

mod bars;
mod cgroup;
mod contestants;
mod endpoint;
mod install;
mod memory_sizes;
mod page;
mod results;
mod runtimes;
mod signatures;
mod world;

use std::io;
use std::path::PathBuf;
use std::process::ExitCode;

use bench::machine;
use clap::{Parser, ValueEnum};
use local::progress::Progress;

use crate::contestants::{Contestant, Places};
use crate::page::Page;
use crate::results::{Results, Suite};
use crate::runtimes::Amount;
use crate::world::World;

/// Measures Ostiary's functions beside the same ones in Node, Python and default Rust, behind a Lambda Runtime API and in
/// front of the local cloud over TLS.
///
/// Builds and installs what is missing first, which takes some minutes and 200 MB in .tools/bench the first time; it needs
/// Node 20, npm and Python 3.11. Suites that were not asked for keep their figures of an earlier run.
#[derive(Debug, Parser)]
#[command(name = "cargo bench-peers", bin_name = "cargo bench-peers", version)]
struct Arguments {
    /// What to measure; nothing if only the page is to be made anew
    #[arg(long, value_enum, value_name = "SUITES", value_delimiter = ',', default_values_t = Part::ALL)]
    suites: Vec<Part>,

    /// Whom to measure
    #[arg(long, value_enum, value_name = "NAMES", value_delimiter = ',', default_values_t = Contestant::ALL)]
    contestants: Vec<Contestant>,

    /// Fresh processes of each function
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=1000))]
    starts: u32,

    /// Warm invocations of each function; a quarter of a login
    #[arg(long, value_name = "N", default_value_t = 400, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    invocations: u32,

    /// Folder of our functions, each `bootstrap` in a folder of its own [default: builds them as they are shipped]
    #[arg(long, value_name = "FOLDER")]
    ours: Option<PathBuf>,

    /// Measure what is built and installed already
    #[arg(long)]
    no_install: bool,

    /// Keep the raw figures in bench/results, and write docs/comparison.md
    #[arg(long)]
    write: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Part {
    /// Starts, first and warm requests of everybody
    Runtimes,
    /// Logins by memory size; needs root and the kernel's control groups
    MemorySizes,
    /// RS256 signatures, ours and Node's
    Signatures,
    /// Nothing
    None,
}

impl Part {
    const ALL: [Self; 3] = [Self::Runtimes, Self::MemorySizes, Self::Signatures];
}

/// Why there are no figures. Printed with its causes.
#[derive(Debug, thiserror::Error)]
enum Error {
    #[error(transparent)]
    Bench(#[from] bench::Error),
    #[error("can't make a key")]
    Key(#[from] shared::keyring::KeySetError),
    #[error("can't make a certificate")]
    Certificate(#[from] rcgen::Error),
    #[error("can't speak TLS")]
    Tls(#[from] rustls::Error),
    #[error("can't write into a temporary folder")]
    Scratch(#[source] io::Error),
    #[error("can't store the peers' items")]
    Seed(#[source] Box<dyn std::error::Error + Send + Sync>),
    #[error("can't give out parts of a core: this needs root, and control groups with the cpu controller")]
    ControlGroup(#[source] io::Error),
    #[error("can't run {name}")]
    Command { name: String, source: io::Error },
    #[error("{name} failed: {told}")]
    Failed { name: String, told: String },
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    match run(&Arguments::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("cargo bench-peers: {}", local::chain(&error));
            ExitCode::FAILURE
        }
    }
}

async fn run(arguments: &Arguments) -> Result<(), Error> {
    let (progress, mut places, who) = (Progress::on_stderr(), Places::here(), &arguments.contestants);
    let has = |part| arguments.suites.contains(&part);
    let is_measuring = Part::ALL.iter().any(|part| has(*part));
    if is_measuring && !arguments.no_install {
        install::install(&places, who, arguments.ours.is_none(), progress)?;
    }
    if let Some(ours) = &arguments.ours {
        places.ours.clone_from(ours);
    }
    let amount = Amount { starts: arguments.starts, invocations: arguments.invocations };
    let mut results = Results::kept()?;
    if has(Part::Runtimes) {
        let (machine, world) = (machine::describe(), World::start().await?);
        let figures = runtimes::measure(&world, &places, who, amount, progress).await?;
        results.runtimes = Some(Suite { machine, amount, figures });
    }
    if has(Part::MemorySizes) {
        let amount = Amount { starts: amount.starts.div_ceil(2), invocations: amount.invocations / 4 };
        let (machine, world) = (machine::describe(), World::start().await?);
        let figures = memory_sizes::measure(&world, &places, who, amount, progress).await?;
        results.memory_sizes = Some(Suite { machine, amount, figures });
    }
    if has(Part::Signatures) {
        let machine = machine::describe();
        results.signatures = Some(Suite { machine, amount, figures: signatures::measure(&places)? });
    }
    let page = Page::of(&results);
    println!("{}", page.text);
    if arguments.write {
        results.keep()?;
        page.write()?;
    }
    Ok(())
}
