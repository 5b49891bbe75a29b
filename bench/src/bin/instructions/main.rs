//! `cargo instructions`: how many instructions the functions execute, which a machine's mood doesn't change.
//!
//! The binaries that `sam build` made run under valgrind's callgrind, behind a stub of the Lambda Runtime API and in
//! front of the local cloud. Counts repeat to a fraction of a percent, so that they can be held against committed ones,
//! and against each other where nobody may learn from a refusal what it was refused for.

mod accounts;
mod baseline;
mod callgrind;
mod classes;
mod figures;
mod pairs;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use bench::machine;
use bench::report::table;
use clap::{Args, Parser, Subcommand};
use local::progress::Progress;

use crate::baseline::{Baseline, Finding, Machine, TOLERANCE};
use crate::classes::Class;
use crate::figures::Counts;
use crate::pairs::{Interval, Measured};

/// Counts the instructions of the functions.
#[derive(Debug, Parser)]
#[command(name = "cargo instructions", bin_name = "cargo instructions", version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Counts, and fails where a count is more than 3 % from its baseline in bench/instructions.json
    Check(Counting),
    /// Counts, and writes bench/instructions.json
    Update(Counting),
    /// Counts what refusals cost, each for another reason, and fails where one is to be told from another
    Classes(Sampling),
    /// Measures how much longer the refusal of an unknown user takes than that of a wrong password, and fails where it is
    /// to be told. Counts nothing: this is about time
    Pairs(Pairing),
}

#[derive(Debug, Args)]
struct Sampling {
    #[command(flatten)]
    binaries: Binaries,

    /// Refusals of each kind
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u16).range(1..=1000))]
    samples: u16,
}

#[derive(Debug, Args)]
struct Pairing {
    #[command(flatten)]
    binaries: Binaries,

    /// Pairs of the two
    #[arg(long, value_name = "N", default_value_t = 5000, value_parser = clap::value_parser!(u32).range(20..=1_000_000))]
    pairs: u32,

    /// Note the result in tests/assurance/longer, from which docs/assurance.md is made
    #[arg(long)]
    write: bool,
}

#[derive(Debug, Args)]
struct Counting {
    #[command(flatten)]
    binaries: Binaries,

    /// Functions to count, by name [default: all]
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    functions: Vec<String>,
}

#[derive(Debug, Args)]
struct Binaries {
    /// The folder of the release binaries, as `sam build` or `cargo lambda build` leaves it. The baselines hold for the
    /// default
    #[arg(long, value_name = "FOLDER", default_value = ".aws-sam/build")]
    binaries: PathBuf,
}

/// Why there are no figures, or bad ones. Printed with its causes.
#[derive(Debug, thiserror::Error)]
enum Error {
    #[error(transparent)]
    Bench(#[from] bench::Error),
    #[error("{name} is missing: {install}")]
    Missing { name: &'static str, install: &'static str },
    #[error("there is no binary of {function} in {}: sam build makes it", .folder.display())]
    NoBinary { function: String, folder: PathBuf },
    #[error("cc failed: {0}")]
    Compiler(String),
    #[error("callgrind told no count: {0}")]
    Dump(String),
    #[error("{event} made {calls} store calls and not {planned}: one was made again, which a busy machine explains")]
    Repeated { event: String, calls: usize, planned: usize },
    #[error("the work was interrupted")]
    Interrupted,
    #[error("can't start the runtime")]
    Runtime(#[source] std::io::Error),
    #[error("{0} pairs at least, of which the control gets its part, have an interval")]
    FewPairs(u32),
    #[error("a note for docs/assurance.md failed: {0}")]
    Note(String),
    #[error("{0} of the counts are not as they have to be")]
    Findings(usize),
}

fn main() -> ExitCode {
    let done = match Arguments::parse().command {
        Command::Check(counting) => check(&counting),
        Command::Update(counting) => update(&counting),
        Command::Classes(sampling) => classes(&sampling),
        Command::Pairs(pairing) => pairs(&pairing),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("cargo instructions: {}", local::chain(&error));
            ExitCode::FAILURE
        }
    }
}

fn check(counting: &Counting) -> Result<(), Error> {
    let mut baseline = Baseline::read(&baselines())?;
    let here = Machine::here()?;
    if here != baseline.machine {
        println!("The baselines are of another machine, so only the absolute limits are held.");
        println!("  theirs: {:?}\n  here:   {here:?}", baseline.machine);
    }
    let counted = count(counting)?;
    if !counting.functions.is_empty() {
        baseline.functions.retain(|event, _| counted.contains_key(event));
    }
    let mut findings = baseline::check(&baseline.functions, &counted);
    if here != baseline.machine {
        let (deviations, others) =
            findings.into_iter().partition::<Vec<_>, _>(|finding| matches!(finding, Finding::Deviation { .. }));
        for deviation in &deviations {
            println!("{deviation}");
        }
        findings = others;
    }
    judge(&findings)
}

fn update(counting: &Counting) -> Result<(), Error> {
    let machine = Machine::here()?;
    let counted = count(counting)?;
    let beyond = baseline::limits(&counted);
    let path = baselines();
    // Where a part was counted, the rest stays as it is.
    let keeps = !counting.functions.is_empty() && path.exists();
    let mut functions = if keeps { Baseline::read(&path)?.functions } else { Counts::new() };
    functions.extend(counted);
    Baseline { machine, date: machine::describe().date, functions }.write(&path)?;
    judge(&beyond)
}

/// Counts what was asked for, and prints it.
fn count(counting: &Counting) -> Result<Counts, Error> {
    let known = || figures::events();
    if let Some(name) = counting.functions.iter().find(|name| !known().any(|(event, _)| event == **name)) {
        return Err(bench::Error::UnknownFunction(name.clone()).into());
    }
    let wanted = |event: &str| counting.functions.is_empty() || counting.functions.iter().any(|name| name == event);
    let events: Vec<_> = known().filter(|(event, _)| wanted(event)).collect();
    let counts = figures::count(&counting.binaries.binaries, &events, Progress::on_stderr())?;
    let shown = |figure: Option<u64>| figure.map_or_else(|| "-".to_owned(), |figure| figure.to_string());
    let rows = counts.iter().map(|(event, figures)| {
        let cells = [Some(figures.before_first_connection), Some(figures.initialisation)];
        let cells = cells.into_iter().chain([figures.first_request, figures.warm_request]);
        std::iter::once(event.clone()).chain(cells.map(shown)).collect()
    });
    println!(
        "{}",
        table(&["function", "before the first connection", "initialisation", "first request", "warm request"], rows)
    );
    Ok(counts)
}

fn judge(findings: &[Finding]) -> Result<(), Error> {
    if findings.is_empty() {
        return Ok(());
    }
    for finding in findings {
        println!("{finding}");
    }
    println!(
        "If that was meant, `cargo instructions update` makes new baselines; {TOLERANCE} % either way are let pass."
    );
    Err(Error::Findings(findings.len()))
}

fn classes(sampling: &Sampling) -> Result<(), Error> {
    let outcome = classes::count(&sampling.binaries.binaries, sampling.samples.into())?;
    let mut first: Option<&Class> = None;
    let rows = outcome.classes.iter().map(|class| {
        let held_against = *first.get_or_insert(class);
        let held_against = if held_against.function == class.function { held_against } else { class };
        first = Some(held_against);
        let apart = i128::from(class.median) - i128::from(held_against.median);
        let cells = [class.median.to_string(), format!("{apart:+}"), class.spread.to_string()];
        [format!("{}, {}", class.function, class.reason.what())].into_iter().chain(cells).collect()
    });
    println!("{}", table(&["refusal", "instructions", "from the first", "spread of the samples"], rows));
    for (function, percent) in &outcome.widest {
        println!("{function}: {percent:.3} % of a login between any two");
    }
    let widest = outcome.widest.values().copied().fold(0.0, f64::max);
    note(None, &["note", "Q20", "spread-of-instructions", &format!("{widest:.4}")])?;
    for (function, percent) in outcome.controls.iter().filter(|(_, percent)| **percent > classes::MOST_PERCENT) {
        let what = format!("a request that does no work is {percent:.1} % of a login from a refusal");
        let fault = format!("no-work-in-{function}");
        note(
            None,
            &["noticed", "Q20", &fault, &what, "bench/src/bin/instructions/classes.rs", "cargo instructions classes"],
        )?;
    }
    for finding in &outcome.findings {
        println!("{finding}");
    }
    if outcome.findings.is_empty() { Ok(()) } else { Err(Error::Findings(outcome.findings.len())) }
}

fn pairs(pairing: &Pairing) -> Result<(), Error> {
    let measuring = pairs::measure(&pairing.binaries.binaries, pairing.pairs, Progress::on_stderr());
    let Measured { refusals, control } = block_on(measuring)??;
    let shown =
        |Interval { low, median, high }| format!("{median:+.3} ms, with 95 % confidence {low:+.3} to {high:+.3} ms");
    println!("{} pairs", pairing.pairs);
    println!("unknown user less wrong password: {}", shown(refusals));
    println!("control, wrong password less no work: {}", shown(control));
    let noticed = control.low > pairs::MOST_MS;
    let told = refusals.farthest() > pairs::MOST_MS;
    if told || !noticed {
        return Err(Error::Findings(usize::from(told) + usize::from(!noticed)));
    }
    if pairing.write {
        let folder = local::workspace().join("tests/assurance/longer");
        let figure = |name, value: String| note(Some(&folder), &["note", "Q20", name, &value]);
        figure("bound-of-the-median-difference-ms", format!("{:.3}", refusals.farthest()))?;
        figure("pairs", pairing.pairs.to_string())?;
        figure("control-ms", format!("{:.1}", control.median))?;
    }
    Ok(())
}

/// Notes something in `folder`, or where the environment says; nowhere without either.
fn note(folder: Option<&Path>, words: &[&str]) -> Result<(), Error> {
    let mut command = std::process::Command::new(local::workspace().join("tools/assurance"));
    if let Some(folder) = folder {
        command.env("OSTIARY_ASSURANCE", folder);
    }
    let done = command.args(words).output().map_err(|error| Error::Note(error.to_string()))?;
    let said = String::from_utf8_lossy(&done.stderr).into_owned();
    if done.status.success() { Ok(()) } else { Err(Error::Note(said)) }
}

/// Where the baselines are.
fn baselines() -> PathBuf {
    local::workspace().join("bench/instructions.json")
}

/// A folder for what one function counts.
fn scratch(event: &str) -> Result<PathBuf, Error> {
    let here = std::env::current_exe().map_err(|source| bench::Error::File { path: "instructions".into(), source })?;
    let target = here.ancestors().nth(2).ok_or(bench::Error::Event("this program is in no target folder"))?;
    Ok(target.join("instructions").join(format!("{}-{event}", std::process::id())))
}

/// Runs it on a thread of its own runtime: what counts one function must not wait for what is done for another.
fn block_on<F: Future>(future: F) -> Result<F::Output, Error> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(Error::Runtime)?;
    Ok(runtime.block_on(future))
}
