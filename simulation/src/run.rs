//! Runs: what is to be run, and what came of it.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use crate::audit;
use crate::bug::Bug;
use crate::scheduler::Scheduler;

/// A call that something happened to: which client's, in which of its acts, the how manieth of that.
pub type FaultKey = (usize, usize, usize);

/// What is to be run. A seed says everything; the rest is what was taken away from it.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Where all choices come from.
    pub seed: u64,
    /// What is broken.
    pub bug: Option<Bug>,
    /// Acts that are left out: whose, and the how manieth.
    pub dropped: BTreeSet<(usize, usize)>,
    /// Calls that nothing happens to, whatever the seed says.
    pub spared: BTreeSet<FaultKey>,
    /// Makes the same clients meet in another order.
    pub shuffle: u64,
    /// Whether time only creeps.
    pub calm: bool,
    /// Whether to tell what happens.
    pub told: bool,
}

impl Plan {
    /// All of a seed.
    #[must_use]
    pub fn new(seed: u64, bug: Option<Bug>) -> Self {
        Self { seed, bug, dropped: BTreeSet::new(), spared: BTreeSet::new(), shuffle: 0, calm: false, told: false }
    }
}

/// What came of many runs.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Runs.
    pub seeds: usize,
    /// Requests.
    pub requests: usize,
    /// Calls to the outside.
    pub calls: usize,
    /// Seeds that failed, and what they broke.
    pub failed: BTreeMap<u64, String>,
}

/// Runs many seeds, and after the first that fails only those that come before it, unless `all` are wanted.
#[must_use]
pub fn run_all(seeds: Range<u64>, bug: Option<Bug>, threads: usize, all: bool) -> Summary {
    let (next, limit) = (AtomicU64::new(seeds.start), AtomicU64::new(seeds.end));
    let summary = Mutex::new(Summary::default());
    let work = || {
        loop {
            let seed = next.fetch_add(1, Ordering::SeqCst);
            if seed >= limit.load(Ordering::SeqCst) {
                return;
            }
            let report = run(&Plan::new(seed, bug));
            let mut summary = summary.lock().unwrap_or_else(PoisonError::into_inner);
            summary.seeds += 1;
            summary.requests += report.requests;
            summary.calls += report.calls;
            if let Some(violation) = report.violation {
                summary.failed.insert(seed, violation);
                if !all {
                    limit.fetch_min(seed, Ordering::SeqCst);
                }
            }
        }
    };
    std::thread::scope(|scope| {
        (0..threads.max(1)).for_each(|_| drop(scope.spawn(work)));
    });
    summary.into_inner().unwrap_or_else(PoisonError::into_inner)
}

/// What came of a run.
#[derive(Default)]
pub struct Report {
    /// The first thing that must not be: the invariant, and how.
    pub violation: Option<String>,
    /// What happened, where that was asked for.
    pub story: Vec<String>,
    /// What happened to which calls.
    pub faults: Vec<FaultKey>,
    /// How many acts each client has.
    pub acts: Vec<usize>,
    /// Requests that were answered, or died.
    pub requests: usize,
    /// Calls to the outside.
    pub calls: usize,
    /// A digest of everything that happened: the same seed makes the same.
    pub fingerprint: u64,
}

/// Runs a plan.
#[must_use]
pub fn run(plan: &Plan) -> Report {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        // One thread takes its work in order, so that waiting for the last of it is waiting for all of it.
        .max_blocking_threads(1)
        .build()
        .expect("a runtime");
    audit::listen(|| runtime.block_on(Scheduler::new(plan).go()))
}
