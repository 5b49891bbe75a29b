//! Runs the functions and keeps what they cost.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use local::progress::Progress;
use shared::password::Hasher;
use shared::random::SystemRandom;
use shared::secret::Password;

use crate::Error;
use crate::plan::{self, Plan};
use crate::process::{Process, on_cpu};
use crate::recorder::{self, Exchange};
use crate::stack::Stack;

/// Bare hashes for each start of a function that hashes. They go before its invocations and not between them, where they
/// would drive its memory out of the processor's caches.
const HASHES: u32 = 8;

/// A function that hashes gets this part of the invocations.
const HASHING_PART: u32 = 4;

/// How long each call takes while it is found out which ones wait for others: the rest then overlaps for sure.
const SLOW: Duration = Duration::from_millis(25);

/// How much is measured.
#[derive(Clone, Copy, Debug, serde::Serialize)]
pub struct Amount {
    /// Fresh processes of each function.
    pub starts: u32,
    /// Warm invocations of each function.
    pub invocations: u32,
}

impl Amount {
    fn of_each_start(self, hashes: bool) -> u32 {
        (self.invocations / if hashes { HASHING_PART } else { 1 }).div_ceil(self.starts)
    }
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
    /// The part of it in which no store call was under way; with the cheapest hash, where there is one.
    pub own: Vec<Duration>,
    /// Time on a processor for each of these.
    pub cpu: Vec<Duration>,
    /// A bare password hash, where the function makes one.
    pub hash: Vec<Duration>,
    /// Time on a processor for it, a value for each start.
    pub hash_cpu: Vec<Duration>,
    /// Round trips of single reads.
    pub reads: Vec<Duration>,
    /// The store calls of one invocation.
    pub trips: String,
}

/// What was seen, by function.
pub type Measured = BTreeMap<&'static str, Series>;

/// Measures the functions in turn, start by start, so that all of them meet the same weather.
/// `cheap` is a stack like the other whose hashes cost next to nothing.
pub async fn all(
    stack: &Stack,
    cheap: &Stack,
    names: &[&'static str],
    amount: Amount,
    progress: Progress,
) -> Result<Measured, Error> {
    let binaries = binaries()?;
    let hasher = stack.config().hasher()?;
    let step = progress.step("Measuring");
    let mut measured = Measured::new();
    for start in 0..amount.starts {
        for name in names {
            let message = format!("{name}, start {} of {}", start + 1, amount.starts);
            step.reached(u64::from(start), u64::from(amount.starts), &message);
            let series = measured.entry(name).or_default();
            series.binary = binaries.join(plan::function(name));
            one_start(stack, name, amount, &hasher, series).await?;
            if Plan::of(name).hashes {
                without_hash(cheap, name, amount, series).await?;
            }
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
    let is_login = Plan::of(name).hashes;
    if is_login {
        hash(hasher, series)?;
    }
    let event = stack.event(name).await?;
    let (mut process, init) = Process::start(name, &series.binary, &stack.environment).await?;
    series.init.push(init);
    series.init_cpu.push(process.cpu());
    series.resident.push(process.memory().now);
    series.first.push(process.invoke(event).await?);
    for _ in 0..amount.of_each_start(is_login) {
        let one = invoke(stack, name, &mut process).await?;
        series.warm.push(one.whole);
        series.cpu.push(one.cpu);
        let reads = one.exchanges.iter().filter(|call| call.operation == "BatchGetItem");
        series.reads.extend(reads.map(|call| call.end - call.start));
        if !is_login {
            series.own.push(one.own());
        }
    }
    series.peak.push(process.memory().peak);
    if series.trips.is_empty() {
        stack.recorder.delay(SLOW);
        let slow = invoke(stack, name, &mut process).await;
        stack.recorder.delay(Duration::ZERO);
        let trips = recorder::trips(&slow?.exchanges).into_iter();
        series.trips = plan::show(trips.map(|trip| trip.into_iter().map(|call| call.operation).collect()));
    }
    Ok(())
}

async fn without_hash(cheap: &Stack, name: &'static str, amount: Amount, series: &mut Series) -> Result<(), Error> {
    let (mut process, _) = Process::start(name, &series.binary, &cheap.environment).await?;
    let _first = invoke(cheap, name, &mut process).await?;
    for _ in 0..amount.of_each_start(true) {
        series.own.push(invoke(cheap, name, &mut process).await?.own());
    }
    Ok(())
}

/// One invocation.
struct Invocation {
    whole: Duration,
    cpu: Duration,
    exchanges: Vec<Exchange>,
}

impl Invocation {
    fn own(&self) -> Duration {
        let store = recorder::trips(&self.exchanges).iter().map(|trip| recorder::span(trip)).sum();
        self.whole.saturating_sub(store)
    }
}

async fn invoke(stack: &Stack, name: &str, process: &mut Process) -> Result<Invocation, Error> {
    let event = stack.event(name).await?;
    let (_, before) = (stack.recorder.take(), process.cpu());
    let whole = process.invoke(event).await?;
    Ok(Invocation { whole, cpu: process.cpu().saturating_sub(before), exchanges: stack.recorder.take() })
}

/// The hash alone, in memory that an earlier one has used, as in a warm function.
fn hash(hasher: &Hasher, series: &mut Series) -> Result<(), Error> {
    let password = Password::from_input("correct horse battery staple").ok_or(Error::Event("a password"))?;
    let cpu = || on_cpu(Path::new("/proc/thread-self/schedstat"));
    hasher.hash(&password, &SystemRandom)?;
    let before = cpu();
    for _ in 0..HASHES {
        let start = Instant::now();
        hasher.hash(&password, &SystemRandom)?;
        series.hash.push(start.elapsed());
    }
    // A running thread's time is brought up to date every few milliseconds, too seldom for a single hash.
    series.hash_cpu.push(cpu().saturating_sub(before) / HASHES);
    Ok(())
}

/// Where cargo puts release binaries: beside the folder of this very program, or the same.
pub fn binaries() -> Result<PathBuf, Error> {
    let here = std::env::current_exe().map_err(|source| Error::File { path: "bench".into(), source })?;
    let target = here.ancestors().nth(2).ok_or(Error::Event("this program is in no target folder"))?;
    Ok(target.join("release"))
}
