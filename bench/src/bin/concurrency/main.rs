//! `cargo concurrency`: whether a function that is given several events at a time, as on Lambda Managed Instances, does as
//! much with a core as one that is given one after the other, and mixes nothing up.
//!
//! The release binaries run as on Lambda, each in a process that asks a Runtime API for events; behind it is the local
//! cloud, each call of which takes four milliseconds more, as on a network. An answer that is not the one to its own event,
//! or a log line that is missing or double, ends it with an error; times are for people to judge.

mod api;

use std::collections::BTreeMap;
use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use bench::measure::binaries;
use bench::stack::Stack;
use bench::{Error as BenchError, machine};
use clap::Parser;
use local::functions::{self, Profile};
use local::progress::Progress;
use serde_json::Value;

use crate::api::Environment;

/// As much longer as a call of the store takes.
const NETWORK: Duration = Duration::from_millis(4);

/// What is asked: a verification, a ticket read, a login.
const FUNCTIONS: [&str; 3] = ["test-secure", "ticket-get", "user-login"];

/// Measures functions that are given several events at a time, beside the same with one after the other.
#[derive(Debug, Parser)]
#[command(name = "cargo concurrency", bin_name = "cargo concurrency", version)]
struct Arguments {
    /// Events at a time
    #[arg(long, value_name = "N", default_value_t = 16, value_parser = clap::value_parser!(u16).range(2..=1000))]
    at_once: u16,

    /// Events for each function; for one that hashes, a quarter
    #[arg(long, value_name = "N", default_value_t = 2000, value_parser = clap::value_parser!(u32).range(16..=1_000_000))]
    requests: u32,

    /// Print JSON instead of a table
    #[arg(long)]
    json: bool,
}

/// Why there are no figures. Printed with its causes.
#[derive(Debug, thiserror::Error)]
enum Error {
    #[error(transparent)]
    Bench(#[from] BenchError),
    #[error("{function} answered event {event} with what belongs to another: {answer}")]
    Bleed { function: &'static str, event: usize, answer: String },
    #[error("{function} wrote {lines} lines about {requests} events, each of which has to have one")]
    Lines { function: &'static str, lines: usize, requests: usize },
}

/// What one run took.
struct Run {
    wall: Duration,
    cpu: Duration,
    requests: usize,
    peak_mib: f64,
}

impl Run {
    #[expect(clippy::cast_precision_loss, reason = "figures for people")]
    fn a_second(&self, time: Duration) -> f64 {
        self.requests as f64 / time.as_secs_f64().max(1e-9)
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    match run(&Arguments::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("cargo concurrency: {}", local::chain(&error));
            ExitCode::FAILURE
        }
    }
}

async fn run(arguments: &Arguments) -> Result<(), Error> {
    let progress = Progress::on_stderr();
    let stack = Stack::start(&[]).await?;
    let mut wanted = stack.functions()?;
    wanted.retain(|function| FUNCTIONS.contains(&function.binary.as_str()));
    functions::build(&wanted, Profile::Release, progress).map_err(BenchError::from)?;
    let binaries = binaries()?;
    let mut rows = Vec::new();
    for function in FUNCTIONS {
        let requests = if function == "user-login" { arguments.requests / 4 } else { arguments.requests };
        let events = events(&stack, function, requests).await?;
        stack.recorder.delay(NETWORK);
        for at_once in [1, arguments.at_once] {
            let run = one(&stack, function, &binaries.join(function), &events, at_once).await?;
            rows.push((function, at_once, run));
        }
        stack.recorder.delay(Duration::ZERO);
    }
    print(arguments, &rows);
    Ok(())
}

/// An event for each request, each of a user of its own.
async fn events(stack: &Stack, function: &str, requests: u32) -> Result<Vec<String>, Error> {
    let mut events = Vec::new();
    for _ in 0..requests {
        events.push(stack.event(function).await?);
    }
    Ok(events)
}

/// Sends all events, `at_once` at a time.
async fn one(
    stack: &Stack,
    function: &'static str,
    binary: &Path,
    events: &[String],
    at_once: u16,
) -> Result<Run, Error> {
    let mut environment = stack.environment.clone();
    if at_once > 1 {
        environment.insert("AWS_LAMBDA_MAX_CONCURRENCY".to_owned(), at_once.to_string());
    }
    let mut process = Environment::start(function, binary, &environment).await?;
    // Opens connections, reads keys and gets the memory of the hashes.
    process.ask(events.iter().take(usize::from(at_once))).await?;
    let (start, cpu) = (Instant::now(), process.cpu());
    let answers = process.ask(events.iter()).await?;
    let (wall, cpu) = (start.elapsed(), process.cpu().saturating_sub(cpu));
    let before = usize::from(at_once).min(events.len());
    for (event, answer) in answers.iter().enumerate() {
        if !belongs(before + event + 1, answer) {
            return Err(Error::Bleed { function, event, answer: answer.clone() });
        }
    }
    let peak_mib = process.peak_mib();
    let lines = process.end();
    let mut ids = BTreeMap::<&str, usize>::new();
    for line in lines.iter().filter(|line| line.get("message").is_some_and(|message| message == "audit")) {
        *ids.entry(line.get("lambda_request_id").and_then(Value::as_str).unwrap_or_default()).or_default() += 1;
    }
    let requests = events.len() + before;
    if ids.len() != requests || ids.values().any(|lines| *lines != 1) {
        return Err(Error::Lines { function, lines: ids.values().sum(), requests });
    }
    Ok(Run { wall, cpu, requests: events.len(), peak_mib })
}

/// Whether an answer is a success and has the id of its own event.
fn belongs(number: usize, answer: &str) -> bool {
    let answer: Value = serde_json::from_str(answer).unwrap_or_default();
    let id = answer.pointer("/headers/x-request-id").and_then(Value::as_str);
    answer.get("statusCode").is_some_and(|status| *status == 200) && id == Some(&format!("request-{number}"))
}

fn print(arguments: &Arguments, rows: &[(&'static str, u16, Run)]) {
    let machine = machine::describe();
    if arguments.json {
        let rows = rows.iter().map(|(function, at_once, run)| {
            serde_json::json!({
                "function": function, "atOnce": at_once, "requests": run.requests, "seconds": run.wall.as_secs_f64(),
                "cpuSeconds": run.cpu.as_secs_f64(), "peakMib": run.peak_mib,
            })
        });
        println!("{}", serde_json::json!({ "machine": machine, "runs": rows.collect::<Vec<_>>() }));
        return;
    }
    println!("{}, {}, {} cores, load {}\n", machine.date, machine.processor, machine.cores, machine.load);
    println!(
        "{:12}  {:>7}  {:>10}  {:>16}  {:>8}",
        "function", "at once", "requests/s", "for a CPU second", "peak MiB"
    );
    for (function, at_once, run) in rows {
        let (rate, per_core) = (run.a_second(run.wall), run.a_second(run.cpu));
        println!("{function:12}  {at_once:7}  {rate:10.0}  {per_core:16.0}  {:8.1}", run.peak_mib);
    }
    println!("\nEvery answer was its own event's, and every event has one line.");
}
