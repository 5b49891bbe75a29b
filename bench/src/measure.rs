//! Runs the functions and keeps what they cost.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use local::progress::Progress;
use shared::password::Hasher;
use shared::random::SystemRandom;
use shared::secret::Password;

use crate::plan::{self, Plan};
use crate::process::{Process, on_cpu};
use crate::stack::Stack;
use crate::{Error, recorder};

/// Bare hashes for each start of a function that hashes. They go before its invocations and not between them, where they
/// would drive its memory out of the processor's caches.
const HASHES: usize = 8;

/// A function that hashes gets this part of the invocations.
const HASHING_PART: u32 = 4;

/// Calls that are made at the same time overlap for sure when each takes this long.
const SLOW: Duration = Duration::from_millis(25);

/// How much is measured.
#[derive(Clone, Copy, Debug, serde::Serialize)]
pub struct Amount {
    /// Fresh processes of each function.
    pub starts: u32,
    /// Warm invocations of each function.
    pub invocations: u32,
}

/// What was seen of one function, a value for each start or each invocation.
#[derive(Debug, Default)]
pub struct Series {
    /// Its binary.
    pub binary: PathBuf,
    /// From the start of the process to its first question for an event.
    pub init: Vec<Duration>,
    /// Time on a processor until then.
    pub init_cpu: Vec<Duration>,
    /// MiB resident then.
    pub resident: Vec<f64>,
    /// The highest number of MiB resident until the end.
    pub peak: Vec<f64>,
    /// From the first event to its answer.
    pub first: Vec<Duration>,
    /// From each later event to its answer.
    pub warm: Vec<Duration>,
    /// The part of it in which a store call was under way, the one beside a password hash excepted.
    pub store: Vec<Duration>,
    /// Time on a processor for each of these.
    pub cpu: Vec<Duration>,
    /// A bare password hash, where the function makes one.
    pub hash: Vec<Duration>,
    /// Time on a processor for it.
    pub hash_cpu: Vec<Duration>,
    /// Round trips of single reads.
    pub reads: Vec<Duration>,
    /// The store calls of one invocation.
    pub trips: String,
}

/// What was seen, by function.
pub type Measured = BTreeMap<&'static str, Series>;

/// Measures the functions in turn, start by start, so that all of them meet the same weather.
pub async fn all(stack: &Stack, names: &[&'static str], amount: Amount, progress: Progress) -> Result<Measured, Error> {
    let binaries = binaries()?;
    let hasher = stack.config().hasher()?;
    let step = progress.step("Measuring");
    let mut measured = Measured::new();
    for start in 0..amount.starts {
        for name in names {
            let message = format!("{name}, start {} of {}", start + 1, amount.starts);
            step.reached(u64::from(start), u64::from(amount.starts), &message);
            let series = measured.entry(name).or_default();
            series.binary = binaries.join(name);
            one_start(stack, name, amount, &hasher, series).await?;
        }
    }
    step.done("Measured");
    Ok(measured)
}

async fn one_start(
    stack: &Stack,
    name: &'static str,
    amount: Amount,
    hasher: &Hasher,
    series: &mut Series,
) -> Result<(), Error> {
    let plan = Plan::of(name);
    if plan.beside_hash.is_some() {
        hash(hasher, series)?;
    }
    let event = stack.event(name).await?;
    let (mut process, init) = Process::start(name, &series.binary, &stack.environment).await?;
    series.init.push(init);
    series.init_cpu.push(process.cpu());
    series.resident.push(process.memory().now);
    series.first.push(process.invoke(event).await?);
    let invocations = amount.invocations / if plan.beside_hash.is_some() { HASHING_PART } else { 1 };
    for _ in 0..invocations.div_ceil(amount.starts) {
        let event = stack.event(name).await?;
        let (_, cpu) = (stack.recorder.take(), process.cpu());
        series.warm.push(process.invoke(event).await?);
        series.cpu.push(process.cpu().saturating_sub(cpu));
        let exchanges = stack.recorder.take();
        let reads = exchanges.iter().filter(|call| call.operation == "BatchGetItem");
        series.reads.extend(reads.map(|call| call.end - call.start));
        let trips = recorder::trips(&exchanges);
        let waited = trips.iter().enumerate().filter(|(index, _)| plan.beside_hash != Some(*index));
        series.store.push(waited.map(|(_, trip)| recorder::span(trip)).sum());
    }
    series.peak.push(process.memory().peak);
    if series.trips.is_empty() {
        series.trips = slow_trips(stack, name, &mut process).await?;
    }
    Ok(())
}

/// The store calls of a request whose every call is slow, which tells for sure which ones wait for others.
async fn slow_trips(stack: &Stack, name: &str, process: &mut Process) -> Result<String, Error> {
    let event = stack.event(name).await?;
    let _ = stack.recorder.take();
    stack.recorder.delay(SLOW);
    let answered = process.invoke(event).await;
    stack.recorder.delay(Duration::ZERO);
    answered?;
    let trips = recorder::trips(&stack.recorder.take());
    Ok(plan::show(trips.into_iter().map(|trip| trip.into_iter().map(|call| call.operation).collect())))
}

/// The hash alone, in memory that an earlier one has used, as in a warm function.
fn hash(hasher: &Hasher, series: &mut Series) -> Result<(), Error> {
    let password = Password::from_input("correct horse battery staple").ok_or(Error::Event("a password"))?;
    let cpu = || on_cpu(Path::new("/proc/thread-self/schedstat"));
    hasher.hash(&password, &SystemRandom)?;
    for _ in 0..HASHES {
        let (start, before) = (Instant::now(), cpu());
        hasher.hash(&password, &SystemRandom)?;
        series.hash.push(start.elapsed());
        series.hash_cpu.push(cpu().saturating_sub(before));
    }
    Ok(())
}

/// Where cargo puts release binaries: beside the folder of this very program, or the same.
fn binaries() -> Result<PathBuf, Error> {
    let here = std::env::current_exe().map_err(|source| Error::File { path: "bench".into(), source })?;
    let target = here.ancestors().nth(2).ok_or(Error::Event("this program is in no target folder"))?;
    Ok(target.join("release"))
}
