//! Runs seeds of the simulation, and tells the story of the first one that fails.

use std::process::ExitCode;
use std::time::Instant;

use clap::Parser;
use simulation::bug::Bug;
use simulation::run::{Plan, run, run_all};
use simulation::shrink::{shrink, story};

/// The functions over a simulated store, with faults and crashes between any two calls.
#[derive(Parser)]
struct Arguments {
    /// How many seeds.
    #[arg(long, default_value_t = 2000)]
    seeds: u64,
    /// The first seed.
    #[arg(long, default_value_t = 0)]
    from: u64,
    /// This seed alone.
    #[arg(long)]
    seed: Option<u64>,
    /// What is broken on purpose.
    #[arg(long)]
    bug: Option<Bug>,
    /// How many threads.
    #[arg(long, default_value_t = 1)]
    threads: usize,
    /// Tells all that the one seed does, whether it fails or not.
    #[arg(long, requires = "seed")]
    tell: bool,
    /// Goes on after a seed that fails, and lists them all without their stories.
    #[arg(long)]
    all: bool,
}

fn main() -> ExitCode {
    let Arguments { seeds, from, seed, bug, threads, tell, all } = Arguments::parse();
    if let (Some(seed), true) = (seed, tell) {
        let report = run(&Plan { told: true, ..Plan::new(seed, bug) });
        println!("{}", report.story.join("\n"));
        return if report.violation.is_none() { ExitCode::SUCCESS } else { ExitCode::FAILURE };
    }
    let started = Instant::now();
    let range = seed.map_or(from..from.saturating_add(seeds), |seed| seed..seed.saturating_add(1));
    let summary = run_all(range, bug, threads, all);
    let took = started.elapsed().as_secs_f64();
    println!("{} seeds, {} requests, {} calls, {took:.1} s", summary.seeds, summary.requests, summary.calls);
    if seed.is_none() && bug.is_none() {
        tests::note("Q17", "seeds", summary.seeds);
        tests::note("Q17", "seeds-that-fail", summary.failed.len());
    }
    let Some((seed, _)) = summary.failed.first_key_value() else { return ExitCode::SUCCESS };
    if all {
        summary.failed.iter().for_each(|(seed, violation)| println!("seed {seed}: {violation}"));
    } else if let Some(shrunk) = shrink(&Plan::new(*seed, bug)) {
        println!("{}", story(&shrunk));
    }
    ExitCode::FAILURE
}
